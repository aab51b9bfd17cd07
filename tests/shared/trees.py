"""Random condition trees over a few small facts, and the plain two-valued logic they are held against."""

from collections.abc import Iterator, Mapping
from itertools import product

from hypothesis import strategies as st

from shared.policies import conditions as logic
from shared.policies.conditions import OPERATORS, Condition, either, every
from shared.policies.facts import Code, Fact

SMALL = {
    "kind": Fact("kind", "choice", "", choices=("red", "green", "blue")),
    "count": Fact("count", "integer", "", least=0, most=4),
    "sure": Fact("sure", "boolean", ""),
    "price": Fact("price", "money", "", least=-2, most=2),
}
ALL_VALUES: dict[str, tuple[Code, ...]] = {
    "kind": ("red", "green", "blue"),
    "count": tuple(range(5)),
    "sure": (0, 1),
    "price": tuple(range(-2, 3)),
}


def _tests_of(name: str) -> st.SearchStrategy[Condition]:
    operators = sorted(OPERATORS) if SMALL[name].type in ("integer", "money") else ["is", "is_not"]
    bounds = st.sampled_from(ALL_VALUES[name])
    return st.builds(logic.Test, st.just(name), st.sampled_from(operators), bounds)


TESTS = st.sampled_from(sorted(SMALL)).flatmap(_tests_of)


def _joined(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    parts = st.lists(inner, max_size=3)
    return st.builds(every, parts) | st.builds(either, parts)


CONDITIONS: st.SearchStrategy[Condition] = st.recursive(TESTS | st.booleans(), _joined, max_leaves=7)
ALL_FACTS = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in ALL_VALUES.items()})
SOME_FACTS = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in ALL_VALUES.items()})


def completions(known: Mapping[str, Code]) -> Iterator[dict[str, Code]]:
    """Every way in which the missing facts can be filled in."""
    missing = [name for name in ALL_VALUES if name not in known]
    for values in product(*(ALL_VALUES[name] for name in missing)):
        yield {**known, **dict(zip(missing, values, strict=True))}


def plainly(condition: Condition, facts: Mapping[str, Code]) -> bool:
    """What the condition says if every fact is known, in two-valued logic."""
    if isinstance(condition, bool):
        return condition
    if isinstance(condition, logic.Test):
        return OPERATORS[condition.operator](facts[condition.fact], condition.bound)
    found = [plainly(part, facts) for part in condition.parts]
    return all(found) if isinstance(condition, logic.All) else any(found)
