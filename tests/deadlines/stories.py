"""A placement's file, driven by hand: what it hears, when the clock strikes, and what it says. Days of the sample rotation."""

from datetime import UTC, date, datetime, time

from services.deadlines.decisions import (
    PlacementFile,
    clock_struck,
    deadline_waived,
    document_issued,
    document_withdrawn,
    placement_updated,
    placement_withdrawn,
    waiver_ended,
)
from services.deadlines.models import Deadline
from services.deadlines.waivers import Wish
from shared.events import DocumentIssued, Event, PlacementUpdated, PlacementWithdrawn
from shared.worker import Say

FIRST = date(2027, 5, 5)
WEEK_12, WEEK_8, WEEK_6 = date(2027, 5, 12), date(2027, 6, 9), date(2027, 6, 23)
DUE = {
    "placement-information-to-host": WEEK_12,
    "placement-information-to-trainee": WEEK_12,
    "work-schedule-to-lead-employer": WEEK_8,
    "work-schedule-to-trainee": WEEK_8,
    "contract-to-trainee": WEEK_8,
    "pay-breakdown-to-trainee": WEEK_8,
    "duty-roster-to-trainee": WEEK_6,
}


class Story:
    """One placement's file, and everything that was said of it."""

    def __init__(self, *events: Event) -> None:
        self.file, self.said = PlacementFile(), list[Say]()
        self.hear(*events)

    def hear(self, *events: Event, day: date = FIRST) -> list[Event]:
        """What these events make the service say."""
        before = len(self.said)
        for event in events:
            self.said += self._heard(event, day)
        return [saying.event for saying in self.said[before:]]

    def _heard(self, event: Event, day: date) -> list[Say]:
        if isinstance(event, PlacementUpdated):
            return placement_updated(self.file, event, day, self.now(day), day)
        if isinstance(event, DocumentIssued):
            return document_issued(self.file, event, "urn:tripartite:test", self.now(day), self.now(day))
        assert isinstance(event, PlacementWithdrawn)
        return placement_withdrawn(self.file, event, self.now(day), day)

    def now(self, day: date) -> datetime:
        """Nine in the morning (UTC) of a day, when everything is heard."""
        return datetime.combine(day, time(9), UTC)

    def waive(self, rule: str, until: date, day: date, reason: str = "the ward is moving") -> list[Event]:
        """What the waiver of a deadline makes the service say."""
        return self.waive_row(self[rule], until, day, reason)

    def waive_row(self, deadline: Deadline, until: date, day: date, reason: str = "the ward is moving") -> list[Event]:
        """The same, for a deadline of any revision."""
        return self._say(deadline_waived(self.file, deadline, Wish("Ida Marsh (invented)", reason), until, self.now(day)))

    def end_waiver(self, rule: str, day: date) -> list[Event]:
        """What the end of a waiver makes the service say."""
        return self._say(waiver_ended(self.file, self[rule], Wish("Ida Marsh (invented)", "the ward has moved"), self.now(day)))

    def take_back(self, document_id: str, day: date) -> list[Event]:
        """What taking back a document makes the service say."""
        return self._say(document_withdrawn(self.file, document_id, "Ida Marsh (invented)", "sent to another doctor", self.now(day)))

    def _say(self, sayings: list[Say]) -> list[Event]:
        self.said += sayings
        return [saying.event for saying in sayings]

    def strike(self, day: date) -> list[Event]:
        """What the clock makes the service say when it strikes on a day."""
        due = [deadline for deadline in self.file.deadlines if deadline.next_on and deadline.next_on <= day]
        return self._say([saying for deadline in due for saying in clock_struck(self.file, deadline, day)])

    def __getitem__(self, rule: str) -> Deadline:
        [found] = [deadline for deadline in self.file.in_force() if deadline.rule == rule]
        return found

    @property
    def open(self) -> dict[str, date]:
        return {deadline.rule: deadline.due for deadline in self.file.in_force()}
