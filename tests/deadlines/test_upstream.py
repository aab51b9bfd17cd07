"""TIS's own messages, as its services broadcast them, and what they become."""

import json
from copy import deepcopy
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from services.deadlines.upstream.messages import message_from_tis
from shared.errors import MalformedEvent
from shared.events import PlacementUpdated, PlacementWithdrawn
from shared.wire import read_message
from tests.helpers import HOUSE

MERSEY = "Mersey and West Lancashire Teaching Hospitals NHS Trust"
PRESTON = "Lancashire Teaching Hospitals NHS Foundation Trust"
DATA = {
    "id": "2104620",
    "traineeId": "314334",
    "dateFrom": "2027-08-04",
    "dateTo": "2028-08-01",
    "wholeTimeEquivalent": "0.8",
    "gradeId": "352",
    "gradeAbbreviation": "ST2",
    "placementType": "In post",
    "site": "Royal Preston Hospital",
    "siteKnownAs": "Royal Preston Hospital (RXN02)",
    "specialty": "Ophthalmology",
    "employingBodyName": MERSEY,
    "trainingBodyName": PRESTON,
}
SPELT_OTHERWISE = {"id": "tisId", "traineeId": "personId", "dateFrom": "startDate", "dateTo": "endDate"}


def tis(operation: str = "load", at: str = "2027-04-27T09:02:05.980000Z", **changes: Any) -> dict[str, Any]:
    """A broadcast of TIS (research 2.2); a change to None leaves the field out."""
    data = {name: value for name, value in {**DATA, **changes}.items() if value is not None}
    metadata = {"timestamp": at, "record-type": "data", "operation": operation, "schema-name": "tcs", "table-name": "Placement"}
    return {"tisId": "2104620", "record": {"tisId": "2104620", "data": data, "metadata": {**metadata, "transaction-id": "e0e7bc05"}}}


def problems(raw: object) -> dict[str, str]:
    with pytest.raises(MalformedEvent) as refused:
        message_from_tis(raw)
    return refused.value.errors


def updated(raw: object) -> PlacementUpdated:
    event = message_from_tis(raw).data
    assert isinstance(event, PlacementUpdated)
    return event


def test_a_broadcast_becomes_the_whole_placement() -> None:
    assert updated(tis()) == PlacementUpdated(
        placement_id="2104620",
        trainee_id="314334",
        host="RXN",
        host_name=PRESTON,
        site="RXN02",
        site_name="Royal Preston Hospital",
        lead_employer="RBN",
        specialty="Ophthalmology",
        grade="ST2",
        whole_time_equivalent=Decimal("0.8"),
        placement_type="in-post",
        start_date=date(2027, 8, 4),
        end_date=date(2028, 8, 1),
    )


def test_both_spellings_say_the_same() -> None:
    raw = tis()
    raw["record"]["data"] = {SPELT_OTHERWISE.get(name, name): value for name, value in DATA.items()}
    assert updated(raw) == updated(tis())


def test_the_id_is_found_inside_when_the_envelope_has_none() -> None:
    raw = tis()
    del raw["tisId"]
    assert updated(raw).placement_id == "2104620"


def test_load_insert_and_update_are_the_same_news_and_capital_letters_do_not_matter() -> None:
    assert len({updated(tis(operation)).placement_id for operation in ("load", "insert", "update", "LOAD")}) == 1


def test_a_delete_withdraws_the_placement_and_needs_nothing_but_its_id() -> None:
    raw = tis("delete")
    raw["record"]["data"] = {}
    assert message_from_tis(raw).data == PlacementWithdrawn(placement_id="2104620", reason="deleted in TIS")


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("In post", "in-post"),
        ("In Post - Acting Up", "in-post-acting-up"),
        ("In post - Extension", "in-post-extension"),
        ("OOPC", "out-of-programme"),
        ("OOPE", "out-of-programme"),
        ("OOPR", "out-of-programme"),
        ("OOPT", "out-of-programme"),
        ("Parental Leave", "parental-leave"),
        ("Long-term sick", "long-term-sick"),
        ("Suspended", "suspended"),
        ("Phased Return", "phased-return"),
        ("in post  –  acting up", "in-post-acting-up"),
        ("In-Post (Extension)", "in-post-extension"),
        ("LONG TERM SICK", "long-term-sick"),
    ],
)
def test_every_type_of_placement_that_tis_sends_is_one_of_the_policys(said: str, read: str) -> None:
    assert updated(tis(placementType=said)).placement_type == read


@pytest.mark.parametrize("unknown", ["On the moon", "In posts", "Inpost", "?", "7"])
def test_a_type_of_placement_that_nobody_knows_is_refused(unknown: str) -> None:
    assert problems(tis(placementType=unknown)).keys() == {"record.data.placementType"}


def test_a_type_that_is_nearly_right_is_refused_with_the_likely_one_and_none_at_all_is_missing() -> None:
    assert "in-post" in problems(tis(placementType="In psot"))["record.data.placementType"]
    assert problems(tis(placementType=None)) == {"record.data.placementType": "is missing."}


def test_a_site_without_a_code_is_known_by_its_name() -> None:
    assert updated(tis(siteKnownAs=None)).site == "Royal Preston Hospital"


# ---- what cannot be used -----------------------------------------------------------------------------------------


def test_every_missing_field_has_an_entry_of_its_own() -> None:
    found = problems(tis(traineeId=None, dateTo="", specialty="  ", gradeAbbreviation=None))
    assert found == {
        "record.data.traineeId": "is missing (also read as personId).",
        "record.data.dateTo": "is missing (also read as endDate).",
        "record.data.specialty": "is missing.",
        "record.data.gradeAbbreviation": "is missing.",
    }


def test_an_unknown_organisation_is_refused_with_the_likely_one() -> None:
    [(field, problem)] = problems(tis(trainingBodyName="Lancashire Teaching Hospital NHS Foundation Trust")).items()
    assert field == "record.data.trainingBodyName"
    assert "shared/organisations.yaml" in problem
    assert PRESTON.lower() in problem


def test_an_organisation_is_recognised_in_any_case() -> None:
    assert updated(tis(trainingBodyName=PRESTON.upper())).host == "RXN"


def test_an_end_before_the_start_is_refused() -> None:
    assert list(problems(tis(dateTo="2027-08-03"))) == ["record.data.dateTo"]


@pytest.mark.parametrize("said", [{"name": "Cardiology"}, ["Cardiology"], True])
def test_what_is_no_text_is_refused_where_a_text_belongs(said: object) -> None:
    assert problems(tis(specialty=said)) == {"record.data.specialty": "must be text."}


def test_a_number_is_plain_enough_and_what_is_not_read_is_not_looked_at() -> None:
    assert updated(tis(wholeTimeEquivalent=0.8)).whole_time_equivalent == Decimal("0.8")
    assert updated(tis(site={"name": "another spelling, which is not asked for"})) == updated(tis())


def test_a_field_that_is_blank_is_read_by_its_other_name() -> None:
    assert updated(tis(traineeId="  ", personId="77")).trainee_id == "77"


@pytest.mark.parametrize("at", ["1970-01-01T00:00:00+01:00", "0001-01-01T00:00:00+14:00", "2207-05-05T09:00:00Z", "2027-04-27T09:02:05"])
def test_a_time_that_no_message_can_have_is_refused_at_the_door(at: str) -> None:
    assert list(problems(tis(at=at))) == ["record.metadata.timestamp"]


def test_another_table_another_operation_and_a_time_without_its_zone_are_refused_together() -> None:
    raw = tis("lookup", at="2027-04-27T09:02:05")
    raw["record"]["metadata"]["table-name"] = "Post"
    assert set(problems(raw)) == {
        "record.metadata.table-name",
        "record.metadata.operation",
        "record.metadata.timestamp",
    }


@pytest.mark.parametrize("raw", [None, [], "x", {}, {"tisId": "1"}, {"tisId": "1", "record": "x"}, {"data": DATA, "metadata": {}}])
def test_what_is_no_broadcast_is_refused_in_a_sentence(raw: object) -> None:
    assert problems(raw) == {"record": "is missing."}


# ---- redelivered and overtaken -----------------------------------------------------------------------------------


def test_a_broadcast_that_is_delivered_again_is_the_same_message() -> None:
    assert message_from_tis(tis()) == message_from_tis(deepcopy(tis()))


def test_another_content_with_the_same_time_is_another_message() -> None:
    assert message_from_tis(tis(gradeAbbreviation="ST3")).key != message_from_tis(tis()).key


def test_the_place_in_the_sequence_is_the_time_of_the_broadcast() -> None:
    first, second = message_from_tis(tis()), message_from_tis(tis("update", at="2027-04-27T09:02:05.980001Z"))
    assert second.sequence == first.sequence + 1
    assert second.key != first.key
    assert message_from_tis(tis(at="2027-04-27T10:02:05.98+01:00")).sequence == first.sequence


def test_updates_and_deletes_of_a_placement_share_one_sequence() -> None:
    deleted = message_from_tis(tis("delete", at="2027-05-01T00:00:00Z"))
    assert deleted.data.stream == message_from_tis(tis()).data.stream
    assert deleted.sequence > message_from_tis(tis()).sequence


def test_the_transaction_goes_with_the_message_as_its_correlation() -> None:
    assert message_from_tis(tis()).correlation_id == "e0e7bc05"


def test_every_line_of_the_sample_rotation_can_be_read() -> None:
    lines = (HOUSE / "shared" / "samples" / "rotation-2027-08.jsonl").read_text(encoding="utf-8").split("\n")
    raws = [json.loads(line) for line in lines if line]
    messages = [message_from_tis(raw) if "record" in raw else read_message(raw) for raw in raws]
    types = {message.data.type for message in messages}
    assert {"placement.updated", "placement.withdrawn", "document.issued", "recipient.updated", "concern.raised"} <= types
