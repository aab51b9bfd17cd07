"""Facts -> Decision: two engines, one answer.

=================  =================================================================================================
decision.py        ``decide``: find the answer to the classes of the facts, compare the engines, fill the answer in
engine.py          durable_rules in the shape that holds up; the only file that knows it
evaluator.py       three-valued logic, compiled
prepared.py        what of a slice is worked out once and kept
classes.py         the classes of values that a slice can tell apart
conclusion.py      what the rules conclude, and which missing facts matter
completions.py     what could the missing facts still change? Exactly
explanation.py     why, why not, and what would change it
drafts.py          JSON with blanks for what differs within a class
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
        for day in policy.first_days:
            rules = policy.on(day).rules
            for stage in {rule.stage for rule in rules}:
                check_engine_limits(policy.file, {rule.id: rule.when for rule in rules if rule.stage == stage})
    return policies
