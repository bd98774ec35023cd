"""One column as bytes: texts by a dictionary, numbers in full or with six digits. Pure.

A value of several bytes is written in planes, all first bytes before all second ones, because what lies
beside each other then looks alike, and compresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = [
    "DIGITS",
    "Column",
    "encode_ids",
    "encode_notes",
    "encode_numbers",
    "encode_places",
    "encode_texts",
]

DIGITS = 6
"""Significant digits of a number that is not kept in full."""
_FEW = 4_096
"""So many different numbers at most are written as a dictionary."""
_ID = "t"
"""What an id begins with; 12 hexadecimal digits follow."""
_ID_CHARACTERS = 13
_HEXADECIMAL = b"0123456789abcdef"
_NOTHING = -128
"""The exponent that stands for NaN."""
_LONGEST_POWER = 120


@dataclass(frozen=True, slots=True)
class Column:
    """A column, ready to be written."""

    key: str
    kind: str
    """text, few (a dictionary of numbers), float, decimal, ids, note or place."""
    planes: npt.NDArray[np.uint8]
    """A line for each byte of a value, a column for each row."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """What reading it needs beside the bytes, ready for JSON."""

    def bytes_of(self, rows: npt.NDArray[np.intp]) -> bytes:
        """Of these rows, in their order."""
        return np.ascontiguousarray(self.planes[:, rows]).tobytes()


def encode_texts(key: str, values: pd.Series, *, most_chars: int | None = None) -> Column:
    """Texts as numbers into their dictionary, which stands in the order of the first appearance.

    Args:
        key: Of the column.
        values: Texts; a missing one is empty.
        most_chars: Where a longer text is cut, with a sign that it was.
    """
    codes, different = pd.factorize(values.to_numpy(dtype=object), use_na_sentinel=False)
    words = ["" if pd.isna(word) else str(word) for word in different]
    if most_chars is not None:
        words = [word if len(word) <= most_chars else f"{word[:most_chars]} […]" for word in words]
    return Column(key, "text", _planes(codes, _width(len(words))), {"dictionary": words})


def encode_notes(key: str, values: pd.Series) -> Column:
    """Sentences that stand where a number is missing; the dictionary's first entry is no sentence."""
    codes, different = pd.factorize(values.to_numpy(dtype=object), use_na_sentinel=False)
    words = ["" if pd.isna(word) else str(word) for word in different]
    dictionary = list(dict.fromkeys(["", *words]))
    place = {word: index for index, word in enumerate(dictionary)}
    moved = np.array([place[word] for word in words], dtype=np.int64)[codes] if words else codes
    return Column(key, "note", _planes(moved, _width(len(dictionary))), {"dictionary": dictionary})


def encode_numbers(key: str, values: pd.Series, *, exact: bool) -> Column:
    """Numbers, NaN for what is missing.

    Few different ones become a dictionary and are always kept in full; others are written as float64 where
    `exact`, else as a decimal: a whole number of six digits and a power of ten.
    """
    numbers = values.to_numpy(dtype=np.float64)
    codes, different = pd.factorize(numbers, use_na_sentinel=False)
    if len(different) <= min(_FEW, max(256, len(numbers) // 4)):
        dictionary = [None if np.isnan(value) else value for value in different.tolist()]
        return Column(key, "few", _planes(codes, _width(len(dictionary))), {"dictionary": dictionary})
    if exact:
        return Column(key, "float", _planes(numbers.view(np.uint64), 8))
    whole, exponents = _decimals(numbers)
    planes = np.vstack([_planes(whole, 4), _planes(exponents.view(np.uint8), 1)])
    return Column(key, "decimal", planes)


def encode_ids(key: str, values: pd.Series) -> Column:
    """Ids as `integrator.site.ids` makes them, 48 bits each; where one is none, as texts."""
    texts = values.to_numpy(dtype=object)
    if not all(len(text) == _ID_CHARACTERS and text.startswith(_ID) and text.isascii() for text in texts):
        return encode_texts(key, values)
    letters = np.frombuffer("".join(texts).encode(), dtype=np.uint8).reshape(-1, _ID_CHARACTERS)
    table = np.full(256, 255, dtype=np.uint8)
    table[np.frombuffer(_HEXADECIMAL, dtype=np.uint8)] = np.arange(16)
    digits = table[letters[:, len(_ID) :]]
    if (digits == 255).any():  # noqa: PLR2004  # no digit
        return encode_texts(key, values)
    octets = digits[:, 0::2] << 4 | digits[:, 1::2]
    return Column(key, "ids", np.ascontiguousarray(octets[:, ::-1].T))  # the lowest first


def encode_places(places: npt.NDArray[np.intp]) -> Column:
    """Where each row stands in the table."""
    return Column("", "place", _planes(places, 4))


def _decimals(numbers: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int8]]:
    """Whole numbers of six digits, and the powers of ten that they are multiplied with."""
    known = np.isfinite(numbers) & (numbers != 0)
    safe = np.where(known, numbers, 1.0)
    exponents = np.floor(np.log10(np.abs(safe))).astype(np.int64) - (DIGITS - 1)
    exponents = np.clip(exponents, -_LONGEST_POWER, _LONGEST_POWER)
    # Small powers are exact: one is a division by a power of ten, the other a multiplication.
    scaled = np.where(
        exponents < 0, safe * 10.0 ** np.maximum(-exponents, 0), safe / 10.0 ** np.maximum(exponents, 0)
    )
    whole = np.where(known, np.rint(scaled), 0).astype(np.int64)
    whole = np.clip(whole, -(10**DIGITS), 10**DIGITS)
    exponents = np.where(known, exponents, np.where(numbers == 0, 0, _NOTHING))
    return whole.astype(np.int32), exponents.astype(np.int8)


def _width(different: int) -> int:
    """Bytes of a code."""
    return 1 if different <= 1 << 8 else 2 if different <= 1 << 16 else 4


def _planes(values: npt.NDArray[np.generic], width: int) -> npt.NDArray[np.uint8]:
    little = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False))
    size = little.dtype.itemsize
    lines = little.view(np.uint8).reshape(-1, size) if len(little) else np.empty((0, size), dtype=np.uint8)
    return np.ascontiguousarray(lines[:, :width].T)
