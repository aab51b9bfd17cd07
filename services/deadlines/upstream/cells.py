"""Cells of TIS's spreadsheets: each as the event needs it, or empty, with what is wrong and what would be right noted in its row."""

import re
import typing
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from services.deadlines.upstream.messages import placement_type as type_of
from services.deadlines.upstream.sheets import Row
from shared.events import PlacementType
from shared.organisations import codes_by_name, names_by_code
from shared.policies.reading import suggest

A_DAY = "a day such as 04/08/2027 or 2027-08-04"


def text(row: Row, column: str) -> str:
    """A text that must be there."""
    if not row[column]:
        row.refuse(column, "the cell is empty", "a value: the column is required")
    return row[column]


def day(row: Row, column: str) -> str:
    """A day, as ISO 8601 writes it."""
    given = row[column]
    found = day_of(given)
    if found is None and text(row, column):
        row.refuse(column, f"“{given}” is no day", A_DAY)
    return found.isoformat() if found else ""


@lru_cache(maxsize=4096)
def day_of(given: str) -> date | None:
    """The day that is written as England does (04/08/2027), or as ISO 8601 does, at midnight if with a time; None if it is none."""
    english = re.fullmatch("([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})( 0?0:00(:00)?)?", given)
    iso = re.fullmatch("([0-9]{4})-([0-9]{2})-([0-9]{2})([T ]00:00(:00(\\.0+)?)?Z?)?", given)
    try:
        if english:
            return date(int(english[3]), int(english[2]), int(english[1]))
        return date(int(iso[1]), int(iso[2]), int(iso[3])) if iso else None
    except ValueError:
        return None


def whole_time_equivalent(row: Row, column: str) -> str:
    """A share of full time, to three places."""
    given = row[column]
    if not text(row, column):
        return ""
    found = Decimal(given) if re.fullmatch("[0-9]{0,3}(\\.[0-9]{1,20})?|[0-9]\\.", given) and given != "." else Decimal(0)
    rounded = found.quantize(Decimal("0.001"), ROUND_HALF_UP)
    if not 0 < rounded <= 2:
        row.refuse(column, f"“{given}” is no share of full time", "a fraction such as 0.8, or 1 for full time")
    return f"{rounded.normalize():f}"


def placement_type(row: Row, column: str) -> str:
    """A placement type, as the policies call it."""
    given = row[column]
    found, known = type_of(given), typing.get_args(PlacementType)
    if text(row, column) and found not in known:
        row.refuse(column, f"“{given}” is no type of placement known here{suggest(found, known)}", "a type of TIS such as In post")
    return found


def organisation(row: Row, column: str) -> str:
    """The ODS code of the organisation that a cell names: by its registered name, the code itself, or both, as in ``Name (RXN)``."""
    given = row[column]
    found = _ods_code(given)
    if not found and text(row, column):
        near = suggest(given, names_by_code().values()) or suggest(given.lower(), codes_by_name())
        right = "an organisation of shared/organisations.yaml, by name or ODS code"
        row.refuse(column, f"“{given}” is not known{near}", right)
    return found


@lru_cache(maxsize=4096)
def _ods_code(given: str) -> str:
    if given.upper() in names_by_code():
        return given.upper()
    both = re.fullmatch("(.+?) *\\(([A-Za-z0-9]+)\\)", given)
    found = codes_by_name().get(" ".join((both[1] if both else given).lower().split()), "")
    return found if not both or found == both[2].upper() else ""  # a name beside the code of another is neither
