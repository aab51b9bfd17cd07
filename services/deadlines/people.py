"""What people do to deadlines over HTTP: waive one, end a waiver, take back a document that was recorded by mistake.

Each says who and why. Send an ``Idempotency-Key`` to be safe from doing it twice; send the ``ETag`` of the deadline as ``If-Match`` to
act on the state that was read, and no other.
"""

import json
from collections.abc import Callable

from flask import Response, url_for
from flask_smorest import Blueprint
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.deadlines import decisions
from services.deadlines.api import asked_day
from services.deadlines.consumers import Known
from services.deadlines.decisions import PlacementFile
from services.deadlines.history import as_known, read_versions
from services.deadlines.models import Deadline
from services.deadlines.schemas import DocumentSchema, DocumentWithdrawalRequest, WaiverEndRequest, WaiverRequest
from services.deadlines.shown import deadline_shown
from services.deadlines.waivers import Wish
from shared.answers import answer, if_matches, once, running, tagged
from shared.database import hold, transaction
from shared.errors import UnknownResource
from shared.query import heeds
from shared.requests import sent_as
from shared.worker import Say, today
from shared.writing import write

routes = Blueprint("people", __name__, description="Waivers of deadlines, and documents taken back")


@routes.get("/deadlines/<path:deadline_id>")
@heeds("as_at")
def show_deadline(deadline_id: str) -> Response:
    """One deadline, with its evidence and its waivers; its ``ETag`` is what ``If-Match`` asks for.

    ``?as_at=2027-05-05``: as it was known at the end of that day in England; without an ``ETag``, because nothing can be changed then.
    """
    day = asked_day()
    with transaction(running().worker.engine) as session:
        known = Known(session, {_placement_of(session, deadline_id)})
        file, deadline = _found(known, deadline_id)
        if day:
            read_versions(session, known.files)
    if day is None:
        return tagged(answer(deadline_shown(file, deadline, today(running().now()))), deadline.version)
    if deadline.set_on > day:
        raise UnknownResource(f"The deadline {deadline_id} was not set by {day}; it was on {deadline.set_on}.")
    then = as_known(file, day)
    [deadline] = [each for each in then.deadlines if each.deadline_id == deadline_id]
    return answer(deadline_shown(then, deadline, day))


@routes.post("/deadlines/<path:deadline_id>/waiver")
def waive(deadline_id: str) -> Response:
    """Waive a deadline: ``{"waived_by": …, "reason": …, "until": "2027-06-30"}``, that day included. 201 with the deadline.

    Another waiver takes the place of one that is in force. 409 if the deadline was met or no longer counts.
    """
    sent = sent_as(WaiverRequest())
    wish = Wish(sent["waived_by"], sent["reason"])
    return _changed(
        deadline_id, 201, lambda file, deadline: decisions.deadline_waived(file, deadline, wish, sent["until"], running().now())
    )


@routes.post("/deadlines/<path:deadline_id>/waiver/end")
def end_waiver(deadline_id: str) -> Response:
    """End the waiver that is in force, from today: ``{"ended_by": …, "reason": …}``. 409 if there is none."""
    sent = sent_as(WaiverEndRequest())
    wish = Wish(sent["ended_by"], sent["reason"])
    return _changed(deadline_id, 200, lambda file, deadline: decisions.waiver_ended(file, deadline, wish, running().now()))


@routes.post("/placements/<path:placement_id>/documents/<path:document_id>/withdrawal")
def withdraw_document(placement_id: str, document_id: str) -> Response:
    """Take back a document that was recorded by mistake: ``{"withdrawn_by": …, "reason": …}``. The document as it then stands.

    It meets nothing any more, and stays on record; what really went out is recorded under another id. ``If-Match`` takes the ``ETag`` of
    the deadline that the document belongs to; of one that belongs to none it is not heeded.
    """
    sent, now = sent_as(DocumentWithdrawalRequest()), running().now()

    def make(session: Session) -> tuple[str, int, str]:
        hold(session, [placement_id])
        known = Known(session, {placement_id})
        file = known.files[placement_id]
        if (deadline := decisions.deadline_of(file, document_id)) is not None:
            if_matches(deadline.version)
        said = decisions.document_withdrawn(file, document_id, sent["withdrawn_by"], sent["reason"], now)
        _kept(session, known, said)
        [document] = [each for each in file.documents if each.document_id == document_id]
        where = url_for("deadlines.show_placement", placement_id=placement_id)
        return json.dumps(DocumentSchema().dump(document), ensure_ascii=False), 200, where

    return once(make, now)


def _changed(deadline_id: str, status: int, change: Callable[[PlacementFile, Deadline], list[Say]]) -> Response:
    """Change a deadline in its placement's file, and say so, in one transaction; the deadline as it then stands."""
    now = running().now()

    def make(session: Session) -> tuple[str, int, str]:
        placement_id = _placement_of(session, deadline_id)
        hold(session, [placement_id])
        known = Known(session, {placement_id})
        file, deadline = _found(known, deadline_id)
        if_matches(deadline.version)
        _kept(session, known, change(file, deadline))
        shown = deadline_shown(file, deadline, today(now))
        return json.dumps(shown, ensure_ascii=False), status, url_for(".show_deadline", deadline_id=deadline_id)

    return once(make, now)


def _placement_of(session: Session, deadline_id: str) -> str:
    found = session.scalar(select(Deadline.placement_id).where(Deadline.deadline_id == deadline_id))
    if found is None:
        raise UnknownResource(f"There is no deadline {deadline_id} here; GET …/deadlines?host= lists those on record.")
    return found


def _found(known: Known, deadline_id: str) -> tuple[PlacementFile, Deadline]:
    [found] = [(file, each) for file in known.files.values() for each in file.deadlines if each.deadline_id == deadline_id]
    return found


def _kept(session: Session, known: Known, said: list[Say]) -> None:
    write(session, known.rows())
    running().worker.say(session, said, running().now())
