"""What is wrong with a policy, or with the text it stands on: each finding a sentence with its citations and a case that shows it.

==================  ==============================================================================================
gap                 some admissible facts reach no outcome, or there is a day without rules between two with
conflict            two rules count and conclude different things (or count at all, where the hit is unique)
dead                a rule, notice or parameter in force that can never hold or be used
shadowed            a rule that can hold, but never counts: something always overrides it
unreachable         an outcome that is declared and never concluded, on any day
gap-as-printed      as printed (each rule's ``printed``, else its ``when``), the text leaves these facts without an outcome
overlap-as-printed  as printed, two rules hold and say different things
order               two computed dates that should come in an order do not
stale               a finding was accepted that the proofs no longer find
==================  ==============================================================================================

Read from the top: :func:`check`, the proofs of one day, then what looks at several days, then what is accepted.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations
from typing import Any

from shared.cases import written_case
from shared.errors import BeyondCalendar
from shared.policies.citations import Citation
from shared.policies.conditions import Condition, Test, parameters_of, substitute, tests, truth
from shared.policies.conditions import bind as bound
from shared.policies.facts import Code
from shared.policies.outcomes import Computed
from shared.policies.policy import Accepted, Notice, Policy, Rule, Slice, conditions_of, flattened, meant
from shared.proofs.space import Formula, Space, both, nowhere, opposite, some

MOST_OF_A_KIND = 25
"""Enough to mend by; a policy with more is reported once it has fewer."""


@dataclass(frozen=True)
class Finding:
    """One finding. ``case`` is a case ready to paste (or empty); ``accepted`` is set where the policy accepts it by name."""

    kind: str
    rules: tuple[str, ...]
    sentence: str
    cites: tuple[Citation, ...]
    since: date
    until: date | None = None
    case: str = ""
    accepted: Accepted | None = None

    def to_json(self) -> dict[str, Any]:
        """The finding as data."""
        return {
            "kind": self.kind,
            "rules": list(self.rules),
            "says": self.sentence,
            "cites": [cite.to_json() for cite in self.cites],
            "since": self.since.isoformat(),
            "until": self.until.isoformat() if self.until else None,
            "case": self.case,
            "accepted": {"id": self.accepted.id, "because": self.accepted.because} if self.accepted else None,
        }


def check(policy: Policy) -> list[Finding]:
    """Everything that the proofs find wrong with a policy, unaccepted findings first; each once for every stretch of days."""
    slices = [policy.on(day) for day in policy.first_days]
    found: dict[tuple[object, ...], Finding] = {}
    for slice_, after in zip(slices, [*policy.first_days[1:], None], strict=True):
        for finding in _Proof(slice_).findings():
            lasting = next((each for each in found.values() if _goes_on(each, finding)), finding)
            found[lasting.kind, lasting.rules, lasting.sentence, lasting.since] = replace(lasting, until=after)
    everywhere = [*_unreachable(policy, slices), *_unused(policy)]
    taken = [*found.values(), *_days_without_rules(policy), *(_accepted(policy, finding) for finding in everywhere)]
    used = {finding.accepted.id for finding in taken if finding.accepted}
    stale = [
        Finding(
            "stale",
            (each.id,),
            f"“{each.id}” is accepted, but the proofs find no such {each.finding}; take it away.",
            (each.cite,),
            slices[0].starts,
        )
        for each in policy.accepted
        if each.id not in used
    ]
    return sorted([*taken, *stale], key=lambda finding: finding.accepted is not None)


def _goes_on(before: Finding, now: Finding) -> bool:
    """Whether a finding is the same as one that was found up to the day on which it begins."""
    return (before.kind, before.rules, before.sentence, before.until) == (now.kind, now.rules, now.sentence, now.since)


# ---- one day -----------------------------------------------------------------------------------------------------


class _Proof:
    """The proofs of one slice: the policy with every bound a plain value."""

    def __init__(self, slice_: Slice) -> None:
        self.slice_, self.policy = slice_, slice_.policy
        printed = tuple(rule if rule.printed is None else replace(rule, when=rule.printed) for rule in slice_.rules)
        printed_survival = flattened(printed, self.policy.hit, self.policy.facts)[1]
        self.said = [(notice, self._in_facts(notice.when), self._in_facts(notice.unless)) for notice in slice_.notices]
        values = {name: value.value for name, value in slice_.bounds.items()}
        self.regions = {
            each.id: bound(each.when, values) for each in self.policy.accepted if parameters_of([each.when]) <= set(slice_.bounds)
        }
        asked = [
            *slice_.meaning.values(),
            *printed_survival.values(),
            *self.regions.values(),
            *(part for _, *parts in self.said for part in parts),
        ]
        self.space = Space.of(self.policy.facts, asked)
        self.rivals = [pair for pair in combinations(slice_.rules, 2) if self._are_rivals(*pair)]
        self.counts = {name: self.space.formula(condition) for name, condition in slice_.survival.items()}
        self.counts_as_printed = {name: self.space.formula(condition) for name, condition in printed_survival.items()}

    def _in_facts(self, condition: Condition) -> Condition:
        """A notice's condition in terms of facts alone."""

        def means(test: Test) -> Condition:
            return meant(test, self.slice_.rules, self.slice_.survival, self.policy.facts)

        return substitute(condition, means)

    def findings(self) -> Iterator[Finding]:
        yield from self._dead()
        yield from self._pairs("conflict", self.counts, nowhere())
        gap = self._gap(self.counts)
        yield from self._places("gap", (), gap)
        if any(rule.printed is not None for rule in self.slice_.rules):
            conflicts = some(self._together(pair, self.counts) for pair in self.rivals)
            yield from self._pairs("overlap-as-printed", self.counts_as_printed, conflicts)
            yield from self._places("gap-as-printed", (), both([self._gap(self.counts_as_printed), opposite(gap)]))
        yield from self._orders()

    def _dead(self) -> Iterator[Finding]:
        for rule in self.slice_.rules:
            if self.space.find(self.space.formula(self.slice_.meaning[rule.id])) is None:
                yield self._finding("dead", rule, f"The rule “{rule.id}” can never hold, whatever the facts are.")
            elif self.space.find(self.counts[rule.id]) is None:
                above = ", ".join(f"“{other.id}”" for other in self.slice_.above(rule))
                yield self._finding(
                    "shadowed", rule, f"The rule “{rule.id}” never counts: whenever it holds, so does {above}, overriding it."
                )
        for notice, when, unless in self.said:
            if self.space.find(self.space.formula(when), opposite(self.space.formula(unless))) is None:
                yield self._finding("dead", notice, f"The notice “{notice.id}” can never be said, whatever the facts are.")

    def _finding(self, kind: str, item: Rule | Notice, words: str) -> Finding:
        return _accepted(self.policy, Finding(kind, (item.id,), words, (item.cite,), self.slice_.starts))

    # ---- conflicts and overlaps

    def _pairs(self, kind: str, counts: Mapping[str, Formula], known: Formula) -> Iterator[Finding]:
        """Every two rivals that count together somewhere, but for where that is known already."""
        formulas = [both([self._together(pair, counts), opposite(known)]) for pair in self.rivals]
        if self.space.find(some(formulas)) is not None:
            for pair, formula in zip(self.rivals, formulas, strict=True):
                yield from self._places(kind, pair, formula)

    def _are_rivals(self, rule: Rule, other: Rule) -> bool:
        """Whether the two must not count together."""
        return (self.policy.hit == "unique" and rule.stage == other.stage) or bool(self._fields(rule, other))

    def _fields(self, rule: Rule, other: Rule) -> list[str]:
        """The fields (but for lists) that both conclude, and not alike."""
        shared = [name for name in rule.then if name in other.then and self.policy.outcome[name].type != "list"]
        return [name for name in shared if rule.then[name] != other.then[name]]

    def _together(self, pair: tuple[Rule, Rule], counts: Mapping[str, Formula]) -> Formula:
        return both(counts[rule.id] for rule in pair)

    # ---- gaps

    def _gap(self, counts: Mapping[str, Formula]) -> Formula:
        """No rule concludes what the policy is about."""
        subject = self.policy.subject
        if subject is None:
            return nowhere()
        return opposite(some(counts[rule.id] for rule in self.slice_.concluding[subject]))

    # ---- where it happens

    def _places(self, kind: str, rules: tuple[Rule, ...], formula: Formula) -> Iterator[Finding]:
        """The boxes in which a formula holds: those that are accepted, then every other."""
        names = self._names(rules)
        left = formula
        for each in self.policy.accepted:
            if each.id in self.regions and _fits(each, kind, names):
                region = self.space.formula(self.regions[each.id])
                yield from self._place(kind, rules, both([left, region]), each)
                left = both([left, opposite(region)])
        for _ in range(MOST_OF_A_KIND):
            facts = self.space.find(left)
            if facts is None:
                return
            yield from self._place(kind, rules, left, None)
            left = both([left, opposite(self.space.inside(self.space.around(facts, left)))])

    def _place(self, kind: str, rules: tuple[Rule, ...], formula: Formula, accepted: Accepted | None) -> Iterator[Finding]:
        """The finding for one place where the formula holds, if there is any."""
        facts = self.space.find(formula)
        if facts is None:
            return
        box = self.space.around(facts, formula)
        facts = self.space.corner(box)
        sentence = self._words(kind, rules, self.space.says(box))
        cites = tuple(rule.cite for rule in rules) or self._neighbours(facts)
        case = written_case(self.policy, self._mended(rules, self.space.says(box)), self.slice_.starts, facts)
        yield Finding(kind, self._names(rules), sentence, cites, self.slice_.starts, case=case, accepted=accepted)

    def _mended(self, rules: tuple[Rule, ...], where: str) -> str:
        """What a case claims: true once the finding is mended."""
        claim = f"“{rules[0].id}” and “{rules[1].id}” do not contradict each other" if rules else f"Some {self.policy.subject} is concluded"
        return f"{claim} when {where}"

    def _names(self, rules: tuple[Rule, ...]) -> tuple[str, ...]:
        """What a finding is about: these rules, or (a gap) what the policy is about."""
        return tuple(rule.id for rule in rules) or (self.policy.subject or "",)

    def _words(self, kind: str, rules: tuple[Rule, ...], where: str) -> str:
        printed = "As printed, " if kind.endswith("-as-printed") else ""
        if not rules:
            return f"{printed}{'no' if printed else 'No'} rule concludes {self.policy.subject} when {where}."
        first, second = rules
        fields = self._fields(first, second)
        what = f"differ on {', '.join(fields)}" if fields else "both count, where only one may"
        return f"{printed}“{first.id}” and “{second.id}” both hold and {what} when {where}."

    def _neighbours(self, facts: Mapping[str, Code]) -> tuple[Citation, ...]:
        """The citations of the two rules about the subject that lack least under these facts."""
        subject = self.policy.subject
        rules = [rule for rule in self.slice_.rules if subject in rule.then]

        def unmet(rule: Rule) -> int:
            return sum(truth(test, facts) is False for test in tests(self.slice_.meaning[rule.id]))

        return tuple(dict.fromkeys(rule.cite for rule in sorted(rules, key=unmet)[:2]))

    # ---- orders

    def _orders(self) -> Iterator[Finding]:
        for claim in self.policy.order:
            pairs = [
                (first, second)
                for first in self.slice_.concluding[claim.earlier]
                for second in self.slice_.concluding[claim.later]
                if self.space.find(self.counts[first.id], self.counts[second.id]) is not None
            ]
            for first, second in pairs:
                wrong = _out_of_order(self.policy, first.then[claim.earlier], second.then[claim.later])
                if wrong:
                    words = f"{claim.because} But {claim.earlier} comes after {claim.later}: {wrong}"
                    cites = tuple(dict.fromkeys((claim.cite, first.cite, second.cite)))
                    yield _accepted(self.policy, Finding("order", (claim.id,), words, cites, self.slice_.starts))


def _out_of_order(policy: Policy, earlier: Any, later: Any) -> str:
    """A day on which two computed dates come in the wrong order, or nothing: then they never do."""
    if not (isinstance(earlier, Computed) and isinstance(later, Computed) and earlier.fact == later.fact):
        return "they are not computed from the same fact, so their order cannot be proved."
    fact = policy.facts[earlier.fact]
    compared = False
    for day in range(fact.least, fact.most + 1):
        try:
            first, second = earlier.on(day), later.on(day)
        except BeyondCalendar:
            continue
        compared = True
        if first > second:
            return f"with {fact.name} {fact.show(day)} they are {date.fromordinal(first)} and {date.fromordinal(second)}."
    return "" if compared else "on no day both can be computed, so their order cannot be proved."


# ---- several days ------------------------------------------------------------------------------------------------


def _days_without_rules(policy: Policy) -> Iterator[Finding]:
    for day in policy.changes:
        if policy.first_days[0] < day < policy.first_days[-1] and day not in policy.first_days:
            words = f"{policy.name} has no rules from {day} on, but it has some before and after."
            yield Finding("gap", (), words, (), day)


def _unreachable(policy: Policy, slices: list[Slice]) -> Iterator[Finding]:
    """What is declared under outcome and concluded by no rule that is in force on some day (each of them can count, or is dead)."""
    concluded = {(name, value) for slice_ in slices for rule in slice_.rules for name, value in rule.then.items()}
    fields = {name for name, _ in concluded}
    for name, field in policy.outcome.items():
        missing = [choice for choice in field.choices if (name, choice) not in concluded] if name in fields else [""]
        for choice in missing:
            words = f"No rule ever concludes {name}{f' {choice}' if choice else ''}; take it away, or write the rule."
            yield Finding("unreachable", (name,), words, (), slices[0].starts)


def _unused(policy: Policy) -> Iterator[Finding]:
    used = {name for rule in policy.rules for name in rule.parameters}
    used |= parameters_of([*conditions_of(*policy.rules, *policy.notices), *(each.when for each in policy.accepted)])
    for name, parameter in policy.parameters.items():
        if name not in used:
            value = parameter.values[0]
            yield Finding("dead", (name,), f"No rule and no notice uses the parameter “{name}”.", (value.cite,), value.starts)


# ---- what is accepted ----------------------------------------------------------------------------------------------


def _fits(each: Accepted, kind: str, names: Iterable[str]) -> bool:
    return each.finding == kind and (not each.rules or set(names) <= each.rules)


def _accepted(policy: Policy, finding: Finding) -> Finding:
    """A finding without a region, with the acceptance that names it."""
    fitting = next((each for each in policy.accepted if _fits(each, finding.kind, finding.rules)), None)
    return replace(finding, accepted=fitting)
