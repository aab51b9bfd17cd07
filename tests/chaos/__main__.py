"""``make chaos``: a rotation of 20,000 placements while the broker, the database and the workers are killed at random, again and again. ::

    python -m tests.chaos [--seed N] [--placements 20000] [--quick]

Two workers of every service, and eligibility's web process, on private nodes. One message in a hundred is poison. The kills are spread over
the work: the next comes when the services have heard so much more. When all is drained the account is drawn up, the poison is handled
again with mended code, and the account is drawn up anew. At the end a small rotation lives through a full disk. Exit code 1 if anything
is lost, duplicated, sent twice or unexpected.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from services.command import NAMES
from tests.brokers import Broker
from tests.chaos.accounting import Account, account, heading
from tests.chaos.full_disk import full_disk
from tests.chaos.model import expected
from tests.chaos.provider import Provider
from tests.chaos.region import Region, until
from tests.chaos.rotation import Rotation, Told, invent
from tests.databases import Database
from tests.nodes import open_broker, open_database

KILLS = {"broker": 10, "database": 5, "worker": 50}
QUICK_KILLS = {"broker": 2, "database": 1, "worker": 8}
MINUTES = 60
"""How long the whole of it may take."""
STUCK_SECONDS = 300
"""How long the next kill may take to fall due."""
SOON = 1_000
"""So many placements, at most, start soon enough for the clock to have something to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives the exit code."""
    parser = argparse.ArgumentParser(prog="make chaos", description="Kill everything at random under load, and draw up the account.")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000), help="the same seed gives the same plan")
    parser.add_argument("--placements", type=int, default=20_000)
    parser.add_argument("--quick", action="store_true", help="a sixth of the kills")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tripartite-chaos-") as folder:
        accounts = lived_through(Path(folder), options.seed, options.placements, QUICK_KILLS if options.quick else KILLS)
    print(heading())
    for found in accounts:
        print(found)
    return 0 if all(found.balanced for found in accounts) else 1


def lived_through(folder: Path, seed: int, placements: int, kills: dict[str, int]) -> list[Account]:
    """The accounts of the rotation under random kills, before and after its poison was mended, and of the full disk."""
    folders = {name: folder / name for name in ("broker", "database", "region", "disk")}
    for each in folders.values():
        each.mkdir()
    broker = open_broker(folders["broker"])
    try:
        accounts = killed_at_random(folders["region"], seed, placements, kills, broker, open_database(folders["database"]))
        return [*accounts, *full_disk(folders["disk"], seed, broker)]
    finally:
        broker.close()


def killed_at_random(folder: Path, seed: int, placements: int, kills: dict[str, int], broker: Broker, database: Database) -> list[Account]:
    """The rotation under random kills."""
    began = time.monotonic()
    try:
        with Provider(folder / "provider.log") as provider:
            region = Region(folder, "chaos", provider, broker, database, services=NAMES, workers=2, TRIPARTITE_LEASE_SECONDS="5")
            try:
                return Run(region, seed, placements, kills, began).live()
            finally:
                region.close()
    finally:
        database.close()


class Run:
    """One run: the region, the rotation, and the kills that are still to come."""

    def __init__(self, region: Region, seed: int, placements: int, kills: dict[str, int], began: float) -> None:
        self.region, self.seed, self.began = region, seed, began
        self.kills = kills
        self.chance = random.Random(seed)
        self.rotation: Rotation = invent(
            seed,
            placements,
            trainees=min(400, placements // 4),
            poisonous=max(1, placements // 200),
            garbage=max(4, placements // 200),
            soon=min(1.0, SOON / placements),
            concerns=50,
            procurements=50,
        )

    def live(self) -> list[Account]:
        """The whole of it."""
        self.region.start()
        self.region.broker.flush()
        first, second, third = self.rotation.parts
        self._say("contacts and documents")
        self.region.tell(first)
        self.region.drain(self._left())
        self._say("placements, and kills")
        self._under_kills(second)
        self.region.drain(self._left())
        self._say("new starts and withdrawals")
        self.region.tell(third)
        self.region.drain(self._left())
        killed = ", ".join(f"{count} × {what}" for what, count in self.kills.items())
        found = [self._account(f"kill -9: {killed}", mended=False)]
        self._say("the poison again")
        self._mend()
        self.region.drain(self._left())
        return [*found, self._account("the same, its poison mended", mended=True)]

    def _say(self, what: str) -> None:
        print(f"{time.monotonic() - self.began:6.0f} s  {what}", flush=True)

    def _left(self) -> float:
        return MINUTES * 60 - (time.monotonic() - self.began)

    def _account(self, fault: str, *, mended: bool) -> Account:
        found = account(fault, self.seed, self.region, [self.rotation], mended=mended)
        found.seconds = time.monotonic() - self.began
        return found

    def _under_kills(self, messages: Sequence[Told]) -> None:
        """Upstream tells these, and procurements are decided, while one kill after the other falls due."""
        plan = [what for what, count in self.kills.items() for _ in range(count)]
        self.chance.shuffle(plan)
        before, work = self._heard(), self._to_be_heard()
        with ThreadPoolExecutor(2) as others:
            telling = [others.submit(self.region.tell, messages), others.submit(self.region.decide, self.rotation.procurements)]
            for number, what in enumerate(plan, start=1):
                enough = before + work * number // (len(plan) + 1)
                until(partial(self._has_heard, enough), f"{enough} messages to be heard", STUCK_SECONDS, self._on_its_way)
                self._kill(what)
                if what != "worker":
                    self._say(f"{what} killed ({number} of {len(plan)})")
            for done in telling:
                done.result()

    def _to_be_heard(self) -> int:
        """How much is heard of the second part: by deadlines placements and outcomes of alerts, by notifications the rest as well."""
        wanted = expected([self.rotation.unchanged()])
        return len(wanted.placements) + len(wanted.alerts) + len(self.rotation.placements) + wanted.said.total()

    def _heard(self) -> int:
        return sum(self.region.count(name, "inbox") for name in ("deadlines", "notifications"))

    def _has_heard(self, enough: int) -> bool:
        """Whether they have heard so much; what died meanwhile is started again."""
        self.region.revive()
        try:
            return self._heard() >= enough
        except DBAPIError:
            return False  # the database is away

    def _on_its_way(self) -> str:
        return "; ".join(self.region.on_its_way())

    def _kill(self, what: str) -> None:
        """Kill it, and start it again; with the broker or the database, half of the time, a worker that needs it dies too."""
        workers = list(self.region.processes.values())
        if what == "worker":
            self.chance.choice(workers).kill()
        else:
            node = self.region.broker if what == "broker" else self.region.database
            node.kill()
            if self.chance.random() < 0.5:
                self.chance.choice(workers).kill()
            node.start_again()
        self.region.revive()

    def _mend(self) -> None:
        poisonous = {told.body for told in self.rotation.second() if told.poisonous}
        for fingerprint, body in self.region.rows("deadlines", "SELECT fingerprint, body FROM quarantine"):
            if bytes(body) in poisonous and self.region.retry("deadlines", str(fingerprint)):
                self._say(f"{fingerprint} is still not handled")


if __name__ == "__main__":
    sys.exit(main())
