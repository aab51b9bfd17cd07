"""A service at work: batches commit whole, poison suffers alone, an outage loses nothing, a restart delivers once."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy.exc import InterfaceError, OperationalError
from structlog.testing import capture_logs

from shared import inbox
from shared.bus.embedded import forget_embedded_queues
from shared.config import Config
from shared.database import transaction
from shared.inbox import InboxRow, QuarantineRow, fingerprint_of
from shared.outbox import OutboxRow, add
from shared.wire import Message
from shared.worker import CHORE_SECONDS, IDLE_SECONDS, Service, Worker, clock_of, today
from tests.helpers import Clock, a_document, a_message, a_placement, a_recipient, a_worker, put, settle
from tests.shared.scratch import Counting, count, rows

POISON = a_message(a_document("contract"))
AWAY = OperationalError("SELECT 1", {}, Exception("the database is away"))


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def worker(counting: Counting, tmp_path: Path, clock: Clock) -> Iterator[Worker]:
    made = a_worker(counting.service(), tmp_path, clock)
    yield made
    made.close()


def placements(*sequences: int, placement_id: str = "p1") -> list[Message]:
    return [a_message(a_placement(placement_id=placement_id, site=f"s{sequence}"), sequence) for sequence in sequences]


def quarantined(worker: Worker) -> dict[bytes, str]:
    return {row.body: row.reason for row in rows(worker, QuarantineRow)}


# ---- hearing -----------------------------------------------------------------------------------------------------


def test_what_is_heard_its_effects_and_what_is_said_of_it_commit_in_one_round(worker: Worker, counting: Counting) -> None:
    put(worker, *placements(1, 2), a_message(a_document()))
    assert worker.step() == 3
    assert counting.heard == [("p1", 1), ("p1", 2), ("p1", 1)]
    assert (count(worker, InboxRow), count(worker, OutboxRow)) == (3, 3)
    said = [row.body for row in rows(worker, OutboxRow)]
    assert all('"correlationid"' in body and '"source":"urn:tripartite:eligibility"' in body for body in said)


def test_the_same_message_heard_twice_is_handled_once_in_a_batch_and_later(worker: Worker, counting: Counting) -> None:
    [message] = placements(1)
    put(worker, message, message)
    settle(worker)
    put(worker, message)
    settle(worker)
    assert counting.heard == [("p1", 1)]
    assert count(worker, OutboxRow) == 1


def test_stale_news_has_no_effect_and_of_news_of_the_same_sequence_the_higher_key_has(worker: Worker, counting: Counting) -> None:
    low, high = sorted((a_message(a_placement(site=site), 5) for site in "AB"), key=lambda message: message.key)
    put(worker, low)
    settle(worker)
    put(worker, *placements(4), high, low)
    settle(worker)
    assert counting.heard == [("p1", 5), ("p1", 5)]
    put(worker, a_message(a_placement(site="again"), 4))
    settle(worker)
    assert (counting.heard, count(worker, OutboxRow)) == ([("p1", 5), ("p1", 5)], 2)


def test_a_batch_is_no_larger_than_it_may_be(counting: Counting, tmp_path: Path, clock: Clock) -> None:
    worker = Worker(counting.service(), Config(data=tmp_path, batch=2), clock)
    put(worker, *placements(1, 2, 3))
    worker.step()
    assert counting.heard == [("p1", 1), ("p1", 2)]
    settle(worker)
    assert counting.heard == [("p1", 1), ("p1", 2), ("p1", 3)]
    worker.close()


def test_a_type_that_nobody_here_consumes_is_skipped_and_not_quarantined(worker: Worker, counting: Counting) -> None:
    put(worker, a_message(a_recipient()).to_json().encode(), *placements(1))
    settle(worker)
    assert counting.heard == [("p1", 1)]
    assert quarantined(worker) == {}
    assert count(worker, InboxRow) == 1


# ---- poison ------------------------------------------------------------------------------------------------------


def test_a_poison_message_is_quarantined_raw_with_its_reason_and_its_neighbours_go_through(worker: Worker, counting: Counting) -> None:
    put(worker, *placements(1), POISON, *placements(2))
    settle(worker)
    reason = "the handler failed: ZeroDivisionError('contracts are poison here')"
    assert quarantined(worker) == {POISON.to_json().encode(): reason}
    assert {row.key for row in rows(worker, InboxRow)} == {message.key for message in placements(1, 2)}
    assert counting.heard[-2:] == [("p1", 1), ("p1", 2)]
    assert count(worker, OutboxRow) == 2


def test_a_poison_message_leaves_nothing_behind_but_itself(worker: Worker) -> None:
    put(worker, POISON)
    settle(worker)
    assert (count(worker, InboxRow), count(worker, OutboxRow), count(worker, QuarantineRow)) == (0, 0, 1)
    assert worker.step() == 0


@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"specversion": "1.0"}', "naïve".encode("latin-1")], ids=repr)
def test_bytes_that_are_no_event_are_quarantined_as_they_came(worker: Worker, counting: Counting, body: bytes) -> None:
    put(worker, body, *placements(1))
    settle(worker)
    [(kept, reason)] = quarantined(worker).items()
    assert kept == body
    assert reason.startswith(("This is not usable JSON: ", "The message must be a JSON object", "The message is not a usable CloudEvent"))
    assert counting.heard == [("p1", 1)]


def test_a_message_of_wrong_fields_is_quarantined_with_an_entry_for_each(worker: Worker) -> None:
    put(worker, a_message(a_placement()).to_json().replace("2027-08-04", "soon").replace("ST3", "x" * 600).encode())
    settle(worker)
    [reason] = quarantined(worker).values()
    assert "data.start_date: " in reason
    assert "data.grade: " in reason


def test_a_batch_that_is_tried_again_after_an_outage_counts_its_poison_once(worker: Worker, counting: Counting) -> None:
    put(worker, *placements(1), POISON, b"not json", *placements(2))
    counting.outage = AWAY
    for _ in range(2):
        with pytest.raises(OperationalError):
            worker.step()
    assert count(worker, QuarantineRow) == 0
    counting.outage = None
    settle(worker)
    assert {row.times for row in rows(worker, QuarantineRow)} == {1}
    assert count(worker, QuarantineRow) == 2


@pytest.mark.parametrize("body", [b'{"secret": "in the body"}', POISON.to_json().encode()], ids=["malformed", "poison"])
def test_the_log_of_a_quarantine_carries_the_fingerprint_and_nothing_of_the_message(worker: Worker, body: bytes) -> None:
    put(worker, body)
    with capture_logs() as logs:
        settle(worker)
    [line] = [entry for entry in logs if entry["event"] == "message.quarantined"]
    assert line == {"event": "message.quarantined", "log_level": "error", "service": "eligibility", "fingerprint": fingerprint_of(body)}
    assert not any(word in repr(logs) for word in ("secret", "are poison", "p1", "RXN"))


# ---- outage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [AWAY, InterfaceError("SELECT 1", {}, Exception("away"))], ids=["operational", "interface"])
def test_an_outage_quarantines_nothing_and_the_messages_are_handled_later(worker: Worker, counting: Counting, error: Exception) -> None:
    put(worker, *placements(1, 2))
    counting.outage = error
    for _ in range(3):
        with pytest.raises(type(error)):
            worker.step()
    assert (count(worker, InboxRow), count(worker, QuarantineRow), counting.heard) == (0, 0, [])
    counting.outage = None
    settle(worker)
    assert counting.heard == [("p1", 1), ("p1", 2)]
    assert (count(worker, InboxRow), count(worker, QuarantineRow)) == (2, 0)


def test_an_outage_while_a_batch_is_replayed_one_by_one_loses_and_doubles_nothing(worker: Worker, counting: Counting) -> None:
    put(worker, *placements(1), POISON, *placements(2))
    handle = counting.read

    def away_after_the_first(session: object, messages: object) -> object:
        counting.outage = AWAY if counting.heard[1:] else None
        return handle(session, messages)  # type: ignore[arg-type]

    broken = Service(worker.service.name, worker.service.consumers, away_after_the_first)  # type: ignore[arg-type]
    whole, worker.consumers[0]._service = worker.service, broken
    with pytest.raises(OperationalError):
        worker.step()
    assert (count(worker, InboxRow), count(worker, QuarantineRow)) == (1, 0)
    counting.outage, worker.consumers[0]._service = None, whole
    settle(worker)
    assert {row.key for row in rows(worker, InboxRow)} == {message.key for message in placements(1, 2)}
    assert (count(worker, OutboxRow), count(worker, QuarantineRow)) == (2, 1)


def test_an_outage_while_a_malformed_message_is_kept_loses_none_of_its_neighbours(
    worker: Worker, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(worker, *placements(1))
    settle(worker)
    put(worker, b"not json", *placements(2))

    def away(*_: object) -> None:
        raise AWAY

    with monkeypatch.context() as patched:
        patched.setattr(inbox, "quarantine", away)
        for _ in range(2):
            with pytest.raises(OperationalError):
                worker.step()
    settle(worker)
    assert (count(worker, InboxRow), count(worker, OutboxRow), count(worker, QuarantineRow)) == (2, 2, 1)


def test_embedded_a_batch_is_held_however_long_an_outage_lasts(worker: Worker, counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.consumer.HELD_AT_MOST", 0.0)
    put(worker, *placements(1, 2))
    counting.outage = AWAY
    for _ in range(3):
        with pytest.raises(OperationalError):
            worker.step()
    counting.outage = None
    settle(worker)
    assert counting.heard[-2:] == [("p1", 1), ("p1", 2)]
    assert (count(worker, InboxRow), count(worker, QuarantineRow)) == (2, 0)


@pytest.mark.parametrize("error", [AWAY, InterfaceError("SELECT 1", {}, Exception("away"))], ids=["operational", "interface"])
def test_an_outage_while_a_poison_message_is_kept_quarantines_it_later(
    worker: Worker, counting: Counting, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(worker, *placements(1), POISON, *placements(2))

    def away(*_: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(inbox, "quarantine", away)
        with pytest.raises(type(error)):
            worker.step()
    assert (count(worker, InboxRow), count(worker, QuarantineRow)) == (1, 0)
    settle(worker)
    assert (count(worker, InboxRow), count(worker, OutboxRow), count(worker, QuarantineRow)) == (2, 2, 1)


def test_a_part_of_a_round_that_is_stuck_does_not_hold_up_the_others_and_is_named(
    worker: Worker, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(_: float) -> int:
        raise ConnectionError("the broker is away")

    put(worker, *placements(1))
    with monkeypatch.context() as patched:
        patched.setattr(worker.relay, "step", stuck)
        with pytest.raises(ConnectionError):
            worker.step()
    assert (counting.heard, worker.troubles) == ([("p1", 1)], {"relay": "ConnectionError: the broker is away"})
    assert worker.step() == 1
    assert worker.troubles == {}


# ---- restart -----------------------------------------------------------------------------------------------------


def test_after_a_restart_what_was_in_flight_is_delivered_once(tmp_path: Path, clock: Clock) -> None:
    counting = Counting()
    upstream, hearer = a_worker(Service("deadlines"), tmp_path, clock), a_worker(counting.service(), tmp_path, clock)
    with transaction(upstream.engine) as session:
        add(session, [message.envelope() for message in placements(1, 2)], clock())
    upstream.step()
    hearer.step()
    with transaction(upstream.engine) as session:
        add(session, [message.envelope() for message in placements(3)], clock())
    upstream.step()  # published, and in the queue when the process dies
    upstream.close()
    hearer.close()
    forget_embedded_queues()
    again, hears = a_worker(Service("deadlines"), tmp_path, clock), a_worker(counting.service(), tmp_path, clock)
    assert again.step() == 0, "it takes everything for published until it recovers"
    assert (again.recover(), hears.recover()) == (3, 2)
    settle(again, hears)
    assert counting.heard == [("p1", 1), ("p1", 2), ("p1", 3)]
    assert count(hears, OutboxRow) == 3
    again.close()
    hears.close()


def test_embedded_nothing_is_forgotten_because_a_queue_in_memory_keeps_nothing(tmp_path: Path, clock: Clock) -> None:
    upstream = a_worker(Service("deadlines"), tmp_path, clock)
    for year in (2020, 2022, 2024):
        clock.on(date(year, 1, 6))
        with transaction(upstream.engine) as session:
            add(session, [message.envelope() for message in placements(year)], clock())
    settle(upstream)
    upstream.close()
    forget_embedded_queues()
    again = a_worker(Service("deadlines"), tmp_path, clock)
    settle(again)
    assert again.recover() == 3
    again.close()


def test_with_a_broker_a_worker_looks_once_an_hour_for_what_it_may_forget(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(Service("deadlines"), Config(data=tmp_path, bus_url="amqp://nobody@127.0.0.1:1/", retention_days=30), clock)
    looks: list[int] = []

    def forget(days: int) -> int:
        looks.append(days)
        return 1 if len(looks) == 1 else 0

    monkeypatch.setattr(worker.relay, "forget", forget)
    for _ in range(5):
        worker.parts["forget"](0.0)
    assert looks == [30, 30], "it goes on until nothing is left, and then it rests"
    monkeypatch.setattr(time, "monotonic", lambda: worker._forgets_at)
    worker.parts["forget"](0.0)
    assert len(looks) == 3
    worker.close()


def test_a_process_that_dies_before_the_acknowledgement_handles_nothing_twice(tmp_path: Path, clock: Clock) -> None:
    counting = Counting()
    worker = a_worker(counting.service(), tmp_path, clock)
    put(worker, *placements(1))
    worker.step()
    worker.close()
    forget_embedded_queues()
    again = a_worker(counting.service(), tmp_path, clock)
    put(again, *placements(1))
    settle(again)
    assert counting.heard == [("p1", 1)]
    again.close()


# ---- days --------------------------------------------------------------------------------------------------------


def test_the_day_is_that_of_england() -> None:
    assert today(datetime(2027, 6, 30, 22, 59, tzinfo=UTC)) == date(2027, 6, 30)
    assert today(datetime(2027, 6, 30, 23, 0, tzinfo=UTC)) == date(2027, 7, 1)
    assert today(datetime(2027, 12, 31, 23, 59, tzinfo=UTC)) == date(2027, 12, 31)


def test_a_rehearsed_day_is_the_day_of_the_clock() -> None:
    assert today(clock_of(Config(today=date(2027, 5, 5)))()) == date(2027, 5, 5)
    assert clock_of(Config())().tzinfo is UTC


def test_chores_are_done_every_round_and_count(counting: Counting, tmp_path: Path, clock: Clock) -> None:
    def two(worker: Worker, now: datetime) -> int:
        return 2

    def three(worker: Worker, now: datetime) -> int:
        return 3

    service = Service("eligibility", chores=[two, three])
    worker = a_worker(service, tmp_path, clock)
    assert worker.step() == 5
    worker.close()


def test_a_chore_with_a_thread_of_its_own_rests_only_when_it_found_nothing(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, rests = iter([3, 0, 0]), list[float]()

    def chore(worker: Worker, now: datetime) -> int:
        return next(found)

    worker = a_worker(Service("eligibility", chores=[chore]), tmp_path, clock)
    monkeypatch.setattr("shared.worker.time.sleep", rests.append)
    assert (worker.parts["chore"](IDLE_SECONDS), rests) == (3, [])
    assert (worker.parts["chore"](IDLE_SECONDS), rests) == (0, [CHORE_SECONDS])
    assert worker.step() == 0
    assert rests == [CHORE_SECONDS, 0.0], "a round of all parts is held up by none"
    worker.close()
