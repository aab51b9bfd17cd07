"""The inbox that a person reads in the application."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from services.notifications.models import Alert, InboxMessage
from services.notifications.senders.outcomes import SENT, Outcomes
from shared.database import transaction


@dataclass(frozen=True)
class InboxSender:
    """The inbox that a person reads in the application: a table of this service."""

    engine: Engine
    provider: ClassVar[str] = "inbox"
    at_once: ClassVar[bool] = True
    per_minute: ClassVar[int | None] = None
    remembers: ClassVar[timedelta] = timedelta.max
    patience: ClassVar[timedelta] = timedelta.max

    def send(self, alerts: Iterable[Alert], now: datetime) -> Outcomes:
        """Put each alert into its reader's inbox, unless it is there."""
        alerts = list(alerts)
        with transaction(self.engine) as session:
            there = self._there(session, {alert.alert_key for alert in alerts})
            session.add_all(
                InboxMessage(alert.alert_key, alert.recipient_id, alert.kind, alert.regarding, alert.subject, alert.text, now)
                for alert in alerts
                if alert.alert_key not in there
            )
        yield from ((alert.alert_key, SENT) for alert in alerts)

    def find(self, references: Collection[str]) -> set[str]:
        """The alerts that are in an inbox."""
        with transaction(self.engine) as session:
            return self._there(session, references)

    def _there(self, session: Session, keys: Collection[str]) -> set[str]:
        return set(session.scalars(select(InboxMessage.alert_key).where(InboxMessage.alert_key.in_(keys))))
