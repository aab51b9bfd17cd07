"""Why, why not, and what would change it: the parts of a decision that are there for a person."""

from dataclasses import dataclass
from typing import Any

from shared.errors import PolicyConflict, PolicyGap
from shared.policies.conditions import tests as _tests
from shared.policies.conditions import truth
from shared.policies.facts import ORDERED, Code
from shared.policies.outcomes import NOT_KNOWN, Field, dates_asked
from shared.policies.policy import Rule, Slice
from shared.rules.conclusion import Facts, Found, conclude, most_decisive_first, shown_outcome

_WORDS = {
    "is": "{}",
    "is_not": "not {}",
    "at_most": "at most {}",
    "less_than": "less than {}",
    "at_least": "at least {}",
    "more_than": "more than {}",
}


@dataclass(frozen=True)
class Explanation:
    """Why, why not, and what would change it."""

    slice_: Slice
    given: Facts
    known: Facts
    found: Found

    def because(self) -> list[dict[str, Any]]:
        """The rules that count, with the facts and bounds they met."""
        return [
            {
                "rule": rule.id,
                "says": rule.because,
                "facts": {name: self._show(name, self.known[name]) for name in self._asked_by(rule) if name in self.known},
                "bounds": self._bounds(rule),
                "cite": rule.cite.to_json(),
            }
            for rule in self.slice_.rules
            if rule.id in self.found.counts
        ]

    def _asked_by(self, rule: Rule) -> list[str]:
        facts = self.slice_.policy.facts
        asked = [test.fact for test in _tests(rule.when) if test.fact in facts]
        return list(dict.fromkeys([*asked, *sorted(dates_asked(tuple(rule.then.values())))]))

    def _bounds(self, rule: Rule) -> list[dict[str, Any]]:
        policy = self.slice_.policy
        written = next(candidate for candidate in policy.rules if candidate.id == rule.id)
        return [
            {
                "parameter": name,
                "value": Field(name, policy.parameters[name].type).show(bound.value),
                "unit": policy.parameters[name].unit,
                "from": bound.starts.isoformat(),
                "cite": bound.cite.to_json(),
            }
            for name in written.parameters
            for bound in [self.slice_.bounds[name]]
        ]

    def why_not(self) -> list[dict[str, Any]]:
        """The rules that do not count: what overrides them, what they lacked, or which missing facts leave them open."""
        return [self._why_not(rule) for rule in self.slice_.rules if rule.id not in self.found.counts]

    def _why_not(self, rule: Rule) -> dict[str, Any]:
        over = [other.id for other in self.slice_.above(rule) if self.found.holds[other.id]]
        if self.found.holds[rule.id] is False:
            return {"rule": rule.id, "unmet": self._unmet(rule)}
        if over:
            return {"rule": rule.id, "overridden_by": over}
        asked = {test.fact for test in _tests(self.slice_.survival[rule.id])}
        return {"rule": rule.id, "open": [name for name in self.slice_.policy.facts if name in asked and name not in self.known]}

    def _unmet(self, rule: Rule) -> list[dict[str, Any]]:
        said = {**self.found.values, **self.known}
        unmet = [test for test in _tests(rule.when) if test.fact in said and not truth(test, said)]
        return [
            {
                "fact": test.fact,
                "was": self._show(test.fact, said[test.fact]),
                "needed": _WORDS[test.operator].format(_worded(self._show(test.fact, test.bound))),
            }
            for test in dict.fromkeys(unmet)
        ]

    def _show(self, name: str, code: Code) -> Any:
        policy = self.slice_.policy
        if code == NOT_KNOWN:
            return code
        return policy.facts[name].show(code) if name in policy.facts else policy.outcome[name].show(code)

    def would_change(self) -> list[dict[str, Any]]:
        """For every fact that was given: the nearest value (numbers, dates) or each value (choices) that changes the outcome."""
        return [change for name in self.given if name in self.slice_.asked for change in self._changes(name)]

    def _changes(self, name: str) -> list[dict[str, Any]]:
        fact, was = self.slice_.policy.facts[name], self.known[name]
        others = [value for value in self.slice_.asked[name] if value != was]
        ordered = fact.type in ORDERED
        if ordered:
            others.sort(key=lambda value: (abs(int(value) - int(was)), -int(value)))
        changes = (change for value in others if (change := self._change(name, value)))
        return [found for found in [next(changes, None)] if found] if ordered else list(changes)

    def _change(self, name: str, value: Code) -> dict[str, Any] | None:
        changed = {**self.known, name: value}
        shown = {"fact": name, "at": self._show(name, value)}
        try:
            after = conclude(self.slice_, changed)
        except (PolicyGap, PolicyConflict):  # the policy has no answer there: said, and no fault of this decision
            return {**shown, "outcome": None, "needs": []}
        if after.needs:
            return {**shown, "outcome": None, "needs": most_decisive_first(self.slice_, after)}
        outcome = self.slice_.policy.outcome
        differing = {
            field: found for field, found in after.values.items() if found != self.found.values.get(field) and not outcome[field].informs
        }
        if not differing and set(after.values) == set(self.found.values):
            return None
        return {**shown, "outcome": shown_outcome(self.slice_.policy, differing, changed)}

    def notices(self) -> list[dict[str, Any]]:
        """What is said beside the outcome, in the order of the file."""
        said = {**{name: value for name, value in self.found.values.items() if isinstance(value, int | str)}, **self.known}
        return [
            {"id": notice.id, "says": notice.say, "cite": notice.cite.to_json()}
            for notice in self.slice_.notices
            if truth(notice.when, said) and not truth(notice.unless, said)
        ]


def _worded(shown: Any) -> str:
    return str(shown).lower() if isinstance(shown, bool) else str(shown)
