"""``make bench-import``: a hundred thousand rows of the bulk upload into a house that is started here, with time and memory::

    python -m tests.bench.import_rows [--rows 100000]

The rows are generated into a temporary folder, and imported over HTTP into ``tripartite serve`` on loopback, with SQLite: first a file
of the first tenth of them, then the whole file, then the whole file again. Printed are the time, rows a second, and the most memory
that both processes needed. Exit code 1 if the counts are wrong, if the last import has anything new, or if ten times the rows need
more memory than a tenth of them.
"""

import argparse
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from shared.samples.uploads import write_uploads
from tests.end_to_end.processes import Process
from tests.helpers import HOUSE

EVERY_SECONDS = 0.2
AS_OF = "2027-04-27T09:00:00Z"
GROWTH = 1.25
SLACK = {"importer": 8, "house": 160}
"""Megabytes that a process may grow by, whatever it began with. The queues of the house fill up to their bound (shared/bus/embedded.py)."""


@dataclass
class Watched:
    """A process's resident memory in megabytes: the most of it while something runs."""

    pid: int
    most: float = 0.0

    def look(self) -> None:
        """Take a sample, while the process is there."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        except OSError:
            return
        if found := re.search(r"VmRSS:\s+([0-9]+)", status):
            self.most = max(self.most, int(found[1]) / 1024)


@dataclass
class Run:
    """One import: how long it took, what it said, and the memory that each process needed."""

    rows: int
    seconds: float
    said: str
    most: dict[str, float]


def main() -> int:
    """Generate, import, import again; print what was measured, and what is wrong with it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows // 20 * 20
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="bench-import-") as name, Process(Path(name) / "data") as house:
        folder = Path(name)
        for count in (rows // 10, rows):
            write_uploads(count, folder / f"{count}.csv", folder / "posts.csv")
        for count in (rows // 10, rows, rows):
            runs.append(_import(house, folder, count))
            _print(runs[-1])
        stored = _stored(house.data)
    wrong = _wrong(rows, runs, stored)
    print("\n".join(wrong) or "all as it should be")
    return 1 if wrong else 0


def _print(run: Run) -> None:
    memory = ", ".join(f"{who} {most:.0f} MB" for who, most in run.most.items())
    print(f"{run.rows:>7,} rows: {run.seconds:4.0f} s, {run.rows / run.seconds:6,.0f} rows/s, at most {memory}: {run.said}", flush=True)


def _import(house: Process, folder: Path, rows: int) -> Run:
    assert house.process is not None
    words = ("--as", "placements-csv", "--posts", str(folder / "posts.csv"), "--as-of", AS_OF, "--to", f"http://127.0.0.1:{house.port}")
    command = [sys.executable, "-m", "services", "import", str(folder / f"{rows}.csv"), *words]
    began = time.monotonic()
    with subprocess.Popen(command, cwd=HOUSE, stdout=subprocess.PIPE, text=True) as importer:
        watched = {"importer": Watched(importer.pid), "house": Watched(house.process.pid)}
        while importer.poll() is None:
            for each in watched.values():
                each.look()
            time.sleep(EVERY_SECONDS)
        assert importer.stdout is not None
        seconds, said = time.monotonic() - began, importer.stdout.read().strip()
    return Run(rows, seconds, said, {who: each.most for who, each in watched.items()})


def _stored(data: Path) -> int:
    """How many placements the house has taken in."""
    with closing(sqlite3.connect(f"file:{data / 'deadlines.db'}?mode=ro", uri=True, timeout=60)) as connection:
        return int(connection.execute("SELECT count(*) FROM outbox WHERE type = 'placement.updated'").fetchone()[0])


def _wrong(rows: int, runs: list[Run], stored: int) -> list[str]:
    tenth = rows // 10
    expected = [f"{count:,} rows taken ({new:,} new), 0 refused." for count, new in ((tenth, tenth), (rows, rows - tenth), (rows, 0))]
    wrong = [f"said “{run.said}”, not “{words}”." for run, words in zip(runs, expected, strict=True) if run.said != words]
    if stored != rows:
        wrong.append(f"The house has {stored:,} placements, not {rows:,}.")
    first = runs[0].most
    for run in runs[1:]:
        for who, most in run.most.items():
            if most > first[who] * GROWTH + SLACK[who]:
                wrong.append(f"The memory of the {who} grows with the rows: {first[who]:.0f} MB for {tenth:,}, {most:.0f} MB for {rows:,}.")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
