"""Heard twice, handled once; stale news is ignored for ever; what cannot be handled is kept and counted."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from shared import inbox
from shared.database import migrate, open_database, transaction
from shared.events import Event, Message, PlacementWithdrawn
from shared.inbox import InboxMark, InboxRow, QuarantineRow
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


def test_news_of_the_same_sequence_is_taken(engine: Engine, clock: Clock) -> None:
    assert hear(engine, clock, a_message(a_placement(), 5)) == [(PLACED, 5)]
    assert hear(engine, clock, a_message(a_placement(site="A"), 5)) == [(PLACED, 5)]


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
            inbox.quarantine(session, body, f"reason {times}", clock())
    with transaction(engine) as session:
        [row] = session.scalars(select(QuarantineRow))
    assert (row.body, row.reason, row.times) == (body, "reason 2", 3)
    assert (row.first_at, row.last_at) == (first, clock())


def test_different_bytes_are_kept_apart(engine: Engine, clock: Clock) -> None:
    with transaction(engine) as session:
        inbox.quarantine(session, b"one", "", clock())
        inbox.quarantine(session, b"two", "", clock())
    with transaction(engine) as session:
        assert {row.body for row in session.scalars(select(QuarantineRow))} == {b"one", b"two"}
