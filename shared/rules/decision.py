"""Facts in, decision out: which rule, from which page, in force on which day, on which facts, and what would change it.

:func:`decide` reads top to bottom as the product's promise: resolve the day, settle what is assumed, let both engines say which
rules hold and refuse a disagreement, conclude, explain. It is pure: the day, the time and the id are arguments.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from shared.errors import EnginesDisagree
from shared.policies.facts import Code
from shared.policies.policy import Policy, Rule, Slice
from shared.rules import engine
from shared.rules.conclusion import Facts, Found, conclude, most_decisive_first, shown_outcome
from shared.rules.explanation import Explanation


@dataclass(frozen=True)
class Decision:
    """A decision as it is stored, replayed and shown. ``body`` is the JSON of design §2, in its order of keys."""

    body: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The decision's id."""
        return str(self.body["id"])

    @property
    def outcome(self) -> dict[str, Any] | None:
        """The outcome, or None while it is undetermined."""
        return self.body["outcome"]  # type: ignore[no-any-return]

    def to_json(self) -> str:
        """The canonical text: the same facts, day, edition, id and time give the same bytes."""
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":"))


def decide(policy: Policy, facts: Facts, as_at: date, *, made_at: str, id: str) -> Decision:  # noqa: A002 (the field's name)
    """Decide one question.

    :param facts: codes, as :func:`shared.policies.facts.read_facts` gives them.
    :param as_at: the day on which the policy is looked at.
    :param made_at: RFC 3339 time in UTC, for the record only.
    :raises NotInForce: no rules on that day.
    :raises DecisionError: the engines disagree, or the policy contradicts itself or says nothing.
    """
    slice_ = policy.on(as_at)
    facts = {name: facts[name] for name in policy.facts if name in facts}
    assumed = {
        name: fact.assumed for name, fact in policy.facts.items() if name in slice_.asked and name not in facts and fact.assumed is not None
    }
    known = {**facts, **assumed}
    found = conclude(slice_, known)
    check_engines(slice_, known, found)
    explain = Explanation(slice_, facts, known, found)
    return Decision(
        {
            "id": id,
            "policy": policy.name,
            "edition": policy.edition,
            "as_at": as_at.isoformat(),
            "made_at": made_at,
            "status": "undetermined" if found.needs else "decided",
            "facts": {name: policy.facts[name].show(code) for name, code in facts.items()},
            "outcome": None if found.needs else shown_outcome(policy, found.values, known),
            "because": explain.because(),
            "why_not": explain.why_not(),
            "would_change": [] if found.needs else explain.would_change(),
            "assumed": [
                {"fact": name, "value": policy.facts[name].show(code), "because": policy.facts[name].assumed_because}
                for name, code in assumed.items()
            ],
            "needs": [
                {"fact": name, "ask": policy.facts[name].ask, **_options(policy, name)} for name in most_decisive_first(slice_, found)
            ],
            "notices": explain.notices(),
        }
    )


def _options(policy: Policy, name: str) -> dict[str, Any]:
    fact = policy.facts[name]
    return {"type": fact.type, **({"one_of": list(fact.choices)} if fact.choices else {})}


# ---- two engines, one answer ------------------------------------------------------------------------------------


def check_engines(slice_: Slice, known: Facts, found: Found) -> None:
    """Let durable_rules say which rules hold, stage by stage, and compare every rule that is definite.

    :raises EnginesDisagree: naming the rules and both answers; nothing may be stored.
    """
    message = dict(known)
    for stage in sorted({rule.stage for rule in slice_.rules}):
        members = [rule for rule in slice_.rules if rule.stage == stage]
        key = (slice_.policy.edition, slice_.starts, stage)
        fired = engine.holding(key, {rule.id: rule.when for rule in members}, message)
        wrong = [rule.id for rule in members if found.holds[rule.id] is not None and found.holds[rule.id] is not (rule.id in fired)]
        if wrong:
            raise EnginesDisagree(
                f"{slice_.policy.name} as at {slice_.starts}: durable_rules and the evaluator disagree on {', '.join(wrong)}; "
                "the decision is refused and nothing is stored."
            )
        message |= _passed_on(slice_, members, fired, found.holds)


def _passed_on(slice_: Slice, members: list[Rule], fired: set[str], holds: Mapping[str, bool | None]) -> dict[str, Code]:
    """The scalars that a stage passes to the next: concluded by rules that fired and that nothing can still override."""
    passed: dict[str, Code] = {}
    for rule in members:
        if rule.id in fired and not any(other.id in fired or holds[other.id] is None for other in slice_.above(rule)):
            passed |= {name: value for name, value in rule.then.items() if isinstance(value, int | str)}
    return passed
