"""What the images install is what the tests ran with, and no more than each program needs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from protocol.version import __version__

_ROOT = Path(__file__).parents[2]
_PIN = re.compile(r"^([a-z0-9-]+)==(\S+?)(?: ; (.*?))? \\$", re.MULTILINE)


def pins(lock: str) -> set[tuple[str, str, str]]:
    """Name, version and condition of each package of a lock file."""
    found = {match.groups("") for match in _PIN.finditer((_ROOT / "requirements" / lock).read_text())}
    assert found
    return {(name, version, condition) for name, version, condition in found}


def names(lock: str) -> set[str]:
    return {name for name, _, _ in pins(lock)}


def wanted(extra: str) -> set[str]:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"][extra]]
    found = {re.split(r"[><=\[]", line)[0] for line in lines}
    return found - {"fleetmark"}


@pytest.mark.parametrize("image", ["agent", "ftp", "integrator"])
def test_an_image_has_the_versions_that_the_tests_ran_with(image: str) -> None:
    assert pins(f"{image}.lock") <= pins("run.lock"), "make lock"
    assert wanted(image) <= names(f"{image}.lock"), "make lock"


def test_no_program_carries_what_only_another_needs() -> None:
    others = {"pandas", "paramiko", "docker", "jinja2"}
    assert not names("agent.lock") & (others | {"pyftpdlib"})
    assert not names("ftp.lock") & (others | {"openvino", "numpy"})
    assert names("agent.lock") | names("ftp.lock") <= names("integrator.lock")


@pytest.mark.parametrize(
    "lock", sorted((_ROOT / "requirements").glob("openvino-*.lock")), ids=lambda p: p.name
)
def test_the_lock_of_another_openvino_pins_that_one(lock: Path) -> None:
    release = lock.stem.removeprefix("openvino-")
    version = next(version for name, version, _ in pins(lock.name) if name == "openvino")
    assert version == release or version.startswith(f"{release}.")
    assert wanted("agent") <= names(lock.name), f"make lock-openvino OPENVINO={release}"


def test_the_compose_files_name_the_images_that_are_built_without_options() -> None:
    files = (_ROOT / "docker-compose.yml", _ROOT / "examples" / "waiting" / "docker-compose.yml")
    compose = "".join(file.read_text() for file in files)
    openvino = next(version for name, version, _ in pins("agent.lock") if name == "openvino")
    assert set(re.findall(r"fleetmark-agent:\$\{OPENVINO:-(.*?)\}", compose)) == {openvino.rpartition(".")[0]}
    assert set(re.findall(r"\$\{FLEETMARK_VERSION:-(.*?)\}", compose)) == {__version__}
