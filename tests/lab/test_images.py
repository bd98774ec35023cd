"""What the images are: small, of the right things, unprivileged, stopped by a signal, and well."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol.version import __version__
from tests.lab.base import BASE, PREFIX, Images
from tests.lab.box import wait_until
from tests.lab.docker_cli import docker, docker_ok, lines_of
from tests.lab.owner import LABEL, me
from tests.lab.private_index import MARK, PrivateIndex, private_index

_ROOT = Path(__file__).parents[2]
_BUILD = _ROOT / "docker" / "build"
_PROGRAMS = ("agent", "ftp", "integrator")
_MOST_MB = {"agent": 420, "ftp": 190, "integrator": 600}
_OTHERS = {
    "agent": ("pandas", "paramiko", "docker", "jinja2", "pyftpdlib", "integrator", "ftp_server", "pip"),
    "ftp": ("pandas", "paramiko", "docker", "jinja2", "openvino", "numpy", "integrator", "agent", "pip"),
    "integrator": ("pip", "pytest", "mypy"),
}


def inspect(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("image", "inspect", image))[0]
    return found


def inside(image: str, *words: str, user: str = "") -> str:
    """What a command says in a container of the image."""
    as_user = ("--user", user) if user else ()
    label = ("--label", f"{LABEL}={me()}")
    return docker("run", "--rm", *label, *as_user, "--entrypoint", words[0], image, *words[1:])


def built(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(_BUILD), *words], check=False, capture_output=True, text=True, timeout=900)


@pytest.fixture(params=_PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def image(images: Images, program: str) -> str:
    return str(getattr(images, program))


@pytest.fixture
def leftover() -> Iterator[list[str]]:
    """Images that a test makes; they are removed."""
    names: list[str] = []
    yield names
    for name in names:
        docker_ok("rmi", "-f", name)


def test_it_is_small(image: str, program: str) -> None:
    assert inspect(image)["Size"] / 1e6 < _MOST_MB[program]


def test_it_says_what_it_is(image: str) -> None:
    labels = inspect(image)["Config"]["Labels"]
    said = {
        key.rpartition(".")[2]: text for key, text in labels.items() if key.startswith("org.opencontainers")
    }
    commit = subprocess.run(
        ["git", "-C", str(_ROOT), "rev-parse", "HEAD"], check=False, capture_output=True, text=True
    )
    assert said["version"] == __version__
    assert re.fullmatch(f"{commit.stdout.strip() or 'unknown'}(-changed)?", said["revision"])
    assert said["licenses"] == "Apache-2.0"
    assert said["title"] == image.rpartition(":")[0]
    assert len(said["description"]) > 20


def test_its_user_is_nobody_special_and_can_change_nothing_of_it(image: str) -> None:
    assert inside(image, "id").startswith(
        "uid=10001(fleetmark) gid=10001(fleetmark) groups=10001(fleetmark)\n"
    )
    assert inside(image, "stat", "-c", "%U:%G %a", "/var/lib/fleetmark") == "fleetmark:fleetmark 700\n"
    # What it may not even look into says "permission denied", which is well.
    setuid = "find / -xdev -type f -perm /6000"
    writable = (
        "find / -xdev -path /proc -prune -o -path /var/lib/fleetmark -prune -o -type f -writable -print"
    )
    assert inside(image, "sh", "-c", f"({setuid}; {writable}) 2>/dev/null || true") == ""


def test_it_carries_no_program_and_no_package_of_the_others(image: str, program: str) -> None:
    code = f"import importlib.util as u; print([n for n in {_OTHERS[program]} if u.find_spec(n)])"
    assert inside(image, "python", "-c", code) == "[]\n"


def test_its_packages_are_those_of_its_lock_file(image: str, program: str) -> None:
    code = "import importlib.metadata as m; [print(d.name, d.version) for d in m.distributions()]"
    normal = {
        re.sub(r"[-_.]+", "-", line.lower(), count=9)
        for line in lines_of(inside(image, "python", "-c", code))
    }
    lock = (_ROOT / "requirements" / f"{program}.lock").read_text()
    pinned = {re.sub(r"[-_.]+", "-", f"{n} {v}") for n, v in re.findall(r"^(\S+)==(\S+)", lock, re.MULTILINE)}
    assert normal
    assert normal <= pinned


def test_the_tag_of_an_agent_is_the_release_of_its_openvino(images: Images) -> None:
    release = images.agent.rpartition(":")[2]
    version = inspect(images.agent)["Config"]["Labels"]["fleetmark.openvino"]
    code = "import openvino; print(openvino.__version__, openvino.Core().available_devices)"
    said = inside(images.agent, "python", "-c", code)
    assert version.startswith(f"{release}.")
    assert said.startswith(f"{version}-")
    assert "CPU" in said
    assert docker_ok("image", "inspect", f"{PREFIX}fleetmark-agent:{version}")


def test_another_release_of_openvino_is_another_tag(images: Images) -> None:
    """The same agent on an older release; both stay side by side."""
    done = built("--prefix", PREFIX, "--openvino", "2025.4", "agent")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{PREFIX}fleetmark-agent:2025.4\n"
    code = "import openvino, agent.cli; print(openvino.__version__)"
    assert inside(done.stdout.strip(), "python", "-c", code).startswith("2025.4.")
    assert docker_ok("image", "inspect", images.agent)


def test_what_was_built_from_the_same_things_stays(images: Images) -> None:
    before = inspect(images.ftp)["Id"]
    done = built("--prefix", PREFIX, "ftp")
    assert done.returncode == 0
    assert f"{images.ftp} is up to date" in done.stderr
    assert inspect(images.ftp)["Id"] == before


def test_a_build_removes_no_image_of_another_build_that_has_no_name_yet(
    images: Images, leftover: list[str]
) -> None:
    recipe = f"FROM {BASE}\nLABEL fleetmark.content={me()}\n"
    other = docker("build", "-q", "-", stdin=recipe).strip()
    leftover.append(other)
    assert built("--prefix", PREFIX, "--force", "ftp").returncode == 0
    assert docker_ok("image", "inspect", other)


def test_a_release_that_has_no_lock_file_is_refused_with_the_command_that_makes_it(engine: None) -> None:
    done = built("--openvino", "1999.1", "agent")
    assert done.returncode == 1
    assert "make lock-openvino OPENVINO=1999.1" in done.stderr


def test_without_a_network_an_empty_wheelhouse_is_a_mistake(images: Images, tmp_path: Path) -> None:
    done = built("--wheelhouse", str(tmp_path), "--offline", "ftp")
    assert done.returncode == 1
    assert f"docker/wheelhouse --to {tmp_path}" in done.stderr


def test_packages_of_a_driver_get_into_the_agents_image(
    images: Images, tmp_path: Path, leftover: list[str]
) -> None:
    """A package such as a maker of an NPU hands out, made here."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    package = tmp_path / "driver"
    (package / "DEBIAN").mkdir(parents=True)
    (package / "usr/lib").mkdir(parents=True)
    (package / "usr/lib/libnpu.so").write_text("a driver")
    (package / "DEBIAN/control").write_text(
        "Package: some-npu-driver\nVersion: 1.2\nArchitecture: all\nMaintainer: Nobody <nobody@example>\n"
        "Description: A driver\n"
    )
    folder = tmp_path / "drivers"
    folder.mkdir()
    subprocess.run(["dpkg-deb", "--build", str(package), str(folder)], check=True, capture_output=True)
    leftover += [f"{PREFIX}fleetmark-agent:{tag}-npu" for tag in image_tags(images.agent)]
    done = built("--prefix", PREFIX, "--drivers", str(folder), "--suffix", "-npu", "agent")
    assert done.returncode == 0, done.stderr
    made = done.stdout.strip()
    assert made == f"{images.agent}-npu"
    assert inside(made, "dpkg-query", "-W", "-f", "${Version}", "some-npu-driver") == "1.2"
    assert inside(made, "cat", "/usr/lib/libnpu.so") == "a driver"


def image_tags(image: str) -> list[str]:
    return [tag.rpartition(":")[2] for tag in inspect(image)["RepoTags"] if tag.startswith(PREFIX)]


@pytest.fixture
def index(images: Images, tmp_path: Path) -> Iterator[PrivateIndex]:
    """The packages of the FTP server on an index of a company, behind its own CA."""
    wheelhouse = Path(docker_home()) / "fleetmark" / "wheelhouse"
    with private_index(wheelhouse, "ftp", tmp_path) as served:
        yield served


def docker_home() -> str:
    done = subprocess.run(
        ["bash", "-c", 'echo "${XDG_CACHE_HOME:-$HOME/.cache}"'], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_ca_and_an_index_of_a_company_are_used_and_leave_nothing_behind(
    index: PrivateIndex, tmp_path: Path, leftover: list[str]
) -> None:
    prefix = f"{PREFIX}private-"
    name = f"{prefix}fleetmark-ftp:{__version__}"
    leftover.append(name)
    done = built(
        *("--prefix", prefix, "--wheelhouse", str(index.wheelhouse), "--network", "host"),
        *("--ca", str(index.ca), "--pip-conf", str(index.pip_conf), "ftp"),
    )
    assert done.returncode == 0, done.stderr
    assert "/simple/pyftpdlib/" in index.asked, "the packages came from elsewhere"

    saved = tmp_path / "image.tar"
    docker("save", "-o", str(saved), name)
    layers = b"".join([saved.read_bytes(), docker("history", "--no-trunc", name).encode()])
    assert b"fleetmark-ftp" in layers, "what is searched is not readable"
    for secret in (MARK.encode(), index.address.encode(), index.ca_text):
        assert secret not in layers
    kept = b"".join(file.read_bytes() for file in index.wheelhouse.rglob("*") if file.is_file())
    assert MARK.encode() not in kept
    assert index.ca_text not in kept


def state(container: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("inspect", container))[0]["State"]
    return found


def health(container: str) -> str:
    return str(state(container)["Health"]["Status"])


@pytest.fixture
def pair(images: Images) -> Iterator[tuple[str, str]]:
    """A server and an agent with an account on it; their names."""
    owner = ("--label", f"{LABEL}={me()}")
    name = f"fleetmark-pair-{me()}"
    server, agent = f"{name}-server", f"{name}-agent"
    quick = ("--health-interval", "1s")
    work = "/var/lib/fleetmark"
    docker("network", "create", *owner, name)
    try:
        docker("volume", "create", *owner, server)
        docker(
            *("run", "-d", *owner, *quick, "--name", server, "--network", name, "--network-alias", "server"),
            *("-v", f"{server}:{work}", images.ftp, "serve", "--root", work, "--host", "0.0.0.0"),
            *("--advertise", "server"),
        )
        wait_until(lambda: health(server) == "healthy", "the server does not become well")
        docker(
            *("run", "--rm", *owner, "-v", f"{server}:{work}", images.integrator, "machine", "add", "box"),
            *("--server-root", work, "--out", f"{work}/box.account.json"),
        )
        docker("create", *owner, *quick, "--name", agent, "--network", name, images.agent)
        handed_over = docker("exec", server, "cat", f"{work}/box.account.json")
        put(agent, handed_over)
        docker("start", agent)
        yield server, agent
    finally:
        docker_ok("rm", "-f", "-v", agent, server)
        docker_ok("volume", "rm", server)
        docker_ok("network", "rm", name)


def put(container: str, account: str) -> None:
    """The hand-over file as the agent wants it: its own, and closed to others."""
    import io  # noqa: PLC0415
    import tarfile  # noqa: PLC0415

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("account.json")
        entry.size, entry.mode, entry.uid, entry.gid = len(account), 0o600, 10001, 10001
        tar.addfile(entry, io.BytesIO(account.encode()))
    subprocess.run(
        ["docker", "cp", "-", f"{container}:/var/lib/fleetmark"],
        check=True,
        input=packed.getvalue(),
        stdout=subprocess.DEVNULL,
    )


def test_both_become_well_and_leave_when_they_are_asked_to(pair: tuple[str, str]) -> None:
    server, agent = pair
    wait_until(lambda: health(agent) == "healthy", "the agent does not become well")
    assert docker("exec", agent, "cat", "/proc/1/comm") == "tini\n"
    docker("stop", "-t", "60", agent)
    assert state(agent)["ExitCode"] in {0, 130}, docker("logs", agent)
    docker("stop", "-t", "60", server)
    assert state(server)["ExitCode"] == 0


def test_an_agent_that_gives_no_sign_of_life_is_not_well(pair: tuple[str, str]) -> None:
    _, agent = pair
    wait_until(lambda: health(agent) == "healthy", "the agent does not become well")
    docker("exec", agent, "sh", "-c", "kill -STOP $(cat /proc/1/task/1/children)")
    docker("exec", agent, "touch", "-d", "1 minute ago", "/var/lib/fleetmark/alive")
    wait_until(lambda: health(agent) == "unhealthy", "an agent that hangs passes for well")
