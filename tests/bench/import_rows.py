"""``make bench-import``: a hundred thousand rows of the bulk upload into a house that is started here, with time and memory::

    python -m tests.bench.import_rows [--rows 100000]

The rows are generated into a temporary folder, and imported over HTTP into ``tripartite serve`` on loopback, with SQLite. Printed are
the time, rows a second, and the memory of both processes in the first and in the last tenth of the import. Exit code 1 if the counts
are wrong, if a second import has anything new, or if memory grows with the rows.
"""

import argparse
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from shared.samples.uploads import write_uploads
from tests.end_to_end.processes import Process
from tests.helpers import HOUSE

EVERY_SECONDS = 0.2
GROWTH = 1.25
SLACK = 16
"""Megabytes that a process may grow by, whatever it began with: caches, and an allocator's rounding."""
HOUSE_SLACK = 192
"""The same of the house, whose queues in memory fill up to their bound in the meantime (shared/bus/embedded.py)."""


@dataclass
class Watched:
    """A process's resident memory in megabytes, sampled while something runs."""

    pid: int
    slack: int
    samples: list[float] = field(default_factory=list)

    def look(self) -> None:
        """Take a sample, while the process is there."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        except OSError:
            return
        if found := re.search(r"VmRSS:\s+([0-9]+)", status):
            self.samples.append(int(found[1]) / 1024)

    @property
    def tenths(self) -> tuple[float, float]:
        """The most in the first tenth and in the last."""
        tenth = max(1, len(self.samples) // 10)
        return max(self.samples[:tenth]), max(self.samples[-tenth:])

    @property
    def grows(self) -> bool:
        """Whether the last tenth needed more than the first, beyond what is allowed."""
        first, last = self.tenths
        return last > first * GROWTH + self.slack


@dataclass
class Run:
    """One import: how long it took, what it said, and the memory it needed."""

    seconds: float
    said: str
    importer: Watched
    house: Watched


def main() -> int:
    """Generate, import, import again; print what was measured, and what is wrong with it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="bench-import-") as folder:
        placements, posts = Path(folder) / "placements.csv", Path(folder) / "posts.csv"
        write_uploads(rows, placements, posts)
        print(f"{rows:,} rows, {placements.stat().st_size / 1e6:.1f} MB")
        with Process(Path(folder) / "data") as house:
            runs = [_import(house, placements, posts) for _ in range(2)]
            stored = _stored(house.data)
    for name, run in zip(("first import", "second import"), runs, strict=True):
        print(f"{name}: {run.seconds:.0f} s, {rows / run.seconds:,.0f} rows/s: {run.said}")
        for who, watched in (("importer", run.importer), ("house", run.house)):
            first, last = watched.tenths
            print(f"  {who}: {max(watched.samples):.0f} MB at most; {first:.0f} MB in the first tenth, {last:.0f} MB in the last")
    wrong = _wrong(rows, runs, stored)
    print("\n".join(wrong) or "all as it should be")
    return 1 if wrong else 0


def _import(house: Process, placements: Path, posts: Path) -> Run:
    assert house.process is not None
    words = ("import", str(placements), "--as", "placements-csv", "--posts", str(posts), "--to", f"http://127.0.0.1:{house.port}")
    began = time.monotonic()
    with subprocess.Popen([sys.executable, "-m", "services", *words], cwd=HOUSE, stdout=subprocess.PIPE, text=True) as importer:
        watched = (Watched(importer.pid, SLACK), Watched(house.process.pid, HOUSE_SLACK))
        while importer.poll() is None:
            for each in watched:
                each.look()
            time.sleep(EVERY_SECONDS)
        assert importer.stdout is not None
        return Run(time.monotonic() - began, importer.stdout.read().strip(), *watched)


def _stored(data: Path) -> int:
    """How many placements the house has taken in."""
    with closing(sqlite3.connect(f"file:{data / 'deadlines.db'}?mode=ro", uri=True, timeout=60)) as connection:
        return int(connection.execute("SELECT count(*) FROM outbox WHERE type = 'placement.updated'").fetchone()[0])


def _wrong(rows: int, runs: list[Run], stored: int) -> list[str]:
    expected = [f"{rows:,} rows taken ({new:,} new), 0 refused." for new in (rows, 0)]
    wrong = [f"said “{run.said}”, not “{words}”." for run, words in zip(runs, expected, strict=True) if run.said != words]
    if stored != rows:
        wrong.append(f"The house has {stored:,} placements, not {rows:,}.")
    for run in runs:
        for name, watched in (("importer", run.importer), ("house", run.house)):
            if watched.grows:
                wrong.append(f"The memory of the {name} grows with the rows: {watched.tenths[0]:.0f} MB to {watched.tenths[1]:.0f} MB.")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
