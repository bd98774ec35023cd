"""lab.yaml: the server, the ways to start an agent, and what contradicts itself."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from integrator.config import Lab, load_lab
from integrator.config.engine_address import EngineAddress, parse_engine_address
from integrator.config.lab import StartDocker
from integrator.offers import MachineOffer, offers_of
from protocol.errors import ConfigurationError

EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = "schema_version: 1\nname: lab\n"
WIDE = HEAD + "server: {listen: 0.0.0.0, port: 2121, advertise: lab.example}\n"


def lab_of(text: str, path: Path) -> Lab:
    file = path / "lab.yaml"
    file.write_text(text)
    for name in ("box.json", "key", "word", "ca.pem", "cert.pem", "key.pem"):
        (path / name).touch()
    return load_lab(file)


def problems_of(text: str, path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        lab_of(text, path)
    return [line.removeprefix(f"{path}/lab.yaml:").replace(str(path), "D") for line in caught.value.problems]


def docker_of(text: str, path: Path) -> StartDocker:
    (machine,) = lab_of(WIDE + f"machines: [{{name: box, start: {text}}}]\n", path).machines
    assert isinstance(machine.start, StartDocker)
    assert machine.docker == machine.start.docker
    return machine.start


def test_every_default_is_the_documented_one(tmp_path: Path) -> None:
    (machine,) = lab_of(HEAD + "machines: [{name: box}]\n", tmp_path).machines
    assert (machine.start, machine.docker, machine.account) == ("local", None, None)
    server = lab_of(HEAD + "machines: [{name: box}]\n", tmp_path).server
    assert (server.account, server.listen, server.port, server.advertise, server.passive_ports) == (
        *(None, "127.0.0.1", None, None, None),
    )
    assert server.host == "127.0.0.1"
    for text in ("docker", "{docker: }", "{docker: {}}", "{docker: {host: 'unix:///var/run/docker.sock'}}"):
        assert docker_of(text, tmp_path).docker.model_dump() == {
            "host": "unix:///var/run/docker.sock",
            "key_file": None,
            "password_file": None,
            "prompt": False,
            "known_hosts": None,
            "tls": None,
            "image": "fleetmark-agent:{openvino}",
            "devices": (),
            "cpuset": None,
            "memory": None,
            "shm": None,
            "numa_node": None,
            "environment": {},
            "network": "host",
            "volume": None,
        }
    assert docker_of("docker", tmp_path).docker.image_for("2026.4") == "fleetmark-agent:2026.4"
    assert docker_of("docker", tmp_path).docker.volume_for("box") == "fleetmark-box"


def test_values_as_they_are_read(tmp_path: Path) -> None:
    docker = docker_of(
        "{docker: {host: 'ssh://me@box', key_file: key, known_hosts: known, image: 'reg:5000/a/b:x', cpuset: "
        "3, memory: 8g, shm: 512M, numa_node: 0, devices: /dev/dri, environment: {A: 1, B: '', c_2: x=y}, "
        "network: lab-net, volume: v1}}",
        tmp_path,
    ).docker
    assert (docker.key_file, docker.known_hosts) == (tmp_path / "key", tmp_path / "known")
    assert (docker.cpuset, docker.memory, docker.shm) == ("3", 8 << 30, 512 << 20)
    assert docker.devices == ("/dev/dri",)
    assert docker.environment == {"A": "1", "B": "", "c_2": "x=y"}
    assert docker.image_for("2026.4") == "reg:5000/a/b:x"
    assert docker.volume_for("box") == "v1"
    text = "server: {listen: '::', advertise: '10.0.0.5', passive_ports: 50000-50100}\n"
    server = lab_of(HEAD + text + "machines: [{name: box}]\n", tmp_path).server
    assert (server.listen, server.host, server.passive_ports) == ("::", "10.0.0.5", (50000, 50100))


def test_a_file_in_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    docker = docker_of("{docker: {host: 'ssh://me@box', known_hosts: ~/.ssh/known}}", tmp_path).docker
    assert docker.known_hosts == tmp_path / "home/.ssh/known"


ADDRESSES = {
    "unix:///run/user/1000/docker.sock": EngineAddress("unix", socket="/run/user/1000/docker.sock"),
    "ssh://me@box": EngineAddress("ssh", "/var/run/docker.sock", "me", "box", 22),
    "ssh://me@10.0.0.1:2222": EngineAddress("ssh", "/var/run/docker.sock", "me", "10.0.0.1", 2222),
    "ssh://me@[::1]:2222/run/d.sock": EngineAddress("ssh", "/run/d.sock", "me", "::1", 2222),
    "tcp://box:2376": EngineAddress("tcp", "", "", "box", 2376),
}


@pytest.mark.parametrize(("text", "address"), ADDRESSES.items(), ids=ADDRESSES)
def test_an_address_is_read_and_written(text: str, address: EngineAddress) -> None:
    assert parse_engine_address(text) == address
    assert str(address) == text


def test_an_address_with_its_defaults() -> None:
    assert str(parse_engine_address("ssh://me@box:22/")) == "ssh://me@box"
    assert str(parse_engine_address("tcp://box")) == "tcp://box:2376"


@pytest.mark.parametrize(
    ("host", "sentence"),
    {
        "box": "is not the address of a Docker Engine; expected unix:///var/run/docker.sock, "
        "ssh://user@host or tcp://host:2376",
        "http://box": "is not the address of a Docker Engine; expected unix:///var/run/docker.sock, "
        "ssh://user@host or tcp://host:2376",
        "ssh://me@box:x": "is not the address of a Docker Engine; expected unix:///var/run/docker.sock, "
        "ssh://user@host or tcp://host:2376",
        "ssh://box": "does not say which user logs in; expected ssh://user@host",
        "ssh://me@-oProxyCommand=x": "names no host; expected unix:///var/run/docker.sock, "
        "ssh://user@host or tcp://host:2376",
        "ssh://me@box/a;b": "has no path of a socket after the host; expected "
        "ssh://user@host/run/docker.sock",
        "unix://run/docker.sock": "has no path of a socket; expected unix:///var/run/docker.sock",
        "tcp://box:1/x": "holds more than host and port; expected tcp://host:2376",
    }.items(),
)
def test_what_is_no_address(host: str, sentence: str, tmp_path: Path) -> None:
    text = WIDE + f"machines: [{{name: a, start: {{docker: {{host: '{host}'}}}}}}]\n"
    assert problems_of(text, tmp_path) == [f'4:45: machines[0].start.docker.host: "{host}" {sentence}']


def test_a_password_in_an_address_is_not_repeated(tmp_path: Path) -> None:
    text = WIDE + "machines: [{name: a, start: {docker: {host: 'ssh://me:secret@box'}}}]\n"
    assert problems_of(text, tmp_path) == [
        (
            '4:45: machines[0].start.docker.host: "ssh://me:…@box" holds a password; give '
            "password_file, prompt or a key instead"
        )
    ]


VALUES = {
    "image: Upper": 'image: "Upper" is not the name of an image, such as fleetmark-agent:2026.4',
    "devices: [dri]": 'devices[0]: "dri" is not the path of a device, such as /dev/dri',
    "devices: [/dev/../etc]": 'devices[0]: "/dev/../etc" is not the path of a device, such as /dev/dri',
    "cpuset: 3-1": 'cpuset: "3-1" is not a set of CPUs, such as 0-7 or 0,2,4',
    "memory: 12": "memory: 12 is not a size of 1m or more, such as 512m or 8g",
    "shm: 1x": 'shm: "1x" is not a size of 1m or more, such as 512m or 8g',
    "numa_node: -1": "numa_node: -1 is too small; expected at least 0",
    "environment: {A: yes, 1a: x}": 'environment.1a: "1a" is not the name of a variable',
    "environment: {A: true}": "environment.A: true is not text; put it in quotes",
    "network: none": 'network: with network "none" the agent could not reach the server',
    "network: 'container:x'": 'network: "container:x" is not a name; expected 2 to 128 letters, digits, '
    "_, . and -",
    "volume: /srv": 'volume: "/srv" is not a name; expected 2 to 128 letters, digits, _, . and -',
    "imgae: a": 'unknown key "imgae"; did you mean "image"? known keys: host, key_file, password_file, '
    "prompt, known_hosts, tls, image, devices, cpuset, memory, shm, numa_node, environment, network, volume",
    "key_file: key": "key_file: key_file is for ssh://, and host is unix:///var/run/docker.sock",
    "tls: {ca: ca.pem, certificate: cert.pem, key: key.pem}": "tls: tls is for tcp://, and host is "
    "unix:///var/run/docker.sock",
    "host: 'tcp://box'": "host: tcp:// without TLS lets everybody in; give tls: {ca, certificate, key}",
    "host: 'ssh://a@box', key_file: gone": 'key_file: "D/gone" does not exist',
    "host: 'ssh://a@box', key_file: .": 'key_file: "D" is a directory; expected a file',
    "host: 'ssh://a@box', password_file: word, prompt: true": "prompt: prompt cannot go with password_file: "
    "give one of them",
    "host: 'tcp://box', tls: {ca: ca.pem, key: key.pem}": 'tls: the key "certificate" is missing',
}


@pytest.mark.parametrize(("given", "sentence"), VALUES.items(), ids=VALUES)
def test_a_bad_value(given: str, sentence: str, tmp_path: Path) -> None:
    (problem,) = problems_of(
        WIDE + f"machines:\n  - name: a\n    start:\n      docker: {{{given}}}\n", tmp_path
    )
    position, _, rest = problem.partition(": machines[0].start.docker")
    assert rest.removeprefix(".").removeprefix(": ") == sentence
    assert position.startswith("7:")


SERVERS = {
    "listen: 0.0.0.0": (
        "3:18: server.listen: machines have to be told where to find a server that listens on 0.0.0.0: "
        "give advertise, the name or address of this computer"
    ),
    "listen: lab.example": (
        '3:18: server.listen: "lab.example" is not an address of this computer, such as 0.0.0.0 (all) or '
        "10.0.0.5"
    ),
    "advertise: 0.0.0.0": '3:21: server.advertise: "0.0.0.0" is no address that machines could connect to',
    "advertise: 10.0.0": (
        '3:21: server.advertise: "10.0.0" is neither a name nor an address of this computer, such as 10.0.0.5'
    ),
    "port: 0": "3:16: server.port: 0 is too small; expected at least 1",
    "passive_ports: 9-8": ('3:25: server.passive_ports: "9-8" is not a range of ports, such as 50000-50100'),
    "account: box.json, port: 2121": (
        "3:35: server.port: port is for the server inside the integrator; account names the lab's own"
    ),
}


@pytest.mark.parametrize(("given", "expected"), SERVERS.items(), ids=SERVERS)
def test_a_bad_server(given: str, expected: str, tmp_path: Path) -> None:
    text = HEAD + f"server: {{{given}}}\nmachines: [{{name: box, account: box.json}}]\n"
    assert expected in problems_of(text, tmp_path)


EXPECTED = 'expected local, docker, waiting, or a mapping with the one key "docker"'
KEYS = (
    "host, key_file, password_file, prompt, known_hosts, tls, image, devices, cpuset, memory, shm, "
    "numa_node, environment, network, volume"
)
WAYS = {
    "{ssh: {}}": f"a mapping is no way to start an agent; {EXPECTED}",
    "[docker]": f"a list is no way to start an agent; {EXPECTED}",
    "{docker: 3}": f"3 is not a mapping of keys and values; known keys: {KEYS}",
}


@pytest.mark.parametrize(("start", "sentence"), WAYS.items(), ids=WAYS)
def test_no_way_to_start(start: str, sentence: str, tmp_path: Path) -> None:
    (problem,) = problems_of(WIDE + f"machines: [{{name: box, start: {start}}}]\n", tmp_path)
    assert problem.endswith(f": {sentence}")


def test_machines_that_could_not_reach_or_enter_the_server(tmp_path: Path) -> None:
    remote = "{docker: {host: 'ssh://a@box'}}"
    reach = "give server.listen (0.0.0.0) and server.advertise (a name or address of this computer)"
    machines = (
        f"machines:\n  - {{name: a, start: {remote}}}\n  - {{name: b, start: {{docker: {{network: net}}}}}}\n"
        "  - {name: c, start: waiting}\n  - {name: d, account: box.json}\n"
        "  - {name: e, start: {docker: {host: 'ssh://a@127.0.0.1:2222'}}}\n"
    )
    assert problems_of(HEAD + machines, tmp_path) == [
        f"4:22: machines[0].start: a could not reach a server on 127.0.0.1; {reach}",
        (
            "5:41: machines[1].start.docker.network: a server on 127.0.0.1 cannot be reached from the "
            f'network "net": {reach}, or network: host'
        ),
        (
            "7:24: machines[3].account: the server inside the integrator makes its accounts itself; remove "
            "this key"
        ),
    ]
    assert problems_of(
        HEAD + "server: {account: box.json}\nmachines:\n  - {name: a}\n  - {name: b, start: waiting, "
        "account: box.json}\n  - {name: c, start: docker, account: box.json}\n",
        tmp_path,
    ) == [
        (
            "5:12: machines[0].name: a needs the key account, its hand-over file, because server.account is "
            "given; fleetmark machine add a writes one"
        ),
        "6:40: machines[1].account: an agent that waits has its hand-over file already; remove this key",
    ]


PRICED = HEAD + "machines: [{name: box, "
PRICES = {
    "price: 0, currency: EUR": "price: 0 is too small; expected more than 0",
    "price: '900', currency: EUR": 'price: "900" is not a number; write it without quotes',
    "price: .inf, currency: EUR": "price: inf is not a finite number",
    "price: 900": "price: needs its currency; give currency, such as EUR, for this machine or for the lab",
    "price: 900, currency: eur": (
        'currency: "eur" is not a currency of three capital letters, such as EUR or USD (did you mean "EUR"?)'
    ),
    "price: 900, currency: 9": "currency: 9 is not a currency of three capital letters, such as EUR or USD",
    "currency: EUR": "currency: belongs to a price, which box has not; give price or remove this key",
    "priced_on: 2026-11-30": (
        "priced_on: belongs to a price, which box has not; give price or remove this key"
    ),
    "price: 9, currency: EUR, priced_on: 30.11.2026": (
        'priced_on: "30.11.2026" is not a date written as year-month-day, such as 2026-11-30'
    ),
    "price: 9, currency: EUR, priced_on: 2026-02-30": 'priced_on: "2026-02-30" is not a day of the calendar',
    "watts: -5": "watts: -5 is too small; expected more than 0",
}


@pytest.mark.parametrize(("given", "expected"), PRICES.items(), ids=PRICES)
def test_a_price_that_says_too_little(given: str, expected: str, tmp_path: Path) -> None:
    (problem,) = problems_of(f"{PRICED}{given}}}]\n", tmp_path)
    assert problem.startswith("3:")
    assert problem.endswith(f"machines[0].{expected}")


def test_what_a_machine_costs_and_draws(tmp_path: Path) -> None:
    lab = lab_of(
        HEAD + "currency: EUR\nmachines:\n  - {name: a, price: 900.5, priced_on: 2026-11-30, watts: 65}\n"
        "  - {name: b, price: 1000, currency: USD}\n  - {name: c}\n",
        tmp_path,
    )
    assert offers_of(lab) == {
        "a": MachineOffer(price=900.5, currency="EUR", priced_on=date(2026, 11, 30), watts=65),
        "b": MachineOffer(price=1000, currency="USD"),
        "c": MachineOffer(),
    }
