"""Recorded machines: the files below / that say what a machine is, in one text for each kind of machine.

A line `== path` begins a file. `{0-3,8}` in a path stands for these numbers, one file for each, and `{n}`,
`{n+4}`, `{n-4}` in its text for the number. `== path -> target` is a link.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["KINDS", "MACHINES", "unfold"]

MACHINES = Path(__file__).parent / "machines"
KINDS = sorted(folder.name for folder in MACHINES.iterdir())


def unfold(kind: str, root: Path) -> Path:
    """Write the files of a recorded machine below `root`."""
    for part in f"\n{(MACHINES / kind / 'tree.txt').read_text()}".split("\n== ")[1:]:
        heading, _, text = part.partition("\n")
        path, _, target = heading.partition(" -> ")
        numbers = re.search(r"\{([\d,-]+)\}", path)
        for n in _numbers(numbers[1]) if numbers else [0]:
            file = root / (path.replace(numbers[0], str(n)) if numbers else path)
            file.parent.mkdir(parents=True, exist_ok=True)
            if target:
                file.symlink_to(target)
            else:
                file.write_text(_fill(text, n) + "\n")
    return root


def _numbers(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _fill(text: str, n: int) -> str:
    return re.sub(r"\{n([+-]\d+)?\}", lambda match: str(n + int(match[1] or 0)), text)
