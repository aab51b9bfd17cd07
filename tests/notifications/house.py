"""A house in which notifications lives: invented contacts, what its worker is told, and days that go by."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import select

from services.notifications.app import SERVICE, create_app
from services.notifications.models import Alert
from shared.database import transaction
from shared.events import DeadlineMissed, Event, PlacementUpdated, RecipientUpdated
from shared.outbox import OutboxRow
from shared.worker import Worker
from tests.helpers import Clock, a_message, a_placement, a_recipient

DAY = datetime(2027, 5, 5, 9, tzinfo=UTC)
DEADLINE: dict[str, Any] = {
    "deadline_id": "D1",
    "placement_id": "P1",
    "trainee_id": "T1",
    "host": "RXN",
    "host_name": "Lancashire Teaching Hospitals",
    "lead_employer": "RBN",
    "duty": "work-schedule",
    "owner": "host",
    "recipient": "lead-employer",
    "due": date(2027, 6, 9),
    "start_date": date(2027, 8, 4),
    "decision_id": "decision-1",
}
TOKEN = "a-token-of-this-test"
HOST = a_recipient(
    "host",
    role="host",
    organisation="RXN",
    purpose="placements",
    name="Rotas of Preston (invented)",
    email="host@example.org",
    escalates_to="second",
)
SECOND = a_recipient(
    "second", role="host", organisation="RXN", purpose="education", name="Medical education (invented)", email="second@example.org"
)
SCHEDULES = a_recipient(
    "schedules",
    role="host",
    organisation="RXN",
    purpose="work-schedules",
    name="Schedules (invented)",
    email="s@example.org",
    escalates_to="second",
)

MISSED = DeadlineMissed(**DEADLINE, caused_by="host")


class House:
    """A worker of notifications, and what it is told."""

    def __init__(self, worker: Worker, clock: Clock) -> None:
        self.worker, self.clock, self.told = worker, clock, 0

    def hear(self, *events: Event) -> None:
        for event in events:
            self.told += 1
            at = self.clock() + timedelta(milliseconds=self.told)
            self.worker.take_in([a_message(event, self.told, at)], self.clock())

    def live(self, **by: int) -> None:
        """Wind the clock, and let every chore do what there is to do."""
        self.clock.now += timedelta(**by)
        while sum(chore(self.worker, self.clock()) for chore in SERVICE.chores):
            pass

    def alerts(self, **wanted: Any) -> list[Alert]:
        with transaction(self.worker.engine) as session:
            return list(session.scalars(select(Alert).filter_by(**wanted).order_by(Alert.alert_key)))

    def said(self, type_: str) -> Counter[str]:
        with transaction(self.worker.engine) as session:
            return Counter(session.scalars(select(OutboxRow.subject).where(OutboxRow.type == type_)))

    def take_receipt(self, alert: Alert, status: str) -> None:
        """A second later, the provider says what became of an alert."""
        self.clock.now += timedelta(seconds=1)
        client = create_app(self.worker).test_client()
        body = {"reference": alert.alert_key, "status": status, "completed_at": self.clock().isoformat()}
        answer = client.post("/notifications/receipts/notify", json=body, headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200

    def mails(self) -> list[str]:
        return [file.read_text(encoding="utf-8") for file in (self.worker.config.data / "alerts").glob("*.txt")]


def arrivals(count: int) -> list[PlacementUpdated]:
    return [a_placement(placement_id=f"p{number:02}", trainee_id=f"t{number}") for number in range(count)]


def vars_of(event: RecipientUpdated) -> dict[str, Any]:
    return {name: value for name, value in vars(event).items() if name not in ("recipient_id",)}
