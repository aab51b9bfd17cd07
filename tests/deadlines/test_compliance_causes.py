"""Whose lateness was it? What is charged to whom, what is waived, and what drags a figure down."""

from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from services.deadlines.compliance.tables import measured, table_json
from services.deadlines.decisions import deadline_waived, waiver_ended
from services.deadlines.waivers import Wish
from shared.worker import LONDON
from tests.deadlines.compliance_stories import AFTER, BUNDLE, DAY, HANDOVER, INFORMATION, ROSTER, SCHEDULE, a_story, a_table, bundle
from tests.deadlines.stories import FIRST, WEEK_6, WEEK_8, WEEK_12, Story
from tests.helpers import a_document, a_placement

WEEK_5 = AFTER - timedelta(weeks=5)
TOLD = [a_document("placement-information", "host", WEEK_12), a_document("placement-information", "trainee", WEEK_12)]


def figure(stories: list[Story], measure: str, as_at: date = AFTER) -> dict[str, Any]:
    found: dict[str, Any] = table_json(a_table(stories, as_at), {})["total"]["figures"][measure]
    return found


def waive(story: Story, rule: str, day: date, until: date) -> None:
    wish = Wish("The dean of an invented school", "the rota is being rewritten")
    deadline_waived(story.file, story[rule], wish, until, datetime.combine(day, time(12), LONDON))


# ---- cause and charge --------------------------------------------------------------------------------------------


def test_causes_count_late_duties_by_the_party_whose_link_was_missed_first() -> None:
    total = a_table([a_story(1, *TOLD), a_story(2)]).total
    assert total.late_by_cause == {"host": 3, "lead-employer": 2, "national-body": 7}
    assert total.late_by_own_fault == {"host": 2, "lead-employer": 2, "national-body": 1}


def test_what_is_late_but_not_yet_due_by_a_day_has_no_cause_yet() -> None:
    assert a_table([a_story()], WEEK_12).total.late_by_cause == {}
    assert a_table([a_story()], WEEK_12 + DAY).total.late_by_cause == {"national-body": 2}


def test_a_host_told_at_week_five_is_late_and_not_charged() -> None:
    story = a_story(1, a_document("placement-information", "host", WEEK_5), a_document("duty-roster", "trainee", WEEK_5 + 7 * DAY))
    roster = figure([story], ROSTER)
    assert (roster["on_time"], roster["due"], roster["percent"], roster["late"]) == (0, 1, "0.0", 1)
    assert roster["late_by_cause"] == {"national-body": 1}
    assert (roster["charged_to_owner"], roster["not_charged_to_owner"]) == (0, {"count": 1, "percent": "100.0"})
    assert a_table([story]).total.late_by_own_fault == {"national-body": 1}


def test_a_host_told_in_time_is_charged_with_its_own_lateness() -> None:
    story = a_story(1, *TOLD, a_document("duty-roster", "trainee", WEEK_6 + DAY))
    roster = figure([story], ROSTER)
    assert (roster["on_time"], roster["late"], roster["charged_to_owner"]) == (0, 1, 1)
    assert roster["not_charged_to_owner"] == {"count": 0, "percent": "0.0"}


def test_a_bundle_late_through_the_host_alone_is_not_charged_to_the_lead_employer() -> None:
    through_host = a_story(1, *TOLD, *bundle()[1:])
    assert figure([through_host], BUNDLE)["charged_to_owner"] == 0
    through_itself = a_story(2, *TOLD, *bundle(late=1))
    assert figure([through_itself], BUNDLE)["charged_to_owner"] == 1


# ---- targets -----------------------------------------------------------------------------------------------------


def test_only_the_bundle_and_the_information_to_hosts_have_a_target_each_its_own() -> None:
    figures = table_json(a_table([a_story()]), {})["total"]["figures"]
    assert {name: found["target"] for name, found in figures.items() if found["target"]} == {
        INFORMATION: "kpi-12w-90",
        BUNDLE: "kpi-cop-90",
    }
    others = [found for found in figures.values() if not found["target"]]
    assert {(found["verdict"], found["meets_target"]) for found in others} == {("no-target", None)}


def test_one_kpi_may_be_met_and_the_other_not() -> None:
    kpis = table_json(a_table([a_story(1, *TOLD)]), {})["total"]["kpis"]
    assert (kpis["kpi-12w-90"]["verdict"], kpis["kpi-cop-90"]["verdict"]) == ("met", "not-met")
    kpis = table_json(a_table([a_story(1, *bundle())]), {})["total"]["kpis"]
    assert (kpis["kpi-12w-90"]["verdict"], kpis["kpi-cop-90"]["verdict"]) == ("not-met", "met")


def test_each_kpi_says_by_which_rule_of_which_source() -> None:
    kpis = table_json(a_table([a_story()]), {})["total"]["kpis"]
    assert {name: (kpi["rule"], kpi["cite"]["source"], kpi["cite"]["entry"], kpi["measure"]) for name, kpi in kpis.items()} == {
        "kpi-cop-90": ("bundle-target-not-met", "TOOLKIT", "kpi-cop-90", BUNDLE),
        "kpi-12w-90": ("placement-information-target-not-met", "TEN-POINT-PLAN", "OF-2", INFORMATION),
    }
    assert all(kpi["cite"]["section"] and kpi["says"] and kpi["edition"].startswith("sha256:") for kpi in kpis.values())


@pytest.mark.parametrize(("as_at", "verdict", "percent"), [(date(2025, 8, 28), "no-target", None), (date(2025, 8, 29), "no-data", 90)])
def test_the_national_bodys_target_holds_from_the_day_of_the_plan_and_not_before(as_at: date, verdict: str, percent: int | None) -> None:
    found = table_json(measured([], as_at), {})["total"]
    assert (found["kpis"]["kpi-12w-90"]["verdict"], found["kpis"]["kpi-12w-90"]["target_percent"]) == (verdict, percent)
    assert found["kpis"]["kpi-cop-90"]["target_percent"] == 90


# ---- waived ------------------------------------------------------------------------------------------------------


def test_a_waived_duty_counts_neither_as_due_nor_as_late_and_is_counted_by_itself() -> None:
    waived, owed = a_story(1, *TOLD), a_story(2, *TOLD, a_document("duty-roster", "trainee", WEEK_6))
    waive(waived, "duty-roster-to-trainee", FIRST, AFTER)
    found = figure([waived, owed], ROSTER)
    assert (found["on_time"], found["due"], found["waived"], found["percent"]) == (1, 1, 1, "100.0")
    assert figure([waived], ROSTER)["percent"] is None, "all that was due is waived: no data"
    assert ROSTER not in {each["measure"] for each in a_table([waived]).worst.to_json(AFTER)}


def test_a_bundle_with_one_of_three_waived_is_measured_by_the_other_two() -> None:
    story = a_story(1, *bundle()[:2])
    waive(story, "pay-breakdown-to-trainee", FIRST, AFTER)
    assert (figure([story], BUNDLE)["on_time"], figure([story], BUNDLE)["due"]) == (1, 1)
    assert figure([story], "pay_breakdown_to_trainee")["waived"] == 1


def test_a_bundle_of_which_all_three_are_waived_is_waived() -> None:
    story = a_story()
    for rule in ("work-schedule-to-trainee", "contract-to-trainee", "pay-breakdown-to-trainee"):
        waive(story, rule, FIRST, AFTER)
    found = figure([story], BUNDLE)
    assert (found["due"], found["waived"], found["verdict"]) == (0, 1, "no-data")


def test_when_the_waiver_is_over_what_is_still_not_issued_counts_again() -> None:
    story = a_story(1, *TOLD)
    waive(story, "duty-roster-to-trainee", FIRST, WEEK_5)
    assert [figure([story], ROSTER, day)["due"] for day in (WEEK_5, WEEK_5 + DAY)] == [0, 1]
    ended = a_story(2, *TOLD)
    waive(ended, "duty-roster-to-trainee", FIRST, AFTER)
    waiver_ended(
        ended.file, ended["duty-roster-to-trainee"], Wish("The dean", "the rota is there"), datetime.combine(WEEK_5, time(9), LONDON)
    )
    assert [figure([ended], ROSTER, day)["due"] for day in (WEEK_5 - DAY, WEEK_5)] == [0, 1]


def test_what_went_out_late_while_it_was_waived_is_never_charged() -> None:
    story = a_story(1, *TOLD)
    waive(story, "duty-roster-to-trainee", FIRST, WEEK_5)
    story.hear(a_document("duty-roster", "trainee", WEEK_5), day=WEEK_5)
    found = figure([story], ROSTER)
    assert (found["due"], found["waived"], found["late"]) == (0, 1, 0)


@pytest.mark.parametrize("as_at", [WEEK_8, AFTER])
def test_what_went_out_in_time_is_on_time_at_once_though_it_was_waived(as_at: date) -> None:
    story = a_story(1, *TOLD)
    waive(story, "contract-to-trainee", FIRST, WEEK_5)
    story.hear(a_document("contract", "trainee", WEEK_8 - DAY), day=WEEK_8)
    found = a_table([story], as_at).total.tallies["contract_to_trainee"]
    assert (found.on_time, found.due, found.waived, found.open) == (1, 1, 0, 0)


def test_a_waiver_that_was_given_after_a_late_document_went_out_excuses_nothing_while_it_runs_or_after() -> None:
    story = a_story(1, *TOLD)
    waive(story, "duty-roster-to-trainee", WEEK_6 + 3 * DAY, WEEK_5)
    story.hear(a_document("duty-roster", "trainee", WEEK_6 + DAY), day=WEEK_6 + 4 * DAY)
    for as_at in (WEEK_6 + 4 * DAY, AFTER):
        found = a_table([story], as_at).total.tallies[ROSTER]
        assert (found.on_time, found.due, found.waived) == (0, 1, 0), as_at


# ---- exceptions --------------------------------------------------------------------------------------------------


def test_an_exception_says_what_was_late_by_how_much_through_whom_and_shows_the_chain() -> None:
    story = a_story(1, TOLD[0], a_document("work-schedule", "lead-employer", WEEK_8 + 2 * DAY), *bundle(late=0)[1:])
    story.hear(a_document("work-schedule", "trainee", WEEK_8 + 3 * DAY))
    [found] = a_table([story], worst_measure=SCHEDULE).worst.to_json(AFTER)
    assert found["says"] == (
        "Placement p1 at Lancashire Teaching Hospitals NHS Foundation Trust (RXN), which starts on 2027-08-04: "
        "the work schedule to the doctor, due from the lead employer on 2027-06-09, was issued on 2027-06-12, 3 days late. "
        "Late before it: the work schedule to the lead employer, due from the host on 2027-06-09, was issued on 2027-06-11, 2 days late. "
        "It is charged to the host, who missed the first link."
    )
    assert (found["caused_by"], found["own_fault"], found["days_late"]) == ("host", False, 3)
    assert [(link["measure"], link["owner"], link["days_late"]) for link in found["chain"]] == [
        (HANDOVER, "host", 2),
        (SCHEDULE, "lead-employer", 3),
    ]


def test_what_is_not_issued_is_late_as_at_the_day_of_the_table() -> None:
    story = a_story(1, TOLD[0])
    for as_at, days in ((WEEK_6 + DAY, "1 day late"), (WEEK_6 + 2 * DAY, "2 days late")):
        [found] = a_table([story], as_at, worst_measure=ROSTER).worst.to_json(as_at)
        assert f"was not issued by {as_at}, {days}. Nothing before it was late; it is charged to the host." in found["says"]


def test_news_that_came_late_is_a_link_of_its_own() -> None:
    story = Story()
    story.hear(a_placement(), day=WEEK_5)
    found = a_table([story], worst_measure=ROSTER).worst.to_json(AFTER)[0]
    assert found["chain"][0]["heard_on"] == WEEK_5.isoformat()
    assert f"the news (the placement was first heard of), needed by {WEEK_12}, came on {WEEK_5}, 49 days late" in found["says"]


def test_the_ten_worst_are_named_the_longest_late_first_and_always_in_the_same_order() -> None:
    stories = [a_story(number, *TOLD, a_document("duty-roster", "trainee", WEEK_6 + number * DAY)) for number in range(1, 15)]
    found = a_table(stories, worst_measure=ROSTER).worst.to_json(AFTER)
    assert [each["placement_id"] for each in found] == [f"p{number}" for number in range(14, 4, -1)]
    backwards = a_table(stories[::-1], worst_measure=ROSTER).worst.to_json(AFTER)
    assert backwards == found


def test_of_those_as_late_what_is_not_issued_comes_first_then_the_lower_placement() -> None:
    late = (AFTER - WEEK_6).days
    stories = [a_story(1, *TOLD, a_document("duty-roster", "trainee", WEEK_6 + late * DAY)), a_story(3, *TOLD), a_story(2, *TOLD)]
    found = a_table(stories, worst_measure=ROSTER).worst.to_json(AFTER)
    assert [(each["placement_id"], each["days_late"]) for each in found] == [("p2", late), ("p3", late), ("p1", late)]


def test_each_group_names_its_own_worst_on_request() -> None:
    stories = [a_story(1), a_story(2, host="R0A")]
    plain, asked = (table_json(a_table(stories, worst_of_each=each), {})["groups"] for each in (0, 2))
    assert not any("exceptions" in group for group in plain)
    assert [{each["host"] for each in group["exceptions"]} for group in asked] == [{"RXN"}, {"R0A"}]
    assert [len(group["exceptions"]) for group in asked] == [2, 2]


def test_the_worst_of_the_bundle_are_those_of_its_three_documents() -> None:
    found = a_table([a_story()], worst_measure=BUNDLE).worst.to_json(AFTER)
    assert {each["measure"] for each in found} == {SCHEDULE, "contract_to_trainee", "pay_breakdown_to_trainee"}
