"""A region at work in real processes, which tests kill: on RabbitMQ and PostgreSQL, or the whole house in one process, embedded.

Both are a :class:`Place`: told what upstream says, started, killed, looked into. ::

    Region   python -m services work <service>, some of each; upstream publishes to the broker
    Twin     python -m services serve, on memory:// and SQLite; upstream posts to it

A process that ends and was not killed fails the test. :meth:`Place.drain` waits until nothing is on its way any more.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from services.__main__ import main
from services.house import SERVICES
from shared.database import migrate, open_database
from tests.brokers import Broker
from tests.chaos.provider import Provider
from tests.chaos.rotation import POISONOUS, TODAY, Told
from tests.chaos.upstream import Log, Upstream
from tests.databases import Database
from tests.helpers import HOUSE
from tests.power import free_port

PATIENCE = 120.0
POLL_SECONDS = 0.05
UNREACHABLE = 3
"""The exit code of a command that cannot begin because something it needs is away."""
HEARS = {name: {event.type for event in module.SERVICE.consumers} for name, module in SERVICES.items()}
"""The types of event that each service hears."""


class Place:
    """What a region and its twin have alike."""

    log: Log
    services: Sequence[str] = ("deadlines", "notifications", "responsibility")

    def __init__(self, folder: Path, provider: Provider, settings: dict[str, str]) -> None:
        self.folder, self.provider = folder, provider
        self.settings = {
            "TRIPARTITE_TODAY": TODAY.isoformat(),
            "TRIPARTITE_PACE": "immediate",  # the provider's log has each alert, at once; digests are in tests/notifications
            "TRIPARTITE_LEASE_SECONDS": "2",
            "TRIPARTITE_TEST_PROVIDER": provider.address,
            "TRIPARTITE_TEST_POISON": POISONOUS,
            **settings,
        }
        self.processes: dict[str, Process] = {}
        self.mourn: Callable[[Process], None] = lambda process: None
        """Is shown every process that was found dead, before it is started again."""

    def url_of(self, service: str) -> str:
        """The URL of a service's database, for whoever looks into it."""
        raise NotImplementedError

    def tell(self, messages: Sequence[Told]) -> None:
        """Upstream says these, again after any doubt, until all are acknowledged. Processes that die of it are started again."""
        raise NotImplementedError

    def start(self, arms: "dict[str, str] | None" = None) -> None:
        """Start everything, and wait until it is at work, or has died.

        :param arms: the crash point that a process dies on, by its name.
        """
        for process in self.processes.values():
            process.start(self.environment(TRIPARTITE_CRASHPOINT=(arms or {}).get(process.name, "")))
        for process in self.processes.values():
            until(process.settled, f"{process.name} to be at work", otherwise=process.tail)

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of its processes."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("TRIPARTITE_")}
        return {**ours, **self.settings, **more}

    def revive(self) -> None:
        """Start again what was killed, as a supervisor does; it comes to work when it can.

        :raises AssertionError: a process has ended of itself.
        """
        dead = [process for process in self.processes.values() if process.ended() is not None]
        for process in dead:
            waits = process.ended() == UNREACHABLE and not process.at_work()  # its database is away as well, or starting
            assert waits or process.ended() == -signal.SIGKILL, f"{process.name} ended with {process.ended()}: {process.tail()}"
            self.mourn(process)
            process.start(self.environment())

    def close(self) -> None:
        """Kill everything."""
        for process in self.processes.values():
            process.kill()

    # ---- looking into it -----------------------------------------------------------------------------------------

    def rows(self, service: str, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query, as another process sees them."""
        engine = create_engine(self.url_of(service), poolclass=NullPool)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def count(self, service: str, what: str) -> int:
        """How many rows there are (``alerts WHERE status = 'sent'``)."""
        return int(self.rows(service, f"SELECT count(*) FROM {what}")[0][0])

    def on_its_way(self) -> list[str]:
        """What is not done yet, in a sentence each. What was heard is read first, so nothing was on its way in between if it is all."""
        try:
            heard = {name: self.count(name, "inbox") + self.count(name, "quarantine") for name in self.services}
            busy = [f"{name}: {count} batches unpublished" for name in self.services if (count := self.count(name, "outbox_batches"))]
            doing = "alerts WHERE status IN ('pending', 'claimed', 'unknown')"
            for service, what in (("notifications", doing), ("deadlines", f"deadlines WHERE next_on <= '{TODAY}'")):
                busy += [f"{service}: {count} {what}" for count in [self.count(service, what)] if count]
            said = [row for name in self.services for row in self.rows(name, "SELECT type, count(*) FROM outbox GROUP BY type")]
        except DBAPIError as error:
            return [f"the database is away: {error.orig}"]
        published = self.published()
        for name in self.services:
            wanted = sum(count for type_, count in said if type_ in HEARS[name]) + sum(told.type in HEARS[name] for told in published)
            busy += [f"{name}: heard {heard[name]} of {wanted}"] if heard[name] < wanted else []
        return busy

    def published(self) -> list[Told]:
        """What upstream has published past every outbox, and was acknowledged."""
        return []

    def drain(self, patience: float = PATIENCE) -> None:
        """Wait until nothing is on its way, whatever dies meanwhile being started again.

        :raises AssertionError: something still is, after so many seconds.
        """
        until(lambda: not self.revive_and_look(), "everything to be done", patience, lambda: "; ".join(self.on_its_way()))

    def revive_and_look(self) -> list[str]:
        """What is on its way, with everything running."""
        self.revive()
        return self.on_its_way()


@dataclass
class Process:
    """A process of a region: its command, its log, how it shows that it is at work."""

    name: str
    command: Sequence[str]
    log: Path
    shows: str
    running: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    _from: int = 0

    def start(self, environment: dict[str, str]) -> None:
        """Start it. The kernel kills it when the tests end, however they do."""
        with self.log.open("ab") as log:
            self._from = log.tell()
            command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", *self.command]
            self.running = subprocess.Popen(command, cwd=HOUSE, env=environment, stdout=log, stderr=log)

    def settled(self) -> bool:
        """Whether it is at work, or has ended."""
        return self.ended() is not None or self.at_work()

    def at_work(self) -> bool:
        """Whether it has said so since it was started."""
        with self.log.open("rb") as log:
            log.seek(self._from)
            return self.shows.encode() in log.read()

    def ended(self) -> int | None:
        """Its exit code once it has ended, or was never started (0); -9 after a kill."""
        return self.running.poll() if self.running else 0

    def kill(self) -> None:
        """SIGKILL: no clean-up runs."""
        if self.running is not None:
            self.running.kill()
            self.running.wait()

    def stop(self) -> int:
        """SIGTERM, as an operator ends it; returns its exit code."""
        assert self.running is not None
        self.running.terminate()
        return self.running.wait(PATIENCE)

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-3000:]


class Region(Place):
    """Workers of each service on a virtual host and databases of their own.

    :param through: how the workers reach the broker, if not directly (a proxy's URL is made from it).
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        provider: Provider,
        broker: Broker,
        database: Database,
        *,
        services: Sequence[str] = Place.services,
        workers: int = 1,
        through: Callable[[str], str] = str,
        **settings: str,
    ) -> None:
        self.broker, self.database, self.name, self.services = broker, database, name, services
        self.bus_url = broker.vhost(name)
        self._databases = database.create(self.services, name)
        where = {"TRIPARTITE_BUS_URL": through(self.bus_url), "TRIPARTITE_DATABASE_URL": self._databases}
        super().__init__(folder, provider, {**where, **settings})
        for service in self.services:
            engine = open_database(self.url_of(service))
            migrate(engine, service)  # what `tripartite migrate` does
            engine.dispose()
        for service in self.services:
            for number in range(workers):
                self._add(service if workers == 1 else f"{service}-{number}", service)
        self.upstream = Upstream(self.bus_url)
        self.log = self.upstream.log
        self.port = free_port()
        if "eligibility" in self.services:
            command = ["services", "serve", "eligibility", "--port", str(self.port)]
            self.processes["eligibility-web"] = Process("eligibility-web", command, folder / "eligibility-web.log", "/health/ready")

    def _add(self, name: str, service: str) -> None:
        module = "services" if service == "responsibility" else "tests.chaos.worker"
        self.processes[name] = Process(name, [module, "work", service], self.folder / f"{name}.log", " is at work")

    def url_of(self, service: str) -> str:
        return self._databases.replace("{service}", service)

    def tell(self, messages: Sequence[Told]) -> None:
        self.upstream.tell(messages)

    def published(self) -> list[Told]:
        return self.log.heard_of

    def decide(self, procurements: Sequence[str], patience: float = 600) -> None:
        """Have procurements decided by eligibility's web process, asking again with the same key until it has answered.

        :raises AssertionError: it did not answer for so many seconds.
        """
        for procurement in procurements:
            until(partial(self._decided, procurement), f"the decision on {procurement}", patience)

    def _decided(self, procurement: str) -> bool:
        body = json.dumps(
            {"facts": {"whole_life_value": "42000.00", "regime": "goods-services"}, "as_at": "2021-06-01", "subject": procurement}
        )
        headers = {"Content-Type": "application/json", "Idempotency-Key": procurement}
        url = f"http://127.0.0.1:{self.port}/eligibility/decisions/procurement-route"
        try:
            urllib.request.urlopen(urllib.request.Request(url, body.encode(), headers), timeout=30).close()
        except urllib.error.HTTPError as error:
            with error:
                if error.code < 500:  # else the database may be away
                    raise
            return False
        except OSError:
            return False
        return True

    def retry(self, service: str, fingerprint: str) -> int:
        """``tripartite quarantine retry``, with code that the poison does not break; its exit code."""
        return CliRunner().invoke(main, ["quarantine", "retry", service, fingerprint], env=self.environment()).exit_code

    def close(self) -> None:
        super().close()
        self.broker.start_again()
        self.database.start_again()
        self.broker.drop_vhost(self.name)
        self.database.drop(self.name)


class Twin(Place):
    """The same in one process, embedded: it dies and starts as a whole."""

    services = tuple(SERVICES)

    def __init__(self, folder: Path, provider: Provider, **settings: str) -> None:
        super().__init__(folder, provider, settings)
        self.port, self.data, self.log = free_port(), folder / "data", Log()
        command = ["tests.chaos.worker", "serve", "--port", str(self.port), "--data", str(self.data)]
        self.processes["house"] = Process("house", command, folder / "house.log", f"{self.services[-1]}/health/ready")

    def url_of(self, service: str) -> str:
        return f"sqlite:///file:{self.data}/{service}.db?mode=rw&uri=true"  # to read may be to undo what a killed writer had begun

    def tell(self, messages: Sequence[Told]) -> None:
        """Posted a few at a time; from the start of those again whenever the house dies."""
        for place in range(0, len(messages), 20):
            while not self._post(messages[place : place + 20]):
                self.revive()
                until(self.processes["house"].settled, "the house to be at work again")

    def _post(self, messages: Sequence[Told]) -> bool:
        """Post these; False if it died instead of answering."""
        for told in messages:
            self.log.tried(told)
        body = b"[" + b",".join(told.body for told in messages) + b"]"
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/deadlines/events", body, {"Content-Type": "application/json"})
        try:
            urllib.request.urlopen(asked, timeout=60).close()
        except urllib.error.HTTPError:
            raise
        except OSError:
            until(lambda: self.processes["house"].ended() is not None, "the house that does not answer to have died")
            return False
        self.log.acknowledged.update(told.body for told in messages)
        return True


def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE, otherwise: Callable[[], str] = str) -> None:
    """Poll until a condition holds; one that takes long to look at is looked at less often.

    :raises AssertionError: it does not within so many seconds; with what ``otherwise`` says.
    """
    ends = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if condition():
            return
        assert began < ends, f"waited {seconds:.0f} s for {what}: {otherwise()}"
        time.sleep(max(POLL_SECONDS, 4 * (time.monotonic() - began)))
