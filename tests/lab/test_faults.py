"""What befalls a lab over a weekend. Each campaign ends with every result once, or a row that says why."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from protocol.result import Status
from tests.lab.box import SMALL_DISK, Box, wait_until
from tests.lab.campaign import Campaign
from tests.lab.exactly_once import Row, complete, exactly_once
from tests.lab.lab import TestLab
from tests.lab.server import LabServer

INTERRUPTED = 130
RUN_TIMEOUT_S = 10
SPARE_S = 10
"""What an agent's lease lasts beyond a run: in earnest five minutes."""
LEASE_S = RUN_TIMEOUT_S + SPARE_S / 5 + SPARE_S + 5
"""After this long a silent agent is no longer waited for."""
QUICK = {"limits": {"run_timeout_s": RUN_TIMEOUT_S, "restarts": 1}}


def agent_in(box: Box) -> str:
    """The agent's container in a box, once it runs."""
    wait_until(lambda: bool(box.containers(every=False)), f"no agent came up in {box.name}")
    (name,) = box.containers(every=False)
    return name


def by_machine(rows: list[Row]) -> dict[str, list[Row]]:
    """The rows of each machine."""
    return {machine: [row for row in rows if row.machine == machine] for machine in {r.machine for r in rows}}


def test_a_cut_line_a_dead_engine_a_killed_agent_a_reboot_and_a_server_that_restarts(
    agents: TestLab, server: LabServer, tiny_files: list[Path], tmp_path: Path
) -> None:
    """All of it may pass: so every result comes, and comes once."""
    limits = {"run_timeout_s": RUN_TIMEOUT_S, "restarts": 10}
    campaign = Campaign(agents, tmp_path, tiny_files, runs=20, limits=limits)
    campaign.serve_there(server)
    cut, crashing, killed = agents.boxes
    for box in agents.boxes:
        campaign.add(box, environment={"FLEETMARK_SPARE": SPARE_S})
    conductor = campaign.start()
    for box in agents.boxes:
        conductor.until_results(box.name, 2)

    cut.cut()
    since = time.monotonic()
    crashing.kill_engine()
    killed.kill_agent(agent_in(killed))
    conductor.until_results(killed.name, len(campaign.results(killed.name)) + 2)
    crashing.start_engine()
    conductor.until_results(crashing.name, len(campaign.results(crashing.name)) + 2)
    server.restart()
    killed.power_off()
    killed.power_on()
    wait_until(lambda: time.monotonic() - since > LEASE_S, "time stands still")
    assert len(campaign.results(cut.name)) < 40
    cut.join()

    assert conductor.wait() == 0, conductor.said
    assert complete(exactly_once(campaign.out))
    for box in agents.boxes:
        assert box.containers() == []
        assert box.put_aside() == []


def test_machines_that_cannot_be_used_say_why_and_are_taken_up_once_they_can(
    agents: TestLab, images_of_agent: str, tiny_files: list[Path], tmp_path: Path, free_port: int
) -> None:
    """Off from the start; another host key than is known; without the image."""
    off, strange, bare = agents.boxes
    campaign = Campaign(agents, tmp_path, tiny_files, **QUICK)
    campaign.serve_here(free_port)
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"{strange.address} {off.host_key().partition(' ')[2]}\n")
    campaign.add(off)
    campaign.add(strange, known_hosts=str(known_hosts))
    campaign.add(bare)
    off.power_off()
    bare.docker("rmi", images_of_agent)

    conductor = campaign.start()
    assert conductor.wait() == 1, conductor.said
    rows = by_machine(exactly_once(campaign.out))
    assert {row.status for each in rows.values() for row in each} == {Status.NOT_RUN}
    for box, words in ((off, off.address), (strange, "host key"), (bare, images_of_agent)):
        for row in rows[box.name]:
            assert words in row.reason
    assert known_hosts.read_text().count("\n") == 1  # nobody learned the other key

    off.power_on()
    known_hosts.write_text(f"{strange.host_key()}\n")
    agents.load(images_of_agent)
    conductor = campaign.resume()
    assert conductor.wait() == 0, conductor.said
    assert complete(exactly_once(campaign.out))


def test_an_integrator_that_is_killed_goes_on_and_a_box_with_a_full_disk_says_so(
    agents: TestLab, tiny_files: list[Path], tmp_path: Path, free_port: int
) -> None:
    full = agents.boxes[2]
    full.run("install", "-d", "-o", "10001", "-g", "10001", f"{SMALL_DISK}/agent")
    bound = ("--opt", "type=none", "--opt", "o=bind", "--opt", f"device={SMALL_DISK}/agent")
    full.docker("volume", "create", *bound, "on-small-disk")
    campaign = Campaign(agents, tmp_path, tiny_files, runs=8, **QUICK)
    campaign.serve_here(free_port)
    for box in agents.boxes[:2]:
        campaign.add(box)
    campaign.add(full, volume="on-small-disk")
    conductor = campaign.start()
    conductor.until_results(full.name, 2)
    full.fill_small_disk()
    for box in agents.boxes[:2]:
        conductor.until_results(box.name, 3)
    conductor.kill()
    before = campaign.results_now()
    assert {box.name for box in agents.boxes} <= {machine for machine, _ in before}

    conductor = campaign.resume()
    assert conductor.wait() in (0, 1), conductor.said
    rows = by_machine(exactly_once(campaign.out))
    for box in agents.boxes[:2]:
        assert complete(rows[box.name])
        assert box.put_aside() == []
    for row in rows[full.name]:
        assert row.status == Status.OK or "No space left" in row.reason
    for (machine, name), content in before.items():
        assert (campaign.out / "raw" / machine / name).read_bytes() == content
    for box in agents.boxes:
        assert box.containers() == []


def test_ctrl_c_finishes_the_runs_under_way_and_says_how_to_go_on(
    agents: TestLab, tiny_files: list[Path], tmp_path: Path, free_port: int
) -> None:
    campaign = Campaign(agents, tmp_path, tiny_files, runs=8, **QUICK)
    campaign.serve_here(free_port)
    for box in agents.boxes:
        campaign.add(box)
    conductor = campaign.start()
    for box in agents.boxes:
        conductor.until_results(box.name, 2)
    conductor.interrupt()
    assert conductor.wait() == INTERRUPTED, conductor.said
    assert f"fleetmark run --resume {campaign.out}" in conductor.said
    exactly_once(campaign.out)
    for box in agents.boxes:
        assert box.containers() == []

    conductor = campaign.resume()
    assert conductor.wait() == 0, conductor.said
    assert complete(exactly_once(campaign.out))
    for box in agents.boxes:
        assert box.put_aside() == []


def test_ctrl_c_twice_leaves_no_container_behind(
    agents: TestLab, tiny_files: list[Path], tmp_path: Path, free_port: int
) -> None:
    measure = {"duration_s": 30, "min_duration_s": 30, "warmup_s": 0.05}
    campaign = Campaign(agents, tmp_path, tiny_files, measure=measure, limits={"run_timeout_s": 60})
    campaign.serve_here(free_port)
    for box in agents.boxes:
        campaign.add(box)
    conductor = campaign.start()
    for box in agents.boxes:
        agent_in(box)
    conductor.interrupt()
    time.sleep(1)
    conductor.interrupt()
    assert conductor.wait() == INTERRUPTED, conductor.said
    for row in exactly_once(campaign.out):
        assert (row.status, "interrupted" in row.reason) == (Status.NOT_RUN, True)
    for box in agents.boxes:
        assert box.containers() == []


@pytest.fixture
def images_of_agent(agents: TestLab) -> str:
    """The name of the agent's image, as the boxes have it."""
    (name,) = {name for name in agents.boxes[0].images() if "fleetmark-agent" in name}
    return name
