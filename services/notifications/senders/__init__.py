"""Who sends what: one sender for each channel. ``delivery.py`` lets each alert leave once.

A sender is two functions of a batch: ``send(alerts, now)`` takes them whole and gives the reasons of those that are refused for good, by
key; ``find(keys)`` gives those that are there. The senders of files and of the inbox write under the alert's key, so even one that was
thought dead and wakes up late cannot make a second message of it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from services.notifications.models import Alert
from services.notifications.senders.files import FileSender
from services.notifications.senders.inbox import InboxSender
from shared.worker import Worker


class Sender(Protocol):
    """What sends on one channel."""

    def send(self, alerts: Sequence[Alert], now: datetime) -> Mapping[str, str]:
        """Send these; the reasons of those that are refused for good, by key. An error means that any of them may or may not have left."""

    def find(self, keys: Collection[str]) -> set[str]:
        """Those that have left."""


def senders_of(worker: Worker) -> Mapping[str, Sender]:
    """The senders, by channel."""
    return {"email": FileSender(worker.config.data / "alerts"), "inbox": InboxSender(worker.engine)}
