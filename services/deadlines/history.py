"""What was known on a past day: a placement's file as it stood at the end of that day in England.

Two times are told apart. When a thing *happened* is in the facts themselves (``start_date``, ``due``, ``issued_on``); when it was *known*
is the day on which it was heard here. A document that went out in May and was recorded in June is not known in May. Whatever can be
asked of a file today (standing, evidence, chain of lateness, compliance) can be asked of :func:`as_known` in the same words.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.deadlines.decisions import PlacementFile
from services.deadlines.evidence import standing
from services.deadlines.models import AsHeard, Deadline, Document, Placement, PlacementVersion, Waiver
from shared.event_data import names_of
from shared.worker import today
from shared.writing import new

Row = TypeVar("Row", Deadline, Document, Placement, Waiver)


def read_versions(session: Session, files: Mapping[str, PlacementFile]) -> None:
    """Read the versions that these placements have left behind, each into its file."""
    if not files:
        return
    versions = select(PlacementVersion).where(PlacementVersion.placement_id.in_(files))
    for version in session.scalars(versions.order_by(PlacementVersion.heard_at)):
        files[version.placement_id].versions.append(version)


def as_known(file: PlacementFile, day: date) -> PlacementFile:
    """The file as it was known at the end of a day; its versions must have been read. The file itself is left as it is.

    Without a placement, if none had been heard of by then.
    """
    then = PlacementFile(
        placement=_placement(file, day),
        documents=[_document(document, day) for document in file.documents if today(document.heard_at) <= day],
        waivers=[_waiver(waiver, day) for waiver in file.waivers if today(waiver.given_at) <= day],
    )
    then.deadlines = [_deadline(then, deadline, day) for deadline in file.deadlines if deadline.set_on <= day]
    return then


def _placement(file: PlacementFile, day: date) -> Placement | None:
    after = [version for version in file.versions if today(version.replaced_at) > day]
    found = min(after, key=lambda version: version.replaced_at, default=None)
    then = file.placement if found is None else new(Placement)(**{name: getattr(found, name) for name in names_of(AsHeard)})
    return then if then is not None and today(then.heard_at) <= day else None


def _document(document: Document, day: date) -> Document:
    if document.withdrawn_at is None or today(document.withdrawn_at) <= day:
        return document
    return _copy(document, withdrawn_at=None, withdrawn_by="", withdrawn_because="")


def _waiver(waiver: Waiver, day: date) -> Waiver:
    if waiver.ended_at is None or today(waiver.ended_at) <= day:
        return waiver
    return _copy(waiver, ended_at=None, ended_by="", ended_because="")


def _deadline(then: PlacementFile, deadline: Deadline, day: date) -> Deadline:
    """A deadline that ended by that day is as it ended; of one that counted, what was known then says where it stood."""
    if deadline.withdrawn_on is not None and deadline.withdrawn_on <= day:
        return deadline
    counted = _copy(deadline, state="set", issued_on=None, withdrawn_on=None, reason="")
    stood = standing(then, counted, day)
    counted.state, counted.issued_on, counted.next_on = stood.state, stood.issued_on, stood.next_on
    return counted


def _copy(row: Row, **changes: Any) -> Row:
    copied: Row = new(type(row))(**{**{name: getattr(row, name) for name in _names(type(row))}, **changes})
    return copied


def _names(mapped: type[Any]) -> list[str]:
    return [column.key for column in mapped.__table__.columns]
