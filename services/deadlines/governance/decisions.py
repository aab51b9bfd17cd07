"""Meetings and reports -> what a body owes in a calendar year, and whether that was enough. Pure: its file, the day -> rows and events.

A number that binds, or that is usual, is a milestone of the year: ``2 meetings by 31 December 2027``. Of a year that was covered in part
fewer are reported, and never missed. How a year is judged stands in years.py.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from services.deadlines.governance.bodies import BodyFile
from services.deadlines.governance.milestones import OPEN, Subject, Term, in_force, long_day, meet, set_milestone, struck, withdraw
from services.deadlines.governance.years import CHECKED, OWED, judged
from services.deadlines.models import Contract, GovernedBody, GovernedYear, Milestone
from shared.policies import load_policies
from shared.worker import Say

COUNTED = ("meetings", "reports")


# ---- the sentences -----------------------------------------------------------------------------------------------


def settle(file: BodyFile, today: date) -> list[Say]:
    """Judge every year of a body by the meetings, reports and contracts that stand now; keep its milestones in step.

    The last word alone decides: what was told wrongly and then corrected leaves no year behind, nor a body of which nothing is left.
    """
    days = [*(meeting.held_on for meeting in file.meetings), *(report.issued_on for report in file.reports)]
    years = _years(file.contracts, days, today)
    said = [saying for year in sorted(file.years.keys() - years) for saying in _drop_year(file, year, days, today)]
    opening = file.body.next_on.year if file.body else today.year
    if days:
        file.body = _body(file, min(days), today)
    elif file.body is not None:
        file.dropped.append(file.body)
        file.body = None
    for year in sorted(years):
        said += _settle_year(file, year, may_set=year >= min(opening, today.year), today=today)
    return said


def clock_struck(file: BodyFile, milestone: Milestone, today: date) -> list[Say]:
    """A milestone of a year whose day has come: a shortfall is said while the year can mend it, and after its end, if it was whole."""
    year = file.years[milestone.due.year]
    milestone.detail = _detail(file, year, milestone.rule, today)
    if today > milestone.due and not year.facts["full_calendar_year"]:
        return withdraw(milestone, f"{year.year} was covered only in part: {milestone.detail}", today)
    return struck(milestone, today)


def _years(contracts: Sequence[Contract], days: Sequence[date], today: date) -> set[int]:
    """The years of a body: those in which it met or reported, and since the first of them those in which a contract may run.

    Before the documents were written nothing is owed: such a year is one only if something was done in it.
    """
    if not days:
        return set()
    stated_since = load_policies("deadlines")[OWED].first_days[0]
    since = max(min(days), stated_since).year
    return {day.year for day in days} | {year for year in range(since, today.year + 1) if _runs(contracts, year)}


def _drop_year(file: BodyFile, year: int, days: Sequence[date], today: date) -> list[Say]:
    """Let a year go that is none of this body's any more, by what is on record now; its milestones stay, withdrawn."""
    row = file.years.pop(year)
    file.dropped.append(row)
    reason = f"what is known of {year} was corrected: the body is not on record for it"
    if days and min(days).year <= year <= today.year:
        reason = f"no contract on record runs in {year}"
    theirs = [milestone for milestone in file.milestones if milestone.regarding == row.year_id and milestone.counts]
    return [saying for milestone in theirs for saying in withdraw(milestone, reason, today)]


def _body(file: BodyFile, first: date, today: date) -> GovernedBody:
    unit, next_on = file.unit, date(today.year + 1, 1, 1)
    if file.body is None:
        return GovernedBody(unit.id, unit.body, unit.lead_employer, unit.host, first_on=first, next_on=next_on)
    file.body.first_on, file.body.next_on = first, max(next_on, file.body.next_on)
    return file.body


def _runs(contracts: Sequence[Contract], year: int) -> bool:
    """Whether a contract on record runs on some day of a year; one that is not on record may."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    return not contracts or any(contract.service_start <= last and contract.ends_on >= first for contract in contracts)


# ---- one number of one year --------------------------------------------------------------------------------------


def _settle_year(file: BodyFile, year: int, *, may_set: bool, today: date) -> list[Say]:
    row = file.years[year] = judged(file, year, today)
    said: list[Say] = []
    for counted in COUNTED:
        said += _settle_count(file, row, counted, may_set=may_set, today=today)
    return said


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
        subject = Subject(row.year_id, f"{file.unit.name}, {row.year}", row.lead_employer, row.body_id, row.host)
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
        next_on=due - timedelta(days=load_policies("deadlines")[CHECKED].parameters["shortfall-notice"].number_on(today)),
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
