"""Edges that are easy to get wrong: odd inputs, odd policies, odd moments."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from services.eligibility.app import SERVICE, create_app
from shared.database import transaction
from shared.decisions import find as stored
from shared.decisions import replay, standing, store
from shared.errors import MalformedEvent, PolicyError
from shared.inbox import QuarantineRow
from shared.policies import conditions as logic
from shared.policies import load_policies, policy_from_canonical
from shared.policies.conditions import every, negated
from shared.policies.facts import Code
from shared.policies.outcomes import read_outcome
from shared.policies.policy import Policy
from shared.policies.reading import parse_yaml
from shared.rules import decide
from shared.rules.completions import diagram, matters, restricted
from shared.wire import read_message
from shared.worker import Worker
from tests.helpers import Clock, a_document, a_message, a_placement, a_worker, cloud_event, put
from tests.shared.scratch import FACTS, Counting, a_policy, changed, rows

DAY = date(2021, 6, 1)
CITE = "cite: {source: TOOLKIT, section: S, entry: e}"
ROUTE = "/eligibility/decisions/procurement-route"


def policy_of(rules: list[str], outcome: str = "{size: {choice: [small, large]}}", parameters: str = "{}", notices: str = "[]") -> Policy:
    lines = [f"  - {{from: 2020-01-01, because: B, {CITE}, {rule}}}\n" for rule in rules]
    head = f"policy: p\nquestion: Q\nhit: any\noutcome: {outcome}\nparameters: {parameters}\nnotices: {notices}\n"
    return a_policy(head + "rules:\n" + "".join(lines))


def value(name: str, amount: object, start: str = "2020-01-01") -> str:
    return f"{name}: [{{from: {start}, value: {amount}, unit: count, {CITE}}}]"


def needs(policy: Policy, facts: dict[str, Code] | None = None) -> list[str]:
    return [need["fact"] for need in decide(policy, facts or {}, DAY, made_at="", id="").body["needs"]]


@pytest.fixture
def client(tmp_path: Path, clock: Clock) -> Any:
    worker = a_worker(SERVICE, tmp_path, clock)
    yield create_app(worker).test_client()
    worker.close()


# ---- rules -------------------------------------------------------------------------------------------------------


def test_a_fact_that_cannot_change_the_outcome_is_not_asked_for() -> None:
    policy = policy_of(
        [
            "id: a, when: {sure: {is: true}, number: {at_most: $five}}, then: {size: small}",
            "id: b, when: {sure: {is: false}, number: {less_than: $six}}, then: {size: small}",
            "id: c, when: {number: {more_than: $five}}, then: {size: large}",
        ],
        parameters=f"{{{value('five', 5)}, {value('six', 6)}}}",
    )
    assert needs(policy) == ["number"]


def test_a_restricted_diagram_holds_only_what_still_matters() -> None:
    both = every([logic.Test("sure", "is", 1), logic.Test("calm", "is", 1)])
    assert matters(restricted(diagram([(both, "A"), (negated(both), "B")], FACTS), "calm", 0)) == set()


def test_a_later_stage_may_compare_a_number_that_an_earlier_one_concluded() -> None:
    policy = policy_of(
        [
            "id: one, when: {sure: {is: true}}, then: {count: 1}",
            "id: nine, when: {sure: {is: false}}, then: {count: 9}",
            "id: few, stage: 2, when: {count: {at_most: $five}}, then: {few: true}",
        ],
        outcome="{count: integer, few: boolean}",
        parameters=f"{{{value('five', 5)}}}",
    )
    assert decide(policy, {"sure": 0}, DAY, made_at="", id="").outcome == {"count": 9}


def test_a_gap_elsewhere_does_not_refuse_a_decision_that_is_certain() -> None:
    policy = policy_of(["id: a, when: {kind: {is: red}}, then: {size: small}"])
    assert decide(policy, {"kind": "red"}, DAY, made_at="", id="").outcome == {"size": "small"}


def test_a_computed_date_that_only_informs_does_not_hold_a_decision_up() -> None:
    policy = policy_of(
        ["id: a, when: {}, then: {size: small, due: {from: day, days: 3}}"],
        outcome="{size: {choice: [small, large]}, due: {type: date, informs: true}}",
    )
    assert decide(policy, {}, DAY, made_at="", id="").outcome == {"size": "small", "due": "not-known"}


def test_a_standing_decision_replays_whatever_order_its_facts_came_in(tmp_path: Path, clock: Clock) -> None:
    worker = a_worker(SERVICE, tmp_path, clock)
    policy = load_policies("eligibility")["procurement-route"]
    decision = standing(policy, {"regime": "light-touch", "whole_life_value": 100}, DAY)
    with transaction(worker.engine) as session:
        store(session, policy, decision, "x")
        again = replay(session, stored(session, decision.id)).to_json()
    worker.close()
    assert again == decision.to_json()


# ---- policy files ------------------------------------------------------------------------------------------------


def test_a_notice_whose_parameter_has_no_value_on_a_day_in_use_is_refused() -> None:
    notice = f"[{{id: n, when: {{number: {{is: $late}}}}, say: S, {CITE}}}]"
    rules = ["id: a, when: {}, then: {size: small}"]
    with pytest.raises(PolicyError):
        policy_of(rules, parameters=f"{{{value('late', 5, '2022-01-01')}}}", notices=notice).on(DAY)


def test_two_values_of_a_parameter_from_the_same_day_are_refused() -> None:
    line = "    - {from: 2020-01-01, value: 5, unit: count, cite: {source: TOOLKIT, section: Sizes, entry: limit}}\n"
    with pytest.raises(PolicyError, match="overlap"):
        a_policy(changed((line, line + line.replace("5", "7"))))


LIMIT = "cite: {source: TOOLKIT, section: Sizes, entry: limit}"
FIVE = f"value: 5, unit: count, {LIMIT}}}"
RANGE = "value: {least: 4, most: 2}, unit: weeks"
MIXED = f"value: 5, unit: weeks, {LIMIT}}}\n    - {{from: 2021-01-01, {RANGE}, {LIMIT}}}"
BACKWARDS = f"{{d: [{{from: 2020-01-01, {RANGE}, {CITE}}}]}}"
NOTICE = f"notices: [{{id: n, when: {{wait: {{is: 3}}}}, say: S, {CITE}}}]\nrules:\n"
SMALL = "then: {size: small}"
MISTAKES: dict[str, Callable[[], object]] = {
    "a policy without rules": lambda: a_policy("policy: p\nquestion: Q\nhit: any\noutcome: {x: date}\nrules: []"),
    "a rule that overrides itself": lambda: policy_of([f"id: a, when: {{}}, {SMALL}, overrides: [a]"]),
    "a test without an operator": lambda: policy_of([f"id: a, when: {{number: {{}}}}, {SMALL}"]),
    "one_of nothing": lambda: policy_of([f"id: a, when: {{kind: {{one_of: []}}}}, {SMALL}"]),
    "informs that is no boolean": lambda: read_outcome(parse_yaml("{x: {type: date, informs: yes}}", "x.yaml")),
    "outside that is no boolean": lambda: a_policy(changed(("entry: limit", "entry: limit, outside: perhaps"))),
    "a rule from the last day": lambda: a_policy(changed(("from: 2020-01-01\n", "from: 9999-12-31\n"))),
    "a number and a range in one parameter": lambda: a_policy(changed((FIVE, MIXED))),
    "a range that ends before it begins": lambda: policy_of(
        ["id: a, when: {}, then: {d: $d}"], outcome="{d: duration}", parameters=BACKWARDS
    ),
    "a fact and an outcome of one name": lambda: policy_of(["id: a, when: {}, then: {number: 1}"], outcome="{number: integer}"),
    "a notice on a duration": lambda: a_policy(changed(("  due: date\n", "  due: date\n  wait: duration\n"), ("rules:\n", NOTICE))),
    "a list within a list": lambda: policy_of(["id: a, when: {}, then: {x: [{a: [{b: t}]}]}"], "{x: {list: {a: {list: {b: text}}}}}"),
    "a control character": lambda: parse_yaml("a: \x07", "x.yaml"),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_in_a_policy_file_is_refused_as_a_policy_error(mistake: str) -> None:
    with pytest.raises(PolicyError):
        MISTAKES[mistake]()


@pytest.mark.parametrize(("old", "new"), [("It exceeds the limit.", '"2021-06-01"'), ("section: Sizes", 'section: "2021-06-01"')])
def test_a_text_that_looks_like_a_day_survives_in_a_stored_edition(old: str, new: str) -> None:
    policy = a_policy(changed((old, new)))
    assert policy_from_canonical(policy.canonical, "stored").edition == policy.edition


# ---- the wire ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"sequence": "²"}, {"time": "0001-01-01T00:00:00+23:00"}, {"id": "\ud800"}], ids=str)
def test_an_envelope_that_cannot_be_used_is_refused_with_an_entry(client: FlaskClient, changes: dict[str, str]) -> None:
    sent = client.post("/eligibility/events", data=json.dumps({**cloud_event(a_placement()), **changes}), content_type="application/json")
    assert sent.status_code == 422


def test_what_is_taken_can_be_read_again() -> None:
    envelope = {name: part for name, part in cloud_event(a_placement()).items() if name != "sequence"}
    message = read_message({**envelope, "time": "1960-01-01T00:00:00Z"})
    assert read_message(message.to_json()) == message


@pytest.mark.parametrize("given", [1.5, [1], {"a": 1}, float("nan")])
def test_a_fact_of_a_concern_is_a_text_a_whole_number_or_a_boolean(given: Any) -> None:
    envelope = cloud_event(a_placement())
    data = {"concern_id": "c", "doctor_reference": "d", "lead_employer": "l", "host": "h", "facts": {"x": given}}
    with pytest.raises(MalformedEvent, match="must be a text, a whole number, true or false") as caught:
        read_message({**envelope, "type": "concern.raised", "data": data})
    assert list(caught.value.errors) == ["data.facts.x"]


def test_a_malformed_message_beside_a_poison_one_is_counted_once(tmp_path: Path, clock: Clock) -> None:
    worker: Worker = a_worker(Counting().service(), tmp_path, clock)
    put(worker, b"not json", a_message(a_document("contract")))
    worker.step()
    times = [row.times for row in rows(worker, QuarantineRow)]
    worker.close()
    assert times == [1, 1]


# ---- HTTP --------------------------------------------------------------------------------------------------------


def test_money_without_measure_is_refused(client: FlaskClient) -> None:
    assert client.post(ROUTE, json={"facts": {"whole_life_value": "1E+999999"}}).status_code == 422


@pytest.mark.parametrize("raw", ["1_0", "1e2", "١٠", "100.000000000000000000000000000000001"])
def test_money_is_pounds_and_pence_in_plain_digits(raw: str) -> None:
    with pytest.raises(ValueError):
        FACTS["amount"].read(raw)


def test_a_limit_in_other_digits_is_refused(client: FlaskClient) -> None:
    assert client.get("/eligibility/decisions?limit=²").status_code == 422


def test_the_pointer_of_a_wrong_field_points_into_what_was_sent(client: FlaskClient) -> None:
    sent = cloud_event(a_placement())
    sent["data"]["start_date"] = "soon"
    errors = (client.post("/eligibility/events", json=sent).get_json(force=True))["errors"]
    assert [entry["pointer"] for entry in errors] == ["#/data/start_date"]


def test_a_405_says_which_methods_are_allowed(client: FlaskClient) -> None:
    assert "GET" in client.delete("/eligibility/policies").headers.get("Allow", "")


@pytest.mark.parametrize(("name", "step"), [("a/b", "a~1b"), ("a~b", "a~0b"), ("a~1/b", "a~01~1b")])
def test_a_slash_in_a_name_is_escaped_in_its_pointer(client: FlaskClient, name: str, step: str) -> None:
    errors = client.post(ROUTE, json={"facts": {name: 1}}).get_json(force=True)["errors"]
    assert [entry["pointer"] for entry in errors] == [f"#/facts/{step}"]
