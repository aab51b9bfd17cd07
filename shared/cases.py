"""Cases: sentences about a policy that a lawyer can check, decided and compared; and what a file of them exercises.

A case file (``tests/<service>/cases/<policy>.yaml``) is a list of::

    - case: Exactly 10,000 pounds does not exceed 10,000 pounds, so one quotation is enough
      as_at: 2021-06-01
      facts: {whole_life_value: "10000.00"}
      expect:
        status: decided                     # decided (if left out) | undetermined | not-in-force
        outcome: {route: one-quotation}     # these fields have these values; of a list, these records are in it
        rules: [one-quotation]              # exactly these rules count
        needs: []                           # exactly these facts are asked for
        notices: []                         # exactly these are said

Read from the top: a case, :func:`verdict` on one, :func:`measure` of all that belong to a policy.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from shared.errors import NotInForce, PolicyConflict, PolicyError, PolicyGap
from shared.policies.citations import Citation
from shared.policies.conditions import Test, facts_of, tests, truth
from shared.policies.facts import ORDERED, Code, Fact, read_facts
from shared.policies.outcomes import NOT_KNOWN
from shared.policies.policy import Notice, Policy, Rule, Slice
from shared.policies.reading import Node, read_yaml
from shared.rules import decide
from shared.rules.conclusion import conclude

STATUSES = ("decided", "undetermined", "not-in-force")
_NOTHING: dict[str, Any] = {"outcome": None, "because": [], "needs": [], "notices": []}
_EXPECTED = {"rules": ("because", "rule"), "needs": ("needs", "fact"), "notices": ("notices", "id")}


@dataclass(frozen=True)
class Case:
    """One sentence with its facts (as JSON has them) and what it expects."""

    says: str
    file: str
    line: int
    as_at: date
    facts: Mapping[str, Any]
    expect: Mapping[str, Any]


def read_cases(path: Path, shown_as: str | None = None) -> list[Case]:
    """The cases of a file.

    :raises PolicyError: with file and line.
    """
    return [_case(item) for item in read_yaml(path, shown_as).items("a file of cases")]


def _case(node: Node) -> Case:
    found = node.fields("a case", ("case", "as_at", "facts"), ("expect",))
    expect = found["expect"].fields("what a case expects", (), ("status", "outcome", *_EXPECTED)) if "expect" in found else {}
    if "status" in expect:
        expect["status"].choice("status", STATUSES)
    if "outcome" in expect:
        expect["outcome"].entries("the outcome that a case expects")
    for part in _EXPECTED.keys() & expect.keys():
        for item in expect[part].items(f"{part} of a case"):
            item.text(f"an item of {part}")
    facts = {name: value.to_json() for name, value in found["facts"].entries("the facts of a case").items()}
    return Case(
        found["case"].text("case"),
        node.file,
        node.line,
        found["as_at"].day("as_at"),
        facts,
        {name: value.to_json() for name, value in expect.items()},
    )


def written_case(policy: Policy, says: str, day: date, facts: Mapping[str, Code]) -> str:
    """A case as it stands in a file; it expects a decision."""
    shown = ", ".join(f"{name}: {_written(policy.facts[name].show(code))}" for name, code in facts.items())
    sentence = says.replace('"', "'")
    return f'- case: "{sentence}"\n  as_at: {day}\n  facts: {{{shown}}}\n  expect: {{status: decided}}\n'


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) and not value[:1].isalpha() and "-" not in value[1:5] else str(value)


def decided(policy: Policy, case: Case) -> dict[str, Any]:
    """The body of a case's decision; only the status where the policy is not in force, or contradicts itself or says nothing."""
    facts = read_facts(policy.facts, case.facts, policy.name)
    try:
        return dict(decide(policy, facts, case.as_at, made_at="", id="").body)
    except NotInForce:
        return {**_NOTHING, "status": "not-in-force"}
    except (PolicyConflict, PolicyGap) as error:
        return {**_NOTHING, "status": f"no answer ({error})"}


def verdict(policy: Policy, case: Case) -> list[str]:
    """What a case expects and does not find, one sentence each.

    :raises PolicyError: the case expects nothing, so nothing could be wrong.
    :raises InvalidFacts: its facts are not those of the policy.
    """
    if not case.expect:
        raise PolicyError(case.file, case.line, "a case that expects nothing proves nothing.")
    found, expected = decided(policy, case), case.expect
    differences = []
    if found["status"] != expected.get("status", "decided"):
        differences.append(f"status: {expected.get('status', 'decided')} was expected, {found['status']} was found")
    for name, value in (expected.get("outcome") or {}).items():
        got = (found["outcome"] or {}).get(name)
        if not _as_expected(value, got):
            differences.append(f"{name}: {value} was expected, {got} was found")
    for name, (part, key) in _EXPECTED.items():
        got_names = {entry[key] for entry in found[part]}
        if name in expected and got_names != set(expected[name]):
            differences.append(f"{name}: {sorted(map(str, expected[name]))} was expected, {sorted(got_names)} was found")
    return differences


def _as_expected(value: Any, got: Any) -> bool:
    if isinstance(value, list):
        return got is not None and bool(value or not got) and all(any(item.items() <= there.items() for there in got) for item in value)
    return bool(value == got)


# ---- what the cases exercise -----------------------------------------------------------------------------------


Taken = tuple[Slice, dict[str, Any], Mapping[str, Code]]
"""A case that was decided: the policy on its day, the decision's body, its facts."""


@dataclass
class Measure:
    """Of everything of one kind that there is, what some case exercises."""

    what: str
    there: dict[str, None] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)

    @property
    def missed(self) -> list[str]:
        """What no case exercises."""
        return [name for name in self.there if name not in self.met]


def measure(policy: Policy, cases: Iterable[Case]) -> list[Measure]:
    """How much of a policy its cases exercise: rules fired and refused, conditions and bounds both ways, days, missing facts, citations."""
    taken = [(case, decided(policy, case), read_facts(policy.facts, case.facts, policy.name)) for case in cases]
    live = [(policy.on(case.as_at), body, facts) for case, body, facts in taken if body["status"] in ("decided", "undetermined")]
    slices = {slice_.starts: slice_ for slice_ in map(policy.on, policy.first_days)}
    return [
        _named("rules fired", policy.rules, (entry["rule"] for _, body, _ in live for entry in body["because"])),
        _named("rules refused", policy.rules, (name for slice_, _, facts in live for name in _refused(slice_, facts))),
        _both_ways(policy, live),
        _bounds(slices.values(), live),
        _days(policy, {case.as_at for case, _, _ in taken}),
        _missing(slices.values(), (entry["fact"] for _, body, _ in live for entry in body["needs"])),
        _named("notices said", policy.notices, (entry["id"] for _, body, _ in live for entry in body["notices"])),
        _citations(policy, live),
    ]


def _named(what: str, there: Iterable[Any], met: Iterable[str]) -> Measure:
    return Measure(what, {item.id: None for item in there}, set(met))


def _refused(slice_: Slice, facts: Mapping[str, Code]) -> Iterator[str]:
    found = conclude(slice_, {**slice_.policy.assumed, **facts})
    return (name for name, holds in found.holds.items() if holds is False or (holds and name not in found.counts))


def _both_ways(policy: Policy, live: Iterable[Taken]) -> Measure:
    """Every test of every rule and notice, true in one case and false in another."""
    found = Measure("conditions both ways")
    written = {item.id: _tests(item) for item in _said_by(policy)}
    for name, asked in written.items():
        for test in asked:
            there = f"{name}: {test.fact} {test.operator} {test.bound}"
            found.there |= {f"{there} is {way}": None for way in ("true", "false")}
    for slice_, _, facts in live:
        known = {**policy.assumed, **facts}
        values = {
            name: value for name, value in conclude(slice_, known).values.items() if isinstance(value, int | str) and value != NOT_KNOWN
        }
        for item in _said_by(slice_):
            for test, unbound in zip(_tests(item), written[item.id], strict=True):
                if (way := truth(test, {**values, **known})) is not None:
                    found.met.add(f"{item.id}: {unbound.fact} {unbound.operator} {unbound.bound} is {str(way).lower()}")
    return found


def _said_by(holder: Policy | Slice) -> list[Rule | Notice]:
    return [*holder.rules, *holder.notices]


def _tests(item: Rule | Notice) -> list[Test]:
    return [*tests(item.when), *(tests(item.unless) if isinstance(item, Notice) else ())]


def _bounds(slices: Iterable[Slice], live: Iterable[Taken]) -> Measure:
    """Every bound of a number or date: the value just below it, the bound itself, the value just above it, within the domain."""
    found = Measure("bounds from both sides")
    for slice_ in slices:
        for fact, code in _points(slice_):
            found.there[f"{fact.name} {fact.show(code)}"] = None
    for slice_, _, facts in live:
        found.met |= {f"{fact.name} {fact.show(code)}" for fact, code in _points(slice_) if facts.get(fact.name) == code}
    return found


def _points(slice_: Slice) -> Iterator[tuple[Fact, int]]:
    for name, bounds in facts_of(test for item in _said_by(slice_) for test in _tests(item)).items():
        fact = slice_.policy.facts.get(name)
        if fact and fact.type in ORDERED:
            near = {int(bound) + step for bound in bounds for step in (-1, 0, 1)}
            yield from ((fact, code) for code in sorted(near) if fact.least <= code <= fact.most)


def _days(policy: Policy, asked: set[date]) -> Measure:
    """The first day of every edition, and the day before it."""
    ends = [day for day in policy.changes if day not in policy.first_days and day != date.max and day > policy.first_days[0]]
    days = [near for day in sorted([*policy.first_days, *ends]) for near in (day - timedelta(days=1), day)]
    return Measure("days", {day.isoformat(): None for day in days}, {day.isoformat() for day in asked})


def _missing(slices: Iterable[Slice], met: Iterable[str]) -> Measure:
    """Every fact that can matter once what is assumed is assumed, missing in a case."""
    matter = {name: None for slice_ in slices for name in sorted(conclude(slice_, slice_.policy.assumed).needs)}
    return Measure("facts missing", matter, set(met))


def _citations(policy: Policy, live: Iterable[Taken]) -> Measure:
    """Every citation of a rule, of a parameter that a rule stands on, and of a notice."""
    cites = {item.id: [item.cite, *(item.see if isinstance(item, Rule) else ())] for item in _said_by(policy)}
    used = [value.cite for rule in policy.rules for name in rule.parameters for value in policy.parameters[name].values]
    found = Measure("citations", {_cited(cite): None for cite in [*(cite for listed in cites.values() for cite in listed), *used]})
    for slice_, body, _ in live:
        counting = [entry["rule"] for entry in body["because"]]
        said = [cite for name in [*counting, *(entry["id"] for entry in body["notices"])] for cite in cites[name]]
        standing = {name for rule in policy.rules if rule.id in counting for name in rule.parameters}
        found.met |= {_cited(cite) for cite in [*said, *(slice_.bounds[name].cite for name in standing)]}
    return found


def _cited(cite: Citation) -> str:
    return f"{cite.source} {cite.entry}"
