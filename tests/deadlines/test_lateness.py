"""Whose lateness was it? The chain of late links, the first missed one first; a link in time ends it."""

from datetime import date, timedelta

from services.deadlines.lateness import lateness_chain
from shared.events import DeadlineMissed, Event, PlacementWithdrawn
from tests.deadlines.stories import DUE, FIRST, WEEK_6, WEEK_8, WEEK_12, Story
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


# ---- information in time, a day late, and later ------------------------------------------------------------------


def test_information_a_day_late_is_charged_with_a_host_that_is_three_weeks_late_and_both_are_shown() -> None:
    story = Story(a_placement(), a_document("placement-information", "host", WEEK_12 + NEXT_DAY))
    story.hear(a_document("work-schedule", "lead-employer", WEEK_8 + 21 * NEXT_DAY))
    links = lateness_chain(story.file, story["work-schedule-to-lead-employer"])
    assert [(link.owner, link.days_late) for link in links] == [("national-body", 1), ("host", 21)], (
        "the first missed link (cop-trainee-12w)"
    )


def test_information_on_the_last_day_in_time_leaves_the_host_charged_with_what_it_then_delays() -> None:
    story = told_in_time()
    assert charged(story.strike(WEEK_6 + NEXT_DAY)) == {
        "work-schedule-to-lead-employer": "host",
        "work-schedule-to-trainee": "host",
        "contract-to-trainee": "lead-employer",
        "pay-breakdown-to-trainee": "lead-employer",
        "duty-roster-to-trainee": "host",
    }


def test_a_link_says_how_late_it_came_or_how_late_it_is_by_now() -> None:
    story = Story(a_placement(), a_document("placement-information", "host", WEEK_12 + 3 * NEXT_DAY))
    first, second = lateness_chain(story.file, story["work-schedule-to-lead-employer"])
    assert (first.late_by(WEEK_6), second.late_by(WEEK_6), second.issued_on) == (3, 14, None)


# ---- late news is a link -----------------------------------------------------------------------------------------

WEEK_5 = date(2027, 6, 30)


def news(story: Story, rule: str) -> tuple[str, date | None, str] | None:
    """The late news that begins the chain of a deadline: who is charged, when it was heard, and what it was."""
    first = lateness_chain(story.file, story[rule])[0]
    return (first.owner, first.heard_on, first.because) if first.heard_on else None


def test_a_placement_first_heard_of_after_its_due_days_is_late_news_with_the_day_on_which_it_was_heard() -> None:
    story = Story()
    story.hear(a_placement(), day=WEEK_5)
    first, *rest = lateness_chain(story.file, story["duty-roster-to-trainee"])
    assert (first.owner, first.heard_on, first.due, first.days_late) == ("national-body", WEEK_5, WEEK_12, 49)
    assert first.because == "the placement was first heard of"
    assert [link.rule for link in rest] == ["placement-information-to-host", "duty-roster-to-trainee"]
    assert set(charged(story.strike(WEEK_5)).values()) == {"national-body"}


def test_a_placement_heard_of_on_the_last_day_in_time_is_no_late_news() -> None:
    story = Story()
    story.hear(a_placement(), day=WEEK_12)
    assert news(story, "duty-roster-to-trainee") is None


def test_a_host_that_was_told_in_time_by_other_ways_is_charged_though_the_news_was_heard_late_here() -> None:
    story = Story()
    story.hear(a_placement(), a_document("placement-information", "host", WEEK_12), day=WEEK_5)
    assert charged(story.strike(WEEK_5))["duty-roster-to-trainee"] == "host"


def test_a_start_brought_forward_late_is_charged_to_nobody_who_had_to_keep_up_with_it() -> None:
    story = Story(a_placement(start_date=date(2027, 9, 1)), a_document("placement-information", "host", FIRST))
    story.hear(a_placement(), day=WEEK_5)
    assert news(story, "duty-roster-to-trainee") == ("national-body", WEEK_5, "the start moved from 2027-09-01 to 2027-08-04")
    missed = charged(story.strike(WEEK_5))
    assert set(missed.values()) == {"national-body"}
    assert missed.keys() == DUE.keys() - {"placement-information-to-host"}, "that went out long ago"


def test_a_start_that_moves_away_excuses_nobody_who_was_told_in_time_of_the_first() -> None:
    story = told_in_time()
    story.hear(a_placement(start_date=date(2027, 8, 18)), day=date(2027, 6, 20))
    missed = charged(story.strike(date(2027, 7, 20)))
    assert (missed["work-schedule-to-lead-employer"], missed["duty-roster-to-trainee"]) == ("host", "host")


def test_a_start_brought_forward_in_time_excuses_nobody() -> None:
    story = Story(a_placement(start_date=date(2027, 9, 1)), a_document("placement-information", "host", FIRST))
    story.hear(a_placement(), day=FIRST)
    assert charged(story.strike(WEEK_5))["duty-roster-to-trainee"] == "host"


def test_a_host_that_takes_the_placement_late_is_not_charged_unless_it_was_told_in_time() -> None:
    for told_on, owner in ((WEEK_5, "national-body"), (WEEK_12, "host")):
        story = told_in_time()
        story.hear(a_document("placement-information", "host", told_on, host="R0A", document_id="to R0A"), day=WEEK_5)
        story.hear(a_placement(host="R0A", host_name="Manchester University NHS Foundation Trust"), day=WEEK_5)
        assert charged(story.strike(WEEK_5))["duty-roster-to-trainee"] == owner
        if owner == "national-body":
            assert news(story, "duty-roster-to-trainee") == (owner, WEEK_5, "the host changed from RXN to R0A")


def test_another_site_told_late_is_late_news_for_what_says_where() -> None:
    story = told_in_time()
    story.hear(a_placement(site="RXN01"), day=WEEK_5)
    missed = charged(story.strike(WEEK_5))
    assert news(story, "duty-roster-to-trainee") == ("national-body", WEEK_5, "the site changed from RXN02 to RXN01")
    assert (missed["duty-roster-to-trainee"], missed["contract-to-trainee"]) == ("national-body", "lead-employer")


def test_who_is_charged_does_not_change_when_another_site_is_told_afterwards() -> None:
    story = told_in_time()
    assert charged(story.strike(WEEK_8 + NEXT_DAY))["contract-to-trainee"] == "lead-employer"
    story.hear(a_placement(site="RXN01"), day=WEEK_5)
    assert chain(story, "contract-to-trainee") == ["lead-employer: contract-to-trainee"]


def test_information_that_had_to_be_given_anew_in_time_and_was_not_is_the_cause_of_what_stood_before_it() -> None:
    story = Story(a_placement())
    story.hear(a_placement(site="RXN01"), day=FIRST)
    story.hear(a_document("placement-information", "host", WEEK_12 + NEXT_DAY))
    assert chain(story, "contract-to-trainee") == ["national-body: placement-information-to-host", "lead-employer: contract-to-trainee"]


def test_a_lead_employer_that_comes_late_is_not_charged_and_its_host_is_not_excused() -> None:
    story = told_in_time()
    story.hear(a_placement(lead_employer="R0A"), day=WEEK_5)
    missed = charged(story.strike(WEEK_5))
    assert (missed["contract-to-trainee"], missed["duty-roster-to-trainee"]) == ("national-body", "host")


def test_another_doctor_told_late_is_late_news() -> None:
    story = told_in_time()
    story.hear(a_placement(trainee_id="t2"), day=WEEK_5)
    assert set(charged(story.strike(WEEK_5)).values()) == {"national-body"}
    assert news(story, "contract-to-trainee") == ("national-body", WEEK_5, "another doctor takes the placement")


def test_a_placement_that_comes_back_late_is_late_news() -> None:
    story = told_in_time()
    story.hear(PlacementWithdrawn(placement_id="p1", reason="closed"), day=date(2027, 5, 20))
    story.hear(a_placement(), day=WEEK_5)
    assert news(story, "duty-roster-to-trainee") == ("national-body", WEEK_5, "the placement was withdrawn: closed")
    assert charged(story.strike(WEEK_5))["duty-roster-to-trainee"] == "national-body"


def test_late_news_is_not_passed_on_through_a_link_in_time() -> None:
    story = Story()
    story.hear(a_placement(), a_document("work-schedule", "lead-employer", WEEK_8 - NEXT_DAY), day=WEEK_8 - NEXT_DAY)
    assert charged(story.strike(WEEK_8 + NEXT_DAY))["work-schedule-to-trainee"] == "lead-employer"
