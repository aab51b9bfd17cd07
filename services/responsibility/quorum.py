"""Facts -> whether a meeting was quorate. Pure: the meeting as it was told of -> its row and what is to be said.

The policy ``quorum`` is asked as at the day of the meeting. Where no document was in force on that day, none states a quorum.
"""

from datetime import datetime

from services.responsibility.models import Meeting
from shared.decisions import standing
from shared.errors import NotInForce
from shared.events import MeetingHeld, QuorumDecided
from shared.policies import load_policies
from shared.policies.facts import read_facts
from shared.rules import Decision
from shared.worker import Say

POLICY = "quorum"


def judge(event: MeetingHeld) -> Decision | None:
    """Whether a meeting was quorate, as at its day; None if no document was in force then.

    :raises InvalidFacts: the meeting carries facts that the policy does not know, or values that it cannot read.
    """
    policy = load_policies("responsibility")[POLICY]
    facts = read_facts(policy.facts, {**event.facts, "meeting_of": event.body}, POLICY)
    try:
        return standing(policy, facts, event.held_on, subject=event.meeting_id)
    except NotInForce:
        return None


def judged(event: MeetingHeld, decision: Decision | None, before: Meeting | None, now: datetime) -> Meeting:
    """The meeting as it now stands; one that is told of again goes on in its next version."""
    outcome = (decision.outcome or {}) if decision else {"verdict": "not-stated"}
    return Meeting(
        meeting_id=event.meeting_id,
        body=event.body,
        lead_employer=event.lead_employer,
        host=event.host,
        held_on=event.held_on,
        facts=dict(event.facts),
        verdict=outcome.get("verdict", "undetermined"),
        outcome=outcome,
        needs=decision.body["needs"] if decision else [],
        decision_id=decision.id if decision else "",
        version=before.version + 1 if before else 1,
        heard_at=now,
    )


def decided(meeting: Meeting) -> list[Say]:
    """What is said of a meeting: the verdict, or that facts are missing; nothing where there was nothing to decide by."""
    if not meeting.decision_id:
        return []
    event = QuorumDecided(
        meeting_id=meeting.meeting_id,
        body=meeting.body,  # type: ignore[arg-type]  # as it was heard
        lead_employer=meeting.lead_employer,
        host=meeting.host,
        held_on=meeting.held_on,
        verdict=meeting.verdict,
        decision_id=meeting.decision_id,
    )
    return [Say(event, meeting.version)]
