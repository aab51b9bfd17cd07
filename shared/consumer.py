"""Messages in: taken by the batch, decoded, handled in one transaction, acknowledged after its commit.

* A batch that fails is tried again message by message, so that only the poison one suffers: it is kept raw in the quarantine.
* A message that came back ALONE_AFTER times, because workers died on it or beside it, is handled alone, and such messages in random
  order: so the one that kills is not always in front of the others.
* An outage of the database is nobody's fault: the batch is held, and tried again.

Read :meth:`Consumer.step` first, then :meth:`Consumer.take_in`.
"""

import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import structlog
from prometheus_client import Counter
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from shared import inbox, outbox
from shared.bus import Subscriber, Taken
from shared.crashpoints import crashpoint
from shared.database import transaction
from shared.errors import MalformedEvent, UnknownEventType
from shared.wire import Message, read_delivery

if TYPE_CHECKING:
    from shared.worker import Service

ALONE_AFTER = 3
LONGEST_REASON = 2_000
log = structlog.get_logger()
heard = Counter("tripartite_heard", "Messages taken from the queue, by what became of them", ["service", "result"])


def is_outage(error: Exception) -> bool:
    """Whether the database, and not a message, is at fault; nothing is quarantined for that."""
    return isinstance(error, DBAPIError) and not isinstance(error, IntegrityError | DataError)


class Consumer:
    """What one service hears, on one database. ``relay`` is handed what is said of it."""

    def __init__(self, service: "Service", engine: Engine, relay: outbox.Relay) -> None:
        self._service, self._engine, self._relay = service, engine, relay
        self._held: list[Taken] = []
        self._one_by_one = False

    def step(self, subscriber: Subscriber, limit: int, wait: float, clock: Callable[[], datetime]) -> int:
        """Take a batch and have done with it; returns how many messages it had. Waits up to ``wait`` seconds for the first."""
        if not self._held:
            self._held = subscriber.take(limit, wait)
            self._one_by_one = any(taken.dead or taken.deliveries >= ALONE_AFTER for taken in self._held)
            if self._one_by_one:
                random.shuffle(self._held)
        now, count = clock(), len(self._held)
        if count and not self._one_by_one:
            self._one_by_one = not self._together(self._held, now)
        if count and not self._one_by_one:
            crashpoint("consumer.committed.unacknowledged")
            done, self._held = self._held, []
            subscriber.done(done)
        while self._held:
            self._alone(self._held[0], now)
            subscriber.done_alone(self._held.pop(0))
        return count

    def _together(self, batch: Sequence[Taken], now: datetime) -> bool:
        """Take in a batch in one transaction; False if something in it prevents that."""
        try:
            self._take_in([self._read(taken) for taken in batch], now)
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
            self._take_in([read], now)
        except Exception as error:
            if is_outage(error):
                raise
            self._take_in([Unusable(taken.body, f"the handler failed: {error!r}")], now)
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
        return message if type(message.data) in self._service.consumers else None

    def _take_in(self, batch: "Sequence[Message | Unusable | None]", now: datetime) -> None:
        messages = [read for read in batch if isinstance(read, Message)]
        unusable = [read for read in batch if isinstance(read, Unusable)]
        self.take_in(messages, now, unusable)
        for result, count in (("skipped", len(batch) - len(messages) - len(unusable)), ("quarantined", len(unusable))):
            heard.labels(self._service.name, result).inc(count)
        for each in unusable:  # what the message says, and what a handler says of it, is not for logs
            log.error("message.quarantined", service=self._service.name, fingerprint=inbox.fingerprint_of(each.body))

    def take_in(self, messages: Sequence[Message], now: datetime, unusable: "Sequence[Unusable]" = ()) -> None:
        """Read, decide, write: one transaction holds the inbox rows, the effects, the outbox rows and the quarantine of a whole batch."""
        with transaction(self._engine) as session:
            self._service.hold(session, messages)
            fresh = inbox.take_in(session, messages, now)
            said = self._service.handle(session, fresh, now, self._relay)
            for each in unusable:
                inbox.quarantine(session, each.body, each.reason[:LONGEST_REASON], now)
            session.flush()
            crashpoint("consumer.handled.uncommitted")
        self._relay.hand_over(said)
        heard.labels(self._service.name, "handled").inc(len(fresh))
        heard.labels(self._service.name, "known-or-stale").inc(len(messages) - len(fresh))


class Unusable(NamedTuple):
    """Bytes that could not be handled, and why."""

    body: bytes
    reason: str
