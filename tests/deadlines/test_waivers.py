"""Waivers: who, why and until when; neither reminded nor missed meanwhile; and then the ordinary rules again."""

from datetime import date, timedelta

import pytest

from services.deadlines.waivers import waived_on
from shared.errors import NotAsThingsStand, Refused
from shared.events import DeadlineApproaching, DeadlineMet, DeadlineMissed, DeadlineSet, DeadlineWaived, DeadlineWithdrawn, Event
from tests.deadlines.stories import FIRST, WEEK_6, WEEK_8, WEEK_12, Story
from tests.helpers import a_document, a_placement

DAY = timedelta(days=1)
ROSTER = "duty-roster-to-trainee"


def roster(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events if event.subject.split("/")[1] == ROSTER]


def test_a_waiver_says_who_why_and_until_when() -> None:
    story = Story(a_placement())
    [said] = story.waive(ROSTER, WEEK_6 + 10 * DAY, FIRST)
    assert isinstance(said, DeadlineWaived)
    assert (said.waived_by, said.reason, said.until) == ("Ida Marsh (invented)", "the ward is moving", WEEK_6 + 10 * DAY)
    assert (story[ROSTER].state, story[ROSTER].version) == ("waived", 2)


def test_a_waived_deadline_is_neither_reminded_of_nor_missed_until_the_day_after_its_last_day() -> None:
    story = Story(a_placement())
    until = WEEK_6 + 10 * DAY
    story.waive(ROSTER, until, FIRST)
    for number in range((until - FIRST).days + 1):
        assert roster(story.strike(FIRST + number * DAY)) == []
    assert roster(story.strike(until + DAY)) == [DeadlineMissed]
    assert story[ROSTER].state == "missed"


@pytest.mark.parametrize(
    ("until", "says"),
    [
        (WEEK_6 - 9 * DAY, [DeadlineSet]),
        (WEEK_6 - 8 * DAY, [DeadlineApproaching]),
        (WEEK_6 - DAY, [DeadlineApproaching]),
        (WEEK_6, [DeadlineMissed]),
    ],
)
def test_when_a_waiver_is_over_the_ordinary_rules_say_where_the_deadline_stands(until: date, says: list[type[Event]]) -> None:
    story = Story(a_placement())
    story.waive(ROSTER, until, FIRST)
    assert roster(story.strike(until)) == []
    assert roster(story.strike(until + DAY)) == says
    assert roster(story.strike(WEEK_6 + DAY)) == ([] if says == [DeadlineMissed] else [DeadlineMissed])


def test_a_document_that_goes_out_meanwhile_meets_the_deadline() -> None:
    story = Story(a_placement())
    story.waive(ROSTER, WEEK_6 + 10 * DAY, FIRST)
    [met] = story.hear(a_document("duty-roster", "trainee", WEEK_6 + DAY), day=WEEK_6 + DAY)
    assert isinstance(met, DeadlineMet)
    assert story[ROSTER].state == "met-late", "the due day did not move"
    assert waived_on(story.file, story[ROSTER], WEEK_6)


def test_a_missed_deadline_can_be_waived_and_is_missed_again_afterwards() -> None:
    story = Story(a_placement())
    story.strike(WEEK_6 + DAY)
    story.waive(ROSTER, WEEK_6 + 5 * DAY, WEEK_6 + 2 * DAY)
    assert roster(story.strike(WEEK_6 + 6 * DAY)) == [DeadlineMissed]
    assert not waived_on(story.file, story[ROSTER], WEEK_6), "a waiver does not reach back"
    assert waived_on(story.file, story[ROSTER], WEEK_6 + 5 * DAY)
    assert not waived_on(story.file, story[ROSTER], WEEK_6 + 6 * DAY)


def test_a_waiver_that_is_ended_lets_the_ordinary_rules_in_at_once_and_stays_on_record() -> None:
    story = Story(a_placement())
    story.waive(ROSTER, WEEK_6 + 30 * DAY, FIRST)
    assert [type(event) for event in story.end_waiver(ROSTER, WEEK_6 - 2 * DAY)] == [DeadlineApproaching]
    assert roster(story.strike(WEEK_6 + DAY)) == [DeadlineMissed]
    [waiver] = story.file.waivers
    assert (waiver.ended_by, waiver.ended_because) == ("Ida Marsh (invented)", "the ward has moved")
    assert waived_on(story.file, story[ROSTER], WEEK_6 - 3 * DAY)
    assert not waived_on(story.file, story[ROSTER], WEEK_6 - 2 * DAY)


def test_another_waiver_moves_the_end_and_the_first_stays_on_record() -> None:
    story = Story(a_placement())
    story.waive(ROSTER, WEEK_6 + 30 * DAY, FIRST)
    [said] = story.waive(ROSTER, WEEK_6 + 2 * DAY, FIRST, "sooner than thought")
    assert isinstance(said, DeadlineWaived)
    assert said.until == WEEK_6 + 2 * DAY
    assert [waiver.ended_at is not None for waiver in story.file.waivers] == [True, False]
    assert roster(story.strike(WEEK_6 + 3 * DAY)) == [DeadlineMissed]


def test_a_waiver_that_would_be_over_before_it_began_is_refused() -> None:
    story = Story(a_placement())
    with pytest.raises(Refused, match="2027-05-05") as refused:
        story.waive(ROSTER, FIRST - DAY, FIRST)
    assert set(refused.value.errors) == {"until"}
    assert story.waive(ROSTER, FIRST, FIRST), "today is not over"


def test_what_was_met_or_withdrawn_cannot_be_waived() -> None:
    story = Story(a_placement(), a_document("duty-roster", "trainee", WEEK_12))
    with pytest.raises(NotAsThingsStand, match="was met on 2027-05-12"):
        story.waive(ROSTER, WEEK_6, FIRST)
    old = story["contract-to-trainee"]
    story.hear(a_placement(start_date=date(2027, 9, 1)))
    assert old.state == "withdrawn"
    with pytest.raises(NotAsThingsStand, match="the start moved"):
        story.waive_row(old, WEEK_6, FIRST)


def test_only_a_waiver_that_is_in_force_can_be_ended() -> None:
    story = Story(a_placement())
    with pytest.raises(NotAsThingsStand):
        story.end_waiver(ROSTER, FIRST)
    story.waive(ROSTER, WEEK_6, FIRST)
    with pytest.raises(NotAsThingsStand):
        story.end_waiver(ROSTER, WEEK_6 + DAY)


def test_a_change_ends_what_was_waived_and_what_is_due_anew_was_not() -> None:
    story = Story(a_placement())
    story.waive(ROSTER, WEEK_6 + 30 * DAY, FIRST)
    said = story.hear(a_placement(start_date=date(2027, 9, 1)))
    assert roster(said) == [DeadlineWithdrawn, DeadlineSet]
    assert not waived_on(story.file, story[ROSTER], FIRST)


def test_a_document_taken_back_from_under_a_waiver_leaves_the_deadline_waived() -> None:
    story = Story(a_placement())
    story.waive(ROSTER, WEEK_8, FIRST)
    story.hear(a_document("duty-roster", "trainee", FIRST))
    assert [type(event) for event in story.take_back(f"duty-roster-trainee-{FIRST}", WEEK_12)] == [DeadlineWaived]


def test_the_end_of_a_waiver_says_nothing_of_a_deadline_that_was_met_meanwhile_and_is_another_state_to_read() -> None:
    story = Story(a_placement())
    story.waive(ROSTER, WEEK_8, FIRST)
    story.hear(a_document("duty-roster", "trainee", FIRST))
    before = story[ROSTER].version
    assert story.end_waiver(ROSTER, WEEK_12) == []
    assert (story[ROSTER].state, story[ROSTER].issued_on, story[ROSTER].version) == ("met", FIRST, before + 1)
