"""Facts -> who owns a concern. Pure: the concern as it was raised, the day -> the case and what is to be said."""

from datetime import date, datetime

from services.responsibility.models import Case
from shared.decisions import standing
from shared.events import ConcernRaised, ResponsibilityAssigned
from shared.policies import load_policies
from shared.policies.facts import read_facts
from shared.rules import Decision
from shared.worker import Say

POLICY = "concern"
NOW = ("at-once", "on-receipt", "on-movement")
"""When somebody is to be told as soon as the concern is known; the others wait for a finding, a report or a decision."""


def own(event: ConcernRaised, today: date) -> Decision:
    """Who owns a concern, as at today.

    :raises InvalidFacts: the concern carries facts that the policy does not know.
    """
    policy = load_policies("responsibility")[POLICY]
    return standing(policy, read_facts(policy.facts, event.facts, POLICY), today, subject=event.concern_id)


def opened(event: ConcernRaised, decision: Decision, before: Case | None, now: datetime) -> Case:
    """The case of a concern, as it now stands; a case that was open before goes on in its next version."""
    outcome = decision.outcome or {}
    return Case(
        concern_id=event.concern_id,
        doctor_reference=event.doctor_reference,
        lead_employer=event.lead_employer,
        host=event.host,
        facts=dict(event.facts),
        status="assigned" if decision.outcome else "needs-facts",
        owner=outcome.get("owner", ""),
        case_manager=outcome.get("case_manager", ""),
        decides=outcome.get("decides", ""),
        first=outcome.get("first", []),
        told=outcome.get("told", []),
        needs=decision.body["needs"],
        decision_id=decision.id,
        version=before.version + 1 if before else 1,
        heard_at=now,
    )


def assigned(case: Case) -> list[Say]:
    """What is said of a case: nothing while facts are missing; else who owns it and who is told now."""
    if case.status != "assigned":
        return []
    event = ResponsibilityAssigned(
        concern_id=case.concern_id,
        doctor_reference=case.doctor_reference,
        lead_employer=case.lead_employer,
        host=case.host,
        decision_id=case.decision_id,
        owner=case.owner,
        case_manager=case.case_manager,
        told=[party for party in case.told if party["when"] in NOW],
    )
    return [Say(event, case.version)]
