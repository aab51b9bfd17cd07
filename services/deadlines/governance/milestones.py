"""The life of a milestone: set, approaching, met, missed, withdrawn. Pure: a row, the day -> the row changed, and what is to be said.

What a contract owes is found in contracts.py, what a body owes in a calendar year in decisions.py; both set, keep and end their
milestones by the functions here, and the clock (clock.py) strikes for them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from services.deadlines.models import Milestone
from shared.event_data import names_of
from shared.events import (
    MilestoneApproaching,
    MilestoneEvent,
    MilestoneMet,
    MilestoneMissed,
    MilestoneSet,
    MilestoneWithdrawn,
)
from shared.worker import Say
from shared.writing import new

STATES = ("set", "approaching", "met", "missed", "withdrawn")
OPEN = ("set", "approaching", "missed")
"""The states in which a milestone still waits to be met."""


@dataclass(frozen=True)
class Term:
    """What is owed by a day, as a policy concludes it. ``rule`` tells it from the others of the same contract or year.

    :param opens_on: the first day of its window, if it has one.
    :param next_on: the day on which the clock says that it comes near.
    """

    rule: str
    owner: str
    what: str
    opens_on: date | None
    due: date
    severity: str
    detail: str
    decision_id: str
    next_on: date

    def fits(self, milestone: Milestone) -> bool:
        """Whether a milestone says just this."""
        found = (milestone.owner, milestone.what, milestone.opens_on, milestone.due, milestone.severity)
        return found == (self.owner, self.what, self.opens_on, self.due, self.severity)


@dataclass(frozen=True)
class Subject:
    """The contract, or the year of a body (``body_id``; ``host`` of a host meeting), that owes something."""

    regarding: str
    title: str
    lead_employer: str
    body_id: str = ""
    host: str = ""


def set_milestone(there: list[Milestone], subject: Subject, term: Term, today: date) -> list[Say]:
    """Set a milestone in the next revision.

    :param there: the milestones of the same contract or body; the new one is added to them.
    """
    before = [milestone.revision for milestone in there if (milestone.regarding, milestone.rule) == (subject.regarding, term.rule)]
    revision = 1 + max(before, default=0)
    milestone = new(Milestone)(
        milestone_id=f"{subject.regarding}/{term.rule}/{revision}",
        regarding=subject.regarding,
        body_id=subject.body_id,
        revision=revision,
        rule=term.rule,
        title=subject.title,
        lead_employer=subject.lead_employer,
        host=subject.host,
        owner=term.owner,
        what=term.what,
        opens_on=term.opens_on,
        due=term.due,
        severity=term.severity,
        detail=term.detail,
        decision_id=term.decision_id,
        set_on=today,
        next_on=term.next_on,
    )
    there.append(milestone)
    return [Say(_event(MilestoneSet, milestone), milestone.version)]


def withdraw(milestone: Milestone, reason: str, today: date) -> list[Say]:
    """End a milestone that no longer counts; what became of it stays on record."""
    _advance(milestone, "withdrawn")
    milestone.withdrawn_on, milestone.reason = today, reason
    return [Say(_event(MilestoneWithdrawn, milestone, reason=reason), milestone.version)]


def meet(milestone: Milestone, met_on: date, recorded_by: str = "", note: str = "") -> list[Say]:
    """A milestone was reached on a day, before or after it was due."""
    milestone.met_on, milestone.recorded_by, milestone.note = met_on, recorded_by, note
    _advance(milestone, "met")
    return [Say(_event(MilestoneMet, milestone, met_on=met_on), milestone.version)]


def struck(milestone: Milestone, today: date) -> list[Say]:
    """A milestone whose day has come: missed, if its due day is over; else approaching."""
    if today > milestone.due:
        _advance(milestone, "missed")
        return [Say(_event(MilestoneMissed, milestone), milestone.version)]
    _advance(milestone, "approaching", milestone.due + timedelta(days=1))
    return [Say(_event(MilestoneApproaching, milestone), milestone.version)]


def in_force(milestones: Iterable[Milestone], regarding: str, rule: str) -> list[Milestone]:
    """The milestones of a rule of a contract or year that were not withdrawn."""
    return [found for found in milestones if (found.regarding, found.rule) == (regarding, rule) and found.counts]


def long_day(day: date) -> str:
    """``31 December 2027``."""
    return f"{day.day} {day:%B %Y}"


def _advance(milestone: Milestone, state: str, next_on: date | None = None) -> None:
    milestone.state, milestone.next_on, milestone.version = state, next_on, milestone.version + 1


def _event(kind: type[MilestoneEvent], milestone: Milestone, **more: Any) -> MilestoneEvent:
    known = vars(milestone)
    return kind(**{name: known[name] for name in names_of(MilestoneEvent)}, **more)
