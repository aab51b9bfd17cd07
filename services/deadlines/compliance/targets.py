"""Is the share that was on time enough? The policy on-time-targets decides; there is no other place that says what a target is.

Two targets are kept apart: ``kpi-cop-90`` (the bundle, a lead employer's) and ``kpi-12w-90`` (information to trusts at twelve weeks, the
national body's own, from outside the five documents, since 29 August 2025). What is neither is held against no target. The policy is
taken as at the day of the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from services.deadlines.compliance.figures import MEASURES, Tally
from shared.decisions import standing
from shared.policies import load_policies
from shared.policies.facts import read_facts

POLICY = "on-time-targets"
KPIS: Mapping[str, str] = {"kpi-cop-90": "bundle", "kpi-12w-90": "placement_information_to_host"}
"""What each target is held against."""


@dataclass(frozen=True)
class Verdict:
    """What the policy says of a share.

    :param verdict: met, not-met, no-data or no-target. :param target: the KPI, or None. :param because: rule, sentence and citation.
    """

    verdict: str
    target: str | None
    target_percent: int | None
    because: Mapping[str, Any]
    edition: str

    @property
    def meets_target(self) -> bool | None:
        """Whether the target is met; None where there is no target, or nothing was due."""
        return {"met": True, "not-met": False}.get(self.verdict)


def verdict(name: str, tally: Tally, as_at: date) -> Verdict:
    """Whether a measure's share is enough, as at a day.

    :raises NotInForce: the policy has no rules on that day.
    """
    return _verdict(MEASURES[name].measured, tally.on_time * 100 // tally.due if tally.due else None, as_at)


@lru_cache(maxsize=4096)
def _verdict(measured: str, percent_on_time: int | None, as_at: date) -> Verdict:
    policy = load_policies("deadlines")[POLICY]
    given: dict[str, Any] = {"measured_documents": measured, "anything_due": percent_on_time is not None}
    given |= {} if percent_on_time is None else {"percent_on_time": percent_on_time}
    decision = standing(policy, read_facts(policy.facts, given, POLICY), as_at)
    outcome = decision.outcome
    assert outcome is not None, "the policy needs no more than it is given"
    [because] = decision.body["because"]
    told = {"rule": because["rule"], "says": because["says"], "cite": because["cite"], "see": because.get("see", [])}
    return Verdict(outcome["verdict"], outcome.get("target"), outcome.get("target_percent"), told, decision.body["edition"])


def kpis(tallies: Mapping[str, Tally], as_at: date) -> dict[str, Any]:
    """Each KPI with its exact share, the policy's verdict, and the rule and citation it stands on."""
    found = {}
    for kpi, name in KPIS.items():
        said = verdict(name, tallies[name], as_at)
        found[kpi] = {
            "measure": name,
            "on_time": tallies[name].on_time,
            "due": tallies[name].due,
            "verdict": said.verdict,
            "target_percent": said.target_percent,
            "meets_target": said.meets_target,
            **said.because,
            "edition": said.edition,
        }
    return found
