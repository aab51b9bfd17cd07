"""Outcomes: computed dates, durations, and lists of records."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import PolicyError
from shared.policies.facts import Bound
from shared.policies.outcomes import Computed, Field, add_months, bind_value, dates_asked, read_conclusion, read_outcome
from shared.policies.reading import parse_yaml
from shared.rules import decide
from tests.shared.scratch import FACTS, a_policy, changed

PARAMETERS = {"notice": Bound("notice", "integer", "", unit="weeks"), "wait": Bound("wait", "duration", "", unit="weeks")}
OUTCOME = read_outcome(
    parse_yaml(
        """\
size: {choice: [small, large]}
due: date
wait: duration
fee: {type: money, informs: true}
duties: {list: {who: text, when: date, fee: money, sure: boolean}}
""",
        "x.yaml",
    )
)


def then(text: str) -> dict[str, object]:
    return read_conclusion(parse_yaml(text, "x.yaml"), OUTCOME, FACTS, PARAMETERS)


@pytest.mark.parametrize(
    ("start", "unit", "amount", "due"),
    [
        ("2027-08-04", "days", 10, "2027-08-14"),
        ("2027-08-04", "days", 0, "2027-08-04"),
        ("2027-08-04", "weeks", -12, "2027-05-12"),
        ("2027-08-04", "weeks", -8, "2027-06-09"),
        ("2024-03-07", "weeks", -1, "2024-02-29"),
        ("2027-03-28", "days", -1, "2027-03-27"),
        ("2024-01-31", "months", 1, "2024-02-29"),
        ("2023-01-31", "months", 1, "2023-02-28"),
        ("2100-01-31", "months", 1, "2100-02-28"),
        ("2024-03-31", "months", -1, "2024-02-29"),
        ("2024-02-29", "months", 12, "2025-02-28"),
        ("2024-02-29", "months", 48, "2028-02-29"),
        ("2027-05-31", "months", -6, "2026-11-30"),
        ("2027-12-31", "months", 2, "2028-02-29"),
        ("2027-01-15", "months", -1, "2026-12-15"),
        ("2027-12-15", "months", 1, "2028-01-15"),
    ],
)
def test_a_date_is_computed_by_the_calendar(start: str, unit: str, amount: int, due: str) -> None:
    found = Computed("day", unit, amount).on(date.fromisoformat(start).toordinal())
    assert date.fromordinal(found).isoformat() == due


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.integers(-600, 600))
def test_months_keep_the_day_of_the_month_or_clip_it_to_the_last(start: date, months: int) -> None:
    found = add_months(start, months)
    assert (found.year * 12 + found.month) - (start.year * 12 + start.month) == months
    assert found.day == start.day or (found.day < start.day and (found + timedelta(days=1)).day == 1)


def test_a_conclusion_is_read_as_codes_parameters_and_computed_dates() -> None:
    assert then("{size: small, due: {from: day, weeks: -$notice}, wait: $wait, fee: '12.50'}") == {
        "size": "small",
        "due": Computed("day", "weeks", "-$notice"),
        "wait": "$wait",
        "fee": 1250,
    }
    assert then("{due: 2027-08-04}") == {"due": date(2027, 8, 4).toordinal()}


def test_parameters_are_bound_to_the_values_of_the_day_before_and_after() -> None:
    values = {"notice": 12, "wait": (2, 4, "weeks")}
    assert bind_value(Computed("day", "weeks", "-$notice"), values) == Computed("day", "weeks", -12)
    assert bind_value(Computed("day", "weeks", "$notice"), values) == Computed("day", "weeks", 12)
    assert bind_value("$wait", values) == (2, 4, "weeks")
    assert bind_value("small", values) == "small"


def test_a_duration_is_shown_with_both_ends_and_its_unit() -> None:
    assert OUTCOME["wait"].show((2, 4, "weeks")) == {"least": 2, "most": 4, "unit": "weeks"}


def test_a_record_is_shown_in_the_order_of_its_declaration_without_what_was_not_said() -> None:
    shown = OUTCOME["duties"].show(then("{duties: [{when: 2027-08-04, who: host, sure: true}]}")["duties"])
    assert [list(item.items()) for item in shown] == [[("who", "host"), ("when", "2027-08-04"), ("sure", True)]]


def test_the_dates_a_value_asks_for_are_found_in_records_too() -> None:
    assert dates_asked(then("{duties: [{who: a}, {when: {from: day, days: 1}}]}")["duties"]) == {"day"}
    assert dates_asked("small") == set()


def test_a_field_that_informs_says_so_and_others_do_not() -> None:
    assert [name for name, field in OUTCOME.items() if field.informs] == ["fee"]
    assert OUTCOME["size"] == Field("size", "choice", ("small", "large"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{size: medium}", "size cannot be “medium”; it is one of small, large"),
        ("{colour: red}", "“colour” is not declared under outcome"),
        ("{wait: 3}", "wait is a duration; it is given by a $parameter with a unit of days, weeks, months"),
        ("{wait: $notice}", "a duration is needed here, but the parameter notice is a integer"),
        ("{due: {from: day, weeks: $wait}}", "a integer is needed here, but the parameter wait is a duration"),
        ("{due: {from: dya, weeks: 1}}", "“dya” is not a declared date fact (did you mean “day”?)"),
        ("{due: {from: day}}", "a computed date takes exactly one of days, weeks, months"),
        ("{due: {weeks: 1}}", "a computed date lacks the key “from”"),
        ("{due: {from: day, years: 1}}", "a computed date has no key “years”"),
        ("{due: {from: day, days: 1.5}}", "fraction"),
        ("{duties: {who: a}}", "duties must be a list, not a map"),
        ("{duties: [{whom: a}]}", "an item of duties has no key “whom” (did you mean “who”?)"),
        ("{duties: [{who: 3}]}", "the value must be text, not 3"),
        ("{fee: 12.50}", "fraction"),
        ("{due: soon}", "the value must be a date such as 2021-06-01"),
    ],
)
def test_a_conclusion_that_cannot_be_read_is_refused(text: str, words: str) -> None:
    with pytest.raises(PolicyError) as caught:
        then(text)
    assert words in caught.value.problem


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("{a: number}", "the type of a cannot be “number”"),
        ("{a: 3}", "the type of a must be a map"),
        ("{a: {informs: true}}", "the type of a must be one of integer, boolean, money"),
        ("{a: {list: text}}", "the record of a must be a map"),
        ("{a: {choices: [b]}}", "the type of a has no key “choices” (did you mean “choice”?)"),
    ],
)
def test_an_outcome_that_is_badly_declared_is_refused(declared: str, words: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_outcome(parse_yaml(declared, "x.yaml"))
    assert words in caught.value.problem


def test_a_decision_shows_the_computed_day_and_asks_for_the_date_it_needs() -> None:
    policy = a_policy()
    decided = decide(policy, {"number": 3, "day": date(2024, 2, 15).toordinal()}, date(2021, 1, 1), made_at="", id="")
    assert decided.outcome == {"size": "small", "due": "2024-02-29"}
    open_ = decide(policy, {"number": 3}, date(2021, 1, 1), made_at="", id="")
    assert (open_.body["status"], [need["fact"] for need in open_.body["needs"]]) == ("undetermined", ["day"])
    large = decide(policy, {"number": 6}, date(2021, 1, 1), made_at="", id="")
    assert large.outcome == {"size": "large"}


def test_the_same_facts_day_time_and_id_give_the_same_bytes() -> None:
    text = changed(("weeks: 2", "months: -1"))
    one, two = (decide(a_policy(text), {"number": 3, "day": 738_000}, date(2021, 1, 1), made_at="x", id="y") for _ in range(2))
    assert one.to_json() == two.to_json()
