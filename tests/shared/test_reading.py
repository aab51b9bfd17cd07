"""Strict YAML: what is not plainly right is refused, with file and line."""

from datetime import date
from pathlib import Path

import pytest

from shared.errors import PolicyError
from shared.policies.reading import Node, parse_yaml, read_yaml, suggest


def value_of(text: str) -> object:
    """The plain value of one scalar, as it stands in a file."""
    return parse_yaml(f"key: {text}", "file.yaml").entries("it")["key"].value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("True", "True"),
        ("null", None),
        ("~", None),
        ("", None),
        ("3", 3),
        ("-3", -3),
        ("+3", 3),
        ("007", 7),
        ("0x10", "0x10"),
        ("1:30", "1:30"),
        ('"3"', "3"),
        ('"true"', "true"),
        ('"10.50"', "10.50"),
        ("2021-06-01", date(2021, 6, 1)),
        ('"2021-06-01"', "2021-06-01"),
        ("2021-06-01 10:00:00", "2021-06-01 10:00:00"),
        ("2024-02-29", date(2024, 2, 29)),
        ("plain words", "plain words"),
        ("NO", "NO"),
    ],
)
def test_a_scalar_is_what_it_looks_like_to_a_lawyer(text: str, value: object) -> None:
    found = value_of(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        pytest.param("a: 1\nb: 2\na: 3", 3, "the key “a” stands here a second time (first in line 1)", id="duplicate key"),
        pytest.param("x:\n  - {a: 1, a: 2}", 2, "the key “a” stands here a second time", id="duplicate key in a flow map"),
        pytest.param('a: 1\n"a": 2', 2, "stands here a second time", id="duplicate key, once in quotes"),
        pytest.param("a: 1\nb: 2.5", 2, '2.5 is a fraction without quotes; money and fractions are written in quotes: "2.5"', id="float"),
        pytest.param("a: .inf", 1, "fraction", id="infinity"),
        pytest.param("a: 1_000.5", 1, "fraction", id="float with underscores"),
        pytest.param("a: 1\nb: 2021-02-29", 2, "2021-02-29 is not a day of the calendar", id="not a leap year"),
        pytest.param("a: 2021-13-01", 1, "not a day of the calendar", id="month 13"),
        pytest.param("a: [1\nb: 2", 2, "this is not YAML", id="not YAML"),
        pytest.param("a: 1\n\tb: 2", 2, "this is not YAML", id="tab"),
        pytest.param("a: 1\n---\nb: 2", 2, "this is not YAML: but found another document", id="two documents"),
        pytest.param("a: *nowhere", 1, "an alias (*name) cannot be used", id="alias"),
        pytest.param("{[a]: 1}", 1, "a key must be a word", id="a list for a key"),
    ],
)
def test_what_is_not_plainly_right_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_yaml(text, "policies/x.yaml")
    assert (caught.value.file, caught.value.line) == ("policies/x.yaml", line)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"policies/x.yaml, line {line}: ")


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"], ids=["empty", "comment", "empty document"])
def test_an_empty_file_is_refused(text: str) -> None:
    with pytest.raises(PolicyError, match=r"(empty|must be a map)"):
        parse_yaml(text, "x.yaml").entries("a policy")


def test_a_file_that_is_not_utf_8_is_refused_by_its_shown_name(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(PolicyError, match=r"^shown/x\.yaml: the file must be UTF-8 text"):
        read_yaml(tmp_path / "x.yaml", "shown/x.yaml")


def test_every_value_knows_its_line() -> None:
    root = parse_yaml("a: 1\nb:\n  c: [x,\n    y]\n", "x.yaml")
    inner = root.entries("it")["b"]
    assert (root.line, inner.line) == (1, 2)
    assert [item.line for item in inner.entries("it")["c"].items("it")] == [3, 4]
    assert root.plain() == {"a": 1, "b": {"c": ["x", "y"]}}


@pytest.mark.parametrize(
    ("ask", "text", "words"),
    [
        ("entries", "[1]", "it must be a map (key: value), not a list."),
        ("items", "{a: 1}", "it must be a list, not a map."),
        ("text", "3", "it must be text, not “3”."),
        ("text", '"  "', "it must be text"),
        ("text", "", "it must be text, not nothing."),
        ("day", "2021-6-1", "it must be a date such as 2021-06-01, not “2021-6-1”."),
        ("whole", "true", "it must be a whole number, not “True”."),
        ("whole", '"3"', "it must be a whole number"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_what_would_be_right(ask: str, text: str, words: str) -> None:
    node = parse_yaml(f"key: {text}", "x.yaml").entries("it")["key"]
    with pytest.raises(PolicyError) as caught:
        getattr(node, ask)("it")
    assert words in caught.value.problem


def test_an_unknown_key_is_refused_with_a_suggestion_and_all_that_are_known() -> None:
    node = parse_yaml("first: 1\nsecnd: 2", "x.yaml")
    with pytest.raises(PolicyError, match="line 2: it has no key “secnd” \\(did you mean “second”\\?\\); it takes first, second"):
        node.fields("it", ("first",), ("second",))


def test_a_key_that_is_lacking_is_named() -> None:
    with pytest.raises(PolicyError, match="it lacks the key “second”"):
        parse_yaml("first: 1", "x.yaml").fields("it", ("first", "second"))


def test_a_word_that_is_none_of_the_choices_is_refused_with_all_of_them() -> None:
    with pytest.raises(PolicyError, match="hit cannot be “firts” \\(did you mean “first”\\?\\); it is one of any, first"):
        Node("x.yaml", 1, "firts").choice("hit", ("any", "first"))


def test_nothing_is_suggested_for_what_is_like_nothing() -> None:
    assert suggest("zzz", ("first", "second")) == ""
