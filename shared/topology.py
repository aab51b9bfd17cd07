"""What stands on the broker: names, kinds and arguments, once, for whoever declares, checks or documents them.

::

    publishers ──▶ tripartite.events (topic; key = event type) ──▶ tripartite.<service>        (quorum; the types it hears)
                        │ no queue hears the type                        │ taken DELIVERY_LIMIT times, never answered
                        ▼                                                ▼
                   tripartite.unrouted (fanout)                     tripartite.<service>.dead (fanout)
                        └─▶ tripartite.unrouted (quorum)                └─▶ tripartite.<service>.dead (quorum) ─▶ the quarantine

Everything is durable. Limits and dead-lettering are arguments of the queue, not policies of the broker: a declaration with other
arguments is then refused by the broker itself, so that a worker needs no right but to its own queues to see that all is well.
Sources: RabbitMQ's guides to quorum queues (at-least-once dead lettering asks for ``reject-publish``), alternate exchanges, access control.
"""

from collections.abc import Mapping
from dataclasses import dataclass

EVENTS = "tripartite.events"
UNROUTED = "tripartite.unrouted"
DELIVERY_LIMIT = 50
"""How often a message may be taken and not answered, because its worker died. What came back is handled alone: its neighbours stay."""
NO_LIMIT = 1_000_000_000
"""For queues that must keep what they hold: RabbitMQ 4 drops after 20 deliveries where nothing is said."""

KEEPS = {"x-queue-type": "quorum", "x-delivery-limit": NO_LIMIT}
"""The arguments of a queue whose messages wait for a person or for the quarantine."""


@dataclass(frozen=True)
class Exchange:
    """An exchange: name, type and arguments. Durable."""

    name: str
    type: str
    arguments: Mapping[str, str | int]


EXCHANGES = (
    Exchange(UNROUTED, "fanout", {}),
    Exchange(EVENTS, "topic", {"alternate-exchange": UNROUTED}),
)
"""Those that all services share, in the order in which they can be declared."""


def queue_of(service: str) -> str:
    """The queue of a service; its workers compete on it."""
    return f"tripartite.{service}"


def dead_exchange_of(service: str) -> Exchange:
    """The exchange before the service's dead letters; its own, so that no other service can read or write them."""
    return Exchange(dead_queue_of(service), "fanout", {})


def dead_queue_of(service: str) -> str:
    """Where the messages of a service go that were taken too often and never answered: a queue, and the exchange before it."""
    return f"tripartite.{service}.dead"


def arguments_of(service: str) -> dict[str, str | int]:
    """The arguments of a service's queue."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": dead_queue_of(service),
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


@dataclass(frozen=True)
class Permissions:
    """What a broker user may do, as RabbitMQ's three regular expressions."""

    configure: str
    write: str
    read: str


def permissions_of(service: str) -> Permissions:
    """A service's user: its own two queues and the exchanges, nothing else."""
    own = rf"tripartite\.{service}(\.dead)?"
    return Permissions(rf"^{own}$", rf"^({own}|tripartite\.events)$", rf"^({own}|tripartite\.events)$")


PUBLISHES_ONLY = Permissions("^$", r"^tripartite\.events$", "^$")
"""An upstream system: it publishes, and sees nothing."""
