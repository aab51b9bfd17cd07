"""Faults between, under and in the workers of one living region, one after the other: nothing lost, nothing twice, each time.

Two workers of each service work behind a TCP proxy, with a fifth of their patience. In each test upstream tells a new part of a rotation,
and changes what it told in the test before; in the midst of that something is spoilt. It is mended once some worker has noticed (it says
so in its log), and when everything is drained the account of all that was told so far must balance.
"""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.brokers import Broker
from tests.chaos.accounting import Account, account
from tests.chaos.provider import Provider
from tests.chaos.region import Region, until
from tests.chaos.rotation import Rotation, Told, invent
from tests.databases import Database
from tests.proxy import Proxy

SEED = 20270804
PLACEMENTS = {
    "acknowledgements delayed": 40,
    "nothing reaches the broker": 40,
    "nothing comes from the broker": 40,
    "connections reset": 40,
    "connections half closed by the broker": 40,
    "connections half closed by the workers": 40,
    "memory alarm": 40,
    "broker killed": 40,
    "database killed": 40,
    "workers killed": 120,
    "poison": 80,
}
"""How many placements are told while each fault lasts."""
KILLS = 10
Notice = tuple[str, int]
"""Which part of a worker pauses, and how often at least: a part that waits for ever pauses once or never."""


class Run:
    """The region, and what it was told so far."""

    def __init__(self, region: Region, proxy: Proxy, table: list[Account]) -> None:
        self.region, self.proxy, self.table = region, proxy, table
        self.told: list[Rotation] = []
        self.unchanged: list[Rotation] = []
        self.parts = {fault: _part(number, fault) for number, fault in enumerate(PLACEMENTS)}
        self.contacts = [told for part in self.parts.values() for told in part.first()]
        self._thread = ThreadPoolExecutor(1, "upstream")

    def begin(self) -> None:
        """Everybody is at work, the broker has written down which queues there are, and all contacts and documents are known."""
        self.region.start()
        self.region.broker.flush()
        self.region.tell(self.contacts)
        self.region.drain()

    def next_part(self, fault: str) -> list[Told]:
        """What is told while this fault lasts: its placements, and the changes of those before."""
        changes = [told for part in self.unchanged for told in part.third()]
        self.told, self.unchanged = [*self.told, *self.unchanged], [self.parts[fault]]
        return [*changes, *self.parts[fault].second()]

    def telling(self, messages: list[Told], *, at_work: bool) -> "Future[None]":
        """Tell these in a thread, and come back when the first of them are being worked on, or, with nobody at work, when all are told."""
        before = self.region.count("deadlines", "inbox")
        telling = self._thread.submit(self.region.tell, messages)
        until(lambda: telling.done() if not at_work else self.region.count("deadlines", "inbox") > before, "the work to begin")
        return telling

    def balance(self, fault: str, began: float, *, mended: bool = False) -> None:
        """Drain, and hold the books against each other."""
        self.region.drain()
        rotations = [*self.told, *(part.unchanged() for part in self.unchanged)]
        rest = [part for part in self.parts.values() if part not in self.told and part not in self.unchanged]
        found = account(fault, SEED, self.region, rotations, known=rest, mended=mended)
        found.seconds = time.monotonic() - began
        self.table.append(found)
        assert found.balanced, str(found)


def _part(number: int, fault: str) -> Rotation:
    poison = {"poisonous": 2, "garbage": 4} if fault == "poison" else {"poisonous": 0}
    return invent(SEED, PLACEMENTS[fault], name=f"f{number}", trainees=10, concerns=2, with_contacts=number == 0, **poison)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, broker: Broker, database: Database, table: list[Account]) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("faults")
    address = urlsplit(broker.url)
    with Provider(folder / "provider.log") as provider, Proxy(str(address.hostname), address.port or 5672) as proxy:
        settings = {"TRIPARTITE_TEST_HASTE": "5", "TRIPARTITE_BATCH": "20"}
        region = Region(folder, "faults", provider, broker, database, workers=2, through=proxy.proxied)
        region.settings |= settings
        try:
            found = Run(region, proxy, table)
            found.begin()
            yield found
        finally:
            proxy.clear()
            region.close()


def lived_through(
    run: Run, fault: str, strike: Callable[[], None], mend: Callable[[], None], noticed: Notice = ("", 1), *, at_work: bool = True
) -> None:
    """Tell the part of a fault, strike in the midst of it, mend once it was noticed."""
    began = time.monotonic()
    telling = run.telling(run.next_part(fault), at_work=at_work)
    since = {process.log: process.log.stat().st_size for process in run.region.processes.values()}
    strike()
    try:
        until(lambda: any(paused(log, since[log], noticed) for log in since), "the fault to be noticed")
    finally:
        mend()
    telling.result()
    run.balance(fault, began)


def paused(log: Path, since: int, noticed: Notice) -> bool:
    """Whether a worker's log says so since then."""
    part, times = noticed
    with log.open("rb") as lines:
        lines.seek(since)
        return sum(b"worker.paused" in line and part.encode() in line for line in lines) >= times


def test_acknowledgements_later_than_the_time_out(run: Run) -> None:
    lived_through(run, "acknowledgements delayed", lambda: run.proxy.delay(3), run.proxy.clear, ("relay", 2))


def test_a_black_hole_towards_the_broker(run: Run) -> None:
    lived_through(run, "nothing reaches the broker", lambda: run.proxy.black_hole("up"), run.proxy.clear, ("relay", 2))


def test_a_black_hole_towards_the_workers(run: Run) -> None:
    lived_through(run, "nothing comes from the broker", lambda: run.proxy.black_hole("down"), run.proxy.clear, ("relay", 2))


def test_connections_that_are_reset(run: Run) -> None:
    lived_through(run, "connections reset", run.proxy.reset, run.proxy.clear)


def test_connections_of_which_the_brokers_half_is_closed(run: Run) -> None:
    lived_through(run, "connections half closed by the broker", lambda: run.proxy.half_close("down"), run.proxy.clear)


def test_connections_of_which_the_workers_half_is_closed(run: Run) -> None:
    lived_through(run, "connections half closed by the workers", lambda: run.proxy.half_close("up"), run.proxy.clear)


def test_a_broker_short_of_memory(run: Run) -> None:
    broker = run.region.broker
    for process in run.region.processes.values():
        process.kill()  # so that what they have to publish meets the alarm

    def strike() -> None:
        broker.alarm(on=True)
        run.region.revive()

    lived_through(run, "memory alarm", strike, lambda: broker.alarm(on=False), ("relay", 2), at_work=False)


def test_a_broker_that_is_killed(run: Run) -> None:
    lived_through(run, "broker killed", run.region.broker.kill, run.region.broker.start_again)


def test_a_database_that_is_killed(run: Run) -> None:
    lived_through(run, "database killed", run.region.database.kill, run.region.database.start_again)


def test_workers_that_are_killed_at_random(run: Run) -> None:
    began, chance = time.monotonic(), random.Random(SEED)
    messages = run.next_part("workers killed")
    size = len(messages) // KILLS + 1
    for start in range(0, len(messages), size):
        run.region.tell(messages[start : start + size])
        chance.choice(list(run.region.processes.values())).kill()
        run.region.revive()
    run.balance("workers killed", began)


def test_poison_is_kept_and_handled_once_it_can_be(run: Run) -> None:
    began = time.monotonic()
    run.region.tell(run.next_part("poison"))
    run.balance("poison", began)
    part = run.parts["poison"].second()
    quarantined = {
        bytes(body): str(fingerprint) for fingerprint, body in run.region.rows("deadlines", "SELECT fingerprint, body FROM quarantine")
    }
    for told in part:
        if told.poisonous or not told.id:
            assert run.region.retry("deadlines", quarantined[told.body]) == (0 if told.poisonous else 1)
    run.balance("poison, mended", began, mended=True)
