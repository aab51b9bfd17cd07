"""Every event through its CloudEvent and back; what does not fit is refused, field by field."""

import json
from dataclasses import MISSING, fields, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from shared.errors import MalformedEvent
from shared.event_data import data_json
from shared.events import (
    EVENTS,
    AlertAcknowledged,
    AlertBounced,
    AlertFailed,
    AlertSent,
    ContractRecorded,
    DeadlineApproaching,
    DeadlineMet,
    DeadlineMissed,
    DeadlineSet,
    DeadlineWaived,
    DeadlineWithdrawn,
    Event,
    MeetingHeld,
    MilestoneApproaching,
    MilestoneMet,
    MilestoneMissed,
    MilestoneSet,
    MilestoneWithdrawn,
    PlacementUpdated,
    PlacementWithdrawn,
    PostMoveDecided,
    ProcurementRouted,
    QuorumDecided,
    ReportIssued,
    ResponsibilityAssigned,
)
from shared.wire import Message, envelopes, microseconds, parse_json, read_message, say
from tests.helpers import SOURCE, a_concern, a_document, a_message, a_placement, a_recipient, cloud_event

SERVICES = ("eligibility", "deadlines", "responsibility", "notifications")
NOW = datetime(2027, 5, 5, 9, tzinfo=UTC)
DEADLINE: dict[str, Any] = {
    "deadline_id": "d1",
    "placement_id": "p1",
    "trainee_id": "t1",
    "host": "RXN",
    "host_name": "Lancashire Teaching Hospitals",
    "lead_employer": "RBN",
    "duty": "work-schedule",
    "owner": "host",
    "recipient": "trainee",
    "due": date(2027, 6, 9),
    "start_date": date(2027, 8, 4),
    "decision_id": "e1",
}
ALERT: dict[str, Any] = {"alert_key": "a1", "kind": "placement-notice", "regarding": "p1", "recipient_id": "t1", "channel": "email"}
MILESTONE: dict[str, Any] = {
    "milestone_id": "m1",
    "regarding": "K1",
    "title": "Lead employer service",
    "lead_employer": "RBN",
    "owner": "management-board",
    "what": "decides on the extension",
    "due": date(2028, 3, 31),
    "decision_id": "e1",
    "detail": "",
}
MEETING: dict[str, Any] = {"meeting_id": "g1", "body": "host-meeting", "lead_employer": "RBN", "host": "RXN", "held_on": date(2027, 5, 4)}
EXAMPLES: list[Event] = [
    a_placement(whole_time_equivalent=Decimal("0.60")),
    PlacementWithdrawn(placement_id="p1", reason="The trainee left “for good” (naïvely)."),
    a_document(issued_on=date(2027, 5, 5)),
    a_recipient(),
    a_recipient(email=None, name="Zoë"),
    a_concern({"about_conduct": True, "days": 3, "kind": "red"}),
    ContractRecorded(
        contract_id="K1",
        title="Lead employer service",
        lead_employer="RBN",
        service_start=date(2024, 4, 1),
        ends_on=date(2029, 3, 31),
        facts={"extension_option": True},
    ),
    MeetingHeld(**MEETING, facts={"host_representatives_present": 2}),
    ReportIssued(report_id="r1", body="management-board", lead_employer="RBN", issued_on=date(2027, 5, 4)),
    ProcurementRouted(procurement_id="x", decision_id="e1", route="one-quotation", as_at=date(2027, 5, 5)),
    PostMoveDecided(post_id="x", decision_id="e1", verdict="may-move", as_at=date(2027, 5, 5)),
    DeadlineSet(**DEADLINE),
    DeadlineApproaching(**DEADLINE),
    DeadlineMet(**DEADLINE, issued_on=date(2027, 6, 10), days_late=1),
    DeadlineMissed(**DEADLINE, caused_by="national-body"),
    DeadlineWithdrawn(**DEADLINE, reason="The host changed."),
    DeadlineWaived(**DEADLINE, waived_by="Bea Ledger (invented)", reason="The rota is being rebuilt.", until=date(2027, 6, 30)),
    MilestoneSet(**MILESTONE),
    MilestoneApproaching(**{**MILESTONE, "detail": "1 of 2 meetings held"}),
    MilestoneMet(**MILESTONE, met_on=date(2028, 3, 1)),
    MilestoneMissed(**MILESTONE),
    MilestoneWithdrawn(**MILESTONE, reason="The contract was extended."),
    QuorumDecided(**MEETING, verdict="quorate", decision_id="e1"),
    ResponsibilityAssigned(
        concern_id="c1",
        doctor_reference="DR-0001",
        lead_employer="RBN",
        host="RXN",
        decision_id="e1",
        owner="lead-employer",
        case_manager="medical-director",
        told=[{"who": "dean", "when": "now"}, {}],
    ),
    AlertSent(**ALERT, sent_at=datetime(2027, 5, 5, 9, 0, 0, 123456, tzinfo=UTC)),
    AlertFailed(**ALERT, reason="There is no address."),
    AlertBounced(**ALERT, bounced_at=NOW, reason="There is no such mailbox."),
    AlertAcknowledged(**ALERT, acknowledged_at=NOW),
]


def refused(envelope: Any) -> dict[str, str]:
    """The problems for which a message is refused."""
    with pytest.raises(MalformedEvent) as caught:
        read_message(envelope)
    return caught.value.errors


def placement(**data: Any) -> dict[str, Any]:
    """The CloudEvent of a placement, with some of its data spoilt."""
    envelope = cloud_event(a_placement())
    return {**envelope, "data": {**envelope["data"], **data}}


# ---- round trip --------------------------------------------------------------------------------------------------


def test_there_is_an_example_of_every_event() -> None:
    assert {type(event) for event in EXAMPLES} == set(EVENTS.values())


@pytest.mark.parametrize("event", EXAMPLES, ids=[event.type for event in EXAMPLES])
def test_an_event_comes_back_from_its_cloud_event_as_it_was(event: Event) -> None:
    message = say(event, SOURCE, NOW, 7, a_message(a_placement()))
    text = message.to_json()
    assert read_message(text) == read_message(text.encode()) == read_message(json.loads(text)) == message
    assert read_message(text).to_json() == text


@pytest.mark.parametrize("because", [None, a_message(a_placement()), say(a_document(), SOURCE, NOW, 1, a_message(a_placement()))])
def test_what_is_made_ready_for_the_bus_at_once_is_what_is_said(because: Message | None) -> None:
    sayings = [(event, number) for number, event in enumerate(EXAMPLES)]
    assert envelopes(sayings, SOURCE, NOW, because) == [say(event, SOURCE, NOW, number, because).envelope() for event, number in sayings]


@pytest.mark.parametrize("event", EXAMPLES, ids=[event.type for event in EXAMPLES])
def test_an_envelope_is_a_cloud_event(event: Event) -> None:
    envelope = cloud_event(event, 7)
    assert (envelope["specversion"], envelope["type"], envelope["subject"]) == ("1.0", event.type, event.subject)
    assert (envelope["datacontenttype"], envelope["sequence"]) == ("application/json", "00000000000000000007")
    assert envelope["time"] == "2027-05-05T09:00:00.000000Z"
    assert list(envelope["data"]) == [field.name for field in fields(event)]


@pytest.mark.parametrize("event", EXAMPLES, ids=[event.type for event in EXAMPLES])
def test_fields_that_a_newer_producer_adds_are_ignored(event: Event) -> None:
    envelope = cloud_event(event)
    newer = {**envelope, "shoesize": 42, "data": {**envelope["data"], "shoe_size": 42}}
    assert read_message(newer) == read_message(envelope)


@pytest.mark.parametrize("event", EXAMPLES, ids=[event.type for event in EXAMPLES])
def test_every_field_that_is_lacking_has_its_own_entry(event: Event) -> None:
    lacking = {f"data.{field.name}" for field in fields(event) if field.default is MISSING}
    assert set(refused({**cloud_event(event), "data": {}})) == lacking


@pytest.mark.parametrize("event", [pytest.param(event, id=event.type) for event in EXAMPLES])
def test_a_field_that_is_lacking_is_said_to_be_missing(event: Event) -> None:
    assert set(refused({**cloud_event(event), "data": {}}).values()) == {"is missing."}


# ---- what does not fit -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"start_date": "soon"}, "start_date", "must be a date such as 2027-08-04."),
        ({"start_date": "2027-02-30"}, "start_date", "must be a date such as 2027-08-04."),
        ({"start_date": 20270804}, "start_date", "must be a date such as 2027-08-04."),
        ({"trainee_id": 3}, "trainee_id", "string"),
        ({"trainee_id": None}, "trainee_id", "must not be null."),
        ({"site": "x" * 501}, "site", "500"),
        ({"site": "a\nb"}, "site", "must not hold control characters"),
        ({"site": "a\x00"}, "site", "must not hold control characters"),
        ({"site": "a\x7f"}, "site", "must not hold control characters"),
        ({"site": "a\u202e"}, "site", "changes of direction"),
        ({"site": "\udc00"}, "site", "halves of characters"),
        ({"trainee_id": ""}, "trainee_id", "must not be empty"),
        ({"start_date": "1949-12-31"}, "start_date", "must lie between 1950-01-01 and 2099-12-31"),
        ({"whole_time_equivalent": "2.01"}, "whole_time_equivalent", "less than or equal to 2"),
        ({"whole_time_equivalent": "full"}, "whole_time_equivalent", "number"),
        ({"whole_time_equivalent": "-0.1"}, "whole_time_equivalent", "greater than or equal to 0"),
        ({"whole_time_equivalent": "NaN"}, "whole_time_equivalent", "nan or infinity"),
        ({"whole_time_equivalent": "2.0004"}, "whole_time_equivalent", "less than or equal to 2"),
        ({"whole_time_equivalent": "-0.0004"}, "whole_time_equivalent", "greater than or equal to 0"),
        ({"whole_time_equivalent": f"-{'9' * 50}.12345"}, "whole_time_equivalent", "greater than or equal to 0"),
        ({"whole_time_equivalent": "1E+99999"}, "whole_time_equivalent", "less than or equal to 2"),
        ({"whole_time_equivalent": f"{'9' * 50}.12345"}, "whole_time_equivalent", "less than or equal to 2"),
        ({"end_date": "2027-08-03"}, "end_date", "must not come before 2027-08-04"),
        ({"placement_id": "  "}, "placement_id", "must not be empty"),
    ],
)
def test_a_field_that_does_not_fit_is_refused_by_name(changes: dict[str, Any], field: str, words: str) -> None:
    problems = refused(placement(**changes))
    assert list(problems) == [f"data.{field}"]
    assert words in problems[f"data.{field}"]


def test_every_field_that_does_not_fit_has_an_entry() -> None:
    wrong = {"start_date": "x", "grade": 3, "whole_time_equivalent": None}
    assert set(refused(placement(**wrong))) == {f"data.{name}" for name in wrong}


def test_a_word_that_is_none_of_the_choices_is_refused_with_all_of_them() -> None:
    envelope = cloud_event(a_document())
    assert "work-schedule" in refused({**envelope, "data": {**envelope["data"], "kind": "work-schedules"}})["data.kind"]


@pytest.mark.parametrize("name", ["id", "source", "type"])
@pytest.mark.parametrize("given", ["", " ", "a b", "a\n", "naïve", "x" * 301, None, 3])
def test_what_names_a_message_is_short_printable_ascii(name: str, given: Any) -> None:
    assert list(refused({**cloud_event(a_placement()), name: given})) == [name]


@pytest.mark.parametrize("email", ["ada", "ada@", "@example.org", "ada lovelace@example.org", "Ada <ada@example.org>", "a@b, c@d", ""])
def test_an_address_that_could_not_be_one_is_refused(email: str) -> None:
    envelope = cloud_event(a_recipient())
    assert list(refused({**envelope, "data": {**envelope["data"], "email": email}})) == ["data.email"]


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_data_that_is_no_object_is_refused(data: Any) -> None:
    assert len(refused({**cloud_event(a_placement()), "data": data})) == 1


@pytest.mark.parametrize("raw", [b"[]", b"null", "3", b'"text"'])
def test_json_that_is_no_object_is_no_message(raw: str | bytes) -> None:
    with pytest.raises(MalformedEvent, match=r"^The message must be a JSON object, a CloudEvent in structured mode"):
        read_message(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b'{"a":',
        b"NaN",
        b'{"a": [-Infinity]}',
        b"[" * 100_000,
        b'{"a": 1, "a": 2}',
        b'{"a":"\\ud800"}',
        '{"\\udc00": 1}',
        b"1" * 5_000,
    ],
    ids=[
        "nothing",
        "words",
        "not UTF-8",
        "half",
        "NaN",
        "infinity",
        "bottomless",
        "a key twice",
        "half a character",
        "half a character, key",
        "endless",
    ],
)
def test_what_is_no_usable_json_is_refused_as_such(raw: str | bytes) -> None:
    for read in (parse_json, read_message):
        with pytest.raises(MalformedEvent, match=r"^This is not usable JSON: .+\.$"):
            read(raw)


def test_json_is_read_with_every_whole_character() -> None:
    assert parse_json('{"a": "Zoë 🩺", "b": "\\ud83e\\ude7a", "c": [1, 1.5, true, null]}') == {
        "a": "Zoë 🩺",
        "b": "🩺",
        "c": [1, 1.5, True, None],
    }


@pytest.mark.parametrize(
    ("said", "issued_on"),
    [
        ("2027-05-05T09:00:00Z", "2027-05-05"),
        ("2027-05-05T09:59:59Z", "2027-05-05"),
        ("2027-05-05T10:00:00Z", "2027-05-06"),
        ("2027-05-05T23:59:59Z", "2027-05-06"),
        ("2027-05-06T00:30:00+01:00", "2027-05-06"),
    ],
)
def test_a_document_is_issued_by_the_time_that_says_so_wherever_on_earth_that_is(said: str, issued_on: str) -> None:
    def sent(day: date) -> dict[str, Any]:
        return {**cloud_event(a_document(issued_on=day)), "time": said}

    last = date.fromisoformat(issued_on)
    assert read_message(sent(last)).data == a_document(issued_on=last)
    assert read_message(sent(date(1990, 1, 1)))
    problems = refused(sent(last + timedelta(days=1)))
    assert list(problems) == ["data.issued_on"]
    assert f"comes after the event's time, {last:%Y-%m}" in problems["data.issued_on"]


@pytest.mark.parametrize("facts", [{"x": "text"}, {"x": 3, "y": -3}, {"x": True}, {}])
def test_facts_of_a_concern_are_texts_whole_numbers_and_booleans(facts: dict[str, Any]) -> None:
    envelope = cloud_event(a_concern(facts))
    assert data_json(read_message(envelope).data)["facts"] == facts


def test_everything_that_is_wrong_with_an_envelope_is_said_at_once() -> None:
    problems = refused({"specversion": "0.3", "id": "", "source": 3, "type": "placement.eaten", "time": "noon", "sequence": "first"})
    assert set(problems) == {"specversion", "id", "source", "type", "time", "sequence"}
    assert "'placement.eaten' is not an event of shared/events.py" in problems["type"]
    assert set(refused({})) == {"specversion", "id", "source", "type", "time"}


@pytest.mark.parametrize("time", ["2027-05-05T09:00:00", "2027-05-05", "yesterday", "", None, 3])
def test_a_time_needs_its_offset(time: Any) -> None:
    assert list(refused({**cloud_event(a_placement()), "time": time})) == ["time"]


@pytest.mark.parametrize("time", ["2207-05-05T09:00:00Z", "8999-12-31T23:59:59Z", "1899-12-31T23:59:59Z"])
def test_a_time_that_was_mistyped_does_not_silence_all_that_is_said_later(time: str) -> None:
    with pytest.raises(MalformedEvent) as raised:
        read_message({**cloud_event(a_placement()), "time": time})
    assert list(raised.value.errors) == ["time"]


@pytest.mark.parametrize(("said", "read"), [("0.6665", "0.667"), ("0.3333", "0.333"), ("1E-99999", "0"), ("0.8", "0.8"), ("1.0000", "1")])
def test_a_share_is_read_as_it_is_kept_so_that_what_is_told_again_is_no_change(said: str, read: str) -> None:
    event = cloud_event(a_placement())
    event["data"]["whole_time_equivalent"] = said
    found = read_message(event).data
    assert isinstance(found, PlacementUpdated)
    assert found.whole_time_equivalent == Decimal(read)
    assert int(found.whole_time_equivalent.as_tuple().exponent) >= -3


def test_a_time_is_brought_to_utc() -> None:
    read = read_message({**cloud_event(a_placement()), "time": "2027-05-05T10:00:00+01:00"})
    assert (read.time, read.time.utcoffset()) == (NOW, timedelta(0))
    at = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert json.loads(replace(read, time=at).to_json())["time"] == "2027-05-05T09:00:00.000000Z"


def test_a_time_in_the_data_needs_its_offset_too() -> None:
    envelope = cloud_event(AlertSent(**ALERT, sent_at=NOW))
    assert list(refused({**envelope, "data": {**envelope["data"], "sent_at": "2027-05-05T09:00:00"}})) == ["data.sent_at"]


# ---- sequence ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["7", 7, "007", "00000000000000000007"])
def test_a_sequence_is_a_number_however_it_is_padded(given: Any) -> None:
    assert read_message({**cloud_event(a_placement()), "sequence": given}).sequence == 7


@pytest.mark.parametrize("given", ["-1", -1, "1.5", 1.5, "", True, "1" * 21, 2**63, "abc", [1]])
def test_a_sequence_that_is_no_number_below_2_to_the_63_is_refused(given: Any) -> None:
    assert list(refused({**cloud_event(a_placement()), "sequence": given})) == ["sequence"]


def test_the_largest_sequence_is_taken() -> None:
    assert read_message({**cloud_event(a_placement()), "sequence": 2**63 - 1}).sequence == 2**63 - 1


def test_a_producer_that_does_not_count_is_ordered_by_its_time_to_the_microsecond() -> None:
    envelope = {name: value for name, value in cloud_event(a_placement()).items() if name != "sequence"}
    one = read_message({**envelope, "time": "2027-05-05T09:00:00.000001Z"})
    two = read_message({**envelope, "time": "2027-05-05T09:00:00.000002Z"})
    assert (one.sequence, two.sequence) == (microseconds(NOW) + 1, microseconds(NOW) + 2)


# ---- ids ---------------------------------------------------------------------------------------------------------


def test_the_same_thing_said_again_is_the_same_message_whenever_it_is_said() -> None:
    assert say(a_placement(), SOURCE, NOW, 1).key == say(a_placement(), SOURCE, NOW + timedelta(days=1), 1).key


def test_whatever_is_said_differently_is_another_message() -> None:
    messages = [
        say(a_placement(), SOURCE, NOW, 1),
        say(a_placement(), SOURCE, NOW, 2),
        say(a_placement(), "urn:tripartite:other", NOW, 1),
        say(a_placement(site="RXN01"), SOURCE, NOW, 1),
        say(a_placement(placement_id="p2"), SOURCE, NOW, 1),
        say(PlacementWithdrawn(placement_id="p1", reason=""), SOURCE, NOW, 1),
    ]
    assert len({message.key for message in messages}) == len(messages)


def test_what_follows_from_a_message_carries_its_correlation() -> None:
    first = a_message(a_placement())
    second = say(a_document(), SOURCE, NOW, 1, first)
    third = say(a_document(), SOURCE, NOW, 1, second)
    assert (first.correlation_id, second.correlation_id, third.correlation_id) == ("", first.id, first.id)
