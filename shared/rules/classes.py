"""The classes that a slice can tell the values of a fact apart by.

Conditions hold a fact against the bounds of the slice and look at nothing else of it, so its values fall into finitely many
classes: for money, integers and dates, each bound and each stretch between two bounds; every choice; true and false; every text
that stands as a bound, and any other text. Facts of the same classes are decided alike: only the values that are shown, and the
dates computed from them, differ. A fact that was not given is of a class of its own; a fact that nothing asks about has no other.

:meth:`Classes.of` finds the classes of some facts, :meth:`Classes.members` gives facts that are of some classes.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence

from shared.policies.conditions import Condition, facts_of
from shared.policies.facts import ORDERED, Code, Fact
from shared.policies.policy import Slice

Class = int | str | None
"""Of a missing fact None; of an ordered one its place among the bounds, odd on a bound and even between two; else the code."""

ANY = 0
"""The class of every value that nothing asks about."""
ANY_OTHER = "~any-other"
"""The class of every text that is no bound."""


class Classes:
    """How the facts of one slice fall into classes."""

    def __init__(self, slice_: Slice) -> None:
        asked = facts_of(_conditions(slice_))
        self._facts = [(fact, sorted(asked.get(name, ()), key=_rank)) for name, fact in slice_.policy.facts.items()]
        self._finders = [(fact.name, _finder(fact, bounds)) for fact, bounds in self._facts]
        self.settled = frozenset(fact.name for fact, bounds in self._facts if bounds and fact.type in ("boolean", "choice"))
        """The facts whose class is their value."""

    def of(self, given: Mapping[str, Code]) -> tuple[Class, ...]:
        """The class of every fact of the policy, in the policy's order."""
        return tuple([find(given.get(name)) for name, find in self._finders])

    def members(self, classes: Iterable[Class]) -> dict[str, Code]:
        """Facts of these classes: of each class the same member every time."""
        found = zip(self._facts, classes, strict=True)
        return {fact.name: _member(fact, bounds, class_) for (fact, bounds), class_ in found if class_ is not None}


def _conditions(slice_: Slice) -> Iterable[Condition]:
    """Everything that looks at facts: ``when`` as well as ``meaning``, which is simplified and may ask about fewer."""
    for rule in slice_.rules:
        yield from (rule.when, slice_.meaning[rule.id])
    for notice in slice_.notices:
        yield from (notice.when, notice.unless)


def _rank(bound: Code) -> tuple[bool, Code]:
    return isinstance(bound, str), bound


def _finder(fact: Fact, bounds: Sequence[Code]) -> Callable[[Code | None], Class]:
    if not bounds:
        return lambda code: None if code is None else ANY
    if fact.type in ORDERED:
        return lambda code: None if code is None else bisect_left(bounds, code) + bisect_right(bounds, code)
    if fact.type == "text":
        return lambda code: code if code is None or code in bounds else ANY_OTHER
    return lambda code: code


def _member(fact: Fact, bounds: Sequence[Code], class_: int | str) -> Code:
    if not bounds:
        return fact.choices[0] if fact.choices else ANY_OTHER if fact.type == "text" else fact.least
    if fact.type not in ORDERED:
        return class_
    place, on_bound = divmod(int(class_), 2)
    if on_bound:
        return bounds[place]
    return int(bounds[place - 1]) + 1 if place else int(bounds[0]) - 1
