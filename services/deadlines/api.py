"""HTTP in: placements with their deadlines, and deadlines by whom and what they concern. What people do to them is in people.py."""

from datetime import date
from typing import Any

from flask import Response, request
from flask_smorest import Blueprint
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.deadlines.consumers import Known
from services.deadlines.decisions import PlacementFile
from services.deadlines.history import as_known, read_versions
from services.deadlines.models import AlertReceipt, Deadline, Placement, PlacementVersion
from services.deadlines.schemas import PlacementSchema
from services.deadlines.shown import deadline_shown, placement_shown
from shared.answers import answer, listed, narrowed, running
from shared.database import transaction
from shared.errors import Refused, UnknownResource
from shared.query import LOWEST_FIRST, asked, heeds, one_of, takes
from shared.requests import past_day
from shared.worker import today

STATES = ("set", "approaching", "missed", "met", "met-late", "waived", "withdrawn")
NARROWED = {
    "host": Deadline.host,
    "lead_employer": Deadline.lead_employer,
    "placement": Deadline.placement_id,
    "duty": Deadline.duty,
    "owner": Deadline.owner,
}
"""What a list of deadlines can be held to, by the name of the query parameter."""
routes = Blueprint("deadlines", __name__, description="What is due, from whom, by when; was it on time")


@routes.get("/placements")
@takes("host", "lead_employer", "person", *LOWEST_FIRST)
def list_placements() -> Response:
    """Placements as they now are, by id: at a ``?host=``, of a ``?lead_employer=`` (ODS codes) or a ``?person=`` (TIS person id)."""
    wanted = narrowed(select(Placement), host=Placement.host, lead_employer=Placement.lead_employer, person=Placement.trainee_id)
    return listed(wanted, Placement.placement_id, PlacementSchema().dump)


@routes.get("/placements/<path:placement_id>")
@heeds("as_at")
def show_placement(placement_id: str) -> Response:
    """A placement, every deadline it ever had with its evidence, its documents, and what became of the alerts about it.

    ``?as_at=2027-05-05``: as all this was known at the end of that day in England, without the alerts, which are of now.
    """
    day, now = asked_day(), today(running().now())
    with transaction(running().worker.engine) as session:
        files = Known(session, {placement_id}).files
        file = files[placement_id]
        if day:
            read_versions(session, files)
            file = as_known(file, day)
        if file.placement is None:
            raise UnknownResource(f"No placement {placement_id} was heard of here{f' by {day}' if day else ''}.")
        regarding = {placement_id, *(deadline.deadline_id for deadline in file.deadlines)}
        receipts = [] if day else list(session.scalars(select(AlertReceipt).where(AlertReceipt.regarding.in_(regarding))))
    alerts = [
        {"kind": row.kind, "recipient": row.recipient_id, "channel": row.channel, "status": row.status, "detail": row.detail}
        for row in receipts
    ]
    return answer({**placement_shown(file, day or now), "alerts": alerts})


@routes.get("/deadlines")
@takes(*NARROWED, "person", one_of("status", STATES), "as_at", *LOWEST_FIRST)
def list_deadlines() -> Response:
    """Deadlines by id: ``?host=``, ``?lead_employer=`` (ODS codes), ``?person=`` (TIS person id), ``?placement=``, ``?duty=``, ``?owner=``.

    ``?status=``: those that are set, approaching, missed, met, met-late, waived or withdrawn.
    ``?as_at=2027-05-05``: as they were known at the end of that day. A page then holds those of the next so many that had the status.
    """
    day, files = asked_day(), dict[str, PlacementFile]()
    wanted = narrowed(select(Deadline), **NARROWED)
    if person := asked("person"):
        # found by way of the placements, which have an index; the last condition alone decides
        theirs = select(Placement.placement_id).where(Placement.trainee_id == person)
        before = select(PlacementVersion.placement_id).where(PlacementVersion.trainee_id == person)
        wanted = wanted.where(Deadline.placement_id.in_(theirs.union(before)), Deadline.trainee_id == person)
    wanted = wanted.where(Deadline.set_on <= day) if day else narrowed(wanted, status=Deadline.state)

    def note(session: Session, rows: list[Deadline]) -> None:
        files.update(Known(session, {row.placement_id for row in rows}).files)
        if day:
            read_versions(session, files)
            files.update({placement_id: as_known(file, day) for placement_id, file in files.items()})

    def show(row: Deadline) -> dict[str, Any] | None:
        file = files[row.placement_id]
        [deadline] = [known for known in file.deadlines if known.deadline_id == row.deadline_id]
        shown = deadline_shown(file, deadline, day or today(running().now()))
        return shown if not day or request.args.get("status") in (None, "", shown["state"]) else None

    return listed(wanted, Deadline.deadline_id, show, note=note)


def asked_day() -> date | None:
    """The past day as at which an answer is asked for (``?as_at=``); None for today.

    :raises Refused: it is no day, or has not come yet.
    """
    given, now = request.args.get("as_at"), today(running().now())
    try:
        day = past_day(given, now) if given else now
    except ValueError as error:
        raise Refused("What was known cannot be shown.", {"as_at": str(error)}) from None
    return day if day != now else None
