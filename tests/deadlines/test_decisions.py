"""What an event means for a placement's deadlines. No database: files in memory, the day as an argument."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from shared.errors import InvalidFacts
from shared.events import DeadlineApproaching, DeadlineMet, DeadlineMissed, DeadlineSet, DeadlineWithdrawn, Event, PlacementWithdrawn
from tests.deadlines.stories import DUE, FIRST, WEEK_6, WEEK_8, WEEK_12, Story
from tests.helpers import a_document, a_placement


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


# ---- a placement is heard of -------------------------------------------------------------------------------------


def test_a_new_placement_sets_seven_deadlines_on_the_right_days() -> None:
    story = Story()
    said = story.hear(a_placement())
    assert kinds(said) == [DeadlineSet] * 7
    assert story.open == DUE
    assert {event.subject for event in said} == {f"p1/{rule}/1" for rule in DUE}
    assert [saying.sequence for saying in story.said] == [1] * 7


def test_a_deadline_knows_who_owes_what_to_whom_and_by_which_decision() -> None:
    story = Story(a_placement())
    roster = story["duty-roster-to-trainee"]
    assert (roster.owner, roster.duty, roster.recipient) == ("host", "duty-roster", "trainee")
    assert (roster.host, roster.lead_employer, roster.trainee_id, roster.set_on) == ("RXN", "RBN", "t1", FIRST)
    assert roster.decision_id == story.file.decisions[0].id


def test_where_the_host_is_the_lead_employer_nothing_is_handed_over() -> None:
    story = Story(a_placement(host="RBN"))
    assert story.open == {
        "work-schedule-to-trainee-by-own-host": WEEK_8,
        **{rule: due for rule, due in DUE.items() if not rule.startswith("work-schedule")},
    }


def test_time_out_of_programme_sets_nothing() -> None:
    assert Story().hear(a_placement(placement_type="out-of-programme")) == []


def test_a_type_of_placement_that_nobody_knows_is_refused_and_leaves_no_deadline() -> None:
    story = Story()
    with pytest.raises(InvalidFacts, match="placement_type"):
        story.hear(a_placement(placement_type="on-the-moon"))
    assert story.file.deadlines == []


# ---- documents ---------------------------------------------------------------------------------------------------


def test_a_document_meets_its_own_deadline_and_no_other() -> None:
    story = Story(a_placement())
    [met] = story.hear(a_document("work-schedule", "trainee", WEEK_8 - timedelta(days=1)))
    assert isinstance(met, DeadlineMet)
    assert (met.subject, met.issued_on, met.days_late) == ("p1/work-schedule-to-trainee/1", date(2027, 6, 8), 0)
    assert {rule for rule in DUE if story[rule].state == "met"} == {"work-schedule-to-trainee"}


def test_a_document_that_comes_before_its_placement_counts_once_the_placement_is_known() -> None:
    story = Story()
    assert story.hear(a_document("contract", "trainee", date(2027, 5, 1))) == []
    said = story.hear(a_placement())
    assert kinds(said) == [DeadlineSet] * 5 + [DeadlineMet] + [DeadlineSet] * 2
    assert [saying.sequence for saying in story.said if saying.event.subject == "p1/contract-to-trainee/1"] == [1, 2]
    assert (story["contract-to-trainee"].state, story["contract-to-trainee"].next_on) == ("met", None)


def test_on_the_due_day_is_in_time_and_the_day_after_is_a_day_late() -> None:
    story = Story(a_placement())
    [met] = story.hear(a_document("duty-roster", "trainee", WEEK_6))
    [late] = story.hear(a_document("contract", "trainee", WEEK_8 + timedelta(days=1)))
    assert isinstance(met, DeadlineMet)
    assert isinstance(late, DeadlineMet)
    assert (met.days_late, story["duty-roster-to-trainee"].state) == (0, "met")
    assert (late.days_late, story["contract-to-trainee"].state) == (1, "met-late")


def test_an_earlier_document_wins_though_it_is_recorded_later() -> None:
    story = Story(a_placement(), a_document("contract", "trainee", WEEK_8 + timedelta(days=20)))
    [again] = story.hear(a_document("contract", "trainee", WEEK_8))
    assert isinstance(again, DeadlineMet)
    assert (again.issued_on, again.days_late, story["contract-to-trainee"].state) == (WEEK_8, 0, "met")
    assert story.said[-1].sequence == 3, "newer news of the same deadline"


def test_a_later_document_says_nothing_new() -> None:
    story = Story(a_placement(), a_document("contract", "trainee", WEEK_8))
    assert story.hear(a_document("contract", "trainee", WEEK_8 + timedelta(days=3))) == []
    assert story["contract-to-trainee"].issued_on == WEEK_8


def test_the_same_document_again_says_nothing_and_is_kept_once() -> None:
    document = a_document("contract", "trainee")
    story = Story(a_placement(), document)
    assert story.hear(document, document) == []
    assert len(story.file.documents) == 1


def test_a_document_about_another_host_meets_nothing() -> None:
    assert Story(a_placement()).hear(a_document(host="R0A")) == []


@pytest.mark.parametrize(
    ("kind", "to", "owner", "others"),
    [
        ("work-schedule", "lead-employer", "RXN", ("RBN", "X24", "R0A")),
        ("work-schedule", "trainee", "RBN", ("RXN", "X24", "R0A")),
        ("duty-roster", "trainee", "RXN", ("RBN", "X24", "R0A")),
    ],
)
def test_only_the_party_that_owes_a_document_can_meet_the_deadline_with_it(kind: str, to: str, owner: str, others: Sequence[str]) -> None:
    story = Story(a_placement())
    for other in others:
        assert story.hear(a_document(kind, to, document_id=other, issued_by=other)) == []
    assert kinds(story.hear(a_document(kind, to, document_id=owner, issued_by=owner))) == [DeadlineMet]


@pytest.mark.parametrize("issuer", ["X24", "RBN", "RXN"])
def test_what_the_national_body_owes_anybody_may_pass_on(issuer: str) -> None:
    assert kinds(Story(a_placement()).hear(a_document("placement-information", "host", WEEK_12, issued_by=issuer))) == [DeadlineMet]


def test_once_the_lead_employer_changes_only_the_new_one_can_issue_what_it_owes() -> None:
    story = Story(a_placement(), a_document("contract", "trainee", issued_by="RBN"), a_placement(lead_employer="R0A"))
    assert story["contract-to-trainee"].state == "set"
    assert kinds(story.hear(a_document("contract", "trainee", document_id="new", issued_by="R0A"))) == [DeadlineMet]


# ---- a placement changes -----------------------------------------------------------------------------------------


def test_a_change_in_spelling_is_not_news() -> None:
    story = Story(a_placement())
    assert story.hear(a_placement(host_name="LANCASHIRE TEACHING HOSPITALS", site="rxn02 ", grade="ST4", specialty="Renal Medicine")) == []
    assert story.file.placement is not None
    assert story.file.placement.grade == "ST4"


def test_when_the_start_moves_the_old_deadlines_are_kept_as_withdrawn_and_new_ones_set() -> None:
    story = Story(a_placement())
    said = story.hear(a_placement(start_date=date(2027, 9, 1)), day=date(2027, 6, 1))
    assert kinds(said) == [DeadlineWithdrawn] * 7 + [DeadlineSet] * 7
    assert story.open == {rule: due + timedelta(weeks=4) for rule, due in DUE.items()}
    old = [deadline for deadline in story.file.deadlines if not deadline.counts]
    assert {(deadline.rule, deadline.due) for deadline in old} == set(DUE.items())
    assert {(deadline.revision, deadline.withdrawn_on, deadline.next_on) for deadline in old} == {(1, date(2027, 6, 1), None)}
    assert {deadline.reason for deadline in old} == {"the start moved from 2027-08-04 to 2027-09-01"}
    assert {deadline.revision for deadline in story.file.in_force()} == {2}


def test_documents_already_issued_still_count_when_the_start_moves() -> None:
    story = Story(a_placement(), a_document("work-schedule", "trainee", WEEK_8 + timedelta(days=5)))
    assert story["work-schedule-to-trainee"].state == "met-late"
    story.hear(a_placement(start_date=date(2027, 9, 1)))
    assert (story["work-schedule-to-trainee"].state, story["work-schedule-to-trainee"].revision) == ("met", 2)


def test_what_was_in_time_is_late_for_a_start_that_was_brought_forward() -> None:
    story = Story(a_placement(start_date=date(2027, 9, 1)), a_document("contract", "trainee", WEEK_8 + timedelta(days=5)))
    assert story["contract-to-trainee"].state == "met"
    story.hear(a_placement())
    assert (story["contract-to-trainee"].state, story["contract-to-trainee"].days_late) == ("met-late", 5)


def test_documents_of_the_old_host_do_not_count_for_the_new_one_and_count_again_when_it_comes_back() -> None:
    story = Story(a_placement(), a_document("work-schedule", "trainee"))
    said = story.hear(a_placement(host="R0A", host_name="Manchester University NHS Foundation Trust"))
    assert kinds(said) == [DeadlineWithdrawn] * 7 + [DeadlineSet] * 7
    assert {deadline.reason for deadline in story.file.deadlines if not deadline.counts} == {"the host changed from RXN to R0A"}
    assert {deadline.state for deadline in story.file.in_force()} == {"set"}
    story.hear(a_placement())
    assert (story["work-schedule-to-trainee"].state, story["work-schedule-to-trainee"].revision) == ("met", 3)


def test_a_new_lead_employer_gets_deadlines_of_its_own() -> None:
    story = Story(a_placement())
    said = story.hear(a_placement(lead_employer="R0A"))
    assert kinds(said) == [DeadlineWithdrawn] * 7 + [DeadlineSet] * 7
    assert {deadline.reason for deadline in story.file.deadlines if not deadline.counts} == {"the lead employer changed from RBN to R0A"}


def test_a_placement_that_becomes_time_out_of_programme_loses_its_deadlines_with_the_reason() -> None:
    story = Story(a_placement())
    assert kinds(story.hear(a_placement(placement_type="out-of-programme"))) == [DeadlineWithdrawn] * 7
    assert {deadline.reason for deadline in story.file.deadlines} == {
        "a placement of type out-of-programme that ends on 2028-02-01 has no such duty, or another due day"
    }


CHANGE = date(2027, 6, 15)


def test_another_doctor_on_the_placement_is_owed_everything_anew() -> None:
    story = Story(a_placement(), a_document("contract", "trainee"))
    said = story.hear(a_placement(trainee_id="t2"), day=CHANGE)
    assert kinds(said) == [DeadlineWithdrawn] * 7 + [DeadlineSet] * 7
    assert {deadline.reason for deadline in story.file.deadlines if not deadline.counts} == {"another doctor takes the placement"}
    assert {(deadline.trainee_id, deadline.revision, deadline.state) for deadline in story.file.in_force()} == {("t2", 2, "set")}
    assert kinds(story.hear(a_document("contract", "trainee", CHANGE, document_id="for t2"), day=CHANGE)) == [DeadlineMet]


def test_what_was_issued_before_another_doctor_came_counts_for_nobody_after() -> None:
    story = Story(a_placement())
    story.hear(a_placement(trainee_id="t2"), day=CHANGE)
    assert story.hear(a_document("contract", "trainee", CHANGE - timedelta(days=1)), day=CHANGE) == []
    story.hear(a_placement(), day=CHANGE + timedelta(days=1))
    assert {deadline.state for deadline in story.file.in_force()} == {"set"}, "a doctor who comes back is owed everything anew"


def test_a_document_that_comes_before_its_placement_counts_for_it() -> None:
    story = Story(a_document("contract", "trainee"))
    story.hear(a_placement())
    assert story["contract-to-trainee"].state == "met"


@pytest.mark.parametrize(("days_over", "deadlines"), [(0, 7), (1, 0)])
def test_a_placement_that_is_over_when_it_is_first_heard_of_sets_nothing(days_over: int, deadlines: int) -> None:
    story = Story(a_document("contract", "trainee"))
    story.hear(a_placement(), day=date(2028, 2, 1) + timedelta(days=days_over))
    assert len(story.file.deadlines) == deadlines
    assert story.file.placement is not None, "it is known all the same"


def test_news_of_a_placement_that_is_over_leaves_its_deadlines_as_they_were() -> None:
    story = Story(a_placement(), a_document("contract", "trainee"))
    assert story.hear(a_placement(grade="ST4"), day=date(2028, 2, 2)) == []
    assert story.open == DUE


BEFORE_THE_POLICY = date(2014, 8, 6)


@pytest.mark.parametrize("ends", [date(2015, 8, 4), date(2030, 8, 1)])
def test_a_placement_that_began_before_the_policy_is_known_and_without_duties_whether_it_is_over_or_runs(ends: date) -> None:
    story = Story()
    assert story.hear(a_placement(start_date=BEFORE_THE_POLICY, end_date=ends)) == []
    assert (story.file.deadlines, story.file.decisions) == ([], [])
    assert story.file.placement is not None
    assert story.file.placement.start_date == BEFORE_THE_POLICY


def test_a_start_that_is_moved_before_the_policy_ends_the_deadlines_and_moved_back_sets_them_anew() -> None:
    story = Story(a_placement())
    assert kinds(story.hear(a_placement(start_date=BEFORE_THE_POLICY))) == [DeadlineWithdrawn] * 7
    assert {deadline.reason for deadline in story.file.deadlines} == {"the start moved from 2027-08-04 to 2014-08-06"}
    assert kinds(story.hear(a_placement())) == [DeadlineSet] * 7
    assert story.open == DUE


# ---- a placement is withdrawn ------------------------------------------------------------------------------------

WITHDRAWN = PlacementWithdrawn(placement_id="p1", reason="deleted in TIS")


def test_a_withdrawal_ends_every_deadline_and_keeps_the_day_on_which_one_was_met() -> None:
    story = Story(a_placement(), a_document("contract", "trainee", WEEK_8))
    said = story.hear(WITHDRAWN)
    assert kinds(said) == [DeadlineWithdrawn] * 7
    assert story.open == {}
    assert {(deadline.state, deadline.reason) for deadline in story.file.deadlines} == {
        ("withdrawn", "the placement was withdrawn: deleted in TIS")
    }
    assert {deadline.rule: deadline.issued_on for deadline in story.file.deadlines if deadline.issued_on} == {"contract-to-trainee": WEEK_8}
    assert story.strike(date(2027, 8, 4)) == []


def test_a_withdrawal_of_a_placement_that_nobody_knew_says_nothing() -> None:
    assert Story().hear(WITHDRAWN) == []


def test_a_placement_that_comes_back_has_all_its_deadlines_again() -> None:
    story = Story(a_placement(), a_document("contract", "trainee"), WITHDRAWN)
    assert kinds(story.hear(a_placement())) == [DeadlineSet] * 5 + [DeadlineMet] + [DeadlineSet] * 2
    assert story.open == DUE
    assert (story["contract-to-trainee"].revision, story["duty-roster-to-trainee"].revision) == (2, 2)
    assert story["contract-to-trainee"].state == "met", "its document was not taken back"
    assert story.file.placement is not None
    assert story.file.placement.withdrawn is None


# ---- the clock strikes -------------------------------------------------------------------------------------------


def test_a_reminder_comes_a_week_before_and_the_miss_on_the_day_after() -> None:
    story = Story(a_placement())
    assert kinds(story.strike(FIRST)) == [DeadlineApproaching] * 2
    assert story.strike(WEEK_12) == []
    assert kinds(story.strike(WEEK_12 + timedelta(days=1))) == [DeadlineMissed] * 2
    assert story["placement-information-to-host"].state == "missed"
    assert story.strike(WEEK_12 + timedelta(days=2)) == []


def test_a_placement_told_on_the_due_day_approaches_at_once_and_one_told_later_was_missed() -> None:
    on_the_day, later = Story(), Story()
    on_the_day.hear(a_placement(), day=WEEK_12)
    later.hear(a_placement(), day=WEEK_12 + timedelta(days=1))
    assert kinds(on_the_day.strike(WEEK_12)) == [DeadlineApproaching] * 2
    assert kinds(later.strike(WEEK_12 + timedelta(days=1))) == [DeadlineMissed] * 2


def test_a_document_that_is_recorded_late_but_was_issued_in_time_mends_a_miss() -> None:
    story = Story(a_placement())
    story.strike(WEEK_12 + timedelta(days=1))
    [met] = story.hear(replace(a_document("placement-information", "host", WEEK_12), issued_by="X24"))
    assert isinstance(met, DeadlineMet)
    assert (met.days_late, story["placement-information-to-host"].state) == (0, "met")
