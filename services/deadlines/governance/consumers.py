"""Contracts and governance, events in: what a batch needs of them, and the handlers. The sentences stand in contracts.py and decisions.py.

Whoever works on the bodies of a lead employer holds its governance: two meetings that are heard at once are counted one after the other.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Select, and_, delete, or_, select
from sqlalchemy.orm import Session

from services.deadlines.governance import contracts, decisions
from services.deadlines.governance.bodies import BOARD, COMMITTEE, BodyFile, Unit
from services.deadlines.governance.contracts import ContractFile
from services.deadlines.governance.years import OWED
from services.deadlines.models import Contract, GovernedBody, GovernedYear, Meeting, Milestone, Report
from shared.database import hold
from shared.decisions import store
from shared.events import ContractRecorded, Event, MeetingHeld, QuorumDecided, ReportIssued
from shared.policies import load_policies
from shared.wire import Message
from shared.worker import Say, today

HEARD = (ContractRecorded, MeetingHeld, QuorumDecided, ReportIssued)


class Governed:
    """The files of the contracts and bodies that a batch is about."""

    def __init__(self) -> None:
        self.contracts: dict[str, ContractFile] = defaultdict(ContractFile)
        self.bodies: dict[Unit, BodyFile] = {}
        self.meetings: dict[str, Meeting] = {}
        self.reports: dict[str, Report] = {}

    def rows(self, session: Session) -> Iterator[Any]:
        """Every row to be written; the decisions that rows refer to are put on record as well, and rows that were dropped go first."""
        _delete(session, [row for file in self.bodies.values() for row in file.dropped])
        policies = load_policies("deadlines")
        for contract_id, contract in self.contracts.items():
            for decision in contract.decisions:
                store(session, policies[contracts.POLICY], decision, subject=contract_id)
            yield from contract.rows()
        for file in self.bodies.values():
            years = file.years.values()
            meant = {id_ for year in years for id_ in (year.owed_decision_id, year.checked_decision_id)}
            meant |= {milestone.decision_id for milestone in file.milestones}
            for policy, subject, decision in file.decisions.values():
                if decision.id in meant:
                    store(session, policies[policy], decision, subject)
            yield from file.rows()
        yield from self.meetings.values()
        yield from self.reports.values()

    def settle(self, units: Iterable[Unit], now: datetime) -> list[Say]:
        """Judge the years of these bodies anew, by what is known now."""
        return [saying for unit in dict.fromkeys(units) for saying in decisions.settle(self.file(unit), today(now))]

    def file(self, unit: Unit) -> BodyFile:
        """The file of a body, with what is known of it now."""
        file = self.bodies.setdefault(unit, BodyFile(unit))
        board = Unit(BOARD, unit.lead_employer, "")
        file.contracts = self._in_force(unit.lead_employer)
        file.meetings = [meeting for meeting in self.meetings.values() if Unit.of(meeting) == unit]
        file.reports = [report for report in self.reports.values() if Unit.of(report) == unit]
        file.board = [meeting.held_on for meeting in self.meetings.values() if Unit.of(meeting) == board]
        return file

    def _in_force(self, lead_employer: str) -> list[Contract]:
        found = (file.now for file in self.contracts.values())
        return [contract for contract in found if contract is not None and contract.lead_employer == lead_employer]


def _delete(session: Session, dropped: Sequence[GovernedBody | GovernedYear]) -> None:
    """Delete rows that were dropped. What came back in the same batch is written anew after it."""
    years = [row.year_id for row in dropped if isinstance(row, GovernedYear)]
    bodies = [row.body_id for row in dropped if isinstance(row, GovernedBody)]
    if years:
        session.execute(delete(GovernedYear).where(GovernedYear.year_id.in_(years)))
    if bodies:
        session.execute(delete(GovernedBody).where(GovernedBody.body_id.in_(bodies)))


class Known(Protocol):
    """What a batch knows, as the handlers here need it."""

    @property
    def governed(self) -> Governed:
        """What it knows of contracts and bodies."""


# ---- what a batch needs ------------------------------------------------------------------------------------------


def read(session: Session, events: Sequence[Event]) -> Governed:
    """What these events need; nothing is asked of the database if none of them is about a contract or a body."""
    heard = [event for event in events if isinstance(event, HEARD)]
    if not heard:
        return Governed()
    contract_ids = {event.contract_id for event in heard if isinstance(event, ContractRecorded)}
    meeting_ids = {event.meeting_id for event in heard if isinstance(event, MeetingHeld | QuorumDecided)}
    was = session.scalars(select(Contract.lead_employer).where(Contract.contract_id.in_(contract_ids)))
    units = {Unit.of(event) for event in heard if not isinstance(event, ContractRecorded)}
    placed = session.execute(select(Meeting.body, Meeting.lead_employer, Meeting.host).where(Meeting.meeting_id.in_(meeting_ids)))
    units |= {Unit.of(row) for row in placed}
    leads = {event.lead_employer for event in heard} | {*was} | {unit.lead_employer for unit in units}
    hold_governance(session, leads)
    contracted = {event.lead_employer for event in heard if isinstance(event, ContractRecorded)} | {*was}
    governed = known_of(session, units, contract_ids=contract_ids, lead_employers=contracted, leads=leads)
    report_ids = {event.report_id for event in heard if isinstance(event, ReportIssued)}
    there = session.scalars(select(Report).where(Report.report_id.in_(report_ids)))  # whichever body they are of
    governed.reports |= {report.report_id: report for report in there}
    return governed


def hold_governance(session: Session, lead_employers: Iterable[str]) -> None:
    """Make others wait who work on the bodies of these lead employers."""
    hold(session, {f"the governance of {lead_employer}" for lead_employer in lead_employers})


def known_of(
    session: Session,
    units: Iterable[Unit],
    *,
    contract_ids: Iterable[str] = (),
    lead_employers: Iterable[str] = (),
    leads: Iterable[str] = (),
) -> Governed:
    """The files of these contracts and bodies, of all bodies of ``lead_employers``, and the contracts in force of ``leads``."""
    governed = Governed()
    ids = set(contract_ids)
    in_force = and_(Contract.lead_employer.in_(set(leads)), Contract.replaced_on.is_(None))
    meant = select(Contract).where(or_(Contract.contract_id.in_(ids), in_force))
    for contract in session.scalars(meant.order_by(Contract.contract_id, Contract.version)):
        governed.contracts[contract.contract_id].versions.append(contract)
    wanted = {*units} | {
        Unit.of(row) for row in session.scalars(select(GovernedBody).where(GovernedBody.lead_employer.in_(set(lead_employers))))
    }
    boards = {unit for unit in wanted if unit.body in (BOARD, COMMITTEE)}
    wanted |= {Unit(body, unit.lead_employer, "") for unit in boards for body in (BOARD, COMMITTEE)}
    _read_bodies(session, governed, wanted)
    for milestone in session.scalars(_milestones(Milestone.body_id == "", Milestone.regarding.in_(ids))):
        governed.contracts[milestone.regarding].milestones.append(milestone)
    return governed


def _milestones(*where: ColumnElement[bool]) -> Select[Milestone]:
    return select(Milestone).where(*where).order_by(Milestone.due, Milestone.rule, Milestone.revision)


def _read_bodies(session: Session, governed: Governed, wanted: set[Unit]) -> None:
    governed.bodies |= {unit: BodyFile(unit) for unit in wanted}
    by_id = {unit.id: file for unit, file in governed.bodies.items()}
    for body in session.scalars(select(GovernedBody).where(GovernedBody.body_id.in_(by_id))):
        by_id[body.body_id].body = body
    for year in session.scalars(select(GovernedYear).where(GovernedYear.body_id.in_(by_id))):
        by_id[year.body_id].years[year.year] = year
    for milestone in session.scalars(_milestones(Milestone.body_id.in_(by_id))):
        by_id[milestone.body_id].milestones.append(milestone)
    bodies, leads, hosts = ({unit[place] for unit in wanted} for place in range(3))
    met = select(Meeting).where(Meeting.lead_employer.in_(leads), Meeting.body.in_(bodies), Meeting.host.in_(hosts))
    governed.meetings |= {meeting.meeting_id: meeting for meeting in session.scalars(met)}
    made = select(Report).where(Report.lead_employer.in_(leads), Report.body.in_(bodies), Report.host.in_(hosts))
    governed.reports |= {report.report_id: report for report in session.scalars(made)}


# ---- handlers ----------------------------------------------------------------------------------------------------


def contract_recorded(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """A contract is new or has changed: its milestones, and what its bodies owe."""
    event = message.data
    assert isinstance(event, ContractRecorded)
    governed = known.governed
    file = governed.contracts[event.contract_id]
    leads = {event.lead_employer} | ({file.now.lead_employer} if file.now else set())
    said = contracts.contract_recorded(file, event, now, today(now))
    theirs = [unit for unit, body in governed.bodies.items() if unit.lead_employer in leads and body.body is not None]
    return [*said, *governed.settle(theirs, now)]


def meeting_held(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """A meeting was held; told again, it is corrected."""
    event = message.data
    assert isinstance(event, MeetingHeld)
    return _met(known.governed, event, now, north_west_terms=_said_of_terms(event))


def quorum_decided(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """Whether a meeting was quorate was decided, whether it was heard of here before or not."""
    event = message.data
    assert isinstance(event, QuorumDecided)
    before = known.governed.meetings.get(event.meeting_id)
    if before is None:
        return _met(known.governed, event, now, verdict=event.verdict, decision_id=event.decision_id)
    before.verdict, before.decision_id = event.verdict, event.decision_id
    return known.governed.settle([Unit.of(before)], now)


def report_issued(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """A body reported, as a fact that is taken in once."""
    event = message.data
    assert isinstance(event, ReportIssued)
    if event.report_id in known.governed.reports:
        return []
    unit = Unit.of(event)
    known.governed.reports[event.report_id] = Report(event.report_id, *unit, issued_on=event.issued_on)
    return known.governed.settle([unit], now)


def _met(governed: Governed, event: MeetingHeld | QuorumDecided, now: datetime, **more: Any) -> list[Say]:
    unit = Unit.of(event)
    row = governed.meetings.get(event.meeting_id)
    was = Unit.of(row) if row is not None else unit
    if row is None:
        row = governed.meetings[event.meeting_id] = Meeting(event.meeting_id, *unit, held_on=event.held_on, north_west_terms=None)
    for name, value in {**unit._asdict(), "held_on": event.held_on, **more}.items():
        setattr(row, name, value)
    touched = [was, unit]
    touched += [Unit(COMMITTEE, each.lead_employer, "") for each in touched if each.body == BOARD]
    return governed.settle([each for each in touched if each in governed.bodies], now)


def _said_of_terms(event: MeetingHeld) -> bool | None:
    """Whether the North West's terms apply, as a meeting says; what cannot be read is responsibility's to refuse."""
    fact = load_policies("deadlines")[OWED].facts["north_west_terms"]
    try:
        return bool(fact.read(event.facts["north_west_terms"])) if "north_west_terms" in event.facts else None
    except ValueError:
        return None
