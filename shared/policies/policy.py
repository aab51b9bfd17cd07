"""A policy: its rules, notices and parameters with their days, and how it is put in force on a day.

A :class:`Policy` is identified by its ``edition`` (the SHA-256 of its canonical form, facts included); policy_file.py reads it.
:meth:`Policy.on` resolves time *first*: the :class:`Slice` of a day holds only the rules, notices and parameter values in force
on it, with every bound a plain value. Everything after that (both engines, explanations) works on a slice and knows no dates.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

from shared.errors import NotInForce
from shared.policies.citations import Citation
from shared.policies.conditions import OPERATORS, Condition, Test, bind, either, every, facts_of, negated, parameters_of, substitute
from shared.policies.facts import Code, Fact
from shared.policies.outcomes import Field, bind_value, dates_asked, parameters_in

# unique: one rule holds · any: several may, if they agree · first: the first in the file · collect: their lists are put together
HITS = ("unique", "any", "first", "collect")
FINDINGS = ("gap", "conflict", "dead", "shadowed", "unreachable", "gap-as-printed", "overlap-as-printed", "order")
"""What a check may find and a policy may accept; see shared/proofs/findings.py."""
FAR = date(9999, 12, 31)


@dataclass(frozen=True)
class DatedValue:
    """One value of a parameter, in force from ``starts`` (inclusive) to ``ends`` (exclusive)."""

    starts: date
    ends: date
    value: Any
    cite: Citation


@dataclass(frozen=True)
class Parameter:
    """A named bound with its dated values, oldest first. ``type`` is the type of the facts it is held against."""

    name: str
    type: str
    unit: str
    values: tuple[DatedValue, ...]

    def on(self, day: date) -> DatedValue | None:
        """The value in force on that day."""
        return next(iter(in_force(self.values, day)), None)

    def number_on(self, day: date) -> int:
        """The value on that day as a number, of days for example; outside the days it has one for, its first."""
        return int((self.on(day) or self.values[0]).value)


@dataclass(frozen=True)
class Rule:
    """One rule. In a file its bounds are parameter names; in a slice they are values.

    ``printed`` is the condition as the source states it, where our reading (``when``) differs: False where the source is
    silent, None where the two are the same. Only the proofs look at it.
    """

    id: str
    starts: date
    ends: date
    stage: int
    when: Condition
    then: Mapping[str, Any]
    because: str
    cite: Citation
    overrides: tuple[str, ...]
    line: int
    printed: Condition | None = None
    see: tuple[Citation, ...] = ()

    @cached_property
    def counted_from(self) -> frozenset[str]:
        """The date facts from which the rule computes a date."""
        return frozenset(dates_asked(tuple(self.then.values())))

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters that the rule's conditions and dates stand on (empty in a slice)."""
        return tuple(sorted(parameters_of([self.when]) | parameters_in(tuple(self.then.values()))))


@dataclass(frozen=True)
class Notice:
    """What is said beside the outcome when its condition holds, unless another is known to hold."""

    id: str
    starts: date
    ends: date
    when: Condition
    unless: Condition
    say: str
    cite: Citation


@dataclass(frozen=True)
class Order:
    """A claim that two computed dates of the outcome come in this order, whatever day they are computed from."""

    id: str
    earlier: str
    later: str
    because: str
    cite: Citation


@dataclass(frozen=True)
class Accepted:
    """A finding of the proofs that is the source's own: accepted by name, no wider than its rules and its region (``when``)."""

    id: str
    finding: str
    rules: frozenset[str]
    when: Condition
    because: str
    cite: Citation


@dataclass(frozen=True)
class Slice:
    """A policy as it stands on a day.

    ``rules`` hold values for bounds; ``meaning`` gives every rule's condition in terms of facts alone (stages inlined) and
    ``survival`` the condition under which it counts (it holds, and nothing that overrides it holds).
    """

    policy: "Policy"
    starts: date
    rules: tuple[Rule, ...]
    notices: tuple[Notice, ...]
    bounds: Mapping[str, DatedValue]
    meaning: Mapping[str, Condition]
    survival: Mapping[str, Condition]

    @cached_property
    def asked(self) -> dict[str, tuple[Code, ...]]:
        """Every fact that can matter on this day, with one value for each class its bounds can tell apart."""
        found = facts_of(self.meaning.values())
        for rule in self.rules:
            for name in sorted(rule.counted_from):
                found.setdefault(name, set())
        return {name: self.policy.facts[name].values(bounds) for name, bounds in found.items()}

    def concluded(self, rule: Rule) -> list[tuple[str, Any]]:
        """What a rule concludes, as pairs of field and value; of a list one pair for each of its records."""
        lists = {name for name in rule.then if self.policy.outcome[name].type == "list"}
        return [(name, item) for name, value in rule.then.items() for item in (value if name in lists else (value,))]

    def above(self, rule: Rule) -> list[Rule]:
        """What overrides a rule."""
        return self._above[rule.id]

    @cached_property
    def _above(self) -> dict[str, list[Rule]]:
        return {rule.id: _above(rule, self.rules, self.policy.hit) for rule in self.rules}

    @cached_property
    def concluding(self) -> dict[str, tuple[Rule, ...]]:
        """The rules that conclude each outcome field, in the order of the file."""
        return {name: tuple(rule for rule in self.rules if name in rule.then) for name in self.policy.outcome}


Item = TypeVar("Item", Rule, Notice, DatedValue)


@dataclass(frozen=True, eq=False)
class Policy:
    """One policy file. Compare policies by ``edition``."""

    name: str
    file: str
    question: str
    hit: str
    outcome: Mapping[str, Field]
    facts: Mapping[str, Fact]
    parameters: Mapping[str, Parameter]
    rules: tuple[Rule, ...]
    notices: tuple[Notice, ...]
    order: tuple[Order, ...]
    accepted: tuple[Accepted, ...]
    canonical: str
    _slices: dict[date, Slice] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def edition(self) -> str:
        """``sha256:…`` of the canonical form."""
        return "sha256:" + hashlib.sha256(self.canonical.encode()).hexdigest()

    @property
    def assumed(self) -> dict[str, Code]:
        """What is assumed of facts that are not given."""
        return {name: fact.assumed for name, fact in self.facts.items() if fact.assumed is not None}

    @property
    def subject(self) -> str | None:
        """The field that the policy is about: its first that holds a decision up and is no list."""
        return next((name for name, declared in self.outcome.items() if declared.type != "list" and not declared.informs), None)

    @cached_property
    def changes(self) -> tuple[date, ...]:
        """The days on which the policy changes, oldest first."""
        dated: list[Any] = [*self.rules, *self.notices, *(value for parameter in self.parameters.values() for value in parameter.values)]
        return tuple(sorted({day for item in dated for day in (item.starts, item.ends)}))

    @cached_property
    def first_days(self) -> tuple[date, ...]:
        """The first day of every slice: those of the changes on which rules are in force."""
        return tuple(day for day in self.changes if in_force(self.rules, day))

    def on(self, day: date) -> Slice:
        """The policy as it stands on that day.

        :raises NotInForce: no rule is in force on that day; the message names the first day that has one.
        """
        place = bisect_right(self.changes, day) - 1
        begins = self.changes[max(place, 0)]
        if place >= 0 and begins in self._slices:
            return self._slices[begins]
        if place < 0 or not in_force(self.rules, day):
            first, last = min(rule.starts for rule in self.rules), max(rule.ends for rule in self.rules)
            ended = f" and have ended by {last}" if last != FAR else ""
            raise NotInForce(f"{self.name} has no rules in force on {day}; they begin on {first}{ended}.")
        return self._slices.setdefault(begins, self._slice(begins))

    def _slice(self, day: date) -> Slice:
        bounds = {name: value for name, parameter in self.parameters.items() if (value := parameter.on(day))}
        values = {name: bound.value for name, bound in bounds.items()}
        rules = tuple(
            replace(
                rule,
                when=bind(rule.when, values),
                printed=None if rule.printed is None else bind(rule.printed, values),
                then={name: bind_value(value, values) for name, value in rule.then.items()},
            )
            for rule in in_force(self.rules, day)
        )
        notices = tuple(
            replace(notice, when=bind(notice.when, values), unless=bind(notice.unless, values)) for notice in in_force(self.notices, day)
        )
        meaning, survival = flattened(rules, self.hit, frozenset(self.facts))
        return Slice(self, day, rules, notices, bounds, meaning, survival)


def in_force(items: Iterable[Item], day: date) -> list[Item]:
    """Those of some rules, notices or values that are in force on a day."""
    return [item for item in items if item.starts <= day < item.ends]


def _above(rule: Rule, rules: tuple[Rule, ...], hit: str) -> list[Rule]:
    """What overrides a rule: whatever says so, and under ``first`` every earlier rule of its stage."""
    earlier = [other for other in rules[: rules.index(rule)] if other.stage == rule.stage] if hit == "first" else []
    return [*(other for other in rules if rule.id in other.overrides), *earlier]


def meant(test: Test, rules: tuple[Rule, ...], survival: Mapping[str, Condition], facts: Container[str]) -> Condition:
    """A test of a fact is itself; a test of an outcome field means that a rule counts which concludes such a value."""
    if test.fact in facts:
        return test
    concluding = [rule for rule in rules if rule.id in survival and isinstance(rule.then.get(test.fact), type(test.bound))]
    wanted = [rule for rule in concluding if OPERATORS[test.operator](rule.then[test.fact], test.bound)]
    return either(survival[rule.id] for rule in wanted)


def flattened(rules: tuple[Rule, ...], hit: str, facts: Container[str]) -> tuple[dict[str, Condition], dict[str, Condition]]:
    """Every rule's meaning and survival in terms of facts alone, stage by stage."""
    meaning: dict[str, Condition] = {}
    survival: dict[str, Condition] = {}

    def means(test: Test) -> Condition:
        return meant(test, rules, survival, facts)

    for stage in sorted({rule.stage for rule in rules}):
        members = [rule for rule in rules if rule.stage == stage]
        meaning |= {rule.id: substitute(rule.when, means) for rule in members}
        for rule in members:
            survival[rule.id] = every([meaning[rule.id], *(negated(meaning[other.id]) for other in _above(rule, rules, hit))])
    return meaning, survival


def conditions_of(*items: Rule | Notice) -> Iterator[Condition]:
    """Everything that rules and notices ask: of a rule also what is printed, of a notice also what silences it."""
    for item in items:
        yield item.when
        yield item.unless if isinstance(item, Notice) else (item.printed or False)
