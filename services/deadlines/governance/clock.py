"""The clock of milestones: what comes near or was missed, and a new calendar year for every body. Works as the clock of deadlines does.

What must be looked at carries the day in ``next_on``; a stroke takes those whose day has come, the longest due first, a batch in one
transaction: milestones first, so that a year is closed before the next is opened.
"""

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.deadlines.governance.bodies import Unit
from services.deadlines.governance.consumers import Governed, hold_governance, known_of
from services.deadlines.governance.decisions import clock_struck
from services.deadlines.governance.milestones import struck
from services.deadlines.models import GovernedBody, Milestone
from shared.crashpoints import crashpoint
from shared.database import hold, hold_if_free, transaction
from shared.worker import Say, Worker, today
from shared.writing import write


def tick_milestones(worker: Worker, now: datetime) -> int:
    """Take one batch of milestones whose day has come, or else of bodies whose year begins; returns how many there were."""
    with transaction(worker.engine) as session:
        if not hold_if_free(session, "the clock of milestones"):
            return 0  # another worker's stroke
        count, governed, said = _strike(session, worker.config.batch, now)
        if not count:
            count, governed, said = _open_years(session, worker.config.batch, now)
        if not count:
            return 0
        write(session, governed.rows(session))
        worker.say(session, said, now)
        crashpoint("clock.struck.uncommitted")
    return count


def _strike(session: Session, batch: int, now: datetime) -> tuple[int, Governed, list[Say]]:
    """Milestones that come near, or whose day is over."""
    day = today(now)
    waiting = select(Milestone.milestone_id, Milestone.regarding, Milestone.body_id).where(Milestone.next_on <= day)
    due = session.execute(waiting.order_by(Milestone.next_on, Milestone.milestone_id).limit(batch)).all()
    if not due:
        return 0, Governed(), []
    contract_ids = {row.regarding for row in due if not row.body_id}
    bodies = session.scalars(select(GovernedBody).where(GovernedBody.body_id.in_({row.body_id for row in due})))
    units = {body.body_id: Unit.of(body) for body in bodies}
    leads = {unit.lead_employer for unit in units.values()}
    hold(session, contract_ids)
    hold_governance(session, leads)
    session.expire_all()  # what was read before others were made to wait is read again
    governed = known_of(session, units.values(), contract_ids=contract_ids, leads=leads)
    said: list[Say] = []
    for row in due:
        said += _struck(governed, units.get(row.body_id), row.regarding, row.milestone_id, day)
    return len(due), governed, said


def _struck(governed: Governed, unit: Unit | None, regarding: str, milestone_id: str, day: date) -> list[Say]:
    body = governed.file(unit) if unit is not None else None
    there = body.milestones if body is not None else governed.contracts[regarding].milestones
    milestone = next(found for found in there if found.milestone_id == milestone_id)
    if milestone.next_on is None or milestone.next_on > day:
        return []  # a message came before this stroke
    return clock_struck(body, milestone, day) if body is not None else struck(milestone, day)


def _open_years(session: Session, batch: int, now: datetime) -> tuple[int, Governed, list[Say]]:
    """Bodies whose next calendar year has begun."""
    waiting = select(GovernedBody).where(GovernedBody.next_on <= today(now))
    units = [Unit.of(body) for body in session.scalars(waiting.order_by(GovernedBody.next_on, GovernedBody.body_id).limit(batch))]
    leads = {unit.lead_employer for unit in units}
    hold_governance(session, leads)
    session.expire_all()
    governed = known_of(session, units, leads=leads) if units else Governed()
    return len(units), governed, governed.settle(units, now)
