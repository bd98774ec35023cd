"""Feed the parsers of what machines send with broken documents, many of them.

    python tests/fuzz/run.py [--inputs 1000000] [--seed 0] [--target NAME] [--atheris]

Input number n of a seed is always the same: a crash is printed with both, and its input is kept in
out/fuzz/. Exit code 1 where anything but a document or one of fleetmark's own errors came out, where an input
took longer than 10 s, or where it needed more memory than 4 GiB in all. `--atheris` mutates by coverage
instead, where that package is installed: `--inputs` says how many, `--target` what (`result` if not given).
"""

# ruff: noqa: T201 - a program that prints

from __future__ import annotations

import argparse
import contextlib
import gzip
import logging
import random
import resource
import sys
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

_SLOW_S = 10.0
_MEMORY_BYTES = 4 << 30
_KEPT_CRASHES = 3
"""Of one kind, how many inputs are kept."""


class Campaign:
    """The count of what came out, and the crashes by kind."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.folder = folder
        self.taken: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.crashes: Counter[str] = Counter()
        self.slowest = (0.0, "")

    def feed(self, target: Target, number: int) -> None:
        """Make input `number` and feed it."""
        data = target.make(random.Random(f"{self.seed}/{number}"))
        begin = time.perf_counter()
        try:
            taken = target.feed(data)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            self._keep(target, number, data, f"{type(error).__name__} at {where.name}:{where.lineno}", error)
            return
        finally:
            seconds = time.perf_counter() - begin
            self.slowest = max(self.slowest, (seconds, f"{target.name} {number}"))
        (self.taken if taken else self.refused)[target.name] += 1
        if seconds > _SLOW_S:
            self._keep(target, number, data, "slow", None)

    def _keep(self, target: Target, number: int, data: bytes, what: str, error: Exception | None) -> None:
        kind = f"{target.name}: {what}"
        self.crashes[kind] += 1
        if self.crashes[kind] > _KEPT_CRASHES:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{target.name}-{self.seed}-{number}"
        file.write_bytes(data)
        print(f"CRASH {kind}: seed {self.seed}, input {number}, kept as {file}", flush=True)
        if error is not None and self.crashes[kind] == 1:
            traceback.print_exception(error, limit=-4)


def _order(targets: Sequence[Target]) -> list[Target]:
    """A hundred targets by their shares, mixed."""
    order = [target for target in targets for _ in range(target.share)]
    random.Random(0).shuffle(order)
    return order


def _report(campaign: Campaign) -> None:
    for name in sorted({*campaign.taken, *campaign.refused}):
        taken, refused = campaign.taken[name], campaign.refused[name]
        print(f"{name:10} {taken + refused:>10,} inputs: {taken:,} taken, {refused:,} refused")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"slowest {campaign.slowest[0] * 1e3:.0f} ms ({campaign.slowest[1]}), peak memory {peak} MiB, "
        f"crashes {sum(campaign.crashes.values())}"
    )
    for kind, count in campaign.crashes.most_common():
        print(f"  {count:,} × {kind}")


def _targets() -> Sequence[Target]:
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - atheris changes what is imported after it

    return TARGETS


def _by_coverage(name: str, runs: int, seed: int) -> None:
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore] # noqa: PLC0415

    with atheris.instrument_imports(include=["integrator", "protocol"]):
        (target,) = (target for target in _targets() if target.name == name)
    corpus = Path("out/fuzz/corpus") / name
    corpus.mkdir(parents=True, exist_ok=True)
    packed = name == "result"  # what is mutated is inside, or little but gzip's checksum would be reached
    for number in range(200):
        data = target.make(random.Random(f"{seed}/{number}"))
        with contextlib.suppress(OSError, EOFError, zlib.error):
            (corpus / f"seed-{number}").write_bytes(gzip.decompress(data) if packed else data)

    def feed(data: bytes) -> None:
        target.feed(gzip.compress(data, 1) if packed else data)

    options = [f"-runs={runs}", f"-seed={seed + 1}", "-max_len=8192", "-rss_limit_mb=4096", "-timeout=10"]
    options.append("-artifact_prefix=out/fuzz/")
    atheris.Setup([sys.argv[0], *options, str(corpus)], feed)
    atheris.Fuzz()


def main() -> None:
    """Feed and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", metavar="NAME")
    parser.add_argument("--atheris", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")  # numbers out of range; they are not what is looked for
    if options.atheris:
        _by_coverage(options.target or "result", options.inputs, options.seed)
        return
    targets = _targets()
    named = [target for target in targets if target.name == options.target]
    if options.target and not named:
        parser.error(f"--target: one of {', '.join(target.name for target in targets)}")
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    campaign = Campaign(options.seed, Path("out/fuzz"))
    order = named or _order(targets)
    begin = time.monotonic()
    for number in range(options.inputs):
        campaign.feed(order[number % len(order)], number)
        if number % 100_000 == 99_999:
            print(f"{number + 1:,} inputs, {time.monotonic() - begin:.0f} s", flush=True)
    print(f"seed {options.seed}: {options.inputs:,} inputs in {time.monotonic() - begin:.0f} s")
    _report(campaign)
    sys.exit(1 if campaign.crashes else 0)


if __name__ == "__main__":
    main()
