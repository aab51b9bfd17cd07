"""A decision that is remembered by the classes of its facts says, byte for byte, what the plain way says of the very facts.

And what is remembered is still judged: a tampered engine, evaluator or memory is refused.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st

from shared.errors import EngineFailure, EnginesDisagree, TripartiteError
from shared.policies import conditions as logic
from shared.policies import load_policies
from shared.policies.conditions import Condition, truth
from shared.policies.facts import ORDERED, Code
from shared.policies.outcomes import Computed
from shared.policies.policy import Policy, Slice
from shared.rules import decide, engine, prepared
from shared.rules.classes import Classes
from shared.rules.drafts import Day, Draft, Given, Nearer
from shared.rules.evaluator import STATE, evaluator
from shared.rules.prepared import Prepared, prepare
from tests.shared.plain import plain_body
from tests.shared.scratch import a_policy, changed
from tests.shared.trees import CONDITIONS, SOME_FACTS

SERVICES = ("eligibility", "deadlines", "responsibility", "notifications")
POLICIES = [policy for service in SERVICES for policy in load_policies(service).values()]
BASES_OF_EACH, NEIGHBOURS = 15, 3
DAY = date(2021, 6, 1)


# ---- the plain way -----------------------------------------------------------------------------------------------


def slices_of(policy: Policy) -> list[Slice]:
    """The policy on each of the days on which it changes."""
    return [policy.on(day) for day in policy.changes if any(rule.starts <= day < rule.ends for rule in policy.rules)]


def some_facts(slice_: Slice, chance: random.Random) -> dict[str, Code]:
    """Random facts of any kind, asked about on the day or not; one in five is missing."""
    facts: dict[str, Code] = {}
    for name, fact in slice_.policy.facts.items():
        if chance.random() < 0.8:
            near = slice_.asked.get(name) or fact.values([])
            anywhere = fact.type in ORDERED and chance.random() < 0.5
            facts[name] = chance.randint(fact.least, fact.most) if anywhere else chance.choice(near)
    return facts


def moved(slice_: Slice, facts: Mapping[str, Code], chance: random.Random) -> dict[str, Code]:
    """Facts nearby: most often of the same classes."""
    declared = slice_.policy.facts
    return {
        name: max(declared[name].least, min(declared[name].most, int(code) + chance.randint(-40, 40)))
        if declared[name].type in ORDERED
        else code
        for name, code in facts.items()
    }


def said(way: Callable[[], Mapping[str, Any]]) -> str:
    """The bytes of a decision, or the error in its place."""
    try:
        return json.dumps(dict(way()), ensure_ascii=False)
    except TripartiteError as error:
        return f"{type(error).__name__}: {error}"


def assert_plain(policy: Policy, facts: Mapping[str, Code], day: date) -> None:
    """What is decided is what the plain way says."""
    decided = said(lambda: decide(policy, facts, day, made_at="made", id="id").body)
    assert decided == said(lambda: plain_body(policy, facts, day, "made", "id")), facts


@pytest.mark.parametrize("policy", POLICIES, ids=[policy.name for policy in POLICIES])
def test_every_policy_says_on_every_day_what_the_plain_way_says(policy: Policy) -> None:
    chance = random.Random(policy.name)
    slices = slices_of(policy)
    for number in range(max(BASES_OF_EACH, 5 * len(slices))):
        slice_ = slices[number % len(slices)]
        facts = some_facts(slice_, chance)
        assert_plain(policy, facts, slice_.starts)
        for _ in range(NEIGHBOURS):
            assert_plain(policy, moved(slice_, facts, chance), slice_.starts)


BANDS = changed(
    ("when: {number: {at_most: $limit}}", "when: {any: [{number: {at_most: $low}}, {sure: {is: true}}]}"),
    ("when: {number: {more_than: $limit}}", "when: {number: {more_than: $low, less_than: $high}, sure: {is: false}}"),
    ("    overrides: [small]\n", "    overrides: []\n"),
    (
        "  limit:\n    - {from: 2020-01-01, value: 5,",
        "  low:\n    - {from: 2020-01-01, value: 2, unit: count, cite: {source: TOOLKIT, section: Sizes, entry: limit}}\n"
        "  high:\n    - {from: 2020-01-01, value: 9,",
    ),
)
"""Small up to 2 or if sure, large between 2 and 9, and a gap from 9 on."""


def test_the_nearer_of_two_changes_is_shown_and_of_two_equally_near_ones_the_higher() -> None:
    policy = a_policy(BANDS)
    shown = {}
    for number in range(11):
        rests: list[dict[str, Code]] = [{}, {"sure": 0}, {"sure": 1}, {"sure": 0, "day": 737_800}, {"sure": 0, "note": "beside it"}]
        for rest in rests:
            assert_plain(policy, {"number": number, **rest}, DAY)
        if 2 < number < 9:
            body = decide(policy, {"number": number, "sure": 0, "day": 737_800}, DAY, made_at="", id="").body
            shown[number] = [change["at"] for change in body["would_change"] if change["fact"] == "number"]
    assert shown == {3: [2], 4: [2], 5: [2], 6: [9], 7: [9], 8: [9]}


def test_a_choice_half_way_between_two_changes_takes_the_higher() -> None:
    draft = Draft({"nearest": [Nearer("number", 2, {"at": 2}, 10, {"at": 10})]})
    assert [draft.filled({}, {"number": number})["nearest"] for number in (5, 6, 7)] == [[{"at": 2}], [{"at": 10}], [{"at": 10}]]


def test_facts_that_are_given_and_facts_that_are_assumed_are_not_of_the_same_class() -> None:
    policy = next(policy for policy in POLICIES if any(fact.assumed is not None for fact in policy.facts.values()))
    slice_ = next(slice_ for slice_ in slices_of(policy) if any(policy.facts[name].assumed is not None for name in slice_.asked))
    assumed = {name: code for name in slice_.asked if (code := policy.facts[name].assumed) is not None}
    for given in ({}, assumed, {}, assumed):
        found = decide(policy, given, slice_.starts, made_at="", id="").body["assumed"]
        assert [item["fact"] for item in found] == ([] if given else list(assumed))


def test_whoever_changes_a_decision_changes_no_other() -> None:
    policy = a_policy(BANDS)
    facts: dict[str, Code] = {"number": 4, "sure": 0, "day": 737_800}
    before = decide(policy, facts, DAY, made_at="", id="")
    text = before.to_json()
    waiting: list[Any] = [before.body]
    while waiting:
        part = waiting.pop()
        waiting += part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
        if isinstance(part, dict | list):
            part.clear()
    assert decide(policy, facts, DAY, made_at="", id="").to_json() == text


@pytest.mark.parametrize("policy", POLICIES, ids=[policy.name for policy in POLICIES])
def test_what_would_change_a_decision_changes_more_than_what_informs(policy: Policy) -> None:
    chance = random.Random(policy.name)
    for slice_ in slices_of(policy):
        for _ in range(20):
            facts = some_facts(slice_, chance)
            try:
                body = decide(policy, facts, slice_.starts, made_at="", id="").body
            except TripartiteError:
                continue
            for change in body["would_change"]:
                assert change["outcome"] != {}, (facts, change)
                assert not [name for name in change["outcome"] or () if policy.outcome[name].informs], (facts, change)


def test_a_value_at_which_only_what_informs_falls_away_does_not_hide_the_one_that_matters() -> None:
    policy = changed(
        ("  due: date\n", "  due: date\n  advice: {type: text, informs: true}\n"),
        (
            "  limit:\n",
            "  low:\n    - {from: 2020-01-01, value: 2, unit: count, cite: {source: TOOLKIT, section: Sizes, entry: limit}}\n  limit:\n",
        ),
        (
            "rules:\n",
            "rules:\n"
            "  - id: little\n"
            "    from: 2020-01-01\n"
            "    when: {number: {at_most: $low}}\n"
            "    then: {advice: It is little indeed.}\n"
            "    because: It is very small.\n"
            "    cite: {source: TOOLKIT, section: Sizes, entry: little}\n",
        ),
    )
    body = decide(a_policy(policy), {"number": 2, "day": 737_800}, DAY, made_at="", id="").body
    assert body["outcome"]["advice"] == "It is little indeed."
    assert body["would_change"][0] == {"fact": "number", "at": 6, "outcome": {"size": "large", "due": None}}


def test_a_field_that_falls_away_is_said_as_nothing_in_its_place() -> None:
    body = decide(a_policy(), {"number": 4, "day": 737_800}, DAY, made_at="", id="").body
    assert body["would_change"] == [{"fact": "number", "at": 6, "outcome": {"size": "large", "due": None}}]
    body = decide(a_policy(), {"number": 7, "day": 737_800}, DAY, made_at="", id="").body
    assert body["would_change"] == [{"fact": "number", "at": 5, "outcome": {"size": "small", "due": "2021-01-24"}}]


# ---- classes, drafts, evaluator ----------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES, ids=[policy.name for policy in POLICIES])
def test_facts_of_the_same_classes_pass_the_same_tests(policy: Policy) -> None:
    chance = random.Random(policy.name)
    for slice_ in slices_of(policy):
        classes = Classes(slice_)
        asked = [rule.when for rule in slice_.rules] + [
            condition for notice in slice_.notices for condition in (notice.when, notice.unless)
        ]
        for _ in range(20):
            facts = some_facts(slice_, chance)
            members = classes.members(classes.of(facts))
            assert classes.of(members) == classes.of(facts)
            assert [truth(condition, members) for condition in asked] == [truth(condition, facts) for condition in asked]
            assert {name: members[name] for name in classes.settled & facts.keys()} == {
                name: facts[name] for name in classes.settled & facts.keys()
            }


@settings(deadline=None)
@over(st.lists(CONDITIONS, max_size=5), SOME_FACTS)
def test_the_compiled_evaluator_says_what_truth_says(conditions: list[Condition], facts: dict[str, Code]) -> None:
    assert evaluator(conditions)(facts) == tuple(STATE[truth(condition, facts)] for condition in conditions)


def test_a_draft_takes_json_and_blanks_only() -> None:
    draft = Draft(
        {"plain": 'a "quoted" £', "fact": Given("day"), "days": [Day(Computed("day", "days", 1)), Day(Computed("day", "days", 1), 2)]}
    )
    assert draft.filled({"day": "shown"}, {"day": 1}) == {"plain": 'a "quoted" £', "fact": "shown", "days": ["0001-01-02", "0001-01-03"]}
    with pytest.raises(TypeError, match="has no place in a decision"):
        Draft({"half": [0.5]})


def test_what_is_remembered_is_bounded() -> None:
    for number in range(prepared.MOST_SLICES + 5):
        prepare(a_policy(changed(("It exceeds the limit.", f"It exceeds the limit {number}."))).on(DAY))
    assert len(prepared._prepared) == prepared.MOST_SLICES
    policy = load_policies("eligibility")["post-move"]
    for memory in (prepared._answer, prepared._found):
        assert memory.cache_info().maxsize == prepared.MOST_ANSWERS == prepared.MOST_FOUND
    assert_plain(policy, {}, slices_of(policy)[-1].starts)


# ---- two engines, one answer -------------------------------------------------------------------------------------

FACTS: dict[str, Code] = {"number": 4, "sure": 0, "day": 737_800}


def refused(policy: Policy) -> str:
    with pytest.raises(EnginesDisagree) as caught:
        decide(policy, FACTS, DAY, made_at="", id="")
    return str(caught.value)


@pytest.mark.parametrize("remembered", [False, True])
def test_a_tampered_engine_is_refused(remembered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = a_policy(changed(("It exceeds", f"With an engine {remembered} it exceeds"), text=BANDS))
    if remembered:
        decide(policy, FACTS, DAY, made_at="", id="")
    for answer, named in ((set[str](), "large"), ({"small", "large"}, "small"), ({"small"}, "small, large")):
        monkeypatch.setattr(engine, "holding", lambda *_, answer=answer: set(answer))
        assert f"durable_rules and the evaluator disagree on {named};" in refused(policy)


def test_a_tampered_evaluator_is_refused_though_the_answer_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = a_policy(changed(("It exceeds", "With an evaluator it exceeds"), text=BANDS))
    decide(policy, FACTS, DAY, made_at="", id="")
    monkeypatch.setattr(prepare(policy.on(DAY)), "evaluate", evaluator([True, True]))
    assert "the evaluator and the answer that was kept disagree on small;" in refused(policy)


def test_an_answer_that_is_remembered_for_the_wrong_facts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = a_policy(changed(("It exceeds", "With a memory it exceeds"), text=BANDS))
    ready = prepare(policy.on(DAY))
    other = ready.answer({**FACTS, "number": 1})
    monkeypatch.setattr(Prepared, "answer", lambda self, facts: other)
    assert "the evaluator and the answer that was kept disagree on small, large;" in refused(policy)
    found = replace(other.found, holds={"small": False, "large": True})
    monkeypatch.setattr(Prepared, "answer", lambda self, facts: replace(other, found=found, states=ready.evaluate(facts)))
    decide(policy, FACTS, DAY, made_at="", id="")  # both engines hold this against the facts, and it fits


@pytest.mark.parametrize("name", ["always", "a#1", "größe", "0"])
def test_a_rule_may_have_any_name(name: str) -> None:
    rules: dict[str, Condition] = {name: logic.Test("count", "is", 3), "other": logic.Test("note", "is", 'ä"\\')}
    key = ("named", name, 1)
    assert engine.holding(key, rules, {"count": 3, "note": "b"}) == {name}
    assert engine.holding(key, rules, {"count": 4}) == set()


def test_an_action_in_another_shape_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rules: dict[str, Condition] = {"three": logic.Test("count", "is", 3)}
    assert engine.holding(("shape", 1, 1), rules, {"count": 3}) == {"three"}
    monkeypatch.setattr("durable_rules_engine.start_action_for_state", lambda *_: ("{}", '{ "three#0":{"m":{}}}'))
    with pytest.raises(EngineFailure, match="could not decide"):
        engine.holding(("shape", 1, 1), rules, {"count": 3})
