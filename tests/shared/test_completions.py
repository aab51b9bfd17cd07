"""Diagrams, held against brute force over every completion of the missing facts."""

from collections.abc import Mapping

from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st

from shared.policies.conditions import Condition, every, negated
from shared.policies.facts import Code
from shared.rules.completions import Branch, Candidates, Diagram, Leaf, diagram, leaves, matters, narrowed, nodes, restricted
from tests.shared.trees import ALL_VALUES, CONDITIONS, SMALL, SOME_FACTS, completions, plainly


def one_after_another(conditions: list[Condition], values: list[str]) -> Candidates:
    """Candidates of which at most one holds, as rules that override each other are."""
    found: list[tuple[Condition, str]] = []
    for position, (condition, value) in enumerate(zip(conditions, values, strict=True)):
        found.append((every([condition, *(negated(before) for before in conditions[:position])]), value))
    return tuple(found)


CANDIDATES = st.lists(CONDITIONS, min_size=1, max_size=3).flatmap(
    lambda conditions: st.builds(
        one_after_another, st.just(conditions), st.lists(st.sampled_from("ABC"), min_size=len(conditions), max_size=len(conditions))
    )
)


def concluded(candidates: Candidates, facts: Mapping[str, Code]) -> tuple[str, ...]:
    """What plain logic concludes from facts that are all known."""
    return tuple(dict.fromkeys(value for condition, value in candidates if plainly(condition, facts)))


def followed(found: Diagram, facts: Mapping[str, Code]) -> tuple[str, ...]:
    """The values of the leaf that a diagram leads to."""
    while isinstance(found, Branch):
        value = facts[found.fact]
        reached = [after for code, after in found.follows if code == value or (isinstance(value, int) and int(code) <= value)]
        found = reached[-1]
    return found.values


def can_change(candidates: Candidates, known: Mapping[str, Code]) -> set[str]:
    """The missing facts of which a change of that one alone, somewhere, changes what is concluded."""
    return {
        name
        for facts in completions(known)
        for name in ALL_VALUES.keys() - known.keys()
        if len({concluded(candidates, {**facts, name: value}) for value in ALL_VALUES[name]}) > 1
    }


@settings(deadline=None)
@over(CANDIDATES, SOME_FACTS)
def test_a_diagram_leads_every_completion_to_what_it_concludes(candidates: Candidates, known: dict[str, Code]) -> None:
    found = diagram(narrowed(candidates, known), SMALL)
    assert all(followed(found, facts) == concluded(candidates, facts) for facts in completions(known))


@settings(deadline=None)
@over(CANDIDATES, SOME_FACTS)
def test_a_diagram_is_a_leaf_exactly_if_no_missing_fact_can_change_the_value(candidates: Candidates, known: dict[str, Code]) -> None:
    found = diagram(narrowed(candidates, known), SMALL)
    values = {concluded(candidates, facts) for facts in completions(known)}
    assert isinstance(found, Leaf) is (len(values) == 1)
    assert {leaf.values for leaf in leaves(found)} == values


@settings(deadline=None)
@over(CANDIDATES, SOME_FACTS)
def test_exactly_the_facts_that_can_change_the_value_stand_in_the_diagram(candidates: Candidates, known: dict[str, Code]) -> None:
    assert matters(diagram(narrowed(candidates, known), SMALL)) == can_change(candidates, known)


@settings(deadline=None)
@over(CANDIDATES, st.sampled_from(sorted(ALL_VALUES)), st.data())
def test_restricting_a_diagram_leads_where_narrowing_its_candidates_leads(candidates: Candidates, fact: str, data: st.DataObject) -> None:
    code = data.draw(st.sampled_from(ALL_VALUES[fact]))
    found = restricted(diagram(candidates, SMALL), fact, code)
    again = diagram(narrowed(candidates, {fact: code}), SMALL)
    assert matters(found) == can_change(candidates, {fact: code})
    assert all(followed(found, facts) == followed(again, facts) for facts in completions({fact: code}))


def test_no_candidates_conclude_nothing() -> None:
    found = diagram([], SMALL)
    assert isinstance(found, Leaf)
    assert found.values == ()


@over(CANDIDATES)
def test_every_node_is_given_once_and_equal_leaves_are_one(candidates: Candidates) -> None:
    found = list(nodes(diagram(candidates, SMALL)))
    assert len({id(node) for node in found}) == len(found)
    values = [node.values for node in found if isinstance(node, Leaf)]
    assert len(set(values)) == len(values)
