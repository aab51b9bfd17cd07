"""Facts in, decision out: which rule, from which page, in force on which day, on which facts, and what would change it.

:func:`decide` reads top to bottom as the product's promise: resolve the day, find the answer, let both engines say which rules hold
and refuse a disagreement, fill the answer in. It is pure: the day, the time and the id are arguments.

What is remembered, and what is not: conclusion and explanation are those of the *classes* of the facts, worked out for the first
facts of these classes and kept (prepared.py). For every decision, on the very facts, the evaluator says which rules hold, and
durable_rules fires; the three must agree. The values that are shown and the dates computed from them are those of the very facts.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NoReturn

from shared.errors import EnginesDisagree
from shared.policies.facts import Code
from shared.policies.policy import Policy, Slice
from shared.rules import engine
from shared.rules.conclusion import Facts, Found
from shared.rules.prepared import Answer, Prepared, Stage, prepare


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
    prepared = prepare(policy.on(as_at))
    answer = prepared.answer(facts)
    known = {name: facts[name] for name in answer.given} | answer.assumed
    check_evaluator(prepared, known, answer)
    check_engines(prepared.slice_, known, answer.found)
    shown = {name: policy.facts[name].show(known[name]) for name in answer.blank}
    body = answer.body.filled(shown, known)
    body["id"], body["as_at"], body["made_at"] = id, as_at.isoformat(), made_at
    return Decision(body)


# ---- two engines, one answer ------------------------------------------------------------------------------------


def check_evaluator(prepared: Prepared, known: Facts, answer: Answer) -> None:
    """Let the evaluator say of the very facts which rules hold, and compare that with what is kept for their classes.

    :raises EnginesDisagree: naming the rules; nothing may be stored.
    """
    states = prepared.evaluate(known)
    if states != answer.states:
        rules = zip(prepared.slice_.rules, states, answer.states, strict=True)
        _refuse(prepared.slice_, "the evaluator and the answer that was kept", {rule.id for rule, one, other in rules if one != other})


def check_engines(slice_: Slice, known: Facts, found: Found) -> None:
    """Let durable_rules say which rules hold, stage by stage, and compare every rule that is definite.

    :raises EnginesDisagree: naming the rules; nothing may be stored.
    """
    message = known
    fired: set[str] = set()
    for stage in prepare(slice_).stages:
        fired |= engine.holding(stage.key, stage.conditions, message)
        if stage.passed_on:
            message = {**message, **_passed_on(stage, fired, found)}
    wrong = (fired ^ found.certain) - found.open
    if wrong:
        _refuse(slice_, "durable_rules and the evaluator", wrong)


def _passed_on(stage: Stage, fired: set[str], found: Found) -> dict[str, Code]:
    """The scalars that a stage passes to the next: concluded by rules that fired and that nothing can still override."""
    passed: dict[str, Code] = {}
    for rule, (scalars, above) in stage.passed_on.items():
        if rule in fired and above.isdisjoint(fired) and above.isdisjoint(found.open):
            passed |= scalars
    return passed


def _refuse(slice_: Slice, judges: str, wrong: set[str]) -> NoReturn:
    named = ", ".join(rule.id for rule in slice_.rules if rule.id in wrong)
    raise EnginesDisagree(
        f"{slice_.policy.name} as at {slice_.starts}: {judges} disagree on {named}; the decision is refused and nothing is stored."
    )
