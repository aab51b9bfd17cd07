"""``kill -9`` while alerts are gathered, sent as a digest, or escalated: each reader hears once, and everything is said once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.notifications.app import SERVICE
from shared.bus.embedded import forget_embedded_queues
from shared.config import Config
from shared.worker import Worker
from tests.helpers import HOUSE, Clock
from tests.notifications.house import DAY, HOST, SECOND, House, arrivals


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Three placements are known, and one host that is told of them in the morning."""
    forget_embedded_queues()
    clock = Clock(DAY)
    worker = Worker(SERVICE, Config(data=tmp_path), clock)
    made = House(worker, clock)
    made.hear(HOST, SECOND, *arrivals(3))
    yield made
    worker.close()


def chores(house: House, crashpoint: str = "") -> int:
    """A process of its own does what there is to do; its exit code."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRIPARTITE_")}
    command = [sys.executable, "-m", "tests.notifications.chores", str(house.worker.config.data), house.clock().isoformat()]
    return subprocess.run(command, cwd=HOUSE, env={**environment, "TRIPARTITE_CRASHPOINT": crashpoint}, check=False, timeout=60).returncode


@pytest.mark.parametrize("crashpoint", ["alert.gathered.uncommitted", "alert.claimed.unsent", "alert.sent.unmarked"])
def test_a_digest_is_sent_once_whatever_dies_on_its_way(house: House, crashpoint: str) -> None:
    house.clock.now += timedelta(hours=22)
    assert chores(house, crashpoint) == -signal.SIGKILL
    states = {alert.status for alert in house.alerts(recipient_id="host")}
    assert states == ({"pending"} if "gathered" in crashpoint else {"gathered", "claimed"})
    assert chores(house) == 0
    assert [mail.partition("\n")[0] for mail in house.mails()] == ["To: Rotas of Preston (invented) <host@example.org>"]
    assert {alert.status for alert in house.alerts(recipient_id="host")} == {"sent"}
    assert list(house.said("alert.sent").values()) == [1] * 4, "the digest and its three members"


def test_an_escalation_is_made_once_though_its_worker_dies(house: House) -> None:
    house.clock.now += timedelta(hours=22)
    assert chores(house) == 0
    house.clock.now += timedelta(days=7)
    assert chores(house, "alert.escalated.uncommitted") == -signal.SIGKILL
    assert house.alerts(kind="escalation") == []
    assert chores(house) == 0
    assert chores(house) == 0
    assert [alert.status for alert in house.alerts(kind="escalation")] == ["sent"]
    assert len(house.mails()) == 2
