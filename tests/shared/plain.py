"""The plain way to a decision: everything walked anew for the very facts, nothing remembered. What ``decide`` must equal.

It shares ``conclude`` with it, which has tests of its own, and nothing of what classes, drafts and memories do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from shared.errors import PolicyConflict, PolicyGap
from shared.policies.conditions import tests, truth
from shared.policies.facts import ORDERED, Code
from shared.policies.outcomes import NOT_KNOWN, Computed, Field, dates_asked
from shared.policies.policy import Policy, Rule, Slice
from shared.rules.conclusion import Facts, Found, conclude, most_decisive_first

WORDS = {
    "is": "{}",
    "is_not": "not {}",
    "at_most": "at most {}",
    "less_than": "less than {}",
    "at_least": "at least {}",
    "more_than": "more than {}",
}


def plain_body(policy: Policy, facts: Facts, as_at: date, made_at: str = "", id_: str = "") -> dict[str, Any]:
    """The body of the decision on these facts."""
    slice_ = policy.on(as_at)
    given = {name: facts[name] for name in policy.facts if name in facts}
    missing = [fact for name, fact in policy.facts.items() if name in slice_.asked and name not in given]
    assumed = {fact.name: fact.assumed for fact in missing if fact.assumed is not None}
    known = {**given, **assumed}
    found = conclude(slice_, known)
    plain = Plain(slice_, given, known, found)
    return {
        "id": id_,
        "policy": policy.name,
        "edition": policy.edition,
        "as_at": as_at.isoformat(),
        "made_at": made_at,
        "status": "undetermined" if found.needs else "decided",
        "facts": {name: policy.facts[name].show(code) for name, code in given.items()},
        "outcome": None if found.needs else plain.outcome(found.values, known),
        "because": [plain.because(rule) for rule in slice_.rules if rule.id in found.counts],
        "why_not": [plain.why_not(rule) for rule in slice_.rules if rule.id not in found.counts],
        "would_change": [] if found.needs else [change for name in given if name in slice_.asked for change in plain.changes(name)],
        "assumed": [
            {"fact": name, "value": policy.facts[name].show(code), "because": policy.facts[name].assumed_because}
            for name, code in assumed.items()
        ],
        "needs": [plain.need(name) for name in most_decisive_first(slice_, found)],
        "notices": plain.notices(),
    }


@dataclass(frozen=True)
class Plain:
    """The parts of one decision."""

    slice_: Slice
    given: Facts
    known: Facts
    found: Found

    def outcome(self, values: Any, known: Facts) -> dict[str, Any]:
        """Concluded values as JSON, with their dates."""
        fields = {name: field for name, field in self.slice_.policy.outcome.items() if name in values}
        return {
            name: NOT_KNOWN if values[name] == NOT_KNOWN else field.show(with_dates(values[name], known)) for name, field in fields.items()
        }

    def because(self, rule: Rule) -> dict[str, Any]:
        """A rule that counts."""
        policy = self.slice_.policy
        written = next(candidate for candidate in policy.rules if candidate.id == rule.id)
        asked = [test.fact for test in tests(rule.when) if test.fact in policy.facts]
        asked = list(dict.fromkeys([*asked, *sorted(dates_asked(tuple(rule.then.values())))]))
        bounds = [
            {
                "parameter": name,
                "value": Field(name, policy.parameters[name].type).show(self.slice_.bounds[name].value),
                "unit": policy.parameters[name].unit,
                "from": self.slice_.bounds[name].starts.isoformat(),
                "cite": self.slice_.bounds[name].cite.to_json(),
            }
            for name in written.parameters
        ]
        facts = {name: self.show(name, self.known[name]) for name in asked if name in self.known}
        see = {"see": [cite.to_json() for cite in rule.see]} if rule.see else {}
        return {"rule": rule.id, "says": rule.because, "facts": facts, "bounds": bounds, "cite": rule.cite.to_json(), **see}

    def why_not(self, rule: Rule) -> dict[str, Any]:
        """A rule that does not count."""
        over = [other.id for other in self.slice_.above(rule) if self.found.holds[other.id]]
        if self.found.holds[rule.id] is False:
            return {"rule": rule.id, "unmet": self.unmet(rule)}
        if over:
            return {"rule": rule.id, "overridden_by": over}
        asked = {test.fact for test in tests(self.slice_.survival[rule.id])}
        return {"rule": rule.id, "open": [name for name in self.slice_.policy.facts if name in asked and name not in self.known]}

    def unmet(self, rule: Rule) -> list[dict[str, Any]]:
        """The tests that a rule failed."""
        said = {**self.found.values, **self.known}
        failed = dict.fromkeys(test for test in tests(rule.when) if test.fact in said and not truth(test, said))
        bounds = {test: self.show(test.fact, test.bound) for test in failed}
        worded = {test: str(bound).lower() if isinstance(bound, bool) else str(bound) for test, bound in bounds.items()}
        return [
            {"fact": test.fact, "was": self.show(test.fact, said[test.fact]), "needed": WORDS[test.operator].format(worded[test])}
            for test in failed
        ]

    def show(self, name: str, code: Code) -> Any:
        """The value of a fact or outcome field, as JSON."""
        policy = self.slice_.policy
        if code == NOT_KNOWN:
            return code
        return policy.facts[name].show(code) if name in policy.facts else policy.outcome[name].show(code)

    def changes(self, name: str) -> list[dict[str, Any]]:
        """What another value of a fact would change: the nearest, or each, if its values are not ordered."""
        was = self.known[name]
        others = [value for value in self.slice_.asked[name] if value != was]
        ordered = self.slice_.policy.facts[name].type in ORDERED
        if ordered:
            others.sort(key=lambda value: (abs(int(value) - int(was)), -int(value)))
        changes: Iterator[dict[str, Any]] = (change for value in others if (change := self.change(name, value)))
        return [change for change in [next(changes, None)] if change] if ordered else list(changes)

    def change(self, name: str, value: Code) -> dict[str, Any] | None:
        """What one other value of a fact would change; a field that falls away reads None."""
        changed = {**self.known, name: value}
        shown = {"fact": name, "at": self.show(name, value)}
        try:
            after = conclude(self.slice_, changed)
        except (PolicyGap, PolicyConflict):
            return {**shown, "outcome": None, "needs": []}
        if after.needs:
            return {**shown, "outcome": None, "needs": most_decisive_first(self.slice_, after)}
        counts = {field.name for field in self.slice_.policy.outcome.values() if not field.informs}
        before, now = ({field: new for field, new in found.values.items() if field in counts} for found in (self.found, after))
        if now == before:
            return None
        differing = self.outcome({field: new for field, new in now.items() if new != before.get(field)}, changed)
        fallen = dict.fromkeys(before.keys() - now.keys())
        merged = {**differing, **fallen}
        return {**shown, "outcome": {field: merged[field] for field in self.slice_.policy.outcome if field in merged}}

    def need(self, name: str) -> dict[str, Any]:
        """A question."""
        fact = self.slice_.policy.facts[name]
        return {"fact": name, "ask": fact.ask, "type": fact.type, **({"one_of": list(fact.choices)} if fact.choices else {})}

    def notices(self) -> list[dict[str, Any]]:
        """What is said beside the outcome."""
        said = {**{name: value for name, value in self.found.values.items() if _is_known(value)}, **self.known}
        return [
            {"id": notice.id, "says": notice.say, "cite": notice.cite.to_json()}
            for notice in self.slice_.notices
            if truth(notice.when, said) and not truth(notice.unless, said)
        ]


def with_dates(value: Any, known: Facts) -> Any:
    """A concluded value with its dates computed."""
    if isinstance(value, Computed):
        return value.on(int(known[value.fact]))
    return tuple(with_dates(part, known) for part in value) if isinstance(value, tuple) else value


def _is_known(value: Any) -> bool:
    return isinstance(value, int | str) and value != NOT_KNOWN
