"""YAML files read with the position of every key and value.

The document is built from the nodes of ruamel.yaml and not by its constructors: that keeps the line and
column of everything, finds every duplicate key, bounds what aliases expand to, and leaves custom tags without
effect. Scalars follow YAML 1.2: `N`, `no`, `on` and `none` are text, as both formats need.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.reader import ReaderError

from protocol.errors import ConfigurationError

__all__ = ["MAX_BYTES", "MAX_VALUES", "KeyPath", "Problem", "Source", "key_path", "read_source"]

KeyPath = tuple[str | int, ...]
"""Where a value is: keys, and 0-based indexes of list items."""

MAX_BYTES = 1 << 20
"""Size of the largest file that is read, in bytes."""
MAX_VALUES = 100_000
"""Values of the largest document, aliases expanded."""

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_$-]+")
_EXPECTED = 'expected keys and values, beginning with "schema_version: 1"'
_TAG = "tag:yaml.org,2002:"

# What ruamel.yaml says -> what is said here. The first pattern that is found in its message wins.
_SYNTAX: tuple[tuple[str, str], ...] = (
    (r"character '\\t'", "a tab cannot indent YAML; use spaces"),
    (r"character '(.)' that cannot start", 'a value cannot begin with "{0}"; put the text in quotes'),
    (
        r"mapping values are not allowed",
        'a ":" is not expected here; put text that holds ": " in quotes, and check the indentation',
    ),
    (r"could not find expected ':'", 'the line before holds no key: expected ":" after the key'),
    (r"unexpected end of stream", "a quote is opened and not closed"),
    (r"expected ',' or '([\]}])'", 'expected "," or "{0}": a bracket is not closed, or a comma is missing'),
    (r"undefined alias '(.*)'", 'the alias "*{0}" refers to nothing: no "&{0}" is above it'),
    (r"unknown escape character '(.)'", '"\\{0}" is no escape of a double-quoted text; use single quotes'),
    (
        r"another document",
        'a second document begins here ("---"); expected one document in the file',
    ),
    (r"expected <block end>", "the indentation does not fit the lines above"),
)


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in a file; `str(problem)` is the line that a user sees.

    Line and column count from 1; line 0 is the file as a whole.
    """

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        position = f":{self.line}:{self.column}" if self.line else ""
        return f"{self.file}{position}: {self.text}"


def key_path(path: KeyPath) -> str:
    """The path as a user reads it: `matrix.scenarios[1]`."""
    words = ""
    for part in path:
        if isinstance(part, int):
            words += f"[{part}]"
        else:
            word = part if _PLAIN_KEY.fullmatch(part) else json.dumps(part[:60], ensure_ascii=False)
            words += f".{word}" if words else word
    return words


@dataclass
class Source:
    """A document with the positions of what is in it."""

    name: str
    """The file as the user named it."""
    value: Any = None
    positions: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    """Line and column of each value, from 1."""
    keys: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    """Line and column of each key, from 1."""
    problems: list[Problem] = field(default_factory=list)
    """What is wrong with the YAML and does not keep it from being read."""

    def existing(self, path: KeyPath) -> KeyPath:
        """The longest beginning of `path` that is in the document."""
        while path and path not in self.positions:
            path = path[:-1]
        return path

    def line(self, path: KeyPath) -> int:
        """The line of the value at `path`, or of what it would be in; 0 where there is no file."""
        return self.positions.get(self.existing(path), (0, 0))[0]

    def value_at(self, path: KeyPath) -> Any:
        """The value at `path`, which must exist."""
        value = self.value
        for part in path:
            value = value[part]
        return value

    def problem(self, path: KeyPath, sentence: str, *, key: str | None = None) -> Problem:
        """A problem with the value at `path`, or with `key` of the mapping there."""
        if self.positions:
            path = self.existing(path)
        line, column = self.positions.get(path, (0, 0))
        if key is not None:
            line, column = self.keys.get((*path, key), (line, column))
        shown = key_path(path)
        return Problem(self.name, line, column, f"{shown}: {sentence}" if shown else sentence)


def read_source(path: Path) -> Source:
    """Read a YAML file whose top level is a mapping.

    Raises:
        ConfigurationError: the file cannot be read, is too large, is not YAML, or holds no mapping.
    """
    name = str(path)
    text = _read_text(path, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReusedAnchorWarning)  # YAML allows it: the later anchor counts
        try:
            root = YAML(typ="safe", pure=True).compose(text)
        except RecursionError:
            raise _refusal(name, 0, 0, "the values are nested too deeply to be read") from None
        except YAMLError as error:
            raise _syntax_error(name, text, error) from error
    if root is None:
        raise _refusal(name, 0, 0, f"the file is empty; {_EXPECTED}")
    if not isinstance(root, MappingNode):
        what = "text" if isinstance(root, ScalarNode) else "a list"
        raise _refusal(
            name,
            root.start_mark.line + 1,
            root.start_mark.column + 1,
            f"the file holds {what}; {_EXPECTED}",
        )
    source = Source(name)
    source.value = _Builder(source).build(root, ())
    return source


def _read_text(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _refusal(name, 0, 0, "there is no such file") from None
    except IsADirectoryError:
        raise _refusal(name, 0, 0, "this is a directory; expected a YAML file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise _refusal(name, 0, 0, f"the file cannot be read: {reason}") from None
    if len(data) > MAX_BYTES:
        raise _refusal(name, 0, 0, f"the file is larger than {MAX_BYTES:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = error.start - (before.rfind(b"\n") + 1) + 1
        sentence = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise _refusal(name, before.count(b"\n") + 1, column, sentence) from None


def _refusal(name: str, line: int, column: int, sentence: str) -> ConfigurationError:
    return ConfigurationError([str(Problem(name, line, column, sentence))])


def _syntax_error(name: str, text: str, error: YAMLError) -> ConfigurationError:
    if isinstance(error, ReaderError):
        before = text[: error.position]
        column = len(before) - (before.rfind("\n") + 1) + 1
        sentence = "a control character is not allowed in YAML"
        return _refusal(name, before.count("\n") + 1, column, sentence)
    line = column = 0
    message = "not valid YAML"
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        if mark is not None:
            line, column = mark.line + 1, mark.column + 1
        message = error.problem or message
    for pattern, sentence in _SYNTAX:
        if match := re.search(pattern, message):
            return _refusal(name, line, column, sentence.format(*match.groups()))
    return _refusal(name, line, column, f"not valid YAML: {message}")


class _Builder:
    """Makes plain values of nodes, and notes where each was."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._open: set[int] = set()
        self._count = 0

    def build(self, node: Node, path: KeyPath) -> Any:
        """The value of `node`, which lies at `path`."""
        self._source.positions[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        self._count += 1
        if self._count > MAX_VALUES:
            raise _refusal(
                self._source.name, 0, 0, f"the file holds more than {MAX_VALUES:,} values, aliases expanded"
            )
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            self._note(path, "an alias refers to what it is a part of")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, path)
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: MappingNode, path: KeyPath) -> Mapping[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            position = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, ScalarNode):
                self._note(path, "a key must be text, not a list or a mapping", position)
                continue
            key = _text_of(key_node)
            if key_node.tag == f"{_TAG}merge":
                self._note(path, '"<<" (merging mappings) is not read here; write the keys out', position)
                continue
            inner = (*path, key)
            if key in result:
                shown = json.dumps(key[:60], ensure_ascii=False)
                first = self._source.keys[inner][0]
                self._note(path, f"the key {shown} is given twice; the first is on line {first}", position)
                continue
            self._source.keys[inner] = position
            result[key] = self.build(value_node, inner)
            if value_node.start_mark.index == value_node.end_mark.index:
                self._source.positions[inner] = position  # nothing stands there: point at the key
        return result

    def _note(self, path: KeyPath, sentence: str, position: tuple[int, int] | None = None) -> None:
        problem = self._source.problem(path, sentence)
        if position is not None:
            problem = Problem(problem.file, *position, problem.text)
        self._source.problems.append(problem)

    def _scalar(self, node: ScalarNode, path: KeyPath) -> Any:
        text = _text_of(node)
        tag = str(node.tag)
        kind = tag.removeprefix(_TAG)
        if kind not in {"str", "int", "float", "bool", "null", "timestamp", "merge", "value"}:
            shown = tag.replace(_TAG, "!!")[:60]
            self._note(path, f"the tag {json.dumps(shown, ensure_ascii=False)} has no meaning here")
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in {"true", "yes", "on"}
        try:
            if kind == "int":
                return int(text, 0 if re.match(r"[+-]?0[xob]", text) else 10)
            if kind == "float":
                return _float(text)
        except ValueError:
            return text  # too many digits, or a notation of older YAML: it is then refused as text
        return text


def _text_of(node: ScalarNode) -> str:
    text = str(node.value)
    if text.isascii():
        return text
    # Escapes such as "\ud83d\ude00" arrive as two halves; a half on its own is no character and no UTF-8.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _float(text: str) -> float:
    bare = text.lower().lstrip("+-")
    if bare == ".inf":
        return -math.inf if text.startswith("-") else math.inf
    return math.nan if bare == ".nan" else float(text)
