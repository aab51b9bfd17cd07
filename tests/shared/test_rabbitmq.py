"""RabbitMQ as it is: confirms that are true, a topology that is refused if wrong, messages that kill, a broker that comes and goes."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from sqlalchemy.exc import OperationalError

from shared import topology
from shared.bus import consuming, open_subscriber, publishing, rabbitmq
from shared.bus.publishing import Publisher
from shared.config import Config
from shared.database import migrate, open_database
from shared.errors import Unconfirmed, Unreachable, WrongTopology
from shared.events import ProcurementRouted
from shared.inbox import InboxRow, QuarantineRow
from shared.wire import CONTENT_TYPE, Envelope, Message, say
from shared.worker import Worker
from tests.helpers import Clock, a_document, a_message, a_placement
from tests.nodes import Broker
from tests.proxy import Proxy
from tests.shared.scratch import Counting, count, rows

NAME = "eligibility"
TYPES = ("placement.updated", "document.issued")
PATIENCE = 60.0
_names = itertools.count()


@pytest.fixture
def url(broker: Broker) -> Iterator[str]:
    """A virtual host of this test alone."""
    name = f"rabbitmq{next(_names)}"
    yield broker.vhost(name)
    broker.drop_vhost(name)


@pytest.fixture
def declared(url: str) -> str:
    """The same, with the service's queues on it."""
    connection = rabbitmq.connect(url)
    rabbitmq.declare(connection, NAME, TYPES)
    connection.close()
    return url


@pytest.fixture
def channel(declared: str) -> Iterator[BlockingChannel]:
    """Another client's view."""
    connection = pika.BlockingConnection(pika.URLParameters(declared))
    yield connection.channel()
    if connection.is_open:
        connection.close()


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def worker(declared: str, counting: Counting, tmp_path: Path, clock: Clock) -> Iterator[Worker]:
    config = Config(data=tmp_path, bus_url=declared)
    engine = open_database(config.database_of(NAME))
    migrate(engine, NAME)
    engine.dispose()
    made = Worker(counting.service(NAME), config, clock)
    yield made
    made.close()


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


# ---- publishing --------------------------------------------------------------------------------------------------


def test_what_an_operator_reads_on_the_outside_of_a_message_is_what_is_in_it(declared: str, channel: BlockingChannel) -> None:
    message = a_message(a_placement())
    publish(declared, [message.envelope()], "deadlines")
    method, properties, body = channel.basic_get(topology.queue_of(NAME), auto_ack=True)
    assert (method.routing_key, body.decode()) == ("placement.updated", message.to_json())
    assert (properties.content_type, properties.delivery_mode, properties.type) == (CONTENT_TYPE, 2, "placement.updated")
    assert (properties.message_id, properties.app_id) == (message.id, "tripartite.deadlines")
    assert properties.timestamp == int(message.time.timestamp())


@pytest.mark.parametrize("size", [0, 1, 131_064, 131_065, 400_000])
def test_a_message_of_any_size_arrives_whole(size: int, declared: str, channel: BlockingChannel) -> None:
    body = "ä" * (size // 2) + "x" * (size % 2)
    publish(declared, [an_envelope(body), an_envelope("after")])
    assert [channel.basic_get(topology.queue_of(NAME), auto_ack=True)[2].decode() for _ in range(2)] == [body, "after"]


def test_thousands_of_messages_leave_in_their_order(declared: str, channel: BlockingChannel) -> None:
    with closing(Publisher(declared, "test")) as publisher:
        for start in (0, 1500):
            publisher.publish([an_envelope(str(number) + " " * 900) for number in range(start, start + 1500)])
    found = [int(channel.basic_get(topology.queue_of(NAME), auto_ack=True)[2]) for _ in range(3000)]
    assert found == list(range(3000))


def test_a_late_confirm_of_one_message_never_confirms_another(
    declared: str, channel: BlockingChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "CONFIRM_SECONDS", 0.5)
    address = urlsplit(declared)
    with Proxy(address.hostname or "", address.port or 0) as proxy, closing(Publisher(proxy.proxied(declared), "test")) as publisher:
        publisher.publish([an_envelope("first")])
        proxy.delay(2.0)
        with pytest.raises(Unconfirmed, match="unconfirmed"):
            publisher.publish([an_envelope("in doubt")])
        channel.queue_delete(topology.queue_of(NAME))
        channel.queue_delete(topology.UNROUTED)
        proxy.clear()
        with pytest.raises(Unconfirmed, match="No queue takes messages"):  # and not confirmed by the confirm that comes late
            publisher.publish([an_envelope("lost")])


def test_a_type_that_nobody_hears_is_kept_and_confirmed(declared: str, channel: BlockingChannel) -> None:
    publish(declared, [an_envelope("kept", "report.issued")])
    assert channel.basic_get(topology.UNROUTED, auto_ack=True)[2] == b"kept"


def test_a_publisher_that_was_refused_goes_on_with_a_new_connection(declared: str, channel: BlockingChannel) -> None:
    channel.queue_delete(topology.UNROUTED)
    with closing(Publisher(declared, "test")) as publisher:
        with pytest.raises(Unconfirmed, match=r"report\.issued"):
            publisher.publish([an_envelope("back", "report.issued")])
        publisher.publish([an_envelope("through")])
    assert channel.basic_get(topology.queue_of(NAME), auto_ack=True)[2] == b"through"


def test_a_publisher_that_has_nothing_to_say_keeps_its_connection(
    declared: str, channel: BlockingChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq, "HEARTBEAT_SECONDS", 1)
    opened: list[str] = []

    def noted(url: str) -> object:
        opened.append(url)
        return rabbitmq.connect(url)

    monkeypatch.setattr(publishing, "connect", noted)
    with closing(Publisher(declared, "test")) as publisher:
        publisher.publish([an_envelope("before")])
        ends = time.monotonic() + 4  # longer than the broker waits for a peer that is silent
        while time.monotonic() < ends:
            publisher.rest()
            time.sleep(0.05)
        publisher.publish([an_envelope("after")])
    assert len(opened) == 1


def test_a_memory_alarm_is_noticed_however_often_the_broker_beats(declared: str, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq, "HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(publishing, "CONFIRM_SECONDS", 2.0)
    broker.alarm(on=True)
    try:
        with closing(Publisher(declared, "test")) as publisher, pytest.raises(Unconfirmed, match="short of memory or disk"):
            publisher.publish([an_envelope("waits")])
    finally:
        broker.alarm(on=False)


# ---- topology ----------------------------------------------------------------------------------------------------


def test_declaring_again_changes_nothing(declared: str) -> None:
    connection = rabbitmq.connect(declared)
    rabbitmq.declare(connection, NAME, TYPES)
    connection.close()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"x-queue-type": "classic"}, "inequivalent arg"),
        ({**topology.arguments_of(NAME), "x-delivery-limit": 7}, "x-delivery-limit"),
        ({"x-queue-type": "quorum"}, "x-dead-letter-exchange"),
    ],
    ids=["classic", "another-limit", "no-dead-letters"],
)
def test_a_worker_refuses_a_queue_that_is_not_as_agreed_and_says_what_to_do(
    arguments: dict[str, str | int], what: str, url: str, broker: Broker
) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().queue_declare(topology.queue_of(NAME), durable=True, arguments=arguments)
    with pytest.raises(WrongTopology, match=rf"queue tripartite\.eligibility is not as shared/topology.py has it .*{what}.*delete it"):
        open_subscriber(url, NAME, TYPES, 10)


def test_a_worker_refuses_an_exchange_that_is_not_as_agreed(url: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().exchange_declare(topology.EVENTS, "topic", durable=True)
    with pytest.raises(WrongTopology, match=r"exchange tripartite\.events .*alternate-exchange.*rabbitmqadmin delete exchange"):
        open_subscriber(url, NAME, TYPES, 10)


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


# ---- messages that kill ------------------------------------------------------------------------------------------


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


def placements(*sequences: int) -> list[Message]:
    return [a_message(a_placement(site=f"s{sequence}"), sequence) for sequence in sequences]


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


def test_a_user_who_is_not_let_in_is_told_where_to_look(declared: str) -> None:
    with pytest.raises(WrongTopology, match=r"does not let mallory in .*TRIPARTITE_BUS_URL"):
        open_subscriber(declared.replace("guest:guest", "mallory:guess"), NAME, TYPES, 10)


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
        (b"{}", {"correlation_id": "\udce9t"}, "the properties cannot be decoded"),
    ],
    ids=["empty", "count-as-text", "count-as-table", "properties"],
)
def test_nothing_that_a_message_is_made_of_ends_the_connection(
    body: bytes, properties: dict[str, Any], reason: str, declared: str, channel: BlockingChannel, worker: Worker, counting: Counting
) -> None:
    with pytest.MonkeyPatch.context() as patched:  # another client may send bytes that are no text
        patched.setattr("pika.data.as_bytes", lambda value: value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape"))
        described = pika.BasicProperties(content_type=CONTENT_TYPE, **properties)
        channel.basic_publish(topology.EVENTS, "placement.updated", body, described)
    publish(declared, [message.envelope() for message in placements(1)])
    worker.listen()
    until(lambda: count(worker, InboxRow) == 1 and count(worker, QuarantineRow) == 1, worker)
    [kept] = rows(worker, QuarantineRow)
    assert (kept.body, kept.times) == (body, 1)
    assert reason in kept.reason


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


# ---- a broker that comes and goes --------------------------------------------------------------------------------


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
