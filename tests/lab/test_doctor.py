"""`fleetmark doctor --lab` on real boxes: ready, without the image, without an engine, off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from integrator.cli import app
from integrator.doctor.finding import Finding, Health, LabHealth
from integrator.doctor.look_inside import LABEL
from tests.lab.base import Images
from tests.lab.box import Box
from tests.lab.lab import TestLab


def examined(
    lab: TestLab, folder: Path, *arguments: str, image: str, **start: Any
) -> tuple[int, dict[str, dict[str, Finding]]]:
    """The exit code, and by machine the findings by check."""
    machines = [
        {
            "name": f"box-{number}",
            "start": {
                "docker": {
                    "host": lab.url(box),
                    "key_file": str(lab.key_file),
                    "known_hosts": str(lab.known_hosts),
                    "image": image,
                    **start,
                }
            },
        }
        for number, box in enumerate(lab.boxes, 1)
    ]
    server = {"listen": lab.network.here, "advertise": lab.network.here}
    file = folder / "lab.yaml"
    file.write_text(
        json.dumps({"schema_version": 1, "name": "a-lab", "server": server, "machines": machines})
    )
    result = CliRunner().invoke(app, ["doctor", "--lab", str(file), "--json", *arguments])
    assert result.stdout, result.output
    report = LabHealth.from_bytes(result.stdout.encode(), source="report")
    found = {machine.machine: {str(f.check): f for f in machine.findings} for machine in report.machines}
    return result.exit_code, found


def left_behind(box: Box) -> str:
    return box.docker("ps", "-a", "--filter", f"label={LABEL}", "--format", "{{.ID}}")


def test_boxes_that_are_ready_are_found_ready_from_inside(
    agents: TestLab, images: Images, tmp_path: Path
) -> None:
    code, found = examined(agents, tmp_path, image=images.agent, cpuset="0", memory="1g")
    assert code == 0, found
    assert list(found) == ["box-1", "box-2", "box-3"]
    for box in found.values():
        for check in ("reachable", "host key", "login", "Docker", "image", "devices", "clock", "FTP server"):
            assert box[check].health is Health.OK, box[check]
        assert "sees CPU" in box["devices"].said
        assert "from inside a container" in box["FTP server"].said
    assert not any(left_behind(box) for box in agents.boxes)


def test_each_box_says_what_it_lacks(agents: TestLab, images: Images, tmp_path: Path) -> None:
    without_image, without_engine, off = agents.boxes
    without_image.docker("rmi", "--force", images.agent)
    without_engine.kill_engine()
    off.power_off()
    code, found = examined(agents, tmp_path, image=images.agent)
    assert code == 1
    missing, down, gone = found.values()
    assert missing["Docker"].health is Health.OK
    assert missing["image"].health is Health.FAIL
    assert "--send-images" in missing["image"].remedy
    assert missing["FTP server"].health is Health.OK
    assert "from there" in missing["FTP server"].said
    assert down["login"].health is Health.OK
    assert down["Docker"].health is Health.FAIL
    assert down["clock"].health is Health.OK
    assert gone["reachable"].health is Health.FAIL
    assert "docker" not in {name for name in gone if gone[name].health is Health.OK}


def test_a_missing_image_is_sent(lab: TestLab, images: Images, tmp_path: Path) -> None:
    box = lab.boxes[0]
    if images.agent in box.images():
        box.docker("rmi", "--force", images.agent)
    code, found = examined(lab, tmp_path, "--send-images", "--machine", "box-1", image=images.agent)
    assert code == 0, found
    assert "sent in" in found["box-1"]["image"].said
    assert found["box-1"]["devices"].health is Health.OK
    assert images.agent in box.images()


def test_a_device_that_a_box_has_not(agents: TestLab, images: Images, tmp_path: Path) -> None:
    code, found = examined(agents, tmp_path, "--machine", "box-1", image=images.agent, devices=["/dev/accel"])
    assert code == 1
    assert "/dev/accel" in found["box-1"]["devices"].said
