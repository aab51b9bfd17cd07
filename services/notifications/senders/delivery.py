"""Alerts out, each of them once.

:func:`deliver` is the chore: settle what is in doubt, :func:`claim` a batch (worded and committed), send it, :func:`mark` it. Between the
claim and the mark the alert may or may not have left; if its sender dies there, the lease runs out, the alert becomes
``unknown``, and :func:`settle_claims` looks for it where it would be. It is sent again only if it is provably not there.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import structlog
from sqlalchemy import select

from services.notifications import senders
from services.notifications.acknowledging import with_link
from services.notifications.consumers import failed
from services.notifications.digests import with_members
from services.notifications.escalation import watched
from services.notifications.gathering import awake
from services.notifications.letters import render
from services.notifications.models import Alert
from shared.crashpoints import crashpoint
from shared.database import from_now, transaction
from shared.events import AlertSent
from shared.worker import Say, Worker

log = structlog.get_logger()
MOST_ATTEMPTS = 5
"""An alert whose sender died this often waits for a person."""


# ---- claim, send, mark -------------------------------------------------------------------------------------------


def deliver(worker: Worker, now: datetime) -> int:
    """One round: what is in doubt is settled, then a batch is sent. Returns how many alerts were dealt with."""
    done = settle_claims(worker, now)
    token = str(uuid.uuid4())
    claimed, unworded = claim(worker, token, now)
    if claimed:
        crashpoint("alert.claimed.unsent")
        refused, away = send(worker, claimed, now)
        crashpoint("alert.sent.unmarked")
        give_back(worker, token, away)
        mark(worker, token, refused, now)
        if away:
            raise next(iter(away.values()))
    return done + len(claimed) + unworded


def claim(worker: Worker, token: str, now: datetime) -> tuple[list[Alert], int]:
    """Word the oldest pending alerts and claim them, committed before anything leaves; returns them, and how many cannot be worded."""
    with transaction(worker.engine) as session:
        waiting = (Alert.status == "pending") & (Alert.due_at <= now) & (Alert.pace == "immediate")
        oldest = select(Alert).where(waiting).order_by(Alert.due_at, Alert.created_at, Alert.telling, Alert.alert_key)
        rows = list(session.scalars(oldest.limit(worker.config.batch).with_for_update(skip_locked=True)))
        rows = awake(session, rows, now) if worker.config.pace != "immediate" else rows
        for alert in rows:
            with_link(alert, worker.config)
            _word(alert)
        worded = [alert for alert in rows if alert.status == "pending"]
        for alert in worded:
            alert.status, alert.token, alert.attempts = "claimed", token, alert.attempts + 1
            alert.leased_until = from_now(worker.config.lease_seconds)  # by the database's clock
        unworded = with_members(session, [alert for alert in rows if alert.status == "failed"])
        worker.say(session, [Say(failed(alert)) for alert in unworded], now)
    return worded, len(rows) - len(worded)


def _word(alert: Alert) -> None:
    try:
        letter = render(alert.template, alert.values)
    except Exception as error:
        alert.status, alert.reason = "failed", f"The message cannot be worded: {error!r}; mend templates/{alert.template}."
    else:
        alert.subject, alert.text = letter.subject, letter.text


def send(worker: Worker, alerts: Sequence[Alert], now: datetime) -> tuple[Mapping[str, str], Mapping[str, Exception]]:
    """Send claimed alerts, channel by channel; returns the reasons of those refused for good, and what keeps a channel away."""
    by_channel = senders.senders_of(worker)
    refused = {alert.alert_key: f"There is no sender for {alert.channel}." for alert in alerts if alert.channel not in by_channel}
    away: dict[str, Exception] = {}
    for channel, sender in by_channel.items():
        theirs = [alert for alert in alerts if alert.channel == channel]
        try:
            refused |= sender.send(theirs, now) if theirs else {}
        except Exception as error:  # one channel that is away holds up no other
            away[channel] = error
    return refused, away


def mark(worker: Worker, token: str, refused: Mapping[str, str], now: datetime) -> None:
    """Mark what this token claimed, and say it."""
    with transaction(worker.engine) as session:
        rows = list(session.scalars(select(Alert).where(Alert.token == token).with_for_update()))
        for alert in rows:
            _close(alert, refused.get(alert.alert_key, ""), now)
        worker.say(session, [_said(alert, now) for alert in watched(with_members(session, rows), now)], now)


def _close(alert: Alert, reason: str, now: datetime) -> None:
    alert.token = alert.leased_until = None
    alert.status, alert.reason = ("failed", reason) if reason else ("sent", "")
    alert.sent_at = None if reason else now


def _said(alert: Alert, now: datetime) -> Say:
    if alert.status == "failed":
        return Say(failed(alert))
    return Say(
        AlertSent(
            alert_key=alert.alert_key,
            kind=alert.kind,
            regarding=alert.regarding,
            recipient_id=alert.recipient_id,
            channel=alert.channel,
            sent_at=now,
        )
    )


def give_back(worker: Worker, token: str, channels: Collection[str]) -> None:
    """These channels are away: what was claimed for them is in doubt at once, and the attempt does not count against the alerts."""
    if not channels:
        return
    with transaction(worker.engine) as session:
        for alert in session.scalars(select(Alert).where(Alert.token == token, Alert.channel.in_(set(channels))).with_for_update()):
            alert.status, alert.attempts, alert.token = "unknown", alert.attempts - 1, str(uuid.uuid4())


# ---- what is in doubt --------------------------------------------------------------------------------------------


def settle_claims(worker: Worker, now: datetime, *, at_start: bool = False) -> int:
    """Look up every alert that is in doubt: there -> sent; provably not -> pending, or needs-review after MOST_ATTEMPTS.

    :param at_start: at an embedded start every claim is in doubt at once: the process that made it is dead.
    """
    doubtful = doubt(worker, at_start=at_start)
    if not doubtful:
        return 0
    found: set[str] = set()
    away: set[str] = set()
    for channel, sender in senders.senders_of(worker).items():
        try:
            found |= sender.find({alert.alert_key for alert in doubtful if alert.channel == channel})
        except Exception as error:  # what is in doubt on this channel stays so; the others go on
            log.warning("channel.away", channel=channel, error=str(error))
            away.add(channel)
    with transaction(worker.engine) as session:
        asked = {alert.alert_key: alert.token for alert in doubtful if alert.channel not in away}
        unknown = session.scalars(select(Alert).where(Alert.status == "unknown", Alert.alert_key.in_(asked)).with_for_update())
        rows = [alert for alert in unknown if alert.token == asked[alert.alert_key]]  # not claimed by another since we looked
        for alert in rows:
            if alert.alert_key in found:
                _close(alert, "", now)
            else:
                _release(alert)
        closed = watched(with_members(session, [alert for alert in rows if alert.status == "sent"]), now)
        worker.say(session, [_said(alert, now) for alert in closed], now)
    return len(rows)


def doubt(worker: Worker, *, at_start: bool = False) -> list[Alert]:
    """Make ``unknown`` of every claim that has run out, committed; returns all unknown alerts."""
    with transaction(worker.engine) as session:
        expired = Alert.status == "claimed" if at_start else (Alert.status == "claimed") & (Alert.leased_until < from_now(0))
        doubtful = list(session.scalars(select(Alert).where(expired | (Alert.status == "unknown")).with_for_update(skip_locked=True)))
        for alert in doubtful:
            alert.status = "unknown"
    return doubtful


def _release(alert: Alert) -> None:
    alert.token = alert.leased_until = None
    alert.status = "pending" if alert.attempts < MOST_ATTEMPTS else "needs-review"
    alert.reason = "" if alert.status == "pending" else f"Its sender died {alert.attempts} times; see whether something in it is at fault."
