"""Meetings and reports -> what a body owes in a calendar year, and whether it was enough. Pure: a body's file, the day -> rows, events.

What is owed is asked of the policy ``governance-calendar``, whether it was enough of ``governance-year``. A number that binds, or that is
usual, is a milestone of the year: ``2 meetings by 31 December 2027``.

* Every meeting held counts, quorate or not: the terms count meetings, and say of a quorum only what such a meeting needs (catalogue
  3.11-3.25, 8.5). Those that were quorate are counted beside them.
* A year is whole if the lead employer's contracts on record cover it; where none is on record, if the body was known before it began.
  Of a year that was covered in part fewer are reported, and never missed.
* Whether the North West's terms apply is what the body's last meeting said, else what the contracts say; else it is asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

from services.deadlines.milestones import OPEN, Subject, Term, days_of, in_force, long_day, meet, set_milestone, struck, withdraw
from services.deadlines.models import Contract, GovernedBody, GovernedYear, Meeting, Milestone, Report
from shared.decisions import standing
from shared.errors import NotInForce
from shared.policies import load_policies
from shared.policies.facts import read_facts
from shared.rules import Decision
from shared.worker import Say

OWED, CHECKED = "governance-calendar", "governance-year"
BOARD, COMMITTEE, HOST_MEETING = "management-board", "performance-and-contract-management-committee", "host-meeting"
COUNTED = ("meetings", "reports")
BINDING = ("must", "should")
MOST = 366


class Unit(NamedTuple):
    """A body of a lead employer's arrangement; ``host`` is that of a host meeting, and empty for the others."""

    body: str
    lead_employer: str
    host: str

    @classmethod
    def of(cls, row: Any) -> "Unit":
        """The unit that an event or a row is about."""
        return cls(row.body, row.lead_employer, row.host if row.body == HOST_MEETING else "")

    @property
    def id(self) -> str:
        """Its id: ``management-board/RBN``."""
        return "/".join(quote(part, safe="") for part in self if part)

    @property
    def name(self) -> str:
        """How a message calls it."""
        with_host = f" with {self.host}" if self.host else ""
        return f"{self.body.replace('-', ' ').capitalize()}{with_host}"


@dataclass
class BodyFile:
    """Everything known of one body.

    :param contracts: those of its lead employer that are in force.
    :param board: the days on which the Management Board of the same lead employer met.
    """

    unit: Unit
    body: GovernedBody | None = None
    years: dict[int, GovernedYear] = field(default_factory=dict)
    meetings: list[Meeting] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    milestones: list[Milestone] = field(default_factory=list)
    contracts: Sequence[Contract] = ()
    board: Sequence[date] = ()
    decisions: dict[str, tuple[str, str, Decision]] = field(default_factory=dict)

    def rows(self) -> Iterator[Any]:
        """Every row of the file that is its own."""
        yield from (row for row in (self.body, *self.years.values(), *self.milestones) if row is not None)

    def days(self, counted: str, year: int) -> list[date]:
        """The days of a year on which it met, or reported, in their order."""
        found = [meeting.held_on for meeting in self.meetings] if counted == "meetings" else [report.issued_on for report in self.reports]
        return sorted(day for day in found if day.year == year)


# ---- the sentences -----------------------------------------------------------------------------------------------


def settle(file: BodyFile, today: date) -> list[Say]:
    """Judge every year of a body that has one more meeting or report, or whose terms or contract changed; keep its milestones in step."""
    days = [*(meeting.held_on for meeting in file.meetings), *(report.issued_on for report in file.reports)]
    if not days and file.body is None:
        return []
    first = min(days, default=file.body.first_on if file.body else today)
    opening = file.body.next_on.year if file.body else today.year
    file.body = _body(file, first, today)
    said: list[Say] = []
    for year in sorted({day.year for day in days} | file.years.keys() | set(range(opening, today.year + 1))):
        if year in file.years or file.days("meetings", year) or file.days("reports", year) or _runs(file.contracts, year):
            said += _settle_year(file, year, may_set=year >= min(opening, today.year), today=today)
    return said


def clock_struck(file: BodyFile, milestone: Milestone, today: date) -> list[Say]:
    """A milestone of a year whose day has come: a shortfall is said while the year can mend it, and after its end, if it was whole."""
    year = file.years[milestone.due.year]
    milestone.detail = _detail(file, year, milestone.rule, today)
    if today > milestone.due and not year.facts["full_calendar_year"]:
        return withdraw(milestone, f"{year.year} was covered only in part: {milestone.detail}", today)
    return struck(milestone, today)


def _body(file: BodyFile, first: date, today: date) -> GovernedBody:
    unit, next_on = file.unit, date(today.year + 1, 1, 1)
    if file.body is None:
        return GovernedBody(unit.id, unit.body, unit.lead_employer, unit.host, first_on=first, next_on=next_on)
    file.body.first_on, file.body.next_on = min(first, file.body.first_on), max(next_on, file.body.next_on)
    return file.body


# ---- one year ----------------------------------------------------------------------------------------------------


def _settle_year(file: BodyFile, year: int, *, may_set: bool, today: date) -> list[Say]:
    row = file.years[year] = _judged(file, year, today)
    said: list[Say] = []
    for counted in COUNTED:
        said += _settle_count(file, row, counted, may_set=may_set, today=today)
    return said


def _judged(file: BodyFile, year: int, today: date) -> GovernedYear:
    """The year as the policies judge it; a decision is taken anew only if its facts have changed."""
    row = file.years.get(year) or _new_year(file.unit, year)
    held = [meeting for meeting in file.meetings if meeting.held_on.year == year]
    row.meetings_held, row.reports_made = len(held), len(file.days("reports", year))
    row.meetings_quorate = sum(meeting.verdict == "quorate" for meeting in held)
    facts = _facts(file, year)
    if facts == row.facts:
        return row
    day = min(today, date(year, 12, 31))
    owed, checked = _decision(file, OWED, facts, day, row), _decision(file, CHECKED, facts, day, row)
    needs = {need["fact"]: need for decision in (owed, checked) if decision for need in decision.body["needs"]}
    row.facts, row.needs = facts, list(needs.values())
    row.owed = _owed(owed) if owed else {}
    row.checks = dict(checked.outcome or {}) if checked else {}
    row.owed_decision_id, row.checked_decision_id = owed.id if owed else "", checked.id if checked else ""
    return row


def _new_year(unit: Unit, year: int) -> GovernedYear:
    return GovernedYear(f"{unit.id}/{year}", unit.id, unit.body, unit.lead_employer, unit.host, year, {}, 0, 0, 0, {}, {}, [], "", "")


def _facts(file: BodyFile, year: int) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "body": file.unit.body,
        "meetings_held": min(MOST, len(file.days("meetings", year))),
        "reports_made": min(MOST, len(file.days("reports", year))),
        "full_calendar_year": _whole(file, year),
    }
    if (terms := north_west_terms(file)) is not None:
        facts["north_west_terms"] = terms
    board = sorted(day for day in file.board if day.year == year)
    if file.unit.body == COMMITTEE and board:
        met = file.days("meetings", year)
        facts["met_before_every_board"] = len(met) >= len(board) and all(day <= on for day, on in zip(met, board, strict=False))
    return facts


def _decision(file: BodyFile, policy_name: str, facts: Mapping[str, Any], day: date, row: GovernedYear) -> Decision | None:
    policy = load_policies("deadlines")[policy_name]
    asked = {name: value for name, value in facts.items() if name in policy.facts}
    try:
        decision = standing(policy, read_facts(policy.facts, asked, policy_name), day, subject=row.year_id)
    except NotInForce:
        return None  # before the documents nothing is stated
    file.decisions[decision.id] = (policy_name, row.year_id, decision)
    return decision


def _owed(decision: Decision) -> dict[str, Any]:
    """How many meetings and reports are owed, how far each number binds, and who owes it; empty while that is not decided."""
    outcome = decision.outcome or {}
    found: dict[str, Any] = {}
    if outcome.get("severity") in BINDING:
        found["meetings"] = {"number": outcome["meetings_a_year"], "severity": outcome["severity"], "owner": outcome_body(decision)}
    numbered = [report for report in outcome.get("reports", ()) if "times_a_year" in report and report["severity"] in BINDING]
    if numbered:
        owner = numbered[0]["who"] if numbered[0]["who"] == "contract-manager" else outcome_body(decision)
        number = sum(report["times_a_year"] for report in numbered)
        found["reports"] = {"number": number, "severity": numbered[0]["severity"], "owner": owner}
    return found


def outcome_body(decision: Decision) -> str:
    """The body that a decision is about."""
    return str(decision.body["facts"]["body"])


def north_west_terms(file: BodyFile) -> bool | None:
    """Whether the North West's terms apply to a body, as was last said; None if nobody has."""
    said = [
        (meeting.held_on, meeting.meeting_id, meeting.north_west_terms) for meeting in file.meetings if meeting.north_west_terms is not None
    ]
    if said:
        return max(said)[2]
    policy = load_policies("deadlines")[OWED]
    contracts = sorted(file.contracts, key=lambda contract: (contract.heard_at, contract.contract_id), reverse=True)
    told = [contract.facts["north_west_terms"] for contract in contracts if "north_west_terms" in contract.facts]
    return bool(policy.facts["north_west_terms"].read(told[0])) if told else None


def _whole(file: BodyFile, year: int) -> bool:
    """Whether the body existed, and a contract ran, for the whole of a year, by what is on record."""
    if not file.contracts:
        return file.body is not None and file.body.first_on <= date(year, 1, 1)
    covered = date(year, 1, 1)
    for contract in sorted(file.contracts, key=lambda contract: contract.service_start):
        if contract.service_start <= covered:
            covered = max(covered, contract.ends_on + timedelta(days=1))
    return covered > date(year, 12, 31)


def _runs(contracts: Sequence[Contract], year: int) -> bool:
    """Whether a contract on record runs on some day of a year; one that is not on record may."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    return not contracts or any(contract.service_start <= last and contract.ends_on >= first for contract in contracts)


# ---- one number of one year --------------------------------------------------------------------------------------


def _settle_count(file: BodyFile, row: GovernedYear, counted: str, *, may_set: bool, today: date) -> list[Say]:
    term = _term(file, row, counted, today)
    there = in_force(file.milestones, row.year_id, counted)
    if term is None:
        reason = f"no number of {counted} is known to bind this body in {row.year}"
        return [saying for milestone in there if milestone.state in OPEN for saying in withdraw(milestone, reason, today)]
    said: list[Say] = []
    for milestone in there:
        if not term.fits(milestone) or _was_settled_otherwise(file, row, milestone):
            said += withdraw(milestone, f"what is known of {row.year} was corrected: {term.detail}", today)
    over_in_part = today > term.due and not row.facts["full_calendar_year"]
    if may_set and not over_in_part and not in_force(file.milestones, row.year_id, counted):
        subject = Subject(row.year_id, f"{file.unit.name}, {row.year}", row.lead_employer, row.body_id)
        said += set_milestone(file.milestones, subject, term, today)
    for milestone in in_force(file.milestones, row.year_id, counted):
        milestone.detail = term.detail
        said += _meet_if_enough(file, row, milestone)
    return said


def _term(file: BodyFile, row: GovernedYear, counted: str, today: date) -> Term | None:
    owed = row.owed.get(counted)
    if owed is None:
        return None
    due = date(row.year, 12, 31)
    return Term(
        rule=counted,
        owner=owed["owner"],
        what=f"{_so_many(owed['number'], counted)} by {long_day(due)}",
        opens_on=None,
        due=due,
        severity=owed["severity"],
        detail=_detail(file, row, counted, today),
        decision_id=row.owed_decision_id,
        next_on=due - timedelta(days=days_of(CHECKED, "shortfall-notice", today)),
    )


def _was_settled_otherwise(file: BodyFile, row: GovernedYear, milestone: Milestone) -> bool:
    """Whether it was met by what turned out not to have been, or missed in a year that turned out not to be whole."""
    enough = len(file.days(milestone.rule, row.year)) >= row.owed[milestone.rule]["number"]
    return not enough and (milestone.state == "met" or (milestone.state == "missed" and not row.facts["full_calendar_year"]))


def _meet_if_enough(file: BodyFile, row: GovernedYear, milestone: Milestone) -> list[Say]:
    number = row.owed[milestone.rule]["number"]
    days = file.days(milestone.rule, row.year)
    if len(days) < number or (milestone.state == "met" and milestone.met_on == days[number - 1]):
        return []
    return meet(milestone, days[number - 1])


def shortfall(row: GovernedYear, counted: str, today: date) -> str:
    """What a year lacks, in a sentence; empty if nothing is owed, or nothing lacks."""
    owed, made = row.owed.get(counted), row.meetings_held if counted == "meetings" else row.reports_made
    if owed is None or made >= owed["number"]:
        return ""
    lacking, end = owed["number"] - made, date(row.year, 12, 31)
    needed = f"{lacking} more {'is' if lacking == 1 else 'are'} needed by {long_day(end)}"
    lacked = f"{lacking} {'was' if lacking == 1 else 'were'} lacking on {long_day(end)}"
    return f"{made} of {_so_many(owed['number'], counted)} {_done(counted)}; {lacked if today > end else needed}."


def _detail(file: BodyFile, row: GovernedYear, counted: str, today: date) -> str:
    owed, made = row.owed[counted], row.meetings_held if counted == "meetings" else row.reports_made
    said = [shortfall(row, counted, today) or f"{made} of {_so_many(owed['number'], counted)} {_done(counted)}."]
    if made < owed["number"] and not row.facts["full_calendar_year"]:
        said.append("The year is covered only in part, so fewer is reported and is no breach.")
    elif made < owed["number"] and owed["severity"] == "should":
        said.append("The number is the usual one; fewer is a warning, not a breach.")
    not_quorate = sum(meeting.verdict == "not-quorate" for meeting in file.meetings if meeting.held_on.year == row.year)
    if counted == "meetings" and not_quorate:
        said.append(
            f"Of those held {not_quorate} {'was' if not_quorate == 1 else 'were'} not quorate; the terms count meetings, so all count."
        )
    return " ".join(said)


def _so_many(number: int, counted: str) -> str:
    return f"{number} {counted.removesuffix('s') if number == 1 else counted}"


def _done(counted: str) -> str:
    return "held" if counted == "meetings" else "made"
