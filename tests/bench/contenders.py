"""Who takes the same decision: this house, and what its users would take instead. Each is a function from raw facts to a route.

All are made from one slice of one policy, so they hold the same rules: overrides are written as the order in which the others look
at their rules, and bounds as numbers in pounds. All are given the same raw JSON values and read them in their own way: zen-engine and
rule-engine take the value as a float and check nothing.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import rule_engine  # type: ignore[import-untyped]
import zen
from durable.engine import Host  # type: ignore[import-untyped]

from shared.policies.conditions import Test, conjunctions
from shared.policies.facts import Code, read_facts
from shared.policies.policy import Policy, Rule, Slice
from shared.rules import Decision, decide

Raw = Mapping[str, Any]
WORDS = {"is": "==", "is_not": "!=", "at_most": "<=", "less_than": "<", "at_least": ">=", "more_than": ">"}
ENGINE_WORDS = {"is_not": "$neq", "at_most": "$lte", "less_than": "$lt", "at_least": "$gte", "more_than": "$gt"}


def ours(policy: Policy, slice_: Slice) -> Callable[[Raw], Decision]:
    """Raw JSON in, the whole decision out: both engines compared, explained and cited."""
    return lambda raw: decide(policy, read_facts(policy.facts, raw, policy.name), slice_.starts, made_at="", id="")


def rows(slice_: Slice, outcome: str) -> list[tuple[Rule, tuple[Test, ...]]]:
    """The rules that conclude the outcome as rows of tests, what overrides before what is overridden."""
    ordered = sorted((rule for rule in slice_.rules if outcome in rule.then), key=lambda rule: len(slice_.above(rule)))
    return [(rule, tests) for rule in ordered for tests in conjunctions(rule.when)]


def plain(policy: Policy, fact: str, code: Code) -> Any:
    """A code as an engine without codes would be given it: pounds as a number, booleans as such."""
    shown = policy.facts[fact].show(code)
    return float(shown) if policy.facts[fact].type == "money" else shown


def in_pounds(policy: Policy) -> Callable[[Raw], dict[str, Any]]:
    """Reads raw facts for an engine without codes: pounds become a number, and that is all."""
    money = [name for name, fact in policy.facts.items() if fact.type == "money"]
    return lambda raw: {**raw, **{name: float(raw[name]) for name in money if name in raw}}


# ---- zen-engine --------------------------------------------------------------------------------------------------


def zen_with_trace(slice_: Slice, outcome: str) -> Callable[[Raw], Any]:
    """The decision table in zen-engine, asked for its trace. It concludes what the rules do, but for the dates that are computed."""
    asked = list(dict.fromkeys(test.fact for _, tests in rows(slice_, outcome) for test in tests))
    concluded = [name for name, field in slice_.policy.outcome.items() if not field.informs]
    table = {
        "hitPolicy": "first",
        "inputs": [{"id": name, "name": name, "field": name} for name in asked],
        "outputs": [{"id": name, "name": name, "field": name} for name in concluded],
        "rules": [
            {"_id": str(number), **{name: _cell(slice_, name, tests) for name in asked}, **_concluded(slice_, rule)}
            for number, (rule, tests) in enumerate(rows(slice_, outcome))
        ],
    }
    decision = zen.ZenEngine().create_decision(json.dumps(_graph(table)))
    read = in_pounds(slice_.policy)
    return lambda raw: decision.evaluate(read(raw), {"trace": True})


def _concluded(slice_: Slice, rule: Rule) -> dict[str, str]:
    outcome = slice_.policy.outcome
    return {name: json.dumps(outcome[name].show(value)) for name, value in rule.then.items() if not outcome[name].informs}


def _cell(slice_: Slice, name: str, tests: Iterable[Test]) -> str:
    found = [(test.operator, json.dumps(plain(slice_.policy, name, test.bound))) for test in tests if test.fact == name]
    return " and ".join(bound if operator == "is" else f"{WORDS[operator]} {bound}" for operator, bound in found)


def _graph(table: dict[str, Any]) -> dict[str, Any]:
    here = {"position": {"x": 0, "y": 0}}
    nodes = [("in", "inputNode", {}), ("table", "decisionTableNode", table), ("out", "outputNode", {})]
    return {
        "nodes": [{"id": name, "name": name, "type": type_, "content": content, **here} for name, type_, content in nodes],
        "edges": [
            {"id": "1", "sourceId": "in", "targetId": "table", "type": "edge"},
            {"id": "2", "sourceId": "table", "targetId": "out", "type": "edge"},
        ],
    }


# ---- rule-engine -------------------------------------------------------------------------------------------------


def rule_engine_rules(slice_: Slice, outcome: str) -> Callable[[Raw], Any]:
    """The rules in rule-engine, one after another up to the first that matches."""
    kinds = {"money": rule_engine.DataType.FLOAT, "boolean": rule_engine.DataType.BOOLEAN}
    types = {name: kinds.get(fact.type, rule_engine.DataType.STRING) for name, fact in slice_.policy.facts.items()}
    context = rule_engine.Context(type_resolver=rule_engine.type_resolver_from_dict(types))
    rules = [
        (rule_engine.Rule(" and ".join(_expression(slice_, test) for test in tests), context=context), rule.then[outcome])
        for rule, tests in rows(slice_, outcome)
    ]
    read = in_pounds(slice_.policy)

    def route(raw: Raw) -> Any:
        facts = read(raw)
        return next(route for rule, route in rules if rule.matches(facts))

    return route


def _expression(slice_: Slice, test: Test) -> str:
    return f"{test.fact} {WORDS[test.operator]} {json.dumps(plain(slice_.policy, test.fact, test.bound))}"


# ---- durable_rules -----------------------------------------------------------------------------------------------


class _Quiet(Host):
    """The library's host without its two timers, which would take time from every contender."""

    def _run(self) -> None: ...


def durable_rules(slice_: Slice, outcome: str, safe: bool) -> Callable[[Raw], Any]:
    """The rules in durable_rules through its own API: assert a fact, let the actions run, delete the session.

    :param safe: with a rule that always holds. Without it, deleting the session of facts that no rule matches frees memory that is
        not the session's; so a caller who cannot rule that out needs it, as shared/rules/engine.py does.
    """
    fired: list[str] = []
    found = {f"{rule.id}-{number}": (rule, tests) for number, (rule, tests) in enumerate(rows(slice_, outcome))}
    rules = {name: _durable_rule(fired, name, tests, safe) for name, (_, tests) in found.items()}
    host = _Quiet()
    host.register_rulesets({"routes": {**rules, "always": _durable_rule(fired, "always", (), safe)} if safe else rules})
    routes = {name: rule.then[outcome] for name, (rule, _) in found.items()}
    opening = {"id": "1", "sid": "1", "always": 1} if safe else {"id": "1", "sid": "1"}

    def route(raw: Raw) -> Any:
        host.assert_fact("routes", opening | read_facts(slice_.policy.facts, raw, slice_.policy.name))
        host.delete_state("routes", "1")
        first = next(name for name in routes if name in fired)
        fired.clear()
        return routes[first]

    return route


def _durable_rule(fired: list[str], name: str, tests: Iterable[Test], safe: bool) -> dict[str, Any]:
    found: list[dict[str, Any]] = [{"always": 1}] if safe else []
    found += [
        {test.fact: test.bound} if test.operator == "is" else {ENGINE_WORDS[test.operator]: {test.fact: test.bound}} for test in tests
    ]
    return {"all": [{"m": {"$and": found} if len(found) > 1 else found[0]}], "run": lambda _: fired.append(name)}
