"""HTTP in: placements with their deadlines, deadlines by host and state, and TIS's own messages."""

from collections.abc import Mapping
from typing import Any

from flask import Response, request
from flask_smorest import Blueprint
from sqlalchemy import select

from services.deadlines.consumers import Known
from services.deadlines.decisions import PlacementFile, is_late, lateness_chain
from services.deadlines.models import AlertReceipt, Deadline
from services.deadlines.schemas import DeadlineSchema, DocumentSchema, PlacementSchema
from services.deadlines.upstream import message_from_tis
from shared.answers import answer, listed, narrowed, one_of, running, sent_json
from shared.database import transaction
from shared.errors import MalformedEvent, UnknownResource
from shared.service import accept
from shared.wire import parse_json
from shared.worker import today

STATES = ("set", "approaching", "missed", "met", "met-late", "withdrawn")
routes = Blueprint("deadlines", __name__, description="What is due, from whom, by when; was it on time")


@routes.post("/upstream/tis")
def take_tis() -> Response:
    """Take TIS placement messages as they are: one, a list, or JSON Lines. All are taken, or none."""
    if request.mimetype == "application/x-ndjson":
        lines = enumerate(request.get_data().split(b"\n"))
        return accept([_line(number, line) for number, line in lines if line.strip()], message_from_tis)
    return accept(sent_json(), message_from_tis)


def _line(number: int, line: bytes) -> Any:
    try:
        return parse_json(line)
    except MalformedEvent as error:
        raise MalformedEvent("A line is not usable; nothing was taken.", {str(number): error.detail}) from error


@routes.get("/placements/<placement_id>")
def show_placement(placement_id: str) -> Response:
    """A placement, every deadline it ever had, its documents, and what became of the alerts about it."""
    with transaction(running().worker.engine) as session:
        file = Known(session, {placement_id}).files.get(placement_id)
        if file is None or file.placement is None:
            raise UnknownResource(f"No placement {placement_id} was heard of here.")
        regarding = {placement_id, *(deadline.deadline_id for deadline in file.deadlines)}
        receipts = list(session.scalars(select(AlertReceipt).where(AlertReceipt.regarding.in_(regarding))))
    return answer(
        {
            **_shown(PlacementSchema().dump(file.placement)),
            "deadlines": [_deadline(file, deadline) for deadline in file.deadlines],
            "documents": DocumentSchema(many=True).dump(file.documents),
            "alerts": [
                {"kind": row.kind, "recipient": row.recipient_id, "channel": row.channel, "status": row.status, "detail": row.detail}
                for row in receipts
            ],
        }
    )


def _deadline(file: PlacementFile, deadline: Deadline) -> dict[str, Any]:
    day = today(running().now())
    shown = _shown(DeadlineSchema().dump(deadline))
    if deadline.counts and deadline.due < day and is_late(deadline, day):
        chain = lateness_chain(file, deadline)
        shown["late_caused_by"] = chain[0].owner
        shown["late_chain"] = [{"deadline": link.deadline_id, "owner": link.owner, "days_late": link.days_late or None} for link in chain]
    return shown


def _shown(found: Any) -> dict[str, Any]:
    assert isinstance(found, Mapping)
    return dict(found)


@routes.get("/deadlines")
def list_deadlines() -> Response:
    """Deadlines by ``?host=`` (ODS code) and ``?status=`` (set, approaching, missed, met, met-late, withdrawn), by id."""
    one_of("status", STATES)
    wanted = narrowed(select(Deadline), status=Deadline.state, host=Deadline.host)
    return listed(wanted, Deadline.deadline_id, DeadlineSchema().dump)
