"""eligibility over HTTP: decisions taken, recorded and said in one transaction."""

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text

from services.eligibility.app import SERVICE, create_app
from shared.cases import read_cases
from shared.database import transaction
from shared.decisions import DecisionRow
from shared.events import Event, PostMoveDecided, ProcurementRouted
from shared.outbox import OutboxRow
from shared.wire import read_message
from shared.worker import Worker
from tests.helpers import HOUSE, Clock, a_worker

ROUTE = "/eligibility/decisions/procurement-route"
MOVE = "/eligibility/decisions/post-move"
SAMPLE: dict[str, Any] = {"facts": {"whole_life_value": "42000.00"}, "as_at": "2021-06-01", "subject": "procurement/1"}


@pytest.fixture
def worker(tmp_path: Path, clock: Clock) -> Worker:
    return a_worker(SERVICE, tmp_path, clock)


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    return create_app(worker).test_client()


def said(worker: Worker) -> list[Event]:
    with transaction(worker.engine) as session:
        return [read_message(row.body).data for row in session.scalars(select(OutboxRow).order_by(OutboxRow.batch, OutboxRow.number))]


def on_record(worker: Worker) -> int:
    with transaction(worker.engine) as session:
        return session.scalar(select(func.count(DecisionRow.id))) or 0


def a_post(**changes: Any) -> dict[str, Any]:
    """The facts of the first case: a post with everything in place."""
    facts = read_cases(HOUSE / "tests" / "eligibility" / "cases" / "post-move.yaml")[0].facts
    return {**facts, **changes}


# ---- recorded and said -------------------------------------------------------------------------------------------


def test_a_route_that_is_decided_is_recorded_and_said(worker: Worker, client: FlaskClient) -> None:
    answer = client.post(ROUTE, json=SAMPLE)
    decision = answer.get_json()
    assert (answer.status_code, decision["outcome"]["route"]) == (201, "three-quotations")
    assert client.get(answer.headers["Location"]).data == answer.data
    [event] = said(worker)
    assert isinstance(event, ProcurementRouted)
    assert (event.procurement_id, event.route, event.decision_id) == ("procurement/1", "three-quotations", decision["id"])
    assert event.as_at.isoformat() == "2021-06-01"


def test_a_post_move_that_is_decided_is_recorded_and_said(worker: Worker, client: FlaskClient) -> None:
    decision = client.post(MOVE, json={"facts": a_post(), "as_at": "2024-02-01", "subject": "post/7"}).get_json()
    [event] = said(worker)
    assert isinstance(event, PostMoveDecided)
    assert (event.post_id, event.verdict, event.decision_id) == ("post/7", "may-move", decision["id"])


def test_without_a_subject_the_event_is_about_the_decision(worker: Worker, client: FlaskClient) -> None:
    decision = client.post(ROUTE, json={**SAMPLE, "subject": ""}).get_json()
    assert [event.subject for event in said(worker)] == [decision["id"]]


def test_an_undetermined_decision_is_recorded_and_nothing_is_said(worker: Worker, client: FlaskClient) -> None:
    answer = client.post(ROUTE, json={"facts": {"whole_life_value": "200000.00"}, "as_at": "2021-06-01"})
    decision = answer.get_json()
    assert (answer.status_code, decision["status"], decision["outcome"]) == (201, "undetermined", None)
    assert [need["fact"] for need in decision["needs"]] == ["regime"]
    assert (on_record(worker), said(worker)) == (1, [])


def test_a_decision_that_is_only_tried_leaves_nothing(worker: Worker, client: FlaskClient) -> None:
    answer = client.post(f"{ROUTE}?record=false", json=SAMPLE)
    assert (answer.status_code, answer.get_json()["outcome"]["route"]) == (200, "three-quotations")
    assert (on_record(worker), said(worker)) == (0, [])


def test_decision_and_event_stand_or_fall_together(worker: Worker, client: FlaskClient) -> None:
    with transaction(worker.engine) as session:
        session.execute(text("ALTER TABLE outbox RENAME TO outbox_away"))
    assert client.post(ROUTE, json=SAMPLE).status_code == 500
    with transaction(worker.engine) as session:
        session.execute(text("ALTER TABLE outbox_away RENAME TO outbox"))
    assert (on_record(worker), said(worker)) == (0, []), "what could not be said was not recorded either"


def test_asked_twice_with_one_key_it_is_decided_and_said_once(worker: Worker, client: FlaskClient) -> None:
    key = {"Idempotency-Key": "a-1"}
    first, again = (client.post(ROUTE, json=SAMPLE, headers=key) for _ in range(2))
    assert (again.status_code, again.data, again.headers["Location"]) == (201, first.data, first.headers["Location"])
    assert (on_record(worker), len(said(worker))) == (1, 1)
    assert client.post(ROUTE, json={**SAMPLE, "subject": "procurement/2"}, headers=key).status_code == 409


def test_the_same_question_without_a_key_is_a_decision_of_its_own(worker: Worker, client: FlaskClient) -> None:
    ids = {client.post(ROUTE, json=SAMPLE).get_json()["id"] for _ in range(2)}
    assert len(ids) == on_record(worker) == len(said(worker)) == 2
    listed = client.get("/eligibility/decisions?subject=procurement/1").get_json()["items"]
    assert {decision["id"] for decision in listed} == ids


# ---- what cannot be decided --------------------------------------------------------------------------------------


def test_every_wrong_field_is_named_at_once_and_nothing_is_decided(worker: Worker, client: FlaskClient) -> None:
    facts = {"whole_life_value": 42000.5, "regime": "light-tuch", "colour": "blue"}
    answer = client.post(ROUTE, json={"facts": facts, "as_at": "yesterday"})
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    pointers = {entry["pointer"] for entry in answer.get_json()["errors"]}
    assert pointers == {"#/as_at", "#/facts/whole_life_value", "#/facts/regime", "#/facts/colour"}
    assert (on_record(worker), said(worker)) == (0, [])


def test_before_its_first_day_a_policy_decides_nothing(worker: Worker, client: FlaskClient) -> None:
    answer = client.post(ROUTE, json={**SAMPLE, "as_at": "2019-12-31"})
    assert (answer.status_code, answer.get_json()["title"]) == (422, "No rules in force on that day")
    assert (on_record(worker), said(worker)) == (0, [])


@pytest.mark.parametrize(
    ("value", "day", "notice"),
    [("189330.00", "2021-06-01", "boundary-formal-tender"), ("50000.01", "2022-01-01", "printed-figures-lapsed")],
)
def test_a_decision_that_does_not_ask_for_the_regime_still_warns_of_the_line(
    client: FlaskClient, value: str, day: str, notice: str
) -> None:
    decision = client.post(ROUTE, json={"facts": {"whole_life_value": value}, "as_at": day}).get_json()
    assert (decision["status"], [need["fact"] for need in decision["needs"]]) == ("decided", [])
    assert [said["id"] for said in decision["notices"]] == [notice]


def test_a_policy_of_another_service_is_not_found(client: FlaskClient) -> None:
    answer = client.post("/eligibility/decisions/concern", json={"facts": {}})
    assert (answer.status_code, answer.get_json()["title"]) == (404, "Unknown policy")


# ---- post moves --------------------------------------------------------------------------------------------------


def test_a_post_that_fails_several_tests_shows_the_state_of_every_one(worker: Worker, client: FlaskClient) -> None:
    facts = a_post(occupancy="filled", plan_approved=False, capacity_assured_by="nobody", places_free=0, mto_done=False)
    decision = client.post(MOVE, json={"facts": facts, "as_at": "2024-02-01"}).get_json()
    assert decision["outcome"] == {
        "verdict": "hold",
        "funding_test": "passed",
        "post_type_test": "passed",
        "trainees_stay_test": "passed",
        "vacancy_test": "failed",
        "numbers_test": "passed",
        "plan_approval_test": "failed",
        "donor_balance_test": "passed",
        "assurance_test": "failed",
        "quality_and_capacity_test": "failed",
        "mto_check": "warning",
        "small_trust_check": "not-applicable",
        "acute_take_check": "not-applicable",
    }
    assert [event.verdict for event in said(worker) if isinstance(event, PostMoveDecided)] == ["hold"]


def test_a_post_that_is_out_of_scope_still_shows_what_else_is_wrong_with_it(client: FlaskClient) -> None:
    facts = a_post(funding="trust", displaces_trainee=True, quality_standards_met=False)
    outcome = client.post(MOVE, json={"facts": facts, "as_at": "2024-02-01"}).get_json()["outcome"]
    assert (outcome["verdict"], outcome["funding_test"]) == ("out-of-scope", "failed")
    assert (outcome["trainees_stay_test"], outcome["quality_and_capacity_test"]) == ("failed", "failed")


def test_a_test_that_cannot_change_the_verdict_is_shown_as_not_known_and_not_asked(client: FlaskClient) -> None:
    facts = {name: value for name, value in a_post(displaces_trainee=True).items() if name not in ("places_free", "mto_done")}
    decision = client.post(MOVE, json={"facts": facts, "as_at": "2024-02-01"}).get_json()
    assert (decision["status"], decision["needs"]) == ("decided", [])
    outcome = decision["outcome"]
    assert (outcome["verdict"], outcome["quality_and_capacity_test"], outcome["mto_check"]) == ("refused", "not-known", "not-known")


def test_recorded_decisions_are_listed_by_what_they_are_about_the_latest_first(client: FlaskClient) -> None:
    for value in ("9000.00", "42000.00"):
        facts = {"whole_life_value": value, "regime": "goods-services"}
        made = client.post(ROUTE, json={"facts": facts, "as_at": "2021-06-01", "subject": "cleaning"})
        assert made.status_code == 201
    client.post(ROUTE, json={"facts": {"whole_life_value": "300000.00"}, "as_at": "2021-06-01", "subject": "catering"})
    found = client.get("/eligibility/procurements?limit=2").get_json()
    assert len(found["items"]) == 2
    last = client.get(f"/eligibility/procurements?limit=2&before={found['next']}").get_json()
    assert (len(last["items"]), last["next"]) == (1, None)
    items = client.get("/eligibility/procurements?subject=cleaning").get_json()["items"]
    assert {item["outcome"]["route"] for item in items} == {"one-quotation", "three-quotations"}
    [open_] = client.get("/eligibility/procurements?status=undetermined").get_json()["items"]
    assert (open_["procurement_id"], open_["outcome"]) == ("catering", None)
    assert client.get("/eligibility/post-moves").get_json() == {"items": [], "next": None}
