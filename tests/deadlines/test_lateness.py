"""Whose lateness was it? The chain of late links, the first missed one first; a link in time ends it."""

from datetime import date, timedelta

from services.deadlines.decisions import lateness_chain
from shared.events import DeadlineMissed, Event
from tests.deadlines.stories import FIRST, WEEK_6, WEEK_8, WEEK_12, Story
from tests.helpers import a_document, a_placement

NEXT_DAY = timedelta(days=1)


def chain(story: Story, rule: str) -> list[str]:
    return [f"{link.owner}: {link.rule}" for link in lateness_chain(story.file, story[rule])]


def charged(said: list[Event]) -> dict[str, str]:
    """Who is charged with each deadline that was missed."""
    return {event.subject.split("/")[1]: event.caused_by for event in said if isinstance(event, DeadlineMissed)}


def told_in_time() -> Story:
    """A placement whose host and doctor were told in time."""
    return Story(a_placement(), a_document("placement-information", "host", WEEK_12), a_document("placement-information", "trainee", FIRST))


def test_when_nothing_was_ever_issued_the_national_body_is_the_first_missed_link() -> None:
    story = Story(a_placement())
    missed = charged(story.strike(WEEK_6 + NEXT_DAY))
    assert len(missed) == 7
    assert set(missed.values()) == {"national-body"}
    assert chain(story, "work-schedule-to-trainee") == [
        "national-body: placement-information-to-host",
        "host: work-schedule-to-lead-employer",
        "lead-employer: work-schedule-to-trainee",
    ]


def test_a_host_that_was_told_in_time_is_charged_with_its_work_schedule_and_what_waits_for_it() -> None:
    missed = charged(told_in_time().strike(WEEK_8 + NEXT_DAY))
    assert missed == {
        "work-schedule-to-lead-employer": "host",
        "work-schedule-to-trainee": "host",
        "contract-to-trainee": "lead-employer",
        "pay-breakdown-to-trainee": "lead-employer",
    }


def test_a_work_schedule_handed_over_on_the_last_day_in_time_leaves_the_lead_employer_charged() -> None:
    story = told_in_time()
    story.hear(a_document("work-schedule", "lead-employer", WEEK_8))
    assert charged(story.strike(WEEK_8 + NEXT_DAY))["work-schedule-to-trainee"] == "lead-employer"
    assert chain(story, "work-schedule-to-trainee") == ["lead-employer: work-schedule-to-trainee"]


def test_a_link_in_time_ends_the_chain_though_an_earlier_one_was_late() -> None:
    story = Story(a_placement(), a_document("placement-information", "host", WEEK_12 + NEXT_DAY))
    story.hear(a_document("work-schedule", "lead-employer", WEEK_8 - NEXT_DAY))
    assert chain(story, "work-schedule-to-trainee") == ["lead-employer: work-schedule-to-trainee"]
    assert chain(story, "duty-roster-to-trainee")[0] == "national-body: placement-information-to-host"


def test_a_host_that_was_told_at_five_weeks_is_not_charged() -> None:
    week_5 = date(2027, 6, 30)
    story = Story()
    story.hear(a_placement(), a_document("placement-information", "host", week_5), day=week_5)
    missed = charged(story.strike(week_5))
    assert missed["duty-roster-to-trainee"] == missed["work-schedule-to-lead-employer"] == "national-body"
    assert "placement-information-to-host" not in missed, "it was met, late"


def test_a_late_work_schedule_charges_the_host_also_once_everything_was_issued() -> None:
    story = told_in_time()
    story.hear(a_document("work-schedule", "lead-employer", WEEK_8 + 3 * NEXT_DAY))
    story.hear(a_document("work-schedule", "trainee", WEEK_8 + 4 * NEXT_DAY))
    assert chain(story, "work-schedule-to-trainee") == ["host: work-schedule-to-lead-employer", "lead-employer: work-schedule-to-trainee"]


def test_where_the_host_is_the_lead_employer_only_the_national_body_comes_before_it() -> None:
    story = Story(a_placement(host="RBN"))
    assert chain(story, "work-schedule-to-trainee-by-own-host")[0] == "national-body: placement-information-to-host"
    story.hear(a_document("placement-information", "host", FIRST, host="RBN"))
    assert chain(story, "work-schedule-to-trainee-by-own-host") == ["lead-employer: work-schedule-to-trainee-by-own-host"]


def test_a_link_of_an_ended_revision_charges_nobody() -> None:
    story = Story(a_placement())
    story.strike(WEEK_8 + NEXT_DAY)
    story.hear(a_placement(start_date=date(2027, 9, 29)), day=WEEK_8 + NEXT_DAY)
    story.hear(a_document("placement-information", "host", WEEK_8))
    assert charged(story.strike(date(2027, 8, 5)))["work-schedule-to-lead-employer"] == "host"
