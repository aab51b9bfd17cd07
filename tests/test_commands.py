"""The commands around policies, as a person types them: what they answer, their exit codes, one wrong use each, and the same as JSON."""

import re
import sys
from datetime import date
from pathlib import Path

import pytest

from services.command import services_by_policy
from services.policies.cases import cases_file
from services.policies.editions import read_edition
from shared.policies import load_sources
from shared.policies.citations import citing
from shared.policies.reading import parse_yaml
from shared.policies.references import read_reference
from tests.helpers import HOUSE
from tests.shared.scratch import ENTRIES, a_policy
from tests.typed import ROUTE, THEN, data, flat, run

DAY = date(2021, 6, 1)
ROUTE_FILE = HOUSE / "services" / "eligibility" / "policies" / f"{ROUTE}.yaml"


def route_with(folder: Path, old: str, new: str) -> str:
    """A file with the policy on routes, some of its words replaced."""
    text = ROUTE_FILE.read_text(encoding="utf-8")
    assert old in text
    file = folder / "earlier.yaml"
    file.write_text(text.replace(old, new), encoding="utf-8")
    return str(file)


def dearer_route(folder: Path) -> str:
    """The policy on routes with a limit of 12,000 pounds for one quotation."""
    first = '{from: 2020-01-01, value: "10000.00"'
    return route_with(folder, first, first.replace("10000", "12000"))


def cases_file_of(name: str) -> Path:
    """Where the cases of a policy stand."""
    return cases_file(read_edition(name, DAY).policy)


def some_cases(folder: Path) -> str:
    """Three cases: one that a dearer limit changes, one that it does not, one that is about something else."""
    file = folder / "cases.yaml"
    file.write_text(
        """\
- {case: Eleven thousand pounds, as_at: 2021-06-01, facts: {whole_life_value: "11000.00"}, expect: {outcome: {route: three-quotations}}}
- {case: Nine thousand pounds, as_at: 2021-06-01, facts: {whole_life_value: "9000.00"}, expect: {outcome: {route: three-quotations}}}
- {case: Something else, as_at: 2021-06-01, facts: {colour: red}, expect: {outcome: {route: one-quotation}}}
""",
        encoding="utf-8",
    )
    return str(file)


# ---- list and show ------------------------------------------------------------------------------------------------


def test_list_names_every_policy_with_its_service_question_and_days() -> None:
    answer, listed = run("policies", "list"), data("policies", "list")["policies"]
    assert answer.exit_code == 0
    assert {policy["policy"]: policy["service"] for policy in listed} == services_by_policy()
    for policy in listed:
        assert policy["question"] in flat(answer.output)
        assert policy["edition"][7:19] in answer.output
        assert f"from {policy['from']}" in answer.output
    assert run("policies", "list", "eligibility").exit_code == 2


def test_show_says_a_rule_as_a_sentence_with_its_bound_and_citation() -> None:
    answer = run("policies", "show", ROUTE, *THEN)
    assert answer.exit_code == 0
    text = flat(answer.output)
    assert "If the whole life value is at most 10,000.00 pounds (one-quotation-limit), then the route is one-quotation," in text
    assert "because The whole-life value does not exceed the single-quotation limit" in text
    assert "— TOOLKIT, Procurement Thresholds and Expected Timescales (route-a-one-quote)" in text
    assert "gives way to framework-call-off" in text
    assert "If it is not given, no is assumed" in text
    assert max(map(len, answer.output.splitlines())) <= 100


def test_show_on_a_day_holds_only_what_is_in_force_on_it() -> None:
    then, now, always = (data("policies", "show", ROUTE, *day) for day in (THEN, ("--as-at", "2026-06-01"), ()))
    rules = [{rule["rule"] for rule in found["rules"]} for found in (then, now, always)]
    assert rules[0] | rules[1] <= rules[2]
    assert rules[0] != rules[1]
    assert (then["as_at"], always["as_at"]) == ("2021-06-01", None)
    assert all(len(parameter["values"]) == 1 for parameter in then["parameters"])
    assert any(value["cite"].get("outside") for parameter in now["parameters"] for value in parameter["values"])
    assert "outside the five documents" in run("policies", "show", ROUTE).output


@pytest.mark.parametrize("name", services_by_policy())
def test_show_says_as_text_what_it_says_as_data(name: str) -> None:
    text, page = flat(run("policies", "show", name).output), data("policies", "show", name)
    for rule in page["rules"]:
        assert rule["rule"] in text
        assert flat(rule["because"]) in text
        assert all(flat(line) in text for line in rule["if"])
        assert rule["cite"]["entry"] in text
    assert all(flat(notice["says"]) in text for notice in page["notices"])
    assert all(flat(fact["ask"]) in text for fact in page["facts"])
    assert all(finding["accepted"] in text for finding in page["accepted"])
    assert all(value["says"] in text for parameter in page["parameters"] for value in parameter["values"])


def test_show_refuses_an_unknown_name_and_a_day_without_rules() -> None:
    unknown = run("policies", "show", "procurement-rout")
    assert unknown.exit_code == 2
    assert f"did you mean “{ROUTE}”?" in unknown.stderr
    early = run("policies", "show", ROUTE, "--as-at", "2001-01-01")
    assert early.exit_code == 2
    assert "no rules in force on 2001-01-01" in early.stderr


def test_show_and_list_know_references(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """\
reference: prices
title: What a thing costs
records:
  - id: one-price
    says: One of them costs this much.
    values: {price_a_year: "388.00", years: [2021, 2022]}
    cite: {source: TOOLKIT, section: Sizes, entry: price}
    see: [{source: TOOLKIT, section: Sizes, entry: limit}]
"""
    reference = read_reference(parse_yaml(text, "reference/prices.yaml"), citing(load_sources(), ENTRIES))
    monkeypatch.setattr(
        "services.policies.commands.load_references", lambda service: {"prices": reference} if service == "deadlines" else {}
    )
    answer = run("policies", "show", "prices")
    assert answer.exit_code == 0
    assert "one-price: One of them costs this much. price a year: 388.00 years: 2021, 2022 — TOOLKIT, Sizes (price)" in flat(answer.output)
    assert "— see also TOOLKIT, Sizes (limit)" in answer.output
    assert data("policies", "show", "prices")["records"] == reference.to_json()["records"]
    assert "1 record of cited data" in run("policies", "list").output
    assert run("policies", "show", "prices", *THEN).exit_code == 2


# ---- check --------------------------------------------------------------------------------------------------------


def test_check_says_what_is_proved_and_what_is_accepted() -> None:
    answer, said = run("policies", "check", "concern"), data("policies", "check", "concern")
    assert (answer.exit_code, said["unaccepted"]) == (0, 0)
    assert "the owner is concluded" in flat(answer.output)
    assert answer.output.rstrip().endswith("nothing is unaccepted.")
    assert all(finding["accepted"]["id"] in answer.output for finding in said["policies"][0]["findings"])
    assert run("policies", "check", "concerns").exit_code == 2


def test_check_ends_with_1_for_a_finding_that_nobody_accepted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bound = "{whole_life_value: {at_most: $one-quotation-limit}}"
    spoilt = read_edition(route_with(tmp_path, bound, bound.replace("at_most", "less_than")) + "@2021-06-01", DAY).policy
    monkeypatch.setattr("services.policies.commands.find_policies", lambda names: [spoilt])
    answer, said = run("policies", "check", ROUTE), data("policies", "check", ROUTE)
    assert answer.exit_code == 1
    gap = next(finding for finding in said["policies"][0]["findings"] if finding["kind"] == "gap")
    assert "10000.00" in gap["says"]
    assert f"fails until this is mended: {flat(gap['case']).partition(' facts:')[0]}" in flat(answer.output)
    assert all(cite["entry"] in answer.output for cite in gap["cites"])
    assert "the route is concluded" not in flat(answer.output)


def test_without_z3_check_and_diff_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[:2] == ["shared", "proofs"]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("shared.proofs", raising=False)
    monkeypatch.setitem(sys.modules, "z3", None)
    for words in (("check", ROUTE), ("diff", f"{ROUTE}@2021-06-01", f"{ROUTE}@2021-07-01")):
        answer = run("policies", *words)
        assert answer.exit_code == 3
        assert "pip install -r requirements-dev.txt" in answer.stderr


# ---- diff and impact ----------------------------------------------------------------------------------------------


def test_diff_shows_each_difference_with_a_witness(tmp_path: Path) -> None:
    words = ("policies", "diff", f"{ROUTE}@2021-06-01", dearer_route(tmp_path) + "@2021-06-01")
    answer, differences = run(*words), data(*words)["differences"]
    assert answer.exit_code == 0
    assert len(differences) == 1
    assert differences[0]["old"]["outcome"]["route"] == "three-quotations"
    assert differences[0]["new"]["outcome"]["route"] == "one-quotation"
    assert "10000.01 to 12000.00" in differences[0]["where"]
    assert f"whole_life_value={differences[0]['facts']['whole_life_value']}" in flat(answer.output)
    assert answer.output.rstrip().endswith("1 difference. Everywhere else they agree: proved.")


def test_diff_proves_that_there_is_none() -> None:
    answer = run("policies", "diff", f"{ROUTE}@2021-06-01", str(ROUTE_FILE) + "@2021-06-02")
    assert answer.exit_code == 0
    assert answer.output.rstrip().endswith("No difference: proved over the declared domains.")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (f"{ROUTE}@yesterday", ROUTE, "“yesterday”"),
        (f"{ROUTE}@2021-02-30", ROUTE, "“2021-02-30”"),
        (f"{ROUTE}@2021-06-01", "post-move@2024-06-01", "are two policies"),
        ("not/there.yaml", ROUTE, "there is no file not/there.yaml"),
        (f"{ROUTE}@2001-01-01", ROUTE, "no rules in force on 2001-01-01"),
    ],
)
def test_diff_refuses_what_is_no_edition(old: str, new: str, says: str) -> None:
    answer = run("policies", "diff", old, new)
    assert answer.exit_code == 2
    assert says in answer.stderr


def test_impact_counts_who_would_be_treated_differently_and_names_the_rules(tmp_path: Path) -> None:
    words = ("policies", "impact", f"{ROUTE}@2021-06-01", dearer_route(tmp_path) + "@2021-06-01", "--cases", some_cases(tmp_path))
    answer, said = run(*words), data(*words)
    assert answer.exit_code == 1
    assert {(row["old"], row["new"], row["count"]) for row in said["matrix"]} == {
        ("three-quotations", "one-quotation", 1),
        ("one-quotation", "one-quotation", 1),
    }
    assert [case["case"] for case in said["different"]] == ["Eleven thousand pounds"]
    assert [[rule["rule"] for rule in said["different"][0][side]["rules"]] for side in ("old", "new")] == [
        ["three-quotations"],
        ["one-quotation"],
    ]
    assert "colour" in said["errors"][0]["errors"]["old"]
    text = flat(answer.output)
    assert "new: route one-quotation" in text
    assert "by three-quotations: The whole-life value exceeds the single-quotation limit" in text
    assert text.endswith("1 of 3 cases would be treated differently. 1 could not be decided under both editions.")


def test_impact_compares_editions_whose_answers_have_other_fields(tmp_path: Path) -> None:
    renamed = route_with(tmp_path, "minimum_quotations", "quotations_at_least") + "@2021-06-01"
    said = data("policies", "impact", f"{ROUTE}@2021-06-01", renamed, "--cases", some_cases(tmp_path))
    sides = [[rule["rule"] for rule in said["different"][0][side]["rules"]] for side in ("old", "new")]
    assert sides == [["three-quotations"], ["three-quotations"]]


def test_impact_of_nothing_is_nobody() -> None:
    words = ("policies", "impact", f"{ROUTE}@2021-06-01", f"{ROUTE}@2021-06-02")
    answer = run(*words, "--cases", str(cases_file_of(ROUTE)))
    assert answer.output.splitlines()[-1].startswith("0 of ")
    assert run(*words).exit_code == 2


# ---- coverage and test --------------------------------------------------------------------------------------------


def test_coverage_accounts_for_309_entries() -> None:
    answer, said = run("policies", "coverage"), data("policies", "coverage")
    total = said["total"]
    assert total["entries"] == len(said["entries"]) == 309
    assert sum(section["entries"] for section in said["sections"]) == 309
    assert total["encoded"] + total["data"] + total["not encoded"] == 309
    assert (answer.exit_code, total["problems"]) == (0, 0)
    assert len(re.findall(r"^[✗ ] \d\.\d\d ", answer.output, re.MULTILINE)) == 309
    assert "✗ " not in answer.output
    first = next(entry for entry in said["entries"] if entry["entry"] == "route-a-one-quote")
    assert (first["state"], first["problem"]) == ("encoded", "")
    assert all(place in flat(run("policies", "coverage", "--all").output) for place in first["where"])
    assert run("policies", "coverage", "6").exit_code == 2


def test_test_decides_the_cases_of_a_policy() -> None:
    answer, said = run("policies", "test", ROUTE), data("policies", "test", ROUTE)
    assert (answer.exit_code, said["passed"]) == (0, True)
    assert said["cases"] > 40
    assert answer.output.rstrip().endswith(f"1 policy, {said['cases']} cases, 0 failed.")


def test_test_shows_a_failing_case_with_line_sentence_and_what_was_found(tmp_path: Path) -> None:
    answer = run("policies", "test", ROUTE, "--cases", some_cases(tmp_path))
    assert answer.exit_code == 1
    text = flat(answer.output)
    assert "cases.yaml, line 2: Nine thousand pounds - route: three-quotations was expected, one-quotation was found" in text
    assert "line 3: Something else - it cannot be decided:" in text
    assert text.endswith("1 policy, 3 cases, 2 failed.")
    assert run("policies", "test", "--cases", some_cases(tmp_path)).exit_code == 2


def test_test_says_what_no_case_exercises(tmp_path: Path) -> None:
    words = ("policies", "test", ROUTE, "--coverage", "--cases", some_cases(tmp_path))
    answer, measures = run(*words), {each["what"]: each for each in data(*words)["policies"][0]["measures"]}
    assert answer.exit_code == 1
    assert "framework-call-off" in measures["rules fired"]["missed"]
    assert f"{ROUTE}, rules fired: no case exercises" in answer.output
    assert f"{measures['rules fired']['met']}/{measures['rules fired']['there']}" in answer.output


def test_a_policy_without_cases_does_not_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("services.policies.commands.find_policies", lambda names: [a_policy()])
    monkeypatch.setattr("services.policies.cases.cases_file", lambda policy: tmp_path / "none.yaml")
    answer = run("policies", "test", "size")
    assert answer.exit_code == 1
    assert "no cases: write" in answer.output


README = [line[2:] for line in (HOUSE / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("$ tripartite policies")]


@pytest.mark.parametrize("line", README)
def test_the_commands_about_policies_in_the_readme_run(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HOUSE)
    answer = run(*line.partition("#")[0].split()[1:])
    assert answer.exit_code in (0, 1)
    assert answer.output
