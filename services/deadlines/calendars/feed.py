"""Entries -> an iCalendar feed (RFC 5545), the same bytes for the same entries. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache

import icalendar

from services.deadlines.calendars.entries import Entry
from services.deadlines.calendars.reading import Reader
from services.deadlines.calendars.wording import calendar_name
from shared.wire import short_hash

MOST_ENTRIES = 2_000
"""More than a host of 500 doctors a rotation has."""
REFRESH = timedelta(hours=1)
PRODUCT = "-//Tripartite//Deadlines//EN"


def tag(reader: Reader, found: Sequence[Entry], base: str) -> str:
    """What tells two states of a feed apart, without writing it out."""
    return short_hash(repr((reader, base, _note(found), found[:MOST_ENTRIES])))


def feed(reader: Reader, found: Sequence[Entry], base: str) -> bytes:
    """The feed. Of more than MOST_ENTRIES entries the earliest are given, and the feed says so.

    :param base: what the URL of an entry begins with: ``https://example.org``.
    """
    made = icalendar.Calendar()
    made.add("version", "2.0")
    made.add("prodid", PRODUCT)
    made.add("calscale", "GREGORIAN")
    made.add("name", calendar_name(reader))
    made.add("x-wr-calname", icalendar.vText(calendar_name(reader)))
    made.add("x-wr-caldesc", icalendar.vText(_note(found)))
    made.add("x-wr-timezone", "Europe/London")
    made.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    made.add("x-published-ttl", "PT1H")
    head, end, rest = made.to_ical(sorted=False).rpartition(b"END:VCALENDAR")
    return b"".join([head, *(_written(entry, base) for entry in found[:MOST_ENTRIES]), end, rest])


def _note(found: Sequence[Entry]) -> str:
    if len(found) > MOST_ENTRIES:
        return f"The first {MOST_ENTRIES:,} of {len(found):,} entries: a calendar holds no more. GET /deadlines/deadlines has all of them."
    return "What is due for placements, from whom and by when: from 60 days ago on. Days are days in England."


@lru_cache(maxsize=4096)
def _written(entry: Entry, base: str) -> bytes:
    """An event as it is written: of a feed that is read again most are as they were."""
    return bytes(_event(entry, base).to_ical(sorted=False))


def _event(entry: Entry, base: str) -> icalendar.Event:
    changed = datetime.combine(entry.changed_on, time(), UTC)
    made = icalendar.Event()
    made.add("uid", entry.uid)
    made.add("sequence", entry.sequence)
    made.add("dtstamp", changed)
    made.add("last-modified", changed)
    made.add("dtstart", entry.day)
    made.add("dtend", entry.day + timedelta(days=1))
    made.add("summary", entry.summary)
    made.add("description", entry.description)
    if entry.location:
        made.add("location", entry.location)
    made.add("categories", list(entry.categories))
    made.add("url", base.rstrip("/") + entry.path)
    made.add("status", "CANCELLED" if entry.cancelled else "CONFIRMED")
    made.add("transp", "OPAQUE" if entry.takes_time and not entry.cancelled else "TRANSPARENT")
    return made
