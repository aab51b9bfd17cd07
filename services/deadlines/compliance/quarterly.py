"""The quarterly return: doctors who had their generic work schedule eight weeks before the start, and their duty roster six weeks before.

As NHS Digital's junior doctors data collection asks: by trust and by lead employer trust, for the rotations of February, April, August and
December (reference code-of-practice, ``rotations-that-were-counted``; its own template was not found, so the columns are ours).

**Which placements.** Those that start in the collection's month. It asks for the rotations of these months, and a doctor who starts between
two of them starts no rotation; only so are two returns, and two trusts, comparable. Nobody is left out in silence: ``other_starts``
counts the placements that started since the month of the collection before, and stand in none. ``starts_from`` and ``starts_to`` name
the days.

**Columns**, one line for each organisation and level:

======================================  ================================================================================================
collection, as_at                       the month (2027-08); the day whose state is shown
starts_from, starts_to                  first and last day of the starts that are counted
level                                   ``trust`` (the host is a trust), ``other-host`` (it is none, or not known), ``lead-employer-trust``
organisation, name, kind, region        ODS code; as shared/organisations.yaml has them, else "not known"
placements                              placements with duties that start in the month
other_starts                            placements that started between the collection before and this month
<document>_due, _on_time, _percent      work_schedule and duty_roster to the doctor; "no data" where nothing was due; the per cent is cut
<document>_waived                       not counted as due, because somebody who may has waived it
<document>_late_by_<party>              late ones by the party whose link was missed first: national_body, lead_employer, host
======================================  ================================================================================================
"""

import calendar
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from services.deadlines.compliance.figures import MEASURES, Tally, judged, percent
from services.deadlines.compliance.reading import month_after
from services.deadlines.compliance.tables import NO_DATA, NOT_KNOWN, PARTIES
from services.deadlines.decisions import PlacementFile
from services.deadlines.models import Deadline
from shared.comma_separated import Cell
from shared.errors import Refused
from shared.organisations import kinds_by_code, names_by_code, regions_by_code
from shared.policies import load_references

DOCUMENTS: Mapping[str, str] = {"work_schedule": "work_schedule_to_trainee", "duty_roster": "duty_roster_to_trainee"}
HEAD = [
    *("collection", "as_at", "starts_from", "starts_to", "level", "organisation", "name", "kind", "region", "placements", "other_starts"),
    *(
        f"{document}_{what}"
        for document in DOCUMENTS
        for what in ("due", "on_time", "percent", "waived", *(f"late_by_{party.replace('-', '_')}" for party in PARTIES))
    ),
]
LEVELS = ("trust", "other-host", "lead-employer-trust")


@dataclass(frozen=True)
class Collection:
    """A collection: the month of the rotation, and the day from which other starts are counted."""

    first: date
    others_from: date

    @property
    def name(self) -> str:
        """The month as it is asked for: 2027-08."""
        return f"{self.first:%Y-%m}"

    @property
    def last(self) -> date:
        """The last day of the month."""
        return month_after(self.first) - timedelta(days=1)


def collection_months() -> tuple[int, ...]:
    """The months of the collections, from the reference."""
    records = {record.id: record for record in load_references("deadlines")["code-of-practice"].records}
    names = list(calendar.month_name)
    return tuple(sorted(names.index(month) for month in records["rotations-that-were-counted"].values["months"]))


def collection_of(first: date) -> Collection:
    """The collection of a month, by its first day.

    :raises Refused: no return is made for that month.
    """
    months = collection_months()
    if first.month not in months:
        named = [calendar.month_name[month] for month in months]
        later = next((month for month in months if month > first.month), None)
        next_one = f"{first.year}-{later:02}" if later else f"{first.year + 1}-{months[0]:02}"
        words = f"returns are made for {', '.join(named[:-1])} and {named[-1]}; the next is {next_one}"
        raise Refused("There is no return for that month.", {"month": f"{first:%Y-%m} is no month of a collection: {words}."})
    before = max((month for month in months if month < first.month), default=None)
    previous = date(first.year, before, 1) if before else date(first.year - 1, months[-1], 1)
    return Collection(first, month_after(previous))


@dataclass
class Line:
    """What one organisation shows at one level."""

    name: str = ""
    placements: int = 0
    other_starts: int = 0
    tallies: dict[str, Tally] = field(default_factory=lambda: {document: Tally() for document in DOCUMENTS})
    late: Counter[tuple[str, str]] = field(default_factory=Counter)


def quarterly_return(files: Iterable[PlacementFile], collection: Collection, as_at: date) -> dict[tuple[str, str], Line]:
    """The lines of the return by (level, ODS code), from the files as they were known on a day. Pure."""
    lines: dict[tuple[str, str], Line] = {}
    for file in files:
        in_force = file.in_force()
        if in_force and collection.others_from <= in_force[0].start_date <= collection.last:
            for level, code in _levels(in_force[0]):
                line = lines.setdefault((level, code), Line(_name(code, in_force[0])))
                _count(line, file, in_force[0].start_date >= collection.first, as_at)
                line.name = min(line.name, _name(code, in_force[0]))
    return lines


def _levels(deadline: Deadline) -> list[tuple[str, str]]:
    is_trust = kinds_by_code().get(deadline.host) == "trust"
    return [("trust" if is_trust else "other-host", deadline.host), ("lead-employer-trust", deadline.lead_employer)]


def _name(code: str, deadline: Deadline) -> str:
    return names_by_code().get(code) or (deadline.host_name if code == deadline.host else code)


def _count(line: Line, file: PlacementFile, of_the_rotation: bool, as_at: date) -> None:
    if not of_the_rotation:
        line.other_starts += 1
        return
    line.placements += 1
    found = judged(file, as_at)
    for document, measure in DOCUMENTS.items():
        part = found.get(MEASURES[measure].documents[0])
        if part is not None:
            line.tallies[document].count(part)
            line.late.update([(document, part.chain[0].owner)] if part.chain else [])


def return_rows(lines: Mapping[tuple[str, str], Line], collection: Collection, as_at: date) -> Iterator[list[Cell]]:
    """The rows of the CSV, in the order of HEAD: level by level, each by name."""
    for (level, code), line in sorted(lines.items(), key=lambda item: (LEVELS.index(item[0][0]), item[1].name, item[0][1])):
        row: list[Cell] = [collection.name, as_at.isoformat(), collection.first.isoformat(), collection.last.isoformat(), level, code]
        row += [line.name, kinds_by_code().get(code, NOT_KNOWN), regions_by_code().get(code, NOT_KNOWN), line.placements, line.other_starts]
        for document, tally in line.tallies.items():
            row += [tally.due, tally.on_time, percent(tally.on_time, tally.due) or NO_DATA, tally.waived]
            row += [line.late[document, party] for party in PARTIES]
        yield row
