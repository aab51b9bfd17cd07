"""The rendered examples of every message: what was heard, ``<kind>.yaml``; what is then seen, ``<kind>.<channel>.<reader>.<size>.txt``.

A story is told to a real worker, so the values of an example are those that the service makes. A kind has two sizes of story: ``full``,
with everything that a message may hold, and ``minimal``, with what it must hold. Each is a map of:

* ``before``: what was heard before, and ``heard``: what the messages are about, both as a list of ``type: data``;
* ``alerts``: for a kind that no single event makes: a list of ``reader``, ``channel`` and ``values``;
* ``also``: values that come to an alert later, as when it could not go out on its day.

Before any story the contacts of ``contacts.yaml`` are heard. Every person and mailbox is invented, and says so.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import select

from services.notifications.app import SERVICE
from services.notifications.letters import TEMPLATES, newest, render
from services.notifications.models import Alert
from shared.bus.embedded import forget_embedded_queues
from shared.database import transaction
from shared.event_data import read_event
from shared.events import EVENTS, Event
from shared.worker import Worker
from tests.helpers import Clock, a_message, a_worker

FOLDER = Path(__file__).parent
SIZES = ("full", "minimal")
NOW = datetime(2027, 5, 5, 9, tzinfo=UTC)
DECISION = "7d0ac1be-51c5-5f4e-9c39-2f6d0e5b8a11"
"""Stands for the decision by which a message was sent. The real number changes with every edition of the policy."""


@dataclass(frozen=True)
class Example:
    """One message of a story. ``number`` tells several to the same reader apart."""

    kind: str
    channel: str
    reader: str
    size: str
    number: int
    template: str
    values: Mapping[str, Any]

    @property
    def file(self) -> str:
        """The file that holds it."""
        return f"{self.kind}.{self.channel}.{self.reader}.{self.size}{f'-{self.number}' if self.number > 1 else ''}.txt"

    @property
    def text(self) -> str:
        """The message, subject first."""
        letter = render(self.template, self.values)
        return f"Subject: {letter.subject}\n\n{letter.text}"


def kinds() -> list[str]:
    """Every kind of message: one folder of templates each."""
    return sorted(folder.name for folder in TEMPLATES.iterdir() if folder.is_dir())


@cache
def examples() -> tuple[Example, ...]:
    """Every example of every kind that has a story."""
    return tuple(example for kind in kinds() if (FOLDER / f"{kind}.yaml").exists() for size in SIZES for example in _examples(kind, size))


def _examples(kind: str, size: str) -> Iterator[Example]:
    story = told(f"{kind}.yaml").get(size, {})
    found = [(alert.channel, alert.role, alert.template, alert.values) for alert in _alerts(kind, story)]
    for made in story.get("alerts", []):
        values = {"decision": DECISION, "to": "A contact (invented)", **made["values"], "reader": made["reader"]}
        found.append((made["channel"], made["reader"], newest(kind, made["channel"]), values))
    counted: Counter[tuple[str, str]] = Counter()
    for channel, reader, template, values in found:
        counted[channel, reader] += 1
        number = counted[channel, reader]
        yield Example(kind, channel, reader, size, number, template, {**values, "decision": DECISION, **story.get("also", {})})


def _alerts(kind: str, story: Mapping[str, Any]) -> list[Alert]:
    """The alerts of this kind that the worker makes of a story, as they are at its end; a reader's in the order of their making."""
    forget_embedded_queues()
    with tempfile.TemporaryDirectory() as folder:
        worker = a_worker(SERVICE, Path(folder), Clock(NOW))
        try:
            _hear(worker, [_event({"recipient.updated": contact}) for contact in told("contacts.yaml")["contacts"]], 0)
            _hear(worker, map(_event, story.get("before", [])), 1)
            before = _all(worker)
            for step, item in enumerate(story.get("heard", []), start=2):
                _hear(worker, [_event(item)], step)
            added = [alert for key, alert in _all(worker).items() if key not in before and alert.kind == kind]
            return sorted(added, key=lambda alert: (alert.role, alert.channel, alert.created_at, alert.topic))
        finally:
            worker.close()


def _all(worker: Worker) -> dict[str, Alert]:
    with transaction(worker.engine) as session:
        return {alert.alert_key: alert for alert in session.scalars(select(Alert))}


def _hear(worker: Worker, events: Any, step: int) -> None:
    """Each step an hour after the one before, each event of a step a second."""
    for count, event in enumerate(events):
        at = NOW + timedelta(hours=step, seconds=count)
        worker.take_in([a_message(event, at=at)], at)


def _event(item: Mapping[str, Any]) -> Event:
    [(type_, data)] = item.items()
    return read_event(EVENTS[type_], {name: _plain(value) for name, value in data.items()})


def _plain(value: Any) -> Any:
    """YAML reads a day as a date; messages hold it as text."""
    return value.isoformat() if isinstance(value, date) else value


@cache
def told(file: str) -> Mapping[str, Any]:
    """A file of this folder."""
    found: Mapping[str, Any] = yaml.safe_load((FOLDER / file).read_text(encoding="utf-8"))
    return found
