"""The policies' cases: sentences a lawyer can check, one test each; and nothing in a policy that no case exercises."""

from pathlib import Path

import pytest

from shared.cases import Case, measure, read_cases, verdict
from shared.policies import load_policies
from shared.policies.policy import Policy
from tests.helpers import HOUSE

SERVICES = ("eligibility", "deadlines", "responsibility", "notifications")
FILES = sorted((HOUSE / "tests").glob("*/cases/*.yaml"))
POLICIES = [pytest.param(service, policy, id=policy.name) for service in SERVICES for policy in load_policies(service).values()]
CASES = [pytest.param(file, case, id=f"{file.stem}: {case.says}") for file in FILES for case in read_cases(file)]


@pytest.mark.parametrize(("file", "case"), CASES)
def test_the_policy_decides_as_the_case_says(file: Path, case: Case) -> None:
    policy = load_policies(file.parent.parent.name)[file.stem]
    assert verdict(policy, case) == []


@pytest.mark.parametrize(("service", "policy"), POLICIES)
def test_the_cases_exercise_every_rule_condition_bound_day_fact_notice_and_citation(service: str, policy: Policy) -> None:
    cases = read_cases(HOUSE / "tests" / service / "cases" / f"{policy.name}.yaml")
    assert {found.what: found.missed for found in measure(policy, cases) if found.missed} == {}


@pytest.mark.parametrize("service", SERVICES)
def test_no_two_cases_of_a_file_say_the_same(service: str) -> None:
    for name in load_policies(service):
        said = [case.says for case in read_cases(HOUSE / "tests" / service / "cases" / f"{name}.yaml")]
        assert len(set(said)) == len(said), name
