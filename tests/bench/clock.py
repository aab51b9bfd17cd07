"""What a stroke of the clock costs, with few and with many deadlines open, in one run: ``make bench-clock``.

Two databases of a private PostgreSQL node hold 10,000 and 1,000,000 open deadlines, seven a placement. On each day of the run 1,000 are due
in each, spread evenly over the whole of it: half to be reminded of, half missed. A round lets the clock strike until nothing is due any
more, in one database and then in the other, by turns first. Figures mean something only as ratios within one run: the median of the
rounds' ratios must not be more than 1.5, because a stroke's cost depends on what is due and not on what is stored.

::

    python -m tests.bench.clock                    the table and the goal
    python -m tests.bench.clock --many 200000      with so many in the larger one
"""

import argparse
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median

from sqlalchemy import Engine, text

from services.deadlines.app import SERVICE
from services.deadlines.clock import tick
from shared.config import Config
from shared.database import migrate, open_database
from shared.worker import Worker
from tests.databases import Database

FEW, MANY, DUE, ROUNDS = 10_000, 1_000_000, 1_000, 7
MOST_RATIO = 1.5
FIRST_DAY = date(2027, 6, 1)
LONG_AFTER = date(2028, 2, 1)

PLACEMENTS = """
INSERT INTO placements (placement_id, trainee_id, host, host_name, site, lead_employer, specialty, grade, whole_time_equivalent,
                        placement_type, start_date, end_date, heard_at, changes, site_name)
SELECT 'p' || number, 't' || number, 'RXN', 'A host', 'RXN02', 'RBN', 'Cardiology', 'ST3', 1, 'in-post', :start, :start, now(), 0, ''
FROM generate_series(0, (:open - 1) / 7) AS number"""
DEADLINES = """
INSERT INTO deadlines (deadline_id, placement_id, revision, rule, duty, owner, recipient, host, host_name, lead_employer, trainee_id,
                       start_date, due, caused_by, decision_id, set_on, next_on, state, version, reason)
SELECT 'p' || number / 7 || '/' || rule || '/1', 'p' || number / 7, 1, rule, duty, owner, recipient, 'RXN', 'A host', 'RBN',
       't' || number / 7, :start, coalesce(CAST(:first AS date) + round + due_in, :start), caused_by, 'd', :first,
       coalesce(CAST(:first AS date) + round, :start), 'set', 1, ''
FROM (SELECT number, number % 7 AS place,
             CASE WHEN number % :step = 0 AND number / :step < :rounds * :due THEN (number / :step) % :rounds END AS round,
             CASE WHEN (number / :step / :rounds) % 2 = 0 THEN 7 ELSE -1 END AS due_in
      FROM generate_series(0, :open - 1) AS number) AS numbered
JOIN (VALUES
    (0, 'placement-information-to-host', 'placement-information', 'national-body', 'host', 'none'),
    (1, 'placement-information-to-trainee', 'placement-information', 'lead-employer', 'trainee', 'placement-information-to-host'),
    (2, 'work-schedule-to-lead-employer', 'work-schedule', 'host', 'lead-employer', 'placement-information-to-host'),
    (3, 'work-schedule-to-trainee', 'work-schedule', 'lead-employer', 'trainee', 'work-schedule-to-lead-employer'),
    (4, 'contract-to-trainee', 'contract', 'lead-employer', 'trainee', 'placement-information-to-host'),
    (5, 'pay-breakdown-to-trainee', 'pay-breakdown', 'lead-employer', 'trainee', 'placement-information-to-host'),
    (6, 'duty-roster-to-trainee', 'duty-roster', 'host', 'trainee', 'placement-information-to-host')
) AS duties (place, rule, duty, owner, recipient, caused_by) USING (place)"""


def fill(engine: Engine, open_: int, due: int = DUE, rounds: int = ROUNDS + 1) -> None:
    """So many open deadlines, of which so many are due on each of so many days from FIRST_DAY on; the others long after."""
    values = {"open": open_, "due": due, "rounds": rounds, "step": open_ // (due * rounds), "first": FIRST_DAY, "start": LONG_AFTER}
    with engine.begin() as connection:
        connection.execute(text(PLACEMENTS), {name: values[name] for name in ("open", "start")})
        connection.execute(text(DEADLINES), values)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def opened(node: Database, folder: Path, open_: int) -> Worker:
    """A worker on a database with so many open deadlines."""
    config = Config(data=folder, database_url=node.create([SERVICE.name], f"clock_{open_}"))
    engine = open_database(config.database_of(SERVICE.name))
    migrate(engine, SERVICE.name)
    fill(engine, open_)
    engine.dispose()
    return Worker(SERVICE, config, lambda: datetime.now(UTC))


def taken(worker: Worker, day: date) -> float:
    """Seconds in which the clock says everything that is due on a day."""
    now, done = datetime(day.year, day.month, day.day, 12, tzinfo=UTC), 0
    started = time.perf_counter()
    while struck := tick(worker, now):
        done += struck
    seconds = time.perf_counter() - started
    if done != DUE:
        raise AssertionError(f"{done} were struck on {day}, not {DUE}.")
    return seconds


def compare(few: Worker, many: Worker) -> list[tuple[float, float]]:
    """Seconds with few and with many open, round by round; the first round warms both up and does not count."""
    rounds: list[tuple[float, float]] = []
    for number in range(ROUNDS + 1):
        day = FIRST_DAY + timedelta(days=number)
        seconds = {worker: taken(worker, day) for worker in ((few, many) if number % 2 else (many, few))}
        rounds.append((seconds[few], seconds[many]))
    return rounds[1:]


def main() -> int:
    """Print the table; 1 if the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.clock")
    parser.add_argument("--many", type=int, default=MANY, help=f"open deadlines in the larger database ({MANY})")
    open_ = parser.parse_args().many
    with tempfile.TemporaryDirectory() as folder:
        node = Database.start(Path(folder))
        try:
            workers = [opened(node, Path(folder), size) for size in (FEW, open_)]
            rounds = compare(*workers)
            for worker in workers:
                worker.close()
        finally:
            node.close()
    ratio = median(many / few for few, many in rounds)
    print(f"{'open deadlines':>16}{'due':>8}{'seconds a day':>16}{'µs a deadline':>16}")
    for size, seconds in zip((FEW, open_), zip(*rounds, strict=True), strict=True):
        print(f"{size:>16,}{DUE:>8,}{median(seconds):>16.3f}{median(seconds) / DUE * 1e6:>16,.0f}")
    met = ratio <= MOST_RATIO
    print(f"\nThe median of {ROUNDS} rounds' ratios is {ratio:.2f}; the goal, at most {MOST_RATIO}, is {'met' if met else 'missed'}.")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
