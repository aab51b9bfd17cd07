"""A whole file is checked before its first row is sent, and nothing of it stays in memory.

What a file says is kept, row by row, in a temporary database that is gone with the process (:class:`Spool`); what is wrong with it is
written to the report as it is found (:class:`Refusals`). Then what was checked is sent, and not the file read again: whoever saves it
meanwhile changes nothing. A row's message follows from its content and the file's time, so an import may be cut and repeated at will.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from services.deadlines.upstream.messages import message_from_tis
from services.deadlines.upstream.placements import POSTS, Bodies, check_placements, check_posts, open_placements, post_key
from services.deadlines.upstream.sheets import Wrong, open_sheet
from services.importing import Line, Report, is_tis, read_lines
from shared.comma_separated import line_of
from shared.errors import MalformedEvent
from shared.wire import read_from_outside

MOST_SHOWN = 20
FETCHED_AT_ONCE = 500
REPORT = ("file", "row", "column", "wrong", "right")
Progress = Callable[[int], None]
"""Told how far a file is read: in bytes, or in lines of JSON."""


class Spool:
    """What a file says, kept in a private database on disk that SQLite removes with the connection."""

    def __init__(self) -> None:
        self._kept = sqlite3.connect("", isolation_level=None)
        self._kept.execute("CREATE TABLE kept (row INTEGER PRIMARY KEY, said TEXT)")
        self._kept.execute("CREATE TABLE placements (placement TEXT PRIMARY KEY, row INTEGER, message TEXT) WITHOUT ROWID")
        self._kept.execute("CREATE TABLE posts (post TEXT PRIMARY KEY, host TEXT, lead_employer TEXT, row INTEGER) WITHOUT ROWID")
        self._kept.execute("BEGIN")

    def keep(self, row: int, said: str) -> None:
        """Keep what is to be sent for a row."""
        self._kept.execute("INSERT INTO kept VALUES (?, ?)", (row, said))

    def seen(self, placement: str, row: int, message: str) -> tuple[int, str] | None:
        """The row that spoke of a placement before, and its message; None notes this one."""
        added = self._kept.execute("INSERT OR IGNORE INTO placements VALUES (?, ?, ?)", (placement, row, message))
        if added.rowcount:
            return None
        found: tuple[int, str] = self._kept.execute("SELECT row, message FROM placements WHERE placement = ?", (placement,)).fetchone()
        return found

    def add_post(self, post: str, bodies: Bodies, row: int) -> int | None:
        """Note the bodies of a post; returns the row that says something else of it, if there is one."""
        if self._kept.execute("INSERT OR IGNORE INTO posts VALUES (?, ?, ?, ?)", (post, *bodies, row)).rowcount:
            return None
        found = self._kept.execute("SELECT host, lead_employer, row FROM posts WHERE post = ?", (post,)).fetchone()
        return None if found[:2] == tuple(bodies) else int(found[2])

    def bodies_of(self, post: str) -> Bodies | None:
        """The bodies of a post."""
        found = self._kept.execute("SELECT host, lead_employer FROM posts WHERE post = ?", (post,)).fetchone()
        return Bodies(*found) if found else None

    def lines(self) -> Iterator[Line]:
        """What is to be sent, in the order of the file."""
        last = -1
        while found := self._kept.execute(
            "SELECT row, said FROM kept WHERE row > ? ORDER BY row LIMIT ?", (last, FETCHED_AT_ONCE)
        ).fetchall():
            for row, said in found:
                yield row, json.loads(said)
            last = found[-1][0]

    def close(self) -> None:
        """Let go of it; nothing is left on disk."""
        self._kept.close()


@dataclass
class Refusals:
    """What is wrong with files: the first few, to be shown; all of it goes to ``report`` as it is found."""

    report: IO[str] | None = None
    rows: int = 0
    first: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._write(REPORT)

    def add(self, file: str, row: int, wrong: Sequence[Wrong]) -> None:
        """Note everything that is wrong with a row."""
        self.rows += 1
        for each in wrong:
            if len(self.first) < MOST_SHOWN:
                place = f"{file}, row {row}, {each.column}" if each.column else f"{file}, row {row}"
                self.first.append(f"{place}: {each}" if each.right else f"{place}: {each.wrong}")
            self._write((file, row, *each))

    def _write(self, cells: Sequence[str | int]) -> None:
        if self.report is not None:
            self.report.write(line_of(cells).encode(errors="replace").decode())  # what is no character is a question mark


@dataclass
class Found:
    """What a check found: how many rows can be sent, how many are left out and why, and which columns nobody knows."""

    usable: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


def written_at(file: Path) -> datetime:
    """The time as of which a file speaks, if nobody says: when it was last written."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=file.stat().st_mtime_ns // 1000)


# ---- spreadsheets --------------------------------------------------------------------------------------------------


def check_posts_file(file: Path, spool: Spool, refusals: Refusals, progress: Progress) -> Found:
    """Read the posts' spreadsheet into the spool, so that placements find their bodies there."""
    with file.open("rb") as raw:
        sheet = open_sheet(raw, POSTS, "posts")
        found = Found(ignored=sheet.ignored)
        for row, bodies in check_posts(sheet):
            before = None if row.wrong else spool.add_post(post_key(row["National Post Number"]), bodies, row.number)
            if before is not None:
                row.refuse("National Post Number", f"row {before} says something else of the same post", "one row for each post")
            if row.wrong:
                refusals.add(file.name, row.number, row.wrong)
            else:
                found.usable += 1
            progress(raw.tell())
    return found


def check_placements_file(file: Path, spool: Spool, refusals: Refusals, progress: Progress, *, as_of: datetime, with_posts: bool) -> Found:
    """Read the placements' spreadsheet into the spool as CloudEvents.

    :param with_posts: whether the posts' bodies are in the spool already.
    """
    with file.open("rb") as raw:
        sheet = open_placements(raw, with_posts=with_posts)
        found = Found(ignored=sheet.ignored)
        for checked in check_placements(sheet, spool.bodies_of, as_of, spool.seen):
            if checked.message is not None:
                found.usable += 1
                spool.keep(checked.row, checked.message.to_json())
            elif checked.wrong:
                refusals.add(file.name, checked.row, checked.wrong)
            else:
                found.left_out[checked.left_out] = found.left_out.get(checked.left_out, 0) + 1
            progress(raw.tell())
    return found


# ---- lines of JSON -------------------------------------------------------------------------------------------------


def check_lines_file(file: Path, spool: Spool, refusals: Refusals, progress: Progress, *, kind: str) -> Found:
    """Read a file of JSON objects, one a line, into the spool as they are. ``progress`` is told the number of the line."""
    report, found = Report(), Found()
    for number, line in read_lines(file, kind, report):
        _pass_on(file, report, refusals)
        try:
            (message_from_tis if is_tis(line) else read_from_outside)(line)
        except MalformedEvent as error:
            refusals.add(file.name, number, [Wrong(*problem, "") for problem in error.errors.items()] or [Wrong("", error.detail, "")])
        else:
            found.usable += 1
            spool.keep(number, json.dumps(line, ensure_ascii=False))
        progress(number)
    _pass_on(file, report, refusals)
    return found


def _pass_on(file: Path, report: Report, refusals: Refusals) -> None:
    for number, problem in report.refused.items():
        refusals.add(file.name, number, [Wrong("", problem, "")])
    report.refused.clear()
