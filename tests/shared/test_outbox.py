"""Events leave once their state is committed, by one relay at a time, and again after any doubt."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from shared import outbox
from shared.database import migrate, open_database, transaction
from shared.decisions import EditionRow
from shared.outbox import OutboxRow, Relay
from shared.wire import Message
from tests.helpers import Clock, a_document, a_message

LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
Row = tuple[str, str, str]


class Broker:
    """A broker of this test: keeps what it is given, or refuses it."""

    def __init__(self) -> None:
        self.has: list[Row] = []
        self.away = False

    def publish(self, rows: Sequence[Row]) -> None:
        if self.away:
            raise ConnectionError("the broker is away")
        self.has += rows

    @property
    def subjects(self) -> list[str]:
        """The keys of what it has, without their source."""
        return [key for _, key, _ in self.has]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(f"sqlite:///{tmp_path}/eligibility.db")
    migrate(made, "eligibility")
    yield made
    made.dispose()


@pytest.fixture
def broker() -> Broker:
    return Broker()


def relay_of(engine: Engine, broker: Broker, batch: int = 10) -> Relay:
    return Relay(engine, broker.publish, batch, LEASE)


def documents(*numbers: int) -> list[Message]:
    return [a_message(a_document(document_id=f"d{number}")) for number in numbers]


def say(engine: Engine, clock: Clock, *numbers: int) -> list[str]:
    """Put documents into the outbox; their keys."""
    messages = documents(*numbers)
    with transaction(engine) as session:
        outbox.add(session, messages, clock())
    return [message.key for message in messages]


def rows(engine: Engine) -> list[OutboxRow]:
    with transaction(engine) as session:
        return list(session.scalars(select(OutboxRow).order_by(OutboxRow.batch, OutboxRow.number)))


# ---- said with the state -----------------------------------------------------------------------------------------


def test_state_and_message_commit_together(engine: Engine, clock: Clock) -> None:
    with transaction(engine) as session:
        session.add(EditionRow("sha256:x", "size", "{}"))
        outbox.add(session, documents(1), clock())
    with transaction(engine) as session:
        assert len(list(session.scalars(select(EditionRow)))) == len(list(session.scalars(select(OutboxRow)))) == 1


def test_neither_state_nor_message_stays_if_either_fails(engine: Engine, clock: Clock) -> None:
    def half_way() -> None:
        with transaction(engine) as session:
            session.add(EditionRow("sha256:x", "size", "{}"))
            outbox.add(session, documents(1), clock())
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_way()
    with transaction(engine) as session:
        assert list(session.scalars(select(EditionRow))) == []
        assert list(session.scalars(select(OutboxRow))) == []


def test_what_was_said_is_not_said_twice(engine: Engine, clock: Clock) -> None:
    with transaction(engine) as session:
        assert outbox.add(session, [*documents(1, 2), *documents(1)], clock()) == 2
        assert outbox.add(session, documents(2, 3), clock()) == 1
        assert outbox.add(session, [], clock()) == 0
    assert len(rows(engine)) == 3


def test_a_row_holds_the_cloud_event_and_can_be_found_by_type_and_subject(engine: Engine, clock: Clock) -> None:
    say(engine, clock, 1)
    [row] = rows(engine)
    assert (row.type, row.subject, row.body) == ("document.issued", "p1", documents(1)[0].to_json())
    assert (row.said_at, row.published_at, row.attempts) == (clock(), None, 0)


# ---- the relay ---------------------------------------------------------------------------------------------------


def test_messages_leave_in_the_order_in_which_they_were_said_and_once(engine: Engine, broker: Broker, clock: Clock) -> None:
    keys = say(engine, clock, 3, 1, 2)
    relay = relay_of(engine, broker)
    assert [relay.step(clock()), relay.step(clock())] == [3, 0]
    assert broker.subjects == keys
    assert {(row.published_at, row.lease_token, row.attempts) for row in rows(engine)} == {(clock(), None, 1)}


def test_a_step_publishes_no_more_than_a_batch(engine: Engine, broker: Broker, clock: Clock) -> None:
    keys = say(engine, clock, 1, 2, 3)
    relay = relay_of(engine, broker, batch=2)
    assert [relay.step(clock()) for _ in range(3)] == [2, 1, 0]
    assert broker.subjects == keys


def test_nothing_is_locked_while_the_broker_takes_its_time(engine: Engine, clock: Clock) -> None:
    say(engine, clock, 1)

    def while_it_lasts(_: Sequence[Row]) -> None:
        say(engine, clock, 2)

    assert Relay(engine, while_it_lasts, 10, LEASE).step(clock()) == 1
    assert [row.published_at is None for row in rows(engine)] == [False, True]


def test_two_relays_never_publish_the_same_row_while_its_lease_lasts(engine: Engine, clock: Clock) -> None:
    broker = Broker()
    other = relay_of(engine, broker)
    published: list[Row] = []
    found: list[int] = []

    def slowly(taken: Sequence[Row]) -> None:
        found.append(other.step(clock() + LEASE))
        published.extend(taken)

    say(engine, clock, 1, 2)
    assert Relay(engine, slowly, 10, LEASE).step(clock()) == 2
    assert (found, broker.has, len(published)) == ([0], [], 2)


def test_a_lease_that_has_run_out_is_taken_over_and_its_first_holder_marks_nothing(engine: Engine, clock: Clock) -> None:
    broker = Broker()
    other = relay_of(engine, broker)
    late = clock() + LEASE + SECOND
    say(engine, clock, 1)

    def asleep(_: Sequence[Row]) -> None:
        assert other.step(late) == 1

    Relay(engine, asleep, 10, LEASE).step(clock())
    [row] = rows(engine)
    assert (row.published_at, row.attempts, len(broker.has)) == (late, 2, 1)


def test_what_could_not_be_published_stays_unmarked_and_leaves_once_its_lease_is_over(engine: Engine, broker: Broker, clock: Clock) -> None:
    keys = say(engine, clock, 1, 2)
    relay = relay_of(engine, broker)
    broker.away = True
    with pytest.raises(ConnectionError):
        relay.step(clock())
    assert {row.published_at for row in rows(engine)} == {None}
    broker.away = False
    assert relay.step(clock() + LEASE) == 0, "the lease still holds"
    assert relay.step(clock() + LEASE + SECOND) == 2
    assert broker.subjects == keys
    assert {row.attempts for row in rows(engine)} == {2}


def test_one_batch_that_failed_does_not_hold_up_what_is_said_after_it(engine: Engine, broker: Broker, clock: Clock) -> None:
    say(engine, clock, 1)
    broker.away = True
    with pytest.raises(ConnectionError):
        relay_of(engine, broker).step(clock())
    broker.away = False
    [later] = say(engine, clock, 2)
    assert relay_of(engine, broker).step(clock()) == 1
    assert broker.subjects == [later]


def test_everything_ever_said_is_published_again_after_a_restart_however_long_it_took(engine: Engine, broker: Broker, clock: Clock) -> None:
    relay = relay_of(engine, broker)
    keys = say(engine, clock, 1)
    relay.step(clock())
    clock.now += timedelta(days=400)
    keys += say(engine, clock, 2)
    relay.step(clock())
    broker.has.clear()
    assert relay.republish() == 2
    assert relay.step(clock()) == 2
    assert broker.subjects == keys


def test_a_restart_takes_back_the_leases_of_the_process_that_died(engine: Engine, broker: Broker, clock: Clock) -> None:
    say(engine, clock, 1)
    broker.away = True
    with pytest.raises(ConnectionError):
        relay_of(engine, broker).step(clock())
    broker.away = False
    relay = relay_of(engine, broker)
    assert relay.republish() == 1
    assert relay.step(clock()) == 1
