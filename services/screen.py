"""What the command shows: tables, decisions and lines of text for a person, in one place."""

import shlex
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import click
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

COLUMNS = 100
_LABEL = 11
_PARTIES = {"national-body": "NHS England (placement information)", "lead-employer": "lead employer", "host": "host"}
_MEASURES = {
    "placement_information_to_host": "12-week\ninformation",
    "work_schedule_to_trainee": "8-week work\nschedule",
    "duty_roster_to_trainee": "6-week duty\nroster",
    "bundle": "on-time\nbundle",
}
_VERDICTS = {"met": "green", "not-met": "red"}


def compliance_table(compliance: dict[str, Any]) -> Table:
    """Compliance by group: x of n and the percentage. What has a target is green or red; the rest is held against none."""
    by = ", ".join(key.replace("-", " ") for key in compliance["by"])
    narrowed = "".join(f", {name.replace('_', ' ')} {value}" for name, value in compliance["filters"].items())
    table = Table(title=f"On time by {by}, as at {compliance['as_at']}{narrowed}", title_justify="left", expand=True)
    table.add_column(by, no_wrap=True, overflow="ellipsis", ratio=1)
    kpis = {kpi["measure"]: f"\n{name}" for name, kpi in compliance["total"]["kpis"].items() if kpi["verdict"] != "no-target"}
    for measure, title in _MEASURES.items():
        table.add_column(title + kpis.get(measure, ""), justify="right", no_wrap=True)
    for group in compliance["groups"]:
        table.add_row(_group(compliance["by"], group), *(_share(group["figures"][measure]) for measure in _MEASURES))
    table.add_section()
    every = "all hosts" if compliance["by"] == ["host"] else "all"
    table.add_row(every, *(_share(compliance["total"]["figures"][measure]) for measure in _MEASURES), style="bold")
    return table


def _group(by: list[str], group: dict[str, Any]) -> str:
    names = [key.replace("-", "_") for key in by]
    return " · ".join(f"{group[name]} {group.get(f'{name}_name', '')}".strip() for name in names)


def _share(share: dict[str, Any]) -> Text:
    if share["percent"] is None:
        return Text("no data", style="dim")
    return Text(f"{share['on_time']} of {share['due']}  {share['percent']:>5} %", style=_VERDICTS.get(share["verdict"], ""))


def figures_table(compliance: dict[str, Any]) -> Table:
    """Every measure over all: how many on time, waived, and late through the owner's own fault or another's."""
    table = Table(title="Every duty, over all", title_justify="left")
    table.add_column("duty")
    for head in ("owed by", "on time", "per cent", "late", "charged to\nthe owner", "waived", "open"):
        table.add_column(head, justify="right")
    for name, share in compliance["total"]["figures"].items():
        measure = compliance["measures"][name]
        per_cent = f"{share['percent']} %" if share["percent"] else "no data"
        counts = (str(share[count]) for count in ("late", "charged_to_owner", "waived", "open"))
        table.add_row(measure["says"], measure["owner"].replace("-", " "), f"{share['on_time']} of {share['due']}", per_cent, *counts)
    return table


def kpi_lines(compliance: dict[str, Any]) -> Iterator[str]:
    """Each KPI by itself: its share, what the policy says of it, and by which rule."""
    for name, kpi in compliance["total"]["kpis"].items():
        says = compliance["measures"][kpi["measure"]]["says"]
        target = f"target {kpi['target_percent']} %: " if kpi["target_percent"] else ""
        share = f"{kpi['on_time']} of {kpi['due']}"
        yield f"{name} ({says}): {share}, {target}{kpi['verdict'].replace('-', ' ')}. {cited(kpi['cite'])}, rule {kpi['rule']}."


def exception_lines(compliance: dict[str, Any]) -> Iterator[str]:
    """The worst of what was late, each in its sentence."""
    if compliance["exceptions"]:
        yield "Late the longest:"
    for found in compliance["exceptions"]:
        yield from wrapped(found["says"], "  - ", "    ")


def counts_table(title: str, heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Table:
    """A small table of counts; the last column is a number."""
    table = Table(title=title, title_justify="left")
    for head in heads[:-1]:
        table.add_column(head)
    table.add_column(heads[-1], justify="right")
    for row in rows:
        table.add_row(*map(str, row))
    return table


def causes_table(causes: dict[str, int]) -> Table:
    """Late duties by the party that caused them."""
    rows = [(_PARTIES.get(party, party), count) for party, count in sorted(causes.items(), key=lambda item: -item[1])]
    return counts_table("Late duties by cause", ("party whose link was missed first", "duties"), rows)


def decision_panel(title: str, decision: dict[str, Any], most: int | None = None) -> Panel:
    """A decision for a person: outcome, reason, citation, notes, what is needed, what would change it.

    :param most: how many reasons, changes and notes to show of each; all, if left out.
    """
    parts: list[Text] = []
    if decision["outcome"] is None:
        parts.append(Text("Undetermined: these facts matter and are missing.", style="yellow"))
        parts += [Text(f"  ? {need['ask']}  [{need['fact']}]") for need in decision["needs"]]
    else:
        parts += [
            Text(f"{name.replace('_', ' ')}: {value_line(value)}", style="bold")
            for name, value in decision["outcome"].items()
            if value not in (None, "", [])
        ]
    for rule in decision["because"][:most]:
        parts.append(Text(f"because {rule['says']}"))
        parts.append(Text(f"  {cited(rule['cite'])}, rule {rule['rule']}, as at {decision['as_at']}", style="dim"))
        parts += [Text(f"  see {cited(cite)}", style="dim") for cite in rule.get("see", [])]
    parts += [Text(f"note: {notice['says']}", style="yellow") for notice in decision["notices"][:most]]
    parts += [
        Text(f"assumed {found['fact']} = {value_line(found['value'])}: {found['because']}", style="dim") for found in decision["assumed"]
    ]
    parts += [Text(f"would change at {_would_change(change)}", style="cyan") for change in decision["would_change"][:most]]
    left = {name: len(decision[name]) - most for name in ("because", "would_change", "notices") if most and len(decision[name]) > most}
    if left:
        said = ", ".join(f"{count} more under {name}" for name, count in left.items())
        parts.append(Text(f"… {said}: decision {decision['id']}", style="dim"))
    return Panel(Group(*parts), title=f"{title}: {decision['policy']}", title_align="left")


def value_line(value: Any) -> str:
    """A value of an outcome in a sentence; the records of a list on lines of their own."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict) and "unit" in value:
        return f"{value['least']} to {value['most']} {value['unit']}"
    if isinstance(value, dict):
        return " · ".join(f"{name.replace('_', ' ')}: {value_line(part)}" for name, part in value.items())
    if value in ([], ()):
        return "nothing"
    if isinstance(value, list):
        return "".join(f"\n  - {value_line(item)}" for item in value)
    return str(value)


def cited(cite: dict[str, Any]) -> str:
    """A citation as it stands at the end of a sentence."""
    return f"{cite['source']}, {cite['section']} ({cite['entry']})" + (", outside the five documents" if cite.get("outside") else "")


def short(edition: str) -> str:
    """An edition as a person tells it from another: the first digits of its hash."""
    return edition.removeprefix("sha256:")[:12]


def _would_change(change: dict[str, Any]) -> str:
    if change["outcome"] is None:
        return f"{change['fact']} = {change['at']}: then {', '.join(change['needs'])} would matter"
    said = [f"{name.replace('_', ' ')} {'falls away' if value is None else value_line(value)}" for name, value in change["outcome"].items()]
    return f"{change['fact']} = {value_line(change['at'])}: {', '.join(said)}"


# ---- lines of text ------------------------------------------------------------------------------------------------


def heading(title: str, level: int = 2) -> str:
    """A heading: bold in a terminal; the first level is underlined everywhere."""
    shown = click.style(title if level == 1 else title.upper(), bold=True)
    return f"{shown}\n{'=' * len(title)}" if level == 1 else shown


def wrapped(text: str, first: str = "", rest: str | None = None) -> Iterator[str]:
    """A paragraph in lines that fit, behind an indent of its first line and one of the others; line breaks are kept.

    A line that begins with a dash is an item of a list.
    """
    for number, line in enumerate(map(str.strip, text.split("\n"))):
        indent = first if number == 0 or rest is None else rest
        hanging = (first if rest is None else rest) + ("  " if line.startswith("- ") else "")
        yield from textwrap.wrap(
            line, COLUMNS, initial_indent=indent, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
        )


def table_lines(rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Rows as columns, the first row being the heads; the first column to the left, the others to the right."""
    shown = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for first, *others in shown:
        cells = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join([f"{first:{widths[0]}}", *cells])


def many(count: int, what: str) -> str:
    """So many of a thing: 1 policy, 2 policies, 3 cases."""
    plural = what.removesuffix("y") + "ies" if what.endswith("y") else what + "s"
    return f"{count} {what if count == 1 else plural}"


def outcome_line(outcome: dict[str, Any]) -> str:
    """An outcome in a sentence; the records of a list on lines of their own."""
    return ", ".join(f"{name.replace('_', ' ')} {value_line(value)}" for name, value in outcome.items())


def differing(mine: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What one outcome has and another has not: the fields that differ, and of a list only the records that do."""
    fields = {name: value for name, value in mine.items() if name not in other or other[name] != value}
    return {
        name: [item for item in value if item not in other.get(name, ())] if isinstance(value, list) else value
        for name, value in fields.items()
    }


def facts_line(facts: dict[str, Any]) -> str:
    """Facts as they are given to ``tripartite decide``."""
    return " ".join(f"{name}={str(value).lower() if isinstance(value, bool) else shlex.quote(str(value))}" for name, value in facts.items())


def labelled(label: str, text: str) -> Iterator[str]:
    """A paragraph beside its label."""
    yield from wrapped(text, f"    {label:{_LABEL}}", " " * (_LABEL + 4))


def console() -> Console:
    """Where the command speaks; wide enough for the tables when it is no terminal."""
    found = Console()
    return found if found.is_terminal else Console(width=120)
