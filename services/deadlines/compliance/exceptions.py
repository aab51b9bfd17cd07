"""What drags a figure down: the worst of what was late, each in a sentence and as data, with the chain of links that ends in it. Pure.

The longest late comes first; what is not issued at all before what is; then by placement and rule, so that the order is always the same.
"""

from bisect import insort
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from services.deadlines.compliance.figures import DUTIES, MEASURES, Judged
from services.deadlines.lateness import Link
from services.deadlines.models import Deadline, Placement

OWNERS: Mapping[str, str] = {"national-body": "the national body", "lead-employer": "the lead employer", "host": "the host"}
Place = tuple[int, bool, str, str]


class Worst:
    """The worst of what was late, as many as are wanted; the rest is forgotten at once.

    :param measure: of this measure alone; of every duty, if None.
    """

    def __init__(self, wanted: int, measure: str | None = None) -> None:
        self._wanted = wanted
        self._readers = set(MEASURES[measure].documents) if measure else None
        self._kept: list[tuple[Place, Placement | None, Judged]] = []

    def look_at(self, placement: Placement | None, late: Iterable[Judged], as_at: date) -> None:
        """Keep what is late of one placement, if it is among the worst so far."""
        if not self._wanted:
            return
        for each in late:
            if self._readers is None or (each.deadline.duty, each.deadline.recipient) in self._readers:
                place = _place(each.deadline, as_at)
                if len(self._kept) < self._wanted or place < self._kept[-1][0]:
                    insort(self._kept, (place, placement, each), key=lambda kept: kept[0])
                    del self._kept[self._wanted :]

    def to_json(self, as_at: date) -> list[dict[str, Any]]:
        """The worst, the worst first."""
        return [_shown(placement, each, as_at) for _, placement, each in self._kept]


def days_late(deadline: Deadline, as_at: date) -> int:
    """How many days late it is, as at a day: until it was issued, or until that day."""
    return max(0, ((deadline.issued_on or as_at) - deadline.due).days)


def _place(deadline: Deadline, as_at: date) -> Place:
    return (-days_late(deadline, as_at), deadline.issued_on is not None, deadline.placement_id, deadline.rule)


def _shown(placement: Placement | None, found: Judged, as_at: date) -> dict[str, Any]:
    deadline = found.deadline
    return {
        "placement_id": deadline.placement_id,
        "host": deadline.host,
        "host_name": deadline.host_name,
        "lead_employer": deadline.lead_employer,
        "specialty": placement.specialty if placement else None,
        "start_date": deadline.start_date.isoformat(),
        **_link(found.chain[-1], as_at),
        "caused_by": found.chain[0].owner,
        "own_fault": found.own_fault,
        "chain": [_link(link, as_at) for link in found.chain],
        "says": sentence(found, as_at),
    }


def _link(link: Link, as_at: date) -> dict[str, Any]:
    return {
        "deadline_id": link.deadline_id,
        "measure": DUTIES.get((link.duty, link.recipient)),
        "owner": link.owner,
        "recipient": link.recipient or None,
        "due": link.due.isoformat(),
        "issued_on": _day(link.issued_on),
        "heard_on": _day(link.heard_on),
        "days_late": link.late_by(as_at),
        "because": link.because or None,
    }


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def sentence(found: Judged, as_at: date) -> str:
    """What was late, by how much, and through whom."""
    deadline, chain = found.deadline, found.chain
    late = f"Placement {deadline.placement_id} at {deadline.host_name} ({deadline.host}), which starts on {deadline.start_date}: "
    late += f"{_became(chain[-1], as_at)}."
    if len(chain) == 1:
        return f"{late} Nothing before it was late; it is charged to {OWNERS[deadline.owner]}."
    before = "; ".join(_became(link, as_at) for link in chain[:-1])
    return f"{late} Late before it: {before}. It is charged to {OWNERS[chain[0].owner]}, who missed the first link."


def _became(link: Link, as_at: date) -> str:
    """One link in words: what it was, from whom, by when, and how late it came; or the news that came late."""
    late = link.late_by(as_at)
    days = f"{late} day{'' if late == 1 else 's'} late"
    if link.heard_on:
        return f"the news ({link.because}), needed by {link.due}, came on {link.heard_on}, {days}"
    due = f"the {MEASURES[DUTIES[link.duty, link.recipient]].says}, due from {OWNERS[link.owner]} on {link.due},"
    return f"{due} was issued on {link.issued_on}, {days}" if link.issued_on else f"{due} was not issued by {as_at}, {days}"
