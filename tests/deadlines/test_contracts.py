"""A contract is recorded, extended, comes to its end: its milestones, over the real inbox and database."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from services.deadlines.app import SERVICE, create_app
from services.deadlines.governance import clock as milestone_clock
from services.deadlines.governance.clock import tick_milestones
from services.deadlines.models import Contract
from shared.config import Config
from shared.database import transaction
from shared.decisions import DecisionRow
from shared.events import MilestoneApproaching, MilestoneMet, MilestoneMissed, MilestoneSet, MilestoneWithdrawn
from shared.inbox import QuarantineRow
from shared.worker import Worker
from tests.deadlines.arrangements import (
    ADVICE,
    AWARD,
    ENDS,
    EXIT,
    FACTS,
    PLAN,
    REVIEW,
    START_AGAIN,
    a_contract,
    hear,
    in_force,
    milestones,
    said,
    strike,
    told,
)
from tests.helpers import Clock, a_worker, put, settle

DAY = timedelta(days=1)


@pytest.fixture
def worker(tmp_path: Path, clock: Clock) -> Worker:
    return a_worker(SERVICE, tmp_path, clock)


def versions(worker: Worker) -> list[Contract]:
    with transaction(worker.engine) as session:
        return list(session.scalars(select(Contract).order_by(Contract.version)))


# ---- recorded ----------------------------------------------------------------------------------------------------


def test_a_contract_sets_what_must_be_done_before_it_ends(worker: Worker) -> None:
    hear(worker, a_contract())
    assert in_force(worker) == {
        REVIEW: date(2029, 3, 31),
        ADVICE: date(2028, 9, 30),
        START_AGAIN: date(2028, 9, 30),
        AWARD: date(2029, 12, 31),
        PLAN: date(2029, 12, 31),
        EXIT: date(2030, 3, 1),
    }
    windows = {found.rule: found.opens_on for found in milestones(worker).values() if found.opens_on}
    assert windows == {PLAN: date(2029, 9, 30), EXIT: date(2029, 12, 31)}
    assert {type(event) for event in said(worker)} == {MilestoneSet}
    owners = {found.rule: found.owner for found in milestones(worker).values()}
    assert (owners[REVIEW], owners[START_AGAIN], owners[EXIT]) == ("management-board", "project-lead", "hee-and-lead-employer")


def test_every_milestone_says_which_decision_it_comes_from_and_that_is_on_record(worker: Worker) -> None:
    hear(worker, a_contract())
    with transaction(worker.engine) as session:
        recorded = {row.id: (row.policy, row.subject) for row in session.scalars(select(DecisionRow))}
    assert {recorded[found.decision_id] for found in milestones(worker).values()} == {("contract-milestones", "C-1")}


def test_while_facts_are_missing_what_is_certain_is_set_and_what_is_to_be_asked_is_kept(worker: Worker) -> None:
    hear(worker, a_contract(facts={}))
    assert set(in_force(worker)) == {PLAN, EXIT}
    [contract] = versions(worker)
    assert (contract.status, {need["fact"] for need in contract.needs}) == (
        "undetermined",
        {"extension_option", "north_west_terms", "after_the_end"},
    )
    assert all(need["ask"].endswith("?") for need in contract.needs)
    hear(worker, a_contract())
    assert (len(in_force(worker)), versions(worker)[-1].status) == (6, "decided")
    assert MilestoneWithdrawn not in {type(event) for event in said(worker)}, "what was certain is still so"


def test_a_contract_without_an_option_has_no_review(worker: Worker) -> None:
    hear(worker, a_contract(facts=FACTS | {"extension_option": False, "after_the_end": "other-arrangement"}))
    assert set(in_force(worker)) == {PLAN, EXIT}


def test_a_contract_whose_service_is_ahead_has_what_is_still_ahead_of_its_start(worker: Worker, clock: Clock) -> None:
    clock.on(date(2026, 1, 10))
    hear(worker, a_contract(service_start=date(2026, 5, 1), ends_on=date(2031, 4, 30)))
    starts = {rule: due for rule, due in in_force(worker).items() if rule.startswith("start-")}
    assert starts == {"start-lead-employer-service-2": date(2026, 2, 1), "start-lead-employer-service-3": date(2026, 5, 1)}
    clock.on(date(2026, 6, 1))
    hear(worker, a_contract(service_start=date(2026, 5, 1), ends_on=date(2031, 4, 30), title="Renamed (invented)"))
    assert {rule for rule in in_force(worker) if rule.startswith("start-")} == starts.keys(), "the service began as it was to"
    assert {found.title for found in milestones(worker).values() if not found.rule.startswith("start-")} == {"Renamed (invented)"}


def test_a_contract_that_is_over_when_it_is_first_heard_of_sets_nothing(worker: Worker) -> None:
    hear(worker, a_contract(service_start=date(2020, 4, 1), ends_on=date(2025, 3, 31)))
    assert (milestones(worker), len(versions(worker))) == ({}, 1)


@pytest.mark.parametrize(
    ("began", "ends"),
    [(date(2010, 1, 1), date(2014, 1, 1)), (date(2025, 4, 1), date(2061, 3, 31)), (date(2061, 4, 1), date(2066, 3, 31))],
)
def test_a_contract_whose_days_the_policy_states_nothing_of_is_known_and_owes_nothing(
    worker: Worker, client: FlaskClient, began: date, ends: date
) -> None:
    hear(worker, a_contract(service_start=began, ends_on=ends))
    shown = client.get("/deadlines/contracts/C-1").get_json()
    assert (shown["ends_on"], shown["status"], shown["milestones"], shown["decisions"]) == (ends.isoformat(), "decided", [], [])


def test_an_end_that_is_moved_beyond_the_reach_of_the_policy_ends_what_was_due_before_it(worker: Worker) -> None:
    hear(worker, a_contract(), a_contract(ends_on=date(2061, 3, 31)))
    assert in_force(worker) == {}
    assert {found.reason for found in milestones(worker).values()} == {"the end of the contract moved from 31 March 2030 to 31 March 2061"}


def test_facts_that_the_policy_does_not_know_go_to_the_quarantine_and_hold_up_nobody(worker: Worker, clock: Clock) -> None:
    wrong = ({"colour": "red"}, {"extension_option": "perhaps"})
    events = [a_contract(contract_id=f"C-{number}", facts=facts) for number, facts in enumerate(wrong, start=2)]
    put(worker, *(told(event, clock().date()) for event in (events[0], a_contract(), events[1])))
    settle(worker)
    with transaction(worker.engine) as session:
        reasons = [row.reason for row in session.scalars(select(QuarantineRow))]
    assert len(reasons) == 2
    assert all(word in " ".join(reasons) for word in ("colour", "extension_option"))
    assert {found.regarding for found in milestones(worker).values()} == {"C-1"}


# ---- changed -----------------------------------------------------------------------------------------------------


def test_an_extension_withdraws_what_moved_and_sets_the_next_revision_with_the_reason_in_words(worker: Worker) -> None:
    hear(worker, a_contract())
    hear(worker, a_contract(ends_on=date(2032, 3, 31)))
    found = milestones(worker)
    assert (found[f"C-1/{EXIT}/1"].state, found[f"C-1/{EXIT}/2"].due) == ("withdrawn", date(2032, 3, 1))
    assert found[f"C-1/{EXIT}/1"].reason == "the end of the contract moved from 31 March 2030 to 31 March 2032"
    assert [version.ends_on for version in versions(worker)] == [ENDS, date(2032, 3, 31)]
    assert len(in_force(worker)) == 6


def test_the_same_contract_told_again_changes_nothing(worker: Worker) -> None:
    hear(worker, a_contract())
    before = len(said(worker))
    hear(worker, a_contract(title="Another title (invented)"))
    assert len(said(worker)) == before
    assert {found.revision for found in milestones(worker).values()} == {1}


def test_older_news_of_a_contract_is_ignored(worker: Worker, clock: Clock) -> None:
    old, new = told(a_contract(), clock().date()), told(a_contract(ends_on=date(2032, 3, 31)), clock().date())
    worker.take_in([new], clock())
    worker.take_in([old], clock())
    assert [version.ends_on for version in versions(worker)] == [date(2032, 3, 31)]


def test_what_became_known_changes_who_must_review(worker: Worker) -> None:
    hear(worker, a_contract())
    hear(worker, a_contract(facts=FACTS | {"north_west_terms": False}))
    found = milestones(worker)
    assert found[f"C-1/{REVIEW}/1"].reason == "what is known of the contract changed (north west terms)"
    assert found["C-1/extension-review-as-an-example/1"].severity == "advice"


def test_what_was_met_stays_met_when_the_contract_is_extended(worker: Worker, clock: Clock) -> None:
    hear(worker, a_contract())
    client = create_app(worker).test_client()
    clock.on(date(2029, 3, 1))
    record = {"met_on": "2029-02-28", "recorded_by": "Contract Manager (invented)"}
    assert client.post(f"/deadlines/milestones/C-1/{REVIEW}/1/met", json=record).status_code == 200
    hear(worker, a_contract(ends_on=date(2032, 3, 31)))
    found = milestones(worker)
    assert (found[f"C-1/{REVIEW}/1"].state, found[f"C-1/{REVIEW}/1"].met_on) == ("met", date(2029, 2, 28))
    assert found[f"C-1/{REVIEW}/2"].due == date(2031, 3, 31)


# ---- the clock ---------------------------------------------------------------------------------------------------


def test_the_clock_says_what_comes_near_once_and_what_was_missed_once(worker: Worker, clock: Clock) -> None:
    hear(worker, a_contract())
    days: dict[tuple[str, str], date] = {}
    day = date(2028, 8, 1)
    while day < date(2030, 4, 1):
        clock.on(day)
        days |= {(kind, id_.split("/")[1]): day for kind, id_ in strike(worker)}
        day += DAY
    assert len(days) == 12
    assert days["milestone.approaching", START_AGAIN] == date(2028, 8, 31), "thirty days before"
    assert days["milestone.missed", START_AGAIN] == date(2028, 10, 1)
    assert days["milestone.approaching", PLAN] == date(2029, 9, 30), "its window opens"
    assert days["milestone.missed", EXIT] == date(2030, 3, 2), "on the last day of the window it was in time"


def test_a_contract_that_is_told_of_late_has_missed_what_is_over_and_nobody_is_reminded_of_that(worker: Worker, clock: Clock) -> None:
    clock.on(date(2029, 6, 1))
    hear(worker, a_contract())
    assert {(kind, id_.split("/")[1]) for kind, id_ in strike(worker)} == {
        ("milestone.missed", rule) for rule in (REVIEW, ADVICE, START_AGAIN)
    }
    assert strike(worker) == []


def test_a_plan_that_was_missed_says_that_it_is_no_breach(worker: Worker, clock: Clock) -> None:
    hear(worker, a_contract())
    clock.on(date(2029, 6, 1))
    strike(worker)
    details = {event.what: event.detail for event in said(worker) if isinstance(event, MilestoneMissed)}
    assert details["starts to prepare the re-procurement"] == "It is a plan; to fall short of it is no breach."


def test_small_batches_strike_like_one_large_one(tmp_path: Path, clock: Clock) -> None:
    small = Worker(SERVICE, Config(data=tmp_path, batch=2), clock)
    hear(small, a_contract())
    clock.on(date(2030, 4, 1))
    assert [tick_milestones(small, clock()) for _ in range(4)] == [2, 2, 2, 0]


def test_two_workers_on_one_database_say_nothing_twice(worker: Worker, tmp_path: Path, clock: Clock) -> None:
    other = a_worker(SERVICE, tmp_path, clock)
    hear(worker, a_contract())
    clock.on(date(2029, 12, 1))
    assert tick_milestones(worker, clock()) == 5
    assert tick_milestones(other, clock()) == 0
    near = {event.milestone_id for event in said(worker) if isinstance(event, MilestoneApproaching)}
    assert near == {f"C-1/{PLAN}/1", f"C-1/{AWARD}/1"}


def test_a_stroke_that_dies_before_its_commit_leaves_nothing_and_is_struck_again(
    worker: Worker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear(worker, a_contract())
    clock.on(date(2028, 8, 31))
    before = len(said(worker))
    with monkeypatch.context() as power:
        power.setattr(milestone_clock, "crashpoint", pytest.fail)
        with pytest.raises(pytest.fail.Exception, match=r"clock\.struck\.uncommitted"):
            tick_milestones(worker, clock())
    assert (len(said(worker)), {found.state for found in milestones(worker).values()}) == (before, {"set"})
    assert len(strike(worker)) == 2


# ---- over HTTP ---------------------------------------------------------------------------------------------------


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    return create_app(worker).test_client()


def test_a_contract_is_shown_with_its_milestones_its_decision_its_needs_and_its_history(worker: Worker, client: FlaskClient) -> None:
    hear(worker, a_contract(facts=FACTS | {"north_west_terms": True}))
    hear(worker, a_contract(ends_on=date(2032, 3, 31), facts={"extension_option": True}))
    shown = client.get("/deadlines/contracts/C-1").get_json()
    assert (shown["version"], shown["ends_on"], shown["status"]) == (2, "2032-03-31", "undetermined")
    assert {need["fact"] for need in shown["needs"]} == {"north_west_terms", "after_the_end"}
    assert {milestone["rule"] for milestone in shown["milestones"]} == {PLAN, EXIT}
    assert [version["ends_on"] for version in shown["history"]["versions"]] == ["2030-03-31"]
    assert {milestone["state"] for milestone in shown["history"]["milestones"]} == {"withdrawn"}
    [decision] = shown["decisions"]
    assert client.get(f"/deadlines/decisions/{decision['id']}/replay").status_code == 200
    assert client.get("/deadlines/contracts/C-9").status_code == 404


def test_contracts_and_milestones_are_listed_by_what_is_asked_for(worker: Worker, client: FlaskClient) -> None:
    hear(worker, a_contract(), a_contract(contract_id="C-2", lead_employer="R0A", facts={}))
    assert [found["contract_id"] for found in client.get("/deadlines/contracts").get_json()["items"]] == ["C-1", "C-2"]
    assert [found["contract_id"] for found in client.get("/deadlines/contracts?lead_employer=R0A").get_json()["items"]] == ["C-2"]
    assert len(client.get("/deadlines/milestones?regarding=C-2&state=set").get_json()["items"]) == 2
    page = client.get("/deadlines/milestones?lead_employer=RBN&limit=4").get_json()
    rest = client.get(f"/deadlines/milestones?lead_employer=RBN&limit=4&after={page['next']}").get_json()
    assert (len(page["items"]), len(rest["items"]), rest["next"]) == (4, 2, None)
    assert client.get("/deadlines/milestones?state=lost").status_code == 422


RECORD = {"met_on": "2027-05-04", "recorded_by": "Contract Manager (invented)", "note": "Minute 4"}


def test_a_milestone_is_met_by_a_persons_record_and_says_so_once(worker: Worker, client: FlaskClient, clock: Clock) -> None:
    hear(worker, a_contract())
    path = f"/deadlines/milestones/C-1/{START_AGAIN}/1"
    tag = client.get(path).headers["ETag"]
    answers = [client.post(f"{path}/met", json=RECORD, headers={"If-Match": tag, "Idempotency-Key": "k1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [event.met_on for event in said(worker) if isinstance(event, MilestoneMet)] == [date(2027, 5, 4)]
    assert client.get(path).get_json() | RECORD == client.get(path).get_json()
    clock.on(date(2030, 4, 1))
    assert START_AGAIN not in {id_.split("/")[1] for _, id_ in strike(worker)}


def test_what_was_missed_can_still_be_met_late(worker: Worker, client: FlaskClient, clock: Clock) -> None:
    hear(worker, a_contract())
    clock.on(date(2028, 10, 10))
    strike(worker)
    client.post(f"/deadlines/milestones/C-1/{START_AGAIN}/1/met", json=RECORD | {"met_on": "2028-10-05"})
    found = milestones(worker)[f"C-1/{START_AGAIN}/1"]
    assert (found.state, found.days_late) == ("met", 5)


def test_a_record_that_cannot_be_is_refused_and_changes_nothing(worker: Worker, client: FlaskClient) -> None:
    hear(worker, a_contract())
    path = f"/deadlines/milestones/C-1/{START_AGAIN}/1/met"
    bodies: list[Any] = [
        RECORD | change for change in ({"met_on": "2027-05-06"}, {"met_on": "0001-01-01"}, {"recorded_by": "  "}, {"colour": "red"})
    ]
    for wrong in (*bodies, {"met_on": "soon"}, []):
        assert client.post(path, json=wrong).status_code == 422, wrong
    assert client.post("/deadlines/milestones/C-9/none/1/met", json=RECORD).status_code == 404
    assert client.post(path, json=RECORD, headers={"If-Match": '"7"'}).status_code == 412
    assert {found.state for found in milestones(worker).values()} == {"set"}


def test_what_is_met_or_withdrawn_is_not_met_otherwise(worker: Worker, client: FlaskClient) -> None:
    hear(worker, a_contract())
    path = f"/deadlines/milestones/C-1/{START_AGAIN}/1/met"
    assert client.post(path, json=RECORD).status_code == 200
    assert client.post(path, json=RECORD).status_code == 200, "the same record is the same answer"
    assert client.post(path, json=RECORD | {"note": "otherwise"}).status_code == 409
    hear(worker, a_contract(ends_on=date(2032, 3, 31)))
    assert client.post(f"/deadlines/milestones/C-1/{EXIT}/1/met", json=RECORD).status_code == 409
