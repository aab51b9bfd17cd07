"""The service on PostgreSQL: what is too large for an index suffers alone, and however many clocks strike, they say nothing twice."""

import multiprocessing
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from services.deadlines.app import SERVICE, create_app
from services.deadlines.clock import due_by
from services.deadlines.consumers import Known
from services.deadlines.decisions import deadline_waived
from services.deadlines.models import Deadline, GovernedYear, Meeting, Milestone
from services.deadlines.waivers import Wish
from shared.config import Config
from shared.database import migrate, open_database, transaction
from shared.inbox import InboxRow, QuarantineRow
from shared.outbox import OutboxRow
from shared.wire import Message
from shared.worker import Worker
from shared.writing import write
from tests.bench.clock import FIRST_DAY, fill
from tests.databases import Database
from tests.deadlines.arrangements import a_contract, a_meeting, told
from tests.deadlines.striking import strike_until_quiet as striker
from tests.helpers import Clock, a_document, a_message, a_placement, put, settle

A_ROSTER = "p1/duty-roster-to-trainee/1"


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


def test_a_waiver_that_is_sent_twice_at_once_under_one_key_is_given_once_and_answered_twice(config: Config, clock: Clock) -> None:
    worker = Worker(SERVICE, config, clock)
    worker.take_in([a_message(a_placement())], clock())
    app, body = create_app(worker), {"waived_by": "Ida Marsh (invented)", "reason": "the ward is moving", "until": "2027-06-30"}
    start = threading.Barrier(4)

    def waive(_: int) -> tuple[int, bytes]:
        start.wait(60)
        answer = app.test_client().post(f"/deadlines/deadlines/{A_ROSTER}/waiver", json=body, headers={"Idempotency-Key": "one"})
        return answer.status_code, answer.data

    with ThreadPoolExecutor(4) as several:
        answers = set(several.map(waive, range(4)))
    assert [status for status, _ in answers] == [201]
    assert len(app.test_client().get(f"/deadlines/deadlines/{A_ROSTER}").get_json()["waivers"]) == 1
    worker.close()


@pytest.mark.parametrize(
    ("path", "status"),
    [("placements/%00", 404), ("deadlines/p1/%00", 404), ("deadlines?host=%00", 422), ("deadlines?after=%00", 422)],
)
def test_a_name_with_a_nul_is_refused_and_no_error_of_ours(config: Config, clock: Clock, path: str, status: int) -> None:
    worker = Worker(SERVICE, config, clock)
    client = create_app(worker).test_client()
    assert client.get(f"/deadlines/{path}").status_code == status
    assert client.post("/deadlines/calendars", json={"host": "RXN\x00"}).status_code == 422
    worker.close()


def take_in_one_by_one(worker: Worker, messages: Sequence[Message], clock: Clock) -> None:
    for message in messages:
        worker.take_in([message], clock())


def strike_until_quiet(worker: Worker, chore: str = "tick") -> None:
    quiet = 0
    while quiet < 20:
        quiet = 0 if worker.parts[chore](0.0) else quiet + 1


def test_several_processes_say_every_moment_once_day_after_day_and_leave_what_is_waived_alone(config: Config, clock: Clock) -> None:
    worker = Worker(SERVICE, config, clock)
    worker.take_in([a_message(a_placement(placement_id=f"p{number:02}")) for number in range(40)], clock())
    with transaction(worker.engine) as session:
        known = Known(session, {"p00"})
        file, wish = known.files["p00"], Wish("Ida Marsh (invented)", "the ward is moving")
        rosters = [deadline for deadline in file.deadlines if deadline.duty == "duty-roster"]
        said = [saying for each in rosters for saying in deadline_waived(file, each, wish, date(2027, 7, 20), clock())]
        write(session, known.rows())
        worker.say(session, said, clock())
    processes = multiprocessing.get_context("spawn")
    for day in (date(2027, 5, 5), date(2027, 6, 16), date(2027, 7, 20), date(2027, 7, 21)):
        striking = [processes.Process(target=striker, args=(config, clock.on(day))) for _ in range(3)]
        for process in striking:
            process.start()
        for process in striking:
            process.join(120)
        assert [process.exitcode for process in striking] == [0, 0, 0]
        with transaction(worker.engine) as session:
            late = session.scalars(select(Deadline.deadline_id).where(Deadline.next_on <= day)).all()
        assert late == []
    with transaction(worker.engine) as session:
        types = session.execute(select(OutboxRow.type, OutboxRow.subject)).all()
    assert len(types) == len(set(types))
    counts = Counter(row.type for row in types)
    assert counts == {"deadline.set": 280, "deadline.waived": 1, "deadline.approaching": 80 + 39, "deadline.missed": 280}
    worker.close()


def test_the_clock_finds_what_is_due_by_its_index_however_much_is_open(config: Config) -> None:
    engine = open_database(config.database_of(SERVICE.name))
    fill(engine, 21_000, due=100)
    asked = due_by(FIRST_DAY, 50).compile(engine, compile_kwargs={"literal_binds": True})
    with engine.connect() as connection:
        [[plan]] = connection.execute(text(f"EXPLAIN (FORMAT JSON) {asked}")).all()
    engine.dispose()
    nodes = list(nodes_of(plan[0]["Plan"]))
    assert [node["Node Type"] for node in nodes] == ["Limit", "Index Scan"], "no sort, no other rows"
    assert nodes[1]["Index Name"] == "ix_deadlines_next_on"


def test_a_worker_that_began_on_empty_tables_still_reads_by_index_once_they_are_full(config: Config, clock: Clock) -> None:
    worker = Worker(SERVICE, config, clock)
    take_in_one_by_one(worker, [a_message(a_placement(placement_id=f"few{number}")) for number in range(20)], clock)
    for batch in range(8):
        worker.take_in([a_message(a_placement(placement_id=f"many{batch}-{number}")) for number in range(200)], clock())
    with transaction(worker.engine) as session:
        read_one_by_one = text("SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'deadlines'")
        before = session.scalar(read_one_by_one)
        known = Known(session, {"few1", "many7-1"})
        assert sum(len(file.deadlines) for file in known.files.values()) == 14
        assert session.scalar(read_one_by_one) == before
    worker.close()


def test_what_is_settled_is_not_in_the_clocks_index(config: Config) -> None:
    engine = open_database(config.database_of(SERVICE.name))
    with engine.connect() as connection:
        found = connection.scalar(text("SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_deadlines_next_on'"))
    engine.dispose()
    assert found is not None
    assert found.endswith("(next_on) WHERE (next_on IS NOT NULL)")


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a plan, from the top."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes_of(child)
