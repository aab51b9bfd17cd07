"""Celery at its best: acknowledged late, a quorum queue, one transaction a task, confirms of the seven events awaited together.

Eight threads and two processes are both shown; of 1, 4, 16 and 32 messages prefetched for each, 4 went best. Remote
control, gossip, events and results are off. kombu's own waiting for confirms takes one message at a time and does not compare tags, so
confirms are counted here. Run as ``celery -A tests.bench.bus.celery_contender worker``; ``python -m tests.bench.bus.celery_contender``
puts a task into the queue for each line of its input, in Celery's own protocol.
"""

import json
import sys
import threading
from functools import cache
from typing import Any

import sqlalchemy as sa
from celery import Celery  # type: ignore[import-untyped]  # it has no types
from kombu import Connection, Exchange, Producer, Queue

from tests.bench.bus.order import CONTENT_TYPE, SET, read_order
from tests.bench.bus.peer import HEARD, NEWER_WINS, PUBLISHED, Effects, PlacementUpdated, effects

PREFETCHED = 4
CONFIRMED_WITHIN = 30
order = read_order()
app = Celery("bench", broker=order.bus_url)
app.conf.update(
    task_queues=[Queue(order.queue, Exchange("bench.tasks"), routing_key=order.queue, queue_arguments=order.queue_arguments)],
    task_default_queue=order.queue,
    task_default_exchange="bench.tasks",
    task_default_queue_type="quorum",
    task_default_routing_key=order.queue,
    task_acks_late=True,
    task_ignore_result=True,
    worker_detect_quorum_queues=True,
    worker_prefetch_multiplier=PREFETCHED,
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"confirm_publish": True},
)
own = threading.local()


@app.task(name="placement-updated")
def placement_updated(given: dict[str, Any]) -> None:
    """One message: read, decide, commit, publish, mark; Celery acknowledges when it returns."""
    found = effects(PlacementUpdated.model_validate(given), order)
    if store(found):
        publish(found.said)
        with engine().begin() as connection:
            connection.execute(PUBLISHED, {"published": found.batch})


@cache
def engine() -> sa.Engine:
    """The database, opened by the process that uses it."""
    return sa.create_engine(order.database_url, pool_size=8, max_overflow=0)


def store(found: Effects) -> bool:
    """Everything in one transaction; whether the message was news."""
    with engine().begin() as connection:
        if not connection.execute(HEARD, found.inbox).rowcount:
            return False
        if not connection.execute(NEWER_WINS, found.placement).rowcount:
            return False
        for statement, rows in found.inserts():
            connection.execute(statement, rows)
    return True


def publish(said: dict[str, bytes]) -> None:
    """Persistent, mandatory; returns once the broker has confirmed them all."""
    if not hasattr(own, "confirms"):
        own.confirms = Confirms()
    own.confirms.publish(said)


class Confirms:
    """A producer of one thread, on a channel of its own, whose confirms are matched by tag."""

    def __init__(self) -> None:
        self._connection = Connection(order.bus_url)
        channel = self._connection.channel()
        self._producer = Producer(channel, Exchange(order.exchange, "topic", passive=True), on_return=self._returned)
        self._tag, self._open = 0, set[int]()
        channel.confirm_select()
        channel.events["basic_ack"].add(self._confirmed)

    def publish(self, said: dict[str, bytes]) -> None:
        """Publish these bodies, by key."""
        for key, body in said.items():
            self._tag += 1
            self._open.add(self._tag)
            self._producer.publish(
                body, SET, mandatory=True, delivery_mode=2, content_type=CONTENT_TYPE, content_encoding="binary", message_id=key, type=SET
            )
        while self._open:
            self._connection.drain_events(timeout=CONFIRMED_WITHIN)

    def _confirmed(self, tag: int, multiple: bool) -> None:
        self._open = {still for still in self._open if (still > tag if multiple else still != tag)}

    def _returned(self, *returned: Any) -> None:
        raise RuntimeError(f"The broker returned a message: {returned[1]}")


if __name__ == "__main__":
    with app.producer_or_acquire() as producer:
        for line in sys.stdin:
            placement_updated.apply_async([json.loads(line)], producer=producer)
