"""One value of the results table: how it reads, how it sorts, and what it is exactly.

Values come from a CSV file or straight from a merge, so a number may arrive as text, a missing value as
NaN, None or nothing, and a percentile as a sentence such as "needs 512 more".
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal

__all__ = [
    "MISSING",
    "Cell",
    "CellKind",
    "clean_text",
    "count_cell",
    "first_words",
    "format_number",
    "number_cell",
    "text_cell",
    "to_number",
    "to_text",
]

CellKind = Literal["text", "number", "note", "missing"]

# Three significant digits are shown as plain decimals inside these bounds, and as powers of ten outside.
_SMALLEST_PLAIN, _LARGEST_PLAIN = 1e-4, 1e12
_LEAST_ROUNDED_TO_THOUSANDS = 999.5
_MOST_CHARS = 21_000
_CONTROLS = {code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A)}
_CONTROLS |= {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
# Lone surrogates, and the last two code points of every plane.
_NOT_CHARACTERS = re.compile(
    "[\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane + last) for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF))
    + "]"
)


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of the table, ready to be drawn."""

    kind: CellKind
    text: str
    """What is read: a number with three significant digits, a word, a note, or nothing."""
    exact: str = ""
    """A number in full, for a tooltip."""
    sort: float | str | None = None
    """What the value sorts by; None sorts after everything else in both directions."""
    detail: str = ""
    """A second line: in what the value differs from what was asked for."""


MISSING = Cell("missing", "")


def clean_text(text: str) -> str:
    """Text without what HTML and terminals cannot carry; control characters become visible signs.

    It is cut where it is longer than any reason may be: machines send documents of megabytes.
    """
    if len(text) > _MOST_CHARS:
        text = f"{text[:_MOST_CHARS]} […]"
    text = text.replace("\r\n", "\n").translate(_CONTROLS)
    return _NOT_CHARACTERS.sub("\ufffd", text)


def to_text(value: object) -> str:
    """A value of the table as text; a missing one is empty."""
    if isinstance(value, list | tuple):
        return ", ".join(to_text(part) for part in value)
    if value is None or (not isinstance(value, str) and str(value) in {"nan", "NaT", "<NA>"}):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return clean_text(str(value)).strip()


def to_number(value: object) -> float | None:
    """A value of the table as a finite number, or None where it is not one."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value) if isinstance(value, Real | str) else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def format_number(value: float) -> str:
    """Three significant digits: 0.0123, 4.56, 78.9, 12,300."""
    if _SMALLEST_PLAIN <= value < _LEAST_ROUNDED_TO_THOUSANDS:
        return f"{value:#.3g}".removesuffix(".")  # most numbers are here, and pages have many
    if value == 0:
        return "0"
    if not _SMALLEST_PLAIN <= abs(value) < _LARGEST_PLAIN:
        return f"{value:.2e}"
    exponent = int(f"{value:.2e}".rpartition("e")[2])  # of the rounded number: 999.9 is 1.00e+03
    if exponent <= 2:  # noqa: PLR2004  # the digits behind the point are rounded by being written
        return f"{value:.{2 - exponent}f}"
    return f"{round(value, 2 - exponent):,.0f}"


def text_cell(value: object, *, detail: str = "") -> Cell:
    """A word or a sentence."""
    text = to_text(value)
    return Cell("text", text, sort=text.casefold(), detail=detail) if text else MISSING


def number_cell(value: object, unit: str = "") -> Cell:
    """A measured number; text that is no number is a note, such as "needs 512 more"."""
    number = to_number(value)
    if number is None:
        text = to_text(value)
        return Cell("note", text) if text else MISSING
    exact = f"{number:,.15g}" if isinstance(value, Integral) else f"{number:,.12g}"
    return Cell("number", format_number(number), exact=f"{exact} {unit}".strip(), sort=number)


def count_cell(value: object) -> Cell:
    """A whole number, shown in full."""
    number = to_number(value)
    if number is None or not number.is_integer():
        return number_cell(value)
    return Cell("number", f"{int(number):,}", sort=number)


def first_words(text: str, limit: int) -> str:
    """The first line of a text, cut at a word where it is longer than `limit`; an ellipsis tells so."""
    text = text.strip()
    line = text.split("\n", 1)[0].rstrip()
    if len(line) > limit:
        head = line[:limit]
        line = head.rsplit(None, 1)[0] if " " in head[limit // 2 :] else head
    return line if line == text else f"{line} …"
