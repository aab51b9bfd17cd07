"""A calendar as an RFC 5545 feed, read by another parser and by a real client's calendar engine; no text breaks out of its place."""

from datetime import date

import pytest
import vobject
from hypothesis import given
from hypothesis import strategies as st

from services.deadlines.calendars.entries import Entry
from services.deadlines.calendars.feed import feed
from services.deadlines.calendars.reading import Reader
from shared.events import PlacementWithdrawn
from tests.deadlines.feeds import HOST, SEPTEMBER, days_between, events_of, story_entries
from tests.deadlines.stories import Story
from tests.helpers import HOUSE, a_placement

GOLDEN = HOUSE / "tests" / "deadlines" / "calendars"


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
