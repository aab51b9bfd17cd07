"""What is measured, and how many of how many were on time. Exact counts; a percentage is for showing, cut and never rounded up. Pure.

:func:`judged` says of each deadline of a placement what became of it; :class:`Figures` counts. Figures of groups add up to those of all.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from services.deadlines.decisions import PlacementFile
from services.deadlines.lateness import Link, lateness_chain
from services.deadlines.models import Deadline
from services.deadlines.waivers import waived_on

Reader = tuple[str, str]
"""(document, who is to have it)."""


@dataclass(frozen=True)
class Measure:
    """What a figure is of: one duty, or several documents of which all must be on time.

    :param says: in words. :param owner: who owes it. :param measured: its name in the policy on-time-targets.
    """

    says: str
    owner: str
    measured: str
    documents: tuple[Reader, ...]


MEASURES: Mapping[str, Measure] = {
    "placement_information_to_host": Measure(
        "placement information to the host", "national-body", "placement-information", (("placement-information", "host"),)
    ),
    "placement_information_to_trainee": Measure(
        "placement information to the doctor",
        "lead-employer",
        "placement-information-to-trainee",
        (("placement-information", "trainee"),),
    ),
    "work_schedule_to_lead_employer": Measure(
        "work schedule to the lead employer", "host", "work-schedule-to-lead-employer", (("work-schedule", "lead-employer"),)
    ),
    "work_schedule_to_trainee": Measure("work schedule to the doctor", "lead-employer", "work-schedule", (("work-schedule", "trainee"),)),
    "contract_to_trainee": Measure("contract to the doctor", "lead-employer", "contract", (("contract", "trainee"),)),
    "pay_breakdown_to_trainee": Measure("pay breakdown to the doctor", "lead-employer", "pay-breakdown", (("pay-breakdown", "trainee"),)),
    "duty_roster_to_trainee": Measure("duty roster to the doctor", "host", "duty-roster", (("duty-roster", "trainee"),)),
    "bundle": Measure(
        "work schedule, contract and pay breakdown to the doctor, all three",
        "lead-employer",
        "bundle",
        (("work-schedule", "trainee"), ("contract", "trainee"), ("pay-breakdown", "trainee")),
    ),
}
DUTIES: Mapping[Reader, str] = {measure.documents[0]: name for name, measure in MEASURES.items() if len(measure.documents) == 1}
"""The measure of a single duty."""
_TOGETHER = [(name, measure.documents) for name, measure in MEASURES.items() if len(measure.documents) > 1]


# ---- one placement -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one deadline by a day.

    :param settled: its day is over, or it was met before. :param chain: the late links that end in it; empty if it is not late.
    """

    deadline: Deadline
    waived: bool
    settled: bool
    chain: tuple[Link, ...]

    @property
    def own_fault(self) -> bool:
        """Whether it is late, and the first missed link is its owner's."""
        return bool(self.chain) and self.chain[0].owner == self.deadline.owner


def judged(file: PlacementFile, as_at: date) -> dict[Reader, Judged]:
    """What became of every deadline that is in force in a file as it was known at the end of a day (history.py)."""
    return {(deadline.duty, deadline.recipient): _judged(file, deadline, as_at) for deadline in file.in_force()}


def _judged(file: PlacementFile, deadline: Deadline, as_at: date) -> Judged:
    due, issued_on = deadline.due, deadline.issued_on
    late = issued_on > due if issued_on else due < as_at
    waived = bool(file.waivers) and exempt(file, deadline, as_at, late)
    chain = tuple(lateness_chain(file, deadline)) if late and not waived else ()
    return Judged(deadline, waived, late or issued_on is not None, chain)


def exempt(file: PlacementFile, deadline: Deadline, day: date, late: bool) -> bool:
    """Whether a deadline is left out as waived: while nothing went out, on the day asked about; else, if late, on the day it went out."""
    then = deadline.issued_on
    if then is None:
        return waived_on(file, deadline, day)
    return late and waived_on(file, deadline, then)


# ---- many ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """So many of so many on time.

    :param waived: how many were left out for that. :param charged: how many were late through the owner's own fault.
    :param open: how many are not issued and not due yet; these stand in no share.
    """

    on_time: int = 0
    due: int = 0
    waived: int = 0
    charged: int = 0
    open: int = 0

    @property
    def fraction(self) -> Fraction | None:
        """The exact share; None where nothing was due."""
        return Fraction(self.on_time, self.due) if self.due else None

    def __iadd__(self, other: "Tally") -> "Tally":
        self.on_time += other.on_time
        self.due += other.due
        self.waived += other.waived
        self.charged += other.charged
        self.open += other.open
        return self

    def count(self, part: Judged) -> None:
        """Count one placement by the one duty that this measure is of."""
        if part.waived:
            self.waived += 1
        elif not part.settled:
            self.open += 1
        else:
            self.due += 1
            self.on_time += not part.chain
            self.charged += part.own_fault

    def count_together(self, parts: Sequence[Judged]) -> None:
        """Count one placement by several duties: what is waived is left out, all the rest must be on time.

        It is not due while one of them may still come in time. If all of it is waived, it is counted as waived.
        """
        owed = [part for part in parts if not part.waived]
        if not owed:
            self.waived += 1
        elif not all(part.settled for part in owed):
            self.open += 1
        else:
            self.due += 1
            self.on_time += not any(part.chain for part in owed)
            self.charged += any(part.own_fault for part in owed)


def percent(part: int, whole: int) -> str | None:
    """A share in per cent to one decimal, cut, so that 89.96 is never shown as 90.0; None where there is no whole."""
    return f"{part * 1000 // whole // 10}.{part * 1000 // whole % 10}" if whole else None


@dataclass
class Figures:
    """What placements show: a tally for each measure, and single duties that were late, by who caused them, and by whose own fault.

    :param causes: late ones by measure and by the party whose link was missed first; not those of the bundle, which are several at once.
    """

    placements: int = 0
    tallies: dict[str, Tally] = field(default_factory=lambda: {name: Tally() for name in MEASURES})
    causes: Counter[tuple[str, str]] = field(default_factory=Counter)
    late_by_own_fault: Counter[str] = field(default_factory=Counter)

    @property
    def late_by_cause(self) -> Counter[str]:
        """Late duties by the party that caused them."""
        found = Counter[str]()
        for (_, party), count in self.causes.items():
            found[party] += count
        return found

    def causes_of(self, name: str) -> dict[str, int]:
        """Of one measure, how many were late through whom."""
        return {party: count for (measure, party), count in sorted(self.causes.items()) if measure == name}

    def count(self, found: Mapping[Reader, Judged]) -> None:
        """Count one placement."""
        self.placements += 1
        for reader, each in found.items():
            self.tallies[DUTIES[reader]].count(each)
            if each.chain:
                self.causes[DUTIES[reader], each.chain[0].owner] += 1
                if each.own_fault:
                    self.late_by_own_fault[each.deadline.owner] += 1
        for name, readers in _TOGETHER:
            parts = [found[reader] for reader in readers if reader in found]
            if parts:
                self.tallies[name].count_together(parts)

    def __iadd__(self, other: "Figures") -> "Figures":
        self.placements += other.placements
        for name, tally in other.tallies.items():
            self.tallies[name] += tally
        self.causes.update(other.causes)
        self.late_by_own_fault.update(other.late_by_own_fault)
        return self
