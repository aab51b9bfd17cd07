"""The cases of a policy: sentences that a lawyer can check, decided and compared (``policies test``), and what they exercise.

:func:`tested` collects the answer as data, :func:`test_lines` writes it as text. The cases of a policy stand in
``tests/<service>/cases/<policy>.yaml``; shared/cases.py decides and measures them.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from services.command import services_by_policy, shown_progress
from services.screen import many, table_lines, wrapped
from shared.cases import Case, Measure, measure, read_cases, verdict
from shared.errors import DecisionError, PolicyError, Refused
from shared.policies import HOUSE
from shared.policies.policy import Policy

Data = dict[str, Any]
_SHORT = {
    "rules fired": "fired",
    "rules refused": "refused",
    "conditions both ways": "both ways",
    "bounds from both sides": "bounds",
    "facts missing": "missing",
    "notices said": "notices",
}


def tested(policies: Sequence[Policy], file: Path | None, *, measured: bool) -> Data:
    """The cases of each policy: how many, which fail and why; and, if asked for, what they exercise.

    :param file: a file of cases for the one policy, in place of its own.
    :raises PolicyError: a file of cases cannot be read.
    """
    found = [_tested(policy, file or cases_file(policy), measured) for policy in shown_progress("deciding cases", policies)]
    cases, failed = (sum(policy["cases"] for policy in found), sum(len(policy["failed"]) for policy in found))
    return {"policies": found, "cases": cases, "failed": failed, "passed": all(policy["passed"] for policy in found)}


def cases_file(policy: Policy) -> Path:
    """Where the cases of a policy stand."""
    return HOUSE / "tests" / services_by_policy()[policy.name] / "cases" / f"{policy.name}.yaml"


def shown_path(path: Path) -> str:
    """A path as a person knows it: below the house, without the house."""
    return path.relative_to(HOUSE).as_posix() if path.is_relative_to(HOUSE) else path.as_posix()


def _tested(policy: Policy, file: Path, measured: bool) -> Data:
    shown = shown_path(file)
    cases = read_cases(file, shown) if file.is_file() else []
    usable, failed = [], []
    for case in cases:
        differences, is_usable = _differences(policy, case)
        usable += [case] if is_usable else []
        failed += [{"case": case.says, "file": case.file, "line": case.line, "found": differences}] if differences else []
    measures = [_measured(each) for each in measure(policy, usable)] if measured else []
    whole = all(each["met"] == each["there"] for each in measures)
    passed = bool(cases) and not failed and whole
    said: Data = {"policy": policy.name, "file": shown, "cases": len(cases), "failed": failed, "passed": passed}
    return {**said, "measures": measures} if measured else said


def _differences(policy: Policy, case: Case) -> tuple[list[str], bool]:
    """What a case expects and does not find; and whether it could be decided at all."""
    try:
        return verdict(policy, case), True
    except (Refused, DecisionError) as error:
        return [f"it cannot be decided: {' '.join(str(error).split())}"], False
    except PolicyError as error:
        return [error.problem], True


def _measured(each: Measure) -> Data:
    missed = each.missed
    return {"what": each.what, "there": len(each.there), "met": len(each.there) - len(missed), "missed": missed}


# ---- as text ------------------------------------------------------------------------------------------------------


def test_lines(said: Data) -> Iterator[str]:
    """Failing cases, then a line for each policy, then what the cases exercise, then the totals."""
    for policy in said["policies"]:
        for case in policy["failed"]:
            yield from wrapped(f"✗ {case['file']}, line {case['line']}: {case['case']}", "", "  ")
            for difference in case["found"]:
                yield from wrapped(f"- {difference}", "  ")
    for policy in said["policies"]:
        cases = (
            f"{many(policy['cases'], 'case')}, {len(policy['failed'])} failed" if policy["cases"] else f"no cases: write {policy['file']}"
        )
        yield f"{policy['policy']:32}{cases}"
    if any("measures" in policy for policy in said["policies"]):
        yield from _measure_lines(said["policies"])
    yield ""
    yield f"{many(len(said['policies']), 'policy')}, {many(said['cases'], 'case')}, {said['failed']} failed."


def _measure_lines(policies: list[Data]) -> Iterator[str]:
    """A table of what is exercised, of what there is; then, policy by policy, what no case exercises."""
    heads = [_SHORT.get(each["what"], each["what"]) for each in policies[0]["measures"]]
    yield ""
    rows = [[policy["policy"], *(f"{each['met']}/{each['there']}" for each in policy["measures"])] for policy in policies]
    yield from table_lines([["exercised", *heads], *rows])
    for policy in policies:
        for each in (each for each in policy["measures"] if each["missed"]):
            yield ""
            yield f"{policy['policy']}, {each['what']}: no case exercises"
            for name in each["missed"]:
                yield from wrapped(f"- {name}", "  ")
