"""A lab from nothing to a results page, with nothing going wrong."""

from __future__ import annotations

import json
from pathlib import Path

from protocol.account import Account
from tests.lab.campaign import Campaign, fleetmark
from tests.lab.exactly_once import complete, exactly_once
from tests.lab.lab import TestLab
from tests.lab.server import LabServer


def test_three_boxes_and_a_server_of_their_own(
    agents: TestLab, server: LabServer, tiny_files: list[Path], tmp_path: Path
) -> None:
    campaign = Campaign(agents, tmp_path, tiny_files)
    campaign.serve_there(server)
    machines = [campaign.add(box) for box in agents.boxes]
    conductor = campaign.start()

    conductor.until_results(machines[0], 1)
    box = agents.boxes[0]
    (name,) = box.containers(every=False)
    password = Account.read(tmp_path / "box-1.account.json").password.get_secret_value()
    for seen in (
        box.docker("inspect", name),
        box.docker("logs", name),
        box.run("ps", "axww"),
        conductor.said,
    ):
        assert password not in seen

    assert conductor.wait() == 0, conductor.said
    rows = exactly_once(campaign.out)
    assert complete(rows)
    assert [row.machine for row in rows] == [machine for machine in machines for _ in range(2)]
    for box in agents.boxes:
        assert box.containers() == []
    standing = json.loads(fleetmark("status", str(campaign.out), "--json").stdout)
    assert {machine["state"] for machine in standing["machines"]} == {"finished"}, standing
