"""The bulk-upload spreadsheets of TIS in: rows of placements and of posts -> events. Pure: a row and a time in, a message out.

A placement's row has no host and no lead employer. They are the training body and the employing body of its post: from columns of these
names beside it, or from the posts' own spreadsheet by National Post Number. What a row becomes is said by its *Placement Status*:

* CURRENT, FUTURE, PAST and APPROVED are placements as they now are (``placement.updated``).
* CANCELLED, DELETE and WITHDRAWN take the placement back (``placement.withdrawn``).
* DRAFT and PROPOSED do not count yet; the row is left out.

A placement is known by its *TIS Placement ID*, if the file has that column. Else its id follows from person, post and first day, so that
a row with another first day is another placement. A file speaks as of one time: a newer file wins, the same file says nothing new.
"""

import re
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from services.deadlines.upstream import cells
from services.deadlines.upstream.messages import EARLIEST, LATEST, site_of
from services.deadlines.upstream.sheets import Column, Row, Sheet, Wrong, open_sheet
from shared.errors import MalformedEvent, Refused
from shared.event_data import read_event
from shared.events import Event, PlacementUpdated, PlacementWithdrawn
from shared.organisations import names_by_code
from shared.policies.reading import suggest
from shared.wire import Message, microseconds, say, short_hash

SOURCE = "urn:hee:tis:bulk-upload"
TRAINING_BODY, EMPLOYING_BODY = "Training body", "Employing body"
POST, FIRST_DAY, LAST_DAY, STATUS, TYPE = "National Post Number", "Date From", "Date To", "Placement Status", "Placement Type"
PLACEMENT_ID = "TIS Placement ID"
PLACEMENTS = (
    Column("Surname", needed=True),
    *map(Column, ("GMC Number", "GDC Number", "Public Health Number", "TIS Person ID")),
    *(Column(name, needed=True) for name in (POST, FIRST_DAY, LAST_DAY, TYPE, STATUS, "Site", "WTE", "Grade")),
    Column("Specialty1", needed=True, also=("Specialty",)),
    *map(Column, ("Other Sites", "Specialty2", "Specialty3", "Sub specialty", "Clinical Supervisor", "Educational Supervisor", "Comments")),
    Column(PLACEMENT_ID, also=("Placement ID",)),
    *map(Column, (TRAINING_BODY, EMPLOYING_BODY)),
)
POSTS = (
    *(Column(name, needed=True) for name in (POST, TRAINING_BODY, EMPLOYING_BODY)),
    *map(Column, ("Approved grade", "Specialty", "Main site (Known as)", "TIS Programme ID")),
    *map(Column, ("Owner", "Funding Type", "Funding Start Date")),
)
COUNTS, TAKEN_BACK, NOT_YET = ("current", "future", "past", "approved"), ("cancelled", "delete", "withdrawn"), ("draft", "proposed")
_SPELT = {"canceled": "cancelled", "deleted": "delete"}
_COLUMNS = {
    "placement_id": PLACEMENT_ID,
    "trainee_id": "TIS Person ID",
    "site": "Site",
    "specialty": "Specialty1",
    "grade": "Grade",
    "whole_time_equivalent": "WTE",
    "start_date": FIRST_DAY,
    "end_date": LAST_DAY,
}


class Bodies(typing.NamedTuple):
    """The ODS codes of a post's training body (the host) and employing body (the lead employer)."""

    host: str
    lead_employer: str


FindBodies = Callable[[str], Bodies | None]
"""A National Post Number, as :func:`post_key` writes it -> the bodies of that post."""
Seen = Callable[[str, int, str], tuple[int, str] | None]
"""(placement, row, message id) -> the row that spoke of that placement before, and its message; None notes this one."""


@dataclass(frozen=True)
class Checked:
    """What becomes of a row: a message; or nothing, because it is wrong, or for the reason in ``left_out``."""

    row: int
    message: Message | None = None
    wrong: tuple[Wrong, ...] = ()
    left_out: str = ""


# ---- files ---------------------------------------------------------------------------------------------------------


def open_placements(raw: BinaryIO, *, with_posts: bool) -> Sheet:
    """A file of placements whose columns can be used.

    :param with_posts: whether the posts' bodies are to be had from elsewhere; else the file must have them.
    :raises Refused: columns are missing.
    """
    sheet = open_sheet(raw, PLACEMENTS, "placements")
    missing = [name for name in (TRAINING_BODY, EMPLOYING_BODY) if name not in sheet]
    if missing and not with_posts:
        told = "is missing; the placements' file has no host and employer of its own, so add the column, or give the posts' file (--posts)."
        raise Refused("It cannot be told who the host and the lead employer are.", dict.fromkeys(missing, told))
    return sheet


def check_placements(sheet: Sheet, find: FindBodies, as_of: datetime, seen: Seen) -> Iterator[Checked]:
    """Row by row what the file says, or what is wrong with it.

    :param as_of: the time as of which the file speaks.
    """
    for row in sheet:
        event = None if row.wrong else _placement(row, find)
        if row.wrong or event is None:
            yield Checked(row.number, wrong=tuple(row.wrong), left_out="" if row.wrong else "its status does not count yet")
            continue
        message = say(event, SOURCE, as_of, microseconds(as_of))
        before = seen(event.subject, row.number, message.id)
        if before is None:
            yield Checked(row.number, message)
        elif before[1] == message.id:
            yield Checked(row.number, left_out="an earlier row says the same")
        else:
            column = PLACEMENT_ID if row[PLACEMENT_ID] else POST
            wrong = Wrong(column, f"row {before[0]} says something else of the same placement", "one row for each placement")
            yield Checked(row.number, wrong=(wrong,))


def check_posts(sheet: Sheet) -> Iterator[tuple[Row, Bodies]]:
    """Row by row the bodies of a post; of a row with something wrong in it they are empty."""
    for row in sheet:
        cells.text(row, POST)
        yield row, Bodies(cells.organisation(row, TRAINING_BODY), cells.organisation(row, EMPLOYING_BODY))


def read_time(given: str) -> datetime:
    """The time as of which a file speaks: RFC 3339, with its offset.

    :raises Refused: it is none.
    """
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        found = datetime.min
    if found.tzinfo is None or not EARLIEST <= found < LATEST:
        problem = f"must be a time with its offset, such as 2027-05-05T09:00:00Z, not {given!r}."
        raise Refused("The time of the file cannot be read.", {"as_of": problem})
    return found.astimezone(UTC)


def post_key(number: str) -> str:
    """A National Post Number as it is compared."""
    return "".join(number.split()).upper()


# ---- one placement -------------------------------------------------------------------------------------------------


def _placement(row: Row, find: FindBodies) -> Event | None:
    """What a row says; None if it does not count, or is wrong, which is noted in it."""
    status = _SPELT.get(row[STATUS].lower(), row[STATUS].lower())
    if status in NOT_YET:
        return None
    known = (*COUNTS, *TAKEN_BACK, *NOT_YET)
    if cells.text(row, STATUS) and status not in known:
        row.refuse(STATUS, f"“{row[STATUS]}” is no status known here{suggest(status, known)}", f"one of {', '.join(known).upper()}")
    placement_id = _placement_id(row, _trainee_id(row))
    wanted = {"placement_id": placement_id, "reason": f"{row[STATUS].upper()} in a bulk upload"}
    event: type[Event] = PlacementWithdrawn
    if status not in TAKEN_BACK:
        wanted, event = _whole(row, placement_id, find), PlacementUpdated
    if row.wrong:
        return None
    try:
        return read_event(event, wanted)
    except MalformedEvent as error:
        for name, problem in error.errors.items():
            row.refuse(_COLUMNS.get(name.removeprefix("data."), ""), "the value cannot be used", f"one that fits: it {problem.rstrip('.')}")
        return None


def _whole(row: Row, placement_id: str, find: FindBodies) -> dict[str, str]:
    bodies = _bodies(row, find)
    site = cells.text(row, "Site")
    return {
        "placement_id": placement_id,
        "trainee_id": _trainee_id(row, told=True),
        "host": bodies.host,
        "host_name": names_by_code().get(bodies.host, bodies.host),
        **site_of(site),
        "lead_employer": bodies.lead_employer,
        "specialty": cells.text(row, "Specialty1"),
        "grade": cells.text(row, "Grade"),
        "whole_time_equivalent": cells.whole_time_equivalent(row, "WTE"),
        "placement_type": cells.placement_type(row, TYPE),
        "start_date": cells.day(row, FIRST_DAY),
        "end_date": cells.day(row, LAST_DAY),
    }


def _placement_id(row: Row, trainee_id: str) -> str:
    """TIS's own id, or one that follows from person, post and first day; what it needs and cannot be used is noted."""
    if row[PLACEMENT_ID]:
        return row[PLACEMENT_ID]
    post, first = post_key(row[POST]), cells.day_of(row[FIRST_DAY])
    return f"upload-{short_hash(f'{trainee_id} {post} {first}')}" if trainee_id and post and first else _cannot_be_told(row, trainee_id)


def _cannot_be_told(row: Row, trainee_id: str) -> str:
    """Which placement a row takes back cannot be told; a row that counts has the same noted of its cells."""
    if row[STATUS].lower() not in COUNTS:
        if not trainee_id:
            _trainee_id(row, told=True)
        cells.text(row, POST)
        cells.day(row, FIRST_DAY)
    return ""


def _trainee_id(row: Row, *, told: bool = False) -> str:
    """TIS's id of the person; without one, the number of a register, marked as such.

    :param told: whether a row that has none of them is refused for it.
    """
    if row["TIS Person ID"]:
        return row["TIS Person ID"]
    for column, mark in (("GMC Number", "gmc"), ("GDC Number", "gdc"), ("Public Health Number", "ph")):
        if re.search("[0-9]", row[column]):  # TIS writes UNKNOWN and N/A where there is no number
            return f"{mark}-{row[column]}"
    if told:
        row.refuse("TIS Person ID", "it cannot be told who the doctor is", "a TIS Person ID, or else a GMC, GDC or Public Health Number")
    return ""


def _bodies(row: Row, find: FindBodies) -> Bodies:
    """The columns beside it, if they are filled; else what is known of the post."""
    number = cells.text(row, POST)
    if row[TRAINING_BODY] and row[EMPLOYING_BODY]:
        return Bodies(cells.organisation(row, TRAINING_BODY), cells.organisation(row, EMPLOYING_BODY))
    found = find(post_key(number)) if number else None
    if number and found is None:
        row.refuse(POST, f"“{number}” is not among the posts that can be used", "the number of a post with its training and employing body")
    known = found or Bodies("", "")
    host = cells.organisation(row, TRAINING_BODY) if row[TRAINING_BODY] else known.host
    return Bodies(host, cells.organisation(row, EMPLOYING_BODY) if row[EMPLOYING_BODY] else known.lead_employer)
