"""What the tests of calendars share: the entries that a story makes, and a feed's events as a client has them."""

from datetime import date

from ical.calendar_stream import IcsCalendarStream
from ical.event import Event as ClientEvent

from services.deadlines.calendars.entries import Entry, entries
from services.deadlines.calendars.reading import Duties, Reader
from tests.deadlines.stories import FIRST, Story

SEPTEMBER = date(2027, 9, 1)
HOST, PERSON = Reader(host="RXN"), Reader(person="t1")


def events_of(ics: bytes | str) -> dict[str, ClientEvent]:
    """The events as a client has them, by UID."""
    text = ics.decode() if isinstance(ics, bytes) else ics
    found = IcsCalendarStream.calendar_from_ics(text)
    by_uid = {event.uid: event for event in found.events}
    assert len(by_uid) == len(found.events), "a UID stands once"
    return by_uid


def days_between(before: ClientEvent, after: ClientEvent) -> int:
    assert isinstance(before.dtstart, date)
    assert isinstance(after.dtstart, date)
    return (after.dtstart - before.dtstart).days


def story_entries(story: Story, reader: Reader = HOST, day: date = FIRST) -> list[Entry]:
    file = story.file
    assert file.placement is not None
    return entries(reader, [Duties(file.placement, file.deadlines, file.documents, file.waivers)], day)
