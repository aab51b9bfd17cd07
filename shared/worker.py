"""One service at work: its relay, its consumer and its chores.

A :class:`Service` is what a service gives of itself; a :class:`Worker` is that service at work on one database and one bus. What it does
has *parts*: ``relay``, ``hear.1`` (and ``hear.2`` where the database takes it), ``forget`` (with a broker) and one for each chore, each of
which waits a moment at most and says how much it did. :meth:`Worker.step` does one round of all of them, so that a rehearsal can drive it
by hand; :meth:`Worker.run` does rounds until it is stopped, of all parts (embedded) or of one (a worker process gives each a thread), and
waits longer and longer while the database or the broker is away. Time is an argument.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

import structlog
from prometheus_client import Counter
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from shared import outbox
from shared.bus import Subscriber, open_publisher, open_subscriber
from shared.config import Config
from shared.consumer import Consumer, Rest
from shared.database import hold, is_outage, migrate, missing_migrations, open_database
from shared.errors import MissingMigration, Unreachable
from shared.events import Event
from shared.wire import Envelope, Message, envelopes, source_of
from shared.writing import write

LONDON = ZoneInfo("Europe/London")
IDLE_SECONDS = 0.1
CHORE_SECONDS = 0.5
"""How long a chore that found nothing to do lets the database be, where it has a thread of its own."""
FORGET_SECONDS = 3600.0
"""How often it is looked whether something in the outbox is older than the retention period."""
LONGEST_WAIT = 30.0
STALE = timedelta(seconds=60)
log = structlog.get_logger()
published = Counter("tripartite_published", "Messages published from the outbox", ["service"])
Clock = Callable[[], datetime]


class Say(NamedTuple):
    """An event to be said, with its place in the sequence of its stream."""

    event: Event
    sequence: int = 1


class Known(Protocol):
    """What a service knows of everything that a batch is about; handlers read it and change it in memory."""

    def rows(self) -> Iterable[Any]:
        """Every row, old and new; those that are new or have changed are written."""


Handler = Callable[[Any, Any, datetime], Iterable[Say]]
"""(what we know, what was heard, now) -> what is to be said. Pure, but for the rows of what we know."""


@dataclass(frozen=True)
class Service:
    """What a service gives of itself.

    :param consumers: the events it hears, each with its handler.
    :param read: reads what a whole batch needs, in a few queries.
    :param chores: what it does on its own in a round: (worker, now) -> how much was done.
    :param at_start: what it settles first after a crash, when it is the only process: (worker, now) -> how much was done.
    :param alone: events that change what every other event depends on: a batch with one of them is handled while no other batch is.
    :param reads_by: for services that read differently by a setting: the settings -> its ``read``.
    """

    name: str
    consumers: Mapping[type[Event], Handler] = field(default_factory=dict)
    read: Callable[[Session, Sequence[Message]], Known] | None = None
    chores: Sequence["Chore"] = ()
    at_start: "Chore | None" = None
    alone: tuple[type[Event], ...] = ()
    reads_by: "Callable[[Config], Callable[[Session, Sequence[Message]], Known]] | None" = None

    @property
    def source(self) -> str:
        """The CloudEvents source of what it says."""
        return source_of(self.name)

    def by(self, config: Config) -> "Service":
        """The service as these settings have it."""
        return replace(self, read=self.reads_by(config)) if self.reads_by else self

    def hold(self, session: Session, messages: Sequence[Message]) -> None:
        """Make other workers wait that are about to handle something on the same subjects."""
        gate = f"the gate of {self.name}"
        if any(isinstance(message.data, self.alone) for message in messages):
            hold(session, [gate])
        elif self.alone:
            hold(session, (), shared=[gate])
        hold(session, {message.data.subject for message in messages})

    def handle(self, session: Session, messages: Sequence[Message], now: datetime, relay: outbox.Relay | None = None) -> outbox.Batch:
        """Let the handlers take in these messages, in their order; write what they changed and say, in the caller's transaction."""
        if self.read is None or not messages:
            return outbox.NOTHING
        known = self.read(session, messages)
        said: list[Envelope] = []
        for message in messages:
            sayings = self.consumers[type(message.data)](known, message, now)
            said += envelopes(sayings, self.source, now, message)
        write(session, known.rows())
        return outbox.add(session, said, now, relay)


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
    """One service at work. Its web process uses the same object, and never lets it :meth:`listen`."""

    def __init__(self, service: Service, config: Config, clock: Clock) -> None:
        service = service.by(config)
        self.service, self.config, self.clock = service, config, clock
        self.engine: Engine = open_database(config.database_of(service.name))
        self._see_to_migrations()
        self._publisher = open_publisher(config.bus_of(service.name), service.name)
        self.relay = outbox.Relay(self.engine, self._publisher.publish, config.lease_seconds)
        self._subscriber: Subscriber | None = None
        self._rest = Rest()
        self.consumers = [Consumer(service, self.engine, self.relay, self._rest) for _ in range(self._hearers())]
        hearers = {f"hear.{place}": partial(self._hear, consumer) for place, consumer in enumerate(self.consumers, start=1)}
        chores = {chore.__name__: partial(self._chore, chore) for chore in service.chores}
        forget = {} if config.embedded else {"forget": self._forget}
        self.parts: dict[str, Callable[[float], int]] = {"relay": self._relay, **hearers, **forget, **chores}
        self._forgets_at = 0.0
        self.beats: dict[str, datetime] = {}
        self.troubles: dict[str, str] = {}
        if config.embedded:
            self.listen()  # the embedded queue is there only once somebody listens

    def _see_to_migrations(self) -> None:
        """SQLite is migrated on the way; a server's database by `tripartite migrate`, before anybody works on it."""
        try:
            if self.engine.dialect.name == "sqlite":
                migrate(self.engine, self.service.name)
            elif lacks := missing_migrations(self.engine, self.service.name):
                raise MissingMigration(lacks)
        except DBAPIError as error:
            raise Unreachable(
                f"The database {self.engine.url.render_as_string()} cannot be used ({error.orig}). See that it runs and lets this "
                "user in; a file must be whole, in a folder that can be written to."
            ) from error

    def listen(self) -> None:
        """Begin to take what its queue holds.

        :raises WrongTopology: the broker's queue is not as agreed.
        """
        types = [event.type for event in self.service.consumers]
        self._subscriber = open_subscriber(self.config.bus_of(self.service.name), self.service.name, types, self.config.batch)

    @property
    def listens(self) -> bool:
        """Whether this process works, and does not only answer."""
        return self._subscriber is not None

    def recover(self) -> int:
        """What a start does after a crash. Embedded, the queue died with the process: what the outbox keeps is published again."""
        if not self.config.embedded:
            return 0
        now = self.clock()
        settled = self.service.at_start(self, now) if self.service.at_start else 0
        return settled + self.relay.republish()

    # ---- rounds --------------------------------------------------------------------------------------------------

    def step(self) -> int:
        """One round of every part; returns how many messages and chores were done (0: there is nothing to do now).

        Every part of it is tried, and then the first failure is raised.
        """
        return self._round(tuple(self.parts), 0.0)

    def _round(self, names: Collection[str], wait: float) -> int:
        done, failures = 0, list[Exception]()
        for name in names:
            try:
                done += self.parts[name](wait)
            except Exception as error:  # a part that is stuck does not hold up the others
                failures.append(error)
                self.troubles[name] = f"{type(error).__name__}: {error}"
            else:
                self.troubles.pop(name, None)
                self.beats[name] = datetime.now(UTC)
        if failures:
            raise failures[0]
        return done

    def _relay(self, wait: float) -> int:
        sent = self.relay.step(wait) if self._publisher.has_room() else _nothing(wait)
        if not sent:
            self._publisher.rest()
        published.labels(self.service.name).inc(sent)
        return sent

    def _hearers(self) -> int:
        """One batch is decided while the database writes another; SQLite has one writer, and one is enough."""
        return 1 if self.config.embedded or self.engine.dialect.name == "sqlite" else 2

    def _hear(self, consumer: Consumer, wait: float) -> int:
        if self._subscriber is None:
            return _nothing(wait)
        self._rest.end(self._subscriber, lambda: outbox.try_out(self.engine, self.clock()))
        try:
            count = consumer.step(self._subscriber, self.config.batch, wait, self.clock)
        except Exception as error:
            if is_outage(error) and consumer.holds_too_long() and not self.config.embedded:  # embedded there is nobody to give it back to
                consumer.give_back(self._subscriber)
            raise
        if count:
            self._rest.is_over_for_good()
        return count

    def _forget(self, wait: float) -> int:
        if time.monotonic() < self._forgets_at:
            return _nothing(wait)
        forgotten = self.relay.forget(self.config.retention_days)
        if not forgotten:
            self._forgets_at = time.monotonic() + FORGET_SECONDS
        return forgotten

    def _chore(self, chore: "Chore", wait: float) -> int:
        return chore(self, self.clock()) or _nothing(CHORE_SECONDS if wait else 0.0)

    def run(self, stop: threading.Event, parts: Sequence[str] = ()) -> None:
        """Rounds of these parts (all, if none is named) until ``stop``; an outage is waited out, nothing is lost by it."""
        names = parts or tuple(self.parts)
        alone = len(names) == 1  # then it waits for something to do by itself, and none else is held up by that
        wait = IDLE_SECONDS
        while not stop.is_set():
            try:
                wait = 0.0 if self._round(names, IDLE_SECONDS if alone else 0.0) or alone else IDLE_SECONDS
            except Exception as error:
                wait = min(max(wait, IDLE_SECONDS) * 2, LONGEST_WAIT)
                told = isinstance(error, Unreachable) or is_outage(error)  # an outage needs no traceback
                log.warning("worker.paused", service=self.service.name, parts=names, seconds=wait, error=str(error), exc_info=not told)
            stop.wait(wait)

    def problems(self) -> dict[str, str]:
        """What keeps the parts from working, by part; empty if all is well."""
        stale = datetime.now(UTC) - STALE
        silent = {name: "its loop is not turning in this process." for name in self.parts if self.beats.get(name, stale) <= stale}
        return {**silent, **self.troubles}

    def take_in(self, messages: Sequence[Message], now: datetime) -> None:
        """Take in messages as one batch, as if they came from the queue."""
        self.consumers[0].take_in(messages, now)

    def say(self, session: Session, sayings: Iterable[Say], now: datetime) -> None:
        """Say events that no message caused, within the caller's transaction."""
        outbox.add(session, envelopes(sayings, self.service.source, now), now)

    def close(self) -> None:
        """Publish what this process has committed, and give back the connections.

        If the broker is away, another relay publishes it, once the lease has run out.
        """
        if self._subscriber is not None:
            self._subscriber.close()
        try:
            self.relay.finish()
        except Exception as error:
            log.warning("relay.unfinished", service=self.service.name, error=str(error))
        self._publisher.close()
        self.engine.dispose()


def _nothing(wait: float) -> int:
    """There was nothing to do; there may be in a moment."""
    time.sleep(wait)
    return 0


Chore = Callable[[Worker, datetime], int]
