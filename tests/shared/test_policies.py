"""Policy files: every kind of mistake has its sentence; time is resolved to the day; editions follow from content."""

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from shared import policies as house
from shared.errors import NotInForce, PolicyError
from shared.policies import load_policies, load_sources, policy_from_canonical
from shared.policies.citations import citing
from shared.policies.facts import declared_facts
from shared.policies.policy import Policy
from shared.policies.policy_file import read_policy
from shared.policies.reading import parse_yaml
from tests.shared.scratch import ENTRIES, FACTS_TEXT, POLICY, a_policy, changed

SERVICES = ("eligibility", "deadlines", "responsibility", "notifications")
HOUSE_POLICIES = [policy for service in SERVICES for policy in load_policies(service).values()]
CITE = "cite: {source: TOOLKIT, section: Sizes, entry: limit}"
VALUE = f"    - {{from: 2020-01-01, value: 5, unit: count, {CITE}}}\n"


MISTAKES = sorted((Path(__file__).parent / "mistakes").glob("*.yaml"))
EXPECTED = re.compile(r"\n# Wrong in line (\d+)\. The message must contain:\n# (.+)\n$")


@pytest.mark.parametrize("file", MISTAKES, ids=[file.stem for file in MISTAKES])
def test_a_mistake_is_refused_with_file_line_and_what_would_be_right(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    expected = EXPECTED.search(text)
    assert expected, f"{file.name} must end by saying what is wrong in it"
    with pytest.raises(PolicyError) as caught:
        a_policy(text)
    assert expected[2] in caught.value.problem
    assert (caught.value.file, caught.value.line) == ("policies/size.yaml", int(expected[1]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("policy: [", "this is not YAML"),
        ("- policy", "a policy must be a map (key: value), not a list"),
        ("size", "a policy must be a map (key: value), not “size”"),
    ],
)
def test_a_file_that_holds_no_policy_is_refused(text: str, words: str) -> None:
    with pytest.raises(PolicyError, match=r"policies/size\.yaml") as caught:
        a_policy(text)
    assert words in caught.value.problem


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("n: {type: integer, ask: A}", "the fact n needs a domain: without one no gap can be proved"),
        ("n: {type: integer, domain: {at_least: 0}, ask: A}", "the domain of n lacks the key “at_most”"),
        ("n: {type: integer, domain: {at_least: 5, at_most: 5}, ask: A}", "the domain of n is empty: at_least must be below at_most"),
        ('n: {type: money, domain: {at_least: "1.005", at_most: "2.00"}, ask: A}', "must be pounds and whole pence"),
        ("n: {type: money, domain: {at_least: 0.0, at_most: 1}, ask: A}", "fraction without quotes"),
        ("n: {type: date, domain: {at_least: 2020-01-01, at_most: never}, ask: A}", "must be a date such as 2021-06-01, not 'never'"),
        ("n: {type: choice, domain: [only], ask: A}", "the domain of n must be two or more different lower-case-tokens"),
        ("n: {type: choice, domain: [a, a], ask: A}", "two or more different"),
        ("n: {type: choice, domain: [Red, green], ask: A}", "lower-case-tokens"),
        ("n: {type: choice, domain: {a: b}, ask: A}", "the domain of n must be a list, not a map"),
        ("n: {type: boolean, domain: [true, false], ask: A}", "the fact n is a boolean; it has no domain"),
        ("n: {type: text, domain: {max: 5}, ask: A}", "the domain of n has no key “max”"),
        ("n: {type: number, ask: A}", "a fact's type cannot be “number”; it is one of money, integer"),
        ("n: {type: boolean}", "the fact n lacks the key “ask”"),
        ("n: {type: boolean, ask: A, assume: true}", "assume of n must be a map"),
        ("N: {type: boolean, ask: A}", "the fact “N” must be named in lower_case_with_underscores"),
        ("n-n: {type: boolean, ask: A}", "must be named in lower_case_with_underscores"),
        ("n: {type: boolean, ask: A, assume: {value: maybe, because: B}}", "the assumed value of n must be true or false, not 'maybe'"),
        ("n: {type: choice, domain: [a, b], ask: A, assume: {value: c, because: B}}", "the assumed value of n must be one of a, b"),
        ("n: {type: integer, domain: {at_least: 0, at_most: 5}, ask: A, assume: {value: 6, because: B}}", "must be from 0 to 5, not 6"),
        ("n: {type: boolean, ask: A, assume: {value: true}}", "assume of n lacks the key “because”"),
    ],
)
def test_a_fact_that_is_badly_declared_is_refused(declared: str, words: str) -> None:
    with pytest.raises(PolicyError) as caught:
        declared_facts(parse_yaml(declared, "facts.yaml"))
    assert words in caught.value.problem
    assert (caught.value.file, caught.value.line) == ("facts.yaml", 1)


# ---- days --------------------------------------------------------------------------------------------------------

DATED = changed(
    (VALUE, VALUE + VALUE.replace("2020-01-01", "2021-04-01").replace("value: 5", "value: 7")),
    ("    overrides", "    to: 2022-01-01\n    overrides"),
)


@pytest.mark.parametrize(
    ("day", "limit", "rules"),
    [
        (date(2020, 1, 1), 5, ["small", "large"]),
        (date(2021, 3, 31), 5, ["small", "large"]),
        (date(2021, 4, 1), 7, ["small", "large"]),
        (date(2021, 12, 31), 7, ["small", "large"]),
        (date(2022, 1, 1), 7, ["small"]),
        (date(2099, 1, 1), 7, ["small"]),
    ],
)
def test_from_is_the_first_day_in_force_and_to_the_first_day_no_longer(day: date, limit: int, rules: list[str]) -> None:
    slice_ = a_policy(DATED).on(day)
    assert slice_.bounds["limit"].value == limit
    assert [rule.id for rule in slice_.rules] == rules


def test_days_between_two_changes_share_one_slice() -> None:
    policy = a_policy(DATED)
    assert policy.on(date(2021, 4, 1)) is policy.on(date(2021, 12, 31))
    assert policy.on(date(2021, 3, 31)) is not policy.on(date(2021, 4, 1))


def test_before_its_first_day_a_policy_is_not_in_force_and_says_when_it_will_be() -> None:
    with pytest.raises(NotInForce, match="size has no rules in force on 2019-12-31; they begin on 2020-01-01"):
        a_policy().on(date(2019, 12, 31))


def test_after_its_last_day_a_policy_is_not_in_force() -> None:
    ended = changed(("    when: {number: {", "    to: 2021-01-01\n    when: {number: {"))
    ended = changed(("    when: {number: {more", "    to: 2021-01-01\n    when: {number: {more"), text=ended)
    assert a_policy(ended).on(date(2020, 12, 31)).rules
    with pytest.raises(NotInForce, match="no rules in force on 2021-01-01"):
        a_policy(ended).on(date(2021, 1, 1))


@pytest.mark.parametrize("policy", HOUSE_POLICIES, ids=[policy.name for policy in HOUSE_POLICIES])
def test_every_policy_of_the_house_changes_on_the_days_it_says_and_on_no_other(policy: Policy) -> None:
    first = min(rule.starts for rule in policy.rules)
    for change in policy.changes:
        for day in (change, change + timedelta(days=1)) if first <= change < date(9999, 12, 1) else ():
            assert policy.on(day).starts == max(before for before in policy.changes if before <= day)


# ---- editions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", HOUSE_POLICIES, ids=[policy.name for policy in HOUSE_POLICIES])
def test_a_stored_edition_reads_back_as_the_same_edition(policy: Policy) -> None:
    again = policy_from_canonical(policy.canonical, "stored")
    assert (again.edition, again.canonical) == (policy.edition, policy.canonical)
    assert (again.facts, again.parameters, again.outcome) == (policy.facts, policy.parameters, policy.outcome)
    assert [(rule.id, rule.starts, rule.ends, rule.when, rule.then) for rule in again.rules] == [
        (rule.id, rule.starts, rule.ends, rule.when, rule.then) for rule in policy.rules
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("value: 5,", "value: 6,"),
        ("from: 2020-01-01, value: 5", "from: 2019-01-01, value: 5"),
        ("at_most: $limit", "less_than: $limit"),
        ("weeks: 2", "weeks: 3"),
        ("It exceeds the limit.", "It is over the limit."),
        ("entry: small", "entry: little"),
        ("hit: any", "hit: first"),
        ("    overrides: [small]\n", ""),
        ("How big is it?", "How large is it?"),
    ],
)
def test_whatever_matters_makes_another_edition(old: str, new: str) -> None:
    assert a_policy(changed((old, new))).edition != a_policy().edition


def test_another_question_or_domain_of_a_fact_that_is_asked_makes_another_edition_and_of_one_that_is_not_does_not() -> None:
    def edition(text: str) -> str:
        node = parse_yaml(POLICY, "policies/size.yaml")
        return read_policy(node, declared_facts(parse_yaml(text, "facts.yaml")), citing(load_sources(), ENTRIES)).edition

    assert edition(changed(("at_most: 10", "at_most: 11"), text=FACTS_TEXT)) != a_policy().edition
    assert edition(changed(("How many are there?", "How many?"), text=FACTS_TEXT)) != a_policy().edition
    assert edition(changed(("[red, green]", "[red, blue]"), text=FACTS_TEXT)) == a_policy().edition


def test_comments_and_spacing_do_not_make_another_edition() -> None:
    assert a_policy("# a comment\n" + POLICY.replace("{size: large}", "{ size:  large }")).edition == a_policy().edition


# ---- folders -----------------------------------------------------------------------------------------------------


def test_a_policy_stands_in_the_file_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "services" / "scratch"
    (folder / "policies").mkdir(parents=True)
    (folder / "facts.yaml").write_text(FACTS_TEXT, encoding="utf-8")
    (folder / "policies" / "length.yaml").write_text(POLICY, encoding="utf-8")
    load_sources()
    monkeypatch.setattr(house, "HOUSE", tmp_path)
    monkeypatch.setattr(house, "load_catalogue", lambda: ENTRIES)
    with pytest.raises(PolicyError, match=r"services/scratch/policies/length\.yaml, line 1: the policy is called “size”"):
        load_policies("scratch")


def test_a_file_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "HOUSE", tmp_path)
    with pytest.raises(PolicyError, match=r"services/nowhere/facts\.yaml: the file is missing"):
        load_policies("nowhere")
