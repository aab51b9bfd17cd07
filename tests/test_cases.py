"""The policies' cases: sentences a lawyer can check, one test each, and no rule or notice without a case."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from shared.policies import load_policies
from shared.policies.facts import read_facts
from shared.policies.policy import Policy
from shared.rules import decide
from shared.rules.conclusion import conclude
from tests.helpers import HOUSE, read_cases

SERVICES = ("eligibility", "deadlines", "responsibility", "notifications")
FILES = sorted((HOUSE / "tests").glob("*/cases/*.yaml"))


def policy_of(file: Path) -> Policy:
    """The policy that a file of cases is about."""
    return load_policies(file.parent.parent.name)[file.stem]


def decided(file: Path, case: dict[str, Any]) -> dict[str, Any]:
    """The decision of a case."""
    policy = policy_of(file)
    as_at = date.fromisoformat(str(case["as_at"]))
    return dict(decide(policy, read_facts(policy.facts, case["facts"], policy.name), as_at, made_at="", id="").body)


CASES = [pytest.param(file, case, id=f"{file.stem}: {case['case']}") for file in FILES for case in read_cases(file)]


@pytest.mark.parametrize(("file", "case"), CASES)
def test_the_policy_decides_as_the_case_says(file: Path, case: dict[str, Any]) -> None:
    found, expected = decided(file, case), case["expect"]
    assert expected, "a case that expects nothing proves nothing"
    assert found["status"] == expected.get("status", "decided")
    for name, value in (expected.get("outcome") or {}).items():
        got = found["outcome"].get(name)
        if isinstance(value, list):
            assert [item for item in value if not any(plain(item).items() <= there.items() for there in got)] == []
        else:
            assert got == plain(value)
    for name, what in (("rules", "because"), ("needs", "needs"), ("notices", "notices")):
        if name in expected:
            keys = {"because": "rule", "needs": "fact", "notices": "id"}
            assert {entry[keys[what]] for entry in found[what]} == set(expected[name])


def plain(value: Any) -> Any:
    """A value of a case file as JSON has it."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return value.isoformat() if isinstance(value, date) else value


@pytest.mark.parametrize("service", SERVICES)
def test_every_policy_has_cases_and_every_rule_and_notice_is_met_in_one(service: str) -> None:
    for policy in load_policies(service).values():
        file = HOUSE / "tests" / service / "cases" / f"{policy.name}.yaml"
        decisions = [decided(file, case) for case in read_cases(file)]
        met = {entry["rule"] for found in decisions for entry in found["because"]}
        said = {entry["id"] for found in decisions for entry in found["notices"]}
        assert {rule.id for rule in policy.rules} - met == set(), f"{policy.name}: rules without a case"
        assert {notice.id for notice in policy.notices} - said == set(), f"{policy.name}: notices without a case"


@pytest.mark.parametrize("service", SERVICES)
def test_every_fact_that_can_be_asked_is_missing_in_a_case(service: str) -> None:
    for policy in load_policies(service).values():
        cases = read_cases(HOUSE / "tests" / service / "cases" / f"{policy.name}.yaml")
        needed = {fact for case in cases for fact in case["expect"].get("needs", [])}
        assumed = {name: fact.assumed for name, fact in policy.facts.items() if fact.assumed is not None}
        days = [day for day in policy.changes if any(rule.starts <= day < rule.ends for rule in policy.rules)]
        matter = {fact for day in days for fact in conclude(policy.on(day), assumed).needs}
        assert matter - needed == set(), f"{policy.name}: facts that no case lacks"
