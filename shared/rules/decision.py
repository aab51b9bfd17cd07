"""Facts in, decision out: which rule, from which page, in force on which day, on which facts, and what would change it.

:func:`decide` reads top to bottom as the product's promise: resolve the day, settle what is assumed, let both engines say which
rules hold and refuse a disagreement, conclude, explain. It is pure: the day, the time and the id are arguments.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from shared.errors import EnginesDisagree, PolicyConflict, PolicyGap
from shared.policies.conditions import Condition, given, truth
from shared.policies.conditions import tests as _tests
from shared.policies.facts import ORDERED, Code
from shared.policies.outcomes import NOT_KNOWN, Computed, Field, dates_asked
from shared.policies.policy import Policy, Rule, Slice
from shared.rules import engine
from shared.rules.completions import Diagram, Leaf, diagram, leaves, matters, restricted

Facts = Mapping[str, Code]


@dataclass(frozen=True)
class Found:
    """What a slice concludes from some facts: values by field, what is still needed, and how every rule stands.

    ``values`` holds symbolic dates (:class:`Computed`); ``needs`` is empty exactly if the decision is decided;
    ``holds`` maps rule id to True, False or None; ``counts`` are the rules that hold and are not overridden.
    """

    values: Mapping[str, Any]
    needs: frozenset[str]
    holds: Mapping[str, bool | None]
    counts: frozenset[str]
    diagrams: tuple[Diagram, ...] = ()


@dataclass(frozen=True)
class Decision:
    """A decision as it is stored, replayed and shown. ``body`` is the JSON of design §2, in its order of keys."""

    body: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The decision's id."""
        return str(self.body["id"])

    @property
    def outcome(self) -> dict[str, Any] | None:
        """The outcome, or None while it is undetermined."""
        return self.body["outcome"]  # type: ignore[no-any-return]

    def to_json(self) -> str:
        """The canonical text: the same facts, day, edition, id and time give the same bytes."""
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":"))


def decide(policy: Policy, facts: Facts, as_at: date, *, made_at: str, id: str) -> Decision:  # noqa: A002 (the field's name)
    """Decide one question.

    :param facts: codes, as :func:`shared.policies.facts.read_facts` gives them.
    :param as_at: the day on which the policy is looked at.
    :param made_at: RFC 3339 time in UTC, for the record only.
    :raises NotInForce: no rules on that day.
    :raises DecisionError: the engines disagree, or the policy contradicts itself or says nothing.
    """
    slice_ = policy.on(as_at)
    facts = {name: facts[name] for name in policy.facts if name in facts}
    assumed = {
        name: fact.assumed for name, fact in policy.facts.items() if name in slice_.asked and name not in facts and fact.assumed is not None
    }
    known = {**facts, **assumed}
    found = conclude(slice_, known)
    check_engines(slice_, known, found)
    explain = Explanation(slice_, facts, known, found)
    return Decision(
        {
            "id": id,
            "policy": policy.name,
            "edition": policy.edition,
            "as_at": as_at.isoformat(),
            "made_at": made_at,
            "status": "undetermined" if found.needs else "decided",
            "facts": {name: policy.facts[name].show(code) for name, code in facts.items()},
            "outcome": None if found.needs else shown_outcome(policy, found.values, known),
            "because": explain.because(),
            "why_not": explain.why_not(),
            "would_change": [] if found.needs else explain.would_change(),
            "assumed": [
                {"fact": name, "value": policy.facts[name].show(code), "because": policy.facts[name].assumed_because}
                for name, code in assumed.items()
            ],
            "needs": [
                {"fact": name, "ask": policy.facts[name].ask, **_options(policy, name)} for name in most_decisive_first(slice_, found)
            ],
            "notices": explain.notices(),
        }
    )


def _options(policy: Policy, name: str) -> dict[str, Any]:
    fact = policy.facts[name]
    return {"type": fact.type, **({"one_of": list(fact.choices)} if fact.choices else {})}


# ---- conclude ---------------------------------------------------------------------------------------------------


def conclude(slice_: Slice, known: Facts) -> Found:
    """What these facts conclude, whatever the missing ones are.

    :raises PolicyConflict: two rules that count conclude different values for a field.
    :raises PolicyGap: no rule concludes the field that the policy is about (its first that holds a decision up).
    """
    holds = {rule.id: truth(slice_.meaning[rule.id], known) for rule in slice_.rules}
    left = {rule.id: given(slice_.survival[rule.id], known) for rule in slice_.rules}
    counts = frozenset(rule.id for rule in slice_.rules if _certain(slice_, left[rule.id]))
    if slice_.policy.hit == "unique":
        _refuse_two(slice_, [rule for rule in slice_.rules if rule.id in counts])
    values: dict[str, Any] = {}
    open_diagrams: list[Diagram] = []
    for field in slice_.policy.outcome.values():
        concluded, still_open = _concluded(slice_, field, left)
        values |= {} if concluded is None else {field.name: concluded}
        open_diagrams += still_open
    for field in slice_.policy.outcome.values():
        if field.informs and _dates_needed([values.get(field.name)], known):
            values[field.name] = NOT_KNOWN
    needs = frozenset().union(*map(matters, open_diagrams)) | _dates_needed(values.values(), known)
    return Found(values, needs, holds, counts, tuple(open_diagrams))


def _certain(slice_: Slice, condition: Condition) -> bool:
    """Whether a condition holds whatever the missing facts are (London or elsewhere: one of them it is)."""
    if isinstance(condition, bool):
        return condition
    found = _diagram(slice_, [(condition, True)])
    return isinstance(found, Leaf) and bool(found.values)


def _refuse_two(slice_: Slice, counting: list[Rule]) -> None:
    stages: dict[int, Rule] = {}
    for rule in counting:
        if rule.stage in stages:
            raise PolicyConflict(
                f"{slice_.policy.name}: “{stages[rule.stage].id}” and “{rule.id}” both hold, but the policy's hit is unique; "
                "let one override the other, or part their conditions."
            )
        stages[rule.stage] = rule


def _concluded(slice_: Slice, field: Field, left: Mapping[str, Condition]) -> tuple[Any, list[Diagram]]:
    """The value of one field and the diagrams that keep it open (none, if it is settled or only informs)."""
    rules = slice_.concluding[field.name]
    if field.type == "list":
        items = tuple(dict.fromkeys(item for rule in rules for item in rule.then[field.name]))
        said = {item: _diagram(slice_, ((left[rule.id], True) for rule in rules if item in rule.then[field.name])) for item in items}
        is_open: list[Diagram] = [found for found in said.values() if not isinstance(found, Leaf)]
        return tuple(item for item, found in said.items() if isinstance(found, Leaf) and found.values), is_open
    found = _diagram(slice_, ((left[rule.id], rule.then[field.name]) for rule in rules))
    for leaf in leaves(found):
        _check_leaf(slice_, field, leaf)
    if isinstance(found, Leaf):
        return (found.values[0] if found.values else None), []
    if field.informs:
        return NOT_KNOWN, []
    return None, [found]


def _diagram(slice_: Slice, candidates: Iterable[tuple[Condition, Any]]) -> Diagram:
    return diagram(candidates, slice_.policy.facts)


def _check_leaf(slice_: Slice, field: Field, leaf: Leaf) -> None:
    if len(leaf.values) > 1:
        raise PolicyConflict(f"{slice_.policy.name} concludes {field.name} twice: {' and '.join(map(str, leaf.values))}.")
    subject = next((name for name, declared in slice_.policy.outcome.items() if declared.type != "list" and not declared.informs), None)
    if not leaf.values and field.name == subject:
        raise PolicyGap(f"{slice_.policy.name} concludes no {field.name} for some of these facts on {slice_.starts} and after.")


def _dates_needed(values: Iterable[Any], known: Facts) -> frozenset[str]:
    return frozenset(fact for value in values for fact in dates_asked(value) if fact not in known)


def most_decisive_first(slice_: Slice, found: Found) -> list[str]:
    """The needed facts, that one first which leaves the fewest to be asked on average over its classes."""

    def left_after(name: str) -> float:
        values = slice_.asked[name]
        asked = (frozenset().union(*(matters(restricted(tree, name, value)) for tree in found.diagrams)) for value in values)
        return sum(map(len, asked)) / len(values)

    order = list(slice_.policy.facts)
    return sorted(found.needs, key=lambda name: (left_after(name), order.index(name)))


def shown_outcome(policy: Policy, values: Mapping[str, Any], known: Facts) -> dict[str, Any]:
    """The outcome as JSON, in the order of its declaration, with dates computed."""
    return {
        name: NOT_KNOWN if values[name] == NOT_KNOWN else field.show(_computed(values[name], known))
        for name, field in policy.outcome.items()
        if name in values
    }


def _computed(value: Any, known: Facts) -> Any:
    if isinstance(value, Computed):
        return value.on(int(known[value.fact]))
    return tuple(_computed(part, known) for part in value) if isinstance(value, tuple) else value


# ---- two engines, one answer ------------------------------------------------------------------------------------


def check_engines(slice_: Slice, known: Facts, found: Found) -> None:
    """Let durable_rules say which rules hold, stage by stage, and compare every rule that is definite.

    :raises EnginesDisagree: naming the rules and both answers; nothing may be stored.
    """
    message = dict(known)
    for stage in sorted({rule.stage for rule in slice_.rules}):
        members = [rule for rule in slice_.rules if rule.stage == stage]
        key = (slice_.policy.edition, slice_.starts, stage)
        fired = engine.holding(key, {rule.id: rule.when for rule in members}, message)
        wrong = [rule.id for rule in members if found.holds[rule.id] is not None and found.holds[rule.id] is not (rule.id in fired)]
        if wrong:
            raise EnginesDisagree(
                f"{slice_.policy.name} as at {slice_.starts}: durable_rules and the evaluator disagree on {', '.join(wrong)}; "
                "the decision is refused and nothing is stored."
            )
        message |= _passed_on(slice_, members, fired, found.holds)


def _passed_on(slice_: Slice, members: list[Rule], fired: set[str], holds: Mapping[str, bool | None]) -> dict[str, Code]:
    """The scalars that a stage passes to the next: concluded by rules that fired and that nothing can still override."""
    passed: dict[str, Code] = {}
    for rule in members:
        if rule.id in fired and not any(other.id in fired or holds[other.id] is None for other in slice_.above(rule)):
            passed |= {name: value for name, value in rule.then.items() if isinstance(value, int | str)}
    return passed


# ---- explain ----------------------------------------------------------------------------------------------------

_WORDS = {
    "is": "{}",
    "is_not": "not {}",
    "at_most": "at most {}",
    "less_than": "less than {}",
    "at_least": "at least {}",
    "more_than": "more than {}",
}


@dataclass(frozen=True)
class Explanation:
    """Why, why not, and what would change it."""

    slice_: Slice
    given: Facts
    known: Facts
    found: Found

    def because(self) -> list[dict[str, Any]]:
        """The rules that count, with the facts and bounds they met."""
        return [
            {
                "rule": rule.id,
                "says": rule.because,
                "facts": {name: self._show(name, self.known[name]) for name in self._asked_by(rule) if name in self.known},
                "bounds": self._bounds(rule),
                "cite": rule.cite.to_json(),
            }
            for rule in self.slice_.rules
            if rule.id in self.found.counts
        ]

    def _asked_by(self, rule: Rule) -> list[str]:
        facts = self.slice_.policy.facts
        asked = [test.fact for test in _tests(rule.when) if test.fact in facts]
        return list(dict.fromkeys([*asked, *sorted(dates_asked(tuple(rule.then.values())))]))

    def _bounds(self, rule: Rule) -> list[dict[str, Any]]:
        policy = self.slice_.policy
        written = next(candidate for candidate in policy.rules if candidate.id == rule.id)
        return [
            {
                "parameter": name,
                "value": Field(name, policy.parameters[name].type).show(bound.value),
                "unit": policy.parameters[name].unit,
                "from": bound.starts.isoformat(),
                "cite": bound.cite.to_json(),
            }
            for name in written.parameters
            for bound in [self.slice_.bounds[name]]
        ]

    def why_not(self) -> list[dict[str, Any]]:
        """The rules that do not count: what overrides them, what they lacked, or which missing facts leave them open."""
        return [self._why_not(rule) for rule in self.slice_.rules if rule.id not in self.found.counts]

    def _why_not(self, rule: Rule) -> dict[str, Any]:
        over = [other.id for other in self.slice_.above(rule) if self.found.holds[other.id]]
        if self.found.holds[rule.id] is False:
            return {"rule": rule.id, "unmet": self._unmet(rule)}
        if over:
            return {"rule": rule.id, "overridden_by": over}
        asked = {test.fact for test in _tests(self.slice_.survival[rule.id])}
        return {"rule": rule.id, "open": [name for name in self.slice_.policy.facts if name in asked and name not in self.known]}

    def _unmet(self, rule: Rule) -> list[dict[str, Any]]:
        said = {**self.found.values, **self.known}
        unmet = [test for test in _tests(rule.when) if test.fact in said and not truth(test, said)]
        return [
            {
                "fact": test.fact,
                "was": self._show(test.fact, said[test.fact]),
                "needed": _WORDS[test.operator].format(_worded(self._show(test.fact, test.bound))),
            }
            for test in dict.fromkeys(unmet)
        ]

    def _show(self, name: str, code: Code) -> Any:
        policy = self.slice_.policy
        if code == NOT_KNOWN:
            return code
        return policy.facts[name].show(code) if name in policy.facts else policy.outcome[name].show(code)

    def would_change(self) -> list[dict[str, Any]]:
        """For every fact that was given: the nearest value (numbers, dates) or each value (choices) that changes the outcome."""
        return [change for name in self.given if name in self.slice_.asked for change in self._changes(name)]

    def _changes(self, name: str) -> list[dict[str, Any]]:
        fact, was = self.slice_.policy.facts[name], self.known[name]
        others = [value for value in self.slice_.asked[name] if value != was]
        ordered = fact.type in ORDERED
        if ordered:
            others.sort(key=lambda value: (abs(int(value) - int(was)), -int(value)))
        changes = (change for value in others if (change := self._change(name, value)))
        return [found for found in [next(changes, None)] if found] if ordered else list(changes)

    def _change(self, name: str, value: Code) -> dict[str, Any] | None:
        changed = {**self.known, name: value}
        shown = {"fact": name, "at": self._show(name, value)}
        try:
            after = conclude(self.slice_, changed)
        except (PolicyGap, PolicyConflict):  # the policy has no answer there: said, and no fault of this decision
            return {**shown, "outcome": None, "needs": []}
        if after.needs:
            return {**shown, "outcome": None, "needs": most_decisive_first(self.slice_, after)}
        outcome = self.slice_.policy.outcome
        differing = {
            field: found for field, found in after.values.items() if found != self.found.values.get(field) and not outcome[field].informs
        }
        if not differing and set(after.values) == set(self.found.values):
            return None
        return {**shown, "outcome": shown_outcome(self.slice_.policy, differing, changed)}

    def notices(self) -> list[dict[str, Any]]:
        """What is said beside the outcome, in the order of the file."""
        said = {**{name: value for name, value in self.found.values.items() if isinstance(value, int | str)}, **self.known}
        return [
            {"id": notice.id, "says": notice.say, "cite": notice.cite.to_json()}
            for notice in self.slice_.notices
            if truth(notice.when, said) and not truth(notice.unless, said)
        ]


def _worded(shown: Any) -> str:
    return str(shown).lower() if isinstance(shown, bool) else str(shown)
