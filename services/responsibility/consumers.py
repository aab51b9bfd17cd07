"""Events in. :func:`read` fetches what a batch needs; each handler passes its event on to ``decisions.py``.

Ends with the CONSUMERS table: what happens on what.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.responsibility import decisions, quorum
from services.responsibility.models import Case, Meeting
from shared.decisions import store
from shared.events import ConcernRaised, Event, MeetingHeld
from shared.policies import load_policies
from shared.rules import Decision
from shared.wire import Message
from shared.worker import Handler, Say, today


class Known:
    """The cases and meetings that a batch is about, and the decisions it brings: policy, subject, decision."""

    def __init__(self, session: Session, concern_ids: Iterable[str], meeting_ids: Iterable[str] = ()) -> None:
        self._session = session
        wanted = set(concern_ids)
        self.cases = {case.concern_id: case for case in session.scalars(select(Case).where(Case.concern_id.in_(wanted)))}
        held = set(meeting_ids)
        meetings = session.scalars(select(Meeting).where(Meeting.meeting_id.in_(held))) if held else ()
        self.meetings = {meeting.meeting_id: meeting for meeting in meetings}
        self.decisions: list[tuple[str, str, Decision]] = []

    def rows(self) -> Iterator[Any]:
        """Every row to be written; decisions are put on record as well."""
        policies = load_policies("responsibility")
        for policy, subject, decision in self.decisions:
            store(self._session, policies[policy], decision, subject)
        yield from self.cases.values()
        yield from self.meetings.values()


def read(session: Session, messages: Sequence[Message]) -> Known:
    """What a batch needs, in one query, and one more if it is about meetings."""
    events = [message.data for message in messages]
    held = {event.meeting_id for event in events if isinstance(event, MeetingHeld)}
    return Known(session, {event.concern_id for event in events if isinstance(event, ConcernRaised)}, held)


def concern_raised(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """A concern was raised, or is told again with more facts."""
    event = message.data
    assert isinstance(event, ConcernRaised)
    decision = decisions.own(event, today(now))
    case = decisions.opened(event, decision, known.cases.get(event.concern_id), now)
    known.decisions.append((decisions.POLICY, event.concern_id, decision))
    known.cases[event.concern_id] = case
    return decisions.assigned(case)


def meeting_held(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """A body met, or a meeting is told of again with facts that were missing or wrong."""
    event = message.data
    assert isinstance(event, MeetingHeld)
    decision = quorum.judge(event)
    meeting = quorum.judged(event, decision, known.meetings.get(event.meeting_id), now)
    if decision is not None:
        known.decisions.append((quorum.POLICY, event.meeting_id, decision))
    known.meetings[event.meeting_id] = meeting
    return quorum.decided(meeting)


CONSUMERS: Mapping[type[Event], Handler] = {
    ConcernRaised: concern_raised,
    MeetingHeld: meeting_held,
}
