"""What becomes of an alert: from one state to the next (models.py has the picture). Pure, but for the row that each function changes.

:func:`close` is what its sender said of it, :func:`put_in_doubt` and :func:`untouched` what is known when the sender could say no more,
:func:`settle` what its provider answered when it was asked, :func:`review` what a person found out.
"""

import uuid
from datetime import datetime, timedelta

from services.notifications import senders
from services.notifications.consumers import failed
from services.notifications.mending import tried_anew
from services.notifications.models import Alert
from services.notifications.senders.outcomes import SENT, Outcome, wait
from shared.database import from_now
from shared.events import AlertSent
from shared.worker import Say, Worker

MOST_ATTEMPTS = 5
"""An alert whose sender died this often waits for a person."""


def close(alert: Alert, outcome: Outcome, worker: Worker, sender: "senders.Sender", now: datetime) -> None:
    """What its sender says became of it."""
    alert.token = alert.leased_until = alert.not_before = None
    alert.reason = outcome.reason
    if outcome.state == "sent":
        alert.status, alert.sent_at = "sent", now
    elif outcome.state == "refused":
        alert.status = "failed"
    elif outcome.state == "doubt":
        put_in_doubt(alert, worker, sender, outcome.reason, now)
    elif alert.tried_at and now - alert.tried_at >= sender.patience:
        alert.status, alert.reason = "failed", f"Tried {alert.tries + 1} times since {alert.tried_at:%d %B %Y %H:%M} UTC. {outcome.reason}"
    else:
        alert.status, alert.attempts, alert.begun_at = "pending", alert.attempts - 1, None
        _put_off(alert, now)


def _put_off(alert: Alert, now: datetime) -> None:
    alert.tries += 1
    alert.not_before = now + timedelta(seconds=wait(alert.alert_key, alert.tries))


def put_in_doubt(alert: Alert, worker: Worker, sender: "senders.Sender", reason: str, now: datetime) -> None:
    """In doubt at once, though its sender lives; that does not count against the alert.

    A provider may take a moment to know what it was given: it is asked when a lease has passed, not before (if it can be asked at all).
    """
    alert.status, alert.attempts, alert.token, alert.reason = "unknown", alert.attempts - 1, str(uuid.uuid4()), reason
    alert.leased_until = None if sender.at_once or not sender.remembers else from_now(worker.config.lease_seconds)
    if not sender.at_once:
        _put_off(alert, now)


def untouched(alert: Alert) -> None:
    """It was claimed and has not left: it waits as before, and the attempt does not count."""
    alert.status, alert.attempts = "pending", alert.attempts - 1
    alert.token = alert.leased_until = alert.begun_at = None


# ---- what is in doubt --------------------------------------------------------------------------------------------


def to_be_asked(alert: Alert, sender: "senders.Sender", now: datetime) -> bool:
    """Whether the sender's provider can know of it."""
    return _may_have_left(alert, sender) and not _beyond_asking(alert, sender, now)


def _may_have_left(alert: Alert, sender: "senders.Sender") -> bool:
    return sender.at_once or alert.begun_at is not None


def _beyond_asking(alert: Alert, sender: "senders.Sender", now: datetime) -> str:
    """Why nobody can say whether an alert has left; empty if its provider can."""
    if alert.provider not in ("", sender.provider):
        return f"It was handed to {alert.provider}, and since then {alert.channel} goes through {sender.provider}"
    if alert.begun_at is not None and now - alert.begun_at >= sender.remembers:
        return f"{sender.provider} cannot be asked" + (f" after {sender.remembers.days} days" if sender.remembers else "")
    return ""


def settle(alert: Alert, worker: Worker, sender: "senders.Sender", found: bool, now: datetime) -> None:
    """What is known of one in doubt, now that its provider was asked (if it can be)."""
    if found:
        close(alert, SENT, worker, sender, now)
    elif not _may_have_left(alert, sender):
        untouched(alert)
    elif why := _beyond_asking(alert, sender, now):
        alert.token = alert.leased_until = None
        alert.status = "needs-review"
        alert.reason = f"{why}: it may or may not have left. Find out, and say so: POST /notifications/alerts/{alert.alert_key}/review."
    else:
        _release(alert)


def _release(alert: Alert) -> None:
    alert.token = alert.leased_until = alert.begun_at = None
    alert.status = "pending" if alert.attempts < MOST_ATTEMPTS else "needs-review"
    alert.reason = "" if alert.status == "pending" else f"Its sender died {alert.attempts} times; see whether something in it is at fault."


def review(alert: Alert, *, sent: bool, by: str, now: datetime) -> list[Say] | None:
    """What a person found out of an alert: it has left, or it has not and goes out again. Returns what is to be said.

    None if it is not for a person to say: only what needs review, or was refused by its provider for something that was mended since.
    """
    refused_before = alert.status == "failed" and bool(alert.address) and bool(alert.provider)
    if alert.status != "needs-review" and not (refused_before and not sent):
        return None
    alert.reviewed_by, alert.reviewed_at, alert.reason = by, now, ""
    if sent:
        alert.status, alert.sent_at = "sent", alert.begun_at or now
        return [Say(left(alert, now))]
    alert.status = "pending"
    tried_anew(alert)
    return []


# ---- what is said ------------------------------------------------------------------------------------------------


def said_of(alert: Alert, now: datetime) -> list[Say]:
    """What is said of an alert in its new state."""
    if alert.status == "failed":
        return [Say(failed(alert))]
    return [Say(left(alert, now))] if alert.status == "sent" else []


def left(alert: Alert, now: datetime) -> AlertSent:
    """What is said of an alert that has left."""
    return AlertSent(
        alert_key=alert.alert_key,
        kind=alert.kind,
        regarding=alert.regarding,
        recipient_id=alert.recipient_id,
        channel=alert.channel,
        sent_at=now,
    )
