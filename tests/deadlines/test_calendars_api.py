"""Calendars over HTTP and at the command line: made, read by whoever has the token, revoked."""

import itertools
import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from ical.calendar import Calendar as ClientCalendar
from ical.calendar_stream import CalendarStream
from ical.event import Event as ClientEvent
from sqlalchemy import select
from werkzeug.test import TestResponse

from services.__main__ import main
from services.deadlines.app import SERVICE, create_app
from services.deadlines.clock import tick
from services.deadlines.models import Calendar
from shared.database import transaction
from shared.events import Event, PlacementWithdrawn
from shared.worker import Worker
from tests.deadlines.feeds import SEPTEMBER, days_between, events_of
from tests.deadlines.stories import WEEK_6
from tests.helpers import Clock, a_message, a_placement, a_worker


@pytest.fixture
def worker(tmp_path: Path, clock: Clock) -> Worker:
    return a_worker(SERVICE, tmp_path, clock)


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    return create_app(worker).test_client()


@pytest.fixture
def numbers() -> "itertools.count[int]":
    return itertools.count(1)


def hear(worker: Worker, numbers: "itertools.count[int]", *events: Event) -> None:
    for event in events:
        worker.take_in([a_message(event, next(numbers))], worker.clock())


def issued(client: FlaskClient, **reader: str) -> dict[str, Any]:
    answer = client.post("/deadlines/calendars", json=reader or {"host": "RXN"})
    assert answer.status_code == 201
    made: dict[str, Any] = answer.get_json()
    return made


def read(client: FlaskClient, made: dict[str, Any], **headers: str) -> TestResponse:
    return client.get(made["path"], headers={name.replace("_", "-"): value for name, value in headers.items()})


def of(events: dict[str, ClientEvent], duty: str) -> ClientEvent:
    [event] = [event for event in events.values() if duty in (event.summary or "")]
    return event


# ---- over HTTP -----------------------------------------------------------------------------------------------------


def test_a_calendar_is_made_read_and_revoked(worker: Worker, client: FlaskClient, clock: Clock, numbers: "itertools.count[int]") -> None:
    hear(worker, numbers, a_placement())
    made = issued(client)
    answer = read(client, made)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    assert len(events_of(answer.data)) == 3
    [listed] = client.get("/deadlines/calendars?host=RXN").get_json()["items"]
    assert listed["last_read_at"] == clock().isoformat()
    assert "token" not in listed
    for _ in range(2):
        assert client.delete(f"/deadlines/calendars/{made['calendar_id']}").status_code == 204
    assert read(client, made).status_code == 410
    assert client.get(f"/deadlines/calendars/{made['calendar_id']}").get_json()["revoked_at"] == clock().isoformat()


def test_a_client_follows_a_placement_through_change_and_withdrawal(
    worker: Worker, client: FlaskClient, numbers: "itertools.count[int]"
) -> None:
    hear(worker, numbers, a_placement())
    made = issued(client)
    before = events_of(read(client, made).data)
    hear(worker, numbers, a_placement(start_date=SEPTEMBER))
    after = events_of(read(client, made).data)
    hear(worker, numbers, PlacementWithdrawn(placement_id="p1", reason="deleted"))
    gone = events_of(read(client, made).data)
    for uid, event in before.items():
        assert days_between(event, after[uid]) == 28
        assert (event.sequence or 0) < (after[uid].sequence or 0) < (gone[uid].sequence or 0)
        assert gone[uid].status == "CANCELLED"


def test_what_the_clock_finds_is_in_the_feed(worker: Worker, client: FlaskClient, clock: Clock, numbers: "itertools.count[int]") -> None:
    hear(worker, numbers, a_placement())
    made = issued(client)
    before = events_of(read(client, made).data)
    tick(worker, clock.on(date(2027, 5, 13)))
    after = events_of(read(client, made).data)
    missed = of(after, "Missed: Placement information")
    assert missed.dtstart == date(2027, 5, 12)
    assert (missed.sequence or 0) > (before[missed.uid].sequence or 0)


def test_nothing_new_is_304_and_the_same_state_the_same_bytes(
    worker: Worker, client: FlaskClient, clock: Clock, numbers: "itertools.count[int]"
) -> None:
    hear(worker, numbers, a_placement())
    made = issued(client)
    first = read(client, made)
    clock.on(date(2027, 5, 6), 23)
    again = read(client, made)
    assert (again.data, again.headers["ETag"]) == (first.data, first.headers["ETag"])
    unchanged = read(client, made, If_None_Match=first.headers["ETag"])
    assert (unchanged.status_code, unchanged.data) == (304, b"")
    hear(worker, numbers, a_placement(start_date=SEPTEMBER))
    assert read(client, made, If_None_Match=first.headers["ETag"]).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "x" * 5_000, "%00", "%ff", "' OR 1=1 --"])
def test_a_token_that_is_none_opens_nothing_and_learns_nothing(client: FlaskClient, token: str) -> None:
    answer = client.get(f"/deadlines/calendar.ics?token={token}")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert "RXN" not in answer.get_data(as_text=True)


def test_the_token_is_long_and_only_its_hash_is_stored(worker: Worker, client: FlaskClient, tmp_path: Path) -> None:
    tokens = [
        client.post("/deadlines/calendars", json={"host": "RXN"}, headers={"Idempotency-Key": f"k{n}"}).get_json()["token"] for n in (1, 2)
    ]
    assert len(set(tokens)) == 2
    assert all(len(token) >= 43 for token in tokens), "256 bits in base 64"
    with closing(sqlite3.connect(tmp_path / "deadlines.db")) as connection:
        everything = "\n".join(connection.iterdump())
    assert not any(token in everything for token in tokens)


def test_the_same_request_again_makes_no_second_calendar_and_shows_no_token(worker: Worker, client: FlaskClient) -> None:
    first, again = (client.post("/deadlines/calendars", json={"host": "RXN"}, headers={"Idempotency-Key": "k1"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.get_json()["calendar_id"] == first.get_json()["calendar_id"]
    assert "token" not in again.get_json()
    with transaction(worker.engine) as session:
        assert len(list(session.scalars(select(Calendar)))) == 1


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, {"#/host"}),
        ({"host": "RXN", "person": "t1"}, {"#/host"}),
        ({"host": "RXQQ"}, {"#/host"}),
        ({"host": 7}, {"#/host"}),
        ({"person": " "}, {"#/person"}),
        ({"person": "a\nb"}, {"#/person"}),
        ({"host": "RXN", "colour": "red"}, {"#/colour"}),
    ],
)
def test_a_calendar_that_is_nobodys_is_refused(client: FlaskClient, body: dict[str, Any], pointers: set[str]) -> None:
    answer = client.post("/deadlines/calendars", json=body)
    assert answer.status_code == 422
    assert {entry["pointer"] for entry in answer.get_json()["errors"]} == pointers


def test_a_calendar_that_is_none_is_not_found(client: FlaskClient) -> None:
    assert client.post("/deadlines/calendars", json=[]).status_code == 422
    assert client.get("/deadlines/calendars/none").status_code == 404
    assert client.delete("/deadlines/calendars/none").status_code == 404


def test_a_person_may_have_a_calendar_before_the_first_placement(
    worker: Worker, client: FlaskClient, numbers: "itertools.count[int]"
) -> None:
    made = issued(client, person="t1")
    assert b"BEGIN:VEVENT" not in read(client, made).data
    hear(worker, numbers, a_placement())
    found = events_of(read(client, made).data)
    assert len(found) == 6
    assert of(found, "Placement starts").dtstart == date(2027, 8, 4)


def test_a_store_of_the_client_takes_the_feed_whole(worker: Worker, client: FlaskClient, numbers: "itertools.count[int]") -> None:
    hear(worker, numbers, a_placement(), a_placement(placement_id="p2"))
    raw = read(client, issued(client)).data.decode()
    [found] = CalendarStream.from_ics(raw).calendars
    assert isinstance(found, ClientCalendar)
    days = [event.dtstart for event in found.timeline]
    assert days == sorted(days, key=str)
    assert len(days) == 6
    assert json.loads(found.model_dump_json(exclude_none=True))["events"]
    at_noon = datetime.combine(WEEK_6, time(12), UTC)
    assert len(list(found.timeline.overlapping(at_noon, at_noon + timedelta(hours=1)))) == 2


# ---- the command ---------------------------------------------------------------------------------------------------


def test_the_command_issues_lists_and_revokes(worker: Worker, client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPARTITE_DATA", str(tmp_path))
    made = CliRunner().invoke(main, ["calendar", "issue", "--host", "RXN", "--json"])
    assert made.exit_code == 0, made.output
    issued_now = json.loads(made.stdout)
    assert read(client, issued_now).status_code == 200
    listed = CliRunner().invoke(main, ["calendar", "list"])
    assert issued_now["calendar_id"] in listed.stdout
    assert issued_now["token"] not in listed.stdout
    assert CliRunner().invoke(main, ["calendar", "revoke", issued_now["calendar_id"]]).exit_code == 0
    assert read(client, issued_now).status_code == 410


def test_the_command_gives_the_whole_address_where_the_public_one_is_set(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIPARTITE_DATA", str(tmp_path))
    monkeypatch.setenv("TRIPARTITE_PUBLIC_URL", "https://tripartite.example.org/")
    made = CliRunner().invoke(main, ["calendar", "issue", "--host", "RXN"])
    assert "shown this once: https://tripartite.example.org/deadlines/calendar.ics?token=" in made.stdout, made.output


@pytest.mark.parametrize("arguments", [["issue"], ["issue", "--host", "RXN", "--person", "t1"], ["issue", "--host", "X"], ["revoke", "x"]])
def test_the_command_refuses_in_a_sentence(worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setenv("TRIPARTITE_DATA", str(tmp_path))
    refused = CliRunner().invoke(main, ["calendar", *arguments])
    assert refused.exit_code == 2
    assert "Traceback" not in refused.stderr
