"""What the tests of channels share: alerts that wait on one channel, and looks at what became of them."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import select, update

from services.notifications.app import SERVICE
from services.notifications.models import Alert, Channel
from shared.config import read_config
from shared.database import from_now, transaction
from shared.events import Event, ProcurementRouted, RecipientUpdated
from shared.outbox import OutboxRow
from shared.worker import Worker
from tests.helpers import a_message

NOW = datetime(2027, 5, 5, 9, tzinfo=UTC)
ADDRESS = "routes@example.net"


def a_contact(email: str | None = ADDRESS, webhook: str | None = None) -> RecipientUpdated:
    """An invented commercial team."""
    return RecipientUpdated(
        recipient_id="C1", role="commercial-team", organisation="", purpose="", name="Routes (invented)", email=email, webhook=webhook
    )


def a_route(number: int = 1) -> ProcurementRouted:
    """News for the commercial team alone."""
    return ProcurementRouted(procurement_id=f"procurement-{number}", route="formal-tender", as_at=date(2027, 5, 5), decision_id="d1")


def a_sender(folder: Path, settings: Mapping[str, str], **more: str) -> Worker:
    """The service with these settings."""
    return Worker(SERVICE, read_config({"TRIPARTITE_DATA": str(folder), **settings, **more}), lambda: NOW)


def hear(worker: Worker, *events: Event, at: datetime = NOW) -> None:
    worker.take_in([a_message(event, at=at) for event in events], at)


def waiting(worker: Worker, count: int = 1, email: str | None = ADDRESS, webhook: str | None = None) -> Worker:
    """So many alerts to the commercial team wait."""
    hear(worker, a_contact(email, webhook), *(a_route(number) for number in range(count)))
    return worker


def alerts(worker: Worker) -> list[Alert]:
    with transaction(worker.engine) as session:
        return list(session.scalars(select(Alert).order_by(Alert.regarding)))


def channel(worker: Worker, name: str = "email") -> Channel:
    with transaction(worker.engine) as session:
        return session.scalars(select(Channel).where(Channel.name == name)).one()


def states(worker: Worker) -> list[str]:
    return sorted(alert.status for alert in alerts(worker))


def said(worker: Worker, kind: str) -> int:
    with transaction(worker.engine) as session:
        return list(session.scalars(select(OutboxRow.type))).count(kind)


def let_time_pass(worker: Worker) -> None:
    """As if the database's clock had moved on: leases and pauses are over."""
    with transaction(worker.engine) as session:
        session.execute(update(Alert).values(leased_until=from_now(-1)).where(Alert.leased_until.is_not(None)))
        session.execute(update(Channel).values(paused_until=from_now(-1), filled_at=from_now(-60)))


def later(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)
