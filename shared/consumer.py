"""Messages in: taken by the batch, decoded, handled in one transaction, acknowledged after its commit.

* A batch that fails is tried again message by message, so that only the poison one suffers: it is kept raw in the quarantine.
* A message that came back ALONE_AFTER times, because workers died on it or beside it, is handled alone, and such messages in random
  order: so the one that kills is not always in front of the others.
* An outage of the database is nobody's fault: the batch is held, and tried again; given back to the queue if it lasts.

Read :meth:`Consumer.step` first, then :meth:`Consumer.take_in`.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import structlog
from prometheus_client import Counter
from sqlalchemy import Engine

from shared import inbox, outbox
from shared.bus import Subscriber, Taken
from shared.crashpoints import crashpoint
from shared.database import is_outage, transaction
from shared.errors import MalformedEvent, Refused, UnknownEventType, Unreachable
from shared.wire import Message, read_delivery, source_of

if TYPE_CHECKING:
    from shared.worker import Service

ALONE_AFTER = 3
LONGEST_REASON = 2_000
HELD_AT_MOST = 600.0
"""Seconds that a batch is held through an outage; RabbitMQ closes the channel of a consumer that has not answered for 30 minutes."""
FIRST_REST, LONGEST_REST = 600.0, 6 * 3600.0
"""How long nothing is fetched after the database failed again on what was fetched when it seemed to be back."""
log = structlog.get_logger()
heard = Counter("tripartite_heard", "Messages taken from the queue, by what became of them", ["service", "result"])


class Consumer:
    """What one service hears, on one database. ``relay`` is handed what is said of it; ``rest`` is that of all its worker's consumers."""

    def __init__(self, service: "Service", engine: Engine, relay: outbox.Relay, rest: "Rest") -> None:
        self._service, self._engine, self._relay, self._rest = service, engine, relay, rest
        self._held: list[Taken] = []
        self._held_since = 0.0
        self._rests = 0
        self._one_by_one = False

    def step(self, subscriber: Subscriber, limit: int, wait: float, clock: Callable[[], datetime]) -> int:
        """Take a batch and have done with it; returns how many messages it had. Waits up to ``wait`` seconds for the first."""
        if not self._held:
            self._held, self._held_since = subscriber.take(limit, wait), time.monotonic()
            self._rests = self._rest.count  # read after the take: a rest that is not in it yet gives back this batch as well
            self._one_by_one = any(taken.dead or taken.deliveries >= ALONE_AFTER for taken in self._held)
            if self._one_by_one:
                random.shuffle(self._held)
        now, count = clock(), len(self._held)
        if count and not self._one_by_one:
            self._one_by_one = not self._together(self._held, now)
            if not self._one_by_one:
                crashpoint("consumer.committed.unacknowledged")
                done, self._held = self._held, []
                subscriber.done(done)
        while self._held:
            self._alone(self._held[0], now)
            subscriber.done_alone(self._held.pop(0))
        return count

    def holds_too_long(self) -> bool:
        """Whether it has held its batch for so long that the broker would soon take it for dead."""
        return bool(self._held) and time.monotonic() - self._held_since > HELD_AT_MOST

    def give_back(self, subscriber: Subscriber) -> None:
        """Give the batch back to the queue, with everything else that was fetched."""
        self._rest.begin(subscriber, self._rests)
        self._held = []

    def _together(self, batch: Sequence[Taken], now: datetime) -> bool:
        """Take in a batch in one transaction; False if something in it prevents that."""
        try:
            self.take_in([self._read(taken) for taken in batch], now)
        except Exception as error:
            if is_outage(error):
                raise
            log.warning("batch.replayed", service=self._service.name, messages=len(batch), error=type(error).__name__)
            return False
        return True

    def _alone(self, taken: Taken, now: datetime) -> None:
        """Take in one message; whatever prevents that puts it into the quarantine."""
        read = self._read(taken)
        try:
            self.take_in([read], now)
        except Exception as error:
            if is_outage(error):
                raise
            said = f"{error}" if isinstance(error, Refused) else f"the handler failed: {error!r}"  # what was refused says so itself
            self.take_in([Unusable(taken.body, said)], now)
        crashpoint("consumer.alone.unacknowledged")

    def _read(self, taken: Taken) -> "Message | Unusable | None":
        """The message; or why it is none; or nothing, if nobody here hears such."""
        if taken.dead:
            return Unusable(taken.body, "it was taken again and again and never answered: whoever handled it died. Retry it by hand.")
        try:
            message = read_delivery(taken.body, taken.content_type)
        except UnknownEventType:
            return None
        except MalformedEvent as error:
            return Unusable(taken.body, str(error))
        except Exception as error:  # whatever a reader stumbles over, it must not stop the loop
            return Unusable(taken.body, f"it cannot be read: {error!r}")
        if type(message.data) not in self._service.consumers:
            return None
        if false := falsely_said(message):
            return Unusable(taken.body, false)
        return message

    def take_in(self, batch: "Sequence[Message | Unusable | None]", now: datetime) -> None:
        """Read, decide, write: one transaction holds the inbox rows, the effects, the outbox rows and the quarantine of a whole batch."""
        messages = [read for read in batch if isinstance(read, Message)]
        unusable = [read for read in batch if isinstance(read, Unusable)]
        with transaction(self._engine) as session:
            self._service.hold(session, messages)
            fresh = inbox.take_in(session, messages, now)
            said = self._service.handle(session, fresh, now, self._relay)
            if unusable:
                inbox.quarantine(session, [(each.body, each.reason[:LONGEST_REASON]) for each in unusable], now)
            crashpoint("consumer.handled.uncommitted")
        self._relay.hand_over(said)
        for each in unusable:  # what the message says, and what a handler says of it, is not for logs
            log.error("message.quarantined", service=self._service.name, fingerprint=inbox.fingerprint_of(each.body))
        skipped = len(batch) - len(messages) - len(unusable)
        became = {"handled": len(fresh), "known-or-stale": len(messages) - len(fresh), "quarantined": len(unusable), "skipped": skipped}
        for result, count in became.items():
            heard.labels(self._service.name, result).inc(count)


class Rest:
    """While the database takes nothing for long, everything that was fetched is given back to the queue, and nothing is fetched.

    The broker counts a delivery each time (DELIVERY_LIMIT), so each rest in a row is twice as long as the one before. ``count`` is how many
    there were.
    """

    def __init__(self) -> None:
        self.count = 0
        self._until: float | None = None
        self._next = 0.0
        self._lock = threading.Lock()

    def begin(self, subscriber: Subscriber, seen: int) -> None:
        """Give everything back. Nothing needs to be done if another rest has begun since ``count`` was ``seen``: it gave back as much."""
        with self._lock:
            if self.count != seen:
                return
            self.count += 1
            subscriber.rest()
            self._until = time.monotonic() + self._next
            self._next = min(max(FIRST_REST, 2 * self._next), LONGEST_REST)

    def end(self, subscriber: Subscriber, try_out: Callable[[], None]) -> None:
        """Let messages be fetched again, if there is a rest.

        :param try_out: raises while the database takes nothing.
        :raises Unreachable: it is too early.
        """
        until = self._until
        if until is None:
            return
        if (left := until - time.monotonic()) > 0:
            raise Unreachable(f"The database did not take what was heard, again and again; it is tried anew in {left:,.0f} seconds.")
        try_out()
        with self._lock:
            if self._until == until:  # else another thread has ended it, or has begun the next
                self._until = None
                subscriber.wake()

    def is_over_for_good(self) -> None:
        """The database takes what is heard: the next rest, if there is one, is the first in a row."""
        self._next = 0.0


def falsely_said(message: Message) -> str:
    """Why a message is not what it says that it is: another service says such events. Nothing, if all is well."""
    sources = [source_of(name) for name in message.data.said_by]
    if message.data.from_outside or message.source in sources:
        return ""
    return f"{message.data.type} is said by {', '.join(sources)} alone, not by {message.source}."


class Unusable(NamedTuple):
    """Bytes that could not be handled, and why."""

    body: bytes
    reason: str
