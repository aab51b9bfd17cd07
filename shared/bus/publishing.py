"""Publishing on RabbitMQ, so that *confirmed* is true.

Every message is persistent and mandatory. The broker's confirms are matched by delivery tag: kombu's own ``confirm_publish`` takes any
confirm for that of the last message, and after one time-out calls a message confirmed that the broker never had. A negative
confirm, a message that came back, a time-out or a lost connection drops the connection and raises: the caller says all of it again.

A batch leaves as one write: the frames of AMQP 0-9-1 (method, header, body) are put together here, because the library writes message
by message and looks for answers before each. Confirms are awaited once, at the end.
"""

import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple

from shared.bus.rabbitmq import FRAME, FRAME_END, LOST, connect, drop, part_from, take_in
from shared.crashpoints import crashpoint
from shared.errors import Unconfirmed
from shared.topology import EVENTS
from shared.wire import CONTENT_TYPE, Envelope

CONFIRM_SECONDS = 10.0
"""How long the broker may take for the confirms of one batch."""
LOOK_SECONDS = 0.2
"""How often the time is looked at: less than a heartbeat's interval, because every heartbeat begins the library's wait anew."""
WRITTEN_AT_ONCE = 512 * 1024
BASIC_PUBLISH, BASIC = (60, 40), 60
# content-type, delivery-mode, correlation-id, message-id, timestamp, type and app-id are there: bits 15, 12, 10, 7, 6, 5 and 3
PROPERTY_FLAGS = 1 << 15 | 1 << 12 | 1 << 10 | 1 << 7 | 1 << 6 | 1 << 5 | 1 << 3
PERSISTENT = 2
MANDATORY = 1


class Publisher:
    """Publishes rows of an outbox on RabbitMQ."""

    def __init__(self, url: str, service: str) -> None:
        self._url = url
        self._app_id = f"tripartite.{service}"
        self._connection: Any = None
        self._channel: Any = None
        self._last = 0
        self._lowest = 1  # every message below it is confirmed
        self._awaited: set[int] = set()
        self._refused = ""
        self._rested = 0.0

    def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Publish in this order; returns once every message is confirmed.

        :raises Unconfirmed: the broker is away, refused or returned one, or did not confirm all within CONFIRM_SECONDS.
        """
        try:
            if self._channel is None:
                self._open()
            self._lowest = self._last + 1
            self._awaited = set(range(self._lowest, self._lowest + len(envelopes)))
            self._write(envelopes)
            self._last += len(envelopes)
            crashpoint("relay.published.unconfirmed")
            self._await()
        except LOST as error:
            self._drop()
            raise Unconfirmed(
                f"The broker takes no messages now ({error!r}); see `tripartite doctor`. They are published again."
            ) from error
        except Exception:
            self._drop()
            raise

    def _open(self) -> None:
        self._connection = connect(self._url)
        self._channel = self._connection.channel()
        self._channel.confirm_select()
        self._last, self._refused = 0, ""
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._channel.events["basic_return"].add(self._on_return)

    def _write(self, envelopes: Sequence[Envelope]) -> None:
        connection = self._channel.connection
        room = connection.frame_max - 8
        frames: list[bytes] = []
        size = 0
        for envelope in envelopes:
            made = frames_of(self._channel.channel_id, envelope, self._app_id, room)
            frames.append(made)
            size += len(made)
            if size > WRITTEN_AT_ONCE:
                connection.transport.write(b"".join(frames))
                frames, size = [], 0
        if frames:
            connection.transport.write(b"".join(frames))
        connection.bytes_sent += 1  # the library's sign that no heartbeat is due

    def _await(self) -> None:
        messages = len(self._awaited)
        ends = time.monotonic() + CONFIRM_SECONDS
        while self._awaited and not self._refused:
            left = ends - time.monotonic()
            if left <= 0:
                raise Unconfirmed(
                    f"The broker left {len(self._awaited)} of {messages} messages unconfirmed for {CONFIRM_SECONDS:.0f} s. It may be "
                    "short of memory or disk (`rabbitmq-diagnostics alarms`). Everything is published again."
                )
            try:
                take_in(self._connection, min(left, LOOK_SECONDS))
            except TimeoutError:
                continue
        if self._refused:
            raise Unconfirmed(self._refused)

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:
        """The broker confirms one message, or all up to it."""
        self._awaited.difference_update(range(self._lowest if multiple else delivery_tag, delivery_tag + 1))
        if multiple:
            self._lowest = delivery_tag + 1

    def _on_nack(self, delivery_tag: int, multiple: bool) -> None:
        self._refused = (
            "The broker refused a message (basic.nack); its queue may be full or without a leader. Everything is published again."
        )

    def _on_return(self, error: Any, exchange: str, routing_key: str, message: Any) -> None:
        self._refused = (
            f"No queue takes messages of the type {routing_key} ({error}), nor does the exchange for unrouted ones; "
            "see `tripartite doctor`. Everything is published again."
        )

    def has_room(self) -> bool:
        """A broker that has no room says so by confirming late."""
        return True

    def rest(self) -> None:
        """There is nothing to publish: keep the connection alive, or let go of one that was lost."""
        if self._connection is None or time.monotonic() - self._rested < 1:
            return
        self._rested = time.monotonic()
        try:
            with suppress(TimeoutError):
                take_in(self._connection, 0.001)
            self._connection.heartbeat_tick()
        except LOST:
            self._drop()

    def close(self) -> None:
        """Give the connection back; the next message opens a new one."""
        if self._connection is not None:
            part_from(self._connection)
        self._connection = self._channel = None

    def _drop(self) -> None:
        if self._connection is not None:
            drop(self._connection)
        self._connection = self._channel = None


def frames_of(channel_id: int, envelope: Envelope, app_id: str, room: int) -> bytes:
    """A message as AMQP frames: basic.publish, its header, its body (in parts of at most ``room`` bytes)."""
    body = envelope.body.encode()
    kind = _kind(channel_id, envelope.type, app_id)
    ids = _correlation_id(envelope.correlation_id), _short_string(envelope.key.partition(" ")[2])
    properties = b"".join((kind.first_properties, *ids, _timestamp(envelope.said_at), kind.last_properties))
    header = _HEADER.pack(BASIC, 0, len(body), PROPERTY_FLAGS) + properties
    parts = [_frame(3, channel_id, body[start : start + room]) for start in range(0, len(body), room)]
    return b"".join([kind.method, _frame(2, channel_id, header), *parts])


class _Kind(NamedTuple):
    """What all messages of a type have alike, encoded: the frame of the method, and the first and last properties."""

    method: bytes
    first_properties: bytes
    last_properties: bytes


@cache
def _kind(channel_id: int, type_: str, app_id: str) -> _Kind:
    method = struct.pack(">HHH", *BASIC_PUBLISH, 0) + _short_string(EVENTS) + _short_string(type_) + bytes((MANDATORY,))
    content_type_and_delivery_mode = _short_string(CONTENT_TYPE) + bytes((PERSISTENT,))
    return _Kind(_frame(1, channel_id, method), content_type_and_delivery_mode, _short_string(type_) + _short_string(app_id))


_HEADER = struct.Struct(">HHQH")


def _frame(kind: int, channel_id: int, payload: bytes) -> bytes:
    return FRAME.pack(kind, channel_id, len(payload)) + payload + FRAME_END


def _short_string(text: str) -> bytes:
    """AMQP's short string: at most 255 bytes."""
    encoded = text.encode()[:255]
    return b"%c%b" % (len(encoded), encoded)


_correlation_id = lru_cache(maxsize=256)(_short_string)  # that of a message is that of all it sets off


@lru_cache(maxsize=64)
def _timestamp(said_at: datetime) -> bytes:
    """AMQP's time, in seconds; it knows none before 1970."""
    return struct.pack(">Q", max(0, int(said_at.timestamp())))
