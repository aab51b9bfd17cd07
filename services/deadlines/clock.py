"""The clock: turns due days into events. A stroke's cost depends on what is due, not on what is stored.

A deadline that the clock must look at carries the day in ``next_on``; a stroke takes those whose day has come, the longest due
first, a batch in one transaction. After an outage it catches up in order: a deadline whose due day is over was missed, whether or
not anybody was reminded in time. The day is the day in England.
"""

from datetime import datetime

from sqlalchemy import select

from services.deadlines.consumers import Known
from services.deadlines.decisions import clock_struck
from services.deadlines.models import Deadline
from shared.crashpoints import crashpoint
from shared.database import hold, hold_if_free, transaction
from shared.worker import Say, Worker, today
from shared.writing import write


def tick(worker: Worker, now: datetime) -> int:
    """Take one batch of deadlines whose day has come; returns how many there were."""
    day = today(now)
    waiting = select(Deadline.deadline_id, Deadline.placement_id).where(Deadline.next_on <= day)
    with transaction(worker.engine) as session:
        if not hold_if_free(session, "the clock of deadlines"):
            return 0  # another worker's stroke
        due = session.execute(waiting.order_by(Deadline.next_on, Deadline.deadline_id).limit(worker.config.batch)).all()
        if not due:
            return 0
        hold(session, {row.placement_id for row in due})
        known = Known(session, {row.placement_id for row in due})
        found = {deadline.deadline_id: deadline for file in known.files.values() for deadline in file.deadlines}
        said: list[Say] = []
        for placement_id, deadline in ((row.placement_id, found[row.deadline_id]) for row in due):
            if deadline.next_on is not None and deadline.next_on <= day:  # a message may have come before this stroke
                said += clock_struck(known.files[placement_id], deadline, day)
        write(session, known.rows())
        worker.say(session, said, now)
        crashpoint("clock.struck.uncommitted")
    return len(due)
