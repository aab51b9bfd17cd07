"""Publish and consume: the only part that knows kombu.

The bus is a pipe that may lose what it holds until the broker has confirmed it: every guarantee stands in the outbox and the inbox, on
either side of it. A *publisher* returns once every message is confirmed, or raises. A *subscriber* holds what it took until it is told
that it is done.

* :mod:`shared.bus.rabbitmq`: the connection, and the topology declared and checked;
* :mod:`shared.bus.publishing`, :mod:`shared.bus.consuming`: a publisher and a subscriber on RabbitMQ;
* :mod:`shared.bus.embedded`: both on kombu's ``memory://``, in one process.

:func:`open_publisher` and :func:`open_subscriber` choose by the URL. A publisher is for one thread; a subscriber may be shared.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shared.wire import Envelope


@dataclass(frozen=True, slots=True)
class Taken:
    """A message as it came, not yet acknowledged.

    :param deliveries: how often it was taken before.
    :param dead: whether it comes from the dead letters: taken too often, and never answered.
    :param receipt: what the subscriber knows it by.
    """

    body: bytes
    content_type: str
    deliveries: int
    dead: bool
    receipt: Any


class Publisher(Protocol):
    """Publishes what an outbox says."""

    def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Publish in this order; returns once the broker has confirmed every message.

        :raises Exception: any doubt (a timeout, a refusal, a lost connection): the caller says all of it again.
        """

    def has_room(self) -> bool:
        """Whether more may be published now; what may not waits in the outbox."""

    def rest(self) -> None:
        """There is nothing to publish now: keep the connection alive."""

    def close(self) -> None:
        """Give the connection back."""


class Subscriber(Protocol):
    """Takes messages from a service's queue."""

    def take(self, limit: int, wait: float) -> list[Taken]:
        """Up to ``limit`` messages; waits up to ``wait`` seconds for the first one.

        :raises Exception: the broker is away.
        """

    def done(self, taken: Sequence[Taken]) -> None:
        """Acknowledge these, after the commit; never what another thread is still at."""

    def done_alone(self, taken: Taken) -> None:
        """Acknowledge this one at once, and no other."""

    def rest(self) -> None:
        """Give everything back to the queue, and take nothing until :meth:`wake`: whoever would handle it is away for long."""

    def wake(self) -> None:
        """Take messages again."""

    def close(self) -> None:
        """Give the connection back; what was taken and is not done goes back to the queue."""


def open_publisher(url: str, service: str) -> Publisher:
    """A publisher; connects when it is first used."""
    from shared.bus import embedded, publishing  # noqa: PLC0415 (they need the classes above)

    return embedded.Publisher(url, service) if url.startswith("memory://") else publishing.Publisher(url, service)


def open_subscriber(url: str, service: str, types: Iterable[str], batch: int) -> Subscriber:
    """A subscriber to these types of event.

    :param batch: how many messages are taken at once; a few times as many are fetched ahead.
    :raises WrongTopology: the queue is there, but not as shared/topology.py has it.
    """
    from shared.bus import consuming, embedded  # noqa: PLC0415

    if url.startswith("memory://"):
        return embedded.Subscriber(url, service, types)
    return consuming.Subscriber(url, service, types, batch)
