"""CSV by RFC 4180: a header row, CRLF, quotes where they are needed. No cell is a formula to the spreadsheet that opens it.

A cell of text that begins with ``=``, ``+``, ``-`` or ``@`` (or with a tab, a line break, or one of these behind spaces) would be run as a
formula; an apostrophe goes before it, as OWASP advises ("CSV Injection"). Numbers are written as they are.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

CONTENT_TYPE = "text/csv; charset=utf-8; header=present"
_DANGEROUS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
Cell = str | int | bool | None


def lines_of(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """The lines of a table, each with its CRLF, one by one. None is an empty cell; a boolean is true or false."""
    return map(line_of, chain([head], rows))


def line_of(row: Sequence[Cell]) -> str:
    """One line, with its CRLF."""
    held = io.StringIO()
    csv.writer(held, lineterminator="\r\n").writerow([written(cell) for cell in row])
    return held.getvalue()


def written(cell: Cell) -> str:
    """A cell as it stands in the file, before it is quoted."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if cell is None or isinstance(cell, int):
        return "" if cell is None else str(cell)
    dangerous = cell[:1] in ("\t", "\r", "\n") or cell.lstrip().startswith(_DANGEROUS)
    return f"'{cell}" if dangerous else cell
