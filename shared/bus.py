"""Publish and consume: the only file that knows kombu.

One durable topic exchange; the routing key is the event's type. One queue per service, bound to the types in its CONSUMERS table.
The bus is a pipe that may lose what it holds: every guarantee stands in the outbox and the inbox, on either side of it.

Only ``memory://`` is spoken yet: one process, whose queues die with it (the relay publishes the outbox again at start). A
:class:`Subscriber` holds what it took until :meth:`Subscriber.done`; nothing is given back to the queue, because kombu's virtual
transports return a message through the exchange and so to every other service too.
"""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from kombu import Connection, Exchange, Producer, Queue, binding
from kombu.transport import memory

EXCHANGE = "tripartite.events"
CONTENT_TYPE = "application/cloudevents+json"


def _exchange() -> Exchange:
    return Exchange(EXCHANGE, type="topic", durable=True)


def queue_of(service: str, types: Iterable[str] = ()) -> Queue:
    """The service's queue, with a binding for every type of event that it hears."""
    return Queue(f"tripartite.{service}", bindings=[binding(_exchange(), routing_key=type_) for type_ in types], durable=True)


class Publisher:
    """Publishes rows of an outbox. One per thread."""

    def __init__(self, url: str, service: str) -> None:
        self._connection = Connection(url)
        self._service = service
        self._producer: Producer | None = None

    def publish(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Publish (type, key, body) rows in their order; returns once the broker has them all."""
        if self._producer is None:
            self._producer = Producer(self._connection.channel(), _exchange())
        for type_, key, body in rows:
            self._producer.publish(
                body.encode(),
                routing_key=type_,
                content_type=CONTENT_TYPE,
                content_encoding="binary",
                message_id=str(uuid.uuid5(uuid.NAMESPACE_URL, key)),
                type=type_,
                app_id=f"tripartite.{self._service}",
                delivery_mode=2,
            )

    def close(self) -> None:
        """Give the connection back."""
        self._connection.release()


class Subscriber:
    """Takes messages from a service's queue. One per thread."""

    def __init__(self, url: str, service: str, types: Iterable[str]) -> None:
        self._connection = Connection(url)
        self._channel: Any = self._connection.channel()
        self._queue = queue_of(service, types)(self._channel)
        self._queue.declare()

    def take(self, limit: int) -> list[Any]:
        """Up to ``limit`` waiting messages, each with ``body`` bytes; does not wait."""
        taken: list[Any] = []
        while len(taken) < limit and (message := self._queue.get(no_ack=False)):
            taken.append(message)
        return taken

    def done(self, taken: Sequence[Any]) -> None:
        """Acknowledge what was taken, after the commit."""
        for message in taken:
            message.ack()

    def close(self) -> None:
        """Give the connection back."""
        self._connection.release()


def forget_embedded_queues() -> None:
    """Empty the queues of this process, as its end would (rehearsals and tests that start several houses in one process)."""
    memory.Channel.queues.clear()
    memory.Transport.global_state.clear()
