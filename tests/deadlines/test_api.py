"""deadlines over HTTP: TIS messages in; placements and deadlines out."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from services.deadlines.app import SERVICE, create_app
from services.deadlines.models import Deadline, Document
from shared.database import transaction
from shared.events import AlertAcknowledged, AlertBounced, AlertFailed, AlertSent, Event
from shared.inbox import QuarantineRow
from shared.outbox import OutboxRow
from shared.worker import Worker
from tests.deadlines.stories import DUE, WEEK_8
from tests.deadlines.test_upstream import tis
from tests.helpers import Clock, a_document, a_message, a_placement, a_worker, cloud_event, put, settle


@pytest.fixture
def worker(tmp_path: Path, clock: Clock) -> Worker:
    return a_worker(SERVICE, tmp_path, clock)


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    return create_app(worker).test_client()


def hear(worker: Worker, *events: Event, sequence: int = 1) -> None:
    for number, event in enumerate(events, start=sequence):
        worker.take_in([a_message(event, number)], worker.clock())


def in_outbox(worker: Worker) -> int:
    with transaction(worker.engine) as session:
        return session.scalar(select(func.count(OutboxRow.key))) or 0


def pointers(answer: Any) -> set[str]:
    return {entry["pointer"] for entry in answer.get_json()["errors"]}


# ---- upstream ----------------------------------------------------------------------------------------------------


def test_one_tis_message_sets_the_deadlines_of_its_placement(worker: Worker, client: FlaskClient) -> None:
    answer = client.post("/deadlines/upstream/tis", json=tis())
    assert (answer.status_code, answer.get_json()["taken"], answer.get_json()["new"]) == (202, 1, 1)
    settle(worker)
    shown = client.get("/deadlines/placements/2104620").get_json()
    assert (shown["host"], shown["start_date"], shown["whole_time_equivalent"]) == ("RXN", "2027-08-04", "0.800")
    assert {deadline["due"] for deadline in shown["deadlines"]} == {"2027-05-12", "2027-06-09", "2027-06-23"}


def test_a_list_and_json_lines_say_the_same_and_what_is_known_is_not_new(client: FlaskClient) -> None:
    raws = [tis(), tis("update", at="2027-04-28T09:00:00Z", gradeAbbreviation="ST3"), tis()]
    first = client.post("/deadlines/upstream/tis", json=raws).get_json()
    assert (first["taken"], first["new"]) == (3, 2)
    lines = "\n".join([*map(json.dumps, raws), "", ""])
    again = client.post("/deadlines/upstream/tis", data=lines, content_type="application/x-ndjson").get_json()
    assert (again["taken"], again["new"], again["ids"]) == (3, 0, first["ids"])


def test_all_are_taken_or_none_and_every_wrong_field_is_named_by_its_line(worker: Worker, client: FlaskClient) -> None:
    raws = [tis(), tis(specialty=None, traineeId=None), tis(trainingBodyName="Nowhere"), 7]
    answer = client.post("/deadlines/upstream/tis", json=raws)
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert pointers(answer) == {
        "#/1/record/data/specialty",
        "#/1/record/data/traineeId",
        "#/2/record/data/trainingBodyName",
        "#/3/record",
    }
    assert in_outbox(worker) == 0


def test_a_body_that_is_not_json_is_refused(worker: Worker, client: FlaskClient) -> None:
    lines = json.dumps(tis()) + "\n{"
    for body, kind in (("{", "application/json"), (lines, "application/x-ndjson"), ("", "application/json"), ("NaN", "application/json")):
        answer = client.post("/deadlines/upstream/tis", data=body, content_type=kind)
        assert (answer.status_code, answer.get_json()["title"]) == (422, "The event cannot be used")
        assert "not usable JSON" in answer.get_data(as_text=True)
    assert in_outbox(worker) == 0


def test_a_line_that_is_not_json_is_named_by_its_place(client: FlaskClient) -> None:
    answer = client.post("/deadlines/upstream/tis", data=json.dumps(tis()) + "\n{", content_type="application/x-ndjson")
    assert pointers(answer) == {"#/1"}


def test_a_single_message_is_answered_without_a_number(client: FlaskClient) -> None:
    answer = client.post("/deadlines/upstream/tis", json=tis(placementType="On the moon"))
    assert (answer.status_code, pointers(answer)) == (422, {"#/record/data/placementType"})


def test_to_send_nothing_is_refused(client: FlaskClient) -> None:
    assert client.post("/deadlines/upstream/tis", json=[]).status_code == 422
    assert client.post("/deadlines/upstream/tis", data="\n", content_type="application/x-ndjson").status_code == 422


def test_an_overtaken_tis_message_changes_nothing_and_a_delete_withdraws(worker: Worker, client: FlaskClient) -> None:
    newer = tis("update", at="2027-05-02T09:00:00Z", dateFrom="2027-09-01")
    client.post("/deadlines/upstream/tis", json=[newer, tis()])
    settle(worker)
    assert client.get("/deadlines/placements/2104620").get_json()["start_date"] == "2027-09-01"
    client.post("/deadlines/upstream/tis", json=tis("delete", at="2027-05-03T09:00:00Z"))
    settle(worker)
    shown = client.get("/deadlines/placements/2104620").get_json()
    assert shown["withdrawn"] == "deleted in TIS"
    assert {deadline["state"] for deadline in shown["deadlines"]} == {"withdrawn"}


def test_cloud_events_are_taken_but_what_tripartite_says_itself_is_not(worker: Worker, client: FlaskClient) -> None:
    assert client.post("/deadlines/events", json=[cloud_event(a_placement()), cloud_event(a_document())]).status_code == 202
    settle(worker)
    shown = client.get("/deadlines/placements/p1").get_json()
    assert [document["document_id"] for document in shown["documents"]] == ["work-schedule-trainee-2027-06-09"]
    said = cloud_event(failed())
    assert pointers(client.post("/deadlines/events", json=said)) == {"#/type"}
    assert pointers(client.post("/deadlines/events", json=[cloud_event(a_placement()), said])) == {"#/1/type"}


@pytest.mark.parametrize(("hour", "status"), [(9, 422), (10, 202)])
def test_a_document_cannot_be_said_before_it_was_issued_anywhere_on_earth(
    worker: Worker, client: FlaskClient, hour: int, status: int
) -> None:
    said = json.loads(a_message(a_document(), at=datetime(2027, 6, 8, hour, 59 if hour == 9 else 0, tzinfo=UTC)).to_json())
    answer = client.post("/deadlines/events", json=said)
    assert (answer.status_code, in_outbox(worker)) == (status, int(status == 202))
    if status == 422:
        assert pointers(answer) == {"#/data/issued_on"}
        assert pointers(client.post("/deadlines/events", json=[cloud_event(a_placement()), said])) == {"#/1/data/issued_on"}


def test_a_document_of_tomorrow_that_comes_over_the_bus_is_quarantined(worker: Worker, client: FlaskClient) -> None:
    unusable = a_message(a_document(), at=datetime(2027, 6, 7, 9, tzinfo=UTC))
    put(worker, unusable)
    settle(worker)
    with transaction(worker.engine) as session:
        [row] = session.scalars(select(QuarantineRow))
        assert (row.body.decode(), "data.issued_on" in row.reason) == (unusable.to_json(), True)
        assert session.scalar(select(func.count()).select_from(Document)) == 0


def test_a_type_of_placement_that_nobody_knows_is_refused_at_the_door(worker: Worker, client: FlaskClient) -> None:
    answer = client.post("/deadlines/events", json=cloud_event(a_placement(placement_type="on-the-moon")))
    assert (answer.status_code, pointers(answer)) == (422, {"#/data/placement_type"})
    assert in_outbox(worker) == 0


def test_a_first_load_of_years_past_is_taken_in_whole(worker: Worker, client: FlaskClient) -> None:
    old = tis(dateFrom="2014-08-06", dateTo="2015-08-04")
    assert client.post("/deadlines/upstream/tis", json=old).status_code == 202
    settle(worker)
    shown = client.get("/deadlines/placements/2104620").get_json()
    assert (shown["start_date"], shown["deadlines"]) == ("2014-08-06", [])
    with transaction(worker.engine) as session:
        assert session.scalar(select(func.count()).select_from(QuarantineRow)) == 0


# ---- one placement -----------------------------------------------------------------------------------------------


def test_nobody_heard_of_the_placement_though_a_document_of_it_is_kept(worker: Worker, client: FlaskClient) -> None:
    hear(worker, a_document())
    answer = client.get("/deadlines/placements/p1")
    assert (answer.status_code, answer.get_json()["title"]) == (404, "Not found")


def test_a_late_deadline_is_shown_with_the_chain_that_made_it_late(worker: Worker, client: FlaskClient, clock: Clock) -> None:
    hear(worker, a_placement(), a_document("placement-information", "host", date(2027, 5, 20)))
    clock.on(WEEK_8 + timedelta(days=1))
    shown = client.get("/deadlines/placements/p1").get_json()["deadlines"]
    [schedule] = [deadline for deadline in shown if deadline["deadline_id"] == "p1/work-schedule-to-trainee/1"]
    assert schedule["late_caused_by"] == "national-body"
    assert [(link["deadline"], link["owner"], link["due"], link["issued_on"], link["days_late"]) for link in schedule["late_chain"]] == [
        ("p1/placement-information-to-host/1", "national-body", "2027-05-12", "2027-05-20", 8),
        ("p1/work-schedule-to-lead-employer/1", "host", "2027-06-09", None, 1),
        ("p1/work-schedule-to-trainee/1", "lead-employer", "2027-06-09", None, 1),
    ]
    [roster] = [deadline for deadline in shown if deadline["duty"] == "duty-roster"]
    assert "late_caused_by" not in roster, "not due yet"


def test_ended_revisions_stay_to_be_read_with_their_reason(worker: Worker, client: FlaskClient) -> None:
    hear(worker, a_placement(), a_placement(start_date=date(2027, 9, 1)))
    shown = client.get("/deadlines/placements/p1").get_json()["deadlines"]
    assert [(deadline["revision"], deadline["state"]) for deadline in shown] == [(1, "withdrawn")] * 7 + [(2, "set")] * 7
    assert shown[0]["reason"] == "the start moved from 2027-08-04 to 2027-09-01"


def failed() -> AlertFailed:
    about = {"kind": "deadline-missed", "regarding": "p1/contract-to-trainee/1", "recipient_id": "t1", "channel": "email"}
    return AlertFailed(alert_key="k1", reason="No address.", **about)


def test_what_became_of_the_alerts_is_shown_beside_the_placement(worker: Worker, client: FlaskClient, clock: Clock) -> None:
    sent = AlertSent(alert_key="k2", kind="placement-notice", regarding="p1", recipient_id="t1", channel="inbox", sent_at=clock())
    hear(worker, a_placement(), failed(), sent)
    alerts = client.get("/deadlines/placements/p1").get_json()["alerts"]
    assert {(alert["kind"], alert["status"], alert["detail"]) for alert in alerts} == {
        ("deadline-missed", "failed", "No address."),
        ("placement-notice", "sent", "2027-05-05T12:00:00+00:00"),
    }


@pytest.mark.parametrize("first", [0, 1, 2])
def test_an_alert_that_was_seen_counts_as_seen_in_whatever_order_that_is_heard(worker: Worker, client: FlaskClient, first: int) -> None:
    about = {"alert_key": "k", "kind": "placement-notice", "regarding": "p1", "recipient_id": "t1", "channel": "email"}
    at = datetime(2027, 5, 5, 12, tzinfo=UTC)
    said = [
        AlertSent(**about, sent_at=at),
        AlertBounced(**about, bounced_at=at, reason="The mailbox is full."),
        AlertAcknowledged(**about, acknowledged_at=at),
    ]
    hear(worker, a_placement(), *said[first:], *said[:first])
    [alert] = client.get("/deadlines/placements/p1").get_json()["alerts"]
    assert (alert["status"], alert["detail"]) == ("acknowledged", "2027-05-05T12:00:00+00:00")


def test_the_decision_behind_a_deadline_can_be_read_and_replayed(worker: Worker, client: FlaskClient) -> None:
    hear(worker, a_placement(), a_placement(grade="ST4"))
    with transaction(worker.engine) as session:
        [decision_id] = set(session.scalars(select(Deadline.decision_id)))
    decision = client.get(f"/deadlines/decisions/{decision_id}")
    assert decision.get_json()["facts"]["host_is_lead_employer"] is False
    assert client.get(f"/deadlines/decisions/{decision_id}/replay").data == decision.data


# ---- lists -------------------------------------------------------------------------------------------------------


def test_deadlines_are_listed_by_host_and_state_page_by_page(worker: Worker, client: FlaskClient) -> None:
    other = a_placement(placement_id="p2", host="R0A", host_name="Manchester University NHS Foundation Trust")
    hear(worker, a_placement(), other, a_document("contract", "trainee"))
    met = client.get("/deadlines/deadlines?host=RXN&status=met").get_json()
    assert ([item["deadline_id"] for item in met["items"]], met["next"]) == (["p1/contract-to-trainee/1"], None)
    ids: list[str] = []
    after: str | None = ""
    while after is not None:
        found: dict[str, Any] = client.get("/deadlines/deadlines", query_string={"limit": 5, "after": after}).get_json()
        ids += [item["deadline_id"] for item in found["items"]]
        after = found["next"]
    assert len(ids) == 14
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("query", ["status=overdue", "limit=0", "limit=201", "limit=many"])
def test_a_list_that_cannot_be_made_is_refused_by_the_name_of_the_field(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/deadlines/deadlines?{query}")
    assert (answer.status_code, pointers(answer)) == (422, {f"#/{query.split('=')[0]}"})


def test_one_doctors_placements_and_deadlines_can_be_found(worker: Worker, client: FlaskClient) -> None:
    hear(worker, a_placement(), a_placement(placement_id="p2", trainee_id="t2"))
    assert [found["placement_id"] for found in client.get("/deadlines/placements?person=t2").get_json()["items"]] == ["p2"]
    found = client.get("/deadlines/deadlines?person=t2&duty=work-schedule&owner=host").get_json()["items"]
    assert [deadline["deadline_id"] for deadline in found] == ["p2/work-schedule-to-lead-employer/1"]
    assert client.get("/deadlines/deadlines?placement=p1").get_json()["items"][0]["placement_id"] == "p1"


def test_what_was_due_to_a_doctor_who_has_left_the_placement_can_still_be_found(worker: Worker, client: FlaskClient, clock: Clock) -> None:
    hear(worker, a_placement())
    clock.on(date(2027, 5, 10))
    hear(worker, a_placement(trainee_id="t2"), sequence=2)

    def ids(query: str) -> set[str]:
        return {item["deadline_id"] for item in client.get(f"/deadlines/deadlines?{query}").get_json()["items"]}

    first, second = ({f"p1/{rule}/{revision}" for rule in DUE} for revision in (1, 2))
    assert (ids("person=t1"), ids("person=t2")) == (first, second)
    assert ids("person=t1&status=withdrawn") == first
    assert ids("person=t1&as_at=2027-05-06") == first
    assert ids("person=t2&as_at=2027-05-06") == set()
