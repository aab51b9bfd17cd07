"""Builders for tests: a clock wound by hand, services on scratch databases, and upstream events with sensible fields."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from kombu import Connection, Exchange, Producer

from shared.config import Config
from shared.events import ConcernRaised, DocumentIssued, Event, PlacementUpdated, RecipientUpdated
from shared.topology import EVENTS
from shared.wire import CONTENT_TYPE, Message, say
from shared.worker import Service, Worker

HOUSE = Path(__file__).parent.parent
SOURCE = "urn:tripartite:test"


class Clock:
    """A clock that shows what it was told to."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def on(self, day: date, hour: int = 12) -> datetime:
        """Wind it to an hour (UTC) of a day."""
        self.now = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
        return self.now


def a_worker(service: Service, folder: Path, clock: Clock) -> Worker:
    """A service at work on a scratch database."""
    return Worker(service, Config(data=folder), clock)


def put(worker: Worker, *bodies: Message | bytes, kind: str = "placement.updated", content_type: str = CONTENT_TYPE) -> None:
    """Put messages on the embedded bus as another system would, or bytes that are none."""
    with Connection(worker.config.bus_url) as connection:
        producer = Producer(connection.channel(), Exchange(EVENTS, type="topic", durable=True))
        for body in bodies:
            type_, raw = (body.data.type, body.to_json().encode()) if isinstance(body, Message) else (kind, body)
            producer.publish(raw, routing_key=type_, content_type=content_type, content_encoding="binary")


def settle(*workers: Worker) -> int:
    """Let workers do rounds until none has anything to do."""
    total = 0
    while done := sum(worker.step() for worker in workers):
        total += done
    return total


def a_placement(**changes: Any) -> PlacementUpdated:
    """A placement of an invented trainee that starts on 4 August 2027."""
    placement = PlacementUpdated(
        placement_id="p1",
        trainee_id="t1",
        host="RXN",
        host_name="Lancashire Teaching Hospitals NHS Foundation Trust",
        site="RXN02",
        lead_employer="RBN",
        specialty="Cardiology",
        grade="ST3",
        whole_time_equivalent=Decimal("1.0"),
        placement_type="in-post",
        start_date=date(2027, 8, 4),
        end_date=date(2028, 2, 1),
    )
    return replace(placement, **changes)


def a_document(
    kind: str = "work-schedule", issued_to: str = "trainee", issued_on: date = date(2027, 6, 9), **changes: Any
) -> DocumentIssued:
    """A document about that placement, issued by the party that owes it (what the national body owes, anybody may issue)."""
    document = DocumentIssued(
        document_id=f"{kind}-{issued_to}-{issued_on}",
        placement_id="p1",
        kind=kind,  # type: ignore[arg-type]
        issued_to=issued_to,  # type: ignore[arg-type]
        issued_by="RXN" if kind == "duty-roster" or issued_to == "lead-employer" else "RBN",
        issued_on=issued_on,
        host="RXN",
    )
    return replace(document, **changes)


def a_recipient(recipient_id: str = "t1", **changes: Any) -> RecipientUpdated:
    """How that trainee is reached."""
    recipient = RecipientUpdated(
        recipient_id=recipient_id, role="trainee", organisation="", purpose="", name="Ada Quillfeather (invented)", email="ada@example.org"
    )
    return replace(recipient, **changes)


def a_concern(facts: dict[str, Any], **changes: Any) -> ConcernRaised:
    """A concern about an invented doctor."""
    concern = ConcernRaised(concern_id="c1", doctor_reference="DR-0001", lead_employer="RBN", host="RXN", facts=facts)
    return replace(concern, **changes)


def a_message(event: Event, sequence: int = 1, at: datetime | None = None) -> Message:
    """The message that says an event, on 5 May 2027; a document that was issued later, on its day."""
    first = date(2027, 5, 5)
    day = max(first, event.issued_on) if isinstance(event, DocumentIssued) else first
    return say(event, SOURCE, at or datetime.combine(day, time(9), UTC), sequence)


def cloud_event(event: Event, sequence: int = 1) -> dict[str, Any]:
    """The CloudEvent that says an event, as a caller sends it."""
    found: dict[str, Any] = json.loads(a_message(event, sequence).to_json())
    return found
