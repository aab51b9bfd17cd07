"""Heard twice, handled once; stale news is ignored for ever; what cannot be handled is kept and counted."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from shared import inbox
from shared.database import migrate, open_database, transaction
from shared.events import DeadlineSet, Event, PlacementWithdrawn
from shared.inbox import InboxMark, InboxRow, QuarantineRow
from shared.wire import Message, say
from tests.helpers import SOURCE, Clock, a_document, a_message, a_placement


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(f"sqlite:///{tmp_path}/eligibility.db")
    migrate(made, "eligibility")
    yield made
    made.dispose()


def hear(engine: Engine, clock: Clock, *messages: Message) -> list[tuple[str, int]]:
    """Take messages in, in one transaction; what must be handled."""
    with transaction(engine) as session:
        return [(message.data.type, message.sequence) for message in inbox.take_in(session, messages, clock())]


def heard(engine: Engine) -> list[str]:
    with transaction(engine) as session:
        return list(session.scalars(select(InboxRow.key)))


PLACED, ISSUED = "placement.updated", "document.issued"


def test_a_message_is_handled_once(engine: Engine, clock: Clock) -> None:
    message = a_message(a_document())
    assert hear(engine, clock, message) == [(ISSUED, 1)]
    assert hear(engine, clock, message) == []
    assert heard(engine) == [message.key]


def test_a_message_that_stands_twice_in_a_batch_is_handled_once(engine: Engine, clock: Clock) -> None:
    message = a_message(a_document())
    assert hear(engine, clock, message, a_message(a_placement()), message) == [(ISSUED, 1), (PLACED, 1)]


def test_the_same_id_from_another_source_is_another_message(engine: Engine, clock: Clock) -> None:
    one = a_message(a_document())
    two = Message(id=one.id, source=f"{SOURCE}:other", time=one.time, sequence=1, data=one.data)
    assert hear(engine, clock, one, two) == [(ISSUED, 1), (ISSUED, 1)]


def test_a_transaction_that_fails_has_heard_nothing(engine: Engine, clock: Clock) -> None:
    message = a_message(a_placement(), 3)

    def half_way() -> None:
        with transaction(engine) as session:
            inbox.take_in(session, [message], clock())
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_way()
    assert heard(engine) == []
    assert hear(engine, clock, a_message(a_placement(), 2), message) == [(PLACED, 2), (PLACED, 3)]


# ---- newer wins --------------------------------------------------------------------------------------------------


def test_stale_news_is_ignored_for_ever(engine: Engine, clock: Clock) -> None:
    assert hear(engine, clock, a_message(a_placement(), 5)) == [(PLACED, 5)]
    assert hear(engine, clock, a_message(a_placement(site="A"), 4)) == []
    assert hear(engine, clock, a_message(a_placement(site="B"), 1), a_message(a_placement(site="C"), 6)) == [(PLACED, 6)]


def test_stale_news_within_a_batch_is_ignored_from_its_place_on(engine: Engine, clock: Clock) -> None:
    batch = [a_message(a_placement(site=str(sequence)), sequence) for sequence in (2, 1, 3, 2)]
    assert hear(engine, clock, *batch) == [(PLACED, 2), (PLACED, 3)]


DEADLINE_FIELDS = {part.name for part in fields(DeadlineSet)}


def marked(engine: Engine) -> InboxMark:
    """The mark of the only stream."""
    with transaction(engine) as session:
        return session.scalars(select(InboxMark)).one()


def by_key(*messages: Message) -> list[Message]:
    return sorted(messages, key=lambda message: message.key)


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one after another"])
@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_of_news_of_the_same_sequence_the_highest_key_wins_in_any_order(
    engine: Engine, clock: Clock, order: tuple[int, ...], together: bool
) -> None:
    news = by_key(*(a_message(a_placement(site=site), 5) for site in "ABC"))
    batch = [news[place] for place in order]
    for messages in [batch] if together else [[message] for message in batch]:
        hear(engine, clock, *messages)
    assert marked(engine).key == news[-1].key
    assert len(heard(engine)) == 3


def test_news_of_the_same_sequence_is_handled_exactly_if_its_key_is_higher(engine: Engine, clock: Clock) -> None:
    low, middle, high = by_key(*(a_message(a_placement(site=site), 5) for site in "ABC"))
    assert hear(engine, clock, middle) == [(PLACED, 5)]
    assert hear(engine, clock, low) == []
    assert hear(engine, clock, high) == [(PLACED, 5)]


def test_what_comes_from_outside_is_ordered_by_time_and_then_by_sequence(engine: Engine, clock: Clock) -> None:
    at = clock()
    assert hear(engine, clock, a_message(a_placement(), 5, at)) == [(PLACED, 5)]
    assert hear(engine, clock, a_message(a_placement(site="A"), 9, at - timedelta(days=1))) == []
    assert hear(engine, clock, a_message(a_placement(site="B"), 6, at)) == [(PLACED, 6)]
    assert hear(engine, clock, a_message(a_placement(site="C"), 1, at + timedelta(days=1))) == [(PLACED, 1)]


def test_what_a_service_says_itself_is_ordered_by_its_sequence_whatever_its_clock_says(engine: Engine, clock: Clock) -> None:
    at = clock()
    shared = {part.name: getattr(a_placement(), part.name) for part in fields(a_placement()) if part.name in DEADLINE_FIELDS}
    deadline = DeadlineSet(
        **shared, deadline_id="d1", duty="contract", owner="lead-employer", recipient="trainee", due=at.date(), decision_id="x"
    )
    assert hear(engine, clock, a_message(deadline, 2, at)) == [("deadline.set", 2)]
    assert hear(engine, clock, a_message(deadline, 3, at - timedelta(seconds=1))) == [("deadline.set", 3)]
    assert hear(engine, clock, a_message(deadline, 1, at + timedelta(days=1))) == []


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_between_two_sources_the_time_wins_and_the_key_breaks_a_tie(engine: Engine, clock: Clock, order: tuple[int, ...]) -> None:
    at = clock()
    early = say(a_placement(), "urn:z", at, 9)
    late = say(a_placement(), "urn:a", at + timedelta(microseconds=1), 1)
    tied = say(a_placement(), "urn:b", at + timedelta(microseconds=1), 5)
    news = [early, late, tied]
    for place in order:
        hear(engine, clock, news[place])
    mark = marked(engine)
    assert (mark.sequence, mark.said_at, mark.key) == (5, tied.time, tied.key)


def test_a_mark_is_that_of_its_message(clock: Clock) -> None:
    message = say(a_placement(), "urn:a", clock(), 7)
    mark = InboxMark.of(message)
    assert (mark.stream, mark.sequence, mark.said_at, mark.key) == ("placement/p1", 7, clock(), message.key)
    assert not mark.is_older_than(message)


def test_a_withdrawal_overtakes_the_update_it_follows(engine: Engine, clock: Clock) -> None:
    withdrawn: Event = PlacementWithdrawn(placement_id="p1", reason="")
    assert hear(engine, clock, a_message(withdrawn, 2), a_message(a_placement(), 1)) == [("placement.withdrawn", 2)]


def test_subjects_and_kinds_are_counted_apart(engine: Engine, clock: Clock) -> None:
    hear(engine, clock, a_message(a_placement(), 5))
    assert hear(engine, clock, a_message(a_placement(placement_id="p2"), 1)) == [(PLACED, 1)]
    with transaction(engine) as session:
        marks = {mark.stream: mark.sequence for mark in session.scalars(select(InboxMark))}
    assert marks == {"placement/p1": 5, "placement/p2": 1}


def test_facts_that_do_not_replace_each_other_are_taken_in_whenever_they_come(engine: Engine, clock: Clock) -> None:
    late, early = a_message(a_document(document_id="a"), 5), a_message(a_document(document_id="b"), 1)
    assert hear(engine, clock, late, early) == [(ISSUED, 5), (ISSUED, 1)]


def test_the_largest_sequence_is_kept_exactly(engine: Engine, clock: Clock) -> None:
    hear(engine, clock, a_message(a_placement(), 2**63 - 1))
    assert hear(engine, clock, a_message(a_placement(site="A"), 2**63 - 2)) == []


# ---- quarantine --------------------------------------------------------------------------------------------------


def test_what_cannot_be_handled_is_kept_raw_with_its_reason_and_counted(engine: Engine, clock: Clock) -> None:
    first, body = clock(), b"\x00\xff not a message"
    for times in range(3):
        clock.now = first + timedelta(hours=times)
        with transaction(engine) as session:
            inbox.quarantine(session, [(body, f"reason {times}")], clock())
    with transaction(engine) as session:
        [row] = session.scalars(select(QuarantineRow))
    assert (row.body, row.reason, row.times) == (body, "reason 2", 3)
    assert (row.first_at, row.last_at) == (first, clock())


def test_different_bytes_are_kept_apart(engine: Engine, clock: Clock) -> None:
    with transaction(engine) as session:
        inbox.quarantine(session, [(b"one", ""), (b"two", "")], clock())
    with transaction(engine) as session:
        assert {row.body for row in session.scalars(select(QuarantineRow))} == {b"one", b"two"}
