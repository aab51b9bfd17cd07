"""Waivers and documents taken back, over HTTP: who and why, once, and on the state that was read."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from services.deadlines.app import SERVICE, create_app
from shared.database import transaction
from shared.events import Event
from shared.outbox import OutboxRow
from shared.wire import read_message
from shared.worker import Worker
from tests.deadlines.stories import WEEK_6, WEEK_8
from tests.helpers import Clock, a_document, a_message, a_placement, a_worker, settle

ROSTER = "/deadlines/deadlines/p1/duty-roster-to-trainee/1"
WAIVER = {"waived_by": "Ida Marsh (invented), deputy dean", "reason": "The ward moves in July.", "until": "2027-07-04"}
END = {"ended_by": "Ida Marsh (invented), deputy dean", "reason": "The ward has moved."}
BACK = {"withdrawn_by": "Ida Marsh (invented)", "reason": "It went to another doctor."}


@pytest.fixture
def worker(tmp_path: Path, clock: Clock) -> Worker:
    worker = a_worker(SERVICE, tmp_path, clock)
    worker.take_in([a_message(a_placement())], clock())
    return worker


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    return create_app(worker).test_client()


def said(worker: Worker, kind: str) -> list[Event]:
    with transaction(worker.engine) as session:
        rows = session.scalars(select(OutboxRow).where(OutboxRow.type == kind).order_by(OutboxRow.batch, OutboxRow.number))
        return [read_message(row.body).data for row in rows]


def pointers(answer: TestResponse) -> set[str]:
    found: dict[str, Any] = answer.get_json()
    return {entry["pointer"] for entry in found["errors"]}


def test_a_waiver_is_given_shown_said_and_over_on_the_day_after_its_last(worker: Worker, client: FlaskClient, clock: Clock) -> None:
    given = client.post(f"{ROSTER}/waiver", json=WAIVER)
    assert (given.status_code, given.headers["Location"]) == (201, ROSTER)
    shown = client.get(ROSTER).get_json()
    assert shown == given.get_json()
    assert (shown["state"], shown["waiver"]["waived_by"], shown["waiver"]["until"]) == ("waived", WAIVER["waived_by"], WAIVER["until"])
    assert [event.subject for event in said(worker, "deadline.waived")] == ["p1/duty-roster-to-trainee/1"]
    listed = client.get("/deadlines/deadlines?status=waived").get_json()["items"]
    assert [item["deadline_id"] for item in listed] == ["p1/duty-roster-to-trainee/1"]
    clock.on(date(2027, 7, 4))
    settle(worker)
    assert client.get(ROSTER).get_json()["state"] == "waived"
    clock.on(date(2027, 7, 5))
    settle(worker)
    shown = client.get(ROSTER).get_json()
    assert (shown["state"], shown["waiver"], len(shown["waivers"])) == ("missed", None, 1)
    assert "p1/duty-roster-to-trainee/1" in {event.subject for event in said(worker, "deadline.missed")}


def test_the_same_request_with_the_same_key_waives_once(worker: Worker, client: FlaskClient) -> None:
    first, again = (client.post(f"{ROSTER}/waiver", json=WAIVER, headers={"Idempotency-Key": "w1"}) for _ in range(2))
    assert (first.status_code, first.data) == (again.status_code, again.data)
    assert len(said(worker, "deadline.waived")) == 1
    other = client.post(f"{ROSTER}/waiver", json={**WAIVER, "until": "2027-07-05"}, headers={"Idempotency-Key": "w1"})
    assert other.status_code == 409


def test_who_has_read_another_state_is_refused(worker: Worker, client: FlaskClient) -> None:
    tag = client.get(ROSTER).headers["ETag"]
    assert client.post(f"{ROSTER}/waiver", json=WAIVER, headers={"If-Match": tag}).status_code == 201
    stale = client.post(f"{ROSTER}/waiver/end", json=END, headers={"If-Match": tag})
    assert (stale.status_code, stale.get_json()["title"]) == (412, "Changed meanwhile")
    fresh = client.get(ROSTER).headers["ETag"]
    assert client.post(f"{ROSTER}/waiver/end", json=END, headers={"If-Match": fresh}).status_code == 200
    assert client.get(ROSTER).get_json()["waivers"][0]["ended_because"] == END["reason"]


def test_what_makes_no_sense_is_refused_in_a_sentence_and_changes_nothing(worker: Worker, client: FlaskClient) -> None:
    worker.take_in([a_message(a_document("contract", "trainee", date(2027, 5, 5)))], worker.clock())
    over = client.post(f"{ROSTER}/waiver", json={**WAIVER, "until": "2027-05-04"})
    assert (over.status_code, pointers(over)) == (422, {"#/until"})
    met = client.post("/deadlines/deadlines/p1/contract-to-trainee/1/waiver", json=WAIVER)
    assert (met.status_code, "was met on 2027-05-05" in met.get_json()["detail"]) == (409, True)
    unknown = client.post("/deadlines/deadlines/p1/no-such-rule/1/waiver", json=WAIVER)
    assert (unknown.status_code, "p1/no-such-rule/1" in unknown.get_json()["detail"]) == (404, True)
    assert client.post(f"{ROSTER}/waiver/end", json=END).status_code == 409
    assert said(worker, "deadline.waived") == []


@pytest.mark.parametrize(
    ("sent", "wrong"),
    [
        ({}, {"#/waived_by", "#/reason", "#/until"}),
        ({**WAIVER, "reason": "  "}, {"#/reason"}),
        ({**WAIVER, "until": "soon"}, {"#/until"}),
        ({**WAIVER, "until": "2100-01-01"}, {"#/until"}),
        ({**WAIVER, "waived_by": "x" * 201, "note": "?"}, {"#/waived_by", "#/note"}),
        ({**WAIVER, "reason": 7, "until": None}, {"#/reason", "#/until"}),
    ],
)
def test_every_wrong_field_is_named(client: FlaskClient, sent: dict[str, Any], wrong: set[str]) -> None:
    answer = client.post(f"{ROSTER}/waiver", json=sent)
    assert (answer.status_code, pointers(answer)) == (422, wrong)
    assert client.post(f"{ROSTER}/waiver", json=[sent]).status_code == 422


def test_a_deadline_that_nobody_knows_is_not_found(client: FlaskClient) -> None:
    assert client.get("/deadlines/deadlines/p1/duty-roster-to-trainee/2").status_code == 404


def test_a_document_taken_back_is_no_longer_evidence_and_that_is_said(worker: Worker, client: FlaskClient, clock: Clock) -> None:
    document = a_document("duty-roster", "trainee", WEEK_8, document_id="rosters/2027/08")
    clock.on(date(2027, 6, 10))
    worker.take_in([a_message(document)], clock())
    evidence = client.get(ROSTER).get_json()["evidence"]
    assert (evidence["document_id"], evidence["recorded_by"], evidence["issued_on"]) == (
        "rosters/2027/08",
        "urn:tripartite:test",
        "2027-06-09",
    )
    assert client.get(ROSTER).get_json()["days_of_notice"] == 56
    clock.on(WEEK_6)
    path = "/deadlines/placements/p1/documents/rosters/2027/08/withdrawal"
    back = client.post(path, json=BACK)
    assert (back.status_code, back.get_json()["withdrawn_because"]) == (200, BACK["reason"])
    shown = client.get(ROSTER).get_json()
    assert (shown["state"], shown["evidence"], shown["issued_on"]) == ("approaching", None, None)
    assert [event.subject for event in said(worker, "deadline.approaching")] == ["p1/duty-roster-to-trainee/1"]
    again = client.post(path, json=BACK)
    assert (again.status_code, "withdrawn before" in again.get_json()["detail"]) == (404, True)
    [kept] = client.get("/deadlines/placements/p1").get_json()["documents"]
    assert (kept["withdrawn_by"], kept["recorded_at"]) == (BACK["withdrawn_by"], "2027-06-09T09:00:00+00:00")


@pytest.mark.parametrize("written", ["TIS/2027/1", "TIS%2F2027%2F1"])
def test_a_placement_and_its_document_are_reached_by_ids_with_slashes(worker: Worker, client: FlaskClient, written: str) -> None:
    document = a_document("contract", "trainee", date(2027, 5, 5), placement_id="TIS/2027/1", document_id="contracts/documents/7")
    worker.take_in([a_message(a_placement(placement_id="TIS/2027/1")), a_message(document)], worker.clock())
    assert client.get(f"/deadlines/placements/{written}").get_json()["placement_id"] == "TIS/2027/1"
    assert client.get(f"/deadlines/placements/{written}?as_at=2027-05-04").status_code == 404
    back = client.post(f"/deadlines/placements/{written}/documents/contracts/documents/7/withdrawal", json=BACK)
    assert (back.status_code, back.get_json()["document_id"]) == (200, "contracts/documents/7")
    assert client.get(back.headers["Location"]).get_json()["placement_id"] == "TIS/2027/1"


def test_a_document_is_taken_back_only_from_the_state_that_was_read(worker: Worker, client: FlaskClient) -> None:
    tag = client.get(ROSTER).headers["ETag"]
    worker.take_in([a_message(a_document("duty-roster", "trainee", date(2027, 5, 5), document_id="d1"))], worker.clock())
    path = "/deadlines/placements/p1/documents/d1/withdrawal"
    stale = client.post(path, json=BACK, headers={"If-Match": tag})
    assert (stale.status_code, stale.get_json()["title"]) == (412, "Changed meanwhile")
    assert client.get(ROSTER).get_json()["state"] == "met"
    fresh = client.get(ROSTER).headers["ETag"]
    assert client.post(path, json=BACK, headers={"If-Match": fresh}).status_code == 200
