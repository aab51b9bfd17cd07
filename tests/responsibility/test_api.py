"""Cases over HTTP: what they show, and that every read of one leaves a row."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text

from services.responsibility.api import LONGEST_PATH
from services.responsibility.app import SERVICE, create_app
from services.responsibility.models import CaseRead
from shared.database import transaction
from shared.events import Event
from shared.worker import Worker
from tests.helpers import Clock, a_concern, a_message, a_worker, cloud_event, settle


@pytest.fixture
def worker(tmp_path: Path, clock: Clock) -> Worker:
    worker = a_worker(SERVICE, tmp_path, clock)
    for event in (
        a_concern({"kind": "conduct"}),
        a_concern({"kind": "capability"}, concern_id="c2"),
        a_concern({"kind": "health"}, concern_id="c3"),
    ):
        hear(worker, event)
    return worker


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    return create_app(worker).test_client()


def hear(worker: Worker, event: Event) -> None:
    worker.take_in([a_message(event)], worker.clock())


def reads(worker: Worker) -> list[tuple[str, str, str]]:
    with transaction(worker.engine) as session:
        rows = session.scalars(select(CaseRead).order_by(CaseRead.id))
        return [(row.concern_id, row.read_at.isoformat(), row.address) for row in rows]


def test_a_case_shows_who_owns_it_what_comes_first_and_who_must_be_told(client: FlaskClient) -> None:
    shown = client.get("/responsibility/cases/c1").get_json()
    assert (shown["status"], shown["owner"], shown["decides"], shown["version"]) == ("assigned", "lead-employer", "lead-employer", 1)
    assert shown["first"] == [
        {"who": "lead-employer", "does": "discusses the case before any referral to the GMC", "with": "postgraduate-dean"}
    ]
    assert {party["who"] for party in shown["told"]} == {"postgraduate-dean", "revalidation-team", "doctor-in-training"}
    assert (shown["doctor_reference"], shown["facts"]) == ("DR-0001", {"kind": "conduct"})


def test_a_case_that_needs_facts_shows_the_question_for_each(client: FlaskClient) -> None:
    shown = client.get("/responsibility/cases/c2").get_json()
    assert (shown["status"], shown["owner"]) == ("needs-facts", "")
    [need] = shown["needs"]
    assert (need["fact"], need["type"]) == ("ftp_severe", "boolean")
    assert need["ask"].endswith("?")


def test_a_concern_that_nobody_leads_says_not_stated_rather_than_a_guess(client: FlaskClient) -> None:
    shown = client.get("/responsibility/cases/c3").get_json()
    assert {shown["owner"], shown["case_manager"], shown["decides"]} == {"not-stated"}


def test_every_read_of_a_case_leaves_a_row(worker: Worker, client: FlaskClient) -> None:
    client.get("/responsibility/cases/c1")
    client.get("/responsibility/cases/c1")
    client.get("/responsibility/cases?limit=2")
    now = "2027-05-05T12:00:00+00:00"
    assert reads(worker) == [(concern, now, "127.0.0.1") for concern in ("c1", "c1", "c1", "c2")]


def test_a_concern_is_found_by_its_id_whatever_stands_in_it(worker: Worker, client: FlaskClient) -> None:
    hear(worker, a_concern({"kind": "conduct"}, concern_id="GMC/2027/1"))
    assert client.get("/responsibility/cases/GMC%2F2027%2F1").get_json()["concern_id"] == "GMC/2027/1"


def test_what_was_not_shown_was_not_read(worker: Worker, client: FlaskClient) -> None:
    answer = client.get("/responsibility/cases/c9")
    assert (answer.status_code, answer.get_json()["title"]) == (404, "Not found")
    client.get("/responsibility/cases?status=assigned")
    assert [concern for concern, *_ in reads(worker)] == ["c1", "c3"]


def test_cases_are_listed_by_status_and_page_by_page(client: FlaskClient) -> None:
    first = client.get("/responsibility/cases?limit=2").get_json()
    assert ([case["concern_id"] for case in first["items"]], first["next"]) == (["c1", "c2"], "c2")
    rest = client.get(f"/responsibility/cases?limit=2&after={first['next']}").get_json()
    assert ([case["concern_id"] for case in rest["items"]], rest["next"]) == (["c3"], None)
    waiting = client.get("/responsibility/cases?status=needs-facts").get_json()
    assert [case["concern_id"] for case in waiting["items"]] == ["c2"]


def test_a_concern_can_be_raised_over_http_and_is_a_case_once_it_is_heard(worker: Worker, client: FlaskClient) -> None:
    assert client.post("/responsibility/events", json=cloud_event(a_concern({"kind": "conduct"}, concern_id="c4"))).status_code == 202
    settle(worker)
    assert client.get("/responsibility/cases/c4").get_json()["status"] == "assigned"


def test_a_concern_whose_facts_cannot_be_read_is_refused_at_the_door(worker: Worker, client: FlaskClient) -> None:
    answer = client.post("/responsibility/events", json=cloud_event(a_concern({"kind": ["conduct"]}, concern_id="c4")))
    assert answer.status_code == 422
    [entry] = answer.get_json()["errors"]
    assert entry["pointer"].startswith("#/data/facts")
    settle(worker)
    assert client.get("/responsibility/cases/c4").status_code == 404


def test_a_list_by_a_status_that_there_is_not_is_refused(client: FlaskClient) -> None:
    answer = client.get("/responsibility/cases?status=open")
    assert (answer.status_code, [entry["pointer"] for entry in answer.get_json()["errors"]]) == (422, ["#/status"])


def test_the_decision_of_a_case_can_be_read_and_replayed(client: FlaskClient) -> None:
    decision_id = client.get("/responsibility/cases/c1").get_json()["decision_id"]
    decision = client.get(f"/responsibility/decisions/{decision_id}")
    assert [because["rule"] for because in decision.get_json()["because"]][:2] == ["conduct-is-the-employers", "conduct-is-not-the-deans"]
    assert client.get(f"/responsibility/decisions/{decision_id}/replay").data == decision.data
    assert "DR-0001" not in decision.get_data(as_text=True), "a decision is about facts, not about a doctor"


def test_every_read_of_decisions_leaves_a_row_too(worker: Worker, client: FlaskClient) -> None:
    decision_id = client.get("/responsibility/cases/c1").get_json()["decision_id"]
    for path in (f"decisions/{decision_id}", f"decisions/{decision_id}/replay", "decisions?subject=c1"):
        assert client.get(f"/responsibility/{path}").status_code == 200
        assert path in reads(worker)[-1][0]
    assert len(reads(worker)) == 4


def test_what_is_kept_of_a_read_is_no_longer_than_an_index_takes(worker: Worker, client: FlaskClient) -> None:
    assert client.get(f"/responsibility/decisions?subject={'x' * 5_000}").status_code == 200
    assert len(reads(worker)[-1][0]) == LONGEST_PATH


def test_decisions_are_not_shown_while_nobody_can_note_that_they_were_read(worker: Worker, client: FlaskClient) -> None:
    with worker.engine.begin() as connection:
        connection.execute(text("DROP TABLE case_reads"))
    answer = client.get("/responsibility/decisions")
    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
