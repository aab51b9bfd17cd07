"""Drafts: JSON with blanks, written once and filled in for every decision on facts of the same classes.

Each part of a decision (the outcome, the reasons, what would change it) is compiled, so filling it in costs what writing the same
JSON down as a literal would. Parts that are equal are compiled once, because drafts of different classes share many. Every filling
is the caller's own: no two share anything that could be changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from shared.policies.facts import Code, show
from shared.policies.outcomes import Computed

MOST_PARTS = 4096

Writer = Callable[[Mapping[str, Any], Mapping[str, Code]], Any]
"""The facts that were given, as they are shown, and the codes of those that are known -> JSON."""


@dataclass(frozen=True)
class Given:
    """A blank for the value of a fact that was given, as it is shown."""

    fact: str


@dataclass(frozen=True)
class Day:
    """A blank for a date that is computed from a fact: from the value ``at``, or else from the one that is known."""

    computed: Computed
    at: Code | None = None


@dataclass(frozen=True)
class Nearer:
    """A blank for what happens at one of two values of an ordered fact: the one nearer to the fact's, and the higher if both are."""

    fact: str
    low: int
    below: dict[str, Any]
    high: int
    above: dict[str, Any]


class Draft:
    """A JSON object with blanks."""

    def __init__(self, template: Mapping[str, Any]) -> None:
        self._plain = {name: part if _is_plain(part) else None for name, part in template.items()}
        self._parts = [(name, _writer(part)) for name, part in template.items() if not _is_plain(part)]

    def filled(self, shown: Mapping[str, Any], known: Mapping[str, Code]) -> dict[str, Any]:
        """A fresh copy, with its blanks filled in one after another as they stand.

        :raises BeyondCalendar: a date depends on bank holidays that are not known.
        """
        filled = self._plain.copy()
        for name, write in self._parts:
            filled[name] = write(shown, known)
        return filled


def _writer(part: Any) -> Writer:
    dates: list[Computed] = []
    return _compiled(_source(part, dates), tuple(dates))


@lru_cache(MOST_PARTS)
def _compiled(source: str, dates: tuple[Computed, ...]) -> Writer:
    writer: Writer = eval(f"lambda shown, known: {source}", {"days": [_day(computed) for computed in dates]})  # noqa: S307 (our own text)
    return writer


def _day(computed: Computed) -> Callable[[Code], Any]:
    return lambda code: show("date", computed.on(int(code)))


def _source(part: Any, dates: list[Computed]) -> str:
    """The Python source of some JSON with blanks; ``dates`` takes up what its n-th date, ``days[n]``, is computed by."""
    if isinstance(part, dict):
        return "{" + ", ".join(f"{key!r}: {_source(value, dates)}" for key, value in part.items()) + "}"
    if isinstance(part, list):
        return "[" + ", ".join(_source(value, dates) for value in part) + "]"
    if isinstance(part, Given):
        return f"shown[{part.fact!r}]"
    if isinstance(part, Day):
        dates.append(part.computed)
        return f"days[{len(dates) - 1}]({_code(part.computed.fact) if part.at is None else repr(part.at)})"
    if isinstance(part, Nearer):
        value = _code(part.fact)
        return f"({_source(part.above, dates)} if {part.high} - {value} <= {value} - {part.low} else {_source(part.below, dates)})"
    if not _is_plain(part):
        raise TypeError(f"{part!r} has no place in a decision.")
    return repr(part)


def _is_plain(part: Any) -> bool:
    return part is None or isinstance(part, str | int)


def _code(fact: str) -> str:
    return f"known[{fact!r}]"
