"""The receiver of the examples, as a process that alerts are posted to; and the key that is handed to whoever runs one."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from examples.receive import TABLE, take
from services.__main__ import main
from services.notifications.senders.delivery import deliver
from services.notifications.senders.webhooks import key_of, signature
from tests.helpers import HOUSE
from tests.notifications.channels import NOW, a_contact, a_sender, alerts, hear, states, waiting
from tests.providers import SENDING

SECRET = "a-secret-of-this-test-only-and-long-enough"
SETTINGS = {**SENDING, "TRIPARTITE_WEBHOOK_SECRET": SECRET, "TRIPARTITE_WEBHOOK_PRIVATE": "on"}


class Receiver(NamedTuple):
    hook: str
    file: Path

    def kept(self) -> list[tuple[str, str]]:
        with sqlite3.connect(self.file) as file:
            return file.execute("select id, text from alerts order by id").fetchall()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    environment = {**os.environ, "TRIPARTITE_KEY": key_of(SECRET, "C1")}
    command = [sys.executable, "-u", "examples/receive.py", str(tmp_path / "alerts.sqlite"), "--port", "0"]
    with subprocess.Popen(command, cwd=HOUSE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield Receiver(process.stdout.readline().split()[2].rstrip("."), tmp_path / "alerts.sqlite")
        process.kill()


def test_the_receiver_keeps_what_is_posted_to_it(tmp_path: Path, receiver: Receiver) -> None:
    worker = waiting(a_sender(tmp_path, SETTINGS), 3, None, receiver.hook)
    deliver(worker, NOW)
    assert states(worker) == ["sent"] * 3
    assert receiver.kept() == sorted((alert.alert_key, alert.text) for alert in alerts(worker))
    worker.close()


def test_the_receiver_refuses_what_is_signed_for_somebody_else(tmp_path: Path, receiver: Receiver) -> None:
    worker = a_sender(tmp_path, {**SETTINGS, "TRIPARTITE_WEBHOOK_SECRET": SECRET[::-1]})
    waiting(worker, 1, None, receiver.hook)
    deliver(worker, NOW)
    assert (states(worker), receiver.kept()) == (["pending"], [])
    assert "answered 403" in alerts(worker)[0].reason
    worker.close()


@pytest.mark.parametrize(
    ("alert", "late", "status"), [("a1", 0, 200), ("a1", 299, 200), ("a1", -301, 403), ("a1", 301, 403), ("a2", 0, 403)]
)
def test_an_id_counts_once_and_what_is_old_or_of_another_id_not_at_all(alert: str, late: int, status: int) -> None:
    file = sqlite3.connect(":memory:")
    file.execute(TABLE)
    body = b'{"id": "a1", "regarding": "p1", "subject": "s", "text": "t"}'
    for _ in range(2):
        assert take(file, "key", alert, signature("key", 1000, body), body, 1000 + late) == status
        assert take(file, "key", alert, "t=,v1=", body, 1000) == 403
    assert len(file.execute("select * from alerts").fetchall()) == (status == 200)
    file.close()


def test_the_key_of_a_recipient_is_printed_for_whoever_runs_its_webhook() -> None:
    printed = CliRunner().invoke(main, ["webhook-key", "C1"], env={"TRIPARTITE_WEBHOOK_SECRET": SECRET})
    assert (printed.exit_code, printed.output.strip()) == (0, key_of(SECRET, "C1"))
    lacking = CliRunner().invoke(main, ["webhook-key", "C1"], env={"TRIPARTITE_WEBHOOK_SECRET": None})
    assert lacking.exit_code == 2
    assert "TRIPARTITE_WEBHOOK_SECRET: is needed" in lacking.output


def test_how_a_contact_is_reached_is_shown_with_its_webhook_and_its_second_contact(tmp_path: Path) -> None:
    from dataclasses import replace

    from services.notifications.app import create_app

    worker = a_sender(tmp_path, {})
    hear(worker, replace(a_contact(webhook="https://host.nhs.uk/x"), escalates_to="C2"))
    shown = create_app(worker).test_client().get("/notifications/recipients/C1").get_json()
    assert (shown["webhook"], shown["escalates_to"]) == ("https://host.nhs.uk/x", "C2")
    worker.close()
