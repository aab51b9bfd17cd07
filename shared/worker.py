"""One service at work: its relay, its consumer and its chores, round after round.

A :class:`Service` is what a service gives of itself; a :class:`Worker` is that service at work on one database and one bus.
:meth:`Worker.step` does one round and says how much it did, so that a rehearsal can drive it by hand; :meth:`Worker.run` does
rounds until it is stopped, and waits longer and longer while the database or the broker is away. Time is an argument.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import structlog
from prometheus_client import Counter
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from shared import inbox, outbox
from shared.bus import Publisher, Subscriber
from shared.config import Config
from shared.crashpoints import crashpoint
from shared.database import migrate, open_database, transaction
from shared.errors import MalformedEvent, Unreachable
from shared.events import Event
from shared.wire import Message, read_message, say

LONDON = ZoneInfo("Europe/London")
log = structlog.get_logger()
Clock = Callable[[], datetime]


def is_outage(error: Exception) -> bool:
    """Whether the database, and not a message, is at fault; nothing is quarantined for that."""
    return isinstance(error, DBAPIError) and not isinstance(error, IntegrityError | DataError)


published = Counter("tripartite_published", "Messages published from the outbox", ["service"])
heard = Counter("tripartite_heard", "Messages taken from the queue, by what became of them", ["service", "result"])


@dataclass(frozen=True)
class Say:
    """An event to be said, with its place in the sequence of its stream."""

    event: Event
    sequence: int = 1


class Known(Protocol):
    """What a service knows of everything that a batch is about; handlers read it and change it in memory."""

    def rows(self) -> Iterable[Any]:
        """Every row, old and new, to be written."""


Handler = Callable[[Any, Any, datetime], Iterable[Say]]
"""(what we know, what was heard, now) -> what is to be said. Pure, but for the rows of what we know."""


@dataclass(frozen=True)
class Service:
    """What a service gives of itself.

    :param consumers: the events it hears, each with its handler.
    :param read: reads what a whole batch needs, in a few queries.
    :param chores: what it does on its own in a round: (worker, now) -> how much was done.
    :param at_start: what it settles first after a crash, when it is the only process: (worker, now) -> how much was done.
    """

    name: str
    consumers: Mapping[type[Event], Handler] = field(default_factory=dict)
    read: Callable[[Session, Sequence[Message]], Known] | None = None
    chores: Sequence["Chore"] = ()
    at_start: "Chore | None" = None

    @property
    def source(self) -> str:
        """The CloudEvents source of what it says."""
        return f"urn:tripartite:{self.name}"


def today(now: datetime) -> date:
    """The day it is in England."""
    return now.astimezone(LONDON).date()


def clock_of(config: Config) -> Clock:
    """The clock of a process: the real one, or the time of day on the rehearsed day."""
    rehearsed = config.today
    if rehearsed is None:
        return lambda: datetime.now(UTC)
    return lambda: datetime.combine(rehearsed, datetime.now(LONDON).time(), LONDON).astimezone(UTC)


class Worker:
    """One service at work."""

    def __init__(self, service: Service, config: Config, clock: Clock) -> None:
        self.service, self.config, self.clock = service, config, clock
        self.engine: Engine = open_database(config.database_of(service.name))
        try:
            migrate(self.engine, service.name)
        except DBAPIError as error:
            raise Unreachable(
                f"The database {self.engine.url.render_as_string()} cannot be used ({error.orig}). See that its folder can be written to "
                "and that the file is whole; restore it from a copy if it is damaged."
            ) from error
        self._publisher = Publisher(config.bus_url, service.name)
        self.relay = outbox.Relay(self.engine, self._publisher.publish, config.batch, timedelta(seconds=config.lease_seconds))
        self._subscriber = Subscriber(config.bus_url, service.name, [event.type for event in service.consumers])
        self._held: list[Any] = []
        self._readable: list[tuple[bytes, Message]] | None = None
        self.beat: datetime | None = None
        self.trouble = ""

    def recover(self) -> int:
        """What a start does after a crash. Embedded, the queue died with the process: the outbox is published again."""
        if not self.config.embedded:
            return 0
        now = self.clock()
        settled = self.service.at_start(self, now) if self.service.at_start else 0
        return settled + self.relay.republish()

    def step(self) -> int:
        """One round; returns how many messages and chores were done (0: there is nothing to do now).

        Every part of it is tried, and then the first failure is raised.
        """
        now = self.clock()
        chores = [partial(chore, self) for chore in self.service.chores]
        parts: list[Callable[[datetime], int]] = [self._relay, self._hear, *chores]
        done, failures = 0, list[Exception]()
        for part in parts:
            try:
                done += part(now)
            except Exception as error:  # a part that is stuck does not hold up the others
                failures.append(error)
        self.trouble = "; ".join(f"{type(error).__name__}: {error}" for error in failures)
        if failures:
            raise failures[0]
        self.beat = datetime.now(UTC)
        return done

    def _relay(self, now: datetime) -> int:
        sent = self.relay.step(now)
        published.labels(self.service.name).inc(sent)
        return sent

    def run(self, stop: threading.Event, idle_seconds: float = 0.1) -> None:
        """Rounds until ``stop``; an error of the database or the broker is waited out, nothing is lost by it."""
        wait = idle_seconds
        while not stop.is_set():
            try:
                wait = 0.0 if self.step() else idle_seconds
            except Exception as error:
                wait = min(max(wait, idle_seconds) * 2, 30.0)
                log.exception("worker.paused", service=self.service.name, seconds=wait, error=str(error))
            stop.wait(wait)

    # ---- hearing ------------------------------------------------------------------------------------------------

    def _hear(self, now: datetime) -> int:
        if not self._held:
            self._held, self._readable = self._subscriber.take(self.config.batch), None
        if not self._held:
            return 0
        if self._readable is None:  # an outage may leave a batch held and not yet decoded
            self._readable = [pair for taken in self._held if (pair := self._decoded(bytes(taken.body), now))]
        try:
            self._take_in([message for _, message in self._readable], now)
        except Exception as error:
            if is_outage(error):
                raise
            log.warning("batch.replayed", service=self.service.name, messages=len(self._held), error=type(error).__name__)
            while self._readable:
                self._handle_alone(*self._readable[0], now)
                self._readable.pop(0)
        crashpoint("consumer.committed.unacknowledged")
        taken, self._held = self._held, []
        self._subscriber.done(taken)
        return len(taken)

    def handle(self, body: bytes, now: datetime) -> None:
        """Handle one message, as an operator asks for it; whatever prevents it is raised.

        :raises MalformedEvent: it is not an event.
        """
        self._take_in([read_message(body)], now)

    def _handle_alone(self, body: bytes, message: Message, now: datetime) -> None:
        try:
            self._take_in([message], now)
        except Exception as error:
            if is_outage(error):
                raise
            self._quarantine(body, f"the handler failed: {error!r}", now)

    def _take_in(self, messages: Sequence[Message], now: datetime) -> None:
        """Read, decide, write: one transaction holds the inbox rows, the effects and the outbox rows of the whole batch."""
        with transaction(self.engine) as session:
            fresh = inbox.take_in(session, messages, now)
            self.write(session, fresh, now)
            session.flush()
            crashpoint("consumer.handled.uncommitted")
        heard.labels(self.service.name, "handled").inc(len(fresh))
        heard.labels(self.service.name, "known-or-stale").inc(len(messages) - len(fresh))

    def write(self, session: Session, messages: Sequence[Message], now: datetime) -> None:
        """Let the handlers take in these messages, in their order, within the caller's transaction."""
        if self.service.read is None or not messages:
            return
        known = self.service.read(session, messages)
        said: list[Message] = []
        for message in messages:
            sayings = self.service.consumers[type(message.data)](known, message, now)
            said += [say(saying.event, self.service.source, now, saying.sequence, message) for saying in sayings]
        session.add_all(row for row in known.rows() if row not in session)
        outbox.add(session, said, now)

    def say(self, session: Session, sayings: Iterable[Say], now: datetime) -> None:
        """Say events that no message caused, within the caller's transaction."""
        outbox.add(session, [say(saying.event, self.service.source, now, saying.sequence) for saying in sayings], now)

    def _decoded(self, body: bytes, now: datetime) -> tuple[bytes, Message] | None:
        try:
            message = read_message(body)
        except MalformedEvent as error:
            self._quarantine(body, str(error), now)
            return None
        if type(message.data) in self.service.consumers:
            return body, message
        heard.labels(self.service.name, "skipped").inc()
        return None

    def _quarantine(self, body: bytes, reason: str, now: datetime) -> None:
        # what the message says, and what a handler says of it, stands in the quarantine: it is not for logs
        log.error("message.quarantined", service=self.service.name, fingerprint=inbox.fingerprint_of(body))
        heard.labels(self.service.name, "quarantined").inc()
        with transaction(self.engine) as session:
            inbox.quarantine(session, body, reason[:2_000], now)

    def close(self) -> None:
        """Give back the connections."""
        self._subscriber.close()
        self._publisher.close()
        self.engine.dispose()


Chore = Callable[[Worker, datetime], int]
