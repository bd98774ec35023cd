"""Agents in containers on this machine's engine: started, asked, stopped, taken up, and what goes wrong."""

from __future__ import annotations

import json
import os
import stat
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from integrator.config.docker_start import DockerStart
from integrator.launch.container import DockerLauncher
from integrator.launch.engine import Engine
from integrator.launch.interface import Order, Presence
from protocol.account import Account
from protocol.errors import LaunchError, UnreachableError, UserError
from tests.integration.proxy import wait_for
from tests.lab.docker_cli import docker, docker_ok
from tests.launching.engines import make_tiny_image

IMAGE = "fleetmark-test-tiny:1"
SECRET = "neither-in-sight-nor-in-logs"
ACCOUNT = Account(
    schema_version=1, host="127.0.0.1", port=1, user="box", password=SecretStr(SECRET), ca_certificate="none"
)


@pytest.fixture(scope="module")
def tiny(engine: None) -> Iterator[str]:
    make_tiny_image(IMAGE)
    yield IMAGE
    docker("rmi", "-f", IMAGE)


@dataclass
class Stand:
    """Launchers of one machine of this test."""

    machine: str
    made: list[DockerLauncher] = field(default_factory=list)

    @property
    def container(self) -> str:
        return f"fleetmark-agent-{self.machine}"

    def launcher(self, script: str = "sleep 600", **settings: Any) -> DockerLauncher:
        environment = {"SCRIPT": script, **settings.pop("environment", {})}
        start = DockerStart(**{"image": IMAGE, "environment": environment, **settings})
        launcher = DockerLauncher(self.machine, start, Engine(start), default_openvino="2026.4")
        self.made.append(launcher)
        return launcher

    def order(self, campaign: str = "c-1", **changes: Any) -> Order:
        return Order(self.machine, campaign, **{"account": ACCOUNT, **changes})

    def inspect(self) -> Any:
        return json.loads(docker("inspect", self.container))[0]

    def said(self, script: str, **settings: Any) -> str:
        """What an agent says that does this and leaves."""
        launcher = self.launcher(script, **settings)
        launcher.start(self.order())
        status = launcher.wait(30)
        assert (status.state, status.exit_code) == (Presence.EXITED, 0), launcher.logs(50)
        return launcher.logs(50)


@pytest.fixture
def stand(tiny: str) -> Iterator[Stand]:
    stand = Stand(f"test-{uuid.uuid4().hex[:8]}")
    yield stand
    for launcher in stand.made:
        launcher.close()
    docker_ok("rm", "-f", stand.container)
    docker_ok("volume", "rm", f"fleetmark-{stand.machine}")


def test_an_agent_from_its_start_to_its_end(stand: Stand) -> None:
    launcher = stand.launcher("echo to out; echo to err >&2; sleep 600")
    assert launcher.status().state is Presence.ABSENT
    assert launcher.logs() == ""
    launcher.start(stand.order())
    assert launcher.status().state is Presence.RUNNING
    assert launcher.wait(0.5).state is Presence.RUNNING
    assert wait_for(lambda: "to err" in launcher.logs())
    assert sorted(launcher.logs().splitlines()) == ["to err", "to out"]
    assert len(launcher.logs(1).splitlines()) == 1
    assert (
        stand.inspect()["Config"]["Labels"].items()
        >= {
            "fleetmark.campaign": "c-1",
            "fleetmark.machine": stand.machine,
            "fleetmark.order": "1",
            "fleetmark.openvino": "",
        }.items()
    )
    assert stand.inspect()["HostConfig"]["RestartPolicy"]["Name"] in {"", "no"}
    launcher.remove()
    assert launcher.status().state is Presence.ABSENT
    assert not docker_ok("inspect", stand.container)
    assert docker_ok("volume", "inspect", f"fleetmark-{stand.machine}")  # it stays
    launcher.remove()  # there is nothing to do


def test_the_account_is_for_the_agents_eyes_only(stand: Stand) -> None:
    said = stand.said("stat -c '%a %u %g' account.json; id -u; cat account.json")
    mode, user, account = said.split("\n", 2)
    assert mode == "600 10001 10001"
    assert Account.from_bytes(account.encode(), source="it") == ACCOUNT
    assert user == "10001"
    assert SECRET not in docker("inspect", stand.container)
    assert SECRET not in docker("inspect", f"fleetmark-{stand.machine}")


def test_how_an_agent_ended(stand: Stand) -> None:
    for script, code in (("true", 0), ("exit 3", 3), ("exit 130", 130), ("exit 137", -9)):
        launcher = stand.launcher(script)
        launcher.start(stand.order())
        status = launcher.wait(30)
        assert (status.state, status.exit_code) == (Presence.EXITED, code), script
        assert launcher.wait(30) == status  # at once
    launcher = stand.launcher()
    launcher.start(stand.order())
    docker("kill", stand.container)
    assert launcher.wait(30).exit_code == -9


def test_asked_to_stop_once_and_twice(stand: Stand) -> None:
    on_term = "n=$((n+1)); echo asked $n; [ $n -lt 2 ] || exit 130"
    launcher = stand.launcher(f"n=0; trap '{on_term}' TERM; echo on; while :; do sleep 0.1; done")
    launcher.ask_to_stop()  # there is nobody
    launcher.start(stand.order())
    assert wait_for(lambda: "on" in launcher.logs())
    launcher.ask_to_stop()
    assert wait_for(lambda: "asked 1" in launcher.logs())
    assert launcher.status().state is Presence.RUNNING
    launcher.ask_to_stop()
    assert launcher.wait(30).exit_code == 130
    assert launcher.logs().endswith("asked 2")
    launcher.ask_to_stop()  # it has gone


def test_what_runs_already_is_gone_on_with(stand: Stand) -> None:
    first = stand.launcher()
    first.start(stand.order(openvino="2026.4"))
    container = stand.inspect()["Id"]
    first.close()  # the integrator dies, and another one takes up its campaign
    second = stand.launcher()
    second.start(stand.order(openvino="2026.4", number=2))
    assert stand.inspect()["Id"] == container
    assert second.status().state is Presence.RUNNING


def test_a_newer_account_reaches_an_agent_that_is_gone_on_with(stand: Stand) -> None:
    launcher = stand.launcher("while :; do cat account.json; sleep 0.1; done")
    launcher.start(stand.order())
    newer = ACCOUNT.model_copy(update={"port": 2})
    launcher.start(stand.order(account=newer))
    assert wait_for(lambda: '"port": 2' in launcher.logs(20))


def test_what_ended_is_replaced(stand: Stand) -> None:
    launcher = stand.launcher("true")
    launcher.start(stand.order())
    launcher.wait(30)
    first = stand.inspect()["Id"]
    launcher.start(stand.order("c-2", number=2))
    launcher.wait(30)
    assert stand.inspect()["Id"] != first
    assert stand.inspect()["Config"]["Labels"]["fleetmark.campaign"] == "c-2"


@pytest.mark.parametrize("other", [{"campaign": "c-2"}, {"openvino": "2025.4"}])
def test_another_agent_of_the_machine_is_in_the_way(other: dict[str, Any], stand: Stand) -> None:
    launcher = stand.launcher()
    launcher.start(stand.order())
    with pytest.raises(UserError, match=f"an agent of {stand.machine} runs there already, for c-1") as caught:
        launcher.start(stand.order(**other))
    assert f"docker rm -f {stand.container}" in caught.value.advice


def test_the_name_is_taken_by_something_else(stand: Stand) -> None:
    docker("run", "-d", "--name", stand.container, "--network", "none", "--entrypoint", "sleep", IMAGE, "600")
    launcher = stand.launcher()
    with pytest.raises(UserError, match=f"the name {stand.container} is taken there by container") as caught:
        launcher.start(stand.order())
    assert "docker inspect" in caught.value.advice
    launcher.ask_to_stop()
    launcher.remove()
    assert docker_ok("inspect", stand.container)  # it is left alone
    assert launcher.status().state is Presence.ABSENT


def test_limits_and_environment_are_those_of_lab_yaml(stand: Stand) -> None:
    launcher = stand.launcher(
        cpuset="0",
        memory=64 << 20,
        shm=8 << 20,
        environment={"WITH": "a value"},
        volume=f"fleetmark-{stand.machine}",
    )
    launcher.start(stand.order())
    host = stand.inspect()["HostConfig"]
    assert (host["CpusetCpus"], host["CpusetMems"]) == ("0", "")
    assert (host["Memory"], host["MemorySwap"], host["ShmSize"]) == (64 << 20, 64 << 20, 8 << 20)
    assert host["NetworkMode"] == "host"
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges" in host["SecurityOpt"]
    inside = docker(
        "exec", stand.container, "sh", "-c", 'echo "$WITH"; df -Pk /dev/shm; cat /proc/self/status'
    )
    assert inside.startswith("a value\n")
    assert " 8192 " in inside
    assert "Cpus_allowed_list:\t0\n" in inside


def test_a_numa_node_brings_its_cpus(stand: Stand) -> None:
    node = Path("/sys/devices/system/node/node0/cpulist")
    if not node.exists():
        pytest.skip("this machine shows no NUMA nodes")
    launcher = stand.launcher(numa_node=0)
    launcher.start(stand.order())
    host = stand.inspect()["HostConfig"]
    assert (host["CpusetCpus"], host["CpusetMems"]) == (node.read_text().strip(), "0")
    launcher.remove()
    with pytest.raises(UserError, match="the machine has no NUMA node 900"):
        stand.launcher(numa_node=900).start(stand.order())


@pytest.fixture
def device() -> Iterator[Path]:
    """A device of a group that is neither root's nor the agent's, as /dev/dri has them."""
    path = Path(f"/dev/fleetmark-test-{uuid.uuid4().hex[:8]}")
    try:
        os.mknod(path, stat.S_IFCHR | 0o660, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("making a device needs root")
    os.chown(path, 0, 4242)
    path.chmod(0o660)
    yield path
    path.unlink()


def test_a_device_and_the_group_that_may_open_it(stand: Stand, device: Path) -> None:
    said = stand.said(f"id -G; echo x > {device} && echo written", devices=(str(device),))
    assert "4242" in said.splitlines()[0].split()
    assert said.splitlines()[1] == "written"


WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "device": ({"devices": ("/dev/nosuch",)}, UserError, "there is no /dev/nosuch on the machine"),
    "network": ({"network": "nosuch"}, UserError, 'the machine has no Docker network "nosuch"'),
    "cpuset": ({"cpuset": "900"}, UserError, "the machine has no CPUs 900; it has 0"),
    "image": ({"image": "nosuch:1"}, UserError, "the machine has no image nosuch:1"),
}


@pytest.mark.parametrize(("settings", "kind", "sentence"), WRONG.values(), ids=WRONG)
def test_what_the_machine_has_not(
    settings: dict[str, Any], kind: type[Exception], sentence: str, stand: Stand
) -> None:
    launcher = stand.launcher(**settings)
    with pytest.raises(kind, match=sentence) as caught:
        launcher.start(stand.order())
    assert str(caught.value).startswith("the Docker Engine at unix:///var/run/docker.sock: ")
    assert getattr(caught.value, "advice", "")
    assert launcher.status().state is Presence.ABSENT
    assert not docker_ok("inspect", stand.container)  # nothing half-made is left


def test_an_image_without_an_agent(stand: Stand) -> None:
    """Its entry point is not there: the engine says so when it starts it."""
    name = f"fleetmark-test-empty-{stand.machine}"
    container = docker("create", "--entrypoint", "/no/such", IMAGE).strip()
    docker("commit", "--change", 'ENTRYPOINT ["/no/such"]', container, name)
    docker("rm", container)
    try:
        with pytest.raises(UserError, match="the image has no program /no/such: it is not an agent's"):
            stand.launcher(image=name).start(stand.order())
    finally:
        docker("rmi", name)


def test_out_of_memory_is_told(stand: Stand) -> None:
    launcher = stand.launcher("x=x; while :; do x=$x$x; done", memory=16 << 20)
    launcher.start(stand.order())
    status = launcher.wait(60)
    assert (status.state, status.exit_code) == (Presence.EXITED, -9)
    assert status.detail == "killed by the kernel for want of memory"


def test_no_engine_is_unknown_and_not_an_end(stand: Stand, tmp_path: Path) -> None:
    launcher = stand.launcher(host=f"unix://{tmp_path}/none.sock")
    status = launcher.status()
    assert status.state is Presence.UNKNOWN
    assert "there is no such socket; start Docker there: systemctl start docker" in status.detail
    assert launcher.wait(0.3).state is Presence.UNKNOWN
    calls: tuple[Callable[[], object], ...] = (
        lambda: launcher.start(stand.order()), launcher.ask_to_stop, launcher.remove, launcher.logs,
    )  # fmt: skip
    for call in calls:
        with pytest.raises(UnreachableError, match="there is no such socket"):
            call()


def test_a_socket_that_others_may_use(stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    launcher = stand.launcher()
    os.seteuid(65534)
    try:
        with pytest.raises(UserError) as caught:
            launcher.logs()
    finally:
        os.seteuid(0)
    assert (
        str(caught.value)
        == "the Docker Engine at unix:///var/run/docker.sock: no permission to use its socket"
    )
    assert caught.value.advice.startswith("usermod -aG docker nobody")


def test_close_ends_a_wait(stand: Stand) -> None:
    launcher = stand.launcher(host="unix:///nowhere/none.sock")
    launcher.close()
    assert launcher.wait(600).state is Presence.UNKNOWN


def test_a_failed_start_is_not_a_launch_error_of_its_clean_up(stand: Stand, device: Path) -> None:
    """What cannot be started is removed, and what is raised is why."""
    launcher = stand.launcher(devices=(str(device),), cpuset="900")
    with pytest.raises((UserError, LaunchError), match="no CPUs 900"):
        launcher.start(stand.order())
    assert docker("ps", "-aq", "--filter", f"ancestor={IMAGE}").split() == []
