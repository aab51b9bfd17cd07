"""One contract, four ways to run: RabbitMQ or the embedded bus, PostgreSQL or SQLite. Every message is delivered twice.

A region of this test has one service that counts what it hears (``tests/shared/scratch.py``), and an upstream that shares no code with
it: on RabbitMQ it speaks pika.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pika
import pytest
from sqlalchemy import text

from shared import topology
from shared.config import Config
from shared.database import hold_if_free, migrate, open_database, transaction
from shared.inbox import InboxRow, QuarantineRow
from shared.outbox import OutboxBatch, OutboxRow, add
from shared.wire import CONTENT_TYPE, LARGEST_MESSAGE, Message
from shared.worker import Service, Worker
from tests.helpers import Clock, a_document, a_message, a_placement, put
from tests.shared.scratch import Counting, count, rows

PATIENCE = 60.0
POISON = a_message(a_document("contract"))
NAME = "eligibility"
_names = itertools.count()


@dataclass
class Region:
    """One way to run: a bus, a database, and the workers that were started on them."""

    config: Config
    clock: Clock
    workers: list[Worker] = field(default_factory=list)

    def worker(self, counting: Counting) -> Worker:
        """A worker of the counting service."""
        made = Worker(counting.service(NAME), self.config, self.clock)
        if not self.config.embedded:
            made.listen()
        self.workers.append(made)
        return made

    def publish(self, *bodies: Message | bytes, kind: str = "placement.updated", content_type: str = CONTENT_TYPE, times: int = 2) -> None:
        """What upstream publishes, each message twice."""
        twice = [body for body in bodies for _ in range(times)]
        if self.config.embedded:
            put(self.workers[0], *twice, kind=kind, content_type=content_type)
            return
        connection = pika.BlockingConnection(pika.URLParameters(self.config.bus_url))
        channel = connection.channel()
        channel.confirm_delivery()
        for body in twice:
            type_, raw = (body.data.type, body.to_json().encode()) if isinstance(body, Message) else (kind, body)
            properties = pika.BasicProperties(content_type=content_type, delivery_mode=2)
            channel.basic_publish(topology.EVENTS, type_, raw, properties, mandatory=True)
        connection.close()


@pytest.fixture(params=["memory+sqlite", "memory+postgresql", "rabbitmq+sqlite", "rabbitmq+postgresql"])
def region(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Region]:
    bus, _, store = request.param.partition("+")
    name = f"transports{next(_names)}"
    broker = request.getfixturevalue("broker") if bus == "rabbitmq" else None
    database = request.getfixturevalue("database") if store == "postgresql" else None
    database_url = database.create([NAME], name) if database else ""
    config = Config(data=tmp_path, database_url=database_url, bus_url=broker.vhost(name) if broker else "memory://", batch=50)
    engine = open_database(config.database_of(NAME))
    migrate(engine, NAME)
    engine.dispose()
    made = Region(config, clock)
    yield made
    for worker in made.workers:
        worker.close()
    if database:
        database.drop(name)
    if broker:
        broker.drop_vhost(name)


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def worker(region: Region, counting: Counting) -> Worker:
    return region.worker(counting)


def until(condition: Callable[[], bool], *workers: Worker) -> None:
    """Let workers do rounds until it has come about, and then until there is nothing left to do."""
    ends = time.monotonic() + PATIENCE
    quiet = 0
    while quiet < 5:
        done = sum([worker.step() for worker in workers])
        quiet = quiet + 1 if condition() and not done else 0
        assert time.monotonic() < ends, "it did not come about in time"
        if not done:
            time.sleep(0.02)


def heard(worker: Worker, messages: int) -> Callable[[], bool]:
    """Whether so many different messages were heard, and everything that was said of them is confirmed."""
    return lambda: count(worker, InboxRow) >= messages and count(worker, OutboxBatch) == 0


def placements(*sequences: int, placement_id: str = "p1") -> list[Message]:
    return [a_message(a_placement(placement_id=placement_id, site=f"s{sequence}"), sequence) for sequence in sequences]


# ---- what is right -----------------------------------------------------------------------------------------------


def test_what_was_forgotten_is_still_known_when_it_comes_again(region: Region, worker: Worker, counting: Counting) -> None:
    region.clock.on(date(2020, 1, 6))
    region.publish(*placements(1))
    until(heard(worker, 1), worker)
    region.clock.now += timedelta(days=400)
    region.publish(*placements(1, placement_id="p2"))
    until(heard(worker, 2), worker)
    assert worker.relay.forget(worker.config.retention_days) == 1
    region.publish(*placements(1), *placements(1, placement_id="p3"))
    until(heard(worker, 3), worker)
    assert counting.heard == [("p1", 1), ("p2", 1), ("p3", 1)]
    assert count(worker, OutboxRow) == 2


def test_a_message_delivered_twice_is_handled_once_and_answered_once(region: Region, worker: Worker, counting: Counting) -> None:
    region.publish(*placements(1, 2, 3))
    until(heard(worker, 3), worker)
    assert counting.heard == [("p1", 1), ("p1", 2), ("p1", 3)]
    assert (count(worker, InboxRow), count(worker, OutboxRow)) == (3, 3)


def test_more_than_a_batch_arrives_whole(region: Region, worker: Worker, counting: Counting) -> None:
    region.publish(*(message for number in range(130) for message in placements(1, placement_id=f"p{number}")))
    until(heard(worker, 130), worker)
    assert sorted(counting.heard) == sorted((f"p{number}", 1) for number in range(130))


def test_news_that_comes_in_the_wrong_order_leaves_the_newest(region: Region, worker: Worker, counting: Counting) -> None:
    region.publish(*placements(5, 3))
    until(heard(worker, 2), worker)
    region.publish(*placements(4, 6))
    until(heard(worker, 4), worker)
    assert counting.heard == [("p1", 5), ("p1", 6)]


def test_what_is_said_is_heard_by_the_service_that_hears_it(region: Region, worker: Worker, counting: Counting) -> None:
    with transaction(worker.engine) as session:
        add(session, [message.envelope() for message in placements(1, 2)], region.clock())
    until(heard(worker, 2), worker)
    assert counting.heard == [("p1", 1), ("p1", 2)]


def test_two_workers_share_the_queue_and_nothing_is_handled_by_both(region: Region, worker: Worker, counting: Counting) -> None:
    other = region.worker(counting)
    region.publish(*(message for number in range(60) for message in placements(1, placement_id=f"p{number}")))
    until(heard(worker, 60), worker, other)
    assert sorted(counting.heard) == sorted((f"p{number}", 1) for number in range(60))
    assert count(worker, OutboxRow) == 60


def test_two_workers_on_the_same_subjects_handle_each_message_once(region: Region, worker: Worker, counting: Counting) -> None:
    other = region.worker(counting)
    stop = threading.Event()
    threads = [threading.Thread(target=each.run, args=(stop,)) for each in (worker, other)]
    for thread in threads:
        thread.start()
    region.publish(*(a_message(a_document(document_id=f"d{number}")) for number in range(100)))
    ends = time.monotonic() + PATIENCE
    while not heard(worker, 100)() and time.monotonic() < ends:
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    assert (count(worker, InboxRow), count(worker, OutboxRow), count(worker, QuarantineRow)) == (100, 100, 0)


# ---- what is wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"not json", CONTENT_TYPE, "This is not usable JSON"),
        (b"\xff\xfe", CONTENT_TYPE, "This is not usable JSON"),
        (b'{"specversion": "1.0"}', CONTENT_TYPE, "The message is not a usable CloudEvent"),
        (placements(1)[0].to_json().replace("2027-08-04", "soon").encode(), CONTENT_TYPE, "data.start_date"),
        (placements(1)[0].to_json().encode(), "application/json", "content type must be application/cloudevents+json"),
        (b" " * (LARGEST_MESSAGE + 1), CONTENT_TYPE, "an event has at most 1,048,576"),
    ],
    ids=["no-json", "no-text", "no-event", "wrong-field", "wrong-content-type", "oversized"],
)
def test_what_is_no_event_is_kept_raw_with_its_reason_and_what_is_beside_it_goes_through(
    body: bytes, content_type: str, reason: str, region: Region, worker: Worker, counting: Counting
) -> None:
    region.publish(body, content_type=content_type)
    region.publish(*placements(2))
    until(heard(worker, 1), worker)
    [kept] = rows(worker, QuarantineRow)
    assert (kept.body, kept.times) == (body, 2)
    assert reason in kept.reason
    assert counting.heard == [("p1", 2)]


def test_a_message_that_no_handler_survives_is_kept_and_its_neighbours_go_through(
    region: Region, worker: Worker, counting: Counting
) -> None:
    region.publish(*placements(1), POISON, *placements(2))
    until(heard(worker, 2), worker)
    [kept] = rows(worker, QuarantineRow)
    assert (kept.body, kept.reason) == (POISON.to_json().encode(), "the handler failed: ZeroDivisionError('contracts are poison here')")
    assert {row.key for row in rows(worker, InboxRow)} == {message.key for message in placements(1, 2)}


def test_a_type_of_a_newer_producer_is_skipped_and_kept_by_nobody(region: Region, worker: Worker) -> None:
    unknown = placements(1)[0].to_json().replace('"placement.updated"', '"placement.exploded"').encode()
    region.publish(unknown)
    region.publish(*placements(2))
    until(heard(worker, 1), worker)
    assert (count(worker, InboxRow), count(worker, QuarantineRow)) == (1, 0)


# ---- what fails --------------------------------------------------------------------------------------------------


def test_an_outage_of_the_database_quarantines_nothing_and_everything_is_handled_after_it(
    region: Region, worker: Worker, counting: Counting
) -> None:
    region.publish(*placements(1, 2))
    with worker.engine.begin() as connection:
        connection.execute(text("ALTER TABLE inbox RENAME TO inbox_away"))
    failures: list[Any] = []
    ends = time.monotonic() + PATIENCE
    while len(failures) < 3 and time.monotonic() < ends:
        try:
            worker.step()
        except Exception as error:
            failures.append(error)
    with worker.engine.begin() as connection:
        connection.execute(text("ALTER TABLE inbox_away RENAME TO inbox"))
    assert (len(failures), count(worker, QuarantineRow)) == (3, 0)
    until(heard(worker, 2), worker)
    assert (count(worker, InboxRow), count(worker, OutboxRow), count(worker, QuarantineRow)) == (2, 2, 0)


def test_what_was_published_and_not_marked_is_published_again_and_heard_once(region: Region, worker: Worker, counting: Counting) -> None:
    with transaction(worker.engine) as session:
        add(session, [message.envelope() for message in placements(1, 2)], region.clock())
    for _ in range(2):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("shared.outbox.delete", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                worker.relay.step()
        with transaction(worker.engine) as session:
            session.execute(text("UPDATE outbox_batches SET lease_token = NULL, leased_until = NULL"))
    until(heard(worker, 2), worker)
    assert counting.heard == [("p1", 1), ("p1", 2)]


def test_a_worker_that_stops_leaves_what_it_had_not_begun_to_another(region: Region, worker: Worker, counting: Counting) -> None:
    if region.config.embedded:
        region.publish(*placements(1, 2))
    else:
        region.publish(*placements(1, 2))
        region.workers.remove(worker)
        worker.close()
    other = region.worker(counting)
    until(heard(other, 2), other)
    assert counting.heard == [("p1", 1), ("p1", 2)]


def test_one_worker_at_a_time_holds_a_name(region: Region, worker: Worker) -> None:
    with transaction(worker.engine) as session:
        assert hold_if_free(session, "a name")
        if region.config.database_url:
            with transaction(worker.engine) as other:
                assert not hold_if_free(other, "a name")
    with transaction(worker.engine) as session:
        assert hold_if_free(session, "a name")


def test_a_service_that_hears_nothing_has_a_queue_that_stays_empty(region: Region) -> None:
    made = Worker(Service(NAME), region.config, region.clock)
    region.workers.append(made)
    if not region.config.embedded:
        made.listen()
    assert made.step() == 0
