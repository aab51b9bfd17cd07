"""``tripartite calendar issue | list | revoke``: who may read which calendar, on the database of deadlines.

What is done is services/deadlines/calendars/tokens.py, the same as over HTTP.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy import select

from services.command import answer, as_data, told_plainly

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

Data = dict[str, Any]


@click.group()
def calendar() -> None:
    """Calendar feeds: for a host, what it owes and waits for; for a person, what is due to them."""


@calendar.command()
@click.option("--host", default="", help="ODS code of the host whose calendar it is.")
@click.option("--person", default="", help="TIS person id of the doctor whose calendar it is.")
@as_data
@told_plainly
def issue(host: str, person: str, as_json: bool) -> None:
    """Make a calendar and show its address, this once. Whoever has the address can read the calendar, until it is revoked."""
    from services.deadlines.calendars.reading import Reader  # noqa: PLC0415 (the other commands start without it)
    from services.deadlines.calendars.tokens import issue as make  # noqa: PLC0415
    from services.deadlines.calendars.tokens import shown  # noqa: PLC0415
    from shared.config import read_config  # noqa: PLC0415
    from shared.worker import clock_of  # noqa: PLC0415

    now = clock_of(read_config())()
    answer(_done(lambda session: shown(*make(session, Reader(host.strip(), person.strip()), now))), _made_lines, as_json)


@calendar.command("list")
@as_data
@told_plainly
def list_calendars(as_json: bool) -> None:
    """Every calendar there ever was: whose, made, last read, revoked."""
    from services.deadlines.calendars.tokens import shown  # noqa: PLC0415
    from services.deadlines.models import Calendar  # noqa: PLC0415

    wanted = select(Calendar).order_by(Calendar.made_at, Calendar.calendar_id)
    answer(_done(lambda session: [shown(found) for found in session.scalars(wanted)]), _lines, as_json)


@calendar.command()
@click.argument("calendar_id")
@as_data
@told_plainly
def revoke(calendar_id: str, as_json: bool) -> None:
    """Revoke a calendar: its address gives nothing any more."""
    from services.deadlines.calendars.tokens import revoke as end  # noqa: PLC0415
    from services.deadlines.calendars.tokens import shown  # noqa: PLC0415
    from shared.config import read_config  # noqa: PLC0415
    from shared.worker import clock_of  # noqa: PLC0415

    now = clock_of(read_config())()
    answer(_done(lambda session: shown(end(session, calendar_id, now))), lambda found: _lines([found]), as_json)


def _done(work: "Callable[[Session], Any]") -> Any:
    """What is done in one transaction on the database of deadlines."""
    from services.quarantine import opened, told_transaction  # noqa: PLC0415

    with opened("deadlines") as engine, told_transaction(engine) as session:
        return work(session)


def _made_lines(made: Data) -> Iterator[str]:
    from shared.config import read_config  # noqa: PLC0415

    yield from _lines([made])
    public = read_config().public_url.rstrip("/")
    yield f"its address, shown this once: {public}{made['path']}"
    if public:
        yield "Give it to whom it is for."
    else:
        yield "Put the house's own address before it, such as https://tripartite.example.org (TRIPARTITE_PUBLIC_URL does so by itself),"
        yield "and give it to whom it is for."


def _lines(found: Iterable[Data]) -> Iterator[str]:
    empty = True
    for each in found:
        empty = False
        whose = f"host {each['host']}" if each["host"] else f"person {each['person']}"
        read = f"last read {_minute(each['last_read_at'])}" if each["last_read_at"] else "never read"
        ended = f", revoked {_minute(each['revoked_at'])}" if each["revoked_at"] else ""
        yield f"{each['calendar_id']}  {whose}  made {_minute(each['made_at'])}, {read}{ended}"
    if empty:
        yield "There are no calendars; `tripartite calendar issue` makes one."


def _minute(time: str) -> str:
    """A time in UTC, as in ``--json``, to the minute."""
    return f"{time[:16].replace('T', ' ')} UTC"
