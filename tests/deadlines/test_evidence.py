"""Evidence: which document met a deadline, who recorded it and when, how much notice it gave, and how a mistake is mended."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from services.deadlines.app import SERVICE
from services.deadlines.decisions import document_issued
from services.deadlines.evidence import evidence, standing
from services.deadlines.models import Deadline
from shared.database import transaction
from shared.errors import UnknownResource
from shared.events import (
    DeadlineApproaching,
    DeadlineMet,
    DeadlineMissed,
    DeadlineSet,
    DeadlineWithdrawn,
    Event,
    PlacementUpdated,
    PlacementWithdrawn,
)
from tests.deadlines.stories import DUE, FIRST, WEEK_6, WEEK_8, WEEK_12, Story
from tests.helpers import Clock, a_document, a_message, a_placement, a_worker

DAY = timedelta(days=1)
CONTRACT = "contract-to-trainee"


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


# ---- who recorded what -------------------------------------------------------------------------------------------


def test_evidence_says_who_recorded_it_when_and_when_it_really_went_out() -> None:
    story = Story(a_placement())
    said_at, now = datetime(2027, 6, 12, 8, tzinfo=UTC), datetime(2027, 6, 14, 9, tzinfo=UTC)
    document_issued(story.file, a_document("contract", "trainee", WEEK_8), "urn:trust:rxn", said_at, now)
    found = evidence(story.file, story[CONTRACT])
    assert found is not None
    assert (found.issued_on, found.recorded_by, found.recorded_at, found.heard_at) == (WEEK_8, "urn:trust:rxn", said_at, now)
    assert (story[CONTRACT].state, story[CONTRACT].days_of_notice) == ("met", 56), "it went out in time, however late it was recorded"


def test_whoever_is_named_as_having_recorded_it_comes_before_the_system_that_sent_it() -> None:
    story = Story(a_placement(), replace(a_document("contract", "trainee"), recorded_by="Ida Marsh (invented)"))
    found = evidence(story.file, story[CONTRACT])
    assert found is not None
    assert found.recorded_by == "Ida Marsh (invented)"


def test_notice_is_counted_in_days_before_the_start_and_goes_below_nought_after_it() -> None:
    story = Story(a_placement(), a_document("contract", "trainee", date(2027, 8, 7)))
    assert story[CONTRACT].days_of_notice == -3
    assert story["duty-roster-to-trainee"].days_of_notice is None


def test_of_two_documents_of_one_duty_the_earlier_is_the_evidence_whichever_was_recorded_first() -> None:
    late, early = a_document("contract", "trainee", WEEK_8 + DAY), a_document("contract", "trainee", WEEK_8)
    for documents in ((late, early), (early, late)):
        story = Story(a_placement(), *documents)
        found = evidence(story.file, story[CONTRACT])
        assert found is not None
        assert found.document_id == early.document_id


def test_an_ended_deadline_keeps_the_evidence_that_it_ended_with() -> None:
    story = Story(a_placement(), a_document("contract", "trainee", WEEK_8), PlacementWithdrawn(placement_id="p1", reason="closed"))
    [ended] = [deadline for deadline in story.file.deadlines if deadline.rule == CONTRACT]
    found = evidence(story.file, ended)
    assert found is not None
    assert found.issued_on == WEEK_8
    assert standing(story.file, ended, WEEK_6).state == "withdrawn"


# ---- recorded by mistake -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "says", "state"),
    [
        (WEEK_8 - 8 * DAY, DeadlineSet, "set"),
        (WEEK_8 - 7 * DAY, DeadlineApproaching, "approaching"),
        (WEEK_8, DeadlineApproaching, "approaching"),
        (WEEK_8 + DAY, DeadlineMissed, "missed"),
    ],
)
def test_a_document_taken_back_leaves_its_deadline_where_it_would_be_without_it(day: date, says: type[Event], state: str) -> None:
    document = a_document("contract", "trainee", FIRST)
    story = Story(a_placement(), document)
    [said] = story.take_back(document.document_id, day)
    assert (type(said), story[CONTRACT].state, story[CONTRACT].issued_on) == (says, state, None)
    assert story.said[-1].sequence == 3, "set, met, and this"
    assert kinds(story.strike(WEEK_8 + DAY)).count(DeadlineMissed) == (7 - 1 if state != "missed" else 5)


def test_a_document_taken_back_stays_on_record_with_who_and_why_and_does_not_come_back_by_being_sent_again() -> None:
    document = a_document("contract", "trainee", FIRST)
    story = Story(a_placement(), document)
    story.take_back(document.document_id, WEEK_8)
    assert story.hear(document, day=WEEK_8) == []
    [kept] = story.file.documents
    assert (kept.withdrawn_by, kept.withdrawn_because) == ("Ida Marsh (invented)", "sent to another doctor")
    assert kept.withdrawn_at == story.now(WEEK_8)
    with pytest.raises(UnknownResource):
        story.take_back(document.document_id, WEEK_8)


def test_when_the_earlier_of_two_is_taken_back_the_later_one_is_the_evidence() -> None:
    story = Story(a_placement(), a_document("contract", "trainee", WEEK_8), a_document("contract", "trainee", WEEK_8 + 2 * DAY))
    [met] = story.take_back(f"contract-trainee-{WEEK_8}", WEEK_6)
    assert isinstance(met, DeadlineMet)
    assert (met.days_late, story[CONTRACT].state) == (2, "met-late")


def test_what_really_went_out_is_recorded_under_another_id() -> None:
    story = Story(a_placement(), a_document("contract", "trainee", FIRST))
    story.take_back(f"contract-trainee-{FIRST}", WEEK_6)
    [met] = story.hear(a_document("contract", "trainee", WEEK_8 + DAY, document_id="the right one"), day=WEEK_6)
    assert isinstance(met, DeadlineMet)
    assert met.days_late == 1


# ---- another site of the same host -------------------------------------------------------------------------------

BY_SITE = {rule for rule in DUE if not rule.startswith(("contract", "pay"))}


def test_at_another_site_of_its_host_a_doctor_is_owed_anew_what_says_where() -> None:
    story = Story(a_placement(), a_document("work-schedule", "trainee", FIRST), a_document("contract", "trainee", FIRST))
    said = story.hear(a_placement(site="RXN01"), day=date(2027, 6, 1))
    assert kinds(said) == [DeadlineWithdrawn] * 5 + [DeadlineSet] * 5
    assert {deadline.rule for deadline in story.file.deadlines if not deadline.counts} == BY_SITE
    assert {deadline.reason for deadline in story.file.deadlines if not deadline.counts} == {"the site changed from RXN02 to RXN01"}
    assert story.open == DUE
    assert (story["work-schedule-to-trainee"].state, story[CONTRACT].state) == ("set", "met")


def test_a_work_schedule_for_the_new_site_counts_and_one_for_the_old_site_recorded_late_does_not() -> None:
    story = Story(a_placement())
    story.hear(a_placement(site="RXN01"), day=date(2027, 6, 1))
    assert story.hear(a_document("work-schedule", "trainee", date(2027, 5, 31)), day=date(2027, 6, 2)) == []
    assert kinds(story.hear(a_document("work-schedule", "trainee", date(2027, 6, 1)), day=date(2027, 6, 2))) == [DeadlineMet]


def test_with_another_host_the_documents_of_that_host_count_though_they_went_out_before_the_news() -> None:
    story = Story(a_placement())
    story.hear(a_document("work-schedule", "trainee", WEEK_12, host="R0A"))
    story.hear(a_placement(host="R0A", host_name="Manchester University NHS Foundation Trust", site="R0A02"), day=date(2027, 6, 1))
    assert story["work-schedule-to-trainee"].state == "met"


def test_a_site_that_changes_together_with_the_start_is_one_change() -> None:
    story = Story(a_placement())
    said = story.hear(a_placement(site="RXN01", start_date=date(2027, 9, 1)))
    assert kinds(said) == [DeadlineWithdrawn] * 7 + [DeadlineSet] * 7


SCHEDULE = "work-schedule-to-trainee"


def test_a_site_that_becomes_known_is_no_move_and_what_went_out_before_still_counts() -> None:
    story = Story(a_placement(site=""), a_document("work-schedule", "trainee", FIRST))
    assert story.hear(a_placement(), day=WEEK_12) == []
    assert story.strike(WEEK_8 + DAY)
    found = evidence(story.file, story[SCHEDULE])
    assert found is not None
    assert story[SCHEDULE].state == standing(story.file, story[SCHEDULE], WEEK_8 + DAY).state == "met"


def test_a_site_that_is_blank_is_not_known_either() -> None:
    story = Story(a_placement(site="  "), a_document("work-schedule", "trainee", FIRST))
    assert story.hear(a_placement(), day=WEEK_12) == []
    assert evidence(story.file, story[SCHEDULE]) is not None


def test_a_site_that_is_no_longer_known_may_be_another_and_the_next_one_is_no_second_move() -> None:
    story = Story(a_placement(), a_document("work-schedule", "trainee", FIRST))
    story.hear(a_placement(site=""), day=WEEK_12)
    [ended] = [deadline for deadline in story.file.deadlines if deadline.rule == SCHEDULE and not deadline.counts]
    assert ended.reason == "the site changed from RXN02 to one that is not known"
    assert story.hear(a_placement(site="RXN01"), day=WEEK_12 + DAY) == []
    assert story[SCHEDULE].state == "set"


BY_NAME, BY_CODE = a_placement(site="Royal Preston Hospital"), a_placement(site="RXN02", site_name="ROYAL PRESTON  Hospital ")


@pytest.mark.parametrize(("first", "then"), [(BY_NAME, BY_CODE), (BY_CODE, BY_NAME)])
def test_the_name_of_a_site_and_its_code_are_the_same_site(first: PlacementUpdated, then: PlacementUpdated) -> None:
    story = Story(first, a_document("work-schedule", "trainee", FIRST))
    assert story.hear(then, day=WEEK_12) == []
    assert standing(story.file, story[SCHEDULE], WEEK_12).state == "met"


def test_another_site_is_a_move_whether_it_has_a_name_or_not() -> None:
    for elsewhere in (a_placement(site="RXN01", site_name="Chorley and South Ribble Hospital"), a_placement(site="RXN01")):
        story = Story(BY_CODE)
        assert kinds(story.hear(elsewhere, day=WEEK_12)) == [DeadlineWithdrawn] * 5 + [DeadlineSet] * 5


# ---- away to another host, and back ------------------------------------------------------------------------------

AWAY = a_placement(host="R0A", host_name="Manchester University NHS Foundation Trust", site="R0A02")
BACK, ELSEWHERE = a_placement(), a_placement(site="RXN01")


@pytest.mark.parametrize(("back", "state"), [(BACK, "met"), (ELSEWHERE, "set")])
def test_back_at_a_host_what_went_out_before_counts_only_if_the_placement_is_where_it_was(back: PlacementUpdated, state: str) -> None:
    story = Story(a_placement(), a_document("work-schedule", "trainee", FIRST))
    story.hear(AWAY, day=WEEK_12)
    story.hear(back, day=WEEK_12 + DAY)
    assert story[SCHEDULE].state == standing(story.file, story[SCHEDULE], WEEK_12 + DAY).state == state


def test_a_move_between_sites_of_one_host_takes_nothing_from_the_documents_of_the_next() -> None:
    story = Story(a_placement(), a_document("work-schedule", "trainee", FIRST, host="R0A"))
    story.hear(ELSEWHERE, day=WEEK_12)
    story.hear(AWAY, day=WEEK_12 + DAY)
    assert story[SCHEDULE].state == "met"


def test_a_move_between_sites_is_not_forgotten_on_the_way_to_another_host_and_back() -> None:
    story = Story(a_placement(), a_document("work-schedule", "trainee", FIRST))
    for number, news in enumerate((ELSEWHERE, AWAY, ELSEWHERE)):
        story.hear(news, day=WEEK_12 + number * DAY)
    assert story[SCHEDULE].state == "set"


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_where_a_placement_was_at_a_host_is_known_however_the_news_of_it_is_batched(at_once: int, tmp_path: Path, clock: Clock) -> None:
    worker = a_worker(SERVICE, tmp_path, clock)
    news = [a_placement(), a_document("work-schedule", "trainee", FIRST), AWAY, ELSEWHERE]
    messages = [a_message(event, number, clock.on(FIRST + number * DAY)) for number, event in enumerate(news, start=1)]
    for first in range(0, len(messages), at_once):
        batch = messages[first : first + at_once]
        worker.take_in(batch, batch[-1].time)
    with transaction(worker.engine) as session:
        states = {deadline.state for deadline in session.scalars(select(Deadline)) if deadline.rule == SCHEDULE and deadline.counts}
    assert states == {"set"}
