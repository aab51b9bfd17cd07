"""A meeting is told of, over the real inbox and database: whether it was quorate, what is missing, and what is said."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from services.responsibility.app import SERVICE, create_app
from services.responsibility.models import Meeting
from shared.database import transaction
from shared.events import MeetingHeld, QuorumDecided
from shared.inbox import QuarantineRow
from shared.outbox import OutboxRow
from shared.wire import Message, read_message
from shared.worker import Worker
from tests.helpers import Clock, a_message, a_worker, put, settle

ENOUGH = {"lead_employer_representatives_present": 2, "host_representatives_present": 2}
HELD = MeetingHeld(
    meeting_id="m1",
    body="host-meeting",
    lead_employer="RBN",
    host="RXN",
    held_on=date(2027, 3, 9),
    facts={"north_west_terms": True, **ENOUGH},
)


@pytest.fixture
def worker(tmp_path: Path, clock: Clock) -> Worker:
    return a_worker(SERVICE, tmp_path, clock)


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    return create_app(worker).test_client()


def held(sequence: int = 1, *, hour: int = 9, **changes: Any) -> Message:
    return a_message(replace(HELD, **changes), sequence, at=datetime(2027, 5, 5, hour, tzinfo=UTC))


def tell(worker: Worker, *messages: Message) -> None:
    put(worker, *messages)
    settle(worker)


def meetings(worker: Worker) -> dict[str, Meeting]:
    with transaction(worker.engine) as session:
        return {meeting.meeting_id: meeting for meeting in session.scalars(select(Meeting))}


def said(worker: Worker) -> list[QuorumDecided]:
    with transaction(worker.engine) as session:
        found = [read_message(row.body).data for row in session.scalars(select(OutboxRow).order_by(OutboxRow.batch, OutboxRow.number))]
    return [event for event in found if isinstance(event, QuorumDecided)]


def quarantined(worker: Worker) -> list[str]:
    with transaction(worker.engine) as session:
        return [row.reason for row in session.scalars(select(QuarantineRow))]


@pytest.mark.parametrize(("there", "verdict"), [(2, "quorate"), (1, "not-quorate")])
def test_whether_a_meeting_is_quorate_is_decided_recorded_and_said(worker: Worker, client: FlaskClient, there: int, verdict: str) -> None:
    tell(worker, held(facts=HELD.facts | {"host_representatives_present": there}))
    [event] = said(worker)
    assert (event.verdict, event.body, event.host, event.held_on) == (verdict, "host-meeting", "RXN", date(2027, 3, 9))
    decision = client.get(f"/responsibility/decisions/{event.decision_id}").get_json()
    assert (decision["policy"], decision["as_at"], decision["outcome"]["verdict"]) == ("quorum", "2027-03-09", verdict)
    assert client.get(f"/responsibility/decisions/{event.decision_id}/replay").status_code == 200


def test_what_is_missing_is_asked_and_a_meeting_told_again_with_it_is_decided(worker: Worker, client: FlaskClient) -> None:
    tell(worker, held(facts={"north_west_terms": True}))
    shown = client.get("/responsibility/meetings/m1").get_json()
    assert (shown["verdict"], {need["fact"] for need in shown["needs"]}) == ("undetermined", set(ENOUGH))
    tell(worker, held(2, hour=10))
    assert [event.verdict for event in said(worker)] == ["undetermined", "quorate"]
    assert client.get("/responsibility/meetings/m1").get_json()["needs"] == []


def test_older_news_of_a_meeting_is_ignored_and_the_same_news_is_taken_once(worker: Worker) -> None:
    tell(worker, held(2, hour=10), held(2, hour=10), held(facts={}))
    assert [event.verdict for event in said(worker)] == ["quorate"]


def test_where_no_quorum_is_stated_that_is_the_answer(worker: Worker) -> None:
    tell(worker, held(body="trainee-forum", host="", facts={}))
    assert [event.verdict for event in said(worker)] == ["not-stated"]


def test_before_any_document_was_in_force_nothing_is_stated_and_nothing_is_said(worker: Worker) -> None:
    tell(worker, held(held_on=date(2016, 3, 9)))
    assert (meetings(worker)["m1"].verdict, said(worker), quarantined(worker)) == ("not-stated", [], [])


@pytest.mark.parametrize(
    "wrong", [{"colour": "red"}, {"host_representatives_present": -1}, {"host_representatives_present": "two"}, {"north_west_terms": 7}]
)
def test_facts_that_cannot_be_used_go_to_the_quarantine_and_hold_up_no_other_meeting(worker: Worker, wrong: dict[str, Any]) -> None:
    tell(worker, held(facts=HELD.facts | wrong), held(meeting_id="m2"))
    assert set(meetings(worker)) == {"m2"}
    [reason] = quarantined(worker)
    assert next(iter(wrong)) in reason


def test_the_body_is_that_of_the_event_whatever_the_facts_say(worker: Worker) -> None:
    tell(worker, held(facts=HELD.facts | {"meeting_of": "management-board"}))
    assert [event.verdict for event in said(worker)] == ["quorate"]


def test_meetings_are_listed_by_body_year_and_verdict_with_their_decision(worker: Worker, client: FlaskClient) -> None:
    tell(worker, held(), held(meeting_id="m2", held_on=date(2026, 3, 9)), held(meeting_id="m3", body="trainee-forum", facts={}))

    def listed(query: str) -> list[str]:
        return [found["meeting_id"] for found in client.get(f"/responsibility/meetings{query}").get_json()["items"]]

    assert listed("") == ["m1", "m2", "m3"]
    assert listed("?body=host-meeting&year=2027") == ["m1"]
    assert listed("?verdict=not-stated") == ["m3"]
    shown = client.get("/responsibility/meetings/m1").get_json()
    assert client.get(shown["decision"]).get_json()["id"] == shown["decision_id"]
    assert client.get("/responsibility/meetings?year=soon").status_code == 422
    assert client.get("/responsibility/meetings?verdict=perhaps").status_code == 422
    assert client.get("/responsibility/meetings/m9").status_code == 404


def test_a_meeting_whose_id_has_slashes_is_found(worker: Worker, client: FlaskClient) -> None:
    tell(worker, held(meeting_id="2027/03/board"))
    assert client.get("/responsibility/meetings/2027/03/board").status_code == 200
