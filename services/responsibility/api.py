"""HTTP in: cases. Every read of a case, or of a decision on one, leaves a row in ``case_reads``."""

from flask import Response, request
from flask_smorest import Blueprint
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.responsibility.models import Case, CaseRead
from services.responsibility.schemas import CaseSchema
from shared.answers import answer, listed, narrowed, one_of, running
from shared.database import transaction
from shared.errors import UnknownResource

routes = Blueprint("responsibility", __name__, description="Who owns a concern")


@routes.get("/cases")
def list_cases() -> Response:
    """Cases by id: ``?status=`` (assigned, needs-facts), ``?limit=``, ``?after=`` an id."""
    one_of("status", ("assigned", "needs-facts"))
    return listed(narrowed(select(Case), status=Case.status), Case.concern_id, CaseSchema().dump, note=_noted)


def _noted(session: Session, cases: list[Case]) -> None:
    session.add_all(_read(case.concern_id) for case in cases)


@routes.get("/cases/<concern_id>")
def show_case(concern_id: str) -> Response:
    """One case: who owns it, who decides, what must happen first, who must be told, or which facts are missing."""
    with transaction(running().worker.engine) as session:
        case = session.get(Case, concern_id)
        if case is None:
            raise UnknownResource(f"No concern {concern_id} was raised here.")
        session.add(_read(concern_id))
        return answer(CaseSchema().dump(case))


@routes.after_app_request
def note_decisions_read(response: Response) -> Response:
    """Decisions hold what is known of a concern: a read of them, one or many, leaves a row as well, before they are shown."""
    if request.method == "GET" and request.path.startswith("/responsibility/decisions") and response.status_code == 200:
        with transaction(running().worker.engine) as session:
            session.add(_read(request.full_path.removeprefix("/responsibility/").rstrip("?")))
    return response


def _read(concern_id: str) -> CaseRead:
    return CaseRead(concern_id=concern_id, read_at=running().now(), address=request.remote_addr or "")
