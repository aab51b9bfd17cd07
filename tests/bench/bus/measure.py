"""One contender does the job once: a fresh database and virtual host, workers warmed up, then N events against the clock.

The workers first do a few events, so that imports, connections and prepared statements are paid for. Then they are stopped
(SIGSTOP), N events are put into the queue, and the clock starts as they are let go (SIGCONT): every contender starts warm on a full
queue, at a known moment. It has done when the sink holds every event and no batch of the outbox is unmarked. Until then only the
broker is asked, for counts that it has at hand; the database is asked at the end. Then all is counted and compared with the rules.
"""

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg

from tests.bench.bus import job
from tests.bench.bus.bus import SINK, Bus, put_events
from tests.bench.bus.order import Order
from tests.bench.bus.workers import Usage, Workers
from tests.brokers import Broker
from tests.databases import Database

WARM_UP = 400
SAMPLE = 50
SLOWEST = 40
"""Events/s below which a run is given up."""
LOOK_EVERY = 0.05
numbers = count(1)


class Wrong(Exception):
    """A contender did not do the job."""


@dataclass(frozen=True)
class Site:
    """Where a job is done. ``template`` is the database's URL with ``{service}``; placements are numbered from ``first`` on."""

    template: str
    bus_url: str
    first: int = 0

    @property
    def order(self) -> Order:
        """What workers of the peers and the floor are told."""
        return job.make_order(self.template.replace("{service}", job.SERVICE), self.bus_url)

    def database(self) -> psycopg.Connection:
        """A connection of the harness."""
        return psycopg.connect(self.order.database_url.replace("+psycopg", ""), autocommit=True)


def as_they_are(site: Site, bodies: Iterable[bytes]) -> None:
    """Put events into the queue."""
    put_events(site.bus_url, bodies)


@dataclass(frozen=True)
class Contender:
    """Who does the job.

    :param prepare: makes the tables.
    :param environment: what its workers are told.
    :param put: fills the queue.
    :param share: the part of the events that it gets, because it is slow; the rate is what counts.
    """

    name: str
    command: tuple[str, ...]
    prepare: Callable[[Site], None]
    environment: Callable[[Site], dict[str, str]]
    put: Callable[[Site, Iterable[bytes]], None] = as_they_are
    workers: int = 1
    share: float = 1


@dataclass(frozen=True)
class Run:
    """What came out: events a second, the highest memory of all workers together in MB, CPU of the workers in µs an event."""

    rate: float
    peak: float
    cpu: float


@dataclass(frozen=True)
class Nodes:
    """The private broker and database, and a folder for what workers write."""

    broker: Broker
    database: Database
    folder: Path

    @contextmanager
    def site(self, contender: Contender) -> Iterator[Site]:
        """A fresh database with the contender's tables, and a fresh virtual host."""
        suffix = f"bench_{next(numbers)}"
        template = self.database.create([job.SERVICE], suffix)
        try:
            with self.vhost() as bus_url:
                site = Site(template, bus_url)
                contender.prepare(site)
                yield site
        finally:
            self.database.drop(suffix)

    @contextmanager
    def vhost(self) -> Iterator[str]:
        """A fresh virtual host."""
        name = f"bench-{next(numbers)}"
        try:
            yield self.broker.vhost(name)
        finally:
            self.broker.drop_vhost(name)

    def settle(self) -> None:
        """Let the database write out what it holds, so that nobody pays for the contender before."""
        with psycopg.connect(self.database.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("CHECKPOINT")


def measure(nodes: Nodes, contender: Contender, site: Site, events: int) -> Run:
    """Do the job once.

    :raises Wrong: the counts or the contents are not what they should be.
    """
    with closing(Bus(site.bus_url)) as bus, site.database() as database:
        stored = Stored.of(database)
        workers = Workers(contender.command, contender.workers, contender.environment(site), nodes.folder / f"{contender.name}.log")
        try:
            contender.put(site, job.bodies(site.first, WARM_UP))
            wait_until_done(bus, database, workers, WARM_UP)
            workers.signal(signal.SIGSTOP)
            contender.put(site, job.bodies(site.first + WARM_UP, events))
            nodes.settle()
            before = workers.usage()
            started = time.perf_counter()
            workers.signal(signal.SIGCONT)
            wait_until_done(bus, database, workers, WARM_UP + events)
            seconds = time.perf_counter() - started
            after: Usage = workers.usage()
        finally:
            workers.stop()
        check(bus, database, site.first, WARM_UP + events, stored)
        return Run(events / seconds, after.peak, (after.cpu - before.cpu) / events * 1e6)


def wait_until_done(bus: Bus, database: psycopg.Connection, workers: Workers, events: int) -> None:
    """Until the sink holds what so many events come to, and all of it is marked.

    :raises Wrong: it takes too long.
    """
    latest = time.monotonic() + 60 + events / SLOWEST
    while bus.count(SINK) < events * job.DUTIES or _unmarked(database):
        workers.check()
        if time.monotonic() > latest:
            raise Wrong(
                f"The sink holds {bus.count(SINK):,} of {events * job.DUTIES:,} events; {_unmarked(database)} batches are not marked."
            )
        time.sleep(LOOK_EVERY)


def _unmarked(database: psycopg.Connection) -> int:
    found = database.execute("SELECT count(*) FROM outbox_batches").fetchone()
    assert found is not None
    return int(found[0])


# ---- whether it was done right -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stored:
    """How many rows there are."""

    inbox: int
    placements: int
    deadlines: int
    outbox: int
    unmarked: int

    @classmethod
    def of(cls, database: psycopg.Connection) -> "Stored":
        """Count them."""
        tables = ("inbox", "placements", "deadlines", "outbox", "outbox_batches")
        counts = database.execute("SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)).fetchone()
        assert counts is not None
        return cls(*counts)

    def after(self, events: int) -> "Stored":
        """What there must be when so many events have come."""
        said = events * job.DUTIES
        return Stored(self.inbox + events, self.placements + events, self.deadlines + said, self.outbox + said, 0)


def check(bus: Bus, database: psycopg.Connection, first: int, events: int, before: Stored) -> None:
    """Count the rows and what was said, and compare a sample of both with the rules.

    :raises Wrong: saying what differs.
    """
    found, wanted = Stored.of(database), before.after(events)
    if found != wanted:
        raise Wrong(f"There are {found}, not {wanted}.")
    if left := bus.count(job.QUEUE):
        raise Wrong(f"{left} messages are still in the queue.")
    said = list(bus.said(bus.count(SINK)))
    if len(said) != events * job.DUTIES or len({message["id"] for message in said}) != len(said):
        raise Wrong(
            f"The sink holds {len(said):,} events, {len({message['id'] for message in said}):,} different, not {events * job.DUTIES:,}."
        )
    data = {message["subject"]: job.without_decision(message["data"]) for message in said}
    for number in range(first, first + events, max(1, events // SAMPLE)):
        wished = job.expected(number)
        heard = {subject: data.get(subject) for subject in wished}
        if heard != wished:
            raise Wrong(f"Of placement {job.placement_id(number)} it says {heard}, not {wished}.")
        rows = database.execute(
            "SELECT deadline_id, owner, recipient, due FROM deadlines WHERE deadline_id = ANY(%s)", [list(wished)]
        ).fetchall()
        kept = {id_: (owner, recipient, due.isoformat()) for id_, owner, recipient, due in rows}
        if kept != {id_: (event["owner"], event["recipient"], event["due"]) for id_, event in wished.items()}:
            raise Wrong(f"Of placement {job.placement_id(number)} it keeps {kept}, not {wished}.")
