"""Was it on time, by host, and whose lateness was it? Exact fractions of what was due, never of what was planned.

A duty counts once its due day is over, or once it was met before. Withdrawn placements and ended revisions do not count. Nothing due is
*no data*, not 100 %. The target is that of the policy on-time-targets (``kpi-cop-90``): met at exactly 90 %.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.deadlines.consumers import Known
from services.deadlines.decisions import PlacementFile, is_late, lateness_chain, on_time_target
from services.deadlines.models import Deadline, Placement

MEASURES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "placement_information_12_weeks": (("placement-information", "host"),),
    "work_schedule_8_weeks": (("work-schedule", "trainee"),),
    "duty_roster_6_weeks": (("duty-roster", "trainee"),),
    "bundle": (("work-schedule", "trainee"), ("contract", "trainee"), ("pay-breakdown", "trainee")),
}
"""What is measured: a placement is on time if all the named documents (duty, recipient) were."""


@dataclass
class Share:
    """So many of so many on time."""

    on_time: int = 0
    due: int = 0

    @property
    def fraction(self) -> Fraction | None:
        """The exact share; None where nothing was due."""
        return Fraction(self.on_time, self.due) if self.due else None

    def meets(self, target_percent: int) -> bool | None:
        """Whether the share reaches the target; None where nothing was due."""
        return None if self.fraction is None else self.fraction * 100 >= target_percent

    def to_json(self, target_percent: int) -> dict[str, Any]:
        """Counts, the percentage to one decimal, and whether the target is met (null: no data)."""
        percent = f"{self.on_time * 1000 // self.due / 10:.1f}" if self.due else None  # cut, so that 89.96 is never shown as 90.0
        return {"on_time": self.on_time, "due": self.due, "percent": percent, "meets_target": self.meets(target_percent)}


@dataclass
class HostCompliance:
    """What one host's placements show: a share for each measure, and late duties by the party that caused them."""

    host: str
    host_name: str
    shares: dict[str, Share] = field(default_factory=lambda: {measure: Share() for measure in MEASURES})
    late_by_cause: Counter[str] = field(default_factory=Counter)


@dataclass
class Compliance:
    """The compliance of a rotation as at a day."""

    as_at: date
    target_percent: int
    hosts: list[HostCompliance]

    def total(self, measure: str) -> Share:
        """One measure over all hosts."""
        shares = [host.shares[measure] for host in self.hosts]
        return Share(sum(share.on_time for share in shares), sum(share.due for share in shares))

    def causes(self) -> Counter[str]:
        """Late duties by the party that caused them, over all hosts."""
        return sum((host.late_by_cause for host in self.hosts), Counter[str]())

    def to_json(self) -> dict[str, Any]:
        """The table as the API gives it."""
        return {
            "as_at": self.as_at.isoformat(),
            "target_percent": self.target_percent,
            "hosts": [
                {
                    "host": host.host,
                    "name": host.host_name,
                    **{measure: share.to_json(self.target_percent) for measure, share in host.shares.items()},
                    "late_by_cause": dict(sorted(host.late_by_cause.items())),
                }
                for host in self.hosts
            ],
            "total": {measure: self.total(measure).to_json(self.target_percent) for measure in MEASURES},
            "late_by_cause": dict(sorted(self.causes().items())),
        }


def compliance_by_host(session: Session, as_at: date, rotation: str | None = None, host: str | None = None) -> Compliance:
    """The compliance of every host (or one), of placements that start in a month (``2027-08``), or of all."""
    wanted = select(Placement.placement_id).where(Placement.withdrawn.is_(None))
    if rotation:
        first = date.fromisoformat(f"{rotation}-01")
        after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        wanted = wanted.where(Placement.start_date >= first, Placement.start_date < after)
    if host:
        wanted = wanted.where(Placement.host == host)
    return measured(Known(session, session.scalars(wanted)).files.values(), as_at)


def measured(files: Iterable[PlacementFile], as_at: date) -> Compliance:
    """The compliance that these files show as at a day."""
    hosts: dict[str, HostCompliance] = {}
    for file in files:
        if file.placement is None:
            continue
        found = hosts.setdefault(file.placement.host, HostCompliance(file.placement.host, file.placement.host_name))
        deadlines = {(deadline.duty, deadline.recipient): deadline for deadline in file.in_force()}
        for measure, duties in MEASURES.items():
            _measure(found.shares[measure], [deadlines[duty] for duty in duties if duty in deadlines], as_at)
        late = [deadline for deadline in deadlines.values() if deadline.due < as_at and is_late(deadline, as_at)]
        found.late_by_cause.update(lateness_chain(file, deadline)[0].owner for deadline in late)
    return Compliance(as_at, on_time_target(as_at), sorted(hosts.values(), key=lambda found: found.host_name))


def _measure(share: Share, deadlines: list[Deadline], as_at: date) -> None:
    settled = [deadline.due < as_at or deadline.issued_on is not None for deadline in deadlines]
    if deadlines and all(settled):
        share.due += 1
        share.on_time += all(deadline.issued_on is not None and not deadline.days_late for deadline in deadlines)
