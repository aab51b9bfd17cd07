"""Where two editions answer differently: proved, with one witness for every pair of answers.

:func:`differences` looks for facts under which the two conclude different values for some field. Each pair of answers is reported
once, with a witness, the reach of the facts, and what only one of the two says (of a list, the records); when z3 finds no further
witness, everywhere else the two agree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.errors import PolicyConflict, PolicyError, PolicyGap
from shared.policies.citations import Citation
from shared.policies.facts import Code, Fact
from shared.policies.outcomes import dates_asked
from shared.policies.policy import Rule, Slice
from shared.proofs.space import Formula, Space, both, nowhere, opposite, some
from shared.rules.conclusion import Found, conclude, shown_outcome

MOST = 500
"""Pairs of answers that are reported; more are not a comparison that anyone reads."""
Answers = dict[tuple[str, Any], Formula]
"""(field, value) -> where it is concluded; for a list one entry for each of its records."""


@dataclass(frozen=True)
class Difference:
    """One pair of answers. The outcomes hold the fields that differ; ``facts`` is a witness; ``where`` the reach in words."""

    old_outcome: Mapping[str, Any]
    new_outcome: Mapping[str, Any]
    old_rules: tuple[str, ...]
    new_rules: tuple[str, ...]
    cites: tuple[Citation, ...]
    facts: Mapping[str, Any]
    where: str

    def to_json(self) -> dict[str, Any]:
        """The difference as data."""
        return {
            "old": {"outcome": dict(self.old_outcome), "rules": list(self.old_rules)},
            "new": {"outcome": dict(self.new_outcome), "rules": list(self.new_rules)},
            "cites": [cite.to_json() for cite in self.cites],
            "facts": dict(self.facts),
            "where": self.where,
        }


def differences(old: Slice, new: Slice) -> list[Difference]:
    """Every pair of answers that the two give to the same facts; empty: proved that they never differ.

    :raises PolicyError: a fact is declared in two ways that cannot be compared, or there are more pairs than anyone reads.
    """
    facts = _facts_of_both(old, new)
    conditions = [*old.meaning.values(), *new.meaning.values()]
    space = Space.of(facts, conditions)
    before, after = _answers(old, space), _answers(new, space)
    apart = {key: _apart(before.get(key, nowhere()), after.get(key, nowhere())) for key in {**before, **after}}
    left = some(apart.values())
    found: list[Difference] = []
    while (witness := space.find(left)) is not None:
        if len(found) == MOST:
            raise PolicyError(new.policy.file, None, f"the two editions differ in more than {MOST} ways; compare smaller steps.")
        here = _same_answers(witness, old, new, before, after)
        found.append(_difference(space, both([left, here]), witness, old, new))
        left = both([left, opposite(here)])
    return found


def _facts_of_both(old: Slice, new: Slice) -> dict[str, Fact]:
    facts = {**old.policy.facts, **new.policy.facts}
    for name in old.policy.facts.keys() & new.policy.facts.keys():
        one, other = old.policy.facts[name], new.policy.facts[name]
        if _domain(one) != _domain(other):
            raise PolicyError(
                new.policy.file, None, f"the fact {name} is declared in two ways; only editions that ask alike can be compared."
            )
    return facts


def _domain(fact: Fact) -> tuple[object, ...]:
    return fact.type, fact.choices, fact.least, fact.most, fact.max_length, fact.assumed


def _answers(slice_: Slice, space: Space) -> Answers:
    answers: dict[tuple[str, Any], list[Formula]] = {}
    for rule in slice_.rules:
        for key in slice_.concluded(rule):
            answers.setdefault(key, []).append(space.formula(slice_.survival[rule.id]))
    return {key: some(formulas) for key, formulas in answers.items()}


def _apart(before: Formula, after: Formula) -> Formula:
    return both([some([before, after]), opposite(both([before, after]))])


def _same_answers(witness: Mapping[str, Code], old: Slice, new: Slice, before: Answers, after: Answers) -> Formula:
    """Wherever the fields that differ under the witness have the same two values as there."""
    then, now = _keys(old, witness), _keys(new, witness)
    differing = {name for name, _ in then ^ now}
    formulas = []
    for answers, keys in ((before, then), (after, now)):
        formulas += [formula if key in keys else opposite(formula) for key, formula in answers.items() if key[0] in differing]
    return both(formulas)


def _keys(slice_: Slice, facts: Mapping[str, Code]) -> set[tuple[str, Any]]:
    counts = _found(slice_, facts).counts
    return {key for rule in slice_.rules if rule.id in counts for key in slice_.concluded(rule)}


def _found(slice_: Slice, facts: Mapping[str, Code]) -> Found:
    known = {name: code for name, code in facts.items() if name in slice_.policy.facts}
    try:
        return conclude(slice_, known)
    except (PolicyGap, PolicyConflict) as error:
        raise PolicyError(slice_.policy.file, None, f"{error} Mend it first: tripartite policies check {slice_.policy.name}.") from error


def _difference(space: Space, here: Formula, witness: Mapping[str, Code], old: Slice, new: Slice) -> Difference:
    apart = _keys(old, witness) ^ _keys(new, witness)
    differing = {name for name, _ in apart}
    known = {**_days_computed_from(differing, old), **_days_computed_from(differing, new), **witness}
    shown: list[dict[str, Any]] = []
    rules: list[list[Rule]] = []
    for slice_ in (old, new):
        found = _found(slice_, known)
        shown.append(shown_outcome(slice_.policy, _only(apart, found.values, slice_), known))
        rules.append([rule for rule in slice_.rules if rule.id in found.counts and apart & set(slice_.concluded(rule))])
    return Difference(
        old_outcome=shown[0],
        new_outcome=shown[1],
        old_rules=tuple(rule.id for rule in rules[0]),
        new_rules=tuple(rule.id for rule in rules[1]),
        cites=tuple(dict.fromkeys(rule.cite for rule in [*rules[0], *rules[1]])),
        facts={name: space.facts[name].show(code) for name, code in known.items()},
        where=space.says(space.reach(here)),
    )


def _only(apart: set[tuple[str, Any]], values: Mapping[str, Any], slice_: Slice) -> dict[str, Any]:
    """The values that only one edition concludes; of a list, the records."""
    lists = {name for name, declared in slice_.policy.outcome.items() if declared.type == "list"}
    fields = {name: value for name, value in values.items() if name not in lists and (name, value) in apart}
    return fields | {name: records for name in lists & values.keys() if (records := tuple(i for i in values[name] if (name, i) in apart))}


def _days_computed_from(fields: set[str], slice_: Slice) -> dict[str, Code]:
    """A day for every fact from which a date of these fields is computed: the day the slice begins, where the domain has it."""
    names = dates_asked(tuple(value for rule in slice_.rules for name, value in rule.then.items() if name in fields))
    facts = {name: slice_.policy.facts[name] for name in sorted(names)}
    return {name: min(max(slice_.starts.toordinal(), fact.least), fact.most) for name, fact in facts.items()}
