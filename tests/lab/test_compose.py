"""docker-compose.yml, brought up as the runbook says: a campaign in containers, table and site on disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.lab.base import PREFIX, Images
from tests.lab.docker_cli import docker, lines_of

_ROOT = Path(__file__).parents[2]
_CAMPAIGN = """\
schema_version: 1
name: short
models: [mobilenet-v2]
matrix: {scenarios: [sync, async]}
runs: 2
measure: {duration_s: 0.3, warmup_s: 0.1}
"""
_PROJECT = f"fleetmark-test-{os.getpid()}"
_OWNER = 12345


def _compose() -> list[str]:
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    if subprocess.run(["docker", "compose", "version"], check=False, capture_output=True).returncode == 0:
        return ["docker", "compose"]
    reason = "neither docker-compose nor docker compose is installed"
    if os.environ.get("FLEETMARK_REQUIRE_DOCKER"):
        pytest.fail(reason)
    pytest.skip(reason)


class _Up:
    """A checkout of somebody's, with a short campaign in the place of the example."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(_ROOT / "docker-compose.yml", folder)
        shutil.copytree(_ROOT / "docker" / "compose", folder / "docker" / "compose")
        (folder / "examples").mkdir()
        (folder / "examples" / "campaign.yaml").write_text(_CAMPAIGN)
        (folder / "out").mkdir()
        for path in (folder, *folder.rglob("*")):
            os.chown(path, _OWNER, _OWNER)

    def compose(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*_compose(), "-p", _PROJECT, *words],
            check=False, cwd=self.folder, env=os.environ | {"FLEETMARK_PREFIX": PREFIX},
            capture_output=True, text=True, timeout=500,
        )  # fmt: skip


@pytest.fixture
def up(images: Images, tmp_path: Path) -> Iterator[_Up]:
    made = _Up(tmp_path)
    yield made
    made.compose("down", "--volumes")


def test_one_command_leaves_table_and_site(up: _Up, images: Images) -> None:
    done = up.compose("up", "--exit-code-from", "integrator")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    out = up.folder / "out" / "compose"
    table = pd.read_csv(out / "results.csv")
    assert list(table["status"]) == ["ok", "ok"]
    assert "mobilenet-v2" in (out / "site" / "index.html").read_text()
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (out, *out.rglob("*"))}
    assert owners == {(_OWNER, _OWNER)}  # whoever started it can delete it

    for volume, file in (("handover", "integrator.account.json"), ("agent", "account.json")):
        mounted = ("-v", f"{_PROJECT}_{volume}:/volume:ro", "--user", "0", "--entrypoint", "cat")
        account = json.loads(docker("run", "--rm", *mounted, images.integrator, f"/volume/{file}"))
        ours = f"label=com.docker.compose.project={_PROJECT}"
        for container in lines_of(docker("ps", "-aq", "--filter", ours)):
            assert account["password"] not in docker("inspect", container) + docker("logs", container)
