"""A question decided at the command line: asked for fact by fact, or with its facts as arguments."""

import json

import pytest

from tests.typed import ROUTE, THEN, flat, run


def test_ask_asks_only_what_still_matters_and_decides() -> None:
    answer = run("ask", ROUTE, *THEN, types="42000\n")
    assert answer.exit_code == 0
    assert "route: three-quotations" in answer.output
    assert "1. goods-services" not in answer.output
    assert "framework was not asked but assumed: no" in answer.output
    assert "tripartite ask procurement-route whole_life_value=42000.00 framework=… --as-at 2021-06-01" in answer.output


def test_ask_refuses_a_bad_answer_explains_itself_and_takes_a_choice_by_number() -> None:
    answer = run("ask", ROUTE, *THEN, types="a lot\n300000\n3\n?\n1\n")
    assert answer.exit_code == 0
    text = flat(answer.output)
    assert "whole_life_value must be pounds and whole pence such as \"42000.00\", not 'a lot'." in text
    assert "regime must be one of goods-services, light-touch, not '3'." in text
    assert "regulations: if the regime is goods-services and the whole life value is more than 189,330.00 pounds" in text
    assert "three-quotations: if" not in text
    assert "route: regulations" in text


def test_ask_comes_back_to_what_was_skipped_and_then_stops() -> None:
    answer = run("ask", ROUTE, *THEN, types="\n2\n\n")
    assert answer.exit_code == 1
    assert answer.output.count("whole_life_value: an amount from") == 2
    assert "Undetermined" in answer.output
    all_skipped = run("ask", ROUTE, *THEN, types="\n\n")
    assert all_skipped.output.count("whole_life_value: an amount from") == 1


def test_ask_ends_politely_at_the_end_of_the_answers() -> None:
    answer = run("ask", ROUTE, *THEN)
    assert answer.exit_code == 1
    assert "No more answers" in answer.output
    assert "[whole_life_value]" in answer.output


def test_ask_as_json_leaves_nothing_but_the_decision_on_stdout() -> None:
    answer = run("ask", ROUTE, *THEN, "--json", types="42000\n")
    assert json.loads(answer.stdout)["outcome"]["route"] == "three-quotations"
    assert "whole_life_value" in answer.stderr
    decided = json.loads(run("decide", ROUTE, *THEN, "--json", "whole_life_value=42000").stdout)
    same = ("policy", "edition", "as_at", "facts", "outcome", "because", "assumed", "notices")
    assert {name: decided[name] for name in same} == {name: json.loads(answer.stdout)[name] for name in same}


@pytest.mark.parametrize("command", ["ask", "decide"])
@pytest.mark.parametrize("words", [("whole_life_value",), ("colour=red",), ("framework=no=yes",), ("framework=true", "framework=true")])
def test_facts_that_cannot_be_used_are_refused(command: str, words: tuple[str, ...]) -> None:
    answer = run(command, ROUTE, *THEN, *words)
    assert answer.exit_code == 2
    assert words[0].partition("=")[0] in answer.stderr


def test_what_would_fall_away_at_another_value_is_said_so() -> None:
    shown = flat(run("decide", ROUTE, *THEN, "whole_life_value=42000", "regime=goods-services").stdout)
    assert "would change at whole_life_value = 50000.01: route formal-tender" in shown
    assert "minimum quotations falls away" in shown
