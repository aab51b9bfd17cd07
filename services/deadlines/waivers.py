"""Waivers: somebody who may has let a duty rest until a day. Who, why and until when stays on record, and how it ended.

While a waiver is in force its deadline is neither reminded of nor missed. The due day does not move: when the waiver is over, the
ordinary rules say what has become of the deadline. A document that goes out meanwhile meets it as ever. Pure, as decisions.py is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from services.deadlines.models import Deadline, Waiver
from shared.errors import NotAsThingsStand, Refused
from shared.worker import today
from shared.writing import new

if TYPE_CHECKING:
    from services.deadlines.decisions import PlacementFile


@dataclass(frozen=True)
class Wish:
    """Who wants it, and why."""

    by: str
    reason: str


def give(file: "PlacementFile", deadline: Deadline, wish: Wish, until: date, now: datetime) -> Waiver:
    """Waive a deadline until a day, that day included. A waiver that is in force is ended by it: its end can so be moved.

    :raises NotAsThingsStand: the deadline is withdrawn or met.
    :raises Refused: the last day is over.
    """
    day = today(now)
    if not deadline.counts:
        raise NotAsThingsStand(
            f"{deadline.deadline_id} no longer counts ({deadline.reason}); waive the deadline that took its place, if any."
        )
    if deadline.issued_on is not None:
        raise NotAsThingsStand(f"{deadline.deadline_id} was met on {deadline.issued_on}; there is nothing left to waive.")
    if until < day:
        raise Refused("The waiver would be over before it began.", {"until": f"must not come before today, {day}, as {until} does."})
    if (before := in_force(file, deadline, day)) is not None:
        _end(before, Wish(wish.by, f"another waiver took its place: {wish.reason}"), now)
    number = 1 + sum(waiver.deadline_id == deadline.deadline_id for waiver in file.waivers)
    waiver = new(Waiver)(
        waiver_id=f"{deadline.deadline_id}/{number}",
        deadline_id=deadline.deadline_id,
        placement_id=deadline.placement_id,
        waived_by=wish.by,
        reason=wish.reason,
        until=until,
        given_at=now,
    )
    file.waivers.append(waiver)
    return waiver


def end(file: "PlacementFile", deadline: Deadline, wish: Wish, now: datetime) -> None:
    """End the waiver of a deadline today, before its time.

    :raises NotAsThingsStand: no waiver is in force.
    """
    waiver = in_force(file, deadline, today(now))
    if waiver is None or not deadline.counts:
        raise NotAsThingsStand(f"No waiver of {deadline.deadline_id} is in force today, {today(now)}; there is nothing to end.")
    _end(waiver, wish, now)


def _end(waiver: Waiver, wish: Wish, now: datetime) -> None:
    waiver.ended_at, waiver.ended_by, waiver.ended_because = now, wish.by, wish.reason


def of(file: "PlacementFile", deadline: Deadline) -> list[Waiver]:
    """Every waiver that a deadline ever had, the oldest first."""
    return sorted(_theirs(file.waivers, deadline), key=lambda waiver: (waiver.given_at, len(waiver.waiver_id), waiver.waiver_id))


def in_force(file: "PlacementFile", deadline: Deadline, day: date) -> Waiver | None:
    """The waiver of a deadline that was in force at the end of a day in England, if any."""
    found = [waiver for waiver in _theirs(file.waivers, deadline) if _covers(waiver, day)]
    return max(found, key=lambda waiver: (waiver.given_at, len(waiver.waiver_id), waiver.waiver_id), default=None)


def waived_on(file: "PlacementFile", deadline: Deadline, day: date) -> bool:
    """Whether a deadline was waived at the end of a day."""
    return in_force(file, deadline, day) is not None


def _theirs(waivers: Iterable[Waiver], deadline: Deadline) -> Iterable[Waiver]:
    return (waiver for waiver in waivers if waiver.deadline_id == deadline.deadline_id)


def _covers(waiver: Waiver, day: date) -> bool:
    ended = waiver.ended_at is not None and today(waiver.ended_at) <= day
    return today(waiver.given_at) <= day <= waiver.until and not ended
