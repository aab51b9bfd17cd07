"""A policy file: read against the declared facts and sources, and checked, into a :class:`Policy`. This is its language::

    policy: bag                           # the file's name
    question: Is this bag small enough?
    hit: unique                           # unique: one rule of a stage counts · any: several, if they agree · first · collect
    outcome:                              # the first field that is no list and does not inform is what the policy is about
      size: {choice: [small, large]}
      return_by: date                     # integer, boolean, money, date, text, duration, {choice: […]}, {list: {who: text, …}}
      advice: {type: text, informs: true} # does not hold a decision up; reads not-known while its facts are missing
    parameters:                           # every number, amount and period: dated and cited
      most-litres:
        - {from: 2020-01-01, value: 20, unit: count, cite: {source: …, section: …, entry: …}}
        - {from: 2024-04-01, value: 25, unit: count, cite: …}   # GBP, count, percent, date, days, weeks, months, working_days
    rules:
      - id: small
        from: 2020-01-01                  # first day in force; `to` is the first day no longer
        stage: 1                          # a later stage may ask about what an earlier one concluded
        when: {litres: {at_most: $most-litres}}     # is, is_not, one_of, at_most, less_than, at_least, more_than; all, any, not
        printed: {litres: {less_than: $most-litres}} # as the source has it, where our reading differs; or: silent
        then: {size: small, return_by: {from: bought_on, weeks: 2}}   # days, weeks, months; working_days with calendar: england
        because: The bag holds no more than the limit.
        cite: {source: TOOLKIT, section: Its heading, entry: its-name-in-the-catalogue}   # outside: true for other sources
        see: []                           # further entries that say the same
        overrides: []                     # rules of the same stage to which this one is the exception
    notices: [{id: …, when: {…}, unless: {…}, say: …, cite: …}]         # said beside the outcome
    order: [{id: …, earlier: return_by, later: …, because: …, cite: …}]  # a claim about two computed dates, to be proved
    accepted: [{id: …, finding: gap-as-printed, rules: […], when: {…}, because: …, cite: …}]   # the source's own, by name

Facts are declared in the service's ``facts.yaml`` (facts.py says how).

Every complaint is a PolicyError with file and line, what was wrong and what would be right. Read from the top: the file, its rules
and notices, its parameters, then the checks that look at several of them together.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from shared.policies.citations import Citing
from shared.policies.conditions import Condition, facts_of, parameters_of, read_condition
from shared.policies.facts import Bound, Fact, literal
from shared.policies.outcomes import UNITS, Field, computed_in, read_conclusion, read_outcome
from shared.policies.policy import FAR, FINDINGS, HITS, Accepted, DatedValue, Notice, Order, Parameter, Policy, Rule, conditions_of
from shared.policies.reading import Node, suggest


def read_policy(node: Node, facts: Mapping[str, Fact], cite: Citing) -> Policy:
    """The policy that stands in a file.

    :param facts: the service's declared facts.
    :param cite: how its citations are read: ``citing``, or ``as_cited`` for an edition that was checked when it was new.
    :raises PolicyError: with file, line, what was wrong and what would be right.
    """
    keys = ("policy", "question", "hit", "outcome", "rules")
    found = node.fields("a policy", keys, ("parameters", "notices", "order", "accepted"))
    outcome = read_outcome(found["outcome"])
    parameters = {name: _parameter(name, entry, cite) for name, entry in _named(found.get("parameters"), "parameters").items()}
    typed = {name: Bound(name, parameter.type, "", unit=parameter.unit) for name, parameter in parameters.items()}
    concluded = {name: _as_fact(field) for name, field in outcome.items() if field.type not in ("list", "duration", "date")}
    for name, entry in found["outcome"].entries("outcome").items():
        if name in facts:
            entry.fail(f"“{name}” is a fact as well; an outcome field needs a name of its own.")
    reading = _Reading(facts, concluded, outcome, typed, cite)
    rules = tuple(reading.rule(item) for item in found["rules"].items("rules"))
    notices = tuple(reading.notice(item) for item in _items(found, "notices"))
    order = tuple(reading.order(item) for item in _items(found, "order"))
    if not rules:
        found["rules"].fail("a policy needs at least one rule.")
    _check_names(found["rules"], rules)
    _check_overrides(found["rules"], rules)
    _check_notices(found.get("notices"), notices, min(rule.starts for rule in rules), parameters)
    _check_parameters(found["rules"], rules, parameters)
    used = _used(facts, rules, notices)
    accepted = tuple(replace(reading, facts=used).accepted(item, rules, order) for item in _items(found, "accepted"))
    _check_ids(node, [*rules, *notices, *order, *accepted])
    policy = Policy(
        name=found["policy"].name("policy"),
        file=node.file,
        question=found["question"].text("question"),
        hit=found["hit"].choice("hit", HITS),
        outcome=outcome,
        facts=used,
        parameters=parameters,
        rules=rules,
        notices=notices,
        order=order,
        accepted=accepted,
        canonical=_canonical(node, used),
    )
    _check_dates(found["rules"], policy)
    return policy


@dataclass(frozen=True)
class _Reading:
    """What the rules and notices of one file are read against."""

    facts: Mapping[str, Fact]
    concluded: Mapping[str, Fact]
    outcome: Mapping[str, Field]
    parameters: Mapping[str, Bound]
    cite: Citing

    def rule(self, node: Node) -> Rule:
        found = node.fields("a rule", ("id", "from", "when", "then", "because", "cite"), ("to", "stage", "overrides", "printed", "see"))
        starts, ends = _days(found)
        stage = found["stage"].whole("stage") if "stage" in found else 1
        askable = {**self.facts, **(self.concluded if stage > 1 else {})}
        return Rule(
            id=found["id"].name("id"),
            starts=starts,
            ends=ends,
            stage=stage,
            when=read_condition(found["when"], askable, self.parameters),
            then=read_conclusion(found["then"], self.outcome, self.facts, self.parameters),
            because=found["because"].text("because"),
            cite=self.cite(found["cite"]),
            overrides=tuple(item.text("overrides") for item in _items(found, "overrides")),
            line=node.line,
            printed=self._printed(found["printed"], askable) if "printed" in found else None,
            see=tuple(self.cite(item) for item in _items(found, "see")),
        )

    def _printed(self, node: Node, askable: Mapping[str, Fact]) -> Condition:
        return False if node.value == "silent" else read_condition(node, askable, self.parameters)

    def notice(self, node: Node) -> Notice:
        found = node.fields("a notice", ("id", "when", "say", "cite"), ("from", "to", "unless"))
        starts, ends = _days(found)
        askable = {**self.facts, **self.concluded}
        when = read_condition(found["when"], askable, self.parameters)
        unless = read_condition(found["unless"], askable, self.parameters) if "unless" in found else False
        return Notice(found["id"].name("id"), starts, ends, when, unless, found["say"].text("say"), self.cite(found["cite"]))

    def order(self, node: Node) -> Order:
        found = node.fields("an order", ("id", "earlier", "later", "because", "cite"))
        dates = [name for name, field in self.outcome.items() if field.type == "date"]
        earlier, later = (found[end].choice(end, dates) for end in ("earlier", "later"))
        return Order(found["id"].name("id"), earlier, later, found["because"].text("because"), self.cite(found["cite"]))

    def accepted(self, node: Node, rules: tuple[Rule, ...], order: tuple[Order, ...]) -> Accepted:
        found = node.fields("an accepted finding", ("id", "finding", "because", "cite"), ("rules", "when"))
        known = [*(rule.id for rule in rules), *(claim.id for claim in order), *self.outcome, *self.parameters]
        return Accepted(
            found["id"].name("id"),
            found["finding"].choice("finding", FINDINGS),
            frozenset(item.choice("rules", known) for item in _items(found, "rules")),
            read_condition(found["when"], self.facts, self.parameters) if "when" in found else True,
            found["because"].text("because"),
            self.cite(found["cite"]),
        )


def _entries(node: Node | None, what: str) -> dict[str, Node]:
    return node.entries(what) if node else {}


def _named(node: Node | None, what: str) -> dict[str, Node]:
    entries = _entries(node, what)
    for name, entry in entries.items():
        replace(entry, value=name).name(what)
    return entries


def _items(found: Mapping[str, Node], key: str) -> list[Node]:
    return found[key].items(key) if key in found else []


def _as_fact(field: Field) -> Fact:
    if field.type == "choice":
        return Fact(field.name, "choice", "", choices=field.choices)
    return Fact(field.name, field.type, "", least=-(10**18), most=10**18, max_length=1_000)


def _days(found: Mapping[str, Node]) -> tuple[date, date]:
    starts = found["from"].day("from") if "from" in found else date.min
    ends = found["to"].day("to") if "to" in found else FAR
    if ends <= starts:
        (found.get("to") or found["from"]).fail(
            f"“to” ({ends}) must come after “from” ({starts}); “to” is the first day no longer in force."
        )
    return starts, ends


def _parameter(name: str, node: Node, cite: Citing) -> Parameter:
    units, values = [], []
    for item in node.items(f"the parameter {name}"):
        found = item.fields(f"a value of {name}", ("from", "value", "unit", "cite"), ("to",))
        units.append(found["unit"].choice("unit", (*_UNIT_TYPES, *UNITS)))
        starts, ends = _days(found)
        values.append((item, DatedValue(starts, ends, _parameter_value(found["value"], units[-1]), cite(found["cite"]))))
    if not values or len(set(units)) > 1 or len({isinstance(value.value, tuple) for _, value in values}) > 1:
        node.fail(f"the parameter {name} needs at least one value, all in one unit, and all single or all from least to most.")
    dated: list[DatedValue] = []
    for item, value in sorted(values, key=lambda pair: pair[1].starts):
        if dated and (value.starts == dated[-1].starts or value.starts < dated[-1].ends != FAR):
            item.fail(f"the values of {name} overlap: this one starts on {value.starts}, before the one before it ends.")
        if dated and dated[-1].ends == FAR:
            dated[-1] = replace(dated[-1], ends=value.starts)
        dated.append(value)
    type_ = "duration" if isinstance(dated[0].value, tuple) else _UNIT_TYPES.get(units[0], "integer")
    return Parameter(name, type_, units[0], tuple(dated))


_UNIT_TYPES = {"GBP": "money", "count": "integer", "percent": "integer", "date": "date", "working_days": "integer"}


def _parameter_value(node: Node, unit: str) -> Any:
    if isinstance(node.value, dict):
        ends = node.fields("a duration", ("least", "most"))
        least, most = ends["least"].whole("least"), ends["most"].whole("most")
        if unit not in UNITS or least > most:
            node.fail(f"a duration goes from least to most, in {', '.join(UNITS)}; this one says {least} to {most} {unit}.")
        return least, most, unit
    return literal(_UNIT_TYPES.get(unit, "integer"), node)


def _check_names(node: Node, rules: tuple[Rule, ...]) -> None:
    known: dict[str, Rule] = {}
    items = {rule.line: item for rule, item in zip(rules, node.items("rules"), strict=True)}
    for rule in rules:
        if rule.id in known:
            items[rule.line].fail(f"the rule “{rule.id}” stands here a second time (first in line {known[rule.id].line}).")
        known[rule.id] = rule
    for rule in rules:
        for name in rule.overrides:
            if name not in known:
                items[rule.line].fail(f"“{rule.id}” overrides “{name}”, which is no rule of this policy{suggest(name, known)}.")
            if known[name].stage != rule.stage:
                items[rule.line].fail(f"“{rule.id}” overrides “{name}”, which stands in another stage.")


def _check_ids(node: Node, items: Iterable[Rule | Notice | Order | Accepted]) -> None:
    """No two things of a policy share a name: cases and findings speak of them by it."""
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            node.fail(f"“{item.id}” names two things; rules, notices, orders and accepted findings each need a name of their own.")
        seen.add(item.id)


def _check_dates(node: Node, policy: Policy) -> None:
    """Every computed date can be written down, from the first to the last day that its fact can be."""
    items = {rule.id: item for rule, item in zip(policy.rules, node.items("rules"), strict=True)}
    for rule in (rule for day in policy.first_days for rule in policy.on(day).rules):
        for computed in computed_in(tuple(rule.then.values())):
            fact = policy.facts[computed.fact]
            if computed.unit == "working_days":
                continue  # no amount leads too far: days whose bank holidays are not known are refused when they are asked for
            try:
                computed.on(fact.least), computed.on(fact.most)
            except (ValueError, OverflowError):
                items[rule.id].fail(f"“{rule.id}” computes a day from {fact.name} that no calendar has: the amount is too large.")


def _check_overrides(node: Node, rules: tuple[Rule, ...]) -> None:
    """No rule overrides itself, directly or round about."""
    over = {rule.id: set(rule.overrides) for rule in rules}
    for rule, item in zip(rules, node.items("rules"), strict=True):
        reached, waiting = set[str](), list(over[rule.id])
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += over[name]
        if rule.id in reached:
            item.fail(f"“{rule.id}” overrides itself, directly or through {', '.join(sorted(reached))}; say which of them wins.")


def _check_notices(node: Node | None, notices: tuple[Notice, ...], first: date, parameters: Mapping[str, Parameter]) -> None:
    """Every notice has a name of its own, and its parameters a value on every day on which it can be said."""
    known: set[str] = set()
    for notice, item in zip(notices, node.items("notices") if node else (), strict=True):
        if notice.id in known:
            item.fail(f"the notice “{notice.id}” stands here a second time.")
        known.add(notice.id)
        for name in sorted(parameters_of(conditions_of(notice))):
            without = _first_day_without(parameters[name], max(first, notice.starts), notice.ends)
            if without:
                item.fail(f"the notice “{notice.id}” can be said on {without}, but the parameter {name} has no value on that day.")


def _first_day_without(parameter: Parameter, starts: date, ends: date) -> date | None:
    """The first day of a span on which a parameter has no value."""
    days = [starts, *(value.ends for value in parameter.values)]
    return next((day for day in days if starts <= day < ends and parameter.on(day) is None), None)


def _check_parameters(node: Node, rules: tuple[Rule, ...], parameters: Mapping[str, Parameter]) -> None:
    for rule, item in zip(rules, node.items("rules"), strict=True):
        for name in sorted({*rule.parameters, *parameters_of(conditions_of(rule))}):
            without = _first_day_without(parameters[name], rule.starts, rule.ends)
            if without:
                item.fail(f"the rule “{rule.id}” is in force on {without}, but the parameter {name} has no value on that day.")


def _used(facts: Mapping[str, Fact], rules: Iterable[Rule], notices: Iterable[Notice]) -> dict[str, Fact]:
    """The facts that the policy asks about, in the order in which its rules do: the order of every later question."""
    asked = list(facts_of(conditions_of(*rules, *notices)))
    for rule in rules:
        asked += sorted(rule.counted_from)
    return {name: facts[name] for name in dict.fromkeys(asked) if name in facts}


def _canonical(node: Node, facts: Mapping[str, Fact]) -> str:
    declared = {name: {key: value for key, value in fact.__dict__.items() if key != "name"} for name, fact in facts.items()}
    return json.dumps({"policy": node.plain(), "facts": declared}, ensure_ascii=False, separators=(",", ":"))
