"""What became of an alert that was given to its sender."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

FIRST_WAIT, LONGEST_WAIT = 30.0, 4 * 3600.0
"""Seconds before an alert that was refused for now is tried again, and the most it comes to."""


@dataclass(frozen=True)
class Outcome:
    """``sent``; ``refused`` for good; not sent, to be tried ``later``; or in ``doubt``: it may or may not have left."""

    state: Literal["sent", "refused", "later", "doubt"]
    reason: str = ""


Outcomes = Iterator[tuple[str, Outcome]]
"""One by one, as they become known: (alert key, outcome)."""

SENT = Outcome("sent")


def refused(reason: str) -> Outcome:
    """Refused for good; ``reason`` is for the person who mends it."""
    return Outcome("refused", reason)


def later(reason: str) -> Outcome:
    """Provably not sent; it is tried again."""
    return Outcome("later", reason)


def doubt(reason: str) -> Outcome:
    """It may or may not have left."""
    return Outcome("doubt", reason)


def wait(alert_key: str, tries: int) -> float:
    """Seconds until the next try: twice as long each time, up to LONGEST_WAIT, and of that a share between a half and the whole.

    The share follows from the key, so that alerts that were refused together do not all come again together.
    """
    longest = min(FIRST_WAIT * 2.0 ** min(tries - 1, 30), LONGEST_WAIT)
    share = int.from_bytes(hashlib.sha256(f"{alert_key} {tries}".encode()).digest()[:4]) / 2**32
    return longest * (0.5 + share / 2)
