"""The lab is what its name says, and what befalls it can be undone. No other test means anything without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.base import Images
from tests.lab.box import LOGIN, SMALL_DISK, Box
from tests.lab.docker_cli import DockerError, docker, lines_of
from tests.lab.lab import TestLab
from tests.lab.owner import remove_what_the_dead_left

ROOT = Path(__file__).parents[2]
SLEEPER = ("--entrypoint", "sleep")


def ssh(lab: TestLab, box: Box, command: str) -> str:
    """What a command says over SSH, with the host key verified."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "2",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(lab.known_hosts),
    }
    flags = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    words = ["ssh", "-F", "none", "-i", str(lab.key_file), *flags, f"{LOGIN}@{box.address}", command]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout


def test_each_box_has_an_engine_of_its_own_behind_its_own_ssh_server(lab: TestLab) -> None:
    names = [ssh(lab, box, "docker info --format '{{.Name}} {{.ID}}'").split() for box in lab.boxes]
    assert [name for name, _ in names] == ["box-1", "box-2", "box-3"]
    assert len({engine for _, engine in names}) == 3


def test_a_container_in_a_box_has_the_address_of_the_box_and_reaches_this_machine(
    agents: TestLab, images: Images
) -> None:
    box = agents.boxes[0]
    box.docker("run", "-d", "--network", "host", "--name", "sleeper", *SLEEPER, images.agent, "600")
    assert box.containers() == ["sleeper"]
    route = f"exec 3<>/dev/tcp/{agents.network.here}/1"
    with pytest.raises(DockerError, match="Connection refused"):  # an answer, and no silence
        box.docker("exec", "sleeper", "bash", "-c", route)


def test_a_box_that_is_cut_is_silent_until_it_is_joined_again(lab: TestLab) -> None:
    box = lab.boxes[1]
    box.cut()
    with pytest.raises(subprocess.CalledProcessError) as cut:
        ssh(lab, box, "true")
    assert "timed out" in cut.value.stderr
    box.join()
    assert ssh(lab, box, "hostname") == "box-2\n"


def test_a_box_that_is_unplugged_comes_back_under_its_address(lab: TestLab) -> None:
    box = lab.boxes[1]
    box.unplug()
    with pytest.raises(subprocess.CalledProcessError):
        ssh(lab, box, "true")
    box.plug()
    assert ssh(lab, box, "hostname") == "box-2\n"


def test_an_engine_that_was_killed_starts_again_with_its_images(agents: TestLab, images: Images) -> None:
    box = agents.boxes[2]
    box.docker("run", "-d", "--init", "--name", "sleeper", *SLEEPER, images.agent, "600")
    box.kill_engine()
    with pytest.raises(DockerError, match="Cannot connect"):
        box.containers()
    box.start_engine()
    assert images.agent in box.images()
    assert box.containers(every=False) == []


def test_a_box_that_was_off_boots_with_its_key_and_its_images(agents: TestLab, images: Images) -> None:
    box = agents.boxes[2]
    key = box.host_key()
    box.power_off()
    with pytest.raises(subprocess.CalledProcessError):
        ssh(agents, box, "true")
    box.power_on()
    assert (box.host_key(), images.agent in box.images()) == (key, True)
    assert ssh(agents, box, "hostname") == "box-3\n"


def test_the_small_disk_of_a_box_can_be_full(lab: TestLab) -> None:
    box = lab.boxes[0]
    box.fill_small_disk()
    with pytest.raises(DockerError, match="No space left"):
        box.run("sh", "-c", f"echo x | dd of={SMALL_DISK}/more")
    box.free_small_disk()
    box.run("sh", "-c", f"echo x | dd of={SMALL_DISK}/more && rm {SMALL_DISK}/more")


def test_what_a_killed_session_left_is_removed_and_nothing_else(lab: TestLab, tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from tests.lab.lab import lab_of\n"
        "with lab_of(1, Path(sys.argv[1])) as lab: print(lab.prefix, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as other:
        assert other.stdout is not None
        prefix = other.stdout.readline().strip()
        remove_what_the_dead_left()
        assert everything_of(prefix) == [f"{prefix}-box-1", prefix, f"{prefix}-box-1"]
        other.kill()
    remove_what_the_dead_left()
    assert everything_of(prefix) == []
    assert all(box.is_on() for box in lab.boxes)


def everything_of(prefix: str) -> list[str]:
    """The containers, networks and volumes of a session."""
    kinds = {"container": "{{.Names}}", "network": "{{.Name}}", "volume": "{{.Name}}"}
    return [
        name
        for kind, template in kinds.items()
        for name in lines_of(docker(kind, "ls", "--filter", f"name={prefix}", "--format", template))
    ]
