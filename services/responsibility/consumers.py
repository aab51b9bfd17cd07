"""Events in. :func:`read` fetches what a batch needs; each handler passes its event on to ``decisions.py``.

Ends with the CONSUMERS table: what happens on what.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.responsibility import decisions
from services.responsibility.models import Case
from shared.decisions import store
from shared.events import ConcernRaised, Event
from shared.policies import load_policies
from shared.rules import Decision
from shared.wire import Message
from shared.worker import Handler, Say, today


class Known:
    """The cases that a batch is about, and the decisions it brings."""

    def __init__(self, session: Session, concern_ids: Iterable[str]) -> None:
        self._session = session
        wanted = set(concern_ids)
        self.cases = {case.concern_id: case for case in session.scalars(select(Case).where(Case.concern_id.in_(wanted)))}
        self.decisions: list[tuple[str, Decision]] = []

    def rows(self) -> Iterator[Any]:
        """Every row to be written; decisions are put on record as well."""
        policy = load_policies("responsibility")[decisions.POLICY]
        for concern_id, decision in self.decisions:
            store(self._session, policy, decision, subject=concern_id)
        yield from self.cases.values()


def read(session: Session, messages: Sequence[Message]) -> Known:
    """What a batch needs, in one query."""
    return Known(session, {message.data.subject for message in messages})


def concern_raised(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """A concern was raised, or is told again with more facts."""
    event = message.data
    assert isinstance(event, ConcernRaised)
    decision = decisions.own(event, today(now))
    case = decisions.opened(event, decision, known.cases.get(event.concern_id), now)
    known.decisions.append((event.concern_id, decision))
    known.cases[event.concern_id] = case
    return decisions.assigned(case)


CONSUMERS: Mapping[type[Event], Handler] = {
    ConcernRaised: concern_raised,
}
