"""Was it on time? Exact fractions of what was due, by group; what counts and what does not."""

from datetime import date
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.deadlines.compliance.figures import MEASURES, Figures, Tally, percent
from services.deadlines.compliance.tables import KEYS, Table, measured, table_json
from services.deadlines.compliance.targets import verdict
from shared.events import PlacementWithdrawn
from tests.deadlines.compliance_stories import AFTER, BUNDLE, DAY, ROSTER, SCHEDULE, a_story, a_table, bundle
from tests.deadlines.stories import FIRST, WEEK_6, WEEK_8, WEEK_12, Story
from tests.helpers import a_document, a_placement


def share(stories: list[Story], measure: str, as_at: date = AFTER) -> Tally:
    return a_table(stories, as_at).total.tallies[measure]


# ---- fractions ---------------------------------------------------------------------------------------------------


def test_the_share_is_an_exact_fraction() -> None:
    found = share([a_story(1, *bundle()), a_story(2, *bundle()), a_story(3)], SCHEDULE)
    assert (found.on_time, found.due, found.fraction) == (2, 3, Fraction(2, 3))
    assert percent(found.on_time, found.due) == "66.6"


@pytest.mark.parametrize(
    ("on_time", "due", "shown"),
    [(8996, 10000, "89.9"), (9, 10, "90.0"), (999, 1000, "99.9"), (9999, 10000, "99.9"), (1, 1, "100.0"), (0, 7, "0.0")],
)
def test_the_percentage_is_cut_so_that_it_never_shows_a_target_that_was_not_met(on_time: int, due: int, shown: str) -> None:
    assert percent(on_time, due) == shown


@given(st.integers(1, 10**9), st.data())
def test_a_percentage_shows_ninety_exactly_if_the_fraction_reaches_it(due: int, data: st.DataObject) -> None:
    on_time = data.draw(st.integers(0, due))
    shown = percent(on_time, due)
    assert shown is not None
    assert (Fraction(shown) >= 90) is (Fraction(on_time, due) >= Fraction(9, 10))
    assert 0 <= Fraction(on_time * 100, due) - Fraction(shown) < Fraction(1, 10)


@given(st.integers(1, 10**9), st.data())
def test_the_policy_meets_the_target_exactly_if_the_fraction_reaches_ninety_percent(due: int, data: st.DataObject) -> None:
    on_time = data.draw(st.integers(0, due) | st.integers(max(0, due * 9 // 10 - 1), min(due, due * 9 // 10 + 1)))
    assert verdict(BUNDLE, Tally(on_time, due), AFTER).meets_target is (Fraction(on_time, due) >= Fraction(9, 10))


def test_nothing_due_is_no_data_and_neither_met_nor_missed() -> None:
    nothing = table_json(measured([], AFTER), {})
    assert nothing["groups"] == nothing["exceptions"] == []
    found = nothing["total"]["figures"][BUNDLE]
    assert (found["due"], found["percent"], found["verdict"], found["meets_target"]) == (0, None, "no-data", None)


def test_nine_of_ten_placements_on_time_meet_the_target_of_the_policy() -> None:
    stories = [a_story(number, *bundle(late=number // 10)) for number in range(1, 11)]
    assert table_json(a_table(stories), {})["total"]["kpis"]["kpi-cop-90"]["meets_target"] is True


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
    found = a_table([moved, withdrawn], WEEK_8 + DAY)
    assert {found.total.tallies[measure].due for measure in MEASURES} == {0}
    assert found.total.late_by_cause == {}


def test_time_out_of_programme_and_documents_without_a_placement_count_for_nobody() -> None:
    away, unknown = a_story(1, placement_type="out-of-programme"), Story(a_document())
    found = a_table([away, unknown])
    assert found.total == Figures()
    assert found.groups == {}


def test_at_its_own_host_the_lead_employers_work_schedule_is_measured_as_well() -> None:
    story = Story(a_placement(host="RBN"), a_document("work-schedule", "trainee", WEEK_8, host="RBN"))
    assert share([story], SCHEDULE).fraction == 1


# ---- groups ------------------------------------------------------------------------------------------------------


def test_groups_are_by_host_lead_employer_region_specialty_or_month_and_add_up() -> None:
    stories = [
        a_story(1, *bundle()),
        a_story(2, host="R0A", host_name="A Manchester trust", specialty="Anaesthetics"),
        a_story(3, host="ZZ9", host_name="An invented trust", start_date=date(2027, 8, 31), lead_employer="RXL"),
        a_story(4, start_date=date(2027, 9, 1)),
    ]
    groups = {key: [values[0] for values, _ in a_table(stories, by=[key]).ordered()] for key in KEYS}
    assert groups == {
        "host": ["ZZ9", "RXN", "R0A"],  # by name: An invented …, Lancashire …, Manchester …
        "lead-employer": ["RXL", "RBN"],
        "region": ["North West", "not known"],
        "specialty": ["Anaesthetics", "Cardiology"],
        "rotation-month": ["2027-08", "2027-09"],
    }


def test_keys_may_be_combined() -> None:
    stories = [a_story(1), a_story(2, specialty="Anaesthetics"), a_story(3, host="R0A")]
    found = a_table(stories, by=["specialty", "host"])
    assert [values for values, _ in found.ordered()] == [("Anaesthetics", "RXN"), ("Cardiology", "RXN"), ("Cardiology", "R0A")]
    assert table_json(found, {})["groups"][0] | {"figures": 0, "kpis": 0} == {
        "specialty": "Anaesthetics",
        "host": "RXN",
        "host_name": "Lancashire Teaching Hospitals NHS Foundation Trust",
        "placements": 1,
        "figures": 0,
        "kpis": 0,
        "late_by_cause": {"national-body": 7},
        "late_by_own_fault": {"national-body": 1},
    }


documents = st.tuples(
    st.sampled_from(
        [
            ("placement-information", "host"),
            ("placement-information", "trainee"),
            ("work-schedule", "lead-employer"),
            ("work-schedule", "trainee"),
            ("contract", "trainee"),
            ("pay-breakdown", "trainee"),
            ("duty-roster", "trainee"),
        ]
    ),
    st.dates(FIRST, AFTER),
)
placements = st.tuples(
    st.sampled_from(["RXN", "R0A", "ZZ9"]),
    st.sampled_from(["RBN", "RXL", "ZZ9"]),
    st.sampled_from(["Cardiology", "Anaesthetics"]),
    st.lists(documents),
)


def told(number: int, host: str, lead_employer: str, specialty: str, issued: list[tuple[tuple[str, str], date]]) -> Story:
    """One of several placements, and what was issued about it."""
    owners = {"duty-roster": host, "lead-employer": host}
    said = [a_document(kind, to, day, host=host, issued_by=owners.get(kind) or owners.get(to, lead_employer)) for (kind, to), day in issued]
    name = f"Zebra trust {number % 2} (invented)"
    return a_story(number, *said, host=host, host_name=name, lead_employer=lead_employer, specialty=specialty)


def told_of(table: Table) -> dict[str, Any]:
    return table_json(table, {})


@given(
    st.lists(placements, max_size=6), st.lists(st.sampled_from(list(KEYS)), min_size=1, unique=True), st.dates(FIRST, AFTER), st.randoms()
)
def test_groups_add_up_to_the_total_whatever_the_key_and_the_order(
    drawn: list[tuple[str, str, str, list[tuple[tuple[str, str], date]]]], by: list[str], as_at: date, random: Random
) -> None:
    stories = [told(number, *each) for number, each in enumerate(drawn)]
    table = a_table(stories, as_at, by=by)
    added = Figures()
    for figures in table.groups.values():
        added += figures
    assert added == table.total == a_table(stories, as_at).total
    random.shuffle(stories)
    assert told_of(a_table(stories, as_at, by=by)) == told_of(table)


@given(st.lists(placements, max_size=4), st.dates(FIRST, AFTER))
def test_every_late_duty_has_one_cause_and_is_charged_once(
    drawn: list[tuple[str, str, str, list[tuple[tuple[str, str], date]]]], as_at: date
) -> None:
    total = a_table([told(number, *each) for number, each in enumerate(drawn)], as_at).total
    single = {name: tally for name, tally in total.tallies.items() if name != BUNDLE}
    assert sum(total.late_by_cause.values()) == sum(tally.due - tally.on_time for tally in single.values())
    for name, tally in single.items():
        assert sum(total.causes_of(name).values()) == tally.due - tally.on_time
    assert sum(total.late_by_own_fault.values()) == sum(tally.charged for tally in single.values())
    for tally in total.tallies.values():
        assert 0 <= tally.charged <= tally.due - tally.on_time <= tally.due <= total.placements
    three = [total.tallies[name] for name in ("work_schedule_to_trainee", "contract_to_trainee", "pay_breakdown_to_trainee")]
    assert total.tallies[BUNDLE].on_time <= min(tally.on_time for tally in three)


def test_as_at_a_past_day_shows_what_was_so_then() -> None:
    story = a_story(1)
    story.hear(a_document("duty-roster", "trainee", WEEK_6 + 3 * DAY), day=WEEK_6 + 3 * DAY)
    assert share([story], ROSTER, WEEK_6).due == 0
    then = a_table([story], WEEK_6 + 2 * DAY)
    assert (then.total.tallies[ROSTER].due, then.total.tallies[ROSTER].on_time) == (1, 0)
    [found] = [each for each in then.worst.to_json(then.as_at) if each["measure"] == ROSTER]
    assert (found["issued_on"], found["days_late"]) == (None, 2)


def test_as_at_the_day_before_a_move_the_former_host_owes_and_from_that_day_on_the_new_one() -> None:
    story = a_story(1, a_document("work-schedule", "trainee", WEEK_12))
    story.hear(a_placement(placement_id="p1", trainee_id="t1", host="R0A", host_name="A Manchester trust"), day=WEEK_8)
    story.hear(a_document("work-schedule", "trainee", WEEK_8, host="R0A"), day=WEEK_8)
    before, after = (a_table([story], day) for day in (WEEK_8 - DAY, WEEK_8))
    assert list(before.groups) == [("RXN",)]
    assert list(after.groups) == [("R0A",)]
    assert before.total.tallies[SCHEDULE] == after.total.tallies[SCHEDULE] == Tally(1, 1)


def test_a_placement_withdrawn_since_counted_until_then_and_one_heard_since_did_not() -> None:
    withdrawn, later = a_story(1), Story()
    withdrawn.hear(PlacementWithdrawn(placement_id="p1", reason="closed"), day=WEEK_6)
    later.hear(a_placement(placement_id="p2"), day=WEEK_6)
    assert [a_table([withdrawn, later], day).total.placements for day in (FIRST - DAY, FIRST, WEEK_6 - DAY, WEEK_6)] == [0, 1, 1, 1]
    assert a_table([withdrawn], WEEK_6).total.placements == 0


def test_what_was_issued_to_the_doctor_before_counts_for_that_doctor_on_the_days_of_that_doctor() -> None:
    story = a_story(1, a_document("work-schedule", "trainee", WEEK_12))
    story.hear(a_placement(placement_id="p1", trainee_id="another"), day=WEEK_8)
    assert share([story], SCHEDULE, WEEK_8 - DAY).fraction == 1
    assert share([story], SCHEDULE, WEEK_8 + DAY).fraction == 0
