"""HTTP in: alerts by state, one alert with its message, counts, a recipient, and somebody's in-app inbox."""

from flask import Response, request
from flask_smorest import Blueprint
from sqlalchemy import func, select

from services.notifications.models import Alert, InboxMessage, Recipient
from services.notifications.schemas import AlertSchema, InboxMessageSchema, RecipientSchema, SentAlertSchema
from shared.database import transaction
from shared.errors import Refused, UnknownResource
from shared.service import answer, page, page_size, running

routes = Blueprint("notifications", __name__, description="Who has to hear of it, how, and did it reach them, exactly once")
STATES = ("pending", "claimed", "sent", "failed", "unknown", "needs-review", "withdrawn")


@routes.get("/alerts")
def list_alerts() -> Response:
    """Alerts by key: ``?status=``, ``?kind=``, ``?regarding=``, ``?recipient_id=``, ``?limit=``, ``?after=`` a key."""
    limit = page_size()
    wanted = select(Alert).order_by(Alert.alert_key).limit(limit)
    if request.args.get("status") not in (None, *STATES):
        raise Refused("The list cannot be made.", {"status": f"must be one of {', '.join(STATES)}, not {request.args['status']!r}."})
    for name in ("status", "kind", "regarding", "recipient_id"):
        if request.args.get(name):
            wanted = wanted.where(getattr(Alert, name) == request.args[name])
    if request.args.get("after"):
        wanted = wanted.where(Alert.alert_key > request.args["after"])
    with transaction(running().worker.engine) as session:
        rows = list(session.scalars(wanted))
    return page([AlertSchema().dump(row) for row in rows], rows[-1].alert_key if len(rows) == limit else None)


@routes.get("/alerts/counts")
def count_alerts() -> Response:
    """How many alerts there are, by kind, channel and state."""
    parts = (Alert.kind, Alert.channel, Alert.status)
    with transaction(running().worker.engine) as session:
        rows = session.execute(select(*parts, func.count()).group_by(*parts).order_by(*parts)).all()
    return page([{"kind": kind, "channel": channel, "status": status, "count": count} for kind, channel, status, count in rows], None)


@routes.get("/alerts/<alert_key>")
def show_alert(alert_key: str) -> Response:
    """One alert, with its message as it went out."""
    with transaction(running().worker.engine) as session:
        row = session.get(Alert, alert_key)
    if row is None:
        raise UnknownResource(f"There is no alert {alert_key} here.")
    return answer(SentAlertSchema().dump(row))


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
    """The in-app inbox of ``?recipient=``, the newest first."""
    recipient = request.args.get("recipient")
    if not recipient:
        raise Refused("The inbox cannot be shown.", {"recipient": "is missing: whose inbox?"})
    wanted = select(InboxMessage).where(InboxMessage.recipient_id == recipient)
    with transaction(running().worker.engine) as session:
        rows = list(session.scalars(wanted.order_by(InboxMessage.received_at.desc(), InboxMessage.alert_key).limit(page_size())))
    return page([InboxMessageSchema().dump(row) for row in rows], None)
