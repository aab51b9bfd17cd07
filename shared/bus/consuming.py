"""Consuming on RabbitMQ: one thread talks to the broker, another does the work.

The thread of a :class:`Subscriber` owns the connection. It fetches ahead, sends heartbeats whatever the work takes, and acknowledges what
the worker says is done. When the connection is lost it forgets what had been fetched (the broker gives it out again, perhaps to
another worker), connects again and declares anew, waiting longer each time. An acknowledgement for a connection that is gone is
forgotten as well: the inbox knows what was handled.

Messages are taken raw: decoding them is the worker's business, so that no bytes can end this loop. From a quorum queue each says how
often it was taken before. The dead letters come on a channel of their own.
"""

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import structlog

from shared.bus import Taken
from shared.bus.rabbitmq import LOST, bind, connect, declare, drop, part_from, take_in
from shared.errors import Unreachable, WrongTopology
from shared.topology import dead_queue_of, queue_of

GATHER_SECONDS = 0.05
"""How long a batch waits to fill up, once it has a message."""
LONGEST_WAIT = 15.0
PREFETCH_BATCHES = 4
DEAD_PREFETCH = 20
POLL_SECONDS = 0.02
BIND_SECONDS = 60.0
"""How often the queues are bound anew: an exchange that somebody deletes takes its bindings with it, and nobody is told."""
BREATH_SECONDS = 0.01
"""While a whole batch is at hand already, what comes is left to gather for so long: it is read by the dozen, not one by one."""
log = structlog.get_logger()


class Receipt(NamedTuple):
    """What acknowledges a message: its channel, as long as that is the same connection, and its delivery tag."""

    connection: int
    dead: bool
    tag: int


class Subscriber:
    """Takes messages from a service's quorum queue, and from its dead letters.

    :raises WrongTopology: the broker is there, and not as agreed. One that is away is tried again and again.
    """

    def __init__(self, url: str, service: str, types: Iterable[str], batch: int) -> None:
        self._url, self._service, self._types = url, service, tuple(types)
        self._batch, self._prefetch = batch, batch * PREFETCH_BATCHES
        self._arrived: deque[Taken] = deque()
        self._acknowledged: deque[tuple[Receipt, bool]] = deque()
        self._channels: dict[bool, _Open] = {}
        self._news = threading.Condition()
        self._number = 0
        self._trouble: Exception | None = None  # what keeps the broker away
        self._tried = threading.Event()
        self._stop = threading.Event()
        self._gives_back, self._resting = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{service}.bus", daemon=True)
        self._thread.start()
        self._tried.wait()
        self._refuse_what_is_wrong()

    def _refuse_what_is_wrong(self) -> None:
        if isinstance(self._trouble, WrongTopology):
            self.close()
            raise self._trouble

    # ---- what the worker calls -----------------------------------------------------------------------------------

    def take(self, limit: int, wait: float) -> list[Taken]:
        """Up to ``limit`` messages: those that gather within GATHER_SECONDS after the first, for which it waits up to ``wait`` seconds.

        :raises WrongTopology: the broker is not as agreed; :raises Unreachable: it is away.
        """
        with self._news:
            self._news.wait_for(lambda: self._arrived or self._trouble, wait)
            if not self._arrived and self._trouble:
                raise self._trouble.with_traceback(None)
            if self._arrived:
                self._news.wait_for(lambda: len(self._arrived) >= limit, GATHER_SECONDS)
            return [self._arrived.popleft() for _ in range(min(limit, len(self._arrived)))]

    def done(self, taken: Sequence[Taken]) -> None:
        """Acknowledge these, with their neighbours as soon as those are done as well."""
        self._acknowledged.extend((message.receipt, False) for message in taken)

    def done_alone(self, taken: Taken) -> None:
        """Acknowledge this one at once: whoever took it may die on the next."""
        self._acknowledged.append((taken.receipt, True))

    def rest(self) -> None:
        """Give everything back to the queue, and take nothing until :meth:`wake`."""
        self._resting.set()
        self._gives_back.set()

    def wake(self) -> None:
        """Take messages again; however soon that is, everything is given back first."""
        self._resting.clear()

    def close(self) -> None:
        """Acknowledge what is done, give the connection back; what was only fetched goes back to the queue in its order."""
        self._stop.set()
        self._thread.join()

    # ---- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        wait = 0.1
        while not self._stop.is_set():
            if self._resting.is_set():
                self._stop.wait(POLL_SECONDS)
                continue
            self._gives_back.clear()
            connection = None
            try:
                connection = connect(self._url)
                self._open(connection)
                wait = 0.1
                self._serve(connection)
                self._lost(None)
            except WrongTopology as error:
                self._lost(error)
            except LOST as error:
                self._lost(
                    Unreachable(
                        f"The broker is away ({type(error).__name__}: {error}); it is tried again, and the queue keeps what it has."
                    )
                )
            except Exception as error:  # whatever it is, this thread must not end while the worker lives
                log.exception("bus.failed", service=self._service)
                self._lost(error)
            finally:
                if connection is not None:
                    drop(connection)
            self._stop.wait(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    def _open(self, connection: Any) -> None:
        declare(connection, self._service, self._types)
        self._number += 1
        self._channels = {}
        for dead, queue, prefetch in (
            (False, queue_of(self._service), self._prefetch),
            (True, dead_queue_of(self._service), DEAD_PREFETCH),
        ):
            channel = connection.channel()
            channel.auto_decode = False
            channel.basic_qos(0, prefetch, False)
            channel.basic_consume(queue, callback=self._arrival(dead))
            self._channels[dead] = _Open(channel)
        with self._news:
            self._trouble = None
        self._tried.set()

    def _arrival(self, dead: bool) -> Any:
        number = self._number

        def arrived(message: Any) -> None:
            body = message.body or b""  # py-amqp gives an empty body as a text
            deliveries = (message.headers or {}).get("x-delivery-count")
            taken = Taken(
                bytes(body),
                str(message.properties.get("content_type") or ""),
                deliveries if isinstance(deliveries, int) else 0,
                dead,
                Receipt(number, dead, message.delivery_tag),
            )
            with self._news:
                self._arrived.append(taken)
                if len(self._arrived) == 1 or len(self._arrived) % self._batch == 0:  # what take waits for
                    self._news.notify_all()

        return arrived

    def _serve(self, connection: Any) -> None:
        """Until the worker stops or rests: take in what comes, acknowledge what is done, beat, now and then bind anew.

        :raises AMQPError, OSError: the connection is lost, or an exchange is there no more.
        """
        beats = bound = time.monotonic()
        while not (self._stop.is_set() or self._resting.is_set() or self._gives_back.is_set()):
            self._acknowledge()
            with suppress(TimeoutError):
                take_in(connection, POLL_SECONDS)
            if time.monotonic() - beats > 1:
                connection.heartbeat_tick()
                beats = time.monotonic()
            if time.monotonic() - bound > BIND_SECONDS:
                bind(connection, self._service, self._types)  # without an exchange it fails: all is declared on the next connection
                bound = time.monotonic()
            if len(self._arrived) >= self._batch:
                self._stop.wait(BREATH_SECONDS)
        self._acknowledge()
        part_from(connection)

    def _acknowledge(self) -> None:
        while self._acknowledged:
            receipt, alone = self._acknowledged.popleft()
            if receipt.connection == self._number:
                self._channels[receipt.dead].done(receipt.tag, alone=alone)
        for opened in self._channels.values():
            opened.acknowledge()

    def _lost(self, error: Exception | None) -> None:
        """Forget what was fetched: it is given out again."""
        with self._news:
            self._trouble = error
            self._arrived.clear()
            self._news.notify_all()
        self._tried.set()


class _Open:
    """What was taken from one channel: neighbours that are done are acknowledged with one word, never what somebody is still at."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self._first = 1  # the lowest delivery tag that is not settled
        self._done: dict[int, bool] = {}  # delivery tag -> whether it is acknowledged already

    def done(self, tag: int, *, alone: bool) -> None:
        self._done[tag] = alone
        if alone:
            self.channel.basic_ack(tag)

    def acknowledge(self) -> None:
        last = 0
        while self._first in self._done:
            if not self._done.pop(self._first):
                last = self._first
            self._first += 1
        if last:
            self.channel.basic_ack(last, multiple=True)
