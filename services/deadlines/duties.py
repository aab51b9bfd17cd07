"""What the policy says of placements: which duties there are, how early a reminder comes."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from shared.decisions import standing
from shared.events import PlacementUpdated
from shared.policies import load_policies
from shared.policies.facts import read_facts
from shared.rules import Decision

POLICY = "placement-deadlines"


@dataclass(frozen=True)
class Duty:
    """One duty that the policy concludes, with the rule that does."""

    rule: str
    duty: str
    owner: str
    recipient: str
    due: date
    caused_by: str


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
    return decision, tuple(
        Duty(rule, told["duty"], told["owner"], told["recipient"], date.fromisoformat(told["due"]), told["caused_by"])
        for rule, told in concluded
    )


@lru_cache(maxsize=64)
def approaching_notice(day: date) -> int:
    """How many days before the due day a reminder goes out."""
    return load_policies("deadlines")[POLICY].parameters["approaching-notice"].number_on(day)
