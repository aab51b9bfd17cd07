"""HTTP in: alerts by state, one alert with its message, counts, a recipient, and somebody's in-app inbox."""

import json
import typing

import structlog
from flask import Response, request
from flask_smorest import Blueprint
from sqlalchemy import func, select

from services.notifications.letters import MARK, again
from services.notifications.models import Alert, InboxMessage, Recipient, Status
from services.notifications.schemas import AlertSchema, InboxMessageSchema, RecipientSchema, SentAlertSchema
from shared.answers import answer, listed, narrowed, one_of, running
from shared.database import transaction
from shared.errors import Refused, UnknownResource
from shared.problems import problem

log = structlog.get_logger()

routes = Blueprint("notifications", __name__, description="Who has to hear of it, how, and did it reach them, exactly once")


@routes.get("/alerts")
def list_alerts() -> Response:
    """Alerts by key: ``?status=``, ``?kind=``, ``?regarding=``, ``?recipient_id=``, ``?limit=``, ``?after=`` a key."""
    one_of("status", typing.get_args(Status))
    parts = {"status": Alert.status, "kind": Alert.kind, "regarding": Alert.regarding, "recipient_id": Alert.recipient_id}
    return listed(narrowed(select(Alert), **parts), Alert.alert_key, AlertSchema().dump)


@routes.get("/alerts/counts")
def count_alerts() -> Response:
    """How many alerts there are, by kind, channel and state."""
    parts = (Alert.kind, Alert.channel, Alert.status)
    with transaction(running().worker.engine) as session:
        rows = session.execute(select(*parts, func.count()).group_by(*parts).order_by(*parts)).all()
    counts = [{"kind": kind, "channel": channel, "status": status, "count": count} for kind, channel, status, count in rows]
    return answer({"items": counts, "next": None})


@routes.get("/alerts/<alert_key>")
def show_alert(alert_key: str) -> Response:
    """One alert, with its message as it went out."""
    return answer(SentAlertSchema().dump(_alert(alert_key)))


@routes.get("/alerts/<alert_key>/message")
def show_message(alert_key: str) -> Response:
    """The message of an alert, made again from its template and values, and whether it is what was kept, byte for byte.

    As JSON, or with ``Accept: text/plain`` as the reader sees it; then the header ``Tripartite-As-Kept`` says the same as ``as_kept``.
    """
    alert = _alert(alert_key)
    try:
        letter, as_kept = again(alert)
    except Exception as error:  # whatever is wrong with what is stored, it is not the caller's mistake
        log.exception("message.failed", alert=alert_key, template=alert.template, error=type(error).__name__)
        detail = f"It cannot be worded from {alert.template}: {error}. What was kept stands at /notifications/alerts/{alert_key}."
        return problem(409, "The message cannot be made again", detail)
    if request.accept_mimetypes.best_match(["application/json", "text/plain"]) == "text/plain":
        response = Response(f"{MARK}{letter.subject}\n\n{letter.text}", content_type="text/plain; charset=utf-8")
        response.headers["Tripartite-As-Kept"] = json.dumps(as_kept)
        return response
    return answer({"alert_key": alert_key, "template": alert.template, **vars(letter), "as_kept": as_kept})


def _alert(alert_key: str) -> Alert:
    with transaction(running().worker.engine) as session:
        row = session.get(Alert, alert_key)
    if row is None:
        raise UnknownResource(f"There is no alert {alert_key} here.")
    return row


@routes.get("/recipients/<recipient_id>")
def show_recipient(recipient_id: str) -> Response:
    """How somebody is reached."""
    with transaction(running().worker.engine) as session:
        row = session.get(Recipient, recipient_id)
    if row is None:
        raise UnknownResource(f"No recipient {recipient_id} was heard of here.")
    return answer(RecipientSchema().dump(row))


@routes.get("/inbox")
def show_inbox() -> Response:
    """The in-app inbox of ``?recipient=``, by alert key: ``?limit=``, ``?after=`` a key."""
    recipient = request.args.get("recipient")
    if not recipient:
        raise Refused("The inbox cannot be shown.", {"recipient": "is missing: whose inbox?"})
    wanted = select(InboxMessage).where(InboxMessage.recipient_id == recipient)
    return listed(wanted, InboxMessage.alert_key, InboxMessageSchema().dump)
