"""A policy as a page that a lawyer reads alone: question, facts, outcome, parameters, rules as sentences, notices, claims, sources.

Here the page is made as data: what ``--json`` and the API give; services/policies/text.py writes the same data as text. With a
day the page is the policy as in force on it; without one it holds every edition, each part with its first and last day. A
reference (cited data) has a page as well.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from shared.policies import load_sources
from shared.policies.citations import Citation
from shared.policies.conditions import facts_of, parameters_of
from shared.policies.facts import Fact, json_schema
from shared.policies.outcomes import Field
from shared.policies.policy import FAR, Accepted, DatedValue, Notice, Order, Policy, Rule, conditions_of, in_force
from shared.policies.references import Reference
from shared.policies.words import Words, domain_words, value_words

Data = dict[str, Any]


def page(policy: Policy, service: str, day: date | None) -> Data:
    """The page of a policy, as in force on a day, or of all its editions.

    :raises NotInForce: no rule is in force on that day.
    """
    rules, notices = list(policy.rules), list(policy.notices)
    if day is not None:
        policy.on(day)
        rules, notices = in_force(rules, day), in_force(notices, day)
    words = Words(policy, day)
    used = _parameters_used(policy, rules, notices)
    parameters = [name for name in policy.parameters if day is None or (name in used and words.values_of(name))]
    said: Data = {
        "policy": policy.name,
        "service": service,
        "file": policy.file,
        "question": policy.question,
        "edition": policy.edition,
        "as_at": _day(day),
        "editions": editions(policy),
        "hit": policy.hit,
        "facts": [_fact(policy.facts[name]) for name in policy.facts if name in _facts_used(rules, notices)],
        "outcome": [_field(field) for field in policy.outcome.values()],
        "parameters": [_parameter(words, name) for name in parameters],
        "rules": [_rule(words, rule, rules) for rule in sorted(rules, key=lambda rule: rule.stage)],
        "notices": [_notice(words, notice) for notice in notices],
        "order": [_order(claim) for claim in policy.order],
        "accepted": [_accepted(words, finding) for finding in policy.accepted if _concerns(finding, policy, rules)],
    }
    return {**said, "sources": _sources(said)}


def editions(policy: Policy) -> list[Data]:
    """The spans of days in which nothing changes and rules are in force: first day, last day (None: until further notice)."""
    spans = pairwise([*policy.changes, FAR])
    return [{"from": _day(first), "to": _last(after)} for first, after in spans if first in policy.first_days]


def _facts_used(rules: list[Rule], notices: list[Notice]) -> set[str]:
    return set(facts_of(conditions_of(*rules, *notices))) | {name for rule in rules for name in rule.counted_from}


def _parameters_used(policy: Policy, rules: list[Rule], notices: list[Notice]) -> set[str]:
    conditions = [*conditions_of(*rules, *notices), *(finding.when for finding in policy.accepted)]
    return parameters_of(conditions) | {name for rule in rules for name in rule.parameters}


def _day(day: date | None) -> str | None:
    """A day as data; None for a first or last day that is not set."""
    return None if day is None or day in (date.min, FAR) else day.isoformat()


def _span(item: Rule | Notice | DatedValue) -> Data:
    """First and last day, both inclusive, as a person says it."""
    return {"from": _day(item.starts), "to": _last(item.ends)}


def _last(after: date) -> str | None:
    """The day before the first one that is no longer in force."""
    return None if after == FAR else _day(after - timedelta(days=1))


def _fact(fact: Fact) -> Data:
    assumed = {"assumed": fact.show(fact.assumed), "assumed_because": fact.assumed_because} if fact.assumed is not None else {}
    return {"fact": fact.name, "type": fact.type, "ask": fact.ask, "domain": domain_words(fact), "schema": json_schema(fact), **assumed}


def _field(field: Field) -> Data:
    said: Data = {"field": field.name, "type": field.type}
    said |= {"one_of": list(field.choices)} if field.choices else {}
    said |= {"informs": True} if field.informs else {}
    return {**said, "record": [_field(part) for part in field.record]} if field.record else said


def _parameter(words: Words, name: str) -> Data:
    parameter = words.policy.parameters[name]
    shown = Field(name, parameter.type)
    return {
        "parameter": name,
        "unit": parameter.unit,
        "values": [
            {
                **_span(value),
                "value": shown.show(value.value),
                "says": value_words(parameter.type, value.value, parameter.unit),
                "cite": value.cite.to_json(),
            }
            for value in words.values_of(name)
        ],
    }


def _rule(words: Words, rule: Rule, rules: list[Rule]) -> Data:
    return {
        "rule": rule.id,
        **_span(rule),
        "stage": rule.stage,
        "if": words.clauses(rule.when, rule),
        "when": words.structure(rule.when, rule),
        "then": words.conclusions(rule),
        "because": rule.because,
        "cite": rule.cite.to_json(),
        "see": _cites(rule.see),
        "printed": None if rule.printed is None else "silent" if rule.printed is False else words.condition(rule.printed, rule),
        "overrides": list(rule.overrides),
        "overridden_by": [other.id for other in rules if rule.id in other.overrides],
    }


def _notice(words: Words, notice: Notice) -> Data:
    return {
        "notice": notice.id,
        **_span(notice),
        "when": words.clauses(notice.when, notice),
        "unless": None if notice.unless is False else words.clauses(notice.unless, notice),
        "says": notice.say,
        "cite": notice.cite.to_json(),
    }


def _order(claim: Order) -> Data:
    return {"order": claim.id, "earlier": claim.earlier, "later": claim.later, "because": claim.because, "cite": claim.cite.to_json()}


def _accepted(words: Words, finding: Accepted) -> Data:
    return {
        "accepted": finding.id,
        "finding": finding.finding,
        "rules": sorted(finding.rules),
        "when": None if finding.when is True else words.condition(finding.when),
        "because": finding.because,
        "cite": finding.cite.to_json(),
    }


def _concerns(finding: Accepted, policy: Policy, rules: list[Rule]) -> bool:
    """Whether one of the rules that a finding is about is shown, or it is about something else."""
    shown, every = {rule.id for rule in rules}, {rule.id for rule in policy.rules}
    return not finding.rules or bool(finding.rules & shown) or bool(finding.rules - every)


def _cites(cites: Iterable[Citation]) -> list[Data]:
    return [cite.to_json() for cite in cites]


def _sources(said: Any) -> list[Data]:
    """The documents that a page cites, with their titles."""
    keys = dict.fromkeys(cite["source"] for cite in _all_cites(said))
    return [{"source": key, **{name: load_sources()[key].get(name) for name in ("title", "publisher", "date", "outside")}} for key in keys]


def _all_cites(said: Any) -> Iterator[Data]:
    if isinstance(said, dict):
        yield from [said] if "source" in said and "entry" in said else []
        for part in said.values():
            yield from _all_cites(part)
    elif isinstance(said, list):
        for part in said:
            yield from _all_cites(part)


# ---- a reference -------------------------------------------------------------------------------------------------


def reference_page(reference: Reference, service: str) -> Data:
    """The page of a reference."""
    said = {**reference.to_json(), "service": service, "file": reference.file}
    return {**said, "sources": _sources(said)}
