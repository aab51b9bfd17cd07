"""Was it on time, by host, and whose lateness was it? Exact fractions of what was due."""

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest

from services.deadlines.compliance import Share, measured
from shared.events import Event, PlacementWithdrawn
from tests.deadlines.stories import FIRST, WEEK_6, WEEK_8, WEEK_12, Story
from tests.helpers import a_document, a_placement

DAY = timedelta(days=1)
AFTER = date(2027, 8, 4)
INFORMATION, SCHEDULE, ROSTER, BUNDLE = "placement_information_12_weeks", "work_schedule_8_weeks", "duty_roster_6_weeks", "bundle"


def a_story(number: int = 1, *documents: Event, **changes: Any) -> Story:
    """The file of one of several placements at a host."""
    return Story(a_placement(placement_id=f"p{number}", trainee_id=f"t{number}", **changes), *documents)


def bundle(late: int = 0) -> list[Event]:
    """Work schedule, contract and pay breakdown; the pay breakdown so many days late."""
    return [
        a_document("work-schedule", "trainee", WEEK_8),
        a_document("contract", "trainee", WEEK_8),
        a_document("pay-breakdown", "trainee", WEEK_8 + late * DAY),
    ]


def share(stories: list[Story], measure: str, as_at: date = AFTER) -> Share:
    return measured([story.file for story in stories], as_at).total(measure)


# ---- fractions ---------------------------------------------------------------------------------------------------


def test_the_share_is_an_exact_fraction() -> None:
    stories = [a_story(1, *bundle()), a_story(2, *bundle()), a_story(3)]
    found = share(stories, SCHEDULE)
    assert (found.on_time, found.due, found.fraction) == (2, 3, Fraction(2, 3))
    assert found.to_json(90) == {"on_time": 2, "due": 3, "percent": "66.6", "meets_target": False}


@pytest.mark.parametrize(
    ("on_time", "due", "percent"), [(8996, 10000, "89.9"), (9, 10, "90.0"), (999, 1000, "99.9"), (9999, 10000, "99.9"), (1, 1, "100.0")]
)
def test_the_percentage_is_cut_so_that_it_never_shows_a_target_that_was_not_met(on_time: int, due: int, percent: str) -> None:
    assert Share(on_time, due).to_json(90)["percent"] == percent


@pytest.mark.parametrize(
    ("on_time", "due", "meets"),
    [(9, 10, True), (90, 100, True), (89, 99, False), (899, 1000, False), (899999, 1000000, False), (1, 1, True)],
)
def test_exactly_ninety_percent_meets_the_target_and_anything_less_does_not(on_time: int, due: int, meets: bool) -> None:
    assert Share(on_time, due).meets(90) is meets


def test_nothing_due_is_no_data_and_neither_met_nor_missed() -> None:
    assert Share().to_json(90) == {"on_time": 0, "due": 0, "percent": None, "meets_target": None}
    nothing = measured([], AFTER)
    assert nothing.to_json()["total"][BUNDLE]["meets_target"] is None
    assert nothing.hosts == []


def test_nine_of_ten_placements_on_time_meet_the_target_of_the_policy() -> None:
    stories = [a_story(number, *bundle(late=number // 10)) for number in range(1, 11)]
    found = measured([story.file for story in stories], AFTER)
    assert found.target_percent == 90
    assert found.total(BUNDLE).meets(found.target_percent) is True


# ---- what counts -------------------------------------------------------------------------------------------------


def test_what_is_not_due_yet_does_not_count_until_the_day_after() -> None:
    story = a_story()
    assert share([story], ROSTER, WEEK_6).due == 0
    assert (share([story], ROSTER, WEEK_6 + DAY).due, share([story], ROSTER, WEEK_6 + DAY).on_time) == (1, 0)


def test_what_was_met_before_its_due_day_counts_already() -> None:
    assert share([a_story(1, a_document("duty-roster", "trainee", FIRST))], ROSTER, FIRST + DAY).fraction == 1


def test_on_the_due_day_is_on_time_and_a_day_later_is_not() -> None:
    in_time, late = (a_story(number, a_document("duty-roster", "trainee", WEEK_6 + number * DAY)) for number in (0, 1))
    assert share([in_time, late], ROSTER).fraction == Fraction(1, 2)


def test_the_bundle_needs_all_three_on_time() -> None:
    complete, late, without_contract = a_story(1, *bundle()), a_story(2, *bundle(late=1)), a_story(3, *bundle()[::2])
    found = share([complete, late, without_contract], BUNDLE)
    assert (found.on_time, found.due) == (1, 3)
    assert share([complete, late, without_contract], SCHEDULE).fraction == 1


def test_the_bundle_is_not_due_while_one_of_the_three_may_still_come_in_time() -> None:
    assert share([a_story(1, *bundle()[:2])], BUNDLE, WEEK_8).due == 0
    assert share([a_story(1, *bundle()[:2])], BUNDLE, WEEK_8 + DAY).due == 1


def test_placements_that_were_withdrawn_and_revisions_that_ended_do_not_count() -> None:
    moved = a_story(1)
    moved.hear(a_placement(placement_id="p1", trainee_id="t1", start_date=date(2027, 9, 29)))
    withdrawn = a_story(2)
    withdrawn.hear(PlacementWithdrawn(placement_id="p2", reason="closed"))
    found = measured([moved.file, withdrawn.file], WEEK_8 + DAY)
    assert {measure: found.total(measure).due for measure in (INFORMATION, SCHEDULE, ROSTER, BUNDLE)} == {
        INFORMATION: 0,
        SCHEDULE: 0,
        ROSTER: 0,
        BUNDLE: 0,
    }
    assert found.causes() == {}


def test_time_out_of_programme_and_documents_without_a_placement_count_for_nobody() -> None:
    away, unknown = a_story(1, placement_type="out-of-programme"), Story(a_document())
    found = measured([away.file, unknown.file], AFTER)
    assert found.total(SCHEDULE).due == 0
    assert found.causes() == {}


def test_at_its_own_host_the_lead_employers_work_schedule_is_measured_as_well() -> None:
    story = Story(a_placement(host="RBN"), a_document("work-schedule", "trainee", WEEK_8, host="RBN"))
    assert share([story], SCHEDULE).fraction == 1


# ---- whose lateness ----------------------------------------------------------------------------------------------


def test_causes_count_late_duties_by_the_party_whose_link_was_missed_first() -> None:
    told = [a_document("placement-information", "host", WEEK_12), a_document("placement-information", "trainee", WEEK_12)]
    found = measured([a_story(1, *told).file, a_story(2).file], AFTER)
    assert found.causes() == {"host": 3, "lead-employer": 2, "national-body": 7}
    assert sum(found.causes().values()) == 12, "every late duty has one cause"


def test_what_is_late_but_not_yet_due_by_a_day_has_no_cause_yet() -> None:
    assert measured([a_story().file], WEEK_12).causes() == {}
    assert measured([a_story().file], WEEK_12 + DAY).causes() == {"national-body": 2}


def test_each_host_has_its_own_shares_and_causes_and_the_total_adds_them_up() -> None:
    preston = a_story(1, *bundle())
    manchester = a_story(2, host="R0A", host_name="A Manchester trust")
    found = measured([preston.file, manchester.file], AFTER)
    assert [(host.host, host.shares[BUNDLE].fraction) for host in found.hosts] == [("R0A", Fraction(0)), ("RXN", Fraction(1))], "by name"
    assert found.total(BUNDLE).fraction == Fraction(1, 2)
    assert sum((host.late_by_cause for host in found.hosts), start=type(found.causes())()) == found.causes()
