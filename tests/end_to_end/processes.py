"""A real house in a process of its own, that tests may kill; and what is in its databases, for comparing."""

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.house import SERVICES
from tests.helpers import HOUSE

PATIENCE = 120.0
ROTATION = HOUSE / "shared" / "samples" / "rotation-2027-08.jsonl"
TABLES = {
    "deadlines": ("placements", "deadlines", "documents", "alert_receipts", "decisions", "inbox_marks"),
    "notifications": ("placements", "recipients", "alerts", "inbox_messages", "decisions", "inbox_marks"),
    "responsibility": ("cases", "decisions", "inbox_marks"),
}
PASSING = {
    "attempts",
    "token",
    "leased_until",
    "heard_at",
    "said_at",
    "created_at",
    "due_at",
    "first_due_at",
    "look_at",
    "sent_at",
    "received_at",
    "detail",
}
"""Columns that say how and at what moment things went, not what became of them."""


@dataclass
class Process:
    """``tripartite serve`` on a free port, on the databases in ``data``.

    ``today`` is a day on which the clock has nothing to do yet, so that what becomes of an import does not hang on how fast it is.
    """

    data: Path
    crashpoint: str = ""
    today: str = "2027-04-30"
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def start(self) -> None:
        """Start it and wait until it is ready, or has died on its crash point."""
        self.port = self.port or free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TRIPARTITE_")}
        environment |= {"TRIPARTITE_TODAY": self.today, "TRIPARTITE_PACE": "immediate", "TRIPARTITE_CRASHPOINT": self.crashpoint}
        command = [sys.executable, "-m", "services", "serve", "--port", str(self.port), "--data", str(self.data)]
        log = (self.data.parent / f"{self.data.name}.log").open("ab")
        with log:
            self.process = subprocess.Popen(command, cwd=HOUSE, env=environment, stdout=log, stderr=log)
        until(lambda: self.died() or self.ready())

    def ready(self) -> bool:
        """Whether every service says so."""
        try:
            for name in SERVICES:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{name}/health/ready", timeout=10).close()
        except OSError:
            return False
        return True

    def died(self) -> bool:
        """Whether the process has ended."""
        assert self.process is not None
        return self.process.poll() is not None

    def kill(self) -> None:
        """SIGKILL: no clean-up runs."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> "Process":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def stop(self) -> int:
        """SIGTERM, as an operator ends it; returns its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE)

    def post(self, path: str, objects: list[dict[str, Any]]) -> bool:
        """Post to it; False if it died instead of answering."""
        body = json.dumps(objects).encode()
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, {"Content-Type": "application/json"})
        try:
            urllib.request.urlopen(asked, timeout=60).close()
        except urllib.error.HTTPError:
            raise
        except OSError:
            until(self.died)  # an answer fails only because its process has been killed
            return False
        return True

    def settled(self) -> bool:
        """Whether everything that was said was heard by everyone, and no alert is on its way.

        What was heard is read first: if everything said until later is among it, nothing was on its way in between.
        """
        heard = {name: {row["key"] for row in rows(self.data, name, "inbox")} for name in SERVICES}
        alerts = rows(self.data, "notifications", "alerts")
        said = [row for name in SERVICES for row in rows(self.data, name, "outbox")]
        hears = {name: {event.type for event in SERVICES[name].SERVICE.consumers} for name in SERVICES}
        everything_heard = all(row["key"] in heard[name] for row in said for name in SERVICES if row["type"] in hears[name])
        on_their_way = [row for row in alerts if row["status"] in ("pending", "claimed", "unknown")]
        return everything_heard and not on_their_way


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that must come about; fails if it does not within PATIENCE seconds."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, "it did not come about in time"
        time.sleep(0.05)


def rows(data: Path, service: str, table: str) -> list[dict[str, Any]]:
    """The rows of a table, as another process sees them; none while the table is not there yet."""
    file = data / f"{service}.db"
    if not file.exists():
        return []
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as connection:
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
        except sqlite3.OperationalError:
            return []


NAMED = re.compile(r"[A-Z][a-z]+ [A-Z][a-z]+ \(invented\), person")
"""A doctor by name and id. A message says the name only if that was heard before the placement, and they are heard in any order."""


def lasting(row: dict[str, Any]) -> dict[str, Any]:
    """What of a row says what became of it."""
    return {name: value for name, value in row.items() if name not in PASSING}


def outcome(data: Path) -> dict[str, list[Any]]:
    """What became of everything: every row of every table that says so, in a fixed order."""
    return {
        f"{service}.{table}": sorted(
            NAMED.sub("person", json.dumps(lasting(row), sort_keys=True, default=str)) for row in rows(data, service, table)
        )
        for service, tables in TABLES.items()
        for table in tables
    }


def letters(data: Path) -> dict[str, int]:
    """Every message that left by e-mail, with the nanosecond at which it was written: the fake provider's send log."""
    return {file.name: file.stat().st_mtime_ns for file in (data / "alerts").glob("*.txt")}


def a_small_rotation(placements: int) -> list[dict[str, Any]]:
    """The sample rotation's contacts and concerns, with its first placements and what was said of them.

    Nobody issues contracts and duty rosters here, so that the clock finds missed and approaching deadlines.
    """
    lines = [json.loads(line) for line in ROTATION.read_text(encoding="utf-8").splitlines()]
    chosen = set(list(dict.fromkeys(line["tisId"] for line in lines if "tisId" in line))[:placements])
    people = {
        line["record"]["data"].get("traineeId") or line["record"]["data"].get("personId") for line in lines if line.get("tisId") in chosen
    }
    return [line for line in lines if _belongs(line, chosen, people)]


def _belongs(line: dict[str, Any], chosen: set[str], people: set[str]) -> bool:
    if "tisId" in line:
        return line["tisId"] in chosen
    if line["type"] == "document.issued":
        return line["subject"] in chosen and line["data"]["kind"] not in ("contract", "duty-roster")
    return line["type"] != "recipient.updated" or line["data"]["role"] != "trainee" or line["subject"] in people


def chunks(lines: list[dict[str, Any]], size: int = 20) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The lines as they are posted: runs of one kind, a few at a time."""
    held: list[dict[str, Any]] = []
    for line in lines:
        if held and (len(held) == size or ("tisId" in held[0]) is not ("tisId" in line)):
            yield _path(held), held
            held = []
        held.append(line)
    if held:
        yield _path(held), held


def _path(lines: list[dict[str, Any]]) -> str:
    return "/deadlines/upstream/tis" if "tisId" in lines[0] else "/deadlines/events"
