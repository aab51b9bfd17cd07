"""HTTP for calendars: making, listing and revoking them, and the feed itself, which a calendar program reads by its token alone."""

import json
from typing import Any

from flask import Response, request, url_for
from flask_smorest import Blueprint
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.deadlines.calendars.entries import entries
from services.deadlines.calendars.feed import feed, tag
from services.deadlines.calendars.reading import Reader, read_duties
from services.deadlines.calendars.tokens import find, issue, opened, reader_of, revoke, shown
from services.deadlines.models import Calendar
from shared.answers import answer, listed, narrowed, once, running, sent_json
from shared.database import transaction
from shared.errors import Refused
from shared.problems import pointed, problem
from shared.query import LOWEST_FIRST, heeds, needed, takes
from shared.worker import today

routes = Blueprint("calendars", __name__, description="What is due, as a calendar feed (RFC 5545)")
NO_CALENDAR = "No calendar is read with this token; ask whoever gave you the address for a new one."


@routes.get("/calendar.ics")
@heeds(needed("token"))
def read_calendar() -> Response:
    """The feed that ``?token=`` opens: 304 if the reader has it as it is, 404 for a token that is none, 410 for one that was revoked."""
    now = running().now()
    with transaction(running().worker.engine) as session:
        calendar = opened(session, request.args.get("token", ""))
        if calendar is None:
            return problem(404, "Not found", NO_CALENDAR)
        if calendar.revoked_at is not None:
            return problem(410, "Gone", NO_CALENDAR)
        calendar.last_read_at = now
        reader, day = reader_of(calendar), today(now)
        duties = read_duties(session, reader, day)
    found, base = entries(reader, duties, day), request.host_url
    etag = tag(reader, found, base)
    unchanged = request.if_none_match.contains_weak(etag)
    response = Response(b"" if unchanged else feed(reader, found, base), 304 if unchanged else 200)
    response.headers["Content-Type"] = "text/calendar; charset=utf-8"
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Content-Disposition"] = 'inline; filename="deadlines.ics"'
    response.set_etag(etag)
    return response


@routes.post("/calendars")
def make_calendar() -> Response:
    """Make a calendar for a host (``{"host": "RXN"}``) or a person (``{"person": "314334"}``). Its token is shown in this answer alone."""
    reader, now = _reader(sent_json()), running().now()
    made: dict[str, Any] = {}

    def make(session: Session) -> tuple[str, int, str]:
        calendar, token = issue(session, reader, now)
        made.update(shown(calendar, token))
        location = url_for(".show_calendar", calendar_id=calendar.calendar_id)
        return json.dumps(shown(calendar), ensure_ascii=False), 201, location  # what is kept for the key holds no token

    response = once(make, now)
    if made:
        response.set_data(json.dumps(made, ensure_ascii=False))
    response.headers["Cache-Control"] = "no-store"
    return response


def _reader(sent: Any) -> Reader:
    if not isinstance(sent, dict):
        raise Refused('Send a JSON object such as {"host": "RXN"} or {"person": "314334"}.')
    problems = {
        pointed(name): "is not taken here; a calendar is for a host or a person." for name in sent if name not in ("host", "person")
    }
    given = {name: value for name, value in sent.items() if name in ("host", "person") and value is not None}
    problems |= {
        name: "must be text that is not empty." for name, value in given.items() if not isinstance(value, str) or not value.strip()
    }
    if problems:
        raise Refused("The calendar cannot be made.", problems)
    return Reader(**{name: value.strip() for name, value in given.items()})


@routes.get("/calendars")
@takes("host", "person", *LOWEST_FIRST)
def list_calendars() -> Response:
    """Calendars, by id: ``?host=`` or ``?person=``. Their tokens are not known here."""
    return listed(narrowed(select(Calendar), host=Calendar.host, person=Calendar.person), Calendar.calendar_id, shown)


@routes.get("/calendars/<calendar_id>")
def show_calendar(calendar_id: str) -> Response:
    """One calendar: whose it is, when it was made, last read and revoked."""
    with transaction(running().worker.engine) as session:
        return answer(shown(find(session, calendar_id)))


@routes.delete("/calendars/<calendar_id>")
def revoke_calendar(calendar_id: str) -> Response:
    """Revoke a calendar: its address gives nothing any more. One that is revoked stays so."""
    with transaction(running().worker.engine) as session:
        revoke(session, calendar_id, running().now())
    return Response(status=204)
