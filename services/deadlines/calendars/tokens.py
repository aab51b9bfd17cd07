"""Who may read which calendar: tokens are made, shown once, kept as a hash, and revoked.

A calendar program can send no password of ours, so the address itself is the secret: 256 random bits in ``?token=``. What is stored
cannot be turned back into it, and a revoked one stays on record.
"""

import hashlib
import secrets
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.deadlines.calendars.reading import Reader
from services.deadlines.models import Calendar, Placement
from shared.errors import Refused, UnknownResource
from shared.organisations import names_by_code
from shared.policies.reading import suggest

TOKEN_BYTES = 32
LONGEST_TOKEN = 200
LONGEST_PERSON = 200


def issue(session: Session, reader: Reader, now: datetime) -> tuple[Calendar, str]:
    """A new calendar for a reader, and its token, which is to be had this once.

    :raises Refused: there is no such host, or the person's id is none.
    """
    _known(session, reader)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    made = Calendar(
        calendar_id=str(uuid.uuid4()), token_hash=_hashed(token), host=reader.host or None, person=reader.person or None, made_at=now
    )
    session.add(made)
    return made, token


def revoke(session: Session, calendar_id: str, now: datetime) -> Calendar:
    """End a calendar; one that has ended stays so.

    :raises UnknownResource: there is none of this id.
    """
    found = find(session, calendar_id)
    found.revoked_at = found.revoked_at or now
    return found


def find(session: Session, calendar_id: str) -> Calendar:
    """The calendar of an id.

    :raises UnknownResource: there is none.
    """
    found = session.get(Calendar, calendar_id)
    if found is None:
        raise UnknownResource(f"There is no calendar {calendar_id} here; GET /deadlines/calendars lists them.")
    return found


def opened(session: Session, token: str) -> Calendar | None:
    """The calendar that a token opens or, revoked, once opened."""
    if not token or len(token) > LONGEST_TOKEN:
        return None
    return session.scalar(select(Calendar).where(Calendar.token_hash == _hashed(token)))


def reader_of(calendar: Calendar) -> Reader:
    """Whose calendar it is."""
    return Reader(calendar.host or "", calendar.person or "")


def shown(calendar: Calendar, token: str | None = None) -> dict[str, Any]:
    """A calendar as the API and the command show it; with its token only when it is made."""
    times = {name: getattr(calendar, name) for name in ("made_at", "last_read_at", "revoked_at")}
    body: dict[str, Any] = {
        "calendar_id": calendar.calendar_id,
        "host": calendar.host,
        "person": calendar.person,
        **{name: value.isoformat() if value else None for name, value in times.items()},
    }
    return {**body, "token": token, "path": f"/deadlines/calendar.ics?token={token}"} if token else body


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _known(session: Session, reader: Reader) -> None:
    """A host is one that is named here or that a placement was heard of at; a person may come before the first placement."""
    if bool(reader.host) is bool(reader.person):
        raise Refused("A calendar is for one reader.", {"host": "give either host, an ODS code, or person, a TIS person id."})
    if reader.person and (len(reader.person) > LONGEST_PERSON or not reader.person.isprintable()):
        raise Refused("The person cannot be known by that.", {"person": f"must be an id of at most {LONGEST_PERSON} plain characters."})
    if not reader.host or reader.host in names_by_code():
        return
    if not reader.host.isprintable():
        raise Refused("There is no such host.", {"host": "must be an ODS code, in plain characters."})
    if session.scalar(select(Placement.placement_id).where(Placement.host == reader.host).limit(1)) is None:
        problem = f"“{reader.host}” is no ODS code in shared/organisations.yaml{suggest(reader.host.upper(), names_by_code())}."
        raise Refused("There is no such host.", {"host": f"{problem} No placement was heard of there either."})
