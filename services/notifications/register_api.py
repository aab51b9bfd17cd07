"""HTTP in: the register of contacts by organisation and purpose, of trainees and deans; and how each wants to be told.

Most contacts come from upstream (``recipient.updated``). For those that have no system of their own a person keeps the register here. Both
are one stream in which the newer wins, and whoever changes something must have seen what is there (ETag, If-Match).
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Response
from flask_smorest import Blueprint
from marshmallow import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.notifications import pace
from services.notifications.models import Alert, Preference, Recipient
from services.notifications.schemas import ChosenSchema, RecipientSchema
from services.notifications.timing import retimed
from shared import inbox
from shared.answers import answer, etag_of, listed, must_match, narrowed, running, sent_json, tagged
from shared.database import transaction
from shared.decisions import new_id
from shared.errors import ChangedMeanwhile, MalformedEvent, Refused, UnknownResource
from shared.event_data import names_of, plain_text, read_event
from shared.events import RecipientUpdated
from shared.query import LOWEST_FIRST, takes
from shared.wire import Message, fitting
from shared.worker import today

register = Blueprint("register", __name__, description="Where somebody is reached, and how they want to be told")
BY = "urn:tripartite:register:"
"""How a change that a person made here is told from one that came from upstream; the name follows."""


# ---- contacts ----------------------------------------------------------------------------------------------------


@register.get("/recipients")
@takes("organisation", "purpose", "role", *LOWEST_FIRST)
def list_recipients() -> Response:
    """Contacts by id: ``?organisation=``, ``?purpose=``, ``?role=``, ``?limit=``, ``?after=`` an id."""
    parts = {"organisation": Recipient.organisation, "purpose": Recipient.purpose, "role": Recipient.role}
    return listed(narrowed(select(Recipient), **parts), Recipient.recipient_id, RecipientSchema().dump)


@register.get("/recipients/<recipient_id>")
def show_recipient(recipient_id: str) -> Response:
    """How somebody is reached, and who said so last; with its ETag."""
    with transaction(running().worker.engine) as session:
        return _tagged(RecipientSchema().dump(_known(session, recipient_id)))


@register.put("/recipients/<recipient_id>")
def keep_recipient(recipient_id: str) -> Response:
    """Keep how somebody is reached: the fields of ``recipient.updated``, and ``by``. 201 if it is new, else If-Match must be its ETag.

    Alerts that waited for this contact or its address leave, as when upstream says it.
    """
    worker, now = running().worker, running().now()
    event, by = _sent_contact(recipient_id)
    message = fitting(Message(id=new_id(), source=f"{BY}{by}", time=now, sequence=1, data=event))
    with transaction(worker.engine) as session:
        worker.service.hold(session, [message])
        row = session.get(Recipient, recipient_id)
        must_match(RecipientSchema().dump(row) if row else None)
        mark = session.get(inbox.InboxMark, event.stream)
        fresh = inbox.take_in(session, [replace(message, sequence=mark.sequence + 1 if mark else 1)], now)
        if not fresh:
            raise ChangedMeanwhile("Upstream has said something newer of this contact than this clock shows; read it again.")
        session.expunge_all()  # what was read of it is read again, and changed, by the handler
        worker.service.handle(session, fresh, now)
        session.flush()
        shown = RecipientSchema().dump(session.get(Recipient, recipient_id))
    return _tagged(shown, 201 if row is None else 200)


def _known(session: Session, recipient_id: str) -> Recipient:
    row = session.get(Recipient, recipient_id)
    if row is None:
        raise UnknownResource(f"No recipient {recipient_id} was heard of here.")
    return row


def _sent_contact(recipient_id: str) -> tuple[RecipientUpdated, str]:
    """The contact that was sent, and who changes it; every problem at once."""
    body = sent_json()
    if not isinstance(body, dict):
        raise Refused("Send a JSON object with the fields of recipient.updated and by, with Content-Type application/json.")
    problems = dict.fromkeys(body.keys() - {*names_of(RecipientUpdated), "by"}, "is not taken here; see recipient.updated for what is.")
    if body.get("recipient_id", recipient_id) != recipient_id:
        problems["recipient_id"] = f"must be that of the path, {recipient_id!r}, or be left out."
    if problem := _unnamed(body.get("by")):
        problems["by"] = problem
    try:
        event = read_event(RecipientUpdated, {name: value for name, value in body.items() if name != "by"} | {"recipient_id": recipient_id})
    except MalformedEvent as error:
        problems |= {name.removeprefix("data."): problem for name, problem in error.errors.items()}
    if problems:
        raise Refused("The contact cannot be kept.", problems)
    return event, str(body["by"]).strip()


def _unnamed(by: object) -> str:
    """What is wrong with the name of who changes something; empty if nothing is."""
    try:
        if isinstance(by, str) and 0 < len(by.strip()) <= 200:
            plain_text(by)
            return ""
    except ValidationError as error:
        return " ".join(error.messages)
    return "must say who changes it, in at most 200 letters."


# ---- preferences -------------------------------------------------------------------------------------------------


@register.get("/recipients/<recipient_id>/preferences")
def show_preferences(recipient_id: str) -> Response:
    """What somebody has chosen, and what therefore holds for each kind of alert, with the reason and the rule; with its ETag."""
    now = running().now()
    with transaction(running().worker.engine) as session:
        return _tagged(_shown(_known(session, recipient_id), session.get(Preference, recipient_id), now))


@register.put("/recipients/<recipient_id>/preferences")
def keep_preferences(recipient_id: str) -> Response:
    """Choose ``immediate``, ``daily``, ``weekly`` or ``off`` for kinds of alert, quiet hours, and the time of digests.

    Whatever is left out is as the policy alert-pace says. What is statutory cannot be switched off. Alerts that wait are timed anew.
    """
    worker, now = running().worker, running().now()
    with transaction(worker.engine) as session:
        worker.service.hold(session, [])
        contact = _known(session, recipient_id)
        before = session.get(Preference, recipient_id, with_for_update=True)
        must_match(_shown(contact, before, now))
        chosen = _chosen(contact.role, now)
        row = Preference(recipient_id=recipient_id, changed_by=chosen.pop("by"), changed_at=now, **chosen)
        row = session.merge(row)
        waiting = select(Alert).where(Alert.recipient_id == recipient_id, Alert.status == "pending").with_for_update()
        for alert in session.scalars(waiting):
            if alert.kind != "digest":
                retimed(alert, row, now, paced=worker.config.pace != "immediate")
        session.flush()
        return _tagged(_shown(contact, row, now))


def _chosen(role: str, now: datetime) -> dict[str, Any]:
    """The choices that were sent; every problem at once, with the reason and the rule where something cannot be switched off."""
    body = sent_json()
    if not isinstance(body, dict):
        raise Refused('Send a JSON object such as {"kinds": {"deadline-approaching": "off"}, "by": "…"}.')
    try:
        chosen: dict[str, Any] = dict(ChosenSchema().load(body))
    except ValidationError as error:
        raise Refused("The preferences cannot be kept.", dict(_places(error.messages))) from None
    problems = {}
    for kind, choice in chosen["kinds"].items():
        if kind not in pace.kinds():
            problems[f"kinds/{kind}"] = f"there is no such kind of alert; there are {', '.join(pace.kinds())}."
        elif choice == "off" and (manner := pace.manner_of(kind, role, today(now))).statutory:
            cite = manner.rule.cite
            problems[f"kinds/{kind}"] = f"cannot be switched off. {manner.rule.because} ({cite.source}, {cite.section}, {cite.entry})"
    if problems:
        raise Refused("The preferences cannot be kept.", problems)
    return chosen


def _places(found: Any, place: str = "") -> list[tuple[str, str]]:
    if isinstance(found, dict):
        steps = ((name, inner) for name, inner in found.items())
        return [each for name, inner in steps for each in _places(inner, place if name == "value" else f"{place}/{name}".lstrip("/"))]
    return [(place, " ".join(map(str, found)) if isinstance(found, list) else str(found))]


def _shown(contact: Recipient, row: Preference | None, now: datetime) -> dict[str, Any]:
    day = today(now)
    habits = pace.habits_of(row, day)
    return {
        "recipient_id": contact.recipient_id,
        "kinds": {kind: _kind(kind, contact.role, row, now) for kind in pace.kinds()},
        "chosen": dict(sorted(row.kinds.items())) if row else {},
        **{name: f"{getattr(habits, name):%H:%M}" for name in ("quiet_from", "quiet_until", "digest_at")},
        "changed_by": row.changed_by if row else "",
        "changed_at": row.changed_at.isoformat() if row else None,
    }


def _kind(kind: str, role: str, row: Preference | None, now: datetime) -> dict[str, Any]:
    usual = pace.manner_of(kind, role, today(now))
    holds = pace.chosen(usual, kind, row)
    cite = usual.rule.cite
    return {
        "pace": "off" if holds.off else "immediate" if holds.urgent else holds.pace,
        "statutory": usual.statutory,
        "urgent": usual.urgent,
        "because": usual.rule.because,
        "cite": {"source": cite.source, "section": cite.section, "entry": cite.entry},
    }


def _tagged(shown: Any, status: int = 200) -> Response:
    return tagged(answer(shown, status), etag_of(shown))
