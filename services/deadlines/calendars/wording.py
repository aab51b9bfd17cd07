"""An entry of a calendar in words: what is due from whom to whom, where it stands, and by which rule. Pure."""

from collections.abc import Iterator
from datetime import date
from functools import cache

from services.deadlines.calendars.reading import Reader
from services.deadlines.duties import POLICY
from services.deadlines.models import Deadline, Placement
from shared.organisations import names_by_code
from shared.plain import printable
from shared.policies import load_policies, load_sources

_MARKS = {"met": "Done: ", "met-late": "Done late: ", "missed": "Missed: ", "waived": "Waived: ", "withdrawn": "Cancelled: "}
_STATES = {
    "set": "Nothing has been issued yet.",
    "approaching": "The due day is near and nothing has been issued yet.",
    "missed": "The due day is over and nothing has been issued.",
    "waived": "The duty has been waived.",
}


def calendar_name(reader: Reader) -> str:
    """What a calendar is called; of a person it says the id."""
    return one_line(f"Deadlines of {organisation(reader.host)}" if reader.host else f"Placements of doctor {reader.person}")


def organisation(code: str, name: str = "") -> str:
    """An organisation as a person knows it: its name with its code; its code alone if nobody has named it."""
    known = name or names_by_code().get(code, "")
    return f"{known} ({code})" if known else code


def _party(deadline: Deadline, role: str) -> str:
    return {
        "national-body": "the national body",
        "host": organisation(deadline.host, deadline.host_name),
        "lead-employer": organisation(deadline.lead_employer),
        "trainee": f"doctor {deadline.trainee_id}",
    }.get(role, role)


def summary(reader: Reader, deadline: Deadline) -> str:
    """A deadline in one line, as its reader sees it: what has become of it, what is due, for or from whom."""
    return one_line(_MARKS.get(deadline.state, "") + _due(reader, deadline))


def _due(reader: Reader, deadline: Deadline) -> str:
    duty = words(deadline.duty)
    if reader.person:
        return f"{duty} due from {_party(deadline, deadline.owner)}"
    if not reader.owes(deadline):
        return f"{duty} of doctor {deadline.trainee_id} due from {_party(deadline, deadline.owner)}"
    if deadline.recipient == "trainee":
        return f"{duty} due to doctor {deadline.trainee_id}"
    return f"{duty} of doctor {deadline.trainee_id} due to {_party(deadline, deadline.recipient)}"


def description(placement: Placement, deadline: Deadline) -> str:
    """A deadline with everything behind it: parties, days, placement, where it stands, rule and decision."""
    return printable("\n".join(_sentences(placement, deadline)), kept="\n")


def _sentences(placement: Placement, deadline: Deadline) -> Iterator[str]:
    owner, recipient = _party(deadline, deadline.owner), _party(deadline, deadline.recipient)
    yield f"{words(deadline.duty)} from {owner} to {recipient}, for the placement of doctor {deadline.trainee_id}."
    yield f"Due by {day_with_weekday(deadline.due)}; that day is in time. The placement starts on {day_with_weekday(deadline.start_date)}."
    if deadline.counts:
        yield f"It is {placement.specialty}, {placement.grade}, at {placement.place}."
    if deadline.issued_on:
        late = f", {deadline.days_late} days late" if deadline.days_late else ", in time"
        yield f"Issued on {day_with_weekday(deadline.issued_on)}{late}."
    if deadline.state == "withdrawn":
        yield f"No longer due: {deadline.reason}."
    elif deadline.state in _STATES:
        yield _STATES[deadline.state]
    yield from _why(deadline.rule)
    yield f"Placement {deadline.placement_id}, rule {deadline.rule}, decision {deadline.decision_id}."


@cache
def _why(rule_id: str) -> tuple[str, ...]:
    """Why it is due: the rule in its own words, and where it stands."""
    rules = {rule.id: rule for rule in load_policies("deadlines")[POLICY].rules}
    if rule_id not in rules:
        return ()  # of a policy of the past
    cite = rules[rule_id].cite
    title = load_sources()[cite.source]["title"]
    return (f"Why: {rules[rule_id].because}", f"Source: {title}, {cite.section} ({cite.entry}).")


def words(name: str) -> str:
    """``work-schedule`` -> ``Work schedule``."""
    return name.replace("-", " ").capitalize()


def day_with_weekday(day: date) -> str:
    """``Wednesday 4 August 2027``."""
    return f"{day:%A} {day.day} {day:%B %Y}"


def one_line(text: str) -> str:
    """A text that may have come from anywhere, in one line."""
    return printable(text.replace("\n", " "), kept="")
