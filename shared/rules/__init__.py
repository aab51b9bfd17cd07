"""Facts -> Decision: two engines, one answer.

=================  =================================================================================================
decision.py        ``decide``: conclude, compare the engines, explain
conclusion.py      what the rules conclude, and which missing facts matter
explanation.py     why, why not, and what would change it
completions.py     what could the missing facts still change? Exactly
engine.py          durable_rules in the shape that holds up; the only file that knows it
=================  =================================================================================================
"""

from functools import cache

from shared.policies import load_policies
from shared.policies.policy import Policy
from shared.rules.decision import Decision, decide
from shared.rules.engine import check_engine_limits

__all__ = ["Decision", "decide", "ready_policies"]


@cache
def ready_policies(service: str) -> dict[str, Policy]:
    """Every policy of a service, by name, checked to fit the engine on every day.

    :raises PolicyError: a policy cannot be used, or durable_rules could not hold it.
    """
    policies = load_policies(service)
    for policy in policies.values():
        for day in policy.changes:
            rules = [rule for rule in policy.rules if rule.starts <= day < rule.ends]
            for stage in {rule.stage for rule in rules}:
                check_engine_limits(policy.file, {rule.id: rule.when for rule in rules if rule.stage == stage})
    return policies
