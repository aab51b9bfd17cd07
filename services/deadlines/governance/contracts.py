"""A contract -> its milestones. Pure: the file of a contract, what was heard of it, the day -> rows and events.

Two questions are put to the policy ``contract-milestones``: what is due before the contract ends and, while the service has not begun,
before it starts. Facts may be missing: then the milestones of those rules that hold in any case are set, and what is to be asked is kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from services.deadlines.governance.milestones import OPEN, Subject, Term, long_day, set_milestone, withdraw
from services.deadlines.models import Contract, Milestone
from shared.decisions import standing
from shared.events import ContractRecorded
from shared.policies import load_policies
from shared.policies.facts import Code, read_facts
from shared.policies.outcomes import Computed
from shared.policies.policy import Rule
from shared.rules import Decision
from shared.worker import Say

POLICY = "contract-milestones"
START, END = "before-the-service-starts", "before-the-contract-ends"
ITS_OWN = ("milestones_asked", "contract_ends_on", "service_start")
"""What is asked, and the days that a contract says itself: these come before whatever its facts say of them."""
AT_START = "start-"
"""How the rules of milestones before the start are told from those before the end."""
BINDS = {
    "must": "It binds under the terms of reference.",
    "should": "It is recommended.",
    "plan": "It is a plan; to fall short of it is no breach.",
    "advice": "It is advice; to fall short of it is no breach.",
}


@dataclass
class ContractFile:
    """Everything known of one contract: itself in every version, oldest first, its milestones in every revision, decisions taken for it."""

    versions: list[Contract] = field(default_factory=list)
    milestones: list[Milestone] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    @property
    def now(self) -> Contract | None:
        """The version in force."""
        return self.versions[-1] if self.versions else None

    def rows(self) -> Iterator[Any]:
        """Every row of the file."""
        yield from self.versions
        yield from self.milestones


def contract_recorded(file: ContractFile, event: ContractRecorded, now: datetime, today: date) -> list[Say]:
    """Take in the contract as it now is; end the milestones that no longer fit, set those that are new, keep the rest.

    A contract that is over when it is first heard of sets none, nor does an end that lies outside the reach of the policy.

    :raises InvalidFacts: the contract carries facts that the policy does not know.
    """
    before = file.now
    taken = _decided(file, event, today)
    contract = _version(event, taken, before, now)
    if before is not None:
        before.replaced_on = today
    file.versions.append(contract)
    wanted = {term.rule: term for asked, decision in taken.items() for term in terms(decision, asked, today)}
    if event.ends_on < today and not file.milestones:
        return []
    said = _end_what_moved(file, wanted, taken, (before, contract), today)
    for term in wanted.values():
        if term.rule.startswith(AT_START) and term.due < today:
            continue  # what led to a contract that is there is no longer planned
        said += set_milestone(file.milestones, Subject(event.contract_id, event.title, event.lead_employer), term, today)
    return said


def _decided(file: ContractFile, event: ContractRecorded, today: date) -> dict[str, Decision]:
    """The decisions by what was asked, the one on the end first. The policy is not asked about days that it states nothing of."""
    policy = load_policies("deadlines")[POLICY]
    told = {name: value for name, value in event.facts.items() if name not in ITS_OWN}
    read_facts(policy.facts, told, POLICY)
    ours: dict[str, dict[str, Any]] = {}
    if policy.facts["contract_ends_on"].reaches(event.ends_on):
        ours[END] = {"contract_ends_on": event.ends_on}
    if event.service_start > today and policy.facts["service_start"].reaches(event.service_start):
        ours[START] = {"service_start": event.service_start}
    taken = {}
    for asked, days in ours.items():
        given = {**told, **days, "milestones_asked": asked}
        taken[asked] = standing(policy, read_facts(policy.facts, given, POLICY), today, subject=event.contract_id)
    file.decisions += taken.values()
    return taken


def _version(event: ContractRecorded, taken: Mapping[str, Decision], before: Contract | None, now: datetime) -> Contract:
    needs = {need["fact"]: need for decision in taken.values() for need in decision.body["needs"]}
    return Contract(
        contract_id=event.contract_id,
        version=before.version + 1 if before else 1,
        title=event.title,
        lead_employer=event.lead_employer,
        service_start=event.service_start,
        ends_on=event.ends_on,
        facts=dict(event.facts),
        status="undetermined" if needs else "decided",
        needs=list(needs.values()),
        decision_ids={asked: decision.id for asked, decision in taken.items()},
        heard_at=now,
    )


# ---- what is owed ------------------------------------------------------------------------------------------------


def terms(decision: Decision, asked: str, today: date) -> list[Term]:
    """The milestones of the rules that hold, whatever the facts are that may still be missing."""
    policy = load_policies("deadlines")[POLICY]
    rules = {rule.id: rule for rule in policy.on(date.fromisoformat(decision.body["as_at"])).rules}
    known = read_facts(policy.facts, decision.body["facts"], POLICY)
    held = [rules[because["rule"]] for because in decision.body["because"]]
    return [
        _term(rule, number, known, asked, decision.id, today) for rule in held for number in range(len(rule.then.get("milestones", ())))
    ]


def _term(rule: Rule, number: int, known: Mapping[str, Code], asked: str, decision_id: str, today: date) -> Term:
    listed = rule.then["milestones"]
    item: dict[str, Any] = {name: _day(value, known) if isinstance(value, Computed) else value for name, value in listed[number]}
    notice = timedelta(days=load_policies("deadlines")[POLICY].parameters["milestone-notice"].number_on(today))
    window = f"From {long_day(item['from'])} to {long_day(item['by'])}. " if "from" in item else ""
    name = rule.id if len(listed) == 1 else f"{rule.id}-{number + 1}"
    return Term(
        rule=f"{AT_START}{name}" if asked == START else name,
        owner=item["who"],
        what=item["does"],
        opens_on=item.get("from"),
        due=item["by"],
        severity=item["severity"],
        detail=f"{window}{BINDS[item['severity']]}",
        decision_id=decision_id,
        next_on=min(item.get("from", item["by"]), item["by"] - notice),
    )


def _day(computed: Computed, known: Mapping[str, Code]) -> date:
    return date.fromordinal(computed.on(int(known[computed.fact])))


# ---- what no longer fits -----------------------------------------------------------------------------------------


def _end_what_moved(
    file: ContractFile, wanted: dict[str, Term], taken: Mapping[str, Decision], versions: tuple[Contract | None, Contract], today: date
) -> list[Say]:
    """Withdraw what no longer fits, take what still does out of ``wanted``; what was met stays met, for its own day."""
    before, contract = versions
    said: list[Say] = []
    for milestone in file.milestones:
        term = wanted.get(milestone.rule)
        same_party = milestone.lead_employer == contract.lead_employer
        if milestone.counts and term is not None and term.fits(milestone) and same_party:
            del wanted[milestone.rule]
            milestone.title = contract.title
        elif milestone.state in OPEN and not _begun(milestone, taken, versions):
            assert before is not None, "a milestone has a contract"
            said += withdraw(milestone, _what_changed(before, contract), today)
    return said


def _begun(milestone: Milestone, taken: Mapping[str, Decision], versions: tuple[Contract | None, Contract]) -> bool:
    """Whether it was due before a service that has begun since, as it was to: nothing about it has moved."""
    before, contract = versions
    began = before is not None and before.service_start == contract.service_start
    return milestone.rule.startswith(AT_START) and START not in taken and began


def _what_changed(before: Contract, contract: Contract) -> str:
    if before.ends_on != contract.ends_on:
        return f"the end of the contract moved from {long_day(before.ends_on)} to {long_day(contract.ends_on)}"
    if before.service_start != contract.service_start:
        return f"the start of the service moved from {long_day(before.service_start)} to {long_day(contract.service_start)}"
    if before.lead_employer != contract.lead_employer:
        return f"the lead employer changed from {before.lead_employer} to {contract.lead_employer}"
    changed = sorted(name for name in before.facts.keys() | contract.facts.keys() if before.facts.get(name) != contract.facts.get(name))
    told = f"what is known of the contract changed ({', '.join(name.replace('_', ' ') for name in changed)})"
    return told if changed else "the policy on milestones changed"
