"""Calendars: what is due as an RFC 5545 feed, read by another parser and by a real client's calendar engine; and who may read them."""

import itertools
import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import vobject
from click.testing import CliRunner
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from ical.calendar import Calendar as ClientCalendar
from ical.calendar_stream import CalendarStream, IcsCalendarStream
from ical.event import Event as ClientEvent
from sqlalchemy import select
from werkzeug.test import TestResponse

from services.__main__ import main
from services.deadlines.app import SERVICE, create_app
from services.deadlines.calendars import feed as feeds
from services.deadlines.calendars.entries import Entry, entries
from services.deadlines.calendars.feed import MOST_ENTRIES, feed
from services.deadlines.calendars.reading import Duties, Reader
from services.deadlines.clock import tick
from services.deadlines.duties import placement_duties
from services.deadlines.models import Calendar
from shared.database import transaction
from shared.events import Event, PlacementType, PlacementWithdrawn
from shared.worker import Worker
from tests.deadlines.stories import FIRST, WEEK_6, Story
from tests.helpers import HOUSE, Clock, a_message, a_placement, a_worker

GOLDEN = HOUSE / "tests" / "deadlines" / "calendars"
SEPTEMBER = date(2027, 9, 1)
HOST, PERSON = Reader(host="RXN"), Reader(person="t1")


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


def events_of(ics: bytes | str) -> dict[str, ClientEvent]:
    """The events as a client has them, by UID."""
    text = ics.decode() if isinstance(ics, bytes) else ics
    found = IcsCalendarStream.calendar_from_ics(text)
    by_uid = {event.uid: event for event in found.events}
    assert len(by_uid) == len(found.events), "a UID stands once"
    return by_uid


def of(events: dict[str, ClientEvent], duty: str) -> ClientEvent:
    [event] = [event for event in events.values() if duty in (event.summary or "")]
    return event


def days_between(before: ClientEvent, after: ClientEvent) -> int:
    assert isinstance(before.dtstart, date)
    assert isinstance(after.dtstart, date)
    return (after.dtstart - before.dtstart).days


def story_entries(story: Story, reader: Reader = HOST, day: date = FIRST) -> list[Entry]:
    assert story.file.placement is not None
    return entries(reader, [Duties(story.file.placement, story.file.deadlines)], day)


# ---- what a calendar shows -----------------------------------------------------------------------------------------


def test_a_host_sees_what_it_owes_and_what_it_waits_for_and_nothing_else() -> None:
    found = story_entries(Story(a_placement()))
    assert [(entry.day.isoformat(), entry.categories[1], entry.summary) for entry in found] == [
        ("2027-05-12", "Awaited", "Placement information of doctor t1 due from the national body"),
        (
            "2027-06-09",
            "Owed",
            "Work schedule of doctor t1 due to Mersey and West Lancashire Teaching Hospitals NHS Trust (RBN)",
        ),
        ("2027-06-23", "Owed", "Duty roster due to doctor t1"),
    ]


def test_a_host_that_employs_its_own_doctors_owes_what_the_lead_employer_owes() -> None:
    own = a_placement(host="RBN", host_name="Mersey and West Lancashire Teaching Hospitals NHS Trust")
    found = story_entries(Story(own), Reader(host="RBN"))
    assert sorted(entry.categories for entry in found) == [
        ("Contract", "Owed"),
        ("Duty roster", "Owed"),
        ("Pay breakdown", "Owed"),
        ("Placement information", "Awaited"),
        ("Placement information", "Owed"),
        ("Work schedule", "Owed"),
    ]


def test_a_person_sees_what_is_due_to_them_and_the_first_day() -> None:
    found = story_entries(Story(a_placement()), PERSON)
    assert {entry.summary.partition(" due from")[0] for entry in found} == {
        "Placement information",
        "Work schedule",
        "Contract",
        "Pay breakdown",
        "Duty roster",
        "Placement starts at Lancashire Teaching Hospitals NHS Foundation Trust (RXN)",
    }
    assert found[-1].day == date(2027, 8, 4)


def test_an_entry_says_why_it_is_due_and_where_that_stands() -> None:
    [roster] = [entry for entry in story_entries(Story(a_placement())) if entry.day == WEEK_6]
    assert "Why: The duty roster reaches the doctor six weeks before the start." in roster.description
    assert "Source: Code of Practice" in roster.description
    assert "Provision of information (OF-1)." in roster.description
    assert "Due by Wednesday 23 June 2027; that day is in time." in roster.description


def test_a_changed_start_moves_every_entry_and_counts_on() -> None:
    story = Story(a_placement())
    before = {entry.uid: entry for entry in story_entries(story)}
    story.hear(a_placement(start_date=SEPTEMBER))
    after = {entry.uid: entry for entry in story_entries(story)}
    assert before.keys() == after.keys()
    assert {after[uid].day - entry.day for uid, entry in before.items()} == {timedelta(days=28)}
    assert all(after[uid].sequence > entry.sequence for uid, entry in before.items())


def test_a_placement_that_goes_and_comes_back_keeps_its_entries_and_only_counts_up() -> None:
    story, seen = Story(a_placement()), []
    for event in (PlacementWithdrawn(placement_id="p1", reason="deleted"), a_placement(), a_placement(host="R0A"), a_placement()):
        seen.append({entry.uid: (entry.sequence, entry.cancelled) for entry in story_entries(story)})
        story.hear(event)
    seen.append({entry.uid: (entry.sequence, entry.cancelled) for entry in story_entries(story)})
    assert len({frozenset(each) for each in seen}) == 1
    for uid in seen[0]:
        assert [each[uid][1] for each in seen] == [False, True, False, True, False]
        counts = [each[uid][0] for each in seen]
        assert counts == sorted(set(counts)), "grows with every change"


def test_another_site_is_told_in_place_although_no_day_moves() -> None:
    story = Story(a_placement())
    before = {entry.uid: entry for entry in story_entries(story)}
    story.hear(a_placement(site="RXN01"))
    for entry in story_entries(story):
        assert (entry.location, entry.day) == ("RXN01", before[entry.uid].day)
        assert entry.sequence > before[entry.uid].sequence


def test_the_same_news_again_changes_not_a_byte() -> None:
    story = Story(a_placement())
    before = feed(HOST, story_entries(story), "https://example.org")
    story.hear(a_placement(), day=FIRST + timedelta(days=3))
    assert feed(HOST, story_entries(story), "https://example.org") == before


def test_what_was_issued_and_what_was_missed_is_marked() -> None:
    story = Story(a_placement())
    roster = story["duty-roster-to-trainee"]
    roster.state, roster.issued_on, roster.next_on = "met", date(2027, 6, 9), None
    story.strike(date(2027, 6, 10))
    found = {entry.summary.partition(":")[0]: entry for entry in story_entries(story, day=date(2027, 6, 10))}
    assert {mark for mark in found if " " not in mark} == {"Done", "Missed"}
    assert not found["Done"].takes_time
    assert "Issued on Wednesday 9 June 2027, in time." in found["Done"].description
    assert "nothing has been issued" in found["Missed"].description


def test_another_doctor_takes_the_placement_over_and_it_is_cancelled_for_the_first() -> None:
    story = Story(a_placement())
    before = {entry.uid for entry in story_entries(story, PERSON)}
    story.hear(a_placement(trainee_id="t2"))
    gone, new = story_entries(story, PERSON), story_entries(story, Reader(person="t2"))
    assert {entry.uid for entry in gone} == before
    assert all(entry.cancelled for entry in gone)
    assert not any("t2" in entry.summary + entry.description for entry in gone)
    assert len(new) == 6
    assert not any(entry.cancelled for entry in new)


@pytest.mark.parametrize(("days", "entries_left"), [(60, 3), (90, 3), (91, 0)])
def test_what_was_withdrawn_is_cancelled_for_ninety_days(days: int, entries_left: int) -> None:
    story = Story(a_placement(), PlacementWithdrawn(placement_id="p1", reason="deleted"))
    found = story_entries(story, day=FIRST + timedelta(days=days))
    assert [entry.cancelled for entry in found] == [True] * entries_left


@pytest.mark.parametrize(("days", "entries_left"), [(60, 3), (61, 2), (200, 0)])
def test_what_is_over_leaves_the_calendar_after_sixty_days(days: int, entries_left: int) -> None:
    assert len(story_entries(Story(a_placement()), day=date(2027, 5, 12) + timedelta(days=days))) == entries_left


def test_no_two_duties_of_a_placement_share_an_entry() -> None:
    for host, kind in itertools.product(("RXN", "RBN"), PlacementType.__args__):  # type: ignore[attr-defined]
        _, duties = placement_duties(a_placement(host=host, placement_type=kind), FIRST)
        assert len({(duty.duty, duty.recipient) for duty in duties}) == len(duties)


def test_a_calendar_has_an_end_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_ENTRIES", 2)
    text = feed(HOST, story_entries(Story(a_placement())), "https://example.org").decode()
    assert text.count("BEGIN:VEVENT") == 2
    assert "The first 2 of 3 entries" in text
    assert MOST_ENTRIES >= 500 * 3


# ---- the format ----------------------------------------------------------------------------------------------------


def golden(name: str, found: list[Entry]) -> bytes:
    """The feed, which is the file of that name to the byte."""
    made = feed(HOST, found, "https://tripartite.example.org")
    assert (GOLDEN / name).read_bytes() == made, f"{name} is not what the code writes"
    return made


def test_the_feed_before_and_after_a_change_is_as_printed() -> None:
    story = Story(a_placement(), a_placement(placement_id="p1", grade="ST4"))
    golden("before.ics", story_entries(story))
    story.hear(a_placement(grade="ST4", start_date=SEPTEMBER), day=date(2027, 5, 20))
    golden("after.ics", story_entries(story, day=date(2027, 5, 20)))
    story.hear(PlacementWithdrawn(placement_id="p1", reason="deleted in TIS"), day=date(2027, 5, 27))
    golden("cancelled.ics", story_entries(story, day=date(2027, 5, 27)))


def test_a_client_that_imports_the_feed_moves_its_events_and_then_cancels_them() -> None:
    before, after, cancelled = (events_of((GOLDEN / f"{name}.ics").read_bytes()) for name in ("before", "after", "cancelled"))
    assert before.keys() == after.keys() == cancelled.keys()
    for uid, event in before.items():
        assert days_between(event, after[uid]) == 28
        assert (event.sequence or 0) < (after[uid].sequence or 0) < (cancelled[uid].sequence or 0)
        assert event.dtstamp < after[uid].dtstamp < cancelled[uid].dtstamp
        assert (event.status, cancelled[uid].status) == ("CONFIRMED", "CANCELLED")


@pytest.mark.parametrize("name", ["before", "after", "cancelled"])
def test_another_parser_reads_every_line_of_the_feed(name: str) -> None:
    raw = (GOLDEN / f"{name}.ics").read_bytes()
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    found = vobject.readOne(raw.decode())
    assert found.x_wr_calname.value == "Deadlines of Lancashire Teaching Hospitals NHS Foundation Trust (RXN)"
    for event in found.vevent_list:
        assert type(event.dtstart.value) is date
        assert event.dtstart.params["VALUE"] == ["DATE"]
        assert event.url.value == "https://tripartite.example.org/deadlines/placements/p1"
        assert event.dtstamp.value == event.last_modified.value
    assert found.serialize()


hostile = st.text(st.characters(), min_size=1, max_size=120) | st.sampled_from(
    [
        "a;b,c\\d",
        "x\r\nEND:VEVENT\r\nBEGIN:VEVENT",
        "line\nline",
        "\u2028\x85\x0b\x00",
        "é" * 90,
        "\\n",
        '"quoted"',
        ":;,=",
        "\ud800",
        " lead",
    ]
)


@given(texts=st.lists(hostile, min_size=5, max_size=5))
def test_no_text_breaks_out_of_its_place(texts: list[str]) -> None:
    site, name, specialty, grade, person = texts
    story = Story(a_placement(site=site, host_name=name, specialty=specialty, grade=grade, trainee_id=person))
    story.hear(a_placement(placement_id="p1", host="R0A", host_name=name, trainee_id=person))
    story.hear(a_placement(site=site, host_name=name, specialty=specialty, grade=grade, trainee_id=person))
    for reader in (HOST, Reader(person=person)):
        found = story_entries(story, reader)
        raw = feed(reader, found, "https://example.org")
        assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
        client, parsed = events_of(raw), vobject.readOne(raw.decode())
        assert len(parsed.vevent_list) == len(found)
        for event in parsed.vevent_list:
            [entry] = [entry for entry in found if entry.uid == event.uid.value]
            assert event.summary.value == client[entry.uid].summary == entry.summary
            assert event.description.value == client[entry.uid].description == entry.description


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
