"""Leaderboards as a page draws them: bars with whiskers, ranks in words, what a score rests on. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from integrator.site.cells import format_number
from integrator.site.frame import machine_page
from integrator.site.leaderboard.best import Value
from integrator.site.leaderboard.scores import Leaderboard, Standing

__all__ = [
    "Bar",
    "BoardView",
    "Headline",
    "StandingView",
    "TaskView",
    "ValueView",
    "board_view",
    "headline",
    "task_views",
    "value_view",
]


@dataclass(frozen=True, slots=True)
class ValueView:
    """One number with its interval, its settings and its row."""

    model: str
    text: str
    exact: str
    interval: str
    label: str
    row: str
    href: str
    kind: str


@dataclass(frozen=True, slots=True)
class Bar:
    """Lengths as shares of the widest in the table, 0 to 1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class StandingView:
    """A machine's line."""

    machine: str
    page: str
    """The machine's, from the site's root."""
    rank: str
    """ "1", "2–3", or empty."""
    score: str
    """Of one model its value with the unit; of several the relative speed."""
    interval: str
    bar: Bar | None
    have: int
    values: tuple[ValueView, ...]
    missing: tuple[tuple[str, str, ValueView | None], ...]
    """Model, why, and what there is all the same."""


@dataclass(frozen=True, slots=True)
class BoardView:
    """A leaderboard."""

    board: Leaderboard
    ranked: tuple[StandingView, ...]
    unranked: tuple[StandingView, ...]

    def whole(self, budget: int) -> int:
        """How many lines, from the first on, have together at most `budget` values to show."""
        lines = (*self.ranked, *self.unranked)
        sizes = accumulate(len(line.values) + len(line.missing) for line in lines)
        return sum(size <= budget for size in sizes)


@dataclass(frozen=True, slots=True)
class Headline:
    """A leaderboard in one line: which machine."""

    winners: tuple[str, ...]
    value: ValueView | None
    """The winner's, where there is one winner and one model."""
    more: str
    """Why nobody is ranked, or what stands beside the winners: "not told apart", "4.30 × as fast as"."""
    behind: str = ""
    """Whom the only winner is ahead of."""
    rivals: tuple[str, ...] = ()
    """Machines that are faster in what they have, and not ranked."""
    doubtful: tuple[tuple[str, ValueView], ...] = ()
    """Where nobody is ranked, what there is all the same: of each model the best, with its machine."""


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task: its models, and a leaderboard and a headline for each measure."""

    name: str
    models: tuple[str, ...]
    boards: tuple[BoardView, ...]
    headlines: tuple[Headline, ...]


def task_views(boards: Sequence[Leaderboard]) -> tuple[TaskView, ...]:
    """By task, in the order of the leaderboards."""
    by_task: dict[str, list[Leaderboard]] = {}
    for board in boards:
        by_task.setdefault(board.task, []).append(board)
    return tuple(
        TaskView(
            task,
            (*of_task[0].models, *of_task[0].unscored),
            tuple(map(board_view, of_task)),
            tuple(map(headline, of_task)),
        )
        for task, of_task in by_task.items()
    )


def board_view(board: Leaderboard) -> BoardView:
    """What to draw of it."""
    lines = (*board.ranked, *board.unranked)
    widest = max((line.high for line in lines if math.isfinite(line.high)), default=1.0)
    return BoardView(
        board,
        tuple(_standing(line, board, widest) for line in board.ranked),
        tuple(_standing(line, board, widest) for line in board.unranked),
    )


def headline(board: Leaderboard) -> Headline:
    """The machine of rank 1 and what it is ahead of; or all that share it."""
    first = board.first
    if not first:
        return Headline((), None, _why_nobody(board), doubtful=_doubtful(board))
    names = tuple(standing.machine for standing in first)
    rivals = _rivals(board)
    if len(first) > 1:
        return Headline(names, None, "not told apart", rivals=rivals)
    best = first[0]
    value = value_view(best.values[0], board) if len(board.models) == 1 and best.values[0] else None
    behind = [line for line in board.ranked if line is not best]
    if not behind:
        alone = "the only machine" if not board.unranked else "the only machine that is ranked"
        return Headline(names, value, alone, rivals=rivals)
    factor = format_number(best.score / behind[0].score)
    return Headline(names, value, f"{factor} × as fast as", behind[0].machine, rivals)


def value_view(value: Value, board: Leaderboard) -> ValueView:
    """A value as it reads."""
    unit = board.measure.unit
    interval = (
        f"{format_number(value.low)} to {format_number(value.high)}" if math.isfinite(value.low) else ""
    )
    exact = f"{value.value:,.12g} {unit}"
    if interval:
        exact += f"; 95 % interval {value.low:,.12g} to {value.high:,.12g} {unit}"
    return ValueView(
        value.model,
        f"{format_number(value.value)} {unit}",
        exact,
        interval,
        value.label,
        value.row,
        value.href,
        value.kind,
    )


def _standing(line: Standing, board: Leaderboard, widest: float) -> StandingView:
    values = tuple(value_view(value, board) for value in line.values if value)
    if not values:
        score, interval, bar = "", "", None
    else:
        single = len(board.models) == 1
        score = values[0].text if single else format_number(line.score)
        interval = (
            values[0].interval if single else f"{format_number(line.low)} to {format_number(line.high)}"
        )
        bar = Bar(*(round(end / widest, 4) for end in (line.score, line.low, line.high)))
    return StandingView(
        line.machine,
        machine_page(line.machine),
        line.rank,
        score,
        interval,
        bar,
        line.have,
        values,
        tuple((gap.model, gap.why, value_view(gap.value, board) if gap.value else None) for gap in line.gaps),
    )


def _rivals(board: Leaderboard) -> tuple[str, ...]:
    """Machines without a rank that are faster than the first in all that they have, be it noisy."""
    best = {value.model: value.value for value in board.first[0].values if value}
    sign = 1 if board.measure.better == "higher" else -1
    names = []
    for line in board.unranked:
        shown = [value for value in line.values if value]
        shown += [gap.value for gap in line.gaps if gap.value and gap.value.kind != "invalid"]
        logs = [sign * math.log(value.value / best[value.model]) for value in shown if value.model in best]
        if sum(logs) > 0:
            names.append(line.machine)
    return tuple(names)


def _doubtful(board: Leaderboard) -> tuple[tuple[str, ValueView], ...]:
    sign = -1 if board.measure.better == "higher" else 1
    found: dict[str, Value] = {}
    for gap in (gap for line in board.unranked for gap in line.gaps):
        if gap.value and (gap.model not in found or _doubt(gap.value, sign) < _doubt(found[gap.model], sign)):
            found[gap.model] = gap.value
    models = board.models or board.unscored
    return tuple((found[name].machine, value_view(found[name], board)) for name in models if name in found)


def _doubt(value: Value, sign: int) -> tuple[bool, float]:
    """The less the better: an invalid value only where there is no other."""
    return value.kind == "invalid", sign * value.value


def _why_nobody(board: Leaderboard) -> str:
    if not board.models:
        whys = list(dict.fromkeys(gap.why for line in board.unranked for gap in line.gaps))
        kinds = {gap.value.kind if gap.value else "" for line in board.unranked for gap in line.gaps}
        if kinds in ({"noisy"}, {"invalid"}):
            return f"none is ranked: all are {kinds.pop()}"
        return f"nothing to rank: {_some(whys)}" if whys else "nothing to rank"
    return "no machine has all models: see what is missing"


def _some(words: Sequence[str], most: int = 2) -> str:
    more = len(words) - most
    return "; ".join(words[:most]) + (f"; {more} more" if more > 0 else "")
