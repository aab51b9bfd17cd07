"""Conditions: three-valued logic, held against two-valued logic over every completion."""

import pytest
from hypothesis import given as over
from hypothesis import strategies as st

from shared.errors import PolicyError
from shared.policies import conditions as logic
from shared.policies.conditions import Condition, bind, conjunctions, either, every, facts_of, given, negated, read_condition, truth
from shared.policies.facts import Code, Fact
from shared.policies.reading import parse_yaml
from tests.shared.scratch import FACTS
from tests.shared.trees import ALL_FACTS, CONDITIONS, SOME_FACTS, completions, plainly

PARAMETERS = {"limit": Fact("limit", "integer", ""), "price": Fact("price", "money", "")}
OPPOSITE = {True: False, False: True, None: None}


def read(text: str) -> Condition:
    return read_condition(parse_yaml(text, "x.yaml"), FACTS, PARAMETERS)


# ---- for every tree ----------------------------------------------------------------------------------------------


@over(CONDITIONS, ALL_FACTS)
def test_with_every_fact_known_truth_is_plain_logic(condition: Condition, facts: dict[str, Code]) -> None:
    assert truth(condition, facts) is plainly(condition, facts)


@over(CONDITIONS, SOME_FACTS)
def test_no_completion_contradicts_a_definite_answer(condition: Condition, facts: dict[str, Code]) -> None:
    found = truth(condition, facts)
    assert found is None or {plainly(condition, completed) for completed in completions(facts)} == {found}


@over(CONDITIONS, SOME_FACTS)
def test_the_negation_is_the_opposite_and_unknown_stays_unknown(condition: Condition, facts: dict[str, Code]) -> None:
    assert truth(negated(condition), facts) is OPPOSITE[truth(condition, facts)]
    assert truth(negated(negated(condition)), facts) is truth(condition, facts)


@over(CONDITIONS, SOME_FACTS, ALL_FACTS)
def test_what_is_left_of_a_condition_says_of_the_rest_what_the_whole_said(
    condition: Condition, known: dict[str, Code], facts: dict[str, Code]
) -> None:
    rest = {name: code for name, code in facts.items() if name not in known}
    left = given(condition, known)
    assert truth(left, rest) is truth(condition, {**known, **rest})
    assert not known.keys() & facts_of([left]).keys()
    assert truth(left, {}) is truth(condition, known)


@over(CONDITIONS, SOME_FACTS)
def test_the_disjunctive_form_says_the_same_with_facts_missing(condition: Condition, facts: dict[str, Code]) -> None:
    again = either(every(conjunction) for conjunction in conjunctions(condition))
    assert truth(again, facts) is truth(condition, facts)


@over(st.lists(CONDITIONS, max_size=4), SOME_FACTS)
def test_all_and_any_are_simplified_without_changing_what_they_say(parts: list[Condition], facts: dict[str, Code]) -> None:
    said = [truth(part, facts) for part in parts]
    assert truth(every(parts), facts) is (False if False in said else None if None in said else True)
    assert truth(either(parts), facts) is (True if True in said else None if None in said else False)


# ---- simplification ----------------------------------------------------------------------------------------------

SURE, CALM = logic.Test("sure", "is", 1), logic.Test("calm", "is", 1)


def test_all_of_nothing_holds_and_any_of_nothing_does_not() -> None:
    assert (every([]), either([])) == (True, False)


def test_one_part_stands_alone_twice_is_once_and_nested_parts_are_lifted() -> None:
    assert every([SURE, True, SURE]) == SURE
    assert either([either([SURE, CALM]), CALM]) == logic.Any((SURE, CALM))
    assert every([SURE, False]) is False


def test_a_missing_fact_is_unknown_and_never_false() -> None:
    assert truth(SURE, {}) is None
    assert truth(logic.Test("sure", "is_not", 1), {}) is None
    assert truth(either([SURE, negated(SURE)]), {}) is None


# ---- reading -----------------------------------------------------------------------------------------------------


def test_tests_that_stand_together_all_hold() -> None:
    assert read("{number: {at_least: $limit, is_not: $limit}, sure: {is: true}}") == logic.All(
        (logic.Test("number", "at_least", "$limit"), logic.Test("number", "is_not", "$limit"), SURE)
    )


def test_not_is_pushed_down_to_the_tests() -> None:
    assert read("{not: {all: [{sure: {is: true}}, {number: {at_most: $limit}}]}}") == logic.Any(
        (logic.Test("sure", "is_not", 1), logic.Test("number", "more_than", "$limit"))
    )
    assert read("{not: {not: {sure: {is: true}}}}") == SURE


def test_one_of_is_any_of_its_tokens() -> None:
    assert read("{kind: {one_of: [red, green]}}") == logic.Any((logic.Test("kind", "is", "red"), logic.Test("kind", "is", "green")))


def test_bounds_are_bound_to_the_values_of_the_day() -> None:
    bound = bind(read("{any: [{number: {more_than: $limit}}, {sure: {is: true}}]}"), {"limit": 7})
    assert bound == logic.Any((logic.Test("number", "more_than", 7), SURE))
    assert facts_of([bound]) == {"number": {7}, "sure": {1}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sure]", "a condition must be a map"),
        ("{all: {sure: {is: true}}}", "all must be a list"),
        ("{sure: true}", "the test of sure must be a map"),
        ("{sure: {is: 1}}", "sure must be true or false, not 1"),
        ("{amount: {is: $limit}}", "amount is a money, but the parameter limit is a integer"),
        ("{day: {at_most: 2021-01-01}}", "a bound of day stands here as “2021-01-01”"),
        ("{kind: {one_of: red}}", "one_of must be a list"),
        ("{any: [{kind: {less_than: red}}]}", "kind is a choice"),
        ("{note: {at_most: abc}}", "note is a text"),
    ],
)
def test_a_condition_that_cannot_be_read_is_refused(text: str, words: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read(text)
    assert words in caught.value.problem
