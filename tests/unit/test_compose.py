"""docker-compose.yml names the images that docker/build makes, and nothing in it disturbs a measurement."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from protocol.version import __version__

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())
    return dict(loaded["services"])


def test_the_images_are_those_of_this_release(services: dict[str, Any]) -> None:
    pinned = re.search(r"^openvino==(\d+\.\d+)", (ROOT / "requirements/agent.lock").read_text(), re.MULTILINE)
    assert pinned
    defaults = {re.findall(r"\$\{(\w+):-([^}]+)\}", service["image"])[0] for service in services.values()}
    assert defaults == {("FLEETMARK_VERSION", __version__), ("OPENVINO", pinned[1])}


def test_no_probe_starts_python_while_the_agent_measures(services: dict[str, Any]) -> None:
    """The agent's own is a line of shell. The others' ask until all is well, and then last for an hour."""
    assert "healthcheck" not in services["agent"]
    assert services["integrator"]["healthcheck"] == {"disable": True}
    for name in services.keys() - {"agent", "integrator"}:
        assert "exec sleep 3600" in services[name]["healthcheck"]["test"]
        assert services[name]["healthcheck"]["timeout"] == "2h"


def test_every_container_gave_up_what_it_does_not_need(services: dict[str, Any]) -> None:
    for service in services.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert services["agent"]["cap_add"] == ["SYS_NICE"]  # as the launcher's containers
