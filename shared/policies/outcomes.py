"""Outcomes: everything a rule may conclude, and how a concluded value is written.

A field is a scalar (``integer, boolean, money, date, text, duration, {choice: […]}``) or a list of records of scalars
(``{list: {who: …, when: …}}``). ``informs: true`` marks a field that does not hold a decision up: while its facts are
missing it reads ``not-known``.

A value in ``then`` is a literal, a ``$parameter``, or a date computed from a date fact (``{from: start_date, weeks: -$notice}``;
also days, calendar months that clip to the end of the month, and working days of a named calendar:
``{from: received_on, working_days: 2, calendar: england}``).
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from shared.policies.calendars import CALENDARS, working_day
from shared.policies.facts import Bound, Fact, literal, show
from shared.policies.reading import Node, suggest

SCALARS = ("integer", "boolean", "money", "date", "text", "duration")
UNITS = ("days", "weeks", "months")
COUNTED = (*UNITS, "working_days")
NOT_KNOWN = "not-known"


@dataclass(frozen=True)
class Field:
    """A declared outcome field. ``record`` is not empty for a list."""

    name: str
    type: str
    choices: tuple[str, ...] = ()
    informs: bool = False
    record: "tuple[Field, ...]" = ()

    def show(self, value: Any) -> Any:
        """A concluded value, ready for JSON."""
        if self.type == "list":
            return [{part.name: part.show(item[part.name]) for part in self.record if part.name in item} for item in map(dict, value)]
        if self.type == "duration":
            return {"least": value[0], "most": value[1], "unit": value[2]}
        return show(self.type, value)


@dataclass(frozen=True)
class Computed:
    """A date that is computed from a date fact: ``amount`` units after it (before it, where negative)."""

    fact: str
    unit: str
    amount: int | str
    calendar: str = ""

    def on(self, day: int) -> int:
        """The ordinal of the computed date."""
        amount = int(self.amount)
        start = date.fromordinal(day)
        if self.unit == "working_days":
            return working_day(self.calendar, start, amount).toordinal()
        if self.unit == "months":
            return add_months(start, amount).toordinal()
        return (start + timedelta(**{self.unit: amount})).toordinal()


def add_months(start: date, months: int) -> date:
    """Calendar months later (earlier, where negative), clipped to the end of the month."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))


def read_outcome(node: Node) -> dict[str, Field]:
    """The declared outcome of a policy, by field name."""
    return {name: _field(name, entry) for name, entry in node.entries("outcome").items()}


def _field(name: str, node: Node) -> Field:
    if isinstance(node.value, str):
        return Field(name, node.choice(f"the type of {name}", SCALARS))
    found = node.entries(f"the type of {name}")
    if "list" in found:
        entries = node.fields(f"the type of {name}", ("list",))["list"].entries(f"the record of {name}")
        parts = tuple(_field(key, entry) for key, entry in entries.items())
        if any(part.type == "list" or part.informs for part in parts):
            node.fail(f"the record of {name} takes scalars only, and they do not inform by themselves.")
        return Field(name, "list", record=parts)
    found = node.fields(f"the type of {name}", (), ("choice", "type", "informs"))
    informs = found["informs"].flag("informs") if "informs" in found else False
    if "choice" in found:
        tokens = tuple(item.text("a choice") for item in found["choice"].items(f"the choices of {name}"))
        return Field(name, "choice", tokens, informs)
    if "type" not in found:
        node.fail(f"the type of {name} must be one of {', '.join(SCALARS)}, {{choice: […]}} or {{list: {{…}}}}.")
    return Field(name, found["type"].choice(f"the type of {name}", SCALARS), informs=informs)


def read_conclusion(node: Node, outcome: Mapping[str, Field], facts: Mapping[str, Fact], parameters: Mapping[str, Bound]) -> dict[str, Any]:
    """What a rule's ``then`` concludes, by field.

    Values are codes, ``$parameter`` names, Computed dates, or lists of records (pairs of name and value) of these.
    """
    concluded: dict[str, Any] = {}
    for name, value in node.entries("then").items():
        if name not in outcome:
            value.fail(f"“{name}” is not declared under outcome{suggest(name, outcome)}.")
        field = outcome[name]
        if field.type == "list":
            concluded[name] = tuple(_record(field, item, facts, parameters) for item in value.items(name))
        else:
            concluded[name] = _value(field, value, facts, parameters)
    return concluded


def _record(field: Field, node: Node, facts: Mapping[str, Fact], parameters: Mapping[str, Bound]) -> tuple[tuple[str, Any], ...]:
    known = {part.name: part for part in field.record}
    found = node.fields(f"an item of {field.name}", (), tuple(known))
    return tuple((name, _value(known[name], value, facts, parameters)) for name, value in found.items())


def _value(field: Field, node: Node, facts: Mapping[str, Fact], parameters: Mapping[str, Bound]) -> Any:
    if field.type == "date" and isinstance(node.value, dict):
        return _computed(node, facts, parameters)
    if isinstance(node.value, str) and node.value.startswith("$"):
        return _parameter(node, node.value, field.type, parameters)
    if field.type == "choice":
        return node.choice(field.name, field.choices)
    if field.type == "duration":
        node.fail(f"{field.name} is a duration; it is given by a $parameter with a unit of {', '.join(UNITS)}.")
    return literal(field.type, node)


def _parameter(node: Node, name: str, type_: str, parameters: Mapping[str, Bound]) -> str:
    if name[1:] not in parameters:
        node.fail(f"there is no parameter “{name[1:]}”{suggest(name[1:], parameters)}.")
    if parameters[name[1:]].type != type_:
        node.fail(f"a {type_} is needed here, but the parameter {name[1:]} is a {parameters[name[1:]].type}.")
    return name


def _computed(node: Node, facts: Mapping[str, Fact], parameters: Mapping[str, Bound]) -> Computed:
    found = node.fields("a computed date", ("from",), (*COUNTED, "calendar"))
    units = [unit for unit in COUNTED if unit in found]
    if len(units) != 1:
        node.fail(f"a computed date takes exactly one of {', '.join(COUNTED)}.")
    if ("working_days" in found) is not ("calendar" in found):
        node.fail(f"working days are counted by a named calendar, and nothing else is; the calendars are {', '.join(CALENDARS)}.")
    calendar = found["calendar"].choice("calendar", CALENDARS) if "calendar" in found else ""
    fact = found["from"].text("from")
    if fact not in facts or facts[fact].type != "date":
        found["from"].fail(f"“{fact}” is not a declared date fact{suggest(fact, facts)}.")
    amount = found[units[0]]
    if isinstance(amount.value, str):
        sign = "-" if amount.value.startswith("-") else ""
        name = _parameter(amount, amount.value.removeprefix("-"), "integer", parameters)
        unit = parameters[name[1:]].unit
        if unit != units[0]:
            amount.fail(f"the date is computed in {units[0]}, but the parameter {name[1:]} is in {unit}.")
        return Computed(fact, units[0], sign + name, calendar)
    return Computed(fact, units[0], amount.whole(units[0]), calendar)


def bind_value(value: Any, bounds: Mapping[str, Any]) -> Any:
    """A concluded value with every ``$parameter`` replaced by its value on the day."""
    if isinstance(value, tuple):
        return tuple(bind_value(part, bounds) for part in value)
    if isinstance(value, Computed) and isinstance(value.amount, str):
        sign = -1 if value.amount.startswith("-") else 1
        return replace(value, amount=sign * int(bounds[value.amount.lstrip("-$")]))
    return bounds[value[1:]] if isinstance(value, str) and value.startswith("$") else value


def dates_asked(value: Any) -> set[str]:
    """The date facts that a concluded value is computed from."""
    return {computed.fact for computed in computed_in(value)}


def computed_in(value: Any) -> Iterator[Computed]:
    """Every computed date of a concluded value."""
    if isinstance(value, Computed):
        yield value
    for part in value if isinstance(value, tuple) else ():
        yield from computed_in(part)


def parameters_in(value: Any) -> set[str]:
    """The names of the parameters that a concluded value stands on."""
    if isinstance(value, str) and value.startswith("$"):
        return {value[1:]}
    if isinstance(value, tuple):
        return {name for part in value for name in parameters_in(part)}
    amount = getattr(value, "amount", None)
    return {amount.lstrip("-$")} if isinstance(amount, str) else set()
