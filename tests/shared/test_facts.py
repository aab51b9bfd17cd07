"""Facts: exact in, exact out; what is malformed or outside its domain is refused, all of it at once."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidFacts
from shared.policies.conditions import OPERATORS
from shared.policies.facts import Code, Fact, declared_facts, json_schema, read_facts
from shared.policies.reading import parse_yaml
from tests.shared.scratch import FACTS

FIRST, LAST = date(2020, 1, 1), date(2030, 1, 1)


@pytest.mark.parametrize(
    ("name", "raw", "code", "shown"),
    [
        ("amount", "0.00", 0, "0.00"),
        ("amount", "1000.00", 100_000, "1000.00"),
        ("amount", "12.3", 1230, "12.30"),
        ("amount", " 12.30 ", 1230, "12.30"),
        ("amount", 12, 1200, "12.00"),
        ("amount", "0.01", 1, "0.01"),
        ("number", 0, 0, 0),
        ("number", 10, 10, 10),
        ("number", "7", 7, 7),
        ("sure", True, 1, True),
        ("sure", False, 0, False),
        ("sure", "true", 1, True),
        ("sure", "FALSE", 0, False),
        ("kind", "red", "red", "red"),
        ("day", "2020-01-01", FIRST.toordinal(), "2020-01-01"),
        ("day", "2030-01-01", LAST.toordinal(), "2030-01-01"),
        ("day", "2024-02-29", date(2024, 2, 29).toordinal(), "2024-02-29"),
        ("day", FIRST, FIRST.toordinal(), "2020-01-01"),
        ("note", "RXN", "RXN", "RXN"),
        ("note", " RXN ", "RXN", "RXN"),
        ("note", "x" * 20, "x" * 20, "x" * 20),
    ],
)
def test_a_value_is_read_exactly_and_shown_as_json(name: str, raw: object, code: Code, shown: object) -> None:
    found = FACTS[name].read(raw)
    assert (found, type(found)) == (code, type(code))
    assert FACTS[name].show(found) == shown


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("amount", -0.01, "must be pounds in quotes"),
        ("amount", "-0.01", "must be from 0.00 to 1000.00, not -0.01"),
        ("amount", "1000.01", "must be from 0.00 to 1000.00, not 1000.01"),
        ("amount", 12.5, "a bare fraction is not exact"),
        ("amount", 12.0, "a bare fraction is not exact"),
        ("amount", "12.345", "must be pounds and whole pence"),
        ("amount", "NaN", "must be pounds and whole pence"),
        ("amount", "Infinity", "must be pounds and whole pence"),
        ("amount", "12,00", "must be pounds and whole pence such as \"42000.00\", not '12,00'."),
        ("amount", "£12", "must be pounds and whole pence such as"),
        ("amount", "12.", "must be pounds and whole pence such as"),
        ("amount", ".50", "must be pounds and whole pence such as"),
        ("amount", "+12.00", "must be pounds and whole pence such as"),
        ("amount", "1 000.00", "must be pounds and whole pence such as"),
        ("amount", "1e2", "must be pounds and whole pence such as"),
        ("amount", "", "must be pounds and whole pence such as"),
        ("amount", True, "must be pounds in quotes"),
        ("amount", None, "must be pounds in quotes"),
        ("number", -1, "must be from 0 to 10, not -1"),
        ("number", 11, "must be from 0 to 10, not 11"),
        ("number", 3.0, "must be a whole number such as 3, not 3.0"),
        ("number", "3.0", "must be a whole number"),
        ("number", True, "must be a whole number such as 3, not True"),
        ("number", [3], "must be a whole number"),
        ("sure", 1, "must be true or false, not 1"),
        ("sure", "yes", "must be true or false, not 'yes'"),
        ("kind", "blue", "must be one of red, green, not 'blue'"),
        ("kind", "Red", "(did you mean “red”?)"),
        ("kind", "", "must be text"),
        ("kind", 3, "must be text, not 3"),
        ("day", "2019-12-31", "must be from 2020-01-01 to 2030-01-01, not 2019-12-31"),
        ("day", "2030-01-02", "must be from 2020-01-01 to 2030-01-01, not 2030-01-02"),
        ("day", "2021-02-29", "2021-02-29 is not a day of the calendar"),
        ("day", "2021-W22-2", "must be a date such as 2021-06-01"),
        ("day", "20210601", "must be a date such as 2021-06-01"),
        ("day", "1/6/2021", "must be a date such as 2021-06-01"),
        ("day", 737_000, "must be a date such as 2021-06-01"),
        ("note", "x" * 21, "must be at most 20 plain ASCII characters"),
        ("note", "naïve", "plain ASCII"),
        ("note", 'a"b', "without quotes and backslashes"),
        ("note", "a\\b", "without quotes and backslashes"),
        ("note", "a\nb", "plain ASCII"),
        ("note", "   ", "must be text"),
        ("note", None, "must be text, not None"),
    ],
)
def test_what_is_malformed_or_outside_the_domain_is_refused_with_what_would_be_right(name: str, raw: object, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        FACTS[name].read(raw)
    assert words in str(caught.value)


def test_every_wrong_field_is_reported_at_once_and_names_are_suggested() -> None:
    wrong = {"amount": 1.5, "nubmer": 3, "kind": "gren", "day": "soon", "sure": True}
    with pytest.raises(InvalidFacts, match="4 of the facts given to size cannot be used; nothing was decided") as caught:
        read_facts(FACTS, wrong, "size")
    assert set(caught.value.errors) == {"amount", "nubmer", "kind", "day"}
    assert "is not a fact of this policy (did you mean “number”?); it asks about amount, number" in caught.value.errors["nubmer"]
    assert "(did you mean “green”?)" in caught.value.errors["kind"]


@pytest.mark.parametrize("given_", [None, [], "amount=3", 3])
def test_facts_that_are_no_object_are_refused(given_: object) -> None:
    with pytest.raises(InvalidFacts) as caught:
        read_facts(FACTS, given_, "size")
    assert caught.value.errors == {"facts": "must be an object."}


def test_facts_that_were_not_given_have_no_code_and_the_order_is_that_of_the_declarations() -> None:
    found = read_facts(FACTS, {"sure": False, "number": 3}, "size")
    assert list(found.items()) == [("number", 3), ("sure", 0)]
    assert read_facts(FACTS, {}, "size") == {}


def test_a_null_is_refused_and_never_taken_for_missing() -> None:
    with pytest.raises(InvalidFacts) as caught:
        read_facts(FACTS, {"number": None}, "size")
    assert "null" in caught.value.errors["number"]


def test_the_schema_of_every_fact_is_what_reading_takes() -> None:
    assert json_schema(FACTS["number"]) == {"type": "integer", "minimum": 0, "maximum": 10}
    assert json_schema(FACTS["kind"])["enum"] == ["red", "green"]
    assert json_schema(FACTS["day"])["format"] == "date"
    assert json_schema(FACTS["sure"]) == {"type": "boolean"}
    assert json_schema(FACTS["note"])["maxLength"] == 20
    assert json_schema(FACTS["amount"])["type"] == "string"


# ---- for every value ---------------------------------------------------------------------------------------------

RAW: dict[str, st.SearchStrategy[object]] = {
    "amount": st.integers(0, 100_000).map(lambda pence: str(Decimal(pence) / 100)),
    "number": st.integers(0, 10) | st.integers(0, 10).map(str),
    "sure": st.booleans() | st.sampled_from(["true", "false"]),
    "kind": st.sampled_from(["red", "green"]),
    "day": st.dates(FIRST, LAST) | st.dates(FIRST, LAST).map(date.isoformat),
    "note": st.text("abcXYZ019 -_.,$%()", min_size=1, max_size=20).filter(lambda text: bool(text.strip())),
}


@given(st.data())
def test_what_is_shown_reads_back_as_the_same_code(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(RAW)))
    fact = FACTS[name]
    code = fact.read(data.draw(RAW[name]))
    assert fact.read(fact.show(code)) == code
    assert fact.show(fact.read(fact.show(code))) == fact.show(code)


@given(st.integers(-(10**12), 10**12))
def test_money_is_shown_to_the_penny_below_zero_as_well(pence: int) -> None:
    fact = Fact("amount", "money", "", least=-(10**12), most=10**12)
    assert fact.read(fact.show(pence)) == pence


@given(st.floats())
def test_no_float_ever_reaches_a_rule(value: float) -> None:
    for fact in FACTS.values():
        with pytest.raises(ValueError):
            fact.read(value)


@given(st.sets(st.integers(-30, 130), max_size=6), st.integers(0, 100), st.sampled_from(sorted(OPERATORS)))
def test_the_representative_of_a_value_answers_every_test_as_the_value_does(bounds: set[int], value: int, operator: str) -> None:
    fact = Fact("number", "integer", "", least=0, most=100)
    classes = [int(code) for code in fact.values(bounds)]
    assert classes == sorted(set(classes))
    assert {0, 100} <= set(classes) <= set(range(101))
    nearest = max(code for code in classes if code <= value)
    answer = OPERATORS[operator]
    assert all(answer(value, bound) is answer(nearest, bound) for bound in bounds)


@given(st.sets(st.dates(FIRST, LAST), min_size=1, max_size=4), st.dates(FIRST, LAST))
def test_the_classes_of_a_date_hold_the_days_around_every_bound(bounds: set[date], day: date) -> None:
    classes = {date.fromordinal(int(code)) for code in FACTS["day"].values(bound.toordinal() for bound in bounds)}
    around = {bound + timedelta(days=step) for bound in bounds for step in (-1, 0, 1)}
    assert {known for known in around if FIRST <= known <= LAST} <= classes
    assert {tuple(bound <= known for bound in sorted(bounds)) for known in classes} >= {tuple(bound <= day for bound in sorted(bounds))}


def test_the_classes_of_the_other_types_are_all_their_values_and_for_text_any_other() -> None:
    assert FACTS["sure"].values([1]) == (0, 1)
    assert FACTS["kind"].values(["red"]) == ("red", "green")
    assert FACTS["note"].values(["RXN", "RBN"]) == ("RBN", "RXN", "~any-other")


def test_a_date_can_be_assumed() -> None:
    declared = "d: {type: date, domain: {at_least: 2020-01-01, at_most: 2030-01-01}, ask: A, assume: {value: 2021-06-01, because: B}}"
    assert declared_facts(parse_yaml(declared, "facts.yaml"))["d"].assumed == date(2021, 6, 1).toordinal()
