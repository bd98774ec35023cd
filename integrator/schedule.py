"""The order of a job's runs: rounds over all tests, and releases of OpenVINO in alternating blocks. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

from protocol.job import AUTO, Job, ScheduledRun

__all__ = ["START_S", "Block", "blocks", "next_release", "schedule", "starts"]

START_S = 15.0
"""What it takes to go over to another release, guessed: an agent leaves, a container starts, the machine is
looked at."""
_SHARE = 0.02
"""As much of a job's time may go to that."""
_FEWEST = 2
"""Parts of the rounds, whatever they cost: A B B A."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some rounds of the tests of one release, without a change in between."""

    release: str
    rounds: range


def schedule(
    tests: Mapping[str, str],
    runs: int,
    seed: int,
    *,
    run_s: float = 1.0,
    made: dict[tuple[str, int], ScheduledRun] | None = None,
) -> tuple[ScheduledRun, ...]:
    """The order of the runs: round r holds run r of every test, each round in an order of its own.

    Rounds keep a slow drift of the machine (heat, load) from falling on one test. Where tests ask for several
    releases, which an agent each has to measure, the rounds are cut into blocks: see `blocks`. The same
    arguments give the same order.

    Args:
        tests: The release that each test asks for, by the test's id; all `auto`, or none.
        runs: Of each test.
        seed: Decides the orders.
        run_s: About how long a run takes, in seconds.
        made: Runs that were made for other machines, to be shared; what is made here is added.
    """
    made = {} if made is None else made
    by_release: dict[str, list[str]] = {}
    for test, release in tests.items():
        by_release.setdefault(release, []).append(test)
    releases = list(by_release)
    several = len(releases) > 1
    _random(seed, "releases").shuffle(releases)  # so that not every machine begins with the same one
    order: list[ScheduledRun] = []
    for block in blocks(releases, runs, round_s=run_s * len(tests)):
        for run in block.rounds:
            ids = list(by_release[block.release])
            _random(seed, f"{run}/{block.release}" if several else run).shuffle(ids)
            for test in ids:
                if (entry := made.get((test, run))) is None:
                    entry = made[test, run] = ScheduledRun(test=test, run=run)
                order.append(entry)
    return tuple(order)


def blocks(releases: Sequence[str], runs: int, *, round_s: float) -> tuple[Block, ...]:
    """Cut `runs` rounds into parts, in each of which the releases take turns: A B, B A, A B.

    The turns go forth and back, so what grows evenly with time falls on all releases alike, and a part ends
    with the release that the next one begins with. There are as many parts as there may be when no more than
    2 % of the time goes to the changes, but an even number of them, and no fewer than two.

    Args:
        releases: In the order of the first part.
        runs: Rounds.
        round_s: About how long a round of all releases takes, in seconds.
    """
    parts = _parts(len(releases), runs, round_s)
    edges = [runs * part // parts for part in range(parts + 1)]
    order = []
    for part in range(parts):
        turns = releases if part % 2 == 0 else releases[::-1]
        order += [Block(release, range(edges[part], edges[part + 1])) for release in turns]
    return tuple(order)


def _parts(releases: int, runs: int, round_s: float) -> int:
    if releases == 1 or runs < _FEWEST:
        return 1
    changes = int(_SHARE * runs * round_s / START_S)
    affordable = changes // max(1, releases - 1)
    most = min(affordable, runs)
    return max(_FEWEST, most - most % 2)


def starts(job: Job) -> int:
    """How many times an agent starts: once, and at each change of the release."""
    asked = {test.id: test.openvino for test in job.tests}
    order = [asked[entry.test] for entry in job.schedule]
    return 1 + sum(before != after for before, after in pairwise(order))


def next_release(job: Job, ended: Set[tuple[str, int]]) -> str | None:
    """The release that the next run asks for; None: whichever, or nothing is left.

    Args:
        job: Of a machine.
        ended: The runs that have a result, as test and number.
    """
    asked = {test.id: test.openvino for test in job.tests}
    for entry in job.schedule:
        if (entry.test, entry.run) not in ended:
            return None if asked[entry.test] == AUTO else asked[entry.test]
    return None


def _random(seed: int, what: object) -> random.Random:
    return random.Random(f"{seed}/{what}")  # noqa: S311  # an order, not a secret
