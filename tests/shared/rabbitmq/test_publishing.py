"""What is published arrives whole, in its order and as it says on the outside; and a confirm is true."""

import time
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from shared import topology
from shared.bus import publishing, rabbitmq
from shared.bus.publishing import Publisher
from shared.errors import Unconfirmed
from shared.wire import CONTENT_TYPE
from tests.brokers import Broker
from tests.helpers import a_message, a_placement
from tests.proxy import Proxy
from tests.shared.rabbitmq.traffic import NAME, an_envelope, publish


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
