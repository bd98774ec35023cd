"""Files of examples/ that the runbook shows are shown as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["waiting/fleetmark-agent.service", "waiting/docker-compose.yml"])
def test_an_example_is_shown_as_it_is(name: str) -> None:
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    assert f"(../examples/{name}):" in RUNBOOK
    assert f"\n{text}```\n" in RUNBOOK, f"docs/runbook.md shows another {name}"
