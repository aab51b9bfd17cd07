"""A calendar year of a body, as the policies judge it. Pure: its file, the day -> the row of the year, and the decisions taken.

What is owed is asked of the policy ``governance-calendar``, whether it was enough of ``governance-year``.

* Every meeting held counts, quorate or not: the terms count meetings, and say of a quorum only what such a meeting needs (catalogue
  3.11-3.25, 8.5). Those that were quorate are counted beside them.
* A year is whole if the lead employer's contracts on record cover it; where none is on record, if the body was known before it began.
* Whether the North West's terms apply is what the body's last meeting said, else what the contracts say; else it is asked for.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from services.deadlines.governance.bodies import COMMITTEE, BodyFile, Unit
from services.deadlines.models import GovernedYear
from shared.decisions import standing
from shared.errors import NotInForce
from shared.policies import load_policies
from shared.policies.facts import read_facts
from shared.rules import Decision

OWED, CHECKED = "governance-calendar", "governance-year"
BINDING = ("must", "should")
MOST = 366
"""As many meetings or reports of one year as the policies can be told of."""


def judged(file: BodyFile, year: int, today: date) -> GovernedYear:
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
        "full_calendar_year": _is_whole(file, year),
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
        found["meetings"] = {"number": outcome["meetings_a_year"], "severity": outcome["severity"], "owner": _body_asked(decision)}
    numbered = [report for report in outcome.get("reports", ()) if "times_a_year" in report and report["severity"] in BINDING]
    if numbered:
        owner = numbered[0]["who"] if numbered[0]["who"] == "contract-manager" else _body_asked(decision)
        number = sum(report["times_a_year"] for report in numbered)
        found["reports"] = {"number": number, "severity": numbered[0]["severity"], "owner": owner}
    return found


def _body_asked(decision: Decision) -> str:
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


def _is_whole(file: BodyFile, year: int) -> bool:
    """Whether the body existed, and a contract ran, for the whole of a year, by what is on record."""
    if not file.contracts:
        return file.body is not None and file.body.first_on <= date(year, 1, 1)
    covered = date(year, 1, 1)
    for contract in sorted(file.contracts, key=lambda contract: contract.service_start):
        if contract.service_start <= covered:
            covered = max(covered, contract.ends_on + timedelta(days=1))
    return covered > date(year, 12, 31)
