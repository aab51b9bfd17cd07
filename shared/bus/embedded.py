"""Both ends of the bus in one process, on kombu's ``memory://``: the queues die with the process.

Nothing is ever given back to a queue, because kombu's virtual transports return a message through the exchange and so to every other
service too; and nothing needs to be: the relay publishes the outbox again when the process starts.
"""

import time
from collections.abc import Iterable, Sequence

from kombu import Connection, Exchange, Producer, Queue, binding
from kombu.transport import memory

from shared.bus import Taken
from shared.crashpoints import crashpoint
from shared.topology import EVENTS, queue_of
from shared.wire import CONTENT_TYPE, Envelope

POLL_SECONDS = 0.02
LONGEST_QUEUE = 5_000
"""A queue with so many messages is given no more until its service has taken some of them."""


def _exchange() -> Exchange:
    return Exchange(EVENTS, type="topic", durable=True)


class Publisher:
    """Publishes rows of an outbox into the queues of this process."""

    def __init__(self, url: str, service: str) -> None:
        self._connection = Connection(url)
        self._service = service
        self._producer: Producer | None = None

    def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Publish in this order; they are in the queues at once."""
        if self._producer is None:
            self._producer = Producer(self._connection.channel(), _exchange())
        for envelope in envelopes:
            self._producer.publish(
                envelope.body.encode(),
                routing_key=envelope.type,
                content_type=CONTENT_TYPE,
                content_encoding="binary",
                message_id=envelope.key.partition(" ")[2],
                type=envelope.type,
                app_id=f"tripartite.{self._service}",
                correlation_id=envelope.correlation_id,
                timestamp=max(0, int(envelope.said_at.timestamp())),
                delivery_mode=2,
            )
        crashpoint("relay.published.unconfirmed")

    def has_room(self) -> bool:
        """Whether the queues of this process are short enough: what waits in the outbox needs no memory."""
        return all(queue.qsize() < LONGEST_QUEUE for queue in list(memory.Channel.queues.values()))

    def rest(self) -> None:
        """Nothing can be lost in the meantime."""

    def close(self) -> None:
        """Give the connection back."""
        self._connection.release()


class Subscriber:
    """Takes messages from a service's queue in this process."""

    def __init__(self, url: str, service: str, types: Iterable[str]) -> None:
        self._connection = Connection(url)
        bindings = [binding(_exchange(), routing_key=type_) for type_ in types]
        self._queue = Queue(queue_of(service), bindings=bindings, durable=True)(self._connection.channel())
        self._queue.declare()

    def take(self, limit: int, wait: float) -> list[Taken]:
        """Up to ``limit`` messages; waits up to ``wait`` seconds for the first one."""
        ends = time.monotonic() + wait
        while not (taken := self._waiting(limit)) and time.monotonic() < ends:
            time.sleep(POLL_SECONDS)
        return taken

    def _waiting(self, limit: int) -> list[Taken]:
        taken: list[Taken] = []
        while len(taken) < limit and (message := self._queue.get(no_ack=False)):
            taken.append(Taken(bytes(message.body), str(message.content_type), 0, False, message))
        return taken

    def done(self, taken: Sequence[Taken]) -> None:
        """Acknowledge what was taken, after the commit."""
        for message in taken:
            self.done_alone(message)

    def done_alone(self, taken: Taken) -> None:
        """Acknowledge this one."""
        taken.receipt.ack()

    def rest(self) -> None:
        """There is nobody to give anything back to."""

    def wake(self) -> None:
        """Nothing was given back."""

    def close(self) -> None:
        """Give the connection back."""
        self._connection.release()


def forget_embedded_queues() -> None:
    """Empty the queues of this process, as its end would (rehearsals and tests that start several houses in one process)."""
    memory.Channel.queues.clear()
    memory.Transport.global_state.clear()
