"""HTTP in: cases and meetings. Every read of a case, or of a decision on one, leaves a row in ``case_reads``."""

import re
from datetime import date
from typing import Any, get_args

from flask import Response, request
from flask_smorest import Blueprint
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.responsibility.models import Case, CaseRead, Meeting
from services.responsibility.schemas import CaseSchema, MeetingSchema
from shared.answers import answer, listed, narrowed, running
from shared.database import transaction
from shared.errors import Refused, UnknownResource
from shared.events import Verdict
from shared.problems import failed
from shared.query import LOWEST_FIRST, one_of, takes

LONGEST_PATH = 500
"""How much is kept of what somebody asked for."""
routes = Blueprint("responsibility", __name__, description="Who owns a concern, and whether a meeting was quorate")


@routes.get("/cases")
@takes(one_of("status", ("assigned", "needs-facts")), *LOWEST_FIRST)
def list_cases() -> Response:
    """Cases by id: ``?status=`` (assigned, needs-facts), ``?limit=``, ``?after=`` an id."""
    return listed(narrowed(select(Case), status=Case.status), Case.concern_id, CaseSchema().dump, note=_noted)


def _noted(session: Session, cases: list[Case]) -> None:
    session.add_all(_read(case.concern_id) for case in cases)


@routes.get("/cases/<path:concern_id>")
def show_case(concern_id: str) -> Response:
    """One case: who owns it, who decides, what must happen first, who must be told, or which facts are missing."""
    with transaction(running().worker.engine) as session:
        case = session.get(Case, concern_id)
        if case is None:
            raise UnknownResource(f"No concern {concern_id} was raised here.")
        session.add(_read(concern_id))
        return answer(CaseSchema().dump(case))


@routes.get("/meetings")
@takes("body", "lead_employer", "host", "year", one_of("verdict", get_args(Verdict)), *LOWEST_FIRST)
def list_meetings() -> Response:
    """Meetings by id: ``?body=``, ``?lead_employer=``, ``?host=``, ``?year=``, ``?verdict=`` (as Verdict in shared/events.py)."""
    wanted = select(Meeting)
    if given := request.args.get("year"):
        if not re.fullmatch("(19|20)[0-9]{2}", given):
            raise Refused("The list cannot be made.", {"year": f"must be a year such as 2027, not {given!r}."})
        wanted = wanted.where(Meeting.held_on.between(date(int(given), 1, 1), date(int(given), 12, 31)))
    narrow = {"body": Meeting.body, "verdict": Meeting.verdict, "lead_employer": Meeting.lead_employer, "host": Meeting.host}
    return listed(narrowed(wanted, **narrow), Meeting.meeting_id, _meeting)


@routes.get("/meetings/<path:meeting_id>")
def show_meeting(meeting_id: str) -> Response:
    """One meeting: the verdict, what each side had, which facts are missing, and the decision."""
    with transaction(running().worker.engine) as session:
        meeting = session.get(Meeting, meeting_id)
        if meeting is None:
            raise UnknownResource(f"No meeting {meeting_id} was told of here.")
        return answer(_meeting(meeting))


def _meeting(meeting: Meeting) -> dict[str, Any]:
    decision = f"/responsibility/decisions/{meeting.decision_id}" if meeting.decision_id else None
    return {**dict(MeetingSchema().dump(meeting)), "decision": decision}


@routes.after_app_request
def note_decisions_read(response: Response) -> Response:
    """Decisions hold what is known of a concern: a read of them, one or many, leaves a row as well, before they are shown."""
    if request.method == "GET" and request.path.startswith("/responsibility/decisions") and response.status_code == 200:
        try:
            with transaction(running().worker.engine) as session:
                session.add(_read(request.full_path.removeprefix("/responsibility/").rstrip("?")[:LONGEST_PATH]))
        except Exception as error:  # Flask asks no error handler about what fails here
            return failed(error)
    return response


def _read(concern_id: str) -> CaseRead:
    return CaseRead(concern_id=concern_id, read_at=running().now(), address=request.remote_addr or "")
