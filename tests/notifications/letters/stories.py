"""The rendered examples of every message: what was heard, ``<kind>.yaml``; what is then seen, ``<kind>.<channel>.<reader>.<size>.txt``.

A story is told to a real worker, so the values of an example are those that the service makes. A kind has two sizes of story: ``full``,
with everything that a message may hold, and ``minimal``, with what it must hold. Each is a map of:

* ``before``: what was heard before, and ``heard``: what the messages are about, both as a list of ``type: data``, where
  ``waits: {days: 1}`` lets time pass, after which every chore is done;
* ``paced: true``: alerts keep their time (digests, escalations); in all other stories they are due at once and no edit is joined;
* ``also``: values that come to an alert later, as when it could not go out on its day.

Before any story the contacts of ``contacts.yaml`` are heard. Every person and mailbox is invented, and says so.
"""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import select

from services.notifications.app import SERVICE
from services.notifications.letters import TEMPLATES, render
from services.notifications.models import Alert
from shared.bus.embedded import forget_embedded_queues
from shared.config import Config
from shared.database import transaction
from shared.event_data import read_event
from shared.events import EVENTS, Event
from shared.worker import Worker
from tests.helpers import Clock, a_message

FOLDER = Path(__file__).parent
SIZES = ("full", "minimal")
NOW = datetime(2027, 5, 5, 9, tzinfo=UTC)
DECISION = "7d0ac1be-51c5-5f4e-9c39-2f6d0e5b8a11"
"""Stands for the decision by which a message was sent. The real number changes with every edition of the policy."""
DECISIONS = ("decision", "decisions")


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
    counted: Counter[tuple[str, str]] = Counter()
    for channel, reader, template, values in found:
        counted[channel, reader] += 1
        number = counted[channel, reader]
        yield Example(kind, channel, reader, size, number, template, {**_at_rest(values), **story.get("also", {})})


def _at_rest(values: Any) -> Any:
    """These values with one number in place of every decision's: those change with every edition of a policy."""
    if isinstance(values, Mapping):
        return {
            name: _at_rest(value) if name not in DECISIONS else DECISION if name == "decision" else [DECISION]
            for name, value in values.items()
        }
    return [_at_rest(value) for value in values] if isinstance(values, list) else values


def _alerts(kind: str, story: Mapping[str, Any]) -> list[Alert]:
    """The alerts of this kind that the worker makes of a story, as they are at its end; a reader's in the order of their making."""
    forget_embedded_queues()
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(NOW)
        worker = Worker(SERVICE, Config(data=Path(folder), pace="digests" if story.get("paced") else "immediate"), clock)
        try:
            _hear(worker, clock, [{"recipient.updated": contact} for contact in told("contacts.yaml")["contacts"]])
            _hear(worker, clock, story.get("before", []))
            before = _all(worker)
            for item in story.get("heard", []):
                _hear(worker, clock, [item])
            added = [alert for key, alert in _all(worker).items() if key not in before and alert.kind == kind]
            return sorted(added, key=lambda alert: (alert.role, alert.channel, alert.created_at, alert.topic))
        finally:
            worker.close()


def _all(worker: Worker) -> dict[str, Alert]:
    with transaction(worker.engine) as session:
        return {alert.alert_key: alert for alert in session.scalars(select(Alert))}


def _hear(worker: Worker, clock: Clock, items: Iterable[Mapping[str, Any]]) -> None:
    """What was heard in half an hour, each thing a second after the one before."""
    for count, item in enumerate(items):
        if "waits" in item:
            _wait(worker, clock, timedelta(**item["waits"]))
        else:
            at = clock() + timedelta(seconds=count)
            worker.take_in([a_message(_event(item), at=at)], at)
    clock.now += timedelta(minutes=30)


def _wait(worker: Worker, clock: Clock, time: timedelta) -> None:
    clock.now += time
    while sum(chore(worker, clock()) for chore in SERVICE.chores):
        pass


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
