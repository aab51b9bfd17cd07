"""The other end of the bus: an upstream system on pika, which shares no code with the services.

It publishes persistent and mandatory, with confirms by delivery tag, some messages ahead; after any doubt (no confirm in time, a lost
connection) it publishes the same message again. What it tried and what was acknowledged is its log, the beginning of every account.

Read :meth:`Upstream.tell` first, then the callbacks of a :class:`_Session` in the order in which they are called.
"""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pika
from pika.exceptions import AMQPError

from tests.chaos.rotation import Told

EXCHANGE = "tripartite.events"
AHEAD = 50
"""How many messages may be unconfirmed at a time."""
ANSWER_SECONDS = 10
AGAIN_SECONDS = 0.5
logging.getLogger("pika").setLevel(logging.CRITICAL)  # losing connections is what it is here for


@dataclass
class Log:
    """What was tried, how often, and what was acknowledged; messages by their bodies, so that garbage counts as well."""

    attempts: Counter[bytes] = field(default_factory=Counter)
    messages: dict[bytes, Told] = field(default_factory=dict)
    acknowledged: set[bytes] = field(default_factory=set)

    def tried(self, told: Told) -> None:
        """A message leaves, for the first time or again."""
        self.attempts[told.body] += 1
        self.messages[told.body] = told

    @property
    def heard_of(self) -> list[Told]:
        """Every message that was acknowledged."""
        return [self.messages[body] for body in self.acknowledged]


class Upstream:
    """Publishes to the broker at a URL, and keeps a log."""

    def __init__(self, url: str) -> None:
        self.url, self.log = url, Log()

    def tell(self, messages: Sequence[Told], patience: float = 300.0) -> None:
        """Publish, in this order at first, until every message is acknowledged.

        :raises TimeoutError: some are not, after so many seconds without an acknowledgement.
        """
        waiting = list(messages)
        gives_up = time.monotonic() + patience
        while waiting:
            before = len(waiting)
            try:
                _Session(self, waiting).run()
            except (AMQPError, OSError):
                time.sleep(AGAIN_SECONDS)
            waiting = [told for told in waiting if told.body not in self.log.acknowledged]
            if len(waiting) < before:
                gives_up = time.monotonic() + patience
            if waiting and time.monotonic() > gives_up:
                raise TimeoutError(f"The broker acknowledged none of {len(waiting)} messages for {patience:.0f} seconds.")


class _Session:
    """One connection's worth of publishing."""

    def __init__(self, upstream: Upstream, messages: Sequence[Told]) -> None:
        self._log, self._messages, self._place = upstream.log, list(messages), 0
        self._unconfirmed: dict[int, Told] = {}
        self._answered = time.monotonic()
        self._failure: BaseException | None = None
        parameters = pika.URLParameters(upstream.url)
        parameters.heartbeat, parameters.socket_timeout, parameters.stack_timeout = 10, 5, 10
        self._connection = pika.SelectConnection(
            parameters,
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._opened),
            on_open_error_callback=self._ended,
            on_close_callback=self._ended,
        )

    def run(self) -> None:
        """Publish until all is confirmed, or in doubt.

        :raises AMQPError, OSError: the connection was lost, or an answer is overdue.
        """
        try:
            self._connection.ioloop.start()
        finally:
            self._connection.ioloop.close()
        if self._failure is not None:
            raise self._failure

    def _opened(self, channel: Any) -> None:
        self._channel = channel
        channel.add_on_return_callback(self._returned)
        channel.add_on_close_callback(self._closed)
        channel.confirm_delivery(self._confirmed, callback=lambda _: self._go_on())
        self._connection.ioloop.call_later(1, self._watch)

    def _go_on(self) -> None:
        """Publish ahead."""
        while self._channel.is_open and self._place < len(self._messages) and len(self._unconfirmed) < AHEAD:
            told = self._messages[self._place]
            self._place += 1
            self._log.tried(told)
            properties = pika.BasicProperties(content_type=told.content_type, delivery_mode=2, message_id=told.id or None, type=told.type)
            self._unconfirmed[self._place] = told
            self._channel.basic_publish(EXCHANGE, told.type, told.body, properties, mandatory=True)

    def _confirmed(self, frame: Any) -> None:
        last, multiple = frame.method.delivery_tag, frame.method.multiple
        for tag in [tag for tag in self._unconfirmed if tag <= last] if multiple else [last]:
            told = self._unconfirmed.pop(tag)
            if isinstance(frame.method, pika.spec.Basic.Ack):
                self._log.acknowledged.add(told.body)
        self._answered = time.monotonic()
        self._go_on()
        if not self._unconfirmed and self._place == len(self._messages) and self._connection.is_open:
            self._connection.close()

    def _returned(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        raise AssertionError(f"No queue takes {method.routing_key}, nor does the one for what nobody hears.")

    def _watch(self) -> None:
        """An answer that is overdue: the connection is cut, and everything unconfirmed is in doubt."""
        if time.monotonic() - self._answered > ANSWER_SECONDS:
            self._connection._transport.abort()  # closing it in good order would wait for the broker
        else:
            self._connection.ioloop.call_later(1, self._watch)

    def _closed(self, channel: Any, reason: BaseException) -> None:
        if self._connection.is_open:
            self._connection.close()

    def _ended(self, connection: Any, reason: BaseException) -> None:
        if self._unconfirmed or self._place < len(self._messages):
            self._failure = reason
        self._connection.ioloop.stop()
