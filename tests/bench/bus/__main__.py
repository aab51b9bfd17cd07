"""The product against its peers and against the floor, one job, in one run: ``make bench-bus``.

The job is that of job.py: placements come in, seven deadlines each are decided, stored and said, exactly as often as they should be.
Contenders take turns on a private broker and database, in another order each round, so that a machine that slows down slows all of
them: figures mean something only as ratios within one run. Read on in measure.py (how one run goes), then a contender.

::

    python -m tests.bench.bus                        every contender, the table and the goals
    python -m tests.bench.bus --stored 1000000       the product on empty tables and on so many placements
    python -m tests.bench.bus --long                 a million events through one worker: does its memory grow?
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.bench.bus.endurance import long_run, on_stored
from tests.bench.bus.measure import Nodes, Run, measure
from tests.bench.bus.others import CELERY_PREFORK, CELERY_THREADS, FASTSTREAM, FLOOR, TWO_FLOORS
from tests.bench.bus.tripartite_contender import tripartite
from tests.brokers import Broker
from tests.databases import Database

ONE, TWO = tripartite(), tripartite(2)
CONTENDERS = (FLOOR, TWO_FLOORS, ONE, TWO, FASTSTREAM, CELERY_THREADS, CELERY_PREFORK)
QUIET = "management_agent.disable_metrics_collector = true"
FAIR = """The product and the floor work in batches, and wait for the broker while they prepare the next one. FastStream and Celery
take one transaction a message: that is how they are made. At one message a transaction everyone is equally slow."""


def compete(nodes: Nodes, events: int, rounds: int) -> dict[str, Run]:
    """Every contender's median of so many rounds, by name."""
    runs: dict[str, list[Run]] = {contender.name: [] for contender in CONTENDERS}
    for round_ in range(rounds):
        for contender in CONTENDERS[round_:] + CONTENDERS[:round_]:
            with nodes.site(contender) as site:
                run = measure(nodes, contender, site, round(events * contender.share))
            runs[contender.name].append(run)
            print(f"round {round_ + 1}: {contender.name:24}{run.rate:>8,.0f} events/s", file=sys.stderr)
    return {name: typical(taken) for name, taken in runs.items()}


def typical(runs: list[Run]) -> Run:
    """The median of each figure; of memory the most."""
    return Run(median(run.rate for run in runs), max(run.peak for run in runs), median(run.cpu for run in runs))


def table(runs: dict[str, Run]) -> dict[str, bool]:
    """Print the table; gives the goals, each met or not."""
    celery = max(runs[CELERY_THREADS.name].rate, runs[CELERY_PREFORK.name].rate)
    against = {"floor": runs[FLOOR.name].rate, "FastStream": runs[FASTSTREAM.name].rate, "Celery": celery}
    print(f"{'':24}{'events/s':>10}" + "".join(f"{'× ' + name:>14}" for name in against) + f"{'peak MB':>10}{'CPU µs/event':>14}")
    for name, run in runs.items():
        print(
            f"{name:24}{run.rate:>10,.0f}"
            + "".join(f"{run.rate / rate:>14.2f}" for rate in against.values())
            + f"{run.peak:>10.0f}{run.cpu:>14,.0f}"
        )
    print(f"\n{FAIR}\n")
    one, two, floors = runs[ONE.name].rate, runs[TWO.name].rate, runs[TWO_FLOORS.name].rate
    return {
        f"at least 8 times Celery at its best ({one / celery:.1f})": one >= 8 * celery,
        f"at least 12 times FastStream ({one / against['FastStream']:.1f})": one >= 12 * against["FastStream"],
        f"at least 55 % of the floor ({one / against['floor']:.0%})": one >= 0.55 * against["floor"],
        f"two workers at least 65 % of two floors ({two / floors:.0%})": two >= 0.65 * floors,
        f"two workers at least 1.4 times one ({two / one:.2f})": two >= 1.4 * one,
    }


def main() -> int:
    """Print what was asked for, and the goals; 1 if one is missed."""
    asked = arguments()
    with tempfile.TemporaryDirectory(prefix="tripartite-bench-") as name:
        folder = Path(name)
        for part in ("broker", "database"):
            (folder / part).mkdir()
        database = Database.start(folder / "database")
        try:
            broker = Broker.start(folder / "broker", conf=QUIET)
            try:
                goals = run(Nodes(broker, database, folder), asked)
            finally:
                broker.stop()
        finally:
            database.stop()
    for goal, met in goals.items():
        print(f"{'met' if met else 'MISSED':8}{goal}")
    return 0 if all(goals.values()) else 1


def run(nodes: Nodes, asked: argparse.Namespace) -> dict[str, bool]:
    """What was asked for: the goals of it, each met or not."""
    if asked.long:
        return long_run(nodes, ONE, asked.events or 1_000_000)
    events = asked.events or 10_000
    if asked.stored:
        return on_stored(nodes, ONE, asked.stored, events, asked.rounds)
    return table(compete(nodes, events, asked.rounds))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bus", description="The product against its peers and the floor.")
    parser.add_argument("--events", type=int, help="events a run (10,000; the slow peers get a fifth; with --long 1,000,000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts")
    parser.add_argument(
        "--stored", type=int, metavar="PLACEMENTS", help="instead: the product alone, on empty tables and on so many placements"
    )
    parser.add_argument("--long", action="store_true", help="instead: one worker of the product, its memory sampled")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
