"""HTTP in: what TIS says, as its messages or as a spreadsheet of its bulk upload. All of it is taken, or none."""

from typing import Any

from flask import Response, request
from flask_smorest import Blueprint

from services.deadlines.upstream.messages import message_from_tis
from services.deadlines.upstream.placements import Checked, check_placements, open_placements, read_time
from shared import outbox
from shared.answers import answer, running, sent_json
from shared.database import transaction
from shared.errors import MalformedEvent, Refused
from shared.problems import MOST_PROBLEMS, pointed
from shared.query import heeds, needed
from shared.service import accept
from shared.wire import Message, parse_json

routes = Blueprint("upstream", __name__, description="TIS's messages and bulk-upload spreadsheets in")
MOST_ROWS = 10_000


@routes.post("/upstream/tis")
def take_tis() -> Response:
    """Take TIS placement messages as they are: one, a list, or JSON Lines. All are taken, or none."""
    if request.mimetype == "application/x-ndjson":
        lines = enumerate(request.get_data().split(b"\n"))
        return accept([_line(number, line) for number, line in lines if line.strip()], message_from_tis)
    return accept(sent_json(), message_from_tis)


def _line(number: int, line: bytes) -> Any:
    try:
        return parse_json(line)
    except MalformedEvent as error:
        raise MalformedEvent("A line is not usable; nothing was taken.", {str(number): error.detail}) from error


@routes.post("/upstream/placements-csv")
@heeds(needed("as_of"))
def take_placements() -> Response:
    """Take a spreadsheet of placements (``text/csv``) with the columns *Training body* and *Employing body*: all rows, or none.

    ``?as_of=`` is the time as of which it speaks; the same file as of the same time says nothing new. What is wrong is named by the
    number of its row and its column: ``#/7/Date From``. It takes 10,000 rows; ``tripartite import`` takes any number.
    """
    if request.mimetype not in ("text/csv", "application/csv"):
        raise Refused("Send the spreadsheet as CSV, with Content-Type text/csv.")
    as_of = read_time(request.args.get("as_of", "").replace(" ", "+"))  # a plus that was not escaped
    sheet = open_placements(request.stream, with_posts=False)  # type: ignore[arg-type]
    messages, problems, left_out, rows = list[Message](), dict[str, str](), dict[str, int](), dict[str, tuple[int, str]]()

    def seen(placement: str, row: int, message: str) -> tuple[int, str] | None:
        before = rows.get(placement)
        rows.setdefault(placement, (row, message))
        return before

    for checked in check_placements(sheet, lambda _: None, as_of, seen):
        if len(messages) >= MOST_ROWS:
            raise Refused(f"The file has more than {MOST_ROWS:,} rows; `tripartite import --as placements-csv` takes any number.")
        if checked.message is not None:
            messages.append(checked.message)
        elif checked.left_out:
            left_out[checked.left_out] = left_out.get(checked.left_out, 0) + 1
        problems |= _pointed(checked)
        if len(problems) > MOST_PROBLEMS:
            break
    if problems:
        raise Refused("Some rows cannot be used; none was taken.", problems)
    now = running().now()
    with transaction(running().worker.engine) as session:
        batch = outbox.add(session, (message.envelope() for message in messages), now)
    return answer({"taken": len(messages), "new": len(batch.envelopes), "left_out": left_out, "ignored": sheet.ignored}, 202)


def _pointed(checked: Checked) -> dict[str, str]:
    """What is wrong in a row, by a JSON pointer of its number and its column."""
    return {"/".join((str(checked.row), *([pointed(each.column)] if each.column else []))): str(each) for each in checked.wrong}
