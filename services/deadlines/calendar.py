"""What is due, as a calendar: the deadlines of a host or of a person -> an iCalendar feed (RFC 5545). Pure: rows and a day in, bytes out.

A duty of a placement is one VEVENT whose UID stays through every revision, so that a changed deadline moves in a reader's calendar
instead of standing there twice; SEQUENCE counts every change of it. Nothing in a feed hangs on the time at which it is read: DTSTAMP and
LAST-MODIFIED are days from the data, and the same state gives the same bytes. What was withdrawn is shown as cancelled for a while.

Read from the top: whose calendar it is, its entries, then an entry in words, then iCalendar. Who may read one is calendars.py.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from urllib.parse import quote

import icalendar

from services.deadlines.duties import POLICY, approaching_notice
from services.deadlines.models import Deadline, Placement
from shared.organisations import names_by_code
from shared.policies import load_policies, load_sources
from shared.wire import fingerprint
from shared.worker import today as day_of

PAST = timedelta(days=60)
"""How long what is over stays to be seen."""
CANCELLED = timedelta(days=90)
"""How long what was withdrawn is shown as cancelled, so that every reader's calendar hears of it."""
MOST_ENTRIES = 2_000
"""More than a host of 500 doctors a rotation has."""
REFRESH = timedelta(hours=1)
PRODUCT = "-//Tripartite//Deadlines//EN"


@dataclass(frozen=True)
class Reader:
    """Whose calendar it is: a host's (ODS code) or a person's (TIS person id); one of the two is empty."""

    host: str = ""
    person: str = ""

    @property
    def name(self) -> str:
        """What the calendar is called. A person is called by the id."""
        return f"Deadlines of {organisation(self.host)}" if self.host else f"Placements of doctor {self.person}"

    def concerns(self, deadline: Deadline) -> bool:
        """Whether a deadline belongs here: what the host owes or waits for at its own placements; what is due to the person."""
        if self.person:
            return deadline.trainee_id == self.person and deadline.recipient == "trainee"
        return deadline.host == self.host and (self.owes(deadline) or self.waits(deadline))

    def owes(self, deadline: Deadline) -> bool:
        """Whether the host owes it; a host that employs its own doctors owes what the lead employer owes as well."""
        owner = {"host": deadline.host, "lead-employer": deadline.lead_employer}.get(deadline.owner)
        return bool(self.host) and owner == self.host

    def waits(self, deadline: Deadline) -> bool:
        """Whether the host is whom it is owed to."""
        receiver = {"host": deadline.host, "lead-employer": deadline.lead_employer}.get(deadline.recipient)
        return bool(self.host) and receiver == self.host


@dataclass
class Duties:
    """A placement with every deadline it ever had that concerns the reader."""

    placement: Placement
    deadlines: list[Deadline] = field(default_factory=list)


@dataclass(frozen=True)
class Entry:
    """One event of a calendar, in words."""

    uid: str
    sequence: int
    changed_on: date
    day: date
    summary: str
    description: str
    location: str
    categories: tuple[str, ...]
    path: str
    cancelled: bool = False
    takes_time: bool = True


# ---- entries -------------------------------------------------------------------------------------------------------


def entries(reader: Reader, found: Iterable[Duties], day: date) -> list[Entry]:
    """What stands in a reader's calendar on a day, by day and UID: what is due from 60 days ago on, and what was lately withdrawn."""
    made = [entry for duties in found for entry in _entries(reader, duties, day)]
    return sorted(made, key=lambda entry: (entry.day, entry.uid))


def _entries(reader: Reader, duties: Duties, day: date) -> Iterator[Entry]:
    by_duty: dict[tuple[str, str], list[Deadline]] = defaultdict(list)
    for deadline in duties.deadlines:
        if reader.concerns(deadline):
            by_duty[deadline.duty, deadline.recipient].append(deadline)
    for revisions in by_duty.values():
        revisions.sort(key=lambda deadline: (deadline.counts, deadline.withdrawn_on or date.max, deadline.set_on, deadline.revision))
        if _shown(revisions[-1], day):
            yield _due(reader, duties.placement, revisions)
    if reader.person and (start := _start(reader, duties)) is not None and _start_shown(start, day):
        yield start


def _shown(deadline: Deadline, day: date) -> bool:
    if deadline.counts:
        return deadline.due >= day - PAST
    withdrawn_on = deadline.withdrawn_on or deadline.set_on
    return withdrawn_on >= day - CANCELLED and deadline.due >= withdrawn_on - PAST  # it was there to be cancelled


def _start_shown(entry: Entry, day: date) -> bool:
    if entry.cancelled:
        return entry.changed_on >= day - CANCELLED and entry.day >= entry.changed_on - PAST
    return entry.day >= day - PAST


def _due(reader: Reader, placement: Placement, revisions: Sequence[Deadline]) -> Entry:
    """A duty, as its newest revision has it. Every change of any of them has counted one up."""
    deadline = revisions[-1]
    return Entry(
        uid=_uid(deadline.placement_id, deadline.duty, deadline.recipient),
        sequence=sum(each.version for each in revisions) - 1 + placement.changes,
        changed_on=max(_changed_on(placement), *map(_last_change, revisions)),
        day=deadline.due,
        summary=_line(_MARKS.get(deadline.state, "") + _summary(reader, deadline)),
        description=_plain("\n".join(_description(placement, deadline))),
        location=_line(placement.site if deadline.counts else ""),
        categories=(_words(deadline.duty), "Owed" if reader.owes(deadline) else "Awaited"),
        path=f"/deadlines/placements/{quote(deadline.placement_id, safe='')}",
        cancelled=not deadline.counts,
        takes_time=deadline.state in ("set", "approaching", "missed"),
    )


def _start(reader: Reader, duties: Duties) -> Entry | None:
    """The first day of the person's placement; cancelled if it will not happen, or another doctor has it now."""
    placement = duties.placement
    theirs = placement.trainee_id == reader.person
    own = [deadline for deadline in duties.deadlines if deadline.trainee_id == reader.person]
    if not theirs and not own:
        return None
    day = placement.start_date if theirs else max(own, key=lambda deadline: (deadline.set_on, deadline.revision)).start_date
    cancelled = not theirs or placement.withdrawn is not None
    where = organisation(placement.host, placement.host_name)
    described = [
        f"{placement.specialty}, {placement.grade}, at {placement.site}; whole-time equivalent {placement.whole_time_equivalent:.2f}.",
        f"It ends on {_day(placement.end_date)}. The lead employer is {organisation(placement.lead_employer)}.",
    ]
    gone = ["This placement will not happen." if theirs else "Another doctor takes this placement."]
    return Entry(
        uid=_uid(placement.placement_id, "start"),
        sequence=placement.changes,
        changed_on=_changed_on(placement),
        day=day,
        summary=_line(f"Cancelled: placement {placement.placement_id}" if cancelled else f"Placement starts at {where}"),
        description=_plain("\n".join(gone if cancelled else described)),
        location=_line("" if cancelled else placement.site),
        categories=("Placement",),
        path=f"/deadlines/placements/{quote(placement.placement_id, safe='')}",
        cancelled=cancelled,
    )


def _uid(placement_id: str, *what: str) -> str:
    return f"{fingerprint(' '.join((placement_id, *what)))}@tripartite"


def _changed_on(placement: Placement) -> date:
    return day_of(placement.heard_at)


def _last_change(deadline: Deadline) -> date:
    """The last day on which something is known to have changed about a deadline, from what its row says."""
    days = [deadline.set_on, deadline.withdrawn_on, deadline.issued_on]
    if deadline.state == "approaching":
        days.append(deadline.due - timedelta(days=approaching_notice(deadline.set_on)))
    if deadline.state == "missed":
        days.append(deadline.due + timedelta(days=1))
    return max(day for day in days if day is not None)


# ---- words ---------------------------------------------------------------------------------------------------------

_MARKS = {"met": "Done: ", "met-late": "Done late: ", "missed": "Missed: ", "waived": "Waived: ", "withdrawn": "Cancelled: "}
_STATES = {
    "set": "Nothing has been issued yet.",
    "approaching": "The due day is near and nothing has been issued yet.",
    "missed": "The due day is over and nothing has been issued.",
    "waived": "The duty has been waived.",
}


def organisation(code: str, name: str = "") -> str:
    """An organisation as a person knows it: its name with its code; its code alone if nobody has named it."""
    known = name or names_by_code().get(code, "")
    return f"{known} ({code})" if known else code


def _party(deadline: Deadline, role: str) -> str:
    return {
        "national-body": "the national body",
        "host": organisation(deadline.host, deadline.host_name),
        "lead-employer": organisation(deadline.lead_employer),
        "trainee": f"doctor {deadline.trainee_id}",
    }.get(role, role)


def _summary(reader: Reader, deadline: Deadline) -> str:
    duty = _words(deadline.duty)
    if reader.person:
        return f"{duty} due from {_party(deadline, deadline.owner)}"
    if not reader.owes(deadline):
        return f"{duty} of doctor {deadline.trainee_id} due from {_party(deadline, deadline.owner)}"
    if deadline.recipient == "trainee":
        return f"{duty} due to doctor {deadline.trainee_id}"
    return f"{duty} of doctor {deadline.trainee_id} due to {_party(deadline, deadline.recipient)}"


def _description(placement: Placement, deadline: Deadline) -> Iterator[str]:
    owner, recipient = _party(deadline, deadline.owner), _party(deadline, deadline.recipient)
    yield f"{_words(deadline.duty)} from {owner} to {recipient}, for the placement of doctor {deadline.trainee_id}."
    yield f"Due by {_day(deadline.due)}; that day is in time. The placement starts on {_day(deadline.start_date)}."
    if deadline.counts:
        yield f"It is {placement.specialty}, {placement.grade}, at {placement.site}."
    if deadline.issued_on:
        late = f", {deadline.days_late} days late" if deadline.days_late else ", in time"
        yield f"Issued on {_day(deadline.issued_on)}{late}."
    if deadline.state == "withdrawn":
        yield f"No longer due: {deadline.reason}."
    elif deadline.state in _STATES:
        yield _STATES[deadline.state]
    yield from _why(deadline.rule)
    yield f"Placement {deadline.placement_id}, rule {deadline.rule}, decision {deadline.decision_id}."


@cache
def _why(rule_id: str) -> tuple[str, ...]:
    """Why it is due: the rule in its own words, and where it stands."""
    rules = {rule.id: rule for rule in load_policies("deadlines")[POLICY].rules}
    if rule_id not in rules:
        return ()  # of a policy of the past
    cite = rules[rule_id].cite
    title = load_sources()[cite.source]["title"]
    return (f"Why: {rules[rule_id].because}", f"Source: {title}, {cite.section} ({cite.entry}).")


def _words(name: str) -> str:
    return name.replace("-", " ").capitalize()


def _day(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B %Y}"


def _plain(text: str) -> str:
    """A text that may have come from anywhere, fit for a calendar: line breaks stay, no other control character does."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)


def _line(text: str) -> str:
    """The same in one line."""
    return _plain(text).replace("\n", " ")


# ---- iCalendar -----------------------------------------------------------------------------------------------------


def tag(reader: Reader, found: Sequence[Entry], base: str) -> str:
    """What tells two states of a feed apart, without writing it out."""
    return fingerprint(repr((reader, base, _note(found), found[:MOST_ENTRIES])))


def feed(reader: Reader, found: Sequence[Entry], base: str) -> bytes:
    """The feed. Of more than MOST_ENTRIES entries the earliest are given, and the feed says so.

    :param base: what the URL of an entry begins with: ``https://example.org``.
    """
    made = icalendar.Calendar()
    made.add("version", "2.0")
    made.add("prodid", PRODUCT)
    made.add("calscale", "GREGORIAN")
    made.add("name", _line(reader.name))
    made.add("x-wr-calname", icalendar.vText(_line(reader.name)))
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
