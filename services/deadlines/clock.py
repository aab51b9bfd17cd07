"""The clock: turns due moments into events. A stroke's cost depends on what is due, not on what is stored.

A deadline that the clock must look at carries the day in ``next_on``, and only those are in its index; a stroke takes those whose day has
come, the longest due first, a batch in one transaction. The day is the day in England, summer time or not. One stroke at a time, however
many workers there are: what one has said is settled before the next looks, so nothing is said twice.

After an outage it catches up in the order in which the moments were due. A deadline whose due day is over was missed, whether or not
anybody was reminded in time; its moment is the day after the due day, and it waits for its turn if others come before it.
"""

from datetime import date, datetime, timedelta

from sqlalchemy import Select, select

from services.deadlines.consumers import Known
from services.deadlines.decisions import clock_struck
from services.deadlines.models import Deadline
from shared.crashpoints import crashpoint
from shared.database import hold, hold_if_free, transaction
from shared.worker import Say, Worker, today
from shared.writing import write


def tick(worker: Worker, now: datetime) -> int:
    """Take one batch of deadlines whose day has come; returns how many there were."""
    day, most = today(now), worker.config.batch
    with transaction(worker.engine) as session:
        if not hold_if_free(session, "the clock of deadlines"):
            return 0  # another worker's stroke
        waiting = session.execute(due_by(day, most)).all()
        if not waiting:
            return 0
        hold(session, {row.placement_id for row in waiting})
        known = Known(session, {row.placement_id for row in waiting})
        found = {deadline.deadline_id: deadline for file in known.files.values() for deadline in file.deadlines}
        due = [found[row.deadline_id] for row in waiting]
        reached = max(row.next_on or day for row in waiting) if len(waiting) == most else day
        said: list[Say] = []
        for deadline in sorted(due, key=lambda each: (_moment(each, day), each.deadline_id)):
            if deadline.next_on is None or deadline.next_on > day:
                continue  # a message came before this stroke
            if (moment := _moment(deadline, day)) > reached:
                deadline.next_on = moment  # what is still to be taken was due before it
            else:
                said += clock_struck(known.files[deadline.placement_id], deadline, day)
        write(session, known.rows())
        worker.say(session, said, now)
        crashpoint("clock.struck.uncommitted")
    return len(due)


def due_by(day: date, most: int) -> Select[str, str, date | None]:
    """The deadlines that the clock must look at by a day, the longest due first: id, placement and day."""
    wanted = select(Deadline.deadline_id, Deadline.placement_id, Deadline.next_on).where(Deadline.next_on <= day)
    return wanted.order_by(Deadline.next_on).limit(most)


def _moment(deadline: Deadline, day: date) -> date:
    """The day on which what is to be said of a deadline became true: the last that it missed by now, or the first it waits for."""
    missed = deadline.due + timedelta(days=1)
    waits = deadline.next_on or day
    return max(waits, missed) if missed <= day else waits
