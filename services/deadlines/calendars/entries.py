"""What stands in a reader's calendar on a day: one entry for a duty of a placement, and a person's first days. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import quote

from services.deadlines.calendars.reading import CANCELLED, PAST, Duties, Reader
from services.deadlines.calendars.wording import day_with_weekday, description, one_line, organisation, summary, words
from services.deadlines.duties import reminded_on
from services.deadlines.evidence import fits
from services.deadlines.models import Deadline, Placement
from shared.plain import printable
from shared.wire import short_hash
from shared.worker import today as day_of


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
            yield _due(reader, duties, revisions)
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


def _due(reader: Reader, duties: Duties, revisions: Sequence[Deadline]) -> Entry:
    """A duty, as its newest revision has it. Every change of any of them has counted one up."""
    placement, deadline = duties.placement, revisions[-1]
    return Entry(
        uid=_uid(deadline.placement_id, deadline.duty, deadline.recipient),
        sequence=sum(each.version for each in revisions) - 1 + placement.changes,
        changed_on=max(_changed_on(placement), *(_last_change(duties, revision) for revision in revisions)),
        day=deadline.due,
        summary=summary(reader, deadline),
        description=description(placement, deadline),
        location=one_line(placement.place if deadline.counts else ""),
        categories=(words(deadline.duty), "Owed" if reader.owes(deadline) else "Awaited"),
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
        f"{placement.specialty}, {placement.grade}, at {placement.place}; whole-time equivalent {placement.whole_time_equivalent:.2f}.",
        f"It ends on {day_with_weekday(placement.end_date)}. The lead employer is {organisation(placement.lead_employer)}.",
    ]
    gone = ["This placement will not happen." if theirs else "Another doctor takes this placement."]
    return Entry(
        uid=_uid(placement.placement_id, "start"),
        sequence=placement.changes,
        changed_on=_changed_on(placement),
        day=day,
        summary=one_line(f"Cancelled: placement {placement.placement_id}" if cancelled else f"Placement starts at {where}"),
        description=printable("\n".join(gone if cancelled else described), kept="\n"),
        location=one_line("" if cancelled else placement.place),
        categories=("Placement",),
        path=f"/deadlines/placements/{quote(placement.placement_id, safe='')}",
        cancelled=cancelled,
    )


def _uid(placement_id: str, *what: str) -> str:
    return f"{short_hash(' '.join((placement_id, *what)))}@tripartite"


def _changed_on(placement: Placement) -> date:
    return day_of(placement.heard_at)


def _last_change(duties: Duties, deadline: Deadline) -> date:
    """The last day on which something is known to have changed about a deadline. It never goes back: what was taken back changed it too."""
    if not deadline.counts:
        return deadline.withdrawn_on or deadline.set_on
    days = [deadline.set_on, *_changed_by_documents(duties, deadline), *_changed_by_waivers(duties, deadline)]
    if deadline.state == "approaching":
        days.append(reminded_on(deadline.due, deadline.set_on))
    if deadline.state == "missed":
        days.append(deadline.due + timedelta(days=1))
    return max(days)


def _changed_by_documents(duties: Duties, deadline: Deadline) -> Iterator[date]:
    """The days on which what met a deadline was heard, and on which a document of it was taken back."""
    for document in duties.documents:
        if fits(document, deadline):
            if document.withdrawn_at is not None:
                yield day_of(document.withdrawn_at)
            elif document.issued_on == deadline.issued_on:
                yield day_of(document.heard_at)


def _changed_by_waivers(duties: Duties, deadline: Deadline) -> Iterator[date]:
    """The days on which a deadline was waived, and on which a waiver of it was ended, or was over and the clock said so."""
    for waiver in duties.waivers:
        if waiver.deadline_id == deadline.deadline_id:
            yield day_of(waiver.given_at)
            if waiver.ended_at is not None:
                yield day_of(waiver.ended_at)
            elif deadline.state in ("set", "approaching", "missed"):
                yield waiver.until + timedelta(days=1)
