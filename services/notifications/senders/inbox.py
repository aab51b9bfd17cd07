"""The inbox that a person reads in the application."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from services.notifications.models import Alert, InboxMessage
from shared.database import transaction


@dataclass(frozen=True)
class InboxSender:
    """The inbox that a person reads in the application: a table of this service."""

    engine: Engine

    def send(self, alerts: Sequence[Alert], now: datetime) -> Mapping[str, str]:
        """Put each alert into its reader's inbox, unless it is there."""
        with transaction(self.engine) as session:
            there = self._there(session, {alert.alert_key for alert in alerts})
            session.add_all(
                InboxMessage(alert.alert_key, alert.recipient_id, alert.kind, alert.regarding, alert.subject, alert.text, now)
                for alert in alerts
                if alert.alert_key not in there
            )
        return {}

    def find(self, keys: Collection[str]) -> set[str]:
        """The alerts that are in an inbox."""
        with transaction(self.engine) as session:
            return self._there(session, keys)

    def _there(self, session: Session, keys: Collection[str]) -> set[str]:
        return set(session.scalars(select(InboxMessage.alert_key).where(InboxMessage.alert_key.in_(keys))))
