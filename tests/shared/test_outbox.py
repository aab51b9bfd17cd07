"""Events leave once their state is committed, by one relay at a time, and again after any doubt."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update

from shared import outbox
from shared.database import from_now, migrate, open_database, transaction
from shared.decisions import EditionRow
from shared.errors import LeaseLost
from shared.outbox import OutboxBatch, OutboxRow, Relay
from shared.wire import Envelope
from tests.helpers import Clock, a_document, a_message

LEASE_SECONDS = 30


class Broker:
    """A broker of this test: keeps what it is given, or refuses it."""

    def __init__(self) -> None:
        self.has: list[Envelope] = []
        self.away = False

    def publish(self, envelopes: Sequence[Envelope]) -> None:
        if self.away:
            raise ConnectionError("the broker is away")
        self.has += envelopes

    @property
    def keys(self) -> list[str]:
        """The keys of what it has."""
        return [envelope.key for envelope in self.has]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(f"sqlite:///{tmp_path}/eligibility.db")
    migrate(made, "eligibility")
    yield made
    made.dispose()


@pytest.fixture
def broker() -> Broker:
    return Broker()


def relay_of(engine: Engine, publish: Callable[[Sequence[Envelope]], None]) -> Relay:
    return Relay(engine, publish, LEASE_SECONDS)


def documents(*numbers: int) -> list[Envelope]:
    return [a_message(a_document(document_id=f"d{number}")).envelope() for number in numbers]


def say(engine: Engine, clock: Clock, *numbers: int, relay: Relay | None = None) -> list[str]:
    """Put documents into the outbox, as one batch; their keys."""
    envelopes = documents(*numbers)
    with transaction(engine) as session:
        batch = outbox.add(session, envelopes, clock(), relay)
    if relay is not None:
        relay.hand_over(batch)
    return [envelope.key for envelope in envelopes]


def rows(engine: Engine) -> list[OutboxRow]:
    with transaction(engine) as session:
        return list(session.scalars(select(OutboxRow).order_by(OutboxRow.batch, OutboxRow.number)))


def batches(engine: Engine) -> list[OutboxBatch]:
    """Those that are not confirmed yet."""
    with transaction(engine) as session:
        return list(session.scalars(select(OutboxBatch).order_by(OutboxBatch.batch)))


def let_leases_run_out(engine: Engine) -> None:
    """As if the database's clock had moved on."""
    with transaction(engine) as session:
        session.execute(update(OutboxBatch).values(leased_until=from_now(-1)))


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
        assert len(outbox.add(session, [*documents(1, 2), *documents(1)], clock()).envelopes) == 2
        assert [envelope.key for envelope in outbox.add(session, documents(2, 3), clock()).envelopes] == [documents(3)[0].key]
        assert outbox.add(session, [], clock()) == outbox.NOTHING
    assert len(rows(engine)) == 3


def test_a_row_holds_the_cloud_event_and_can_be_found_by_type_and_subject(engine: Engine, clock: Clock) -> None:
    say(engine, clock, 1)
    [row] = rows(engine)
    assert Envelope(row.type, row.key, row.subject, row.body, row.said_at, row.correlation_id) == documents(1)[0]
    assert (row.type, row.subject) == ("document.issued", "p1")


# ---- the relay ---------------------------------------------------------------------------------------------------


def test_messages_leave_in_the_order_in_which_they_were_said_and_once(engine: Engine, broker: Broker, clock: Clock) -> None:
    keys = [*say(engine, clock, 3, 1), *say(engine, clock, 2)]
    relay = relay_of(engine, broker.publish)
    assert [relay.step(), relay.step()] == [3, 0]
    assert broker.keys == keys
    assert (batches(engine), len(rows(engine))) == ([], 3)


def test_a_large_batch_leaves_in_parts(engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "PUBLISHED_AT_ONCE", 2)
    keys = say(engine, clock, 1, 2, 3)
    parts: list[list[str]] = []
    assert relay_of(engine, lambda part: parts.append([envelope.key for envelope in part])).step() == 3
    assert parts == [keys[:2], keys[2:]]


def test_nothing_is_locked_while_the_broker_takes_its_time(engine: Engine, clock: Clock) -> None:
    say(engine, clock, 1)

    def meanwhile(_: Sequence[Envelope]) -> None:
        say(engine, clock, 2)

    assert relay_of(engine, meanwhile).step() == 1
    assert len(batches(engine)) == 1


def test_two_relays_never_publish_the_same_batch_while_its_lease_lasts(engine: Engine, clock: Clock) -> None:
    broker = Broker()
    other = relay_of(engine, broker.publish)
    found: list[int] = []
    say(engine, clock, 1, 2)
    assert relay_of(engine, lambda _: found.append(other.step())).step() == 2
    assert (found, broker.has) == ([0], [])


def test_a_lease_that_has_run_out_is_taken_over_and_its_first_holder_takes_nothing_away(engine: Engine, clock: Clock) -> None:
    say(engine, clock, 1)
    left: list[int] = []

    def asleep(_: Sequence[Envelope]) -> None:
        let_leases_run_out(engine)
        relay_of(engine, awake).step()

    def awake(_: Sequence[Envelope]) -> None:
        raise ConnectionError("and then the broker goes away")

    with pytest.raises(ConnectionError):
        relay_of(engine, asleep).step()
    [batch] = batches(engine)
    assert (batch.lease_token, batch.attempts, left) == (None, 2, [])


def test_what_the_first_holder_marks_late_stays_with_the_second(engine: Engine, clock: Clock) -> None:
    say(engine, clock, 1)
    second = relay_of(engine, lambda _: None)

    def asleep(_: Sequence[Envelope]) -> None:
        let_leases_run_out(engine)
        assert second._lease() != []

    assert relay_of(engine, asleep).step() == 1
    [batch] = batches(engine)
    assert batch.lease_token == second.token


def test_what_could_not_be_published_is_given_back_at_once_and_leaves_later(engine: Engine, broker: Broker, clock: Clock) -> None:
    keys = say(engine, clock, 1, 2)
    broker.away = True
    with pytest.raises(ConnectionError):
        relay_of(engine, broker.publish).step()
    broker.away = False
    assert relay_of(engine, broker.publish).step() == 2
    assert broker.keys == keys


def test_a_batch_that_failed_does_not_hold_up_what_is_said_after_it(
    engine: Engine, broker: Broker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LEASED_AT_ONCE", 1)
    say(engine, clock, 1)
    broker.away = True
    with pytest.raises(ConnectionError):
        relay_of(engine, broker.publish).step()
    broker.away = False
    [later] = say(engine, clock, 2)
    assert relay_of(engine, broker.publish).step() == 1
    assert broker.keys == [later]


# ---- handed over -------------------------------------------------------------------------------------------------


def test_what_is_handed_over_is_leased_from_birth_and_leaves_without_being_read_back(engine: Engine, broker: Broker, clock: Clock) -> None:
    relay, other = relay_of(engine, broker.publish), relay_of(engine, broker.publish)
    keys = say(engine, clock, 1, 2, relay=relay)
    assert other.step() == 0
    assert relay.step() == 2
    assert (broker.keys, batches(engine)) == (keys, [])


def test_what_is_handed_over_to_a_relay_that_dies_leaves_once_its_lease_has_run_out(engine: Engine, broker: Broker, clock: Clock) -> None:
    keys = say(engine, clock, 1, relay=relay_of(engine, broker.publish))
    other = relay_of(engine, broker.publish)
    assert other.step() == 0
    let_leases_run_out(engine)
    assert other.step() == 1
    assert broker.keys == keys


def test_a_relay_that_has_no_room_is_handed_nothing_and_any_relay_may_publish_it(engine: Engine, broker: Broker, clock: Clock) -> None:
    relay = relay_of(engine, broker.publish)
    for number in range(outbox.HANDED_AT_ONCE):
        say(engine, clock, number, relay=relay)
    last = say(engine, clock, 100, relay=relay)
    assert relay_of(engine, broker.publish).step() == 1
    assert broker.keys == last


def test_a_relay_that_waits_is_woken_by_what_it_is_handed(engine: Engine, broker: Broker, clock: Clock) -> None:
    relay, sent = relay_of(engine, broker.publish), list[int]()
    waiting = threading.Thread(target=lambda: sent.append(relay.step(wait=600)), daemon=True)
    waiting.start()
    keys = say(engine, clock, 1, relay=relay)
    waiting.join(60)
    assert (sent, broker.keys) == ([1], keys)


def test_a_relay_that_is_handed_one_batch_after_the_other_looks_now_and_then_for_what_others_left(
    engine: Engine, broker: Broker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = relay_of(engine, broker.publish)
    monkeypatch.setattr(outbox, "LOOK_SECONDS", 3600.0)
    assert relay.step() == 0  # it has looked just now
    left, handed = say(engine, clock, 1), say(engine, clock, 2, relay=relay)
    assert relay.step() == 1
    assert broker.keys == handed
    monkeypatch.setattr(relay, "_looks_at", 0.0)  # an hour later
    handed += say(engine, clock, 3, relay=relay)
    assert relay.step() == 2
    assert broker.keys == handed + left


def test_what_was_handed_over_leaves_though_the_broker_refuses_what_others_left(engine: Engine, broker: Broker, clock: Clock) -> None:
    [bad] = say(engine, clock, 1)

    def choosy(envelopes: Sequence[Envelope]) -> None:
        if bad in [envelope.key for envelope in envelopes]:
            raise ConnectionError("refused")
        broker.publish(envelopes)

    relay = relay_of(engine, choosy)
    good = say(engine, clock, 2, relay=relay)
    with pytest.raises(ConnectionError):
        relay.step()
    assert broker.keys == good


def test_a_relay_that_ends_publishes_what_it_was_handed(engine: Engine, broker: Broker, clock: Clock) -> None:
    relay = relay_of(engine, broker.publish)
    say(engine, clock, 1, relay=relay)
    say(engine, clock, 2, relay=relay)
    relay.finish()
    assert (len(broker.has), batches(engine)) == (2, [])


# ---- restart -----------------------------------------------------------------------------------------------------


def test_everything_that_is_kept_is_published_again_after_a_restart_however_long_it_took(
    engine: Engine, broker: Broker, clock: Clock
) -> None:
    relay = relay_of(engine, broker.publish)
    keys = say(engine, clock, 1)
    relay.step()
    clock.now += timedelta(days=400)
    keys += say(engine, clock, 2)
    relay.step()
    broker.has.clear()
    assert relay.republish() == 2
    assert relay.step() == 2
    assert broker.keys == keys


def test_a_restart_takes_back_the_leases_of_the_process_that_died(engine: Engine, broker: Broker, clock: Clock) -> None:
    say(engine, clock, 1, relay=relay_of(engine, broker.publish))
    relay = relay_of(engine, broker.publish)
    assert relay.step() == 0
    assert relay.republish() == 1
    assert relay.step() == 1


# ---- retention ---------------------------------------------------------------------------------------------------


@pytest.fixture
def past(clock: Clock) -> Clock:
    """A clock that shows a day of years ago, so that there is room until the database's own today."""
    clock.on(date(2020, 1, 6))
    return clock


def test_what_was_said_long_before_the_newest_message_is_forgotten(engine: Engine, broker: Broker, past: Clock) -> None:
    relay = relay_of(engine, broker.publish)
    say(engine, past, 1, 2)
    past.now += timedelta(days=30)
    kept = say(engine, past, 3)
    past.now += timedelta(days=90)
    kept += say(engine, past, 4)
    relay.step()
    assert relay.forget(days=90) == 2
    assert [row.key for row in rows(engine)] == kept, "a message of just so many days ago stays"
    assert relay.forget(days=90) == 0


def test_a_service_that_was_away_forgets_nothing_that_was_on_its_way(engine: Engine, broker: Broker, past: Clock) -> None:
    relay = relay_of(engine, broker.publish)
    say(engine, past, 1)
    relay.step()
    past.now += timedelta(days=400)
    assert relay.forget(days=90) == 0


def test_a_clock_that_ran_ahead_makes_nothing_old(engine: Engine, broker: Broker, clock: Clock) -> None:
    relay = relay_of(engine, broker.publish)
    clock.now = datetime.now(UTC)
    say(engine, clock, 1)
    clock.now += timedelta(days=4_000)
    say(engine, clock, 2)
    relay.step()
    assert relay.forget(days=90) == 0


def test_what_the_broker_has_not_confirmed_is_never_forgotten_and_keeps_nothing_else(engine: Engine, broker: Broker, past: Clock) -> None:
    relay = relay_of(engine, broker.publish)
    broker.away = True
    waiting = say(engine, past, 1)
    with pytest.raises(ConnectionError):
        relay.step()
    broker.away = False
    say(engine, past, 2, relay=relay)
    relay._publish_handed()
    past.now += timedelta(days=400)
    newest = say(engine, past, 3)
    assert relay.forget(days=90) == 1
    assert [row.key for row in rows(engine)] == waiting + newest
    while relay.step():
        pass
    assert broker.keys[1:] == newest + waiting, "what did not fail before goes first"


def test_so_much_is_forgotten_in_one_transaction_as_nobody_waits_for(
    engine: Engine, broker: Broker, past: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "FORGOTTEN_AT_ONCE", 2)
    relay = relay_of(engine, broker.publish)
    for batch in range(4):
        say(engine, past, 2 * batch, 2 * batch + 1)
    past.now += timedelta(days=400)
    say(engine, past, 99)
    relay.step()
    assert [relay.forget(days=90) for _ in range(5)] == [2, 2, 2, 2, 0]


def test_an_empty_outbox_has_nothing_to_forget(engine: Engine, broker: Broker) -> None:
    assert relay_of(engine, broker.publish).forget(days=90) == 0


def test_a_database_is_tried_out_without_leaving_a_trace(engine: Engine, clock: Clock) -> None:
    outbox.try_out(engine, clock())
    assert batches(engine) == []


# ---- what fails again and again, and what takes long ---------------------------------------------------------------


def test_a_batch_that_can_never_leave_takes_no_others_with_it(engine: Engine, broker: Broker, clock: Clock) -> None:
    good = [*say(engine, clock, 1), *say(engine, clock, 2)]
    [bad] = say(engine, clock, 3)

    def picky(envelopes: Sequence[Envelope]) -> None:
        if any(envelope.key == bad for envelope in envelopes):
            raise ValueError("this one cannot be written down")
        broker.publish(envelopes)

    relay = relay_of(engine, picky)
    for _ in range(6):
        with suppress(ValueError):
            relay.step()
    assert broker.keys == good
    assert [batch.attempts for batch in batches(engine)] == [4]


def test_a_lease_is_renewed_while_there_is_more_to_publish(engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "PUBLISHED_AT_ONCE", 1)
    say(engine, clock, 1, 2, 3)
    other = relay_of(engine, lambda _: None)
    found: list[int] = []

    def slowly(_: Sequence[Envelope]) -> None:
        found.append(other.step())
        with transaction(engine) as session:  # nearly over
            session.execute(update(OutboxBatch).values(leased_until=from_now(1)))

    assert relay_of(engine, slowly).step() == 3
    assert (found, batches(engine)) == ([0, 0, 0], [])


def test_a_relay_that_was_overtaken_stops_and_leaves_the_rest_to_the_other(
    engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PUBLISHED_AT_ONCE", 1)
    say(engine, clock, 1, 2)
    other = relay_of(engine, lambda _: None)

    def overslept(_: Sequence[Envelope]) -> None:
        let_leases_run_out(engine)
        assert other._lease() != []

    with pytest.raises(LeaseLost):
        relay_of(engine, overslept).step()
    assert [batch.lease_token for batch in batches(engine)] == [other.token]
