"""An arrangement with a lead employer, as a commissioner tells of it: a contract, meetings of its bodies, reports. All invented."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import select

from services.deadlines.governance.clock import tick_milestones
from services.deadlines.models import Milestone
from shared.database import transaction
from shared.events import ContractRecorded, Event, MeetingHeld, MilestoneEvent, QuorumDecided, ReportIssued
from shared.outbox import OutboxRow
from shared.wire import Message, read_message, say, source_of
from shared.worker import Worker
from tests.helpers import SOURCE

ENDS = date(2030, 3, 31)
FACTS: dict[str, Any] = {"extension_option": True, "north_west_terms": True, "after_the_end": "re-procurement"}
REVIEW, START_AGAIN, AWARD, PLAN, EXIT = (
    "extension-review-required",
    "re-procurement-1",
    "re-procurement-2",
    "exit-1",
    "exit-2",
)
ADVICE = "extension-decided-before-re-procurement"
_moments = itertools.count(1)


def a_contract(**changes: Any) -> ContractRecorded:
    """An invented contract of the North West that ends on 31 March 2030 and can be extended."""
    contract = ContractRecorded(
        contract_id="C-1",
        title="Lead employer service (invented)",
        lead_employer="RBN",
        service_start=date(2025, 4, 1),
        ends_on=ENDS,
        facts=dict(FACTS),
    )
    return replace(contract, **changes)


def a_meeting(meeting_id: str, held_on: date, **changes: Any) -> MeetingHeld:
    """A meeting of the Management Board under the North West's terms."""
    meeting = MeetingHeld(
        meeting_id=meeting_id, body="management-board", lead_employer="RBN", held_on=held_on, facts={"north_west_terms": True}
    )
    return replace(meeting, **changes)


def a_report(report_id: str, issued_on: date, **changes: Any) -> ReportIssued:
    """A report of the Management Board to the chief executives."""
    return replace(ReportIssued(report_id=report_id, body="management-board", lead_employer="RBN", issued_on=issued_on), **changes)


def a_verdict(meeting: MeetingHeld, verdict: str) -> QuorumDecided:
    """What responsibility says of a meeting."""
    return QuorumDecided(
        meeting_id=meeting.meeting_id,
        body=meeting.body,
        lead_employer=meeting.lead_employer,
        host=meeting.host,
        held_on=meeting.held_on,
        verdict=verdict,
        decision_id="d-1",
    )


def told(event: Event, day: date) -> Message:
    """The message that says it on a day, later than all before."""
    source = SOURCE if event.from_outside else source_of(event.said_by[0])
    return say(event, source, datetime.combine(day, time(9), UTC), next(_moments))


def hear(worker: Worker, *events: Event) -> None:
    """Let the service take in these events, one after another, today."""
    for event in events:
        worker.take_in([told(event, worker.clock().date())], worker.clock())


def strike(worker: Worker) -> list[tuple[str, str]]:
    """What the clock makes the service say: the kind of event, and the milestone."""
    before = len(said(worker))
    while tick_milestones(worker, worker.clock()):
        pass
    return [(event.type, event.milestone_id) for event in said(worker)[before:]]


def said(worker: Worker) -> list[MilestoneEvent]:
    """Everything that was ever said of milestones, in its order."""
    with transaction(worker.engine) as session:
        rows = session.scalars(select(OutboxRow).order_by(OutboxRow.batch, OutboxRow.number))
        found = [read_message(row.body).data for row in rows]
    return [event for event in found if isinstance(event, MilestoneEvent)]


def milestones(worker: Worker) -> dict[str, Milestone]:
    """Every milestone, by id."""
    with transaction(worker.engine) as session:
        return {milestone.milestone_id: milestone for milestone in session.scalars(select(Milestone))}


def in_force(worker: Worker) -> dict[str, date]:
    """The due days of what is in force, by rule."""
    return {milestone.rule: milestone.due for milestone in milestones(worker).values() if milestone.counts}
