"""E-mail as files in a folder: the rehearsal of every other way. Nothing leaves the machine."""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from services.notifications.letters import one_line
from services.notifications.models import Alert
from services.notifications.senders.outcomes import SENT, Outcomes


@dataclass(frozen=True)
class FileSender:
    """E-mail, written as files into a folder: one whole file for each alert, named by its key."""

    folder: Path
    provider: ClassVar[str] = "files"
    at_once: ClassVar[bool] = True
    per_minute: ClassVar[int | None] = None
    remembers: ClassVar[timedelta] = timedelta.max
    patience: ClassVar[timedelta] = timedelta.max

    def send(self, alerts: Iterable[Alert], now: datetime) -> Outcomes:
        """Write each alert to a temporary file, make them durable (in a pass of its own: far quicker), and give them their names."""
        self.folder.mkdir(parents=True, exist_ok=True)
        alerts = list(alerts)
        partial = {alert.alert_key: self._path(alert.alert_key).with_suffix(".part") for alert in alerts}
        for alert in alerts:
            head = f"To: {one_line(alert.values['to'])} <{one_line(alert.address)}>\n"
            letter = f"{head}Subject: {alert.subject}\nReference: {alert.alert_key}\n\n{alert.text}"
            partial[alert.alert_key].write_text(letter, encoding="utf-8", newline="\n")
        for file in partial.values():
            _make_durable(file)
        for alert_key, file in partial.items():
            file.replace(self._path(alert_key))
        _make_durable(self.folder)
        yield from ((alert.alert_key, SENT) for alert in alerts)

    def find(self, references: Collection[str]) -> set[str]:
        """The alerts whose file is there."""
        return {key for key in references if self._path(key).exists()}

    def _path(self, alert_key: str) -> Path:
        return self.folder / f"{alert_key}.txt"


def _make_durable(path: Path) -> None:
    """Have a file's bytes, or a folder's names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
