"""durable_rules and the evaluator agree: on generated facts for every policy of the house, and on generated policies.

``decide`` refuses a decision on which they differ, so here they are also compared without it, rule by rule; and the evaluator's
answer for missing facts is held against every completion.
"""

import random
import threading
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared import rules
from shared.errors import PolicyError
from shared.policies import conditions as logic
from shared.policies import load_policies
from shared.policies.conditions import OPERATORS, Condition, either, every, truth
from shared.policies.facts import Code, Fact
from shared.policies.policy import Policy, Slice
from shared.rules import engine, ready_policies
from shared.rules.conclusion import conclude
from shared.rules.decision import check_engines, decide
from tests.shared.scratch import a_policy, changed

SERVICES = ("eligibility", "deadlines", "responsibility", "notifications")
POLICIES = [policy for service in SERVICES for policy in load_policies(service).values()]
DECISIONS = 15_000
"""How many decisions are generated in all; every policy has its share."""


def some_facts(policy: Policy, slice_: Slice, chance: random.Random) -> dict[str, Code]:
    """Random facts, each missing now and then, and most often next to a bound."""
    facts: dict[str, Code] = {}
    for name, near in slice_.asked.items():
        fact = policy.facts[name]
        if chance.random() < 0.15:
            continue
        anywhere = fact.least != fact.most and fact.type in ("money", "integer", "date") and chance.random() < 0.3
        facts[name] = chance.randint(fact.least, fact.most) if anywhere else chance.choice(near)
    return facts


@pytest.mark.parametrize("policy", POLICIES, ids=[policy.name for policy in POLICIES])
def test_both_engines_agree_on_generated_facts_and_facts_given_decide_as_every_completion_does(policy: Policy) -> None:
    chance = random.Random(policy.name)
    days = [day for day in policy.changes[:-1] if any(rule.starts <= day < rule.ends for rule in policy.rules)]
    for _ in range(DECISIONS // len(POLICIES)):
        slice_ = policy.on(chance.choice(days))
        facts = some_facts(policy, slice_, chance)
        found = conclude(slice_, facts)
        check_engines(slice_, facts, found)  # raises EnginesDisagree
        completed = {name: chance.choice(values) for name, values in slice_.asked.items()} | facts
        full = conclude(slice_, completed)
        check_engines(slice_, completed, full)
        assert not full.needs
        if not found.needs:
            settled = {name: value for name, value in found.values.items() if not policy.outcome[name].informs}
            assert settled == {name: value for name, value in full.values.items() if not policy.outcome[name].informs}


FACTS = {
    "amount": Fact("amount", "money", "", least=-(10**12), most=10**12),
    "count": Fact("count", "integer", "", least=-5, most=5),
    "day": Fact("day", "date", "", least=700_000, most=740_000),
    "sure": Fact("sure", "boolean", ""),
    "kind": Fact("kind", "choice", "", choices=("red", "green", "10", "true")),
}
BOUNDS: dict[str, st.SearchStrategy[Code]] = {
    "amount": st.integers(-(10**12), 10**12),
    "count": st.integers(-5, 5),
    "day": st.integers(700_000, 740_000),
    "sure": st.integers(0, 1),
    "kind": st.sampled_from(FACTS["kind"].choices),
}


def a_test_of(name: str) -> st.SearchStrategy[Condition]:
    """Tests of one fact."""
    operators = tuple(OPERATORS) if FACTS[name].type in ("money", "integer", "date") else ("is", "is_not")
    return st.builds(logic.Test, st.just(name), st.sampled_from(operators), BOUNDS[name])


TESTS = st.sampled_from(sorted(FACTS)).flatmap(a_test_of)
CONDITIONS = st.recursive(
    TESTS, lambda inner: st.builds(every, st.lists(inner, max_size=3)) | st.builds(either, st.lists(inner, max_size=3)), max_leaves=6
)
NUMBER = iter(range(10**9))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CONDITIONS, min_size=1, max_size=6), st.data())
def test_both_engines_agree_on_generated_rules(conditions: list[Condition], data: st.DataObject) -> None:
    rules = {f"rule-{number}": condition for number, condition in enumerate(conditions)}
    key = ("generated", next(NUMBER), 1)
    for _ in range(3):
        facts = {name: data.draw(BOUNDS[name]) for name in sorted(FACTS) if data.draw(st.booleans())}
        fired = engine.holding(key, rules, facts)
        for name, condition in rules.items():
            known = truth(condition, facts)
            assert known is None or known is (name in fired), f"{name}: {condition} with {facts}"


def test_threads_that_decide_at_once_get_their_own_answers() -> None:
    policy = load_policies("eligibility")["procurement-route"]
    wrong: list[object] = []

    def ask(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(200):
            value = chance.randint(0, 100_000_000)
            found = decide(policy, {"whole_life_value": value, "regime": "light-touch"}, date(2021, 6, 1), made_at="", id="")
            bands = ((1_000_000, "one-quotation"), (5_000_000, "three-quotations"), (66_354_000, "formal-tender"))
            route = next((route for most, route in bands if value <= most), "light-touch-regulations")
            if found.outcome is None or found.outcome["route"] != route:
                wrong.append((value, found.outcome))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def alternatives(number: int) -> Policy:
    """A policy of one rule that can hold in so many ways."""
    any_of = ", ".join(f"{{note: {{is: n{place}}}}}" for place in range(number))
    return a_policy(changed(("when: {number: {more_than: $limit}}", f"when: {{any: [{any_of}]}}"), ("    overrides: [small]\n", "")))


def test_a_service_whose_policy_the_engine_could_not_hold_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    most = engine.MOST_CONJUNCTIONS - 2  # beside them stand the other rule, and the one that always holds
    for service, number in (("fits", most), ("does not fit", most + 1)):
        found = {"size": alternatives(number)}
        monkeypatch.setattr(rules, "load_policies", {service: found}.__getitem__)
        if number == most:
            assert ready_policies(service) == found
        else:
            with pytest.raises(PolicyError, match=rf"^policies/size\.yaml: .*together have {engine.MOST_CONJUNCTIONS + 1} alternatives"):
                ready_policies(service)


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_of_the_house_is_ready(service: str) -> None:
    assert ready_policies(service) == load_policies(service)


def test_the_engine_is_never_left_with_a_live_session_even_when_nothing_matches() -> None:
    rules: dict[str, Condition] = {"never": logic.Test("count", "is", 4)}
    for number in range(2_000):
        assert engine.holding(("nothing-matches", 1, 1), rules, {"count": number % 4}) == set()
    assert engine.holding(("nothing-matches", 1, 1), rules, {"count": 4}) == {"never"}


def test_least_used_rulesets_are_let_go_and_made_again() -> None:
    rules: dict[str, Condition] = {"always-three": logic.Test("count", "is", 3)}
    for round_ in range(2):
        for number in range(engine.MOST_RULESETS + 20):
            assert engine.holding(("many", number, round_), rules, {"count": 3}) == {"always-three"}
