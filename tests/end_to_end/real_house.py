"""All services at work on RabbitMQ and PostgreSQL, in this process, with one clock that is wound by hand.

What a month of real life would show can so be lived through in a minute, on the parts that production has.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, select

from services.demo import HandClock
from services.house import House, open_house
from shared.config import read_config
from shared.database import migrate, open_database, transaction
from shared.inbox import InboxRow, QuarantineRow
from shared.outbox import OutboxRow
from shared.worker import Worker
from tests.brokers import Broker
from tests.databases import Database
from tests.power import wait_for

NAMES = ("deadlines", "notifications", "responsibility")


class RealHouse(House):
    """A house whose messages cross a real broker: it is settled when everything that was said was heard by all who hear it."""

    _in_flight = True
    """Whether something may be on its way: it was said since everything was last seen to be heard."""

    def settle(self) -> int:
        """Let everybody hear everything, then let every chore do what is due, until nothing is left; returns how much was done."""
        total = 0
        while True:
            wait_for(self._heard_everything, "everything that was said was heard")
            done = sum(self._do(worker, chores=True) for worker in self.workers.values())
            if not done:
                return total
            total += done

    def _heard_everything(self) -> bool:
        carried = sum(self._do(worker, chores=False) for worker in self.workers.values())
        if not carried and not self._in_flight:
            return True
        said: dict[str, int] = {}
        for worker in self.workers.values():
            with transaction(worker.engine) as session:
                for type_, count in session.execute(select(OutboxRow.type, func.count()).group_by(OutboxRow.type)):
                    said[type_] = said.get(type_, 0) + count
        self._in_flight = not all(self._has_heard(worker, said) for worker in self.workers.values())
        return not self._in_flight

    @staticmethod
    def _has_heard(worker: Worker, said: dict[str, int]) -> bool:
        with transaction(worker.engine) as session:
            heard = session.scalar(select(func.count()).select_from(InboxRow))
            assert not session.scalar(select(func.count()).select_from(QuarantineRow)), f"{worker.service.name} could not handle a message"
        return heard == sum(said.get(event.type, 0) for event in worker.service.consumers)

    @staticmethod
    def _do(worker: Worker, *, chores: bool) -> int:
        """A round of the parts that carry messages, or of the chores."""
        carry = {part for part in worker.parts if part == "relay" or part.startswith("hear")}
        return sum(worker.parts[part](0.0) for part in worker.parts if (part not in carry) is chores)


@contextmanager
def a_real_house(broker: Broker, database: Database, folder: Path, clock: HandClock, settings: Mapping[str, str]) -> Iterator[RealHouse]:
    """Fresh databases and a fresh virtual host, and all services on them; ``settings`` are TRIPARTITE_* beside those."""
    folder.mkdir(exist_ok=True)
    name = f"house_{folder.name}"
    urls = database.create(NAMES, name)
    bus = broker.vhost(name)
    parts = {"TRIPARTITE_DATA": str(folder), "TRIPARTITE_DATABASE_URL": urls, "TRIPARTITE_BUS_URL": bus}
    config = read_config({**settings, **parts})
    for service in NAMES:
        engine = open_database(config.database_of(service))
        migrate(engine, service)
        engine.dispose()
    opened = open_house(config, clock, NAMES)
    house = RealHouse(opened.config, opened.workers, opened.apps, opened.lock, opened.works)
    try:
        yield house
    finally:
        house.close()
        broker.drop_vhost(name)
        database.drop(name)
