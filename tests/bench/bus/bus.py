"""The broker as the harness sees it: one virtual host with the queue of deadlines and a sink that hears ``deadline.set``.

Counts and declarations go through pika; bulk goes through frames.py, so that filling and emptying queues takes little of a run's time.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pika

from shared import topology
from tests.bench.bus.frames import BODY, CHANNEL, FRAME, TAG, Link, publish_start
from tests.bench.bus.job import QUEUE, SERVICE
from tests.bench.bus.order import SET

SINK = "bench.sink"
AT_ONCE = 1_000


def put_events(url: str, bodies: Iterable[bytes]) -> None:
    """Put bodies into the queue of deadlines of a virtual host, confirmed."""
    link = Link(url)
    link.confirm()
    before, after = publish_start("", QUEUE)
    rest = iter(bodies)
    while some := list(islice(rest, AT_ONCE)):
        frames = (before + TAG.pack(len(body)) + after + FRAME.pack(BODY, CHANNEL, len(body)) + body + b"\xce" for body in some)
        link.publish(b"".join(frames), len(some))
        while link.confirmed < link.published:
            link.read()
    link.close()


class Bus:
    """A virtual host, with all that the job needs declared in it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection = pika.BlockingConnection(pika.URLParameters(f"{url}?heartbeat=0"))
        self._channel = self._connection.channel()
        for exchange in topology.EXCHANGES:
            self._channel.exchange_declare(exchange.name, exchange.type, durable=True, arguments=dict(exchange.arguments))
        self._channel.queue_declare(QUEUE, durable=True, arguments=topology.arguments_of(SERVICE))
        self._channel.queue_declare(SINK, durable=True, arguments=dict(topology.KEEPS))
        self._channel.queue_bind(SINK, topology.EVENTS, SET)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def count(self, queue: str) -> int:
        """How many messages are ready in a queue."""
        return int(self._channel.queue_declare(queue, passive=True).method.message_count)

    def empty_sink(self) -> int:
        """Drop what the sink holds; how many messages that were."""
        return int(self._channel.queue_purge(SINK).method.message_count)

    def said(self, count: int) -> Iterator[dict[str, Any]]:
        """Take so many events from the sink."""
        link = Link(self._url)
        link.consume(SINK, AT_ONCE)
        while count > 0:
            taken = link.read()
            if taken:
                link.acknowledge(taken[-1][0])
            count -= len(taken)
            yield from (json.loads(body) for _, body in taken)
        link.close()
