"""Somebody says that an alert was seen: in the application, or by the link in a mail.

A link holds a token that is signed with TRIPARTITE_LINK_SECRET and good for one alert. Mail scanners follow links, so following one only
shows what would be acknowledged; the answer to that, a POST, acknowledges. Who acknowledges a digest acknowledges what is in it.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.notifications.digests import KIND
from services.notifications.models import Alert
from shared.config import Config
from shared.events import AlertAcknowledged
from shared.worker import Say

LEFT = ("claimed", "unknown", "needs-review", "sent", "gathered", "bounced")
"""The states of an alert that somebody may have seen."""


def token_of(alert_key: str, config: Config) -> str:
    """What proves that somebody has the mail of this alert; empty where no secret is set."""
    secret = config.link_secret.encode()
    return hmac.new(secret, f"acknowledge {alert_key}".encode(), hashlib.sha256).hexdigest()[:32] if secret else ""


def is_token_of(token: str, alert_key: str, config: Config) -> bool:
    """Whether it does, compared in constant time."""
    wanted = token_of(alert_key, config)
    return bool(wanted) and hmac.compare_digest(wanted.encode(), token.encode())


def link_of(alert_key: str, config: Config) -> str:
    """Where somebody who has the mail of this alert says that it was seen; empty where no secret, or no public address, is set."""
    token = token_of(alert_key, config)
    if not token or not config.public_url:
        return ""
    return f"{config.public_url.rstrip('/')}/notifications/alerts/{alert_key}/acknowledgement?token={token}"


def with_link(alert: Alert, config: Config) -> None:
    """Give a mail that must be acknowledged its link; kept with its values, so that the message can be shown again as it went out."""
    if alert.wants_acknowledgement and alert.channel == "email" and (link := link_of(alert.alert_key, config)):
        alert.values = {**alert.values, "acknowledge_link": link}


def acknowledge(session: Session, alert: Alert, by: str, now: datetime) -> Sequence[Say]:
    """Keep who has seen an alert and when, the first time; the same again says nothing."""
    seen = [alert]
    if alert.kind == KIND:
        seen += session.scalars(select(Alert).where(Alert.digest == alert.alert_key).order_by(Alert.alert_key).with_for_update())
    fresh = [each for each in seen if each.acknowledged_at is None]
    for each in fresh:
        each.acknowledged_at, each.acknowledged_by = now, by
        if each.look_at is not None:
            each.look_at, each.escalation = None, "not needed: it was acknowledged"
    return [Say(_said(each, now)) for each in fresh]


def _said(alert: Alert, now: datetime) -> AlertAcknowledged:
    return AlertAcknowledged(
        alert_key=alert.alert_key,
        kind=alert.kind,
        regarding=alert.regarding,
        recipient_id=alert.recipient_id,
        channel=alert.channel,
        acknowledged_at=now,
    )
