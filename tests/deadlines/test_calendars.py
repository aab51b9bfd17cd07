"""What a calendar shows, and to whom: each duty as one entry that moves, is marked, is cancelled, and is gone in the end."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.deadlines.calendars import feed as feeds
from services.deadlines.calendars.feed import MOST_ENTRIES, feed
from services.deadlines.calendars.reading import Reader
from services.deadlines.duties import placement_duties
from shared.events import PlacementType, PlacementWithdrawn
from tests.deadlines.feeds import HOST, PERSON, SEPTEMBER, story_entries
from tests.deadlines.stories import FIRST, WEEK_6, Story
from tests.helpers import a_document, a_placement


def test_a_host_sees_what_it_owes_and_what_it_waits_for_and_nothing_else() -> None:
    found = story_entries(Story(a_placement()))
    assert [(entry.day.isoformat(), entry.categories[1], entry.summary) for entry in found] == [
        ("2027-05-12", "Awaited", "Placement information of doctor t1 due from the national body"),
        (
            "2027-06-09",
            "Owed",
            "Work schedule of doctor t1 due to Mersey and West Lancashire Teaching Hospitals NHS Trust (RBN)",
        ),
        ("2027-06-23", "Owed", "Duty roster due to doctor t1"),
    ]


def test_a_host_that_employs_its_own_doctors_owes_what_the_lead_employer_owes() -> None:
    own = a_placement(host="RBN", host_name="Mersey and West Lancashire Teaching Hospitals NHS Trust")
    found = story_entries(Story(own), Reader(host="RBN"))
    assert sorted(entry.categories for entry in found) == [
        ("Contract", "Owed"),
        ("Duty roster", "Owed"),
        ("Pay breakdown", "Owed"),
        ("Placement information", "Awaited"),
        ("Placement information", "Owed"),
        ("Work schedule", "Owed"),
    ]


def test_a_person_sees_what_is_due_to_them_and_the_first_day() -> None:
    found = story_entries(Story(a_placement()), PERSON)
    assert {entry.summary.partition(" due from")[0] for entry in found} == {
        "Placement information",
        "Work schedule",
        "Contract",
        "Pay breakdown",
        "Duty roster",
        "Placement starts at Lancashire Teaching Hospitals NHS Foundation Trust (RXN)",
    }
    assert found[-1].day == date(2027, 8, 4)


def test_an_entry_says_why_it_is_due_and_where_that_stands() -> None:
    [roster] = [entry for entry in story_entries(Story(a_placement())) if entry.day == WEEK_6]
    assert "Why: The duty roster reaches the doctor six weeks before the start." in roster.description
    assert "Source: Code of Practice" in roster.description
    assert "Provision of information (OF-1)." in roster.description
    assert "Due by Wednesday 23 June 2027; that day is in time." in roster.description


def test_a_changed_start_moves_every_entry_and_counts_on() -> None:
    story = Story(a_placement())
    before = {entry.uid: entry for entry in story_entries(story)}
    story.hear(a_placement(start_date=SEPTEMBER))
    after = {entry.uid: entry for entry in story_entries(story)}
    assert before.keys() == after.keys()
    assert {after[uid].day - entry.day for uid, entry in before.items()} == {timedelta(days=28)}
    assert all(after[uid].sequence > entry.sequence for uid, entry in before.items())


def test_a_placement_that_goes_and_comes_back_keeps_its_entries_and_only_counts_up() -> None:
    story, seen = Story(a_placement()), []
    for event in (PlacementWithdrawn(placement_id="p1", reason="deleted"), a_placement(), a_placement(host="R0A"), a_placement()):
        seen.append({entry.uid: (entry.sequence, entry.cancelled) for entry in story_entries(story)})
        story.hear(event)
    seen.append({entry.uid: (entry.sequence, entry.cancelled) for entry in story_entries(story)})
    assert len({frozenset(each) for each in seen}) == 1
    for uid in seen[0]:
        assert [each[uid][1] for each in seen] == [False, True, False, True, False]
        counts = [each[uid][0] for each in seen]
        assert counts == sorted(set(counts)), "grows with every change"


def test_another_site_is_told_in_place_although_no_day_moves() -> None:
    story = Story(a_placement())
    before = {entry.uid: entry for entry in story_entries(story)}
    story.hear(a_placement(site="RXN01"))
    for entry in story_entries(story):
        assert (entry.location, entry.day) == ("RXN01", before[entry.uid].day)
        assert entry.sequence > before[entry.uid].sequence


def test_the_same_news_again_changes_not_a_byte() -> None:
    story = Story(a_placement())
    before = feed(HOST, story_entries(story), "https://example.org")
    story.hear(a_placement(), day=FIRST + timedelta(days=3))
    assert feed(HOST, story_entries(story), "https://example.org") == before


def test_what_was_issued_and_what_was_missed_is_marked() -> None:
    story = Story(a_placement())
    roster = story["duty-roster-to-trainee"]
    roster.state, roster.issued_on, roster.next_on = "met", date(2027, 6, 9), None
    story.strike(date(2027, 6, 10))
    found = {entry.summary.partition(":")[0]: entry for entry in story_entries(story, day=date(2027, 6, 10))}
    assert {mark for mark in found if " " not in mark} == {"Done", "Missed"}
    assert not found["Done"].takes_time
    assert "Issued on Wednesday 9 June 2027, in time." in found["Done"].description
    assert "nothing has been issued" in found["Missed"].description


def test_the_day_of_the_last_change_moves_with_every_change_and_never_back() -> None:
    story = Story(a_placement())
    document = a_document("duty-roster", "trainee", date(2027, 5, 14))
    news: list[tuple[date, Callable[[date], object]]] = [
        (date(2027, 5, 20), lambda day: story.hear(document, day=day)),
        (date(2027, 5, 25), lambda day: story.take_back(document.document_id, day)),
        (date(2027, 5, 27), lambda day: story.waive("duty-roster-to-trainee", date(2027, 6, 4), day)),
        (date(2027, 6, 5), story.strike),
        (date(2027, 6, 16), story.strike),
        (date(2027, 6, 18), lambda day: story.waive("duty-roster-to-trainee", date(2027, 7, 30), day)),
        (date(2027, 6, 20), lambda day: story.hear(replace(document, document_id="d2", issued_on=date(2027, 6, 19)), day=day)),
        (date(2027, 6, 22), lambda day: story.end_waiver("duty-roster-to-trainee", day)),
        (date(2027, 6, 25), lambda day: story.take_back("d2", day)),
        (date(2027, 6, 28), lambda day: story.hear(PlacementWithdrawn(placement_id="p1", reason="deleted"), day=day)),
    ]
    [uid] = [entry.uid for entry in story_entries(story) if entry.day == WEEK_6]
    sequence = 0
    for day, happens in news:
        happens(day)
        [roster] = [entry for entry in story_entries(story, day=day) if entry.uid == uid]
        assert (roster.changed_on, roster.sequence > sequence) == (day, True), day
        sequence = roster.sequence


def test_another_doctor_takes_the_placement_over_and_it_is_cancelled_for_the_first() -> None:
    story = Story(a_placement())
    before = {entry.uid for entry in story_entries(story, PERSON)}
    story.hear(a_placement(trainee_id="t2"))
    gone, new = story_entries(story, PERSON), story_entries(story, Reader(person="t2"))
    assert {entry.uid for entry in gone} == before
    assert all(entry.cancelled for entry in gone)
    assert not any("t2" in entry.summary + entry.description for entry in gone)
    assert len(new) == 6
    assert not any(entry.cancelled for entry in new)


@pytest.mark.parametrize(("days", "entries_left"), [(60, 3), (90, 3), (91, 0)])
def test_what_was_withdrawn_is_cancelled_for_ninety_days(days: int, entries_left: int) -> None:
    story = Story(a_placement(), PlacementWithdrawn(placement_id="p1", reason="deleted"))
    found = story_entries(story, day=FIRST + timedelta(days=days))
    assert [entry.cancelled for entry in found] == [True] * entries_left


@pytest.mark.parametrize(("days", "entries_left"), [(60, 3), (61, 2), (200, 0)])
def test_what_is_over_leaves_the_calendar_after_sixty_days(days: int, entries_left: int) -> None:
    assert len(story_entries(Story(a_placement()), day=date(2027, 5, 12) + timedelta(days=days))) == entries_left


def test_no_two_duties_of_a_placement_share_an_entry() -> None:
    for host, kind in itertools.product(("RXN", "RBN"), PlacementType.__args__):  # type: ignore[attr-defined]
        _, duties = placement_duties(a_placement(host=host, placement_type=kind), FIRST)
        assert len({(duty.duty, duty.recipient) for duty in duties}) == len(duties)


def test_a_calendar_has_an_end_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_ENTRIES", 2)
    text = feed(HOST, story_entries(Story(a_placement())), "https://example.org").decode()
    assert text.count("BEGIN:VEVENT") == 2
    assert "The first 2 of 3 entries" in text
    assert MOST_ENTRIES >= 500 * 3
