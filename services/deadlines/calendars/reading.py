"""Whose calendar it is, and the placements and deadlines that it is made of."""

from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from services.deadlines.models import AsHeard, Deadline, Document, Placement, PlacementVersion, Waiver

PAST = timedelta(days=60)
"""How long what is over stays to be seen."""
CANCELLED = timedelta(days=90)
"""How long what was withdrawn is shown as cancelled, so that every reader's calendar hears of it."""


@dataclass(frozen=True)
class Reader:
    """Whose calendar it is: a host's (ODS code) or a person's (TIS person id); one of the two is empty."""

    host: str = ""
    person: str = ""

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
    """A placement with every deadline it ever had that concerns the reader, and what has happened to these: documents and waivers."""

    placement: Placement
    deadlines: list[Deadline] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    waivers: list[Waiver] = field(default_factory=list)


def read_duties(session: Session, reader: Reader, day: date) -> list[Duties]:
    """The placements that a reader's calendar may show on a day, each with every deadline of the reader's there: four queries.

    Found by way of the placements that are or were the reader's: every deadline has one, and comes before its start.
    """
    wanted = select(Placement.placement_id).where(_theirs(Placement, reader, day))
    before = select(PlacementVersion.placement_id).where(_theirs(PlacementVersion, reader, day))
    placed = select(Placement).where(Placement.placement_id.in_(wanted.union(before)))
    found = {placement.placement_id: Duties(placement) for placement in session.scalars(placed)}
    mine = Deadline.trainee_id == reader.person if reader.person else Deadline.host == reader.host
    for deadline in session.scalars(select(Deadline).where(mine, Deadline.placement_id.in_(found))):
        found[deadline.placement_id].deadlines.append(deadline)
    for document in session.scalars(select(Document).where(Document.placement_id.in_(found))):
        found[document.placement_id].documents.append(document)
    for waiver in session.scalars(select(Waiver).where(Waiver.placement_id.in_(found))):
        found[waiver.placement_id].waivers.append(waiver)
    return list(found.values())


def _theirs(known: type[AsHeard], reader: Reader, day: date) -> ColumnElement[bool]:
    mine = known.trainee_id == reader.person if reader.person else known.host == reader.host
    return and_(mine, known.start_date >= day - PAST - CANCELLED)
