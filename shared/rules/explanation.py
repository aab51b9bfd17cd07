"""Why, why not, and what would change it: the parts of a decision that are there for a person.

They are the same for all facts of the same classes (classes.py), so they are drafted once, from any facts of these classes; what is
shown of the facts themselves, and dates computed from them, stays blank (drafts.py).
"""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import Any

from shared.errors import PolicyConflict, PolicyGap
from shared.policies.conditions import tests as _tests
from shared.policies.conditions import truth
from shared.policies.facts import ORDERED, Code
from shared.policies.outcomes import NOT_KNOWN, Field, dates_asked
from shared.policies.policy import Rule, Slice
from shared.rules.conclusion import Facts, Found, drafted_outcome, most_decisive_first
from shared.rules.drafts import Given, Nearer

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
    """Why, why not, and what would change it, as drafts.

    ``known`` is what was given and, for facts that were not, what is assumed. ``blank`` are the given facts whose value stays blank;
    that of the others follows from its class. ``conclude`` gives what other facts conclude.
    """

    slice_: Slice
    given: Facts
    known: Facts
    found: Found
    blank: Container[str]
    conclude: Callable[[Facts], Found]

    def facts(self) -> dict[str, Any]:
        """The facts that were given."""
        return {name: self._was(name, code) for name, code in self.given.items()}

    def because(self) -> list[dict[str, Any]]:
        """The rules that count, with the facts and bounds they met."""
        return [
            {
                "rule": rule.id,
                "says": rule.because,
                "facts": {name: self._was(name, self.known[name]) for name in self._asked_by(rule) if name in self.known},
                "bounds": self._bounds(rule),
                "cite": rule.cite.to_json(),
                **({"see": [cite.to_json() for cite in rule.see]} if rule.see else {}),
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
                "was": self._was(test.fact, said[test.fact]),
                "needed": _WORDS[test.operator].format(_worded(self._show(test.fact, test.bound))),
            }
            for test in dict.fromkeys(unmet)
        ]

    def _was(self, name: str, code: Code) -> Any:
        return Given(name) if name in self.blank else self._show(name, code)

    def _show(self, name: str, code: Code) -> Any:
        policy = self.slice_.policy
        if code == NOT_KNOWN:
            return code
        return policy.facts[name].show(code) if name in policy.facts else policy.outcome[name].show(code)

    def would_change(self) -> list[dict[str, Any] | Nearer]:
        """For every fact that was given: the nearest value (numbers, dates) or each value (choices) that changes the outcome."""
        return [change for name in self.given if name in self.slice_.asked for change in self._changes(name)]

    def _changes(self, name: str) -> Iterable[dict[str, Any] | Nearer]:
        others = [value for value in self.slice_.asked[name] if value != self.known[name]]
        if self.slice_.policy.facts[name].type in ORDERED:
            return self._nearest(name, [int(value) for value in others])
        return [change for value in others if (change := self._change(name, value))]

    def _nearest(self, name: str, others: list[int]) -> list[dict[str, Any] | Nearer]:
        """The change at the nearest value; where the outcome changes below and above, the value itself decides which is nearer."""
        was = int(self.known[name])
        below = self._first(name, (value for value in reversed(others) if value < was))
        above = self._first(name, (value for value in others if value > was))
        if below and above:
            return [Nearer(name, below[0], below[1], above[0], above[1])]
        return [found[1] for found in (below, above) if found]

    def _first(self, name: str, values: Iterable[int]) -> tuple[int, dict[str, Any]] | None:
        return next(((value, change) for value in values if (change := self._change(name, value))), None)

    def _change(self, name: str, value: Code) -> dict[str, Any] | None:
        """What one other value of a fact changes; a field that falls away reads None. What only informs is no change."""
        shown = {"fact": name, "at": self._show(name, value)}
        try:
            after = self.conclude({**self.known, name: value})
        except (PolicyGap, PolicyConflict):  # the policy has no answer there: said, and no fault of this decision
            return {**shown, "outcome": None, "needs": []}
        if after.needs:
            return {**shown, "outcome": None, "needs": most_decisive_first(self.slice_, after)}
        differing = {field: found for field, found in after.values.items() if found != self.found.values.get(field)}
        drafted = drafted_outcome(self.slice_.policy, differing, {name: value})
        fallen = self.found.values.keys() - after.values.keys()
        changes = {
            field.name: drafted.get(field.name)
            for field in self.slice_.policy.outcome.values()
            if not field.informs and (field.name in drafted or field.name in fallen)
        }
        return {**shown, "outcome": changes} if changes else None

    def notices(self) -> list[dict[str, Any]]:
        """What is said beside the outcome, in the order of the file."""
        said = {**{name: value for name, value in self.found.values.items() if _is_known(value)}, **self.known}
        return [
            {"id": notice.id, "says": notice.say, "cite": notice.cite.to_json()}
            for notice in self.slice_.notices
            if truth(notice.when, said) and not truth(notice.unless, said)
        ]


def _is_known(value: Any) -> bool:
    return isinstance(value, int | str) and value != NOT_KNOWN


def _worded(shown: Any) -> str:
    return str(shown).lower() if isinstance(shown, bool) else str(shown)
