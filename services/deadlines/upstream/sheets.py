"""Spreadsheets saved as CSV: their rows by the names of the columns, however the file is written.

Taken: headers with or without the star of a required column, in any order, case and spacing; a byte order mark; line ends of any kind;
quoted line breaks. Columns that nobody knows are named and ignored. A file that is no such thing, or lacks a column, is refused at
once; a row is only ever at fault by itself. Rows are numbered as the spreadsheet numbers them, the header being row 1.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from shared.errors import Refused
from shared.policies.reading import suggest

NOT_CSV = {
    b"PK\x03\x04": "is an Excel workbook; save the sheet as “CSV UTF-8”.",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook; save the sheet as “CSV UTF-8”.",
    b"\xff\xfe": "is written in UTF-16; save the sheet as “CSV UTF-8”.",
    b"\xfe\xff": "is written in UTF-16; save the sheet as “CSV UTF-8”.",
}


MOST_COLUMNS = 1_000
"""Far more than any such sheet has; to look for what is meant among a million takes minutes."""


class Column(NamedTuple):
    """A column that is known. ``needed`` ones must be there; ``also`` are other names of it."""

    name: str
    needed: bool = False
    also: tuple[str, ...] = ()


class Wrong(NamedTuple):
    """What is wrong in one cell, and what would be right. Without a column the row itself is at fault."""

    column: str
    wrong: str
    right: str

    def __str__(self) -> str:
        return f"{self.wrong}; right would be {self.right}."


@dataclass
class Row:
    """One row: its number, the cells of known columns, trimmed, and what is found wrong with it."""

    number: int
    cells: dict[str, str]
    wrong: list[Wrong] = field(default_factory=list)

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    def refuse(self, column: str, wrong: str, right: str) -> None:
        """Note what is wrong in a cell."""
        self.wrong.append(Wrong(column, wrong, right))


@dataclass
class Sheet:
    """A file whose header is read: its columns by place (None: ignored), and the rows that follow."""

    columns: list[str | None]
    ignored: list[str]
    number: int
    _records: "Iterator[list[str]]"

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def __iter__(self) -> Iterator[Row]:
        """The rows that are not empty, one at a time.

        :raises Refused: from some row on the file is no CSV, so nobody can tell where its rows end.
        """
        for cells in _counted(self._records, self.number):
            self.number += 1
            if any(cell.strip() for cell in cells):
                yield self._row(cells)

    def _row(self, cells: Sequence[str]) -> Row:
        row = Row(self.number, {name: cell.strip() for name, cell in zip(self.columns, cells, strict=False) if name is not None})
        if any(cell.strip() for cell in cells[len(self.columns) :]):
            row.refuse("", f"the row has {len(cells)} cells", f"{len(self.columns)}, as the header has")
        for name, cell in row.cells.items():
            if not cell.isascii() and any("\ud800" <= letter <= "\udfff" for letter in cell):
                row.refuse(name, "the cell holds bytes that are not UTF-8", "a file saved as “CSV UTF-8”")
        return row


def open_sheet(raw: BinaryIO, columns: Sequence[Column], what: str) -> Sheet:
    """Read the header of a file.

    :param what: what the file is of, for messages: ``placements``.
    :raises Refused: it is not CSV, is far too wide, a needed column is missing, or one stands there twice; all of them named.
    """
    lines = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(raw)  # type: ignore[type-var]  # it reads, and needs no more
    start = lines.peek(4)[:4]
    for mark, problem in NOT_CSV.items():
        if start.startswith(mark):
            raise Refused(f"The file of {what} {problem}")
    text = io.TextIOWrapper(lines, encoding="utf-8-sig", errors="surrogateescape", newline="")
    records = csv.reader(text, strict=True)
    number, header = 0, list[str]()
    for number, cells in enumerate(_counted(records, 0), start=1):  # noqa: B007 (the number of the header is wanted)
        header = [cell.encode(errors="replace").decode().strip() for cell in cells]
        if any(header):
            break
    if len(header) > MOST_COLUMNS:
        raise Refused(f"This is not a file of {what}: its header has {len(header):,} cells; such a file has at most {MOST_COLUMNS}.")
    known = {_key(name): column.name for column in columns for name in (column.name, *column.also)}
    places = [known.get(_key(cell)) for cell in header]
    _check_header(header, places, columns, known, what)
    return Sheet(places, [cell for cell, name in zip(header, places, strict=True) if name is None and cell], number, records)


def _counted(records: Iterator[list[str]], number: int) -> Iterator[list[str]]:
    try:
        for cells in records:
            number += 1
            yield cells
    except csv.Error as error:
        raise Refused(f"From row {number + 1} on the file cannot be read as CSV ({error}); look for a quotation mark too many.") from error


def _check_header(header: Sequence[str], places: Sequence[str | None], columns: Sequence[Column], known: dict[str, str], what: str) -> None:
    problems: dict[str, str] = {}
    for column in columns:
        if column.needed and column.name not in places:
            unknown = {_key(cell): cell for cell, name in zip(header, places, strict=True) if name is None}
            problems[column.name] = f"is missing{suggest(_key(column.name), unknown)}."
        if places.count(column.name) > 1:
            problems[column.name] = "stands there more than once."
    if problems:
        parted = " The header has one cell: the file must be parted by commas." if len(header) == 1 else ""
        raise Refused(f"This is not a file of {what}: its columns cannot be used.{parted}", problems)


def _key(name: str) -> str:
    """A header as it is compared: letters and digits alone, so that stars, spaces and underlines make no difference."""
    return re.sub("[^a-z0-9]", "", name.lower())
