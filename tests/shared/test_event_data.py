"""A quick look and the schema say the same of an event's data, whatever stands in it."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import event_data
from shared.errors import MalformedEvent
from shared.event_data import data_json, data_text, encoded, filled, names_of, read_event, schema_of
from shared.events import EVENTS, AlertSent, DeadlineMet, DeadlineSet, DocumentIssued, Event, PlacementUpdated, PlacementWithdrawn
from shared.wire import Message
from tests.helpers import a_concern, a_document, a_placement

ODD: list[Any] = [
    *(
        "",
        " ",
        "x" * 500,
        "x" * 501,
        "tab\t",
        "ring\u030a",
        "\u202e",
        "\x00",
        "né",
        "host",
        "in-post",
        "1.0",
        "0.6",
        "1",
        "2",
        "2.0001",
        "0.12345",
    ),
    *(
        "2027-08-04",
        "2027-02-29",
        "2027-02-31",
        "20270804",
        "2027-W01-1",
        "1950-01-01",
        "2099-12-31",
        "2100-01-01",
        "2027-13-01",
        "0000-01-01",
        "0999-12-31",
        "soon",
    ),
    *(0, 1, -1, 10**30, True, False, None, 1.5, [], {}, ["x"]),
]
PLACEMENT: dict[str, Any] = data_json(a_placement())
DEADLINE: dict[str, Any] = {
    **{name: PLACEMENT[name] for name in ("placement_id", "trainee_id", "host", "host_name", "lead_employer", "start_date")},
    "deadline_id": "p1/x/1",
    "duty": "contract",
    "owner": "host",
    "recipient": "trainee",
    "due": "2027-06-09",
    "decision_id": "d",
}


def by_the_schema_alone(event: type[Event], data: Any) -> Event | str:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(event_data, "_read_quickly", lambda *_: None)
        return outcome(event, data)


def outcome(event: type[Event], data: Any) -> Event | str:
    try:
        return read_event(event, data)
    except MalformedEvent as error:
        return str(error)


@settings(max_examples=600)
@given(changes=st.dictionaries(st.sampled_from([*names_of(PlacementUpdated), "more"]), st.sampled_from(ODD), max_size=3))
def test_of_a_placement_both_say_the_same(changes: dict[str, Any]) -> None:
    data = {**PLACEMENT, **changes}
    assert outcome(PlacementUpdated, data) == by_the_schema_alone(PlacementUpdated, data)


@settings(max_examples=300)
@given(changes=st.dictionaries(st.sampled_from([*names_of(DeadlineSet), "more"]), st.sampled_from(ODD), max_size=3))
def test_of_a_deadline_both_say_the_same(changes: dict[str, Any]) -> None:
    data = {**DEADLINE, **changes}
    assert outcome(DeadlineSet, data) == by_the_schema_alone(DeadlineSet, data)


@pytest.mark.parametrize("missing", [name for name in names_of(PlacementUpdated) if name != "site_name"])
def test_a_field_that_is_missing_is_left_to_the_schema(missing: str) -> None:
    data = {name: value for name, value in PLACEMENT.items() if name != missing}
    assert "is missing." in str(outcome(PlacementUpdated, data))


@pytest.mark.parametrize("data", [None, [], "text", 7], ids=repr)
def test_what_is_no_object_is_refused(data: object) -> None:
    assert isinstance(outcome(PlacementUpdated, data), str)


def test_usual_events_never_need_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_data, "schema_of", None)
    for event in (a_placement(), a_document()):
        assert read_event(type(event), data_json(event)) == event
    assert read_event(DeadlineSet, DEADLINE).due.isoformat() == "2027-06-09"


@given(text=st.text(st.characters(exclude_categories=["Cs"])), day=st.dates(), said=st.datetimes(timezones=st.just(UTC)))
def test_the_template_of_a_class_gives_the_json_of_its_fields(text: str, day: date, said: datetime) -> None:
    met = DeadlineMet(**{**vars(read_event(DeadlineSet, DEADLINE)), "due": day}, issued_on=day, days_late=3)
    withdrawn = PlacementWithdrawn(placement_id="p1", reason=text)
    sent = AlertSent(alert_key="%s", kind=text, regarding="{}", recipient_id="", channel="e-mail", sent_at=said)
    for event in (a_placement(host_name=text), a_document(), met, withdrawn, sent, a_concern(facts={text: 1, "so": True})):
        assert data_text(event) == encoded(data_json(event))


def test_what_is_made_quickly_is_what_its_constructor_makes() -> None:
    for event in (a_placement(), a_document()):
        assert filled(type(event), vars(event)) == event
        said: dict[str, Any] = {"id": "i", "source": "s", "time": datetime(2027, 5, 5, tzinfo=UTC), "sequence": 1, "data": event}
        assert filled(Message, said) == Message(**said)
    with pytest.raises(MalformedEvent, match="cannot be dated so"):
        filled(PlacementUpdated, {**vars(a_placement()), "start_date": date(1066, 10, 14)})


def test_every_event_has_a_reader_for_every_field() -> None:
    for event in EVENTS.values():
        must, may = event_data._quick_readers(event)  # type: ignore[arg-type]  # hashable
        named, names = [name for name, *_ in (*must, *may)], names_of(event)  # type: ignore[arg-type]  # hashable
        assert {*named} == {*names}


def test_a_field_with_a_default_may_be_left_out() -> None:
    sent = data_json(a_document())
    assert read_event(DocumentIssued, {name: value for name, value in sent.items() if name != "recorded_by"}) == a_document()
    assert read_event(DocumentIssued, {**sent, "recorded_by": "Bea Ledger (invented)"}).recorded_by == "Bea Ledger (invented)"
    assert schema_of(DocumentIssued).fields["recorded_by"].required is False
