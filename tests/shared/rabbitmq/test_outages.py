"""The broker, the network or the database goes away, or a handler is slow: nothing is lost, and everything is handled once."""

import time
from urllib.parse import urlsplit

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from sqlalchemy.exc import OperationalError

from shared import topology
from shared.bus import consuming, open_subscriber, rabbitmq
from shared.consumer import Rest
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


AWAY = OperationalError("SELECT 1", {}, Exception("the database is away"))


def two_are_heard_in_an_outage(declared: str, worker: Worker, counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two messages are heard while the database is away, for longer than they are held."""
    monkeypatch.setattr("shared.consumer.HELD_AT_MOST", 0.0)
    publish(declared, [message.envelope() for message in placements(1, 2)])
    worker.listen()
    counting.outage = AWAY
    with pytest.raises(OperationalError):
        until(lambda: False, worker)


def test_an_outage_of_the_database_that_lasts_gives_everything_back_to_the_queue(
    declared: str, channel: BlockingChannel, worker: Worker, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_are_heard_in_an_outage(declared, worker, counting, monkeypatch)
    until(lambda: waiting(channel, topology.queue_of(NAME)) == 2)
    counting.outage = None
    until(lambda: count(worker, InboxRow) == 2, worker)
    assert (counting.heard[-2:], count(worker, QuarantineRow)) == ([("p1", 1), ("p1", 2)], 0)


def test_a_database_that_takes_nothing_is_tried_out_before_anything_is_fetched_again(
    declared: str, channel: BlockingChannel, worker: Worker, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_are_heard_in_an_outage(declared, worker, counting, monkeypatch)
    with monkeypatch.context() as read_only:
        read_only.setattr("shared.outbox.try_out", refuse)
        for _ in range(topology.DELIVERY_LIMIT + 10):
            with pytest.raises(OperationalError):
                worker.step()
    until(lambda: waiting(channel, topology.queue_of(NAME)) == 2)
    counting.outage = None
    until(lambda: count(worker, InboxRow) == 2, worker)
    assert (count(worker, QuarantineRow), worker._rest._next) == (0, 0.0)


def refuse(*_: object) -> None:
    raise AWAY


def test_each_rest_is_longer_than_the_one_before_because_the_broker_counts_them(
    declared: str, worker: Worker, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.consumer.HELD_AT_MOST", 0.0)
    publish(declared, [message.envelope() for message in placements(1)])
    worker.listen()
    counting.outage = AWAY
    rests: list[float] = []
    while len(rests) < 8:
        with pytest.raises(OperationalError):
            until(lambda: False, worker)
        rests.append(max(0.0, (worker._rest._until or 0.0) - time.monotonic()))
        if rests[-1]:
            with pytest.raises(Unreachable, match="tried anew in"):
                worker.step()
        worker._rest._until = 0.0
    assert [round(rest / 600) for rest in rests] == [0, 1, 2, 4, 8, 16, 32, 36], "ten minutes, twice as long each time, six hours at most"
    counting.outage = None
    until(lambda: count(worker, InboxRow) == 1, worker)
    assert count(worker, QuarantineRow) == 0


def test_what_is_given_back_comes_again_however_soon_the_rest_ends(declared: str) -> None:
    publish(declared, [message.envelope() for message in placements(1)])
    subscriber = consuming.Subscriber(declared, NAME, TYPES, 10)
    [first] = subscriber.take(1, PATIENCE)
    subscriber.rest()
    subscriber.wake()
    [again] = subscriber.take(1, PATIENCE)
    assert (again.body, again.deliveries) == (first.body, first.deliveries + 1)
    subscriber.close()


class Bus:
    """A bus that only knows whether it rests."""

    def __init__(self) -> None:
        self.rests = 0
        self.awake = True

    def rest(self) -> None:
        self.rests, self.awake = self.rests + 1, False

    def wake(self) -> None:
        self.awake = True


def test_two_threads_that_fail_in_one_outage_make_one_rest() -> None:
    bus, rest = Bus(), Rest()
    for _ in range(2):
        rest.begin(bus, seen=0)  # type: ignore[arg-type]
    rest.end(bus, lambda: None)  # type: ignore[arg-type]
    assert (bus.rests, rest.count, bus.awake) == (1, 1, True), "the first ends as soon as the database is back"


def test_whoever_ends_a_rest_does_not_end_the_next_that_began_meanwhile() -> None:
    bus, rest = Bus(), Rest()
    rest.begin(bus, seen=0)  # type: ignore[arg-type]

    def while_it_is_tried_out() -> None:
        rest.end(bus, lambda: None)  # type: ignore[arg-type]
        rest.begin(bus, seen=1)  # type: ignore[arg-type]

    rest.end(bus, while_it_is_tried_out)  # type: ignore[arg-type]
    assert (bus.rests, bus.awake) == (2, False)
    with pytest.raises(Unreachable, match="tried anew in"):
        rest.end(bus, lambda: None)  # type: ignore[arg-type]


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
