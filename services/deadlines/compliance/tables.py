"""Figures by group: by one key or by several together, and over all. As JSON, and as CSV of one line a group and measure. Pure.

A placement belongs to exactly one group, so groups add up to the total, whatever the key and whatever the order of the placements.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from services.deadlines.compliance.exceptions import Worst
from services.deadlines.compliance.figures import DUTIES, MEASURES, Figures, judged, percent
from services.deadlines.compliance.targets import kpis, verdict
from services.deadlines.decisions import PlacementFile
from services.deadlines.models import Deadline, Placement
from shared.comma_separated import Cell
from shared.organisations import names_by_code, regions_by_code

NOT_KNOWN = "not known"
"""The region of an organisation that shared/organisations.yaml does not have, and the specialty of a placement that is not there."""
WORST = 10
PARTIES = ("national-body", "lead-employer", "host")
KEYS: Mapping[str, Callable[[Deadline, Placement | None], str]] = {
    "host": lambda deadline, _: deadline.host,
    "lead-employer": lambda deadline, _: deadline.lead_employer,
    "region": lambda deadline, _: region_of(deadline.host),
    "specialty": lambda _, placement: placement.specialty if placement else NOT_KNOWN,
    "rotation-month": lambda deadline, _: f"{deadline.start_date:%Y-%m}",
}
"""What a table may be by. The region is that of the host, where the doctor works; the month is that of the start."""


def region_of(code: str) -> str:
    """The region of an organisation, by ODS code."""
    return regions_by_code().get(code, NOT_KNOWN)


@dataclass
class Table:
    """Figures as at a day, by group (the values of its keys) and over all.

    :param names: the names that hosts were given, by ODS code; of several the first by the alphabet. A registered name goes before it.
    """

    as_at: date
    by: tuple[str, ...]
    groups: dict[tuple[str, ...], Figures]
    total: Figures
    worst: Worst
    worst_of: dict[tuple[str, ...], Worst] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def ordered(self) -> list[tuple[tuple[str, ...], Figures]]:
        """The groups by name, then by code."""
        return sorted(self.groups.items(), key=lambda group: [(self.name(value), value) for value in group[0]])

    def labels(self, values: Sequence[str]) -> dict[str, str]:
        """The keys of a group by name; a code has its name beside it."""
        found = {}
        for key, value in zip(self.by, values, strict=True):
            found[key.replace("-", "_")] = value
            if key in ("host", "lead-employer"):
                found[f"{key.replace('-', '_')}_name"] = self.name(value)
        return found

    def name(self, value: str) -> str:
        """The name of a code; other values are their own."""
        return names_by_code().get(value) or self.names.get(value, value)


def measured(
    files: Iterable[PlacementFile],
    as_at: date,
    by: Sequence[str] = ("host",),
    *,
    worst: int = WORST,
    worst_of_each: int = 0,
    worst_measure: str | None = None,
) -> Table:
    """The table of files as they were known on a day. A placement without deadlines is in none of the groups.

    :param worst: how many exceptions to name over all, and of each group. :param worst_measure: of this measure alone.
    """
    table = Table(as_at, tuple(by), {}, Figures(), Worst(worst, worst_measure))
    for file in files:
        in_force = file.in_force()
        if not in_force:
            continue
        group = tuple(KEYS[key](in_force[0], file.placement) for key in by)
        if group not in table.groups:
            table.groups[group], table.worst_of[group] = Figures(), Worst(worst_of_each, worst_measure)
        found = judged(file, as_at)
        table.groups[group].count(found)
        late = [each for each in found.values() if each.chain]
        for kept in (table.worst_of[group], table.worst):
            kept.look_at(file.placement, late, as_at)
        _name(table.names, in_force[0])
    for figures in table.groups.values():
        table.total += figures
    return table


def _name(names: dict[str, str], deadline: Deadline) -> None:
    given = names.get(deadline.host, deadline.host_name)
    names[deadline.host] = min(given, deadline.host_name)


# ---- as JSON -------------------------------------------------------------------------------------------------------


def table_json(table: Table, filters: Mapping[str, str]) -> dict[str, Any]:
    """The table as the API gives it; ``filters`` is what it was held to."""
    as_at = table.as_at
    groups = []
    for values, figures in table.ordered():
        worst = table.worst_of[values].to_json(as_at)
        groups.append({**table.labels(values), **_figures_json(figures, as_at), **({"exceptions": worst} if worst else {})})
    return {
        "as_at": as_at.isoformat(),
        "by": list(table.by),
        "filters": dict(filters),
        "measures": {name: {"says": measure.says, "owner": measure.owner} for name, measure in MEASURES.items()},
        "groups": groups,
        "total": _figures_json(table.total, as_at),
        "exceptions": table.worst.to_json(as_at),
    }


def _figures_json(figures: Figures, as_at: date) -> dict[str, Any]:
    return {
        "placements": figures.placements,
        "figures": {name: _figure_json(figures, name, as_at) for name in MEASURES},
        "kpis": kpis(figures.tallies, as_at),
        "late_by_cause": dict(sorted(figures.late_by_cause.items())),
        "late_by_own_fault": dict(sorted(figures.late_by_own_fault.items())),
    }


def _figure_json(figures: Figures, name: str, as_at: date) -> dict[str, Any]:
    tally = figures.tallies[name]
    said = verdict(name, tally, as_at)
    causes = {"late_by_cause": figures.causes_of(name)} if name in DUTIES.values() else {}
    return {
        "on_time": tally.on_time,
        "due": tally.due,
        "percent": percent(tally.on_time, tally.due),
        "waived": tally.waived,
        "open": tally.open,
        "late": tally.due - tally.on_time,
        **causes,
        "charged_to_owner": tally.charged,
        "not_charged_to_owner": {"count": tally.due - tally.charged, "percent": percent(tally.due - tally.charged, tally.due)},
        "verdict": said.verdict,
        "target": said.target,
        "meets_target": said.meets_target,
    }


# ---- as CSV --------------------------------------------------------------------------------------------------------

NO_DATA = "no data"
_FIGURES = (
    *("as_at", "measure", "owner", "due", "on_time", "percent_on_time", "waived", "open"),
    *("late", *(f"late_by_{party.replace('-', '_')}" for party in PARTIES), "charged_to_owner", "percent_not_charged_to_owner"),
    *("kpi", "target_percent", "verdict", "meets_target"),
    *("rule", "source", "section", "entry"),
)


def table_head(table: Table) -> list[str]:
    """The names of the columns: ``scope`` (group or total), the keys, the figures of one measure, and the rule of its verdict."""
    labels = [name for key in table.by for name in _label_names(key)]
    return ["scope", *labels, *_FIGURES]


def _label_names(key: str) -> list[str]:
    name = key.replace("-", "_")
    return [name, f"{name}_name"] if key in ("host", "lead-employer") else [name]


def table_rows(table: Table) -> Iterator[list[Cell]]:
    """A line for each group and measure; those over all come last, and have no keys."""
    width = sum(len(_label_names(key)) for key in table.by)
    for values, figures in table.ordered():
        yield from _rows(["group", *table.labels(values).values()], figures, table.as_at)
    yield from _rows(["total", *[""] * width], table.total, table.as_at)


def _rows(labels: Sequence[Cell], figures: Figures, as_at: date) -> Iterator[list[Cell]]:
    for name, tally in figures.tallies.items():
        said = verdict(name, tally, as_at)
        shares = [percent(count, tally.due) or NO_DATA for count in (tally.on_time, tally.due - tally.charged)]
        causes = [figures.causes[name, party] if name in DUTIES.values() else None for party in PARTIES]
        cite = said.because["cite"]
        yield [
            *labels,
            *(as_at.isoformat(), name, MEASURES[name].owner, tally.due, tally.on_time, shares[0], tally.waived, tally.open),
            *(tally.due - tally.on_time, *causes, tally.charged, shares[1]),
            *(said.target, said.target_percent, said.verdict, said.meets_target),
            *(said.because["rule"], cite["source"], cite["section"], cite["entry"]),
        ]
