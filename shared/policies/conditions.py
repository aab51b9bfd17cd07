"""Conditions: maps in the policy files, trees here, in three-valued logic (Kleene's K3).

A condition is :data:`True`, :data:`False`, a :class:`Test`, :class:`All` or :class:`Any`. ``not`` is pushed down to the tests when
the file is read, so no tree holds a negation, and a fact that is missing makes a test *unknown* (``None``), never false.

Read from the top: the tree, :func:`truth` (its value under some facts), :func:`given` (what is left of it once a fact is
known), :func:`conjunctions` (its disjunctive form, the shape that durable_rules takes), then the reading of files.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import prod
from operator import eq, ge, gt, le, lt, ne
from typing import Final

from shared.policies.facts import ORDERED, OTHER_TEXT, Code, Fact
from shared.policies.reading import Node, suggest

OPERATORS: Final[Mapping[str, Callable[[Code, Code], bool]]] = {
    "is": eq,
    "is_not": ne,
    "at_most": le,
    "less_than": lt,
    "at_least": ge,
    "more_than": gt,
}
_OPPOSITE = {"is": "is_not", "at_most": "more_than", "at_least": "less_than"}
_OPPOSITE |= {opposite: operator for operator, opposite in _OPPOSITE.items()}


@dataclass(frozen=True, slots=True)
class Test:
    """One fact against one bound. Before :func:`bind` the bound may be the name of a parameter (``$one-quotation-limit``)."""

    fact: str
    operator: str
    bound: Code


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Any:
    """At least one part holds."""

    parts: "tuple[Condition, ...]"


Condition = bool | Test | All | Any


def every(parts: Iterable[Condition]) -> Condition:
    """The conjunction, simplified."""
    return _joined(All, False, parts)


def either(parts: Iterable[Condition]) -> Condition:
    """The disjunction, simplified."""
    return _joined(Any, True, parts)


def _joined(kind: type[All] | type[Any], decisive: bool, parts: Iterable[Condition]) -> Condition:
    kept: dict[Condition, None] = {}
    for part in parts:
        if part is decisive:
            return decisive
        if part is not (not decisive):
            kept.update(dict.fromkeys(part.parts if isinstance(part, kind) else (part,)))
    if not kept:
        return not decisive
    return next(iter(kept)) if len(kept) == 1 else kind(tuple(kept))


def negated(condition: Condition) -> Condition:
    """The opposite condition, with the negation pushed down to the tests."""
    if isinstance(condition, bool):
        return not condition
    if isinstance(condition, Test):
        return Test(condition.fact, _OPPOSITE[condition.operator], condition.bound)
    parts = [negated(part) for part in condition.parts]
    return either(parts) if isinstance(condition, All) else every(parts)


def truth(condition: Condition, facts: Mapping[str, Code]) -> bool | None:
    """True, False, or None where a missing fact could still settle it either way."""
    if isinstance(condition, bool):
        return condition
    if isinstance(condition, Test):
        value = facts.get(condition.fact)
        return None if value is None else OPERATORS[condition.operator](value, condition.bound)
    decisive = isinstance(condition, Any)
    found: bool | None = not decisive
    for part in condition.parts:
        value = truth(part, facts)
        if value is decisive:
            return decisive
        if value is None:
            found = None
    return found


def given(condition: Condition, facts: Mapping[str, Code]) -> Condition:
    """What is left of a condition once these facts are known."""
    if isinstance(condition, bool):
        return condition
    if isinstance(condition, Test):
        known = truth(condition, facts)
        return condition if known is None else known
    parts = (given(part, facts) for part in condition.parts)
    return every(parts) if isinstance(condition, All) else either(parts)


def tests(condition: Condition) -> Iterator[Test]:
    """Every test of the tree, in the order of the file."""
    if isinstance(condition, Test):
        yield condition
    elif not isinstance(condition, bool):
        for part in condition.parts:
            yield from tests(part)


def conjunctions(condition: Condition) -> list[tuple[Test, ...]]:
    """The disjunctive form: the condition holds if all tests of one of these tuples hold (K3 keeps this equivalence)."""
    if isinstance(condition, bool):
        return [()] if condition else []
    if isinstance(condition, Test):
        return [(condition,)]
    forms = [conjunctions(part) for part in condition.parts]
    if isinstance(condition, Any):
        return [conjunction for form in forms for conjunction in form]
    return [tuple(dict.fromkeys(sum(choice, ()))) for choice in product(*forms)]


def alternatives(condition: Condition) -> int:
    """How many conjunctions the condition has, at most, without writing them down."""
    if isinstance(condition, bool):
        return int(condition)
    if isinstance(condition, Test):
        return 1
    counts = [alternatives(part) for part in condition.parts]
    return prod(counts) if isinstance(condition, All) else sum(counts)


def bind(condition: Condition, bounds: Mapping[str, Code]) -> Condition:
    """The condition with every ``$parameter`` replaced by its value on the day."""
    if isinstance(condition, bool):
        return condition
    if isinstance(condition, Test):
        named = isinstance(condition.bound, str) and condition.bound.startswith("$")
        return Test(condition.fact, condition.operator, bounds[str(condition.bound)[1:]]) if named else condition
    return type(condition)(tuple(bind(part, bounds) for part in condition.parts))


def substitute(condition: Condition, meanings: Callable[[Test], Condition]) -> Condition:
    """The condition with every test replaced by what it means; how a later stage is written in terms of facts alone."""
    if isinstance(condition, bool):
        return condition
    if isinstance(condition, Test):
        return meanings(condition)
    parts = (substitute(part, meanings) for part in condition.parts)
    return every(parts) if isinstance(condition, All) else either(parts)


def facts_of(conditions: Iterable[Condition]) -> dict[str, set[Code]]:
    """Every fact that these conditions ask about, with the bounds it is held against, in the order of the file."""

    def noted(found: dict[str, set[Code]], test: Test) -> dict[str, set[Code]]:
        found.setdefault(test.fact, set()).add(test.bound)
        return found

    return reduce(noted, (test for condition in conditions for test in tests(condition)), {})


def parameters_of(conditions: Iterable[Condition]) -> set[str]:
    """The names of the parameters that conditions of a file stand on."""
    bounds = [bound for bounds in facts_of(conditions).values() for bound in bounds]
    return {str(bound)[1:] for bound in bounds if str(bound).startswith("$")}


# ---- reading ----------------------------------------------------------------------------------------------------


def read_condition(node: Node, facts: Mapping[str, Fact], parameters: Mapping[str, Fact]) -> Condition:
    """The condition that stands in a policy file.

    :param facts: what may be asked about here: facts, and outcome fields of earlier stages.
    :param parameters: parameter name -> the fact-like type of its values.
    :raises PolicyError: an unknown fact, operator or parameter, a literal bound, a bound of another type.
    """
    parts: list[Condition] = []
    for key, value in node.entries("a condition").items():
        if key in ("all", "any"):
            inner = [read_condition(item, facts, parameters) for item in value.items(key)]
            parts.append(every(inner) if key == "all" else either(inner))
        elif key == "not":
            parts.append(negated(read_condition(value, facts, parameters)))
        elif key in facts:
            parts.extend(_tests(facts[key], value, parameters))
        else:
            value.fail(f"“{key}” is not a fact that may be asked about here{suggest(key, facts)}; declare it in facts.yaml.")
    return every(parts)


def _tests(fact: Fact, node: Node, parameters: Mapping[str, Fact]) -> Iterator[Condition]:
    if not node.entries(f"the test of {fact.name}"):
        node.fail(f"the test of {fact.name} is empty; write an operator and a bound, or leave the fact out.")
    for operator, bound in node.entries(f"the test of {fact.name}").items():
        if operator == "one_of":
            options = bound.items("one_of")
            if not options:
                bound.fail(f"one_of of {fact.name} is empty, so it could never hold.")
            yield either(Test(fact.name, "is", _bound(fact, option, parameters)) for option in options)
        elif operator not in OPERATORS:
            known = (*OPERATORS, "one_of")
            bound.fail(f"“{operator}” is not an operator{suggest(operator, known)}; there are {', '.join(known)}.")
        elif operator not in ("is", "is_not") and fact.type not in ORDERED:
            bound.fail(f"{fact.name} is a {fact.type}: it can be tested with is, is_not and one_of, not with {operator}.")
        else:
            yield Test(fact.name, operator, _bound(fact, bound, parameters))


def _bound(fact: Fact, node: Node, parameters: Mapping[str, Fact]) -> Code:
    value = node.value
    if isinstance(value, str) and value.startswith("$"):
        name = value[1:]
        if name not in parameters:
            node.fail(f"there is no parameter “{name}”{suggest(name, parameters)}.")
        if parameters[name].type != fact.type:
            node.fail(f"{fact.name} is a {fact.type}, but the parameter {name} is a {parameters[name].type}.")
        return value
    if fact.type in ORDERED:
        node.fail(f"a bound of {fact.name} stands here as {node.shown()}; give it a name, a date and a citation under parameters.")
    if value == OTHER_TEXT:
        node.fail(f"“{OTHER_TEXT}” stands for every text that no rule names; it cannot be named.")
    try:
        return fact.read(value)
    except ValueError as error:
        node.fail(f"{fact.name} {error}")
