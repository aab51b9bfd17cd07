"""The placements that a table is of: held to what is asked for in SQL, read by the chunk, given as their files were known on a day.

Each chunk is a transaction of its own, so that nobody waits for a long table, and a million placements take no more memory than a
thousand. Rows are read as tuples of columns. Documents and former versions are read for a past day alone: for today the rows of the
deadlines themselves say what was issued.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Engine, Select, select, union
from sqlalchemy.orm import Session

from services.deadlines.compliance.tables import NOT_KNOWN, region_of
from services.deadlines.decisions import PlacementFile
from services.deadlines.history import as_known, read_versions
from services.deadlines.models import Deadline, Document, Placement, PlacementVersion, Waiver
from shared.database import transaction
from shared.organisations import regions_by_code
from shared.worker import LONDON
from shared.writing import new

AT_ONCE = 1_000
"""How many placements are read, and held, at once."""
Row = TypeVar("Row")


@dataclass(frozen=True)
class Asked:
    """What the placements are held to; None: not held to it.

    :param starts_from: start on this day or later. :param starts_before: start before this day. :param region: that of the host.
    """

    starts_from: date | None = None
    starts_before: date | None = None
    host: str | None = None
    lead_employer: str | None = None
    region: str | None = None
    specialty: str | None = None

    def __contains__(self, placement: Placement) -> bool:
        found = (placement.host, placement.lead_employer, region_of(placement.host), placement.specialty)
        wanted = (self.host, self.lead_employer, self.region, self.specialty)
        start = (self.starts_from or date.min) <= placement.start_date and placement.start_date < (self.starts_before or date.max)
        return start and all(want in (None, have) for have, want in zip(found, wanted, strict=True))


def month_after(first: date) -> date:
    """The first day of the month after one that begins on this day."""
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)


def files_on(engine: Engine, asked: Asked, day: date, today: date) -> Iterator[PlacementFile]:
    """The files that are asked for, each once, as they were known at the end of a day, in the order of their placements."""
    last = ""
    while True:
        with transaction(engine) as session:
            page = list(session.scalars(_page(asked, day, today, last)))
            if not page:
                return
            files = _files(session, page, past=day < today)
        for placement_id in page:
            file = files[placement_id] if day == today else as_known(files[placement_id], day)
            if file.placement is not None and file.placement in asked:
                yield file
        last = page[-1]


def _page(asked: Asked, day: date, today: date, last: str) -> Select[str]:
    """The next placements: those that are asked for as they now are; for a past day also those that were so after it."""
    if day == today:
        there = select(Placement.placement_id).where(Placement.placement_id > last, *_held(Placement, asked))
        return there.where(Placement.withdrawn.is_(None)).order_by(Placement.placement_id).limit(AT_ONCE)
    night = datetime.combine(day + timedelta(days=1), time(), LONDON)
    now = select(Placement.placement_id).where(Placement.placement_id > last, *_held(Placement, asked))
    then = select(PlacementVersion.placement_id).where(PlacementVersion.placement_id > last, PlacementVersion.replaced_at >= night)
    both = union(now, then.where(*_held(PlacementVersion, asked))).subquery()
    return select(both.c.placement_id).order_by(both.c.placement_id).limit(AT_ONCE)


def _held(table: type[Placement] | type[PlacementVersion], asked: Asked) -> Iterator[ColumnElement[bool]]:
    if asked.starts_from is not None:
        yield table.start_date >= asked.starts_from
    if asked.starts_before is not None:
        yield table.start_date < asked.starts_before
    for column, value in ((table.host, asked.host), (table.lead_employer, asked.lead_employer), (table.specialty, asked.specialty)):
        if value is not None:
            yield column == value
    if asked.region == NOT_KNOWN:
        yield table.host.not_in(list(regions_by_code()))
    elif asked.region is not None:
        yield table.host.in_([code for code, region in regions_by_code().items() if region == asked.region])


def _files(session: Session, page: list[str], *, past: bool) -> dict[str, PlacementFile]:
    files: dict[str, PlacementFile] = defaultdict(PlacementFile)
    for placement in _rows(session, Placement, page):
        files[placement.placement_id].placement = placement
    for deadline in _rows(session, Deadline, page):
        files[deadline.placement_id].deadlines.append(deadline)
    for waiver in _rows(session, Waiver, page):
        files[waiver.placement_id].waivers.append(waiver)
    if past:
        for document in _rows(session, Document, page):
            files[document.placement_id].documents.append(document)
        read_versions(session, files)
    return files


def _rows(session: Session, mapped: type[Row], page: list[str]) -> Iterator[Row]:
    """Their rows, which no session watches, at a fraction of the cost."""
    table: Any = mapped.__table__  # type: ignore[attr-defined]
    made: Any = new(mapped)
    names = table.columns.keys()
    found = session.execute(select(table).where(table.c.placement_id.in_(page)))
    return (made(**dict(zip(names, row, strict=True))) for row in found)
