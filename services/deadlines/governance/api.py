"""HTTP in: contracts with their milestones, milestones that a person records as met, and what each body owed and did in a year."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any, get_args

from flask import Response, request
from flask_smorest import Blueprint
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.deadlines.governance.bodies import Unit
from services.deadlines.governance.contracts import POLICY
from services.deadlines.governance.decisions import COUNTED, shortfall
from services.deadlines.governance.milestones import OPEN, STATES, meet
from services.deadlines.governance.schemas import ContractSchema, MeetingSchema, MetRequest, MilestoneSchema, ReportSchema
from services.deadlines.governance.years import CHECKED, OWED
from services.deadlines.models import AlertReceipt, Contract, GovernedYear, Meeting, Milestone, Report
from services.deadlines.shown import dumped
from shared.answers import answer, if_matches, listed, narrowed, once, running, tagged
from shared.database import hold, transaction
from shared.decisions import DecisionRow
from shared.errors import NotAsThingsStand, Refused, UnknownResource
from shared.events import Verdict
from shared.policies import load_policies
from shared.query import LOWEST_FIRST, known, one_of, takes
from shared.requests import sent_as
from shared.worker import today

SHOWN_OF_ALERTS = ("kind", "channel", "status", "detail")
routes = Blueprint("governance", __name__, description="What a contract owes by when, and what a body owes in a year")


# ---- contracts ---------------------------------------------------------------------------------------------------


@routes.get("/contracts")
@takes("lead_employer", one_of("status", ("decided", "undetermined")), *LOWEST_FIRST)
def list_contracts() -> Response:
    """Contracts as they now are, by id: ``?lead_employer=``, ``?status=`` (decided, undetermined)."""
    wanted = select(Contract).where(Contract.replaced_on.is_(None))
    return listed(
        narrowed(wanted, lead_employer=Contract.lead_employer, status=Contract.status), Contract.contract_id, ContractSchema().dump
    )


@routes.get("/contracts/<path:contract_id>")
def show_contract(contract_id: str) -> Response:
    """A contract: its milestones in force, the decisions behind them, what is still to be asked, and everything that came before."""
    with transaction(running().worker.engine) as session:
        of_it = select(Contract).where(Contract.contract_id == contract_id).order_by(Contract.version)
        versions = list(session.scalars(of_it))
        if not versions:
            raise UnknownResource(f"No contract {contract_id} was heard of here.")
        theirs = select(Milestone).where(Milestone.regarding == contract_id, Milestone.body_id == "")
        milestones = list(session.scalars(theirs.order_by(Milestone.due, Milestone.rule, Milestone.revision)))
        decisions = _decisions(session, set(versions[-1].decision_ids.values()))
    shown = MilestoneSchema()
    return answer(
        {
            **dumped(ContractSchema(), versions[-1]),
            "milestones": [shown.dump(milestone) for milestone in milestones if milestone.counts],
            "decisions": [decisions[id_] for id_ in versions[-1].decision_ids.values() if id_ in decisions],
            "history": {
                "versions": [ContractSchema().dump(version) for version in versions[:-1]],
                "milestones": [shown.dump(milestone) for milestone in milestones if not milestone.counts],
            },
        }
    )


# ---- milestones --------------------------------------------------------------------------------------------------


@routes.get("/milestones")
@takes(one_of("state", STATES), "lead_employer", "regarding", "owner", *LOWEST_FIRST)
def list_milestones() -> Response:
    """Milestones by id: ``?state=``, ``?lead_employer=``, ``?regarding=`` (a contract's id, or a year's), ``?owner=``."""
    wanted = narrowed(
        select(Milestone),
        state=Milestone.state,
        lead_employer=Milestone.lead_employer,
        regarding=Milestone.regarding,
        owner=Milestone.owner,
    )
    return listed(wanted, Milestone.milestone_id, MilestoneSchema().dump)


@routes.get("/milestones/<path:milestone_id>")
def show_milestone(milestone_id: str) -> Response:
    """One milestone, with what became of the alerts about it, and its ETag."""
    with transaction(running().worker.engine) as session:
        milestone = session.get(Milestone, milestone_id)
        if milestone is None:
            raise UnknownResource(f"There is no milestone {milestone_id} here.")
        receipts = session.scalars(select(AlertReceipt).where(AlertReceipt.regarding == milestone_id).order_by(AlertReceipt.alert_key))
        alerts = [{"recipient": row.recipient_id, **{name: getattr(row, name) for name in SHOWN_OF_ALERTS}} for row in receipts]
        return tagged(answer({**dumped(MilestoneSchema(), milestone), "alerts": alerts}), milestone.version)


@routes.post("/milestones/<path:milestone_id>/met")
def record_met(milestone_id: str) -> Response:
    """Record that a milestone of a contract was reached: ``{"met_on", "recorded_by", "note"}``.

    ``If-Match`` refuses it (412) if the milestone has changed since it was read. The same record again is the same answer.
    """
    now = running().now()
    record = _record(today(now))

    def make(session: Session) -> tuple[str, int, str]:
        milestone = _held(session, milestone_id)
        if not _is_recorded(milestone, record):
            _refuse_unless_open(milestone)
            running().worker.say(session, meet(milestone, record["met_on"], record["recorded_by"], record["note"]), now)
        return json.dumps(MilestoneSchema().dump(milestone), ensure_ascii=False), 200, ""

    found = once(make, now)
    return tagged(found, found.get_json()["version"])


def _record(day: date) -> dict[str, Any]:
    """What was sent."""
    record = sent_as(MetRequest())
    problem = ""
    if record["met_on"] > day:
        problem = f"{record['met_on']} has not come yet; record it once it has happened."
    elif record["met_on"] < (first := _first_day()):
        problem = f"must not come before {first}; the policies state nothing of contracts of earlier days."
    if problem:
        raise Refused("The record cannot be used; nothing was changed.", {"met_on": problem})
    return record


def _first_day() -> date:
    """The first day on which the service of a contract can begin, for the policies."""
    return date.fromordinal(load_policies("deadlines")[POLICY].facts["service_start"].least)


def _held(session: Session, milestone_id: str) -> Milestone:
    """The milestone, held until the transaction ends."""
    regarding = session.scalar(select(Milestone.regarding).where(Milestone.milestone_id == milestone_id))
    if regarding is None:
        raise UnknownResource(f"There is no milestone {milestone_id} here.")
    hold(session, [regarding])
    milestone = session.get_one(Milestone, milestone_id)
    if_matches(milestone.version)
    return milestone


def _is_recorded(milestone: Milestone, record: Mapping[str, Any]) -> bool:
    return milestone.state == "met" and all(getattr(milestone, name) == value for name, value in record.items())


def _refuse_unless_open(milestone: Milestone) -> None:
    if milestone.body_id:
        raise NotAsThingsStand("This milestone is met by the meetings and reports themselves: send meeting.held or report.issued for each.")
    if milestone.state not in OPEN:
        since = f" on {milestone.met_on}, recorded by {milestone.recorded_by}" if milestone.state == "met" else f": {milestone.reason}"
        raise NotAsThingsStand(f"The milestone {milestone.milestone_id} is {milestone.state} already{since}.")


# ---- governance --------------------------------------------------------------------------------------------------


@routes.get("/governance")
@takes("year", "lead_employer", "body", "host")
def show_governance() -> Response:
    """What each body owed and did in a calendar year (``?year=``, this year if left out), ``?lead_employer=``, ``?body=``, ``?host=``.

    Meetings that were not quorate count as held; how many were quorate, and whether those alone would be enough, stands beside it.
    """
    year = _year()
    wanted = select(GovernedYear).where(GovernedYear.year == year)
    wanted = narrowed(wanted, lead_employer=GovernedYear.lead_employer, body=GovernedYear.body, host=GovernedYear.host)
    with transaction(running().worker.engine) as session:
        rows = list(session.scalars(wanted.order_by(GovernedYear.year_id)))
        decisions = _decisions(session, {id_ for row in rows for id_ in (row.owed_decision_id, row.checked_decision_id) if id_})
        held, made = _events_of(session, year, {row.lead_employer for row in rows})
    day = today(running().now())
    shown = [_shown_year(row, decisions, day, held[Unit.of(row)], made[Unit.of(row)]) for row in rows]
    return answer({"year": year, "as_at": day.isoformat(), "bodies": shown})


def _year() -> int:
    given = request.args.get("year", str(today(running().now()).year))
    if not re.fullmatch("(19|20)[0-9]{2}", given):
        raise Refused("The list cannot be made.", {"year": f"must be a year such as 2027, not {given!r}."})
    return int(given)


def _events_of(session: Session, year: int, leads: set[str]) -> tuple[dict[Unit, list[Any]], dict[Unit, list[Any]]]:
    first, last = date(year, 1, 1), date(year, 12, 31)
    held: dict[Unit, list[Any]] = defaultdict(list)
    made: dict[Unit, list[Any]] = defaultdict(list)
    meetings = select(Meeting).where(Meeting.lead_employer.in_(leads), Meeting.held_on.between(first, last))
    for meeting in session.scalars(meetings.order_by(Meeting.held_on, Meeting.meeting_id)):
        held[Unit.of(meeting)].append(MeetingSchema().dump(meeting))
    reports = select(Report).where(Report.lead_employer.in_(leads), Report.issued_on.between(first, last))
    for report in session.scalars(reports.order_by(Report.issued_on, Report.report_id)):
        made[Unit.of(report)].append(ReportSchema().dump(report))
    return held, made


def _shown_year(
    row: GovernedYear, decisions: Mapping[str, Any], day: date, held: list[dict[str, Any]], made: list[dict[str, Any]]
) -> dict[str, Any]:
    counts = {"meetings": row.meetings_held, "reports": row.reports_made}
    found: dict[str, Any] = {
        "regarding": row.year_id,
        "body": row.body,
        "lead_employer": row.lead_employer,
        "host": row.host,
        "year": row.year,
        "full_calendar_year": row.facts.get("full_calendar_year"),
        "final": day.year > row.year,
    }
    for counted in COUNTED:
        owed = row.owed.get(counted)
        found[counted] = {
            "owed": owed["number"] if owed else None,
            "severity": owed["severity"] if owed else None,
            "made" if counted == "reports" else "held": counts[counted],
            "verdict": row.checks.get(f"{counted}_check"),
            "shortfall": shortfall(row, counted, day),
        }
    owed = row.owed.get("meetings")
    found["meetings"]["quorate"] = row.meetings_quorate
    found["meetings"]["enough_if_only_quorate_count"] = row.meetings_quorate >= owed["number"] if owed else None
    found["alignment"] = row.checks.get("alignment_check")
    found["needs"] = row.needs
    found["decisions"] = {OWED: row.owed_decision_id or None, CHECKED: row.checked_decision_id or None}
    found["because"] = [reason for id_ in (row.owed_decision_id, row.checked_decision_id) for reason in _reasons(decisions.get(id_))]
    return {**found, "held": held, "reported": made}


def _reasons(decision: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    because = decision["because"] if decision else ()
    return [{"rule": reason["rule"], "says": reason["says"], "cite": reason["cite"]} for reason in because]


@routes.get("/meetings")
@takes("lead_employer", "body", "host", known("verdict", get_args(Verdict)), *LOWEST_FIRST)
def list_meetings() -> Response:
    """Meetings by id: ``?lead_employer=``, ``?body=``, ``?host=``, ``?verdict=`` (quorate, not-quorate, not-stated, undetermined)."""
    wanted = select(Meeting)
    narrow = {"lead_employer": Meeting.lead_employer, "body": Meeting.body, "host": Meeting.host, "verdict": Meeting.verdict}
    return listed(narrowed(wanted, **narrow), Meeting.meeting_id, MeetingSchema().dump)


@routes.get("/reports")
@takes("lead_employer", "body", "host", *LOWEST_FIRST)
def list_reports() -> Response:
    """Reports by id: ``?lead_employer=``, ``?body=``, ``?host=``."""
    wanted = narrowed(select(Report), lead_employer=Report.lead_employer, body=Report.body, host=Report.host)
    return listed(wanted, Report.report_id, ReportSchema().dump)


def _decisions(session: Session, ids: set[str]) -> dict[str, Any]:
    return {row.id: json.loads(row.body) for row in session.scalars(select(DecisionRow).where(DecisionRow.id.in_(ids)))}
