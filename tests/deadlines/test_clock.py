"""The clock: each reminder and each miss is said once, in order, and never before the English day begins."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from services.deadlines.app import SERVICE
from services.deadlines.clock import tick
from services.deadlines.models import Deadline
from shared.config import Config
from shared.database import transaction
from shared.events import DeadlineApproaching, DeadlineMissed, Event, PlacementWithdrawn
from shared.outbox import OutboxRow
from shared.wire import read_message
from shared.worker import Worker
from tests.deadlines.stories import WEEK_6, WEEK_8, WEEK_12
from tests.helpers import Clock, a_document, a_message, a_placement, a_worker

DAY = timedelta(days=1)


def hear(worker: Worker, *events: Event, sequence: int = 1) -> None:
    for number, event in enumerate(events, start=sequence):
        worker.take_in([a_message(event, number)], worker.clock())


def said(worker: Worker) -> list[Event]:
    """Everything that this service ever said, in its order."""
    with transaction(worker.engine) as session:
        return [read_message(row.body).data for row in session.scalars(select(OutboxRow).order_by(OutboxRow.batch, OutboxRow.number))]


def strokes(worker: Worker) -> list[tuple[str, str]]:
    """What the clock made the service say: the kind of event and the rule."""
    kinds = {"deadline.approaching": "approaching", "deadline.missed": "missed"}
    return [(kinds[event.type], event.subject.split("/")[1]) for event in said(worker) if event.type in kinds]


@pytest.fixture
def worker(tmp_path: Path, clock: Clock) -> Worker:
    worker = a_worker(SERVICE, tmp_path, clock)
    hear(worker, a_placement())
    return worker


BOTH = ["placement-information-to-host", "placement-information-to-trainee"]


def test_day_by_day_every_deadline_approaches_once_and_is_missed_once(worker: Worker, clock: Clock) -> None:
    days: dict[tuple[str, str], date] = {}
    for number in range(90):
        day = clock.on(date(2027, 5, 5) + number * DAY).date()
        before = len(strokes(worker))
        while tick(worker, clock()):
            pass
        days |= dict.fromkeys(strokes(worker)[before:], day)
    assert len(strokes(worker)) == len(days) == 14
    due = {"placement": WEEK_12, "work": WEEK_8, "contract": WEEK_8, "pay": WEEK_8, "duty": WEEK_6}
    for (kind, rule), day in days.items():
        assert day - due[rule.split("-")[0]] == (DAY if kind == "missed" else -7 * DAY), rule


def test_a_stroke_with_nothing_due_says_nothing(worker: Worker, clock: Clock) -> None:
    assert tick(worker, clock.on(date(2027, 5, 4))) == 0
    assert strokes(worker) == []
    assert tick(worker, clock.on(date(2027, 5, 5))) == 2
    assert tick(worker, clock()) == 0


def test_after_weeks_of_outage_it_catches_up_in_the_order_of_the_due_days_and_reminds_nobody_of_what_is_over(
    worker: Worker, clock: Clock
) -> None:
    now = clock.on(date(2027, 6, 20))
    assert tick(worker, now) == 7
    assert tick(worker, now) == 0
    assert strokes(worker) == [
        *(("missed", rule) for rule in BOTH),
        *(("missed", rule) for rule in ("contract-to-trainee", "pay-breakdown-to-trainee")),
        *(("missed", rule) for rule in ("work-schedule-to-lead-employer", "work-schedule-to-trainee")),
        ("approaching", "duty-roster-to-trainee"),
    ]
    with transaction(worker.engine) as session:
        missed = {deadline.due for deadline in session.scalars(select(Deadline)) if deadline.state == "missed"}
    assert missed == {WEEK_12, WEEK_8}


def test_small_batches_catch_up_like_one_large_one(tmp_path: Path, clock: Clock) -> None:
    small = Worker(SERVICE, Config(data=tmp_path, batch=2), clock)
    hear(small, a_placement())
    clock.on(date(2027, 6, 30))
    while tick(small, clock()):
        pass
    due = [event.due for event in said(small) if isinstance(event, DeadlineMissed)]
    assert due == [WEEK_12] * 2 + [WEEK_8] * 4 + [WEEK_6], "in the order in which they were missed, whatever a batch holds"
    assert {event.caused_by for event in said(small) if isinstance(event, DeadlineMissed)} == {"national-body"}


@pytest.mark.parametrize(
    ("moment", "struck"),
    [
        (datetime(2027, 5, 12, 22, 59, tzinfo=UTC), 0),  # 23:59 in England, still the due day
        (datetime(2027, 5, 12, 23, 30, tzinfo=UTC), 2),  # summer time: 00:30 on the day after
    ],
)
def test_in_summer_the_english_day_begins_an_hour_before_the_utc_one(worker: Worker, clock: Clock, moment: datetime, struck: int) -> None:
    tick(worker, clock.on(date(2027, 5, 5)))
    assert tick(worker, moment) == struck


@pytest.mark.parametrize(
    ("moment", "struck"), [(datetime(2027, 12, 8, 23, 30, tzinfo=UTC), 0), (datetime(2027, 12, 9, 0, 0, tzinfo=UTC), 2)]
)
def test_in_winter_the_english_day_begins_with_the_utc_one(tmp_path: Path, clock: Clock, moment: datetime, struck: int) -> None:
    worker = a_worker(SERVICE, tmp_path, clock)
    hear(worker, a_placement(start_date=date(2028, 3, 1), end_date=date(2028, 8, 1)))  # twelve weeks before: 8 December 2027
    tick(worker, clock.on(date(2027, 12, 8)))
    assert tick(worker, moment) == struck


def test_two_workers_on_one_database_say_nothing_twice(worker: Worker, tmp_path: Path, clock: Clock) -> None:
    other = a_worker(SERVICE, tmp_path, clock)
    for day in (date(2027, 5, 5), date(2027, 5, 13), date(2027, 6, 2), date(2027, 6, 30)):
        now = clock.on(day)
        assert tick(worker, now) > 0
        assert tick(other, now) == 0
    assert len(strokes(worker)) == len(set(strokes(worker)))


def test_what_was_issued_or_withdrawn_is_no_longer_the_clocks_business(worker: Worker, clock: Clock) -> None:
    hear(worker, a_document("contract", "trainee"), sequence=2)
    hear(worker, a_document("pay-breakdown", "trainee", WEEK_8 + 9 * DAY), sequence=3)
    assert tick(worker, clock.on(WEEK_8 + DAY)) == 4, "two of placement information, two of work schedules"
    hear(worker, PlacementWithdrawn(placement_id="p1", reason="closed"), sequence=4)
    assert tick(worker, clock.on(date(2027, 8, 4))) == 0
    assert not {rule for _, rule in strokes(worker)} & {"contract-to-trainee", "pay-breakdown-to-trainee"}


def test_a_placement_heard_of_at_five_weeks_has_missed_everything_before_at_the_next_stroke(tmp_path: Path, clock: Clock) -> None:
    worker = a_worker(SERVICE, tmp_path, clock)
    clock.on(date(2027, 6, 30))
    hear(worker, a_placement())
    assert worker.step() == 7 + len(strokes(worker)), "seven deadlines were relayed and the clock struck for each"
    assert [kind for kind, _ in strokes(worker)] == ["missed"] * 7
    assert {event.caused_by for event in said(worker) if isinstance(event, DeadlineMissed)} == {"national-body"}


# ---- the two nights on which the clocks change -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "moment", "struck"),
    [
        # Summer time begins on Sunday 28 March 2027, at 01:00 UTC: due on the 27th (a start on 19 June), missed from midnight UTC on.
        (date(2027, 6, 19), datetime(2027, 3, 27, 23, 30, tzinfo=UTC), 0),
        (date(2027, 6, 19), datetime(2027, 3, 28, 0, 0, tzinfo=UTC), 2),
        # Due on the 28th itself, a day of 23 hours: it ends at 23:00 UTC.
        (date(2027, 6, 20), datetime(2027, 3, 28, 22, 59, 59, tzinfo=UTC), 0),
        (date(2027, 6, 20), datetime(2027, 3, 28, 23, 0, tzinfo=UTC), 2),
        # Summer time ends on Sunday 31 October 2027, at 01:00 UTC: due on the 30th, missed from 23:00 UTC on.
        (date(2028, 1, 22), datetime(2027, 10, 30, 22, 59, 59, tzinfo=UTC), 0),
        (date(2028, 1, 22), datetime(2027, 10, 30, 23, 30, tzinfo=UTC), 2),
        # Due on the 31st itself, a day of 25 hours: half past midnight and half past one come, the second of them twice.
        (date(2028, 1, 23), datetime(2027, 10, 31, 23, 30, tzinfo=UTC), 0),
        (date(2028, 1, 23), datetime(2027, 11, 1, 0, 0, tzinfo=UTC), 2),
    ],
)
def test_on_the_nights_on_which_the_clocks_change_a_deadline_is_missed_when_its_english_day_is_over(
    tmp_path: Path, clock: Clock, start: date, moment: datetime, struck: int
) -> None:
    worker = a_worker(SERVICE, tmp_path, clock)
    clock.on(start - timedelta(weeks=12))
    hear(worker, a_placement(start_date=start, end_date=start + timedelta(weeks=26)))
    tick(worker, clock())
    assert tick(worker, moment) == struck


def test_the_hour_that_comes_twice_says_nothing_twice(tmp_path: Path, clock: Clock) -> None:
    worker = a_worker(SERVICE, tmp_path, clock)
    clock.on(date(2027, 10, 30))
    hear(worker, a_placement(start_date=date(2028, 1, 22), end_date=date(2028, 8, 1)))
    tick(worker, clock())
    assert [tick(worker, datetime(2027, 10, 31, hour, 30, tzinfo=UTC)) for hour in (0, 1)] == [2, 0]


# ---- after an outage ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 200])
def test_after_an_outage_everything_is_said_in_the_order_in_which_it_became_true(tmp_path: Path, clock: Clock, batch: int) -> None:
    worker = Worker(SERVICE, Config(data=tmp_path, batch=batch), clock)
    starts = [date(2027, 8, 4) + number * DAY for number in (9, 0, 4, 2, 7)]
    hear(worker, *(a_placement(placement_id=f"p{number}", start_date=start) for number, start in enumerate(starts)))
    tick(worker, clock.on(date(2027, 5, 5)))  # some are reminded of, and then nobody is there for weeks
    before, now = len(said(worker)), clock.on(date(2027, 6, 12))
    while tick(worker, now):
        pass
    moments = [
        event.due + DAY if isinstance(event, DeadlineMissed) else event.due - 7 * DAY
        for event in said(worker)[before:]
        if isinstance(event, DeadlineMissed | DeadlineApproaching)
    ]
    assert moments == sorted(moments)
    subjects = [(event.type, event.subject) for event in said(worker)]
    assert len(subjects) == len(set(subjects))
    with transaction(worker.engine) as session:
        assert {deadline.state for deadline in session.scalars(select(Deadline)) if deadline.due < now.date()} == {"missed"}
