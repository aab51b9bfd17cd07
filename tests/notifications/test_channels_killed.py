"""``kill -9`` of a real process in the midst of a batch, on every channel: no provider's log shows an alert twice."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from services.notifications.models import InboxMessage
from shared.database import transaction
from shared.worker import Worker
from tests.helpers import HOUSE, a_placement, a_recipient
from tests.notifications.channels import a_sender, alerts, hear, waiting
from tests.providers import NotifyApi, SmtpServer, WebhookReceiver

COUNT = 4
CHANNELS = ("files", "inbox", "smtp", "notify", "webhook")
POINTS = ("alert.claimed.unsent", "alert.sent.one", "alert.sent.unmarked")


@dataclass
class Rehearsal:
    """A channel with alerts that wait on it, and the log of its provider."""

    worker: Worker
    settings: dict[str, str]
    log: Callable[[], Counter[str]]

    def run(self, crashpoint: str = "") -> int:
        """Let them leave in a process of its own; returns its exit code."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("TRIPARTITE_")}
        environment = {**ours, **self.settings, "TRIPARTITE_CRASHPOINT": crashpoint}
        command = [sys.executable, "-m", "tests.notifications.deliverer"]
        return subprocess.run(command, cwd=HOUSE, env=environment, timeout=90, check=False).returncode


@pytest.fixture
def rehearsal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rehearsal]:
    with ExitStack() as stack:
        channel: str = request.param
        settings = {"TRIPARTITE_DATA": str(tmp_path), "TRIPARTITE_LEASE_SECONDS": "1"}
        email: str | None = f"routes@{channel}.example"
        webhook: str | None = None
        log: Callable[[], Counter[str]] = lambda: Counter(file.stem for file in (tmp_path / "alerts").glob("*.txt"))  # noqa: E731
        if channel == "smtp":
            server = stack.enter_context(SmtpServer())
            settings, log = {**settings, **server.settings}, server.log
        elif channel == "notify":
            api = stack.enter_context(NotifyApi())
            settings, log = {**settings, **api.settings}, api.log
        elif channel == "webhook":
            receiver = stack.enter_context(WebhookReceiver())
            settings, log = {**settings, **receiver.settings}, receiver.log
            email, webhook = None, receiver.hook
        worker = a_sender(tmp_path, {name: value for name, value in settings.items() if name != "TRIPARTITE_DATA"})
        if channel == "inbox":
            hear(worker, a_recipient(email=None), *(a_placement(placement_id=f"p{number}") for number in range(COUNT)))
            log = lambda: in_the_inbox(worker)  # noqa: E731
        else:
            waiting(worker, COUNT, email, webhook)
        yield Rehearsal(worker, settings, log)
        worker.close()


def in_the_inbox(worker: Worker) -> Counter[str]:
    with transaction(worker.engine) as session:
        return Counter(session.scalars(select(InboxMessage.alert_key)))


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("rehearsal", CHANNELS, indirect=True)
def test_a_sender_killed_in_the_midst_of_a_batch_sends_nothing_twice(
    rehearsal: Rehearsal, point: str, request: pytest.FixtureRequest
) -> None:
    channel = request.node.callspec.params["rehearsal"]
    one_by_one = channel in ("smtp", "notify", "webhook")
    assert rehearsal.run(f"{point}:{2 if one_by_one and point != POINTS[0] else 1}") == -signal.SIGKILL
    before = rehearsal.log()
    assert len(before) == {POINTS[0]: 0}.get(point, 2 if one_by_one else COUNT)
    assert rehearsal.run() == 0
    assert set(rehearsal.log().values()) == {1}, "an alert left twice"
    undecidable = channel == "smtp" and point == "alert.sent.unmarked"
    found = [alert for alert in alerts(rehearsal.worker) if alert.address]
    assert Counter(alert.status for alert in found) == {"sent": COUNT - undecidable} | ({"needs-review": 1} if undecidable else {})
    assert rehearsal.log().keys() == {alert.alert_key for alert in found}, "one was lost"
