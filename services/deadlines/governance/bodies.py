"""The bodies of a lead employer's arrangement: which there are, and everything known of one, in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple
from urllib.parse import quote

from services.deadlines.models import Contract, GovernedBody, GovernedYear, Meeting, Milestone, Report
from shared.rules import Decision

BOARD, COMMITTEE, HOST_MEETING = "management-board", "performance-and-contract-management-committee", "host-meeting"


class Unit(NamedTuple):
    """A body of a lead employer's arrangement; ``host`` is that of a host meeting, and empty for the others."""

    body: str
    lead_employer: str
    host: str

    @classmethod
    def of(cls, row: Any) -> "Unit":
        """The unit that an event or a row is about."""
        return cls(row.body, row.lead_employer, row.host if row.body == HOST_MEETING else "")

    @property
    def id(self) -> str:
        """Its id: ``management-board/RBN``."""
        return "/".join(quote(part, safe="") for part in self if part)

    @property
    def name(self) -> str:
        """How a message calls it."""
        with_host = f" with {self.host}" if self.host else ""
        return f"{self.body.replace('-', ' ').capitalize()}{with_host}"


@dataclass
class BodyFile:
    """Everything known of one body.

    :param contracts: those of its lead employer that are in force.
    :param board: the days on which the Management Board of the same lead employer met.
    :param dropped: years, or the body itself, that turned out not to have been: their rows go.
    """

    unit: Unit
    body: GovernedBody | None = None
    years: dict[int, GovernedYear] = field(default_factory=dict)
    meetings: list[Meeting] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    milestones: list[Milestone] = field(default_factory=list)
    contracts: Sequence[Contract] = ()
    board: Sequence[date] = ()
    dropped: list[GovernedBody | GovernedYear] = field(default_factory=list)
    decisions: dict[str, tuple[str, str, Decision]] = field(default_factory=dict)

    def rows(self) -> Iterator[Any]:
        """Every row of the file that is its own."""
        yield from (row for row in (self.body, *self.years.values(), *self.milestones) if row is not None)

    def days(self, counted: str, year: int) -> list[date]:
        """The days of a year on which it met, or reported, in their order."""
        found = [meeting.held_on for meeting in self.meetings] if counted == "meetings" else [report.issued_on for report in self.reports]
        return sorted(day for day in found if day.year == year)
