"""The main job: a rotation replayed day by day through all four services, and what it showed on one screen.

The house is the real one (services/house.py): the same apps, databases, bus and workers; only the clock is wound by hand. Every day the
clock strikes in the morning and the digests leave an hour later; what upstream said that day arrives in the afternoon, and when no more
edits of it can be joined, an hour after that, the changes leave.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from services.house import House, hold_folder, open_house
from services.importing import Line, Report, import_lines, is_tis, read_lines
from shared.bus.embedded import forget_embedded_queues
from shared.config import read_config
from shared.errors import Refused, TripartiteError
from shared.worker import LONDON

SAMPLES = Path(__file__).parent.parent / "shared" / "samples"
ROTATION = SAMPLES / "rotation-2027-08.jsonl"
WEEKS_BEFORE = 13


@dataclass
class Replay:
    """A rotation on its way through a house: call :meth:`days` and watch."""

    house: House
    clock: "HandClock"
    arrivals: dict[date, list[Line]]
    start: date
    report: Report = field(default_factory=Report)

    @property
    def first_day(self) -> date:
        """The first day that is replayed."""
        return self.start - timedelta(weeks=WEEKS_BEFORE)

    def days(self) -> Iterator[date]:
        """Live through every day, from WEEKS_BEFORE the start to the start; yields each day once it is over."""
        waiting = sorted(self.arrivals)
        for number in range((self.start - self.first_day).days + 1):
            day = self.first_day + timedelta(days=number)
            self._live_until(day, time(7))
            self._live_until(day, time(8))
            self.clock.set(day, time(17))
            while waiting and waiting[0] <= day:
                import_lines(iter(self.arrivals[waiting.pop(0)]), self._post, self.report, lambda _: None)
            self.house.settle()
            self._live_until(day, time(18))
            yield day

    def _live_until(self, day: date, at: time) -> None:
        self.clock.set(day, at)
        self.house.settle()

    def _post(self, path: str, objects: list[dict[str, Any]]) -> tuple[int, Any]:
        answer = self.client(path).post(path, json=objects)
        return answer.status_code, answer.get_json()

    def client(self, path: str) -> FlaskClient:
        """A client of the service that a path begins with."""
        return self.house.apps[path.split("/")[1]].test_client()

    def get(self, path: str) -> Any:
        """What a service answers."""
        return self._checked(self.client(path).get(path))

    def post(self, path: str, body: Any) -> Any:
        """What a service answers to a POST."""
        return self._checked(self.client(path).post(path, json=body))

    @staticmethod
    def _checked(answer: Any) -> Any:
        if answer.status_code >= 400:
            raise Refused(f"{answer.request.path} answered {answer.status_code}: {answer.get_data(as_text=True)}")
        return answer.get_json()


class HandClock:
    """A clock that is wound by hand, in English time."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)

    def set(self, day: date, at: time) -> None:
        """Wind it to a time of a day in England."""
        self._now = datetime.combine(day, at, LONDON).astimezone(UTC)

    def __call__(self) -> datetime:
        """The time it shows."""
        return self._now


def open_replay(rotation: Path, data: Path) -> Replay:
    """A fresh house in ``data`` (emptied first), ready to live through a rotation file."""
    report = Report()
    arrivals = arrivals_by_day(read_lines(rotation, "rotation", report))
    start = rotation_start(line for lines in arrivals.values() for _, line in lines)
    _empty(data)
    forget_embedded_queues()
    clock = HandClock()
    clock.set(start - timedelta(weeks=WEEKS_BEFORE), time(0))
    house = open_house(read_config({}, data=data), clock)
    return Replay(house, clock, arrivals, start, report)


def _empty(data: Path) -> None:
    """Empty the folder of an earlier demo; nobody else's.

    :raises Refused: the folder holds something that no demo has left there.
    """
    marker = data / "made-by-tripartite-demo"
    if data.exists() and any(data.iterdir()) and not marker.exists():
        raise Refused(f"{data} holds something that is not of a demo; name a new or empty folder with --data.")
    with hold_folder(data):
        for found in data.iterdir():
            if found.is_dir():
                shutil.rmtree(found)
            elif found.name != ".lock":
                found.unlink()
    marker.touch()


def arrivals_by_day(lines: Iterator[Line]) -> dict[date, list[Line]]:
    """The lines by the day in England on which they arrive. A line cannot arrive before the one it stands behind."""
    arrivals: dict[date, list[Line]] = {}
    latest = date.min
    for number, line in lines:
        latest = max(latest, said_on(line) or latest)
        arrivals.setdefault(latest, []).append((number, line))
    return arrivals


def said_on(line: dict[str, Any]) -> date | None:
    """The day on which a line says that it was said; None where it does not say."""
    record = line.get("record")
    metadata = record.get("metadata") if isinstance(record, dict) else None
    given = metadata.get("timestamp") if is_tis(line) and isinstance(metadata, dict) else line.get("time")
    try:
        said = datetime.fromisoformat(str(given))
    except ValueError:
        return None
    return said.astimezone(LONDON).date() if said.tzinfo else None


def rotation_start(lines: Iterator[dict[str, Any]]) -> date:
    """The day on which most placements of a file start.

    :raises TripartiteError: the file has no placement with a start date.
    """
    starts: dict[str, int] = {}
    for line in lines:
        record = line.get("record")
        data = record.get("data") if is_tis(line) and isinstance(record, dict) else None
        given = (data.get("dateFrom") or data.get("startDate")) if isinstance(data, dict) else None
        starts[str(given)] = starts.get(str(given), 0) + (given is not None)
    for day in sorted(starts, key=lambda found: -starts[found]):
        try:
            return date.fromisoformat(day)
        except ValueError:
            continue
    raise TripartiteError("The rotation has no placement with a start date; see shared/samples/README.md for the shape of its lines.")


def sample_procurement() -> dict[str, Any]:
    """The procurement that the demo asks about."""
    found: dict[str, Any] = json.loads((SAMPLES / "procurement.json").read_text(encoding="utf-8"))
    return found
