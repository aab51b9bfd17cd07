"""Messages that kill whoever handles them, that cannot be read, or that only another may say: each is kept apart, and alone."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from shared import topology
from shared.bus import open_subscriber
from shared.events import ProcurementRouted
from shared.inbox import InboxRow, QuarantineRow
from shared.wire import CONTENT_TYPE, Message, say
from shared.worker import Worker
from tests.shared.rabbitmq.traffic import NAME, PATIENCE, TYPES, placements, publish, until, waiting
from tests.shared.scratch import Counting, count, rows


def taken_and_never_answered(channel: BlockingChannel, times: int) -> None:
    """As workers do that die on a message: it goes back to the queue, and counts."""
    for _ in range(times):
        while (method := channel.basic_get(topology.queue_of(NAME))[0]) is None:
            time.sleep(0.01)
        channel.basic_reject(method.delivery_tag, requeue=True)


def test_a_message_that_was_taken_too_often_ends_in_the_quarantine(
    declared: str, channel: BlockingChannel, worker: Worker, counting: Counting
) -> None:
    [message] = placements(1)
    publish(declared, [message.envelope()])
    taken_and_never_answered(channel, topology.DELIVERY_LIMIT + 1)
    until(lambda: waiting(channel, topology.dead_queue_of(NAME)) == 1)
    worker.listen()
    until(lambda: count(worker, QuarantineRow) == 1, worker)
    [kept] = rows(worker, QuarantineRow)
    assert (kept.body.decode(), counting.heard) == (message.to_json(), [])
    assert "whoever handled it died" in kept.reason
    until(lambda: waiting(channel, topology.dead_queue_of(NAME)) == 0, worker)


def test_messages_that_came_back_often_are_handled_one_by_one(
    declared: str, channel: BlockingChannel, worker: Worker, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    take_in = worker.consumers[0].take_in

    def noted(messages: list[Message], *others: object) -> None:
        batches.append(len(messages))
        take_in(messages, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(worker.consumers[0], "take_in", noted)
    publish(declared, [message.envelope() for message in placements(1, 2, 3)])
    for _ in range(3):
        taken = [channel.basic_get(topology.queue_of(NAME))[0] for _ in range(3)]
        for method in taken:
            channel.basic_reject(method.delivery_tag, requeue=True)
    worker.listen()
    until(lambda: count(worker, InboxRow) == 3, worker)
    assert batches == [1, 1, 1]


@contextmanager
def bytes_that_are_no_text() -> Iterator[None]:
    """Another client may send such: in the meantime pika does."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("pika.data.as_bytes", lambda value: value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape"))
        yield


@pytest.mark.parametrize(
    ("body", "properties", "reason"),
    [
        (b"", {}, "This is not usable JSON"),
        (b"{}", {"headers": {"x-delivery-count": "many"}}, "The message is not a usable CloudEvent"),
        (
            b"{}",
            {"headers": {"x-delivery-count": {"a": 1}, "t": datetime(9999, 1, 1, tzinfo=UTC)}},
            "The message is not a usable CloudEvent",
        ),
        (b"{}", {"correlation_id": "\udce9t"}, "The message is not a usable CloudEvent"),
        (b"{}", {"correlation_id": "\udce9t", "app_id": "\x10x-delivery-countl"}, "The message is not a usable CloudEvent"),
        (b"{}", {"content_type": "\udce9t"}, "content type must be application/cloudevents+json"),
    ],
    ids=["empty", "count-as-text", "count-as-table", "properties", "half-a-count", "content-type"],
)
def test_nothing_that_a_message_is_made_of_ends_the_connection(
    body: bytes, properties: dict[str, Any], reason: str, declared: str, channel: BlockingChannel, worker: Worker, counting: Counting
) -> None:
    with bytes_that_are_no_text():
        described = pika.BasicProperties(**{"content_type": CONTENT_TYPE, **properties})
        channel.basic_publish(topology.EVENTS, "placement.updated", body, described)
    publish(declared, [message.envelope() for message in placements(1)])
    worker.listen()
    until(lambda: count(worker, InboxRow) == 1 and count(worker, QuarantineRow) == 1, worker)
    [kept] = rows(worker, QuarantineRow)
    assert (kept.body, kept.times) == (body, 1)
    assert reason in kept.reason


def test_a_message_is_heard_whatever_its_routing_key_is_made_of(
    declared: str, channel: BlockingChannel, worker: Worker, counting: Counting
) -> None:
    [message] = placements(1)
    with bytes_that_are_no_text():
        sent_along = pika.BasicProperties(content_type=CONTENT_TYPE, headers={"CC": ["placement.updated"]})
        channel.basic_publish(topology.EVENTS, "\udcff\udcfe", message.to_json().encode(), sent_along)
    worker.listen()
    until(lambda: count(worker, InboxRow) == 1, worker)
    assert (counting.heard, count(worker, QuarantineRow)) == ([("p1", 1)], 0)


def test_a_header_that_cannot_be_read_takes_nothing_from_the_message_and_its_count(declared: str, channel: BlockingChannel) -> None:
    [message] = placements(1)
    in_milliseconds = [amqp_table(b"t", b"T" + (1_800_000_000_000).to_bytes(8, "big"))]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("pika.data.encode_table", lambda pieces, table: pieces.extend(in_milliseconds) or len(in_milliseconds[0]))
        described = pika.BasicProperties(content_type=CONTENT_TYPE, headers={"t": 0})
        channel.basic_publish(topology.EVENTS, "placement.updated", message.to_json().encode(), described)
    with closing(open_subscriber(declared, NAME, TYPES, 10)) as subscriber:
        subscriber.take(1, PATIENCE)  # and never answered
    with closing(open_subscriber(declared, NAME, TYPES, 10)) as subscriber:
        [taken] = subscriber.take(1, PATIENCE)
    assert (taken.body.decode(), taken.content_type, taken.deliveries) == (message.to_json(), CONTENT_TYPE, 1)


def amqp_table(key: bytes, value: bytes) -> bytes:
    """A table of AMQP with one field."""
    field = bytes([len(key)]) + key + value
    return len(field).to_bytes(4, "big") + field


def test_what_only_a_service_may_say_is_kept_when_somebody_else_says_it(
    declared: str, channel: BlockingChannel, worker: Worker, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = counting.service(NAME)
    hears = type(service)(service.name, {ProcurementRouted: counting.handle}, service.read)
    monkeypatch.setattr(worker.consumers[0], "_service", hears)
    event = ProcurementRouted(procurement_id="p", decision_id="d", route="r", as_at=date(2027, 5, 5))
    for source in ("urn:evil", "urn:tripartite:eligibility"):
        body = say(event, source, datetime(2027, 5, 5, tzinfo=UTC)).to_json().encode()
        channel.basic_publish("", topology.queue_of(NAME), body, pika.BasicProperties(content_type=CONTENT_TYPE))
    worker.listen()
    until(lambda: count(worker, InboxRow) == 1 and count(worker, QuarantineRow) == 1, worker)
    [kept] = rows(worker, QuarantineRow)
    assert kept.reason == "procurement.routed is said by urn:tripartite:eligibility alone, not by urn:evil."
