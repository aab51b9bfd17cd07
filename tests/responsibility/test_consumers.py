"""A concern is raised, over the real inbox and database: its case, and who is told now."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from services.responsibility.app import SERVICE
from services.responsibility.models import Case
from shared import inbox, outbox
from shared.database import transaction
from shared.decisions import DecisionRow
from shared.events import ConcernRaised, MeetingHeld, ResponsibilityAssigned
from shared.wire import Message, read_message
from shared.worker import Worker
from tests.helpers import Clock, a_concern, a_message, a_worker, put, settle

CONDUCT = {"kind": "conduct"}
CAPABILITY = {"kind": "capability"}
MOVEMENT = {"kind": "movement", "delegated_to_revalidation_team": False, "provider_has_responsible_officer": True}


@pytest.fixture
def worker(tmp_path: Path, clock: Clock) -> Worker:
    return a_worker(SERVICE, tmp_path, clock)


def raise_concerns(worker: Worker, *messages: Message) -> None:
    """Send messages over the bus in one batch, and let the service take them in."""
    put(worker, *messages)
    settle(worker)


def raised(facts: dict[str, Any], sequence: int = 1, **changes: Any) -> Message:
    return a_message(a_concern(facts, **changes), sequence)


def cases(worker: Worker) -> dict[str, Case]:
    with transaction(worker.engine) as session:
        return {case.concern_id: case for case in session.scalars(select(Case))}


def said(worker: Worker) -> list[tuple[ResponsibilityAssigned, Message]]:
    with transaction(worker.engine) as session:
        rows = session.scalars(select(outbox.OutboxRow).order_by(outbox.OutboxRow.batch, outbox.OutboxRow.number))
        messages = [read_message(row.body) for row in rows]
    found = [(message.data, message) for message in messages if isinstance(message.data, ResponsibilityAssigned)]
    assert len(found) == len(messages), "responsibility says nothing else"
    return found


def quarantined(worker: Worker) -> list[inbox.QuarantineRow]:
    with transaction(worker.engine) as session:
        return list(session.scalars(select(inbox.QuarantineRow)))


def test_conduct_is_assigned_to_the_lead_employer_and_only_those_told_at_once_are_told_now(worker: Worker) -> None:
    raise_concerns(worker, raised(CONDUCT))
    case = cases(worker)["c1"]
    assert (case.status, case.owner, case.case_manager) == ("assigned", "lead-employer", "lead-employer-medical-director")
    [(event, message)] = said(worker)
    assert (event.owner, event.decision_id, message.sequence) == ("lead-employer", case.decision_id, 1)
    assert [(party["who"], party["when"], party["how"]) for party in event.told] == [
        ("postgraduate-dean", "at-once", "live-flow"),
        ("revalidation-team", "at-once", "live-flow"),
    ]
    assert {party["when"] for party in case.told} == {"at-once", "on-findings", "after-findings", "on-decision"}, "the case keeps them all"


def test_what_is_said_goes_by_reference_only_and_answers_the_concern(worker: Worker) -> None:
    message = raised(CONDUCT, doctor_reference="DR-0007")
    raise_concerns(worker, message)
    [(event, answer)] = said(worker)
    assert (event.doctor_reference, event.lead_employer, event.host) == ("DR-0007", "RBN", "RXN")
    assert answer.correlation_id == message.id
    assert "facts" not in json.loads(answer.to_json())["data"]


def test_with_facts_missing_the_case_names_them_and_nothing_is_said(worker: Worker) -> None:
    raise_concerns(worker, raised(CAPABILITY))
    case = cases(worker)["c1"]
    assert (case.status, case.owner, case.told, case.version) == ("needs-facts", "", [], 1)
    assert [need["fact"] for need in case.needs] == ["ftp_severe"]
    assert said(worker) == []


def test_told_again_with_the_missing_fact_the_case_is_assigned_in_its_next_version(worker: Worker) -> None:
    raise_concerns(worker, raised(CAPABILITY))
    raise_concerns(worker, raised({**CAPABILITY, "ftp_severe": True}, 2))
    case = cases(worker)["c1"]
    assert (case.status, case.owner, case.version, case.needs) == ("assigned", "postgraduate-dean", 2, [])
    [(event, message)] = said(worker)
    assert (event.case_manager, event.told, message.sequence) == ("postgraduate-dean-or-deputy-dean", [], 2)


def test_question_and_answer_in_one_batch_come_out_the_same(worker: Worker) -> None:
    raise_concerns(worker, raised(CAPABILITY), raised({**CAPABILITY, "ftp_severe": True}, 2), raised(CONDUCT, concern_id="c2"))
    found = cases(worker)
    assert {name: (case.status, case.version) for name, case in found.items()} == {"c1": ("assigned", 2), "c2": ("assigned", 1)}
    assert [event.concern_id for event, _ in said(worker)] == ["c1", "c2"]


def test_older_news_of_a_concern_does_not_undo_newer(worker: Worker) -> None:
    raise_concerns(worker, raised({**CAPABILITY, "ftp_severe": False}, 2))
    raise_concerns(worker, raised(CAPABILITY, 1))
    assert (cases(worker)["c1"].status, cases(worker)["c1"].version) == ("assigned", 1)


def test_the_same_message_again_does_nothing(worker: Worker) -> None:
    raise_concerns(worker, raised(CONDUCT), raised(CONDUCT))
    raise_concerns(worker, raised(CONDUCT))
    assert cases(worker)["c1"].version == 1
    assert len(said(worker)) == 1


def test_a_dentist_is_out_of_scope_and_nobody_is_told(worker: Worker) -> None:
    raise_concerns(worker, raised({"kind": "conduct", "person": "dentist-in-training"}))
    [(event, _)] = said(worker)
    assert (event.owner, event.told) == ("out-of-scope", [])


@pytest.mark.parametrize(
    "facts",
    [
        {"kind": "conduct", "severity": "high"},
        {"kind": "gossip"},
        {"kind": "capability", "ftp_severe": "perhaps"},
        {"kind": 7},
    ],
)
def test_facts_that_the_policy_does_not_know_are_quarantined_and_the_rest_of_the_batch_is_not(
    worker: Worker, facts: dict[str, Any]
) -> None:
    unusable = raised(facts, concern_id="c9")
    raise_concerns(worker, raised(CONDUCT), unusable, raised(CONDUCT, concern_id="c2"))
    assert set(cases(worker)) == {"c1", "c2"}
    [row] = quarantined(worker)
    assert (row.body.decode(), row.times) == (unusable.to_json(), 1)
    assert "of the facts given to concern" in row.reason
    assert "the handler failed" not in row.reason


@pytest.mark.parametrize("value", [["conduct"], {"is": "conduct"}, 1.5, None, "con\x00duct"])
def test_facts_that_are_no_text_whole_number_or_boolean_are_quarantined_at_the_door(worker: Worker, value: Any) -> None:
    unusable = raised({"kind": value}, concern_id="c9")
    raise_concerns(worker, raised(CONDUCT), unusable, raised(CONDUCT, concern_id="c2"))
    assert set(cases(worker)) == {"c1", "c2"}
    [row] = quarantined(worker)
    assert row.body.decode() == unusable.to_json()
    assert "data.facts" in row.reason
    assert "the handler failed" not in row.reason


def test_the_log_of_a_quarantine_says_nothing_of_the_concern(worker: Worker) -> None:
    for facts in ({"kind": "gossip of Ada"}, {"kind": ["gossip of Ada"]}):
        unusable = raised(facts, doctor_reference="DR-0666")
        with capture_logs() as logs:
            raise_concerns(worker, unusable)
        [line] = [line for line in logs if line["event"] == "message.quarantined"]
        assert line["fingerprint"] == inbox.fingerprint_of(unusable.to_json().encode())
        assert not any(word in str(logs) for word in ("gossip", "DR-0666"))


def test_the_decision_behind_a_case_is_on_record_with_its_facts(worker: Worker) -> None:
    raise_concerns(worker, raised(MOVEMENT))
    with transaction(worker.engine) as session:
        row = session.get_one(DecisionRow, cases(worker)["c1"].decision_id)
    assert json.loads(row.body)["facts"] == MOVEMENT
    assert (row.status, row.as_at.isoformat()) == ("decided", "2027-05-05")


def test_two_concerns_with_the_same_facts_are_two_cases_with_a_decision_each(worker: Worker) -> None:
    raise_concerns(worker, raised(CONDUCT), raised(CONDUCT, concern_id="c2", doctor_reference="DR-0002"))
    with transaction(worker.engine) as session:
        subjects = {row.id: row.subject for row in session.scalars(select(DecisionRow))}
    assert subjects == {case.decision_id: case.concern_id for case in cases(worker).values()}
    assert sorted(subjects.values()) == ["c1", "c2"]
    assert [event.doctor_reference for event, _ in said(worker)] == ["DR-0001", "DR-0002"]


def test_responsibility_hears_concerns_and_meetings_and_nothing_else() -> None:
    assert list(SERVICE.consumers) == [ConcernRaised, MeetingHeld]
