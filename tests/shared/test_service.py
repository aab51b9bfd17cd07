"""A service over HTTP: health, policies, decisions, events; and every error as a problem that a caller can act on."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from services.eligibility.app import SERVICE, create_app
from shared.answers import LONGEST_KEY, IdempotencyRow
from shared.decisions import DecisionRow, EditionRow, new_id
from shared.outbox import OutboxRow
from shared.policies import load_policies, load_references
from shared.problems import MOST_PROBLEMS
from shared.service import LARGEST_BODY, MOST_EVENTS
from shared.worker import STALE, Worker
from tests.helpers import Clock, a_document, a_placement, a_worker, cloud_event
from tests.shared.scratch import count, rows

ROUTE = "/eligibility/decisions/procurement-route"
ASKED = {"facts": {"whole_life_value": "42000.00"}, "as_at": "2021-06-01"}


@pytest.fixture
def worker(tmp_path: Path, clock: Clock) -> Iterator[Worker]:
    made = a_worker(SERVICE, tmp_path, clock)
    made.step()
    yield made
    made.close()


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    return create_app(worker).test_client()


def problem(response: Any, status: int) -> dict[str, Any]:
    """The body of a problem, checked to be one."""
    assert (response.status_code, response.content_type) == (status, "application/problem+json")
    body: dict[str, Any] = response.get_json(force=True)
    assert {"type", "title", "status", "detail", "instance"} <= set(body)
    assert body["status"] == status
    assert body["detail"]
    return body


def pointers(body: dict[str, Any]) -> set[str]:
    return {entry["pointer"] for entry in body["errors"]}


# ---- health ------------------------------------------------------------------------------------------------------


def test_a_service_whose_database_and_loop_are_well_is_ready(client: FlaskClient) -> None:
    assert client.get("/eligibility/health/live").get_json() == {"status": "alive"}
    found = client.get("/eligibility/health/ready")
    assert (found.status_code, found.get_json()) == (200, {"status": "ready", "problems": {}})


def test_a_service_whose_loop_has_stopped_is_alive_and_not_ready(client: FlaskClient, worker: Worker) -> None:
    worker.beats["hear.1"] = datetime.now(UTC) - STALE - timedelta(seconds=1)
    found = client.get("/eligibility/health/ready")
    assert (found.status_code, list(found.get_json()["problems"])) == (503, ["worker.hear.1"])
    assert client.get("/eligibility/health/live").status_code == 200
    worker.step()
    assert client.get("/eligibility/health/ready").status_code == 200


def test_a_service_whose_database_lacks_a_migration_is_not_ready(client: FlaskClient, worker: Worker) -> None:
    with worker.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    found = client.get("/eligibility/health/ready")
    assert (found.status_code, found.get_json()["status"]) == (503, "not ready")
    assert "at migration 0000" in found.get_json()["problems"]["migrations"]


def test_a_service_whose_database_is_no_database_is_not_ready(client: FlaskClient, worker: Worker) -> None:
    worker.engine.dispose()
    (worker.config.data / "eligibility.db").write_bytes(b"this is no database, whatever its name says" * 100)
    assert "database" in client.get("/eligibility/health/ready").get_json()["problems"]


def test_metrics_and_openapi_are_there(client: FlaskClient) -> None:
    assert b"tripartite_heard" in client.get("/eligibility/metrics").data
    assert client.get("/eligibility/openapi.json").get_json()["openapi"] == "3.1.0"


# ---- problems ----------------------------------------------------------------------------------------------------


def test_what_is_not_there_is_a_problem(client: FlaskClient) -> None:
    assert problem(client.get("/eligibility/nowhere"), 404)["instance"] == "/eligibility/nowhere"
    assert problem(client.get("/elsewhere"), 404)["title"] == "Not Found"
    unknown = uuid.uuid4()
    assert str(unknown) in problem(client.get(f"/eligibility/decisions/{unknown}"), 404)["detail"]
    problem(client.get(f"/eligibility/decisions/{unknown}/replay"), 404)


def test_a_method_that_is_not_allowed_is_a_problem(client: FlaskClient) -> None:
    problem(client.delete("/eligibility/policies"), 405)
    problem(client.get("/eligibility/events"), 405)


@pytest.mark.parametrize("path", [ROUTE, "/eligibility/events"])
def test_a_body_that_is_too_large_is_a_problem(client: FlaskClient, path: str) -> None:
    problem(client.post(path, data=b" " * (LARGEST_BODY + 1), content_type="application/json"), 413)


@pytest.mark.parametrize("body", ["[]", "null", "3", '"facts"'])
def test_a_body_that_is_no_json_object_is_a_problem_that_shows_what_would_be_right(client: FlaskClient, body: str) -> None:
    found = problem(client.post(ROUTE, data=body, content_type="application/json"), 422)
    assert '{"facts": {…}, "as_at": "2021-06-01"}' in found["detail"]


@pytest.mark.parametrize("path", [ROUTE, "/eligibility/events"])
@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b'{"facts": NaN}', b"[" * 100_000, b'"\\ud800"', b"\xff"], ids=str)
def test_a_body_that_is_no_usable_json_is_a_problem(client: FlaskClient, path: str, body: bytes) -> None:
    found = problem(client.post(path, data=body, content_type="application/json"), 422)
    assert found["title"] == "The event cannot be used"
    assert found["detail"].startswith("This is not usable JSON: ")


def test_every_wrong_field_of_a_request_has_its_entry_with_a_pointer(client: FlaskClient) -> None:
    asked = {"facts": {"whole_life_value": 1.5, "regmie": "x", "framework": "maybe"}, "as_at": "soon", "subject": 3, "title": "x"}
    found = problem(client.post(ROUTE, json=asked), 422)
    wrong = {"#/facts/whole_life_value", "#/facts/regmie", "#/facts/framework", "#/as_at", "#/subject", "#/title"}
    assert pointers(found) == wrong
    assert len(found["errors"]) == len(wrong)
    assert "nothing was decided" in found["detail"]
    [regime] = [entry["detail"] for entry in found["errors"] if entry["pointer"] == "#/facts/regmie"]
    assert "did you mean “regime”?" in regime


@pytest.mark.parametrize("asked", [{}, {"facts": None}, {"facts": []}, {"facts": "x"}])
def test_facts_that_are_lacking_or_no_object_are_named(client: FlaskClient, asked: dict[str, Any]) -> None:
    assert pointers(problem(client.post(ROUTE, json=asked), 422)) == {"#/facts"}


def test_a_day_before_the_first_rule_is_a_problem_that_names_the_first_day(client: FlaskClient) -> None:
    found = problem(client.post(ROUTE, json={**ASKED, "as_at": "2011-01-01"}), 422)
    assert "they begin on 2020-01-01" in found["detail"]


@pytest.mark.parametrize("day", ["20210601", "2021-W22-2", "2021-6-1", "2021-06-01T00:00:00"])
def test_a_day_is_written_as_rfc_3339_has_it(client: FlaskClient, day: str) -> None:
    assert pointers(problem(client.post(ROUTE, json={**ASKED, "as_at": day}), 422)) == {"#/as_at"}


def test_of_very_many_wrong_fields_some_are_named_and_all_are_counted(client: FlaskClient) -> None:
    found = problem(client.post(ROUTE, json={"facts": {f"fact{number}": 1 for number in range(20_000)}}), 422)
    assert "20000 of the fields" in found["detail"]
    assert len(found["errors"]) == MOST_PROBLEMS
    assert len(json.dumps(found)) < 100_000


def test_a_body_with_one_of_very_many_keys_twice_is_refused_as_soon_as_it_is_read(client: FlaskClient) -> None:
    keys = ",".join(f'"{number}":0' for number in range(200_000))
    found = problem(client.post(ROUTE, data=f'{{{keys},"twice":0,"twice":0}}', content_type="application/json"), 422)
    assert "'twice' stands twice" in found["detail"]


def test_an_unknown_policy_is_a_problem_that_suggests_one(client: FlaskClient) -> None:
    for found in (client.post("/eligibility/decisions/procurement-rout", json=ASKED), client.get("/eligibility/policies/procurement-rout")):
        assert "did you mean “procurement-route”?" in problem(found, 404)["detail"]


def test_what_goes_wrong_inside_is_a_problem_that_gives_nothing_away(client: FlaskClient, worker: Worker) -> None:
    with worker.engine.begin() as connection:
        connection.execute(text("DROP TABLE decisions"))
    found = problem(client.post(ROUTE, json=ASKED), 500)
    assert "Nothing was stored" in found["detail"]
    assert "sqlite" not in json.dumps(found).lower()


# ---- decisions ---------------------------------------------------------------------------------------------------


def test_a_decision_is_stored_where_its_location_says_and_said(client: FlaskClient, worker: Worker) -> None:
    made = client.post(ROUTE, json={**ASKED, "subject": "contract 7"})
    assert (made.status_code, made.content_type) == (201, "application/json")
    body = made.get_json()
    assert made.headers["Location"].endswith(f"/eligibility/decisions/{body['id']}")
    assert body["outcome"]["route"] == "three-quotations"
    assert client.get(made.headers["Location"]).data == made.data
    [row] = rows(worker, OutboxRow)
    assert (row.type, row.subject) == ("procurement.routed", "contract 7")


def test_without_a_day_the_decision_is_taken_as_at_today(client: FlaskClient, clock: Clock) -> None:
    clock.on(date(2027, 6, 30), 23)
    assert client.post(ROUTE, json={"facts": ASKED["facts"]}).get_json()["as_at"] == "2027-07-01", "it is past midnight in England"


@pytest.mark.parametrize("word", ["false", "FALSE", "no", "0"])
def test_a_decision_that_is_not_to_be_recorded_stores_and_says_nothing(client: FlaskClient, worker: Worker, word: str) -> None:
    made = client.post(f"{ROUTE}?record={word}", json=ASKED)
    assert (made.status_code, made.get_json()["outcome"]["minimum_quotations"]) == (200, 3)
    assert "Location" not in made.headers
    assert [count(worker, table) for table in (DecisionRow, EditionRow, OutboxRow, IdempotencyRow)] == [0, 0, 0, 0]


@pytest.mark.parametrize("query", ["record=maybe", "record=", "recrod=false", "record=false&dry=1"])
def test_a_dry_run_that_is_misspelt_is_refused_and_is_not_a_decision(client: FlaskClient, worker: Worker, query: str) -> None:
    problem(client.post(f"{ROUTE}?{query}", json=ASKED), 422)
    assert (count(worker, DecisionRow), count(worker, OutboxRow)) == (0, 0)


@pytest.mark.parametrize("subject", ["", "x" * 200, "Zoë 7"])
def test_a_subject_is_text_of_at_most_200_characters(client: FlaskClient, worker: Worker, subject: str) -> None:
    assert client.post(ROUTE, json={**ASKED, "subject": subject}).status_code == 201
    assert [row.subject for row in rows(worker, DecisionRow)] == [subject]


@pytest.mark.parametrize("subject", ["x" * 201, "a\nb", "a\x00", 3, None, "   "])
def test_a_subject_that_is_too_long_or_not_plain_is_a_problem(client: FlaskClient, worker: Worker, subject: Any) -> None:
    assert pointers(problem(client.post(ROUTE, json={**ASKED, "subject": subject}), 422)) == {"#/subject"}
    assert count(worker, DecisionRow) == 0


def test_an_idempotency_key_is_no_longer_than_an_index_takes(client: FlaskClient, worker: Worker) -> None:
    found = problem(client.post(ROUTE, json=ASKED, headers={"Idempotency-Key": "k" * (LONGEST_KEY + 1)}), 422)
    assert f"may have {LONGEST_KEY}" in found["detail"]
    assert count(worker, DecisionRow) == 0
    assert client.post(ROUTE, json=ASKED, headers={"Idempotency-Key": "k" * LONGEST_KEY}).status_code == 201


def test_an_undetermined_decision_is_stored_and_not_said(client: FlaskClient, worker: Worker) -> None:
    made = client.post(ROUTE, json={"facts": {}})
    assert (made.status_code, made.get_json()["status"]) == (201, "undetermined")
    assert (count(worker, DecisionRow), count(worker, OutboxRow)) == (1, 0)


def test_a_replay_gives_the_original_bytes(client: FlaskClient) -> None:
    whole: dict[str, Any] = {"facts": {"regime": "light-touch", "framework": True, "whole_life_value": "1.00"}}
    each: list[dict[str, Any]] = [ASKED, {"facts": {}}, whole]
    for asked in each:
        made = client.post(ROUTE, json=asked)
        again = client.get(f"{made.headers['Location']}/replay")
        assert (again.status_code, again.data) == (200, made.data)


def test_a_decision_that_was_tampered_with_does_not_replay(client: FlaskClient, worker: Worker) -> None:
    location = client.post(ROUTE, json=ASKED).headers["Location"]
    with worker.engine.begin() as connection:
        connection.execute(text("UPDATE decisions SET body = replace(body, 'three-quotations', 'one-quotation')"))
    assert "tell the operators" in problem(client.get(f"{location}/replay"), 409)["detail"]


def test_the_same_idempotency_key_and_body_get_the_first_answer_again(client: FlaskClient, worker: Worker, clock: Clock) -> None:
    first = client.post(ROUTE, json=ASKED, headers={"Idempotency-Key": "k1"})
    clock.on(date(2027, 6, 1))
    again = client.post(ROUTE, json=ASKED, headers={"Idempotency-Key": "k1"})
    assert (again.status_code, again.data, again.headers["Location"]) == (201, first.data, first.headers["Location"])
    assert (count(worker, DecisionRow), count(worker, OutboxRow)) == (1, 1)


def test_an_idempotency_key_that_was_used_with_another_body_or_path_is_a_conflict(client: FlaskClient, worker: Worker) -> None:
    client.post(ROUTE, json=ASKED, headers={"Idempotency-Key": "k1"})
    problem(client.post(ROUTE, json={"facts": {}}, headers={"Idempotency-Key": "k1"}), 409)
    problem(client.post("/eligibility/decisions/post-move", json={"facts": {}}, headers={"Idempotency-Key": "k1"}), 409)
    assert count(worker, DecisionRow) == 1


def test_a_request_that_was_refused_does_not_use_up_its_key(client: FlaskClient) -> None:
    problem(client.post(ROUTE, json={"facts": {"framework": 1}}, headers={"Idempotency-Key": "k1"}), 422)
    assert client.post(ROUTE, json=ASKED, headers={"Idempotency-Key": "k1"}).status_code == 201


def test_decisions_are_listed_newest_first_page_by_page(client: FlaskClient) -> None:
    made = [client.post(ROUTE, json={**ASKED, "subject": f"s{number % 2}"}).get_json()["id"] for number in range(5)]
    found: list[str] = []
    query: str | None = ""
    while query is not None:
        page = client.get(f"/eligibility/decisions?limit=2{query}").get_json()
        found += [item["id"] for item in page["items"]]
        query = f"&before={page['next']}" if page["next"] else None
    assert found == sorted(made, reverse=True)
    one = client.get("/eligibility/decisions?subject=s1").get_json()
    assert ({item["id"] for item in one["items"]}, one["next"]) == ({made[1], made[3]}, None)
    assert client.get("/eligibility/decisions?policy=post-move").get_json() == {"items": [], "next": None}


@pytest.mark.parametrize("limit", ["0", "201", "-1", "many", "1.5"])
def test_a_page_that_cannot_be_made_is_a_problem(client: FlaskClient, limit: str) -> None:
    assert pointers(problem(client.get(f"/eligibility/decisions?limit={limit}"), 422)) == {"#/limit"}


def test_ids_are_uuids_of_version_7_and_differ() -> None:
    made = [uuid.UUID(new_id()) for _ in range(1000)]
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
    assert len(set(made)) == 1000


# ---- policies ----------------------------------------------------------------------------------------------------


def test_policies_are_listed_and_shown_as_at_a_day(client: FlaskClient) -> None:
    listed = {entry["policy"]: entry for entry in client.get("/eligibility/policies").get_json()}
    assert set(listed) == set(load_policies("eligibility"))
    shown = client.get("/eligibility/policies/procurement-route?as_at=2021-06-01").get_json()
    assert (shown["edition"], shown["as_at"]) == (listed["procurement-route"]["edition"], "2021-06-01")
    facts = {fact["fact"]: fact for fact in shown["facts"]}
    assert set(facts) >= {"whole_life_value", "regime", "framework"}
    assert facts["regime"]["schema"]["enum"] == ["goods-services", "light-touch"]
    assert all(rule["cite"]["source"] and rule["because"] for rule in shown["rules"])
    assert {"10000.00", "189330.00"} <= {str(value["value"]) for parameter in shown["parameters"] for value in parameter["values"]}
    assert client.get("/eligibility/policies/procurement-route").get_json()["as_at"] == "2027-05-05"


def test_a_policy_on_a_day_that_is_none_or_not_in_force_is_a_problem(client: FlaskClient) -> None:
    assert pointers(problem(client.get("/eligibility/policies/post-move?as_at=soon"), 422)) == {"#/as_at"}
    assert "no rules in force on 1999-01-01" in problem(client.get("/eligibility/policies/post-move?as_at=1999-01-01"), 422)["detail"]


def test_references_are_listed_and_shown_with_their_citations(client: FlaskClient) -> None:
    listed = {entry["reference"]: entry for entry in client.get("/eligibility/references").get_json()}
    assert set(listed) == set(load_references("eligibility"))
    for name, entry in listed.items():
        shown = client.get(f"/eligibility/references/{name}").get_json()
        assert len(shown["records"]) == entry["records"]
        assert all(record["cite"]["entry"] and record["says"] for record in shown["records"])
    assert "There is no reference “price”" in problem(client.get("/eligibility/references/price"), 404)["detail"]


# ---- events ------------------------------------------------------------------------------------------------------


def send(client: FlaskClient, body: Any) -> Any:
    return client.post("/eligibility/events", data=json.dumps(body), content_type="application/cloudevents+json")


def test_an_event_is_taken_into_the_outbox_alone_or_in_a_batch_and_twice_is_once(client: FlaskClient, worker: Worker) -> None:
    one, two = cloud_event(a_placement()), cloud_event(a_document())
    alone = send(client, one)
    assert (alone.status_code, alone.get_json()) == (202, {"taken": 1, "new": 1, "ids": [one["id"]]})
    assert send(client, [one, two]).get_json() == {"taken": 2, "new": 1, "ids": [one["id"], two["id"]]}
    assert [json.loads(row.body) for row in rows(worker, OutboxRow)] == [one, two]


def test_all_events_of_a_batch_are_taken_or_none_and_each_wrong_field_is_named_with_its_place(client: FlaskClient, worker: Worker) -> None:
    good = cloud_event(a_placement())
    bad = {**good, "id": "", "time": "noon"}
    found = problem(send(client, [good, bad, "text"]), 422)
    assert [entry["pointer"] for entry in found["errors"]] == ["#/1/id", "#/1/time", "#/2"]
    assert "none was taken" in found["detail"]
    assert count(worker, OutboxRow) == 0


def test_a_document_that_is_yet_to_be_issued_is_refused_with_its_place(client: FlaskClient, worker: Worker) -> None:
    early = {**cloud_event(a_document(issued_on=date(2027, 5, 6))), "time": "2027-05-05T09:00:00Z"}
    assert pointers(problem(send(client, early), 422)) == {"#/data/issued_on"}
    assert pointers(problem(send(client, [early, cloud_event(a_placement())]), 422)) == {"#/0/data/issued_on"}
    assert count(worker, OutboxRow) == 0


@pytest.mark.parametrize("number", [0, MOST_EVENTS + 1])
def test_a_batch_of_nothing_or_of_too_many_is_refused(client: FlaskClient, worker: Worker, number: int) -> None:
    found = problem(send(client, [cloud_event(a_placement())] * number), 422)
    assert found["detail"] == f"{number} events were sent; a request takes 1 to {MOST_EVENTS}."
    assert count(worker, OutboxRow) == 0


def test_an_event_that_only_tripartite_says_is_refused_from_outside(client: FlaskClient, worker: Worker) -> None:
    client.post(ROUTE, json=ASKED)
    [said] = [json.loads(row.body) for row in rows(worker, OutboxRow)]
    found = problem(send(client, said), 422)
    assert "procurement.routed is said by Tripartite itself" in found["errors"][0]["detail"]
    assert count(worker, OutboxRow) == 1


@pytest.mark.parametrize("body", ["", "{", "3", "null"])
def test_a_body_that_is_no_event_is_refused(client: FlaskClient, body: str) -> None:
    problem(client.post("/eligibility/events", data=body, content_type="application/json"), 422)
