"""The contract of the bus: what the services say fits its schema, what the reader refuses does not, and the committed files are current."""

import json
import string
import types
import typing
from dataclasses import MISSING, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from marshmallow import ValidationError
from marshmallow import fields as shapes
from marshmallow.validate import Regexp

from services.contract import heard_by
from shared.asyncapi import CONTRACT, described, document, files, schemas, shape_of, write
from shared.errors import MalformedEvent
from shared.event_data import plain_text
from shared.events import EVENTS, DocumentIssued, Event, PlacementUpdated
from shared.topology import EVENTS as EXCHANGE
from shared.wire import LAST_YEAR, LONGEST_EXTENSION, read_message, say
from tests.helpers import SOURCE, a_message, a_placement, cloud_event
from tests.shared.test_events import EXAMPLES

NOW = datetime(2099, 12, 31, 12, tzinfo=UTC)
RULED = {"start_date", "end_date", "service_start", "ends_on", "held_on", "issued_on", "email"}
"""Fields with rules that no schema can say; the description of their event tells them."""


FORMATS = FormatChecker(["date"])


@FORMATS.checks("date-time", raises=ValueError)
def _is_a_time_with_its_offset(text: object) -> bool:
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


@cache
def schema_of_type(type_: str) -> Draft202012Validator:
    """The schema that a consumer would check an event with, formats and all."""
    return Draft202012Validator(schemas()[type_], format_checker=FORMATS)


def fits(envelope: dict[str, Any]) -> bool:
    """Whether a CloudEvent fits the schema of its type."""
    return schema_of_type(envelope["type"]).is_valid(envelope)


def is_read(envelope: dict[str, Any]) -> bool:
    """Whether a service would take a CloudEvent."""
    try:
        read_message(envelope)
    except MalformedEvent:
        return False
    return True


# ---- events of every class, from their annotations ---------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    bool: st.booleans(),
    int: st.integers(),
    Decimal: st.decimals(0, 2, places=2),
    date: st.dates(date(1950, 1, 1), date(2099, 12, 31)),
    datetime: st.datetimes(datetime(1900, 1, 2), datetime(LAST_YEAR, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 (bounds of hypothesis)
    type(None): st.none(),
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Every value that an annotation allows."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return st.one_of([values(one) for one in inner])
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is list:
        return st.lists(values(inner[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(values(inner[0]), values(inner[1]), max_size=3)
    return SCALARS[hint]


@st.composite
def events(draw: st.DrawFn) -> Event:
    """An event of any class that keeps the rules between its fields."""
    event = draw(st.sampled_from(list(EVENTS.values())))
    hints = typing.get_type_hints(event)
    given = {field.name: draw(values(hints[field.name])) for field in fields(event)}
    given |= {name: f"{value}x" for name, value in given.items() if (name.endswith("_id") or name == event.about) and value is not None}
    if given.get("email") is not None:
        given["email"] = "ada@example.org"
    for first, last in (("start_date", "end_date"), ("service_start", "ends_on")):
        if last in given:
            given[first], given[last] = sorted([given[first], given[last]])
    return event(**given)


@given(events(), st.integers(0, 2**63 - 1), st.booleans())
def test_whatever_a_service_says_fits_its_schema_and_is_read(event: Event, sequence: int, follows: bool) -> None:
    envelope = json.loads(say(event, SOURCE, NOW, sequence, a_message(a_placement()) if follows else None).to_json())
    schema_of_type(event.type).validate(envelope)
    assert read_message(envelope).data == event


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False).filter(lambda number: not number.is_integer()),
    st.text(),
    st.decimals(-3, 3).map(str),
    st.dates().map(str),
    st.datetimes(timezones=st.none() | st.timezones()).map(datetime.isoformat),
    st.dictionaries(st.text(string.ascii_letters), st.text() | st.integers() | st.none(), max_size=3),
    st.lists(st.dictionaries(st.text(), st.text()) | st.integers(), max_size=3),
)


@given(st.sampled_from(EXAMPLES), st.data())
def test_whatever_fits_the_schema_is_read(event: Event, data: st.DataObject) -> None:
    envelope = cloud_event(event)
    name = data.draw(st.sampled_from(sorted(set(envelope["data"]) - RULED)))
    envelope["data"][name] = data.draw(ANYTHING)
    if fits(envelope):
        assert is_read(envelope)


# ---- what is wrong is refused by both ----------------------------------------------------------------------------


@pytest.mark.parametrize("event", EXAMPLES, ids=[event.type for event in EXAMPLES])
def test_a_field_that_is_missing_or_of_the_wrong_type_is_refused_by_schema_and_reader(event: Event) -> None:
    envelope = cloud_event(event)
    may_lack = {field.name for field in fields(event) if field.default is not MISSING}
    for name in envelope["data"]:
        lacking = {key: value for key, value in envelope["data"].items() if key != name}
        assert (fits({**envelope, "data": lacking}), is_read({**envelope, "data": lacking})) == (name in may_lack, name in may_lack)
        for data in ({**lacking, name: [3.5]}, {**lacking, name: {"x": 3.5}}, {**lacking, name: 3.5}):
            wrong = {**envelope, "data": data}
            assert (fits(wrong), is_read(wrong)) == (False, False), (name, data)


@pytest.mark.parametrize("event", EXAMPLES, ids=[event.type for event in EXAMPLES])
def test_null_is_refused_by_both_unless_the_annotation_allows_it(event: Event) -> None:
    envelope = cloud_event(event)
    hints = typing.get_type_hints(type(event))
    for name in envelope["data"]:
        empty = {**envelope, "data": {**envelope["data"], name: None}}
        allowed = type(None) in typing.get_args(hints[name])
        assert (fits(empty), is_read(empty)) == (allowed, allowed), name


@pytest.mark.parametrize(
    ("type_", "name", "value"),
    [
        ("document.issued", "kind", "work-schedules"),
        ("document.issued", "issued_on", "2027-02-30"),
        ("document.issued", "document_id", "  "),
        ("placement.updated", "start_date", "soon"),
        ("placement.updated", "site", "x" * 501),
        ("placement.updated", "site", "a\n"),
        ("placement.updated", "placement_id", ""),
        ("placement.updated", "whole_time_equivalent", "2.01"),
        ("placement.updated", "whole_time_equivalent", "-0.1"),
        ("placement.updated", "whole_time_equivalent", "NaN"),
        ("placement.updated", "whole_time_equivalent", "full"),
        ("alert.sent", "sent_at", "2027-05-05T09:00:00"),
        ("alert.sent", "alert_key", ""),
        ("deadline.met", "days_late", "1"),
        ("deadline.met", "days_late", True),
        ("concern.raised", "facts", {"pounds": 3.5}),
        ("concern.raised", "facts", {"text": "a\x00"}),
        ("concern.raised", "facts", {f"fact{number}": number for number in range(101)}),
        ("responsibility.assigned", "told", [{"who": 3}]),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_both(type_: str, name: str, value: Any) -> None:
    envelope = cloud_event(next(event for event in EXAMPLES if event.type == type_))
    assert fits(envelope)
    wrong = {**envelope, "data": {**envelope["data"], name: value}}
    assert (fits(wrong), is_read(wrong)) == (False, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("specversion", "0.3"),
        ("id", ""),
        ("id", "a b"),
        ("source", "x" * 301),
        ("time", "2027-05-05T09:00:00"),
        ("sequence", "-1"),
        ("data", []),
        ("correlationid", "x" * (LONGEST_EXTENSION + 1)),
        ("correlationid", "naïve"),
        ("traceparent", "x" * (LONGEST_EXTENSION + 1)),
    ],
)
def test_an_envelope_that_does_not_fit_is_refused_by_both(name: str, value: Any) -> None:
    wrong = {**cloud_event(a_placement()), name: value}
    assert (fits(wrong), is_read(wrong)) == (False, False)


def test_an_envelope_needs_what_the_reader_needs_and_no_more() -> None:
    envelope = cloud_event(a_placement())
    for name in envelope:
        lacking = {key: value for key, value in envelope.items() if key != name}
        if name != "type":
            assert fits(lacking) == is_read(lacking), name
    assert not schema_of_type("placement.updated").is_valid({key: value for key, value in envelope.items() if key != "type"})


def test_fields_and_attributes_that_a_newer_producer_adds_fit() -> None:
    envelope = cloud_event(a_placement())
    assert fits({**envelope, "shoesize": 42, "data": {**envelope["data"], "shoe_size": 42}})


def test_schema_and_reader_agree_on_every_character() -> None:
    text = Draft202012Validator(shape_of(shapes.String(validate=plain_text)))
    for code in range(0x10000):
        if not 0xD800 <= code <= 0xDFFF:  # halves of characters, which no UTF-8 holds
            try:
                plain_text(chr(code))
            except ValidationError:
                assert not text.is_valid(chr(code)), hex(code)
            else:
                assert text.is_valid(chr(code)), hex(code)


@pytest.mark.parametrize("field", [shapes.Email(), shapes.String(validate=Regexp("x"))], ids=["field", "validator"])
def test_what_the_generator_does_not_know_is_refused_and_not_left_out(field: shapes.Field[Any]) -> None:
    with pytest.raises(NotImplementedError, match=r"^shared/asyncapi.py cannot say "):
        shape_of(field)


# ---- the document and the files ----------------------------------------------------------------------------------


def test_the_committed_files_are_what_the_generator_makes() -> None:
    committed = {path.name: path.read_bytes() for path in CONTRACT.iterdir()}
    made = {name: text.encode() for name, text in files(heard_by()).items()}
    stale = sorted(name for name in {*committed, *made} if committed.get(name) != made.get(name))
    assert not stale, f"{', '.join(stale)} in shared/contract: not what shared/events.py says. Renew them with `tripartite events --write`."


def test_the_files_do_not_depend_on_the_order_of_what_they_are_made_from(tmp_path: Path) -> None:
    back = {event: sorted(parties, reverse=True) for event, parties in reversed(heard_by().items())}
    write(tmp_path, back)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files(heard_by())


def test_what_is_renewed_is_what_was_not_current(tmp_path: Path) -> None:
    write(tmp_path, heard_by())
    assert write(tmp_path, heard_by()) == []
    (tmp_path / "placement.eaten.schema.json").write_text("{}")
    (tmp_path / "asyncapi.json").write_text("{}")
    (tmp_path / "alert.sent.schema.json").unlink()
    changed = write(tmp_path, heard_by())
    assert [path.name for path in changed] == ["alert.sent.schema.json", "asyncapi.json", "placement.eaten.schema.json"]
    assert {path.name for path in tmp_path.iterdir()} == set(files(heard_by()))


@pytest.mark.parametrize("type_", sorted(EVENTS))
def test_every_schema_is_a_schema(type_: str) -> None:
    Draft202012Validator.check_schema(schemas()[type_])


@pytest.mark.parametrize("event", EXAMPLES, ids=[event.type for event in EXAMPLES])
def test_the_payloads_of_the_document_say_what_the_schemas_say(event: Event) -> None:
    components = document(heard_by())["components"]
    payload = Draft202012Validator(
        {"$ref": f"#/components/schemas/{type(event).__name__}", "components": components}, format_checker=FORMATS
    )
    envelope = cloud_event(event)
    assert payload.is_valid(envelope)
    for wrong in ({**envelope, "id": ""}, {**envelope, "type": "placement.eaten"}, {**envelope, "data": {}}, {"data": envelope["data"]}):
        assert not payload.is_valid(wrong)


def test_every_event_has_a_channel_on_the_exchange_under_its_type() -> None:
    channels = document(heard_by())["channels"]
    assert {channel["address"] for channel in channels.values()} == set(channels) == set(EVENTS)
    assert {json.dumps(channel["bindings"]["amqp"]["exchange"]) for channel in channels.values()} == {
        f'{{"name": "{EXCHANGE}", "type": "topic", "durable": true, "autoDelete": false}}'
    }


def test_the_operations_are_who_says_and_who_hears() -> None:
    operations = document(heard_by())["operations"]
    assert operations["document.issued.send"]["summary"] == "Said by hosts, lead employers, upstream."
    assert operations["placement.updated.receive"]["tags"] == [{"name": "deadlines"}, {"name": "notifications"}]
    assert "placement.updated.receive" not in document({})["operations"]


def test_every_reference_of_the_document_leads_somewhere() -> None:
    whole = document(heard_by())

    def references(node: Any) -> list[str]:
        children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
        return [
            *(value for child in children for value in references(child)),
            *([node["$ref"]] if isinstance(node, dict) and "$ref" in node else []),
        ]

    assert references(whole)
    for reference in references(whole):
        found: Any = whole
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def test_rules_between_fields_stand_in_the_description() -> None:
    assert "A placement ends after it starts" in described(PlacementUpdated)
    assert "Nobody can say today that a document went out tomorrow" in described(DocumentIssued)
    assert described(EVENTS["deadline.set"]) == "A duty of a placement is due on a day."
