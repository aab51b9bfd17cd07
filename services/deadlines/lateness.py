"""Whose lateness was it? The chain of links that ends in a late deadline, the first missed link first.

The reading is the catalogue's (``cop-trainee-12w``): lateness is attributed to the first link that was missed. So information that
reached the host a day late is charged with everything that waited for it and came late, however late; a host that was told in time is
charged itself, though it had only the day of issue to keep (``cop-host-work-schedule``); and a link in time ends the chain, because
lateness is not passed on through it. By how many days each link was late is shown, so that a person can see more than the first of them.

News is a link as well. Whoever first heard of a duty after the day by which its information is due, because the placement itself, or a
change of it, came late, could not be in time: that is charged to the national body, which owes the information, with the day on which it
was heard here.
"""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from services.deadlines.models import Deadline

if TYPE_CHECKING:
    from services.deadlines.decisions import PlacementFile

UPSTREAM = ("national-body", "placement-information", "host")
"""Who owes what to whom when a placement or a change of it is to be made known."""


@dataclass(frozen=True)
class Link:
    """One link of the chain: a late deadline, or late news of the placement.

    ``due`` is the day by which it should have gone out or been heard, ``issued_on`` when it did (None: it has not). Late news has no
    ``rule`` and no ``deadline_id``; it was heard here on ``heard_on``, and ``because`` says what it was.
    """

    owner: str
    duty: str
    recipient: str
    due: date
    issued_on: date | None
    rule: str = ""
    deadline_id: str | None = None
    heard_on: date | None = None
    because: str = ""

    @property
    def days_late(self) -> int:
        """Days between the due day and the day on which it went out or was heard; 0 if it has not."""
        return max(0, (self.issued_on - self.due).days) if self.issued_on else 0

    def late_by(self, day: date) -> int:
        """Days that it came late, or if it has not come, that it is late on a day."""
        return max(0, ((self.issued_on or day) - self.due).days)


def lateness_chain(file: "PlacementFile", deadline: Deadline) -> list[Link]:
    """The chain of late links that ends in this late deadline; the first is the cause."""
    chain = [deadline]
    while (before := _late_before(file, chain[0])) is not None and before not in chain:
        chain.insert(0, before)
    news = _late_news(file, chain[0])
    return [*([news] if news else []), *map(_link, chain)]


def is_late(deadline: Deadline, day: date) -> bool:
    """Whether a deadline was missed, as seen at the end of a day."""
    return deadline.days_late > 0 if deadline.issued_on else deadline.due <= day


def _link(late: Deadline) -> Link:
    return Link(late.owner, late.duty, late.recipient, late.due, late.issued_on, late.rule, late.deadline_id)


def _late_before(file: "PlacementFile", deadline: Deadline) -> Deadline | None:
    link = _link_before(file, deadline)
    return link if link is not None and link.due <= deadline.due and is_late(link, deadline.due) else None


def _link_before(file: "PlacementFile", deadline: Deadline) -> Deadline | None:
    """The deadline that comes before this one in the chain: in the revision that was in force when this one was set.

    What was to be said anew afterwards (another site) cannot have made late what did not have to be. A revision that ended before its
    due day was never late; the next one counts.
    """
    revisions = [other for other in file.deadlines if other.rule == deadline.caused_by]
    revisions.sort(key=lambda link: link.revision)
    later = [link for link in revisions if link.set_on > deadline.set_on]
    candidates = revisions[max(0, len(revisions) - len(later) - 1) :]
    return next((link for link in candidates if link.withdrawn_on is None or link.withdrawn_on > link.due), None)


def _late_news(file: "PlacementFile", first: Deadline) -> Link | None:
    """The news that made the first link of a chain late, if it was heard after the day by which its information is due."""
    told, change = _first_told(file, first)
    before = _link_before(file, first)
    if before is not None and before.issued_on is not None and not before.days_late and _documents_tell(told, change):
        return None  # its owner knew in time, though not from here
    due = before.due if before is not None and before.caused_by == "none" else first.due
    if told.set_on <= due:
        return None
    known = any(other.set_on < told.set_on for other in file.deadlines)
    because = change.reason if change else "the placement changed, and has this duty since" if known else "the placement was first heard of"
    return Link(*UPSTREAM, due, told.set_on, heard_on=told.set_on, because=because)


def _first_told(file: "PlacementFile", deadline: Deadline) -> tuple[Deadline, Deadline | None]:
    """The revision from which a deadline's owner knew that it was due then or sooner, and the revision that this one replaced."""
    revisions = {other.revision: other for other in file.deadlines if other.rule == deadline.rule}
    told, before = deadline, revisions.get(deadline.revision - 1)
    while before is not None and before.withdrawn_on == told.set_on and _told_as_much(before, told):
        told, before = before, revisions.get(before.revision - 1)
    return told, before


def _told_as_much(before: Deadline, after: Deadline) -> bool:
    """Whether a duty was known from the revision before: the start only moved away, or a party changed that has no part in it."""
    if (before.host, before.trainee_id) != (after.host, after.trainee_id):
        return False
    new_employer = before.lead_employer != after.lead_employer
    if new_employer and "lead-employer" in (after.owner, after.recipient):
        return False
    return before.due < after.due or (before.due == after.due and new_employer)


def _documents_tell(told: Deadline, change: Deadline | None) -> bool:
    """Whether a document of the link before shows that this was known: not if it may be older than a new start or lead employer.

    What went out for another host, doctor or site does not count for this one in the first place.
    """
    if change is None or (change.host, change.trainee_id) != (told.host, told.trainee_id):
        return True
    same = (change.start_date, change.lead_employer) == (told.start_date, told.lead_employer)
    return same and change.withdrawn_on == told.set_on
