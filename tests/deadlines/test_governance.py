"""Bodies meet and report: what they owe in a calendar year, what is said before it ends, and what after."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import count, permutations
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from services.deadlines.app import SERVICE, create_app
from services.deadlines.models import GovernedBody, GovernedYear, Milestone
from shared.database import transaction
from shared.decisions import DecisionRow
from shared.events import Event, MilestoneApproaching, MilestoneMet, MilestoneMissed, MilestoneSet, MilestoneWithdrawn
from shared.policies import load_policies
from shared.worker import Worker
from tests.deadlines.arrangements import a_contract, a_meeting, a_report, a_verdict, hear, milestones, said, strike, told
from tests.helpers import Clock, a_worker

BOARD = "management-board/RBN"
COMMITTEE, OPERATIONS = "performance-and-contract-management-committee", "operational-management-committee"
SPRING, AUTUMN = date(2027, 3, 9), date(2027, 9, 14)
END = date(2027, 12, 31)


@pytest.fixture
def worker(tmp_path: Path, clock: Clock) -> Worker:
    """A service that knows of a contract that covers 2027 and more."""
    worker = a_worker(SERVICE, tmp_path, clock)
    hear(worker, a_contract())
    return worker


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    return create_app(worker).test_client()


def of_bodies(worker: Worker, kind: type[Any]) -> list[Any]:
    return [event for event in said(worker) if isinstance(event, kind) and event.regarding != "C-1"]


def strike_of_bodies(worker: Worker) -> list[tuple[str, str]]:
    return [(kind, id_) for kind, id_ in strike(worker) if not id_.startswith("C-1/")]


def states(worker: Worker) -> dict[str, str]:
    return {id_: found.state for id_, found in milestones(worker).items() if found.body_id}


def year(worker: Worker, year_id: str = f"{BOARD}/2027") -> GovernedYear:
    with transaction(worker.engine) as session:
        found = session.get_one(GovernedYear, year_id)
        session.expunge(found)
        return found


# ---- what a year owes --------------------------------------------------------------------------------------------


def test_when_a_body_is_first_heard_of_its_year_owes_two_meetings_and_two_reports(worker: Worker) -> None:
    hear(worker, a_meeting("m1", SPRING))
    told_of = {event.milestone_id: (event.what, event.owner, event.detail) for event in of_bodies(worker, MilestoneSet)}
    assert told_of == {
        f"{BOARD}/2027/meetings/1": (
            "2 meetings by 31 December 2027",
            "management-board",
            "1 of 2 meetings held; 1 more is needed by 31 December 2027.",
        ),
        f"{BOARD}/2027/reports/1": (
            "2 reports by 31 December 2027",
            "contract-manager",
            "0 of 2 reports made; 2 more are needed by 31 December 2027.",
        ),
    }
    assert {event.title for event in of_bodies(worker, MilestoneSet)} == {"Management board, 2027"}


def test_each_number_comes_from_a_decision_that_is_on_record(worker: Worker) -> None:
    hear(worker, a_meeting("m1", SPRING))
    with transaction(worker.engine) as session:
        recorded = {row.id: row.policy for row in session.scalars(select(DecisionRow))}
    row = year(worker)
    assert recorded[row.owed_decision_id] == "governance-calendar"
    assert recorded[row.checked_decision_id] == "governance-year"
    assert {recorded[event.decision_id] for event in of_bodies(worker, MilestoneSet)} == {"governance-calendar"}


def test_enough_meetings_meet_the_year_on_the_day_of_the_one_that_was_lacking(worker: Worker) -> None:
    hear(worker, a_meeting("m1", SPRING), a_meeting("m2", date(2027, 5, 4)))
    [met] = of_bodies(worker, MilestoneMet)
    assert (met.milestone_id, met.met_on, met.detail) == (f"{BOARD}/2027/meetings/1", date(2027, 5, 4), "2 of 2 meetings held.")


def test_reports_are_counted_by_themselves(worker: Worker) -> None:
    hear(worker, a_meeting("m1", SPRING), a_report("r1", date(2027, 2, 1)), a_report("r2", date(2027, 4, 1)))
    assert states(worker) == {f"{BOARD}/2027/meetings/1": "set", f"{BOARD}/2027/reports/1": "met"}


def test_a_report_or_meeting_told_twice_counts_once(worker: Worker) -> None:
    hear(worker, *(a_meeting("m1", SPRING), a_report("r1", SPRING)) * 3)
    assert (year(worker).meetings_held, year(worker).reports_made) == (1, 1)


@pytest.mark.parametrize("elsewhere", [{"body": OPERATIONS}, {"lead_employer": "RXL"}])
def test_a_report_told_again_of_another_body_is_still_the_first_ones(
    worker: Worker, client: FlaskClient, elsewhere: dict[str, str]
) -> None:
    hear(worker, a_report("r1", SPRING), a_report("r1", SPRING + timedelta(1), **elsewhere))
    [kept] = client.get("/deadlines/reports").get_json()["items"]
    assert (kept["body"], kept["lead_employer"], kept["issued_on"]) == ("management-board", "RBN", SPRING.isoformat())
    bodies = client.get("/deadlines/governance?year=2027").get_json()["bodies"]
    assert [(body["regarding"], body["reports"]["made"]) for body in bodies] == [(f"{BOARD}/2027", 1)]


def test_host_meetings_are_counted_for_each_host_by_itself(worker: Worker) -> None:
    meetings = [a_meeting(f"m{n}", SPRING + timedelta(n), body="host-meeting", host=host) for n, host in enumerate(["RXN", "RXN", "R0A"])]
    hear(worker, *meetings)
    assert states(worker) == {"host-meeting/RBN/RXN/2027/meetings/1": "met", "host-meeting/RBN/R0A/2027/meetings/1": "set"}


def test_bodies_without_a_number_owe_nothing_and_are_shown_all_the_same(worker: Worker, client: FlaskClient) -> None:
    hear(worker, a_meeting("m1", SPRING, body="trainee-forum"))
    assert states(worker) == {}
    [shown] = client.get("/deadlines/governance?year=2027").get_json()["bodies"]
    assert (shown["meetings"]["held"], shown["meetings"]["owed"], shown["meetings"]["verdict"]) == (1, None, "no-number")


def test_where_the_terms_do_not_apply_nothing_binds(worker: Worker) -> None:
    hear(worker, a_contract(facts={"north_west_terms": False}), a_meeting("m1", SPRING, facts={}))
    assert states(worker) == {}
    assert {year(worker).checks[name] for name in ("meetings_check", "reports_check")} == {"not-binding"}


def test_whether_the_terms_apply_is_asked_for_until_a_meeting_or_a_contract_says(worker: Worker, client: FlaskClient) -> None:
    hear(worker, a_contract(facts={}), a_report("r1", SPRING))
    [shown] = client.get("/deadlines/governance?lead_employer=RBN&year=2027").get_json()["bodies"]
    assert ([need["fact"] for need in shown["needs"]], shown["meetings"]["verdict"]) == (["north_west_terms"], None)
    assert states(worker) == {}
    hear(worker, a_contract())
    assert states(worker) == {f"{BOARD}/2027/meetings/1": "set", f"{BOARD}/2027/reports/1": "set"}


def test_facts_of_a_meeting_that_cannot_be_read_do_not_stop_it_from_being_counted(worker: Worker) -> None:
    hear(worker, a_meeting("m1", SPRING, facts={"north_west_terms": "perhaps", "colour": 7}))
    assert year(worker).meetings_held == 1


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_in_whatever_order_it_is_told_the_year_comes_out_the_same(worker: Worker, order: tuple[int, ...]) -> None:
    first, second = a_meeting("m1", SPRING), a_meeting("m2", date(2027, 5, 1))
    events: list[Event] = [first, second, a_report("r1", SPRING), a_verdict(first, "not-quorate")]
    hear(worker, *(events[number] for number in order))
    row = year(worker)
    assert (row.meetings_held, row.meetings_quorate, row.reports_made) == (2, 0, 1)
    assert states(worker) == {f"{BOARD}/2027/meetings/1": "met", f"{BOARD}/2027/reports/1": "set"}


# ---- before the year ends, and after -----------------------------------------------------------------------------


def test_a_shortfall_is_said_on_1_october_and_missed_on_1_january(worker: Worker, clock: Clock) -> None:
    hear(worker, a_meeting("m1", SPRING), a_report("r1", SPRING), a_report("r2", SPRING))
    clock.on(date(2027, 9, 30))
    assert strike_of_bodies(worker) == []
    clock.on(date(2027, 10, 1))
    assert strike_of_bodies(worker) == [("milestone.approaching", f"{BOARD}/2027/meetings/1")]
    [near] = of_bodies(worker, MilestoneApproaching)
    assert near.detail == "1 of 2 meetings held; 1 more is needed by 31 December 2027."
    clock.on(END)
    assert strike_of_bodies(worker) == []
    clock.on(date(2028, 1, 1))
    assert ("milestone.missed", f"{BOARD}/2027/meetings/1") in strike_of_bodies(worker)
    [missed] = of_bodies(worker, MilestoneMissed)
    assert missed.detail == "1 of 2 meetings held; 1 was lacking on 31 December 2027."


def test_the_clock_opens_the_next_year_of_every_body(worker: Worker, clock: Clock) -> None:
    hear(worker, a_meeting("m1", SPRING))
    clock.on(date(2028, 1, 1))
    strike(worker)
    assert states(worker)[f"{BOARD}/2028/meetings/1"] == "set"
    assert strike(worker) == []


def test_after_an_outage_of_more_than_a_year_every_year_is_set_and_closed_in_its_order(worker: Worker, clock: Clock) -> None:
    hear(worker, a_meeting("m1", SPRING))
    clock.on(date(2029, 2, 1))
    strike(worker)
    assert [states(worker)[f"{BOARD}/{number}/meetings/1"] for number in (2027, 2028, 2029)] == ["missed", "missed", "set"]


def test_no_year_is_opened_after_the_last_contract_has_ended(worker: Worker, clock: Clock) -> None:
    hear(worker, a_meeting("m1", SPRING))
    for number in range(2028, 2033):
        clock.on(date(number, 1, 1))
        strike(worker)
    assert {id_.split("/")[2] for id_ in states(worker)} == {"2027", "2028", "2029", "2030"}


def test_a_part_year_is_reported_and_never_missed(tmp_path: Path, clock: Clock) -> None:
    worker = a_worker(SERVICE, tmp_path, clock)
    hear(worker, a_meeting("m1", SPRING))
    clock.on(date(2027, 10, 1))
    strike(worker)
    near = {event.what: event.detail for event in of_bodies(worker, MilestoneApproaching)}
    assert near["2 meetings by 31 December 2027"].endswith("The year is covered only in part, so fewer is reported and is no breach.")
    clock.on(date(2028, 1, 1))
    strike(worker)
    assert of_bodies(worker, MilestoneMissed) == []
    reasons = {event.reason for event in of_bodies(worker, MilestoneWithdrawn)}
    assert all(reason.startswith("2027 was covered only in part: ") for reason in reasons)
    clock.on(date(2029, 1, 1))
    strike(worker)
    assert states(worker)[f"{BOARD}/2028/meetings/1"] == "missed", "the second year was whole"


def test_the_year_in_which_the_contract_ends_is_a_part_year(worker: Worker, clock: Clock) -> None:
    hear(worker, a_meeting("m1", SPRING))
    clock.on(date(2030, 1, 1))
    strike(worker)
    assert not year(worker, f"{BOARD}/2030").facts["full_calendar_year"]
    hear(worker, a_contract(ends_on=date(2032, 3, 31)))
    assert year(worker, f"{BOARD}/2030").facts["full_calendar_year"], "it was extended"


def test_six_meetings_are_usual_and_fewer_are_a_warning(worker: Worker, clock: Clock) -> None:
    hear(worker, a_meeting("m1", SPRING, body=OPERATIONS))
    clock.on(date(2028, 1, 1))
    strike(worker)
    missed = {event.what: event.detail for event in of_bodies(worker, MilestoneMissed)}
    assert missed["6 meetings by 31 December 2027"].endswith("The number is the usual one; fewer is a warning, not a breach.")


def test_years_that_were_over_when_they_were_first_told_of_are_judged_and_set_nothing(worker: Worker) -> None:
    hear(worker, a_meeting("m1", date(2026, 3, 3)))
    assert year(worker, f"{BOARD}/2026").checks["meetings_check"] == "too-few"
    assert {id_.split("/")[2] for id_ in states(worker)} == {"2027"}


def test_before_the_documents_were_written_a_meeting_is_only_counted(worker: Worker) -> None:
    hear(worker, a_meeting("m1", date(2012, 3, 3)))
    assert (year(worker, f"{BOARD}/2012").meetings_held, year(worker, f"{BOARD}/2012").checks) == (1, {})


# ---- corrections -------------------------------------------------------------------------------------------------


def test_a_meeting_told_of_late_meets_a_year_that_was_missed(worker: Worker, clock: Clock) -> None:
    hear(worker, a_meeting("m1", SPRING))
    clock.on(date(2028, 1, 10))
    strike(worker)
    hear(worker, a_meeting("m2", AUTUMN))
    found = milestones(worker)[f"{BOARD}/2027/meetings/1"]
    assert (found.state, found.met_on) == ("met", AUTUMN)


def test_a_meeting_that_is_moved_to_another_year_takes_its_count_with_it(worker: Worker) -> None:
    hear(worker, a_meeting("m1", SPRING), a_meeting("m2", date(2027, 4, 1)))
    hear(worker, a_meeting("m2", date(2026, 12, 1)))
    assert states(worker)[f"{BOARD}/2027/meetings/1"] == "withdrawn"
    assert states(worker)[f"{BOARD}/2027/meetings/2"] == "set"
    assert milestones(worker)[f"{BOARD}/2027/meetings/1"].reason.startswith("what is known of 2027 was corrected: 1 of 2 meetings held;")


def test_older_news_of_a_meeting_is_ignored(worker: Worker, clock: Clock) -> None:
    old, new = told(a_meeting("m1", SPRING), clock().date()), told(a_meeting("m1", AUTUMN.replace(month=4)), clock().date())
    worker.take_in([new], clock())
    worker.take_in([old], clock())
    assert year(worker).meetings_held == 1


def test_a_body_that_was_named_by_mistake_is_gone_with_its_years_and_what_it_owed(
    worker: Worker, client: FlaskClient, clock: Clock
) -> None:
    hear(worker, a_meeting("m1", SPRING, body=OPERATIONS))
    hear(worker, a_meeting("m1", SPRING))
    bodies = client.get("/deadlines/governance?year=2027").get_json()["bodies"]
    assert [body["regarding"] for body in bodies] == [f"{BOARD}/2027"]
    withdrawn = of_bodies(worker, MilestoneWithdrawn)
    assert {event.regarding for event in withdrawn} == {f"{OPERATIONS}/RBN/2027"}
    assert {event.reason for event in withdrawn} == {"what is known of 2027 was corrected: the body is not on record for it"}
    clock.on(date(2028, 1, 1))
    assert {id_.split("/")[0] for _, id_ in strike_of_bodies(worker)} == {"management-board"}
    assert {id_.split("/")[0] for id_, state in states(worker).items() if state != "withdrawn"} == {"management-board"}


def test_a_day_that_was_told_wrongly_leaves_no_year_behind_and_makes_none_whole(tmp_path: Path, clock: Clock) -> None:
    worker = a_worker(SERVICE, tmp_path, clock)
    hear(worker, a_meeting("m1", date(2026, 3, 1)))
    hear(worker, a_meeting("m1", SPRING))
    shown = {number: create_app(worker).test_client().get(f"/deadlines/governance?year={number}").get_json() for number in (2026, 2027)}
    assert [[body["full_calendar_year"] for body in each["bodies"]] for each in shown.values()] == [[], [False]]
    clock.on(date(2028, 1, 1))
    strike(worker)
    assert of_bodies(worker, MilestoneMissed) == []


def test_a_body_that_comes_back_in_the_same_batch_is_kept(worker: Worker, clock: Clock) -> None:
    hear(worker, a_meeting("m1", SPRING))
    worker.take_in([told(event, clock().date()) for event in (a_meeting("m1", SPRING, body=OPERATIONS), a_meeting("m1", SPRING))], clock())
    assert year(worker).meetings_held == 1
    assert {id_: state for id_, state in states(worker).items() if state != "withdrawn"} == {
        f"{BOARD}/2027/meetings/2": "set",
        f"{BOARD}/2027/reports/2": "set",
    }


DAYS = st.sampled_from([date(2025, 3, 1), date(2026, 3, 1), date(2026, 11, 1), date(2027, 1, 10), SPRING, date(2027, 4, 1)])
BODIES = st.sampled_from(["management-board", COMMITTEE, OPERATIONS])
TELLINGS: st.SearchStrategy[Event] = st.one_of(
    st.builds(lambda number, day, body: a_meeting(f"m{number}", day, body=body), st.integers(1, 3), DAYS, BODIES),
    st.builds(
        lambda began, ends: a_contract(service_start=began, ends_on=ends),
        st.sampled_from([date(2026, 1, 1), date(2026, 6, 1), date(2027, 4, 1), date(2028, 1, 1)]),
        st.sampled_from([date(2028, 6, 30), date(2030, 3, 31)]),
    ),
)


def about(number: int, event: Event) -> Event:
    """The same news of another lead employer."""
    (name,) = [name for name in ("meeting_id", "contract_id") if hasattr(event, name)]
    changed: dict[str, Any] = {"lead_employer": f"L{number}", name: f"{getattr(event, name)} of L{number}"}
    return replace(event, **changed)


def known_of(worker: Worker, number: int) -> tuple[dict[str, Any], set[Any]]:
    """What is on record of the bodies of a lead employer: their years, and what they owe."""
    lead = f"L{number}"
    with transaction(worker.engine) as session:
        bodies = {body.body: body.first_on for body in session.scalars(select(GovernedBody).where(GovernedBody.lead_employer == lead))}
        years = session.scalars(select(GovernedYear).where(GovernedYear.lead_employer == lead))
        found = {f"{row.body} {row.year}": (row.facts, row.meetings_held, row.owed, row.checks) for row in years}
        owed = {
            (milestone.title, milestone.rule, milestone.due, milestone.state, milestone.met_on, milestone.detail)
            for milestone in session.scalars(select(Milestone).where(Milestone.lead_employer == lead))
            if milestone.body_id and milestone.counts
        }
    return bodies | found, owed


def test_the_last_word_on_each_meeting_and_contract_alone_decides_in_any_order(tmp_path: Path, clock: Clock) -> None:
    worker, numbers = a_worker(SERVICE, tmp_path, clock), count()

    @settings(max_examples=40, deadline=None)
    @given(st.lists(TELLINGS, min_size=1, max_size=6), st.data())
    def in_any_order(tellings: list[Event], data: st.DataObject) -> None:
        messages = [told(event, clock().date()) for event in tellings]
        last_words = [*{message.data.subject: message for message in messages}.values()]
        shuffled = data.draw(st.permutations(messages))
        cut = data.draw(st.integers(0, len(shuffled)))
        known = []
        for batches in ([last_words], [[message] for message in messages], [shuffled[:cut], shuffled[cut:]]):
            number = next(numbers)
            for batch in batches:
                theirs = [replace(message, id=f"{message.id} {number}", data=about(number, message.data)) for message in batch]
                worker.take_in(theirs, clock())
            known.append(known_of(worker, number))
        assert known[0] == known[1] == known[2]

    in_any_order()


# ---- quorum, and the committee beside the Board ------------------------------------------------------------------


def test_meetings_that_were_not_quorate_count_and_both_figures_are_shown(worker: Worker, client: FlaskClient) -> None:
    first, second = a_meeting("m1", SPRING), a_meeting("m2", date(2027, 4, 20))
    hear(worker, first, second, a_verdict(first, "quorate"), a_verdict(second, "not-quorate"))
    [shown] = client.get("/deadlines/governance?lead_employer=RBN&year=2027").get_json()["bodies"]
    assert (shown["meetings"]["held"], shown["meetings"]["quorate"], shown["meetings"]["verdict"]) == (2, 1, "enough")
    assert shown["meetings"]["enough_if_only_quorate_count"] is False
    assert [(meeting["meeting_id"], meeting["verdict"]) for meeting in shown["held"]] == [("m1", "quorate"), ("m2", "not-quorate")]


def test_a_shortfall_says_how_many_of_those_held_were_not_quorate(worker: Worker) -> None:
    meeting = a_meeting("m1", SPRING)
    hear(worker, meeting, a_verdict(meeting, "not-quorate"))
    detail = milestones(worker)[f"{BOARD}/2027/meetings/1"].detail
    assert detail.endswith("Of those held 1 was not quorate; the terms count meetings, so all count.")


def test_a_verdict_that_comes_before_its_meeting_is_kept(worker: Worker) -> None:
    meeting = a_meeting("m1", SPRING)
    hear(worker, a_verdict(meeting, "quorate"), meeting)
    assert (year(worker).meetings_held, year(worker).meetings_quorate) == (1, 1)
    assert states(worker)[f"{BOARD}/2027/meetings/1"] == "set", "whether the terms apply came with the meeting"


def test_the_committee_is_in_line_if_it_met_on_or_before_the_day_of_every_meeting_of_the_board(worker: Worker) -> None:
    committee = f"{COMMITTEE}/RBN/2027"
    hear(worker, a_meeting("p1", SPRING, body=COMMITTEE), a_meeting("m1", SPRING))
    assert year(worker, committee).checks["alignment_check"] == "passed"
    hear(worker, a_meeting("m2", date(2027, 4, 20)))
    assert year(worker, committee).checks["alignment_check"] == "warning"


# ---- over HTTP ---------------------------------------------------------------------------------------------------


def test_governance_shows_what_is_owed_what_was_done_the_shortfall_and_the_rule(worker: Worker, client: FlaskClient) -> None:
    hear(worker, a_meeting("m1", SPRING), a_report("r1", SPRING))
    [shown] = client.get("/deadlines/governance?lead_employer=RBN").get_json()["bodies"]
    assert (shown["meetings"]["owed"], shown["meetings"]["held"], shown["meetings"]["verdict"]) == (2, 1, "too-few")
    assert (shown["final"], shown["full_calendar_year"]) == (False, True)
    assert shown["meetings"]["shortfall"] == "1 of 2 meetings held; 1 more is needed by 31 December 2027."
    assert {"management-board", "board-met-too-seldom"} <= {reason["rule"] for reason in shown["because"]}
    assert {reason["cite"]["entry"] for reason in shown["because"]} >= {"mb-frequency", "mb-report-ceos"}
    assert client.get(f"/deadlines/decisions/{shown['decisions']['governance-year']}").status_code == 200
    assert [report["report_id"] for report in shown["reported"]] == ["r1"]
    assert client.get("/deadlines/governance?year=soon").status_code == 422


def test_meetings_and_reports_are_listed(worker: Worker, client: FlaskClient) -> None:
    meeting = a_meeting("m1", SPRING)
    hear(worker, meeting, a_meeting("m2", SPRING), a_report("r1", SPRING), a_verdict(meeting, "quorate"))
    assert [found["meeting_id"] for found in client.get("/deadlines/meetings?verdict=quorate").get_json()["items"]] == ["m1"]
    assert [found["report_id"] for found in client.get("/deadlines/reports?body=management-board").get_json()["items"]] == ["r1"]


def test_the_milestone_of_a_year_is_met_by_meetings_and_not_by_hand(worker: Worker, client: FlaskClient) -> None:
    hear(worker, a_meeting("m1", SPRING))
    record = {"met_on": "2027-05-01", "recorded_by": "Contract Manager (invented)"}
    assert client.post(f"/deadlines/milestones/{BOARD}/2027/meetings/1/met", json=record).status_code == 409


def days(policy: str, parameter: str) -> int:
    return load_policies("deadlines")[policy].parameters[parameter].number_on(END)


def test_the_days_of_notice_are_parameters_of_the_policies() -> None:
    assert days("governance-year", "shortfall-notice") == (END - date(2027, 10, 1)).days
    assert days("contract-milestones", "milestone-notice") == 30
