"""The broker, the network or the database goes away, or a handler is slow: nothing is lost, and everything is handled once."""

import time
from urllib.parse import urlsplit

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from sqlalchemy.exc import OperationalError

from shared import topology
from shared.bus import consuming, open_subscriber, rabbitmq
from shared.errors import Unreachable
from shared.inbox import InboxRow, QuarantineRow
from shared.worker import Worker
from tests.helpers import Clock, a_document, a_message
from tests.proxy import Proxy
from tests.shared.rabbitmq.traffic import NAME, PATIENCE, TYPES, placements, publish, until, waiting
from tests.shared.scratch import Counting, count


def test_a_broker_that_is_away_is_waited_for(clock: Clock) -> None:
    subscriber = open_subscriber("amqp://guest:guest@127.0.0.1:1/", NAME, TYPES, 10)
    with pytest.raises(Unreachable, match="The broker is away"):
        subscriber.take(1, 1.0)
    subscriber.close()


def test_a_network_that_swallows_every_answer_is_taken_for_a_broker_that_is_away(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq, "ANSWER_SECONDS", 1)
    address = urlsplit(url)
    with Proxy(address.hostname or "", address.port or 0) as proxy:
        connection = rabbitmq.connect(proxy.proxied(url))
        proxy.black_hole("down")
        with pytest.raises(OSError, match="timed out"):
            rabbitmq.declare(connection, NAME, TYPES)
        rabbitmq.drop(connection)


def test_an_outage_of_the_database_that_lasts_gives_everything_back_to_the_queue(
    declared: str, channel: BlockingChannel, worker: Worker, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.consumer.HELD_AT_MOST", 0.0)
    publish(declared, [message.envelope() for message in placements(1, 2)])
    worker.listen()
    counting.outage = OperationalError("SELECT 1", {}, Exception("the database is away"))
    with pytest.raises(OperationalError):
        until(lambda: False, worker)
    until(lambda: waiting(channel, topology.queue_of(NAME)) == 2)
    counting.outage = None
    until(lambda: count(worker, InboxRow) == 2, worker)
    assert (counting.heard[-2:], count(worker, QuarantineRow)) == ([("p1", 1), ("p1", 2)], 0)


def test_a_handler_that_takes_longer_than_any_heartbeat_loses_nothing(
    declared: str, worker: Worker, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq, "HEARTBEAT_SECONDS", 1)
    read = counting.read

    def slowly(*arguments: object) -> object:
        time.sleep(4)
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(worker.consumers[0], "_service", counting_service(counting, slowly))
    publish(declared, [message.envelope() for message in placements(1)])
    worker.listen()
    until(lambda: count(worker, InboxRow) == 1, worker)
    with pika.BlockingConnection(pika.URLParameters(declared)) as connection:
        worker.close()
        assert waiting(connection.channel(), topology.queue_of(NAME)) == 0, "it was acknowledged, and is not given out again"
    assert counting.heard == [("p1", 1)]


def counting_service(counting: Counting, read: object) -> object:
    service = counting.service(NAME)
    return type(service)(service.name, service.consumers, read)  # type: ignore[arg-type]


def test_a_connection_that_is_cut_is_opened_again_and_everything_is_handled_once(
    declared: str, counting: Counting, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = urlsplit(declared)
    with Proxy(address.hostname or "", address.port or 0) as proxy:
        subscriber = consuming.Subscriber(proxy.proxied(declared), NAME, TYPES, 50)
        monkeypatch.setattr(worker, "_subscriber", subscriber)
        documents = [a_message(a_document(document_id=f"d{number}")) for number in range(200)]
        for start in range(0, 200, 50):
            publish(declared, [message.envelope() for message in documents[start : start + 50]])
            step_through_outages(worker)
            proxy.reset()
        ends = time.monotonic() + PATIENCE
        while count(worker, InboxRow) < 200 and time.monotonic() < ends:
            step_through_outages(worker)
        subscriber.close()
    assert (count(worker, InboxRow), count(worker, QuarantineRow)) == (200, 0)


def step_through_outages(worker: Worker) -> None:
    try:
        worker.step()
    except Unreachable:
        time.sleep(0.05)
