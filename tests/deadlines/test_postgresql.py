"""The service on PostgreSQL: what is too large for an index suffers alone, and two workers on one clock say nothing twice."""

import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import func, select

from services.deadlines.app import SERVICE
from services.deadlines.models import Deadline
from shared.config import Config
from shared.database import migrate, open_database, transaction
from shared.inbox import InboxRow, QuarantineRow
from shared.outbox import OutboxRow
from shared.worker import Worker
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


def strike_until_quiet(worker: Worker) -> None:
    quiet = 0
    while quiet < 20:
        quiet = 0 if worker.parts["tick"](0.0) else quiet + 1
