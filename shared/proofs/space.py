"""Facts as variables of z3: the only file that knows it.

Every fact becomes an integer within its declared domain: pence, ordinals and counts as they are, tokens and texts by their place
(a text by its place among the texts that are asked about, with one more for any other). The bounds that conditions hold a fact
against cut its domain into *classes*; within a class no condition changes, so a :class:`Box` of classes describes exactly where
something happens.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import z3

from shared.policies.conditions import All, Condition, Test, facts_of
from shared.policies.facts import ORDERED, OTHER_TEXT, Code, Fact

Formula = Any
"""A ``z3.BoolRef``; z3 declares its types in part only."""
Class = tuple[int, int]
"""The first and the last value of a class, as variables have them."""


@dataclass(frozen=True)
class Box:
    """A set of facts: for each fact that it says something about, the classes it may fall into."""

    classes: Mapping[str, tuple[Class, ...]]


@dataclass
class Space:
    """Every admissible set of facts, cut into classes by some conditions."""

    facts: Mapping[str, Fact]
    asked: Mapping[str, tuple[Code, ...]]
    _variables: dict[str, Any] = field(default_factory=dict)
    _formulas: dict[int, tuple[Condition, Formula]] = field(default_factory=dict)
    _solver: z3.Solver = field(default_factory=z3.Solver)

    @classmethod
    def of(cls, facts: Mapping[str, Fact], conditions: Iterable[Condition]) -> "Space":
        """The space of these facts, with the classes that these conditions can tell apart."""
        bounds = {name: tuple(sorted(found)) for name, found in facts_of(conditions).items()}
        space = cls(facts, bounds)
        for name in bounds:
            variable = space._variables[name] = z3.Int(name)
            classes = space.classes(name)
            space._solver.add(variable >= classes[0][0], variable <= classes[-1][1])
        return space

    # ---- formulas

    def formula(self, condition: Condition) -> Formula:
        """The condition as a formula over this space."""
        if id(condition) not in self._formulas:
            self._formulas[id(condition)] = (condition, self._formula(condition))
        return self._formulas[id(condition)][1]

    def _formula(self, condition: Condition) -> Formula:
        if isinstance(condition, bool):
            return z3.BoolVal(condition)
        if isinstance(condition, Test):
            return _COMPARED[condition.operator](self._variables[condition.fact], self._number(condition.fact, condition.bound))
        parts = [self.formula(part) for part in condition.parts]
        return z3.And(parts) if isinstance(condition, All) else z3.Or(parts)

    def _number(self, name: str, code: Code) -> int:
        if self.facts[name].type in ("choice", "text"):
            tokens = self._tokens(name)
            return tokens.index(str(code)) if code in tokens else len(tokens) - 1
        return int(code)

    def _tokens(self, name: str) -> tuple[str, ...]:
        return self.facts[name].choices or (*map(str, self.asked[name]), OTHER_TEXT)

    # ---- classes and boxes

    def classes(self, name: str) -> tuple[Class, ...]:
        """The classes of a fact, in rising order."""
        fact = self.facts[name]
        if fact.type not in ORDERED:
            return tuple((place, place) for place in range(2 if fact.type == "boolean" else len(self._tokens(name))))
        inside = [int(bound) for bound in self.asked[name] if fact.least <= int(bound) <= fact.most]
        cuts = sorted({fact.least, fact.most + 1, *inside, *(bound + 1 for bound in inside)})
        return tuple((first, after - 1) for first, after in pairwise(cuts))

    def inside(self, box: Box) -> Formula:
        """The facts of a box, as a formula."""
        return both(some(_within(self._variables[name], each) for each in classes) for name, classes in box.classes.items())

    def exactly(self, facts: Mapping[str, Code]) -> Formula:
        """These facts and no others."""
        return both(self._variables[name] == self._number(name, code) for name, code in facts.items())

    def find(self, *formulas: Formula) -> dict[str, Code] | None:
        """Facts under which all formulas hold, or None: then it is proved that there are none.

        :raises z3.Z3Exception: z3 could not decide; never seen, since every formula is linear and bounded.
        """
        self._solver.push()
        try:
            self._solver.add(*formulas)
            found = self._solver.check()
            if found == z3.unknown:
                raise z3.Z3Exception(f"z3 gave up: {self._solver.reason_unknown()}")
            model = self._solver.model() if found == z3.sat else None
        finally:
            self._solver.pop()
        if model is None:
            return None
        found = {name: model.eval(variable, model_completion=True) for name, variable in self._variables.items()}
        return {name: self._as_code(name, int(value.as_long())) for name, value in found.items()}

    def _as_code(self, name: str, number: int) -> Code:
        return self._tokens(name)[number] if self.facts[name].type in ("choice", "text") else number

    def around(self, facts: Mapping[str, Code], formula: Formula) -> Box:
        """A box around these facts, as wide as can be, in which the formula holds everywhere."""
        found: dict[str, tuple[Class, ...]] = {name: (self._class(name, code),) for name, code in facts.items()}
        for name in list(found):
            without = {other: classes for other, classes in found.items() if other != name}
            found = without if self._covers(without, formula) else found
        for name in list(found):
            found[name] = self._widened(name, found, formula)
        return Box(found)

    def _widened(self, name: str, found: Mapping[str, tuple[Class, ...]], formula: Formula) -> tuple[Class, ...]:
        kept = found[name]
        every = self.classes(name)
        start = every.index(kept[0])
        ordered = self.facts[name].type in ORDERED
        for direction in (every[start + 1 :], every[:start][::-1]):
            for each in direction:
                if self._covers({**found, name: (*kept, each)}, formula):
                    kept = (*kept, each)
                elif ordered:
                    break
        return tuple(sorted(kept))

    def _covers(self, classes: Mapping[str, tuple[Class, ...]], formula: Formula) -> bool:
        return self.find(self.inside(Box(classes)), opposite(formula)) is None

    def corner(self, box: Box) -> dict[str, Code]:
        """The first value of each fact that a box says something about."""
        return {name: self._as_code(name, classes[0][0]) for name, classes in sorted(box.classes.items())}

    def reach(self, formula: Formula) -> Box:
        """The smallest box around everything for which the formula holds; facts that it does not narrow are left out."""
        found = {}
        for name, variable in self._variables.items():
            classes = self.classes(name)
            kept = tuple(each for each in classes if self.find(formula, _within(variable, each)) is not None)
            if kept != classes:
                found[name] = kept
        return Box(found)

    def _class(self, name: str, code: Code) -> Class:
        number = self._number(name, code)
        return next(each for each in self.classes(name) if each[0] <= number <= each[1])

    def says(self, box: Box) -> str:
        """A box in words: ``regime is light-touch and whole_life_value is from 189330.01 to 663540.00``."""
        return " and ".join(f"{name} is {self._says(name, classes)}" for name, classes in sorted(box.classes.items())) or "always"

    def _says(self, name: str, classes: tuple[Class, ...]) -> str:
        fact = self.facts[name]
        if fact.type == "boolean":
            return " or ".join(str(bool(first)).lower() for first, _ in classes)
        if fact.type not in ORDERED:
            return " or ".join(self._tokens(name)[first].replace(OTHER_TEXT, "any other") for first, _ in classes)
        joined = _joined(classes)
        spans = [str(fact.show(a)) if a == b else f"from {fact.show(a)} to {fact.show(b)}" for a, b in joined]
        return " or ".join(spans)


def _joined(classes: tuple[Class, ...]) -> list[Class]:
    """Neighbouring classes as one."""
    joined: list[Class] = []
    for first, last in classes:
        if joined and joined[-1][1] + 1 == first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def _within(variable: Any, class_: Class) -> Formula:
    first, last = class_
    return variable == first if first == last else z3.And(variable >= first, variable <= last)


def both(formulas: Iterable[Formula]) -> Formula:
    """All of them hold."""
    return z3.And(list(formulas))


def some(formulas: Iterable[Formula]) -> Formula:
    """At least one of them holds."""
    return z3.Or(list(formulas))


def nowhere() -> Formula:
    """It never holds."""
    return z3.BoolVal(False)


def opposite(formula: Formula) -> Formula:
    """It does not hold."""
    return z3.Not(formula)


_COMPARED = {
    "is": lambda variable, bound: variable == bound,
    "is_not": lambda variable, bound: variable != bound,
    "at_most": lambda variable, bound: variable <= bound,
    "less_than": lambda variable, bound: variable < bound,
    "at_least": lambda variable, bound: variable >= bound,
    "more_than": lambda variable, bound: variable > bound,
}
