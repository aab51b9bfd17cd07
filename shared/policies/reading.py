"""Strict YAML whose every value knows its file and line.

Stricter than YAML 1.1 where that bites in policies: only ``true`` and ``false`` are booleans (not ``on``, ``no``, ``yes``),
a key may stand once, numbers are whole (a float never reaches a rule), dates are dates.

Read from the top: :func:`read_yaml` gives a :class:`Node`; its methods take it apart and complain in one voice.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import yaml

from shared.errors import PolicyError

DATE = "$date"
"""How a date is told from a text in the canonical form of an edition."""

Plain = None | bool | int | str | date
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DEEPEST = 40
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_INTEGER = re.compile(r"[-+]?\d+")


@dataclass(frozen=True)
class Node:
    """One value of a YAML file: ``value`` is a plain value, a ``dict[str, Node]`` or a ``list[Node]``."""

    file: str
    line: int
    value: "Plain | dict[str, Node] | list[Node]"

    def fail(self, problem: str) -> NoReturn:
        """Raise a PolicyError that points here."""
        raise PolicyError(self.file, self.line, problem)

    def entries(self, what: str) -> "dict[str, Node]":
        """The map that stands here, or a PolicyError saying that ``what`` must be a map."""
        if not isinstance(self.value, dict):
            self.fail(f"{what} must be a map (key: value), not {self.shown()}.")
        return self.value

    def fields(self, what: str, required: Iterable[str] = (), optional: Iterable[str] = ()) -> "dict[str, Node]":
        """The map that stands here, with all the required keys and no others than the optional ones."""
        found, required = self.entries(what), tuple(required)
        allowed = (*required, *optional)
        for key, node in found.items():
            if key not in allowed:
                node.fail(f"{what} has no key “{key}”{suggest(key, allowed)}; it takes {', '.join(allowed)}.")
        for key in required:
            if key not in found:
                self.fail(f"{what} lacks the key “{key}”.")
        return found

    def items(self, what: str) -> "list[Node]":
        """The list that stands here, or a PolicyError saying that ``what`` must be a list."""
        if not isinstance(self.value, list):
            self.fail(f"{what} must be a list, not {self.shown()}.")
        return self.value

    def text(self, what: str) -> str:
        """The non-empty text that stands here."""
        if not isinstance(self.value, str) or not self.value.strip():
            self.fail(f"{what} must be text, not {self.shown()}.")
        return self.value.strip()

    def name(self, what: str) -> str:
        """The name that stands here: lower-case words joined by hyphens, such as are told apart in any engine, URL and file."""
        word = self.text(what)
        if not _NAME.fullmatch(word):
            self.fail(f"{what} must be named in lower-case-words-with-hyphens, not “{word}”.")
        return word

    def day(self, what: str) -> date:
        """The date that stands here."""
        if not isinstance(self.value, date):
            self.fail(f"{what} must be a date such as 2021-06-01, not {self.shown()}.")
        return self.value

    def whole(self, what: str) -> int:
        """The whole number that stands here."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            self.fail(f"{what} must be a whole number, not {self.shown()}.")
        return self.value

    def flag(self, what: str) -> bool:
        """The ``true`` or ``false`` that stands here."""
        if not isinstance(self.value, bool):
            self.fail(f"{what} must be true or false, not {self.shown()}.")
        return self.value

    def choice(self, what: str, allowed: Iterable[str]) -> str:
        """The text that stands here, one of ``allowed``."""
        word, allowed = self.text(what), tuple(allowed)
        if word not in allowed:
            self.fail(f"{what} cannot be “{word}”{suggest(word, allowed)}; it is one of {', '.join(allowed)}.")
        return word

    def shown(self) -> str:
        """The value as a person would say it in an error."""
        if isinstance(self.value, dict):
            return "a map"
        if isinstance(self.value, list):
            return "a list"
        return "nothing" if self.value is None else f"“{self.value}”"

    def plain(self) -> object:
        """The value with all Nodes taken away: what the canonical form of an edition is made of."""
        return self._without_nodes(lambda day: {DATE: day.isoformat()})

    def to_json(self) -> Any:
        """The value as JSON has it."""
        return self._without_nodes(date.isoformat)

    def _without_nodes(self, shown: Callable[[date], object]) -> Any:
        if isinstance(self.value, dict):
            return {key: node._without_nodes(shown) for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node._without_nodes(shown) for node in self.value]
        return shown(self.value) if isinstance(self.value, date) else self.value


def read_day(text: str) -> date:
    """The day of a text such as 2021-06-01; no other form that ISO 8601 has for a day is taken.

    :raises ValueError: the message says what would be right.
    """
    if not _DATE.fullmatch(text):
        raise ValueError(f"must be a date such as 2021-06-01, not {text!r}.")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text} is not a day of the calendar.") from None


def suggest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean “…”?)`` or nothing."""
    close = get_close_matches(word, list(known), n=1)
    return f" (did you mean “{close[0]}”?)" if close else ""


def read_yaml(path: Path, shown_as: str | None = None) -> Node:
    """Read one YAML file.

    :raises PolicyError: not YAML, not UTF-8, a duplicate key or a float; with file and line.
    """
    file = shown_as or path.as_posix()
    try:
        return parse_yaml(path.read_text(encoding="utf-8"), file)
    except UnicodeDecodeError as error:
        raise PolicyError(file, None, f"the file must be UTF-8 text ({error.reason}).") from error


def parse_yaml(text: str, file: str) -> Node:
    """Like :func:`read_yaml`, from a text."""
    try:
        _check_shape(text, file)
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise PolicyError(file, line, f"this is not YAML: {error.problem}.") from error
    except yaml.YAMLError as error:
        raise PolicyError(file, None, f"this is not YAML: {error}.") from error
    if root is None:
        raise PolicyError(file, None, "the file is empty.")
    return _node(root, file)


def _check_shape(text: str, file: str) -> None:
    """Refuse, before anything is built, what is nested without end or stands for something elsewhere in the file."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent):
            raise PolicyError(file, line, "an alias (*name) cannot be used: every value stands where it is meant.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise PolicyError(file, line, f"the file is nested more than {DEEPEST} deep.")


def _node(found: yaml.Node, file: str) -> Node:
    line = found.start_mark.line + 1
    if isinstance(found, yaml.MappingNode):
        return Node(file, line, dict(_pairs(found, file)))
    if isinstance(found, yaml.SequenceNode):
        return Node(file, line, [_node(item, file) for item in found.value])
    assert isinstance(found, yaml.ScalarNode)
    try:
        return Node(file, line, _scalar(found))
    except ValueError as error:
        raise PolicyError(file, line, str(error)) from error


def _pairs(found: yaml.MappingNode, file: str) -> Iterator[tuple[str, Node]]:
    seen: dict[str, int] = {}
    for key, value in found.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise PolicyError(file, line, "a key must be a word.")
        if key.value in seen:
            raise PolicyError(file, line, f"the key “{key.value}” stands here a second time (first in line {seen[key.value]}).")
        seen[key.value] = line
        yield key.value, Node(file, line, _node(value, file).value)


def _scalar(found: yaml.ScalarNode) -> Plain:
    text: str = found.value
    if found.style in ("'", '"', "|", ">"):
        return text
    if text in ("true", "false"):
        return text == "true"
    if text in ("", "null", "~"):
        return None
    if _DATE.fullmatch(text):
        return read_day(text)
    if _INTEGER.fullmatch(text):
        return int(text)
    if found.tag.endswith(":float"):
        raise ValueError(f'{text} is a fraction without quotes; money and fractions are written in quotes: "{text}".')
    return text
