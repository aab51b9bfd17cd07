"""HTTP in: alerts by state, one alert with its message, its acknowledgement, counts, and somebody's in-app inbox.

And what is said of alerts that have left: receipts of GOV.UK Notify, bounces, and what a person found out (receipts.py).
"""

import hmac
import json
from collections.abc import Callable
from html import escape
from typing import Any, get_args

import structlog
from flask import Response, request
from flask_smorest import Blueprint
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.notifications import receipts
from services.notifications.acknowledging import LEFT, acknowledge, is_token_of, token_of
from services.notifications.digests import echoed
from services.notifications.escalation import watched
from services.notifications.letters import MARK, again
from services.notifications.models import Alert, Channel, InboxMessage, Status
from services.notifications.schemas import (
    AcknowledgementSchema,
    AlertSchema,
    ChannelSchema,
    InboxMessageSchema,
    ReviewSchema,
    SentAlertSchema,
)
from services.notifications.senders.states import review
from shared.answers import answer, listed, narrowed, once, running, sent_json
from shared.database import transaction
from shared.errors import NotAllowed, NotAsThingsStand, Refused, UnknownResource
from shared.problems import problem
from shared.query import LOWEST_FIRST, asked, heeds, needed, one_of, takes, true_or_false
from shared.requests import sent_as

log = structlog.get_logger()
STATES = get_args(Status)
routes = Blueprint("notifications", __name__, description="Who has to hear of it, how, and did it reach them, exactly once")


@routes.get("/alerts")
@takes(one_of("status", STATES), "kind", "regarding", "recipient_id", "digest", true_or_false("to_mend"), *LOWEST_FIRST)
def list_alerts() -> Response:
    """Alerts by key: ``?status=``, ``?kind=``, ``?regarding=``, ``?recipient_id=``, ``?digest=``, ``?limit=``, ``?after=`` a key.

    ``?to_mend=true``: those that wait for a contact or an address, or came back from one; ``reason`` says what to do.
    """
    parts = {"status": Alert.status, "kind": Alert.kind, "regarding": Alert.regarding, "recipient_id": Alert.recipient_id}
    wanted = narrowed(select(Alert), **parts, digest=Alert.digest)
    if request.args.get("to_mend"):
        to_mend = ((Alert.status == "failed") & (Alert.address == "")) | (Alert.status == "bounced")
        wanted = wanted.where(to_mend if request.args["to_mend"] == "true" else ~to_mend)
    return listed(wanted, Alert.alert_key, AlertSchema().dump)


@routes.get("/alerts/counts")
@takes()
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
    with transaction(running().worker.engine) as session:
        return answer(SentAlertSchema().dump(_alert(session, alert_key)))


@routes.get("/alerts/<alert_key>/message")
def show_message(alert_key: str) -> Response:
    """The message of an alert, made again from its template and values, and whether it is what was kept, byte for byte.

    As JSON, or with ``Accept: text/plain`` as the reader sees it; then the header ``Tripartite-As-Kept`` says the same as ``as_kept``.
    """
    with transaction(running().worker.engine) as session:
        alert = _alert(session, alert_key)
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


@routes.get("/alerts/<alert_key>/acknowledgement")
@heeds(needed("token"))
def show_acknowledgement(alert_key: str) -> Response:
    """What would be acknowledged, and whether it was; following a link acknowledges nothing. In a browser: with a button."""
    with transaction(running().worker.engine) as session:
        row = _seen_by_link(session, alert_key, request.args.get("token", ""))
    wants_page = request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
    return _page(row) if wants_page else answer(_acknowledged(row))


@routes.post("/alerts/<alert_key>/acknowledgement")
@heeds("token")
def acknowledge_alert(alert_key: str) -> Response:
    """Say that an alert was seen: ``{"by": "…"}``, or by the form that a mail's link shows. The first answer stands, whoever asks again."""
    token = request.form.get("token") or request.args.get("token", "")
    by = "" if token else sent_as(AcknowledgementSchema())["by"].strip()
    now = running().now()
    with transaction(running().worker.engine) as session:
        row = _seen_by_link(session, alert_key, token) if token else _alert(session, alert_key)
        if row.status not in LEFT:
            raise NotAsThingsStand(f"The alert {alert_key} is {row.status}: nobody can have seen it.")
        said = acknowledge(session, row, by or f"{row.recipient_id}, by the link in the mail", now)
        running().worker.say(session, said, now)
    return _page(row) if request.mimetype == "application/x-www-form-urlencoded" else answer(_acknowledged(row))


def _alert(session: Session, alert_key: str) -> Alert:
    """The alert of a key, held until the transaction ends."""
    row = session.get(Alert, alert_key, with_for_update=True)
    if row is None:
        raise UnknownResource(f"There is no alert {alert_key} here.")
    return row


def _seen_by_link(session: Session, alert_key: str, token: str) -> Alert:
    """The alert whose link somebody has.

    :raises UnknownResource: the token is not that of this alert.
    """
    if not is_token_of(token, alert_key, running().worker.config):
        raise UnknownResource("This link is not good. Take it from the message as it came, whole.")
    return _alert(session, alert_key)


def _acknowledged(row: Alert) -> dict[str, Any]:
    at = row.acknowledged_at
    return {
        "alert_key": row.alert_key,
        "subject": row.subject,
        "acknowledged_at": at.isoformat() if at else None,
        "acknowledged_by": row.acknowledged_by,
    }


def _page(row: Alert) -> Response:
    """What a reader sees who follows the link of a mail."""
    token = token_of(row.alert_key, running().worker.config)
    button = f'<form method="post"><input type="hidden" name="token" value="{token}"><button>I have seen this</button></form>'
    done = "<p>Thank you. It is noted that you have seen this message.</p>" if row.acknowledged_at else button
    text = f'<!doctype html><html lang="en"><title>Tripartite</title><main><h1>{escape(row.subject)}</h1>{done}</main></html>'
    response = Response(text, content_type="text/html; charset=utf-8")
    response.headers.update(
        {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "Content-Security-Policy": "default-src 'none'"}
    )
    return response


@routes.get("/inbox")
@takes(needed("recipient"), *LOWEST_FIRST)
def show_inbox() -> Response:
    """The in-app inbox of ``?recipient=``, by alert key: ``?limit=``, ``?after=`` a key."""
    recipient = asked("recipient")
    if not recipient:
        raise Refused("The inbox cannot be shown.", {"recipient": "is missing: whose inbox?"})
    wanted = select(InboxMessage).where(InboxMessage.recipient_id == recipient)
    return listed(wanted, InboxMessage.alert_key, InboxMessageSchema().dump)


# ---- alerts that have left, and those that may have --------------------------------------------------------------


@routes.get("/channels")
@takes(*LOWEST_FIRST)
def list_channels() -> Response:
    """The channels whose pace is kept: until when each is left alone, and why."""
    return listed(select(Channel), Channel.name, ChannelSchema().dump)


@routes.post("/alerts/<alert_key>/review")
def review_alert(alert_key: str) -> Response:
    """Settle an alert that needs review, or was refused: ``{"sent": true | false, "by": who found out}`` -> sent, or pending again."""
    found = sent_as(ReviewSchema())
    now = running().now()

    def make(session: Session) -> tuple[str, int, str]:
        alert = _alert(session, alert_key)
        said = review(alert, sent=found["sent"], by=found["by"].strip(), now=now)
        if said is None:
            raise NotAsThingsStand(
                f"The alert is {alert.status}; only what needs review, or was refused by its provider, is settled by a person."
            )
        watched([alert], now)
        running().worker.say(session, echoed(session, alert, said), now)
        return json.dumps(SentAlertSchema().dump(alert), ensure_ascii=False), 200, ""

    return once(make, now)


@routes.post("/receipts/notify")
def take_notify_receipt() -> Response:
    """A delivery receipt of GOV.UK Notify, with TRIPARTITE_NOTIFY_CALLBACK_TOKEN as bearer token."""
    config = running().worker.config
    return _take(config.notify_callback_token, "TRIPARTITE_NOTIFY_CALLBACK_TOKEN", lambda: receipts.from_notify(sent_json()))


@routes.post("/receipts/bounce")
def take_bounce() -> Response:
    """A bounce as it came (``message/rfc822``), with TRIPARTITE_BOUNCE_TOKEN as bearer token."""
    return _take(running().worker.config.bounce_token, "TRIPARTITE_BOUNCE_TOKEN", lambda: receipts.from_bounce(request.get_data()))


def _take(token: str, setting: str, read: Callable[[], receipts.Receipt]) -> Response:
    """Take in a receipt from somebody who has the token; old news is taken without effect."""
    given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
    if not token or not hmac.compare_digest(f"Bearer {token}".encode(), given):
        raise NotAllowed(f"Send Authorization: Bearer, with the value of {setting}{'' if token else ', which is not set here'}.")
    receipt, now = read(), running().now()
    with transaction(running().worker.engine) as session:
        alert = session.scalars(select(Alert).where(Alert.alert_key == receipt.alert_key).with_for_update()).one_or_none()
        if alert is None:
            raise UnknownResource("There is no alert with this reference here.")
        said = receipts.apply(alert, receipt, now)
        if said is not None:
            watched([alert] if said else [], now)  # whoever was told of it once is not given more time
            running().worker.say(session, echoed(session, alert, said), now)
    return answer({"alert_key": alert.alert_key, "applied": said is not None, "status": alert.status, "receipt": alert.receipt})
