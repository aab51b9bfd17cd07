"""The service on PostgreSQL: what is too large for an index suffers alone, and two workers on one clock say nothing twice."""

import threading
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import func, select

from services.deadlines.app import SERVICE
from services.deadlines.models import Deadline, GovernedYear, Meeting, Milestone
from shared.config import Config
from shared.database import migrate, open_database, transaction
from shared.inbox import InboxRow, QuarantineRow
from shared.outbox import OutboxRow
from shared.wire import Message
from shared.worker import Worker
from tests.deadlines.arrangements import a_contract, a_meeting, told
from tests.helpers import Clock, a_document, a_message, a_placement, put, settle
from tests.nodes import Database


@pytest.fixture
def config(database: Database, tmp_path: Path) -> Iterator[Config]:
    made = Config(data=tmp_path, database_url=database.create([SERVICE.name], "deadlines"), batch=20)
    engine = open_database(made.database_of(SERVICE.name))
    migrate(engine, SERVICE.name)
    engine.dispose()
    yield made
    database.drop("deadlines")


def test_a_message_too_large_for_an_index_is_kept_and_its_neighbours_go_through(config: Config, clock: Clock) -> None:
    worker = Worker(SERVICE, config, clock)
    long = "".join(chr(0x4E00 + number) for number in range(500))
    put(worker, a_message(a_placement()), a_message(a_document(placement_id=long, document_id=long[::-1])), a_message(a_document()))
    settle(worker)
    with transaction(worker.engine) as session:
        assert session.scalar(select(func.count()).select_from(InboxRow)) == 2
        [kept] = session.scalars(select(QuarantineRow))
    assert "index row" in kept.reason
    worker.close()


def test_many_clocks_on_one_database_strike_once_for_each_deadline(config: Config, clock: Clock) -> None:
    first = Worker(SERVICE, config, clock)
    first.take_in([a_message(a_placement(placement_id=f"p{number}")) for number in range(60)], clock())
    clock.on(date(2027, 8, 5))
    workers = [first, *(Worker(SERVICE, config, clock) for _ in range(3))]
    threads = [threading.Thread(target=strike_until_quiet, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with transaction(first.engine) as session:
        states = dict(session.execute(select(Deadline.state, func.count()).group_by(Deadline.state)).all())
        said = dict(session.execute(select(OutboxRow.type, func.count()).group_by(OutboxRow.type)).all())
    assert (states, said) == ({"missed": 420}, {"deadline.set": 420, "deadline.missed": 420})
    for worker in workers:
        worker.close()


def test_many_clocks_of_milestones_strike_once_for_each_and_open_each_year_once(config: Config, clock: Clock) -> None:
    first = Worker(SERVICE, config, clock)
    events = [
        *(a_contract(contract_id=f"C-{number}") for number in range(30)),
        *(a_meeting(f"m{number}", date(2027, 3, 1), body="host-meeting", host=f"H{number}") for number in range(25)),
    ]
    first.take_in([told(event, clock().date()) for event in events], clock())
    clock.on(date(2030, 4, 1))
    workers = [first, *(Worker(SERVICE, config, clock) for _ in range(3))]
    threads = [threading.Thread(target=strike_until_quiet, args=(worker, "tick_milestones")) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with transaction(first.engine) as session:
        contracts = select(Milestone.state, func.count()).where(Milestone.body_id == "").group_by(Milestone.state)
        assert dict(session.execute(contracts).all()) == {"missed": 180}
        years = select(GovernedYear.year, func.count()).group_by(GovernedYear.year)
        assert dict(session.execute(years).all()) == dict.fromkeys(range(2027, 2031), 25)
        said = dict(session.execute(select(OutboxRow.type, func.count()).group_by(OutboxRow.type)).all())
    assert said == {"milestone.set": 180 + 4 * 25, "milestone.missed": 180 + 3 * 25}
    for worker in workers:
        worker.close()


def test_meetings_heard_by_two_workers_at_once_are_all_counted(config: Config, clock: Clock) -> None:
    workers = [Worker(SERVICE, config, clock) for _ in range(2)]
    meetings = [told(a_meeting(f"m{number}", date(2027, 3, 1)), clock().date()) for number in range(40)]
    halves = [(worker, meetings[place::2]) for place, worker in enumerate(workers)]
    threads = [threading.Thread(target=take_in_one_by_one, args=(worker, half, clock)) for worker, half in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with transaction(workers[0].engine) as session:
        assert session.scalar(select(func.count()).select_from(Meeting)) == 40
        assert session.scalars(select(GovernedYear.meetings_held)).all() == [40]
        said = dict(session.execute(select(OutboxRow.type, func.count()).group_by(OutboxRow.type)).all())
    assert said == {"milestone.set": 2, "milestone.met": 1}
    for worker in workers:
        worker.close()


def take_in_one_by_one(worker: Worker, messages: Sequence[Message], clock: Clock) -> None:
    for message in messages:
        worker.take_in([message], clock())


def strike_until_quiet(worker: Worker, chore: str = "tick") -> None:
    quiet = 0
    while quiet < 20:
        quiet = 0 if worker.parts[chore](0.0) else quiet + 1
