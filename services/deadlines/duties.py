"""What the policy says of placements: which duties there are, how early a reminder comes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from shared.decisions import standing
from shared.events import PlacementUpdated
from shared.policies import load_policies
from shared.policies.facts import read_facts
from shared.rules import Decision

POLICY = "placement-deadlines"


@dataclass(frozen=True)
class Duty:
    """One duty that the policy concludes, with the rule that does. ``next_on`` is the day on which the clock must look at it first."""

    rule: str
    duty: str
    owner: str
    recipient: str
    due: date
    caused_by: str
    next_on: date


def can_be_asked(start_date: date) -> bool:
    """Whether the policy can be asked about a placement that starts on a day; it states nothing of earlier ones."""
    return load_policies("deadlines")[POLICY].facts["start_date"].reaches(start_date)


def placement_duties(event: PlacementUpdated, today: date) -> tuple[Decision, tuple[Duty, ...]]:
    """What the policy says is due for a placement, as at today."""
    return _duties(event.start_date, event.placement_type, event.host == event.lead_employer, today)


@lru_cache(maxsize=4096)
def _duties(start_date: date, placement_type: str, host_is_lead_employer: bool, today: date) -> tuple[Decision, tuple[Duty, ...]]:
    policy = load_policies("deadlines")[POLICY]
    given = {"start_date": start_date, "placement_type": placement_type, "host_is_lead_employer": host_is_lead_employer}
    decision = standing(policy, read_facts(policy.facts, given, POLICY), today)
    rules = [because["rule"] for because in decision.body["because"]]  # the policy has one duty a rule, in the same order
    concluded = zip(rules, (decision.outcome or {"duties": []})["duties"], strict=True)
    return decision, tuple(_duty(rule, told, today) for rule, told in concluded)


def _duty(rule: str, told: Mapping[str, str], today: date) -> Duty:
    due = date.fromisoformat(told["due"])
    return Duty(rule, told["duty"], told["owner"], told["recipient"], due, told["caused_by"], next_on=reminded_on(due, today))


def reminded_on(due: date, set_on: date) -> date:
    """The day on which the owner of a deadline is reminded of it, by what held on the day when it was set."""
    return due - timedelta(days=approaching_notice(set_on))


@lru_cache(maxsize=64)
def approaching_notice(day: date) -> int:
    """How many days before the due day a reminder goes out."""
    return load_policies("deadlines")[POLICY].parameters["approaching-notice"].number_on(day)
