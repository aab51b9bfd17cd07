"""Fixtures: providers of alerts on this machine, and a house that knows three contacts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.notifications.app import SERVICE
from shared.bus.embedded import forget_embedded_queues
from shared.config import Config
from shared.worker import Worker
from tests.helpers import Clock
from tests.notifications.house import DAY, HOST, SCHEDULES, SECOND, TOKEN, House
from tests.providers import NotifyApi, SmtpServer


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as found:
        yield found


@pytest.fixture
def api() -> Iterator[NotifyApi]:
    with NotifyApi() as found:
        yield found


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    forget_embedded_queues()
    clock = Clock(DAY)
    worker = Worker(
        SERVICE, Config(data=tmp_path, public_url="https://t.example.org", link_secret="s" * 32, notify_callback_token=TOKEN), clock
    )
    made = House(worker, clock)
    made.hear(HOST, SECOND, SCHEDULES)
    yield made
    worker.close()
