"""Facts -> what the rules conclude: the values of the outcome, what is still needed, and how every rule stands.

:func:`conclude` is exact for missing facts (see completions.py): a field is settled if every completion gives it the same value.
Pure; the slice has resolved the day before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from shared.errors import PolicyConflict, PolicyGap
from shared.policies.conditions import Condition, given, truth
from shared.policies.facts import Code
from shared.policies.outcomes import NOT_KNOWN, Computed, Field, dates_asked
from shared.policies.policy import Policy, Rule, Slice
from shared.rules.completions import Diagram, Leaf, diagram, leaves, matters, restricted
from shared.rules.drafts import Day, Draft

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

    @cached_property
    def certain(self) -> frozenset[str]:
        """The rules that hold."""
        return frozenset(rule for rule, state in self.holds.items() if state)

    @cached_property
    def open(self) -> frozenset[str]:
        """The rules that may still hold or not."""
        return frozenset(rule for rule, state in self.holds.items() if state is None)


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
    if not leaf.values and field.name == slice_.policy.subject:
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


def drafted_outcome(policy: Policy, values: Mapping[str, Any], fixed: Facts = MappingProxyType({})) -> dict[str, Any]:
    """The outcome as JSON, in the order of its declaration, with blanks for its dates.

    :param fixed: facts whose value is already settled here; the dates of the others are computed when the draft is filled.
    """
    return {name: _drafted(field, values[name], fixed) for name, field in policy.outcome.items() if name in values}


def _drafted(field: Field, value: Any, fixed: Facts) -> Any:
    if isinstance(value, Computed):
        return Day(value, fixed.get(value.fact))
    if value == NOT_KNOWN:
        return NOT_KNOWN
    if field.type == "list":
        return [
            {part.name: _drafted(part, item[part.name], fixed) for part in field.record if part.name in item} for item in map(dict, value)
        ]
    return field.show(value)


def shown_outcome(policy: Policy, values: Mapping[str, Any], known: Facts) -> dict[str, Any]:
    """The outcome as JSON, with its dates computed."""
    return Draft(drafted_outcome(policy, values)).filled({}, known)
