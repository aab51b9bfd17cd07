"""Evidence: which document met a deadline, and where a deadline stands on a day.

Both are questions to a placement's file, without a trace left in it. What was said of a deadline (``state``, ``issued_on``) stands in its
row; :func:`standing` is what it must be by the rules, today or on a past day (history.py).
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from services.deadlines import waivers
from services.deadlines.duties import reminded_on
from services.deadlines.models import Deadline, Document, Placement

if TYPE_CHECKING:
    from services.deadlines.decisions import PlacementFile

BY_SITE = ("placement-information", "work-schedule", "duty-roster")
"""The documents that say where, or for where.

The host and the doctor are told of the placement's location (``cop-host-12w``, ``cop-trainee-12w``), and hours and shifts are those of
a place (``cop-host-work-schedule``, OF-1): moved to another site of the same host, the doctor is owed all three anew. The contract is
with the lead employer, and the pay does not hang on the site: they stay.
"""


def evidence(file: "PlacementFile", deadline: Deadline) -> Document | None:
    """The document that meets a deadline: of those that fit it the one that went out first, of those of one day the one heard first."""
    if deadline.counts:
        fitting = [document for document in file.documents if _meets(document, deadline, file.placement)]
    else:  # what met it stays on record as it was when the deadline ended
        fitting = [document for document in file.documents if fits(document, deadline) and document.issued_on == deadline.issued_on]
    return min(fitting, key=_first, default=None)


def _first(document: Document) -> tuple[date, bool, datetime, str]:
    return document.issued_on, document.withdrawn_at is not None, document.heard_at, document.document_id


def _meets(document: Document, deadline: Deadline, placement: Placement | None) -> bool:
    return document.withdrawn_at is None and fits(document, deadline) and document.issued_on >= _since(placement, deadline)


def _since(placement: Placement | None, deadline: Deadline) -> date:
    """The day from which a document counts: not for another doctor, nor, if it says where, for another site."""
    doctor = (placement and placement.doctor_since) or date.min
    site = (placement and placement.site_since) or date.min
    return max(doctor, site) if deadline.duty in BY_SITE else doctor


def fits(document: Document, deadline: Deadline) -> bool:
    """Whether a document is the one that was due: kind, reader, host, and issued by the party that owes it."""
    issuers = {"host": deadline.host, "lead-employer": deadline.lead_employer}
    found = (document.kind, document.issued_to, document.host, document.issued_by)
    return found == (deadline.duty, deadline.recipient, deadline.host, issuers.get(deadline.owner, document.issued_by))


@dataclass(frozen=True)
class Standing:
    """Where a deadline stands; ``next_on`` is the day on which the clock must look again."""

    state: str
    issued_on: date | None = None
    next_on: date | None = None


def standing(file: "PlacementFile", deadline: Deadline, day: date) -> Standing:
    """Where a deadline stands at the end of a day: evidence comes before a waiver, a waiver before the due day."""
    if not deadline.counts:
        return Standing(deadline.state, deadline.issued_on)
    if (document := evidence(file, deadline)) is not None:
        return Standing("met-late" if document.issued_on > deadline.due else "met", document.issued_on)
    if (waiver := waivers.in_force(file, deadline, day)) is not None:
        return Standing("waived", next_on=waiver.until + timedelta(days=1))
    if day > deadline.due:
        return Standing("missed")
    if day >= (reminder := reminded_on(deadline.due, deadline.set_on)):
        return Standing("approaching", next_on=deadline.due + timedelta(days=1))
    return Standing("set", next_on=reminder)
