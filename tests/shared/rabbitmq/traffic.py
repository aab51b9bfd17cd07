"""What the tests of RabbitMQ share: a service's queues, what is published to them, and waiting for what comes of it."""

import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

from pika.adapters.blocking_connection import BlockingChannel

from shared.bus.publishing import Publisher
from shared.wire import Envelope, Message
from shared.worker import Worker
from tests.helpers import a_message, a_placement

NAME = "eligibility"
TYPES = ("placement.updated", "document.issued")
PATIENCE = 60.0


def publish(url: str, envelopes: list[Envelope], service: str = "test") -> None:
    with closing(Publisher(url, service)) as publisher:
        publisher.publish(envelopes)


def an_envelope(body: str = "{}", type_: str = "placement.updated", key: str = "urn:test id-1") -> Envelope:
    return Envelope(type_, key, "p1", body, datetime(2027, 5, 5, 9, tzinfo=UTC), "why")


def until(condition: Callable[[], bool], worker: Worker | None = None) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, "it did not come about in time"
        if worker is None or not worker.step():
            time.sleep(0.02)


def waiting(channel: BlockingChannel, queue: str) -> int:
    found = channel.queue_declare(queue, passive=True).method.message_count
    assert isinstance(found, int)
    return found


def placements(*sequences: int) -> list[Message]:
    return [a_message(a_placement(site=f"s{sequence}"), sequence) for sequence in sequences]
