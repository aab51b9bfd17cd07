"""E-mail as files in a folder: the rehearsal of every other way. Nothing leaves the machine."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from services.notifications.letters import one_line
from services.notifications.models import Alert


@dataclass(frozen=True)
class FileSender:
    """E-mail, written as files into a folder: one whole file for each alert, named by its key."""

    folder: Path

    def send(self, alerts: Sequence[Alert], now: datetime) -> Mapping[str, str]:
        """Write each alert to a temporary file, make them durable (in a pass of its own: far quicker), and give them their names."""
        self.folder.mkdir(parents=True, exist_ok=True)
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
        return {}

    def find(self, keys: Collection[str]) -> set[str]:
        """The alerts whose file is there."""
        return {key for key in keys if self._path(key).exists()}

    def _path(self, alert_key: str) -> Path:
        return self.folder / f"{alert_key}.txt"


def _make_durable(path: Path) -> None:
    """Have a file's bytes, or a folder's names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
