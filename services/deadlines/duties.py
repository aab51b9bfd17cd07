"""What the policies say of placements: which duties there are, how early a reminder comes, which share should be on time."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from shared.decisions import standing
from shared.events import PlacementUpdated
from shared.policies import load_policies
from shared.policies.facts import read_facts
from shared.rules import Decision

POLICY = "placement-deadlines"
TARGETS = "on-time-targets"


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


def approaching_notice(day: date) -> int:
    """How many days before the due day a reminder goes out."""
    return _parameter(POLICY, "approaching-notice", day)


def on_time_target(day: date) -> int:
    """The share of doctors, in percent, who should have had all three documents on time (``kpi-cop-90``)."""
    return _parameter(TARGETS, "bundle-target", day)


@lru_cache(maxsize=64)
def _parameter(policy: str, name: str, day: date) -> int:
    value = load_policies("deadlines")[policy].parameters[name].on(day)
    assert value is not None, f"{name} has a value on every day on which {policy} is in force"
    return int(value.value)
