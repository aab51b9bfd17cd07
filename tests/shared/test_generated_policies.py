"""Three judges of one policy: durable_rules, the evaluator and z3, on policies that nobody wrote.

Hypothesis writes well-formed policy files (stages, overrides, dated parameters, every hit) and facts for them. The engines must
agree on every rule; what the proofs say must be so: a policy without findings never fails, and each finding's case does.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import PolicyConflict, PolicyError, PolicyGap
from shared.policies.facts import Code, Fact
from shared.policies.policy import Policy, Slice
from shared.policies.reading import parse_yaml
from shared.proofs import check, differences
from shared.proofs.space import Space, both
from shared.rules.conclusion import conclude
from shared.rules.decision import check_engines
from tests.shared.scratch import FACTS, a_policy

ORDERED = {"amount": ("GBP", ['"1.00"', '"9.99"', '"10.00"', '"999.00"']), "number": ("count", ["0", "3", "4", "10"]),
           "day": ("date", ["2020-01-01", "2024-02-29", "2030-01-01"])}  # fmt: skip
UNORDERED = {"sure": ["true", "false"], "calm": ["true", "false"], "kind": ["red", "green"], "note": ["a", "b c"]}
CITE = "cite: {source: TOOLKIT, section: Sizes, entry: limit}"
DAYS = (date(2020, 1, 1), date(2022, 6, 30), date(2022, 7, 1), date(2029, 1, 1))


@dataclass(frozen=True)
class Written:
    """A condition as a file has it, and the parameters it needs: name -> (unit, first value, later value)."""

    text: str
    parameters: dict[str, tuple[str, str, str]]


@st.composite
def a_test(draw: st.DrawFn, fields: tuple[str, ...]) -> Written:
    name = draw(st.sampled_from([*ORDERED, *UNORDERED, *fields]))
    if name in fields:
        return Written(f"{{{name}: {{{draw(st.sampled_from(['is', 'is_not']))}: {draw(st.sampled_from(['low', 'high']))}}}}}", {})
    if name in UNORDERED:
        return Written(f"{{{name}: {{{draw(st.sampled_from(['is', 'is_not']))}: {draw(st.sampled_from(UNORDERED[name]))}}}}}", {})
    unit, values = ORDERED[name]
    first, later = draw(st.sampled_from(values)), draw(st.sampled_from(values))
    parameter = f"p-{name}-{values.index(first)}-{values.index(later)}"
    operator = draw(st.sampled_from(["is", "is_not", "at_most", "less_than", "at_least", "more_than"]))
    return Written(f"{{{name}: {{{operator}: ${parameter}}}}}", {parameter: (unit, first, later)})


def joined(word: str, parts: list[Written]) -> Written:
    """``all``, ``any`` or ``not`` of some conditions."""
    texts = ", ".join(part.text for part in parts)
    needed = {name: value for part in parts for name, value in part.parameters.items()}
    return Written(f"{{not: {parts[0].text}}}" if word == "not" else f"{{{word}: [{texts}]}}", needed)


def conditions(fields: tuple[str, ...] = ()) -> st.SearchStrategy[Written]:
    """Conditions over the facts, and over outcome fields of the stage before."""
    deeper = lambda inner: st.builds(joined, st.sampled_from(["all", "any", "not"]), st.lists(inner, min_size=1, max_size=3))  # noqa: E731
    return st.recursive(a_test(fields), deeper, max_leaves=4)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """A well-formed policy: one or two stages, one subject, overrides that run backwards, parameters that change in July 2022."""
    rules: list[dict[str, Any]] = []
    parameters: dict[str, tuple[str, str, str]] = {}
    two_stages = draw(st.booleans())
    for number in range(draw(st.integers(1, 5))):
        stage = draw(st.integers(1, 2)) if two_stages else 2
        when = draw(conditions(("level",) if stage > 1 and two_stages else ()))
        parameters |= when.parameters
        concluded = "level: {}" if stage == 1 else "size: {}"
        value = draw(st.sampled_from(["low", "high"] if stage == 1 else ["small", "large"]))
        earlier = [other["id"] for other in rules if other["stage"] == stage]
        over = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=2)) if earlier else []
        ends = draw(st.sampled_from(["", "    to: 2022-07-01\n"]))
        rules.append({"id": f"r{number}", "stage": stage, "when": when.text, "then": concluded.format(value), "over": over, "ends": ends})
    return a_policy(written(draw(st.sampled_from(["unique", "any", "first"])), rules, parameters))


def written(hit: str, rules: list[dict[str, Any]], parameters: dict[str, tuple[str, str, str]]) -> str:
    """The text of a policy file."""
    lines = ["policy: size", "question: How big is it?", f"hit: {hit}", "outcome:", "  size: {choice: [small, large]}"]
    lines += ["  level: {choice: [low, high], informs: true}"]
    lines += ["parameters:"] if parameters else []
    for name, (unit, first, later) in parameters.items():
        lines += [f"  {name}:", f"    - {{from: 2020-01-01, value: {first}, unit: {unit}, {CITE}}}"]
        lines += [f"    - {{from: 2022-07-01, value: {later}, unit: {unit}, {CITE}}}"]
    lines += ["rules:"]
    for rule in rules:
        lines += [f"  - id: {rule['id']}", "    from: 2020-01-01", f"{rule['ends']}    stage: {rule['stage']}", f"    when: {rule['when']}"]
        lines += [f"    then: {{{rule['then']}}}", "    because: So it is.", f"    {CITE}", f"    overrides: [{', '.join(rule['over'])}]"]
    return "\n".join(lines) + "\n"


def a_value(fact: Fact) -> st.SearchStrategy[Code]:
    """Values of a fact: most often one that the generated bounds can tell apart."""
    if fact.type == "boolean":
        return st.integers(0, 1)
    if fact.type == "choice":
        return st.sampled_from(fact.choices)
    if fact.type == "text":
        return st.sampled_from(["a", "b c", "something else"])
    bounds = [fact.read(value.strip('"')) for value in ORDERED[fact.name][1]]
    near = sorted({int(bound) + step for bound in bounds for step in (-1, 0, 1)})
    return st.sampled_from([code for code in near if fact.least <= code <= fact.most]) | st.integers(fact.least, fact.most)


def z3_counts(slice_: Slice, facts: dict[str, Code]) -> set[str]:
    """The rules that count, as z3 has it."""
    space = Space.of(slice_.policy.facts, slice_.meaning.values())
    asked = {name: code for name, code in facts.items() if name in space.asked}
    here = [space.exactly(asked)]
    return {name for name, condition in slice_.survival.items() if space.find(both([space.formula(condition), *here])) is not None}


def day_in_force(policy: Policy, data: st.DataObject) -> date | None:
    """One of the days on which the policy has rules."""
    days = [day for day in DAYS if any(rule.starts <= day < rule.ends for rule in policy.rules)]
    return data.draw(st.sampled_from(days)) if days else None


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
@given(policies(), st.data())
def test_durable_rules_the_evaluator_and_z3_agree_on_generated_policies(policy: Policy, data: st.DataObject) -> None:
    day = day_in_force(policy, data)
    assert day is not None
    slice_ = policy.on(day)
    for _ in range(4):
        facts = {name: data.draw(a_value(fact)) for name, fact in policy.facts.items()}
        given_ = {name: code for name, code in facts.items() if data.draw(st.booleans())}
        for known in (facts, given_):
            try:
                found = conclude(slice_, known)
            except (PolicyConflict, PolicyGap):
                continue  # said by the proofs; see below
            check_engines(slice_, known, found)  # raises EnginesDisagree
            if known is facts:
                assert found.counts == z3_counts(slice_, facts)


@settings(max_examples=200, deadline=None, suppress_health_check=QUIET)
@given(policies(), st.data())
def test_a_policy_fails_for_some_facts_exactly_if_the_proofs_say_so_and_for_the_facts_they_show(
    policy: Policy, data: st.DataObject
) -> None:
    drawn = [{name: data.draw(a_value(fact)) for name, fact in policy.facts.items()} for _ in DAYS]
    failing = [finding for finding in check(policy) if finding.kind in ("gap", "conflict") and finding.case]
    for finding in failing:
        case = parse_yaml(finding.case, "case").items("cases")[0].fields("a case", ("case", "as_at", "facts", "expect"))
        facts = {name: policy.facts[name].read(node.value) for name, node in case["facts"].entries("facts").items()}
        slice_ = policy.on(case["as_at"].day("as_at"))
        assert all(fails(slice_, rest | facts) for rest in drawn), finding.sentence
    for day, facts in zip(DAYS, drawn, strict=True):
        if any(rule.starts <= day < rule.ends for rule in policy.rules):
            assert not fails(policy.on(day), facts) or any(finding.since <= day for finding in failing), f"{facts} on {day}"


def fails(slice_: Slice, facts: dict[str, Code]) -> bool:
    """Whether the policy has no one answer to these facts."""
    try:
        conclude(slice_, facts)
    except (PolicyGap, PolicyConflict):
        return True
    return False


@settings(max_examples=150, deadline=None, suppress_health_check=QUIET)
@given(policies(), policies(), st.data())
def test_two_editions_differ_exactly_where_their_differences_say(one: Policy, other: Policy, data: st.DataObject) -> None:
    old, new = one.on(DAYS[0]), other.on(DAYS[0])
    try:
        found = differences(old, new)
    except PolicyError:
        return  # one of them has a gap or a conflict, and says so
    for difference in found:
        facts = {name: FACTS[name].read(value) for name, value in difference.facts.items()}
        assert sizes(old, facts) != sizes(new, facts), difference
    facts = {name: data.draw(a_value(fact)) for name, fact in {**one.facts, **other.facts}.items()}
    if not found and not fails(old, facts) and not fails(new, facts):
        assert sizes(old, facts) == sizes(new, facts)


def sizes(slice_: Slice, facts: dict[str, Code]) -> dict[str, object]:
    """What a slice concludes from these facts."""
    return dict(conclude(slice_, {name: code for name, code in facts.items() if name in slice_.policy.facts}).values)
