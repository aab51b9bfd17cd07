"""RabbitMQ: the connection, and the topology of shared/topology.py, declared where the user may and checked in any case."""

import os
import ssl
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import amqp
from amqp import method_framing, spec
from amqp.exceptions import AccessRefused, AMQPError, NotAllowed, NotFound, PreconditionFailed
from kombu import Connection

from shared import topology
from shared.errors import WrongTopology

HEARTBEAT_SECONDS = 10
"""A peer that says nothing for twice as long is taken for dead. RabbitMQ advises against less than 5."""
CONNECT_SECONDS = 5
ANSWER_SECONDS = 10
"""A broker that answers nothing, or takes no bytes, for so long is taken for away (a memory or disk alarm, a network that swallows)."""
CLOSE_SECONDS = 2
READ_AT_ONCE = 64 * 1024
FRAME, FRAME_END = struct.Struct(">BHI"), b"\xce"
"""AMQP 0-9-1, 4.2.3: type, channel and size; the payload; one octet that ends it."""
CONTENT_TYPE_IS_THERE = 1 << 15
DELIVERY_COUNT = b"\x10x-delivery-count" + b"l"
LOST: tuple[type[Exception], ...] = (AMQPError, OSError)
"""What tells that a connection or its channel cannot be used any more."""


class Message(amqp.Message):
    """A message as it is delivered, whatever somebody has written around it.

    What py-amqp cannot decode ends the connection, and everything that was on its way comes again, and again. So the names of exchange
    and routing key, for which nobody here asks, are left out; and properties that make no sense are reduced to the two that are read.
    """

    def __init__(self, *parts: Any, **frame: Any) -> None:
        if frame.get("frame_method") == spec.Basic.Deliver:
            frame["frame_args"] = _without_names(frame["frame_args"])
        super().__init__(*parts, **frame)

    def _load_properties(self, class_id: int, frame: bytes, offset: int) -> int:
        try:
            return int(super()._load_properties(class_id, frame, offset))
        except Exception:
            self.properties = _content_type_and_count(bytes(frame), offset)
            return 0


method_framing.Message = Message


def _without_names(delivery: bytes) -> bytes:
    """basic.deliver with two empty names: consumer tag, delivery tag (8 octets), redelivered (1), name of exchange, routing key."""
    start = 4  # class and method
    names = start + 1 + delivery[start] + 8 + 1
    return bytes(delivery[:names]) + b"\0\0"


def _content_type_and_count(header: bytes, offset: int) -> dict[str, Any]:
    """Content type, the first of the properties, and the header in which a quorum queue counts deliveries, a long integer."""
    (flags,) = struct.unpack_from(">H", header, offset)
    size = header[offset + 2] if flags & CONTENT_TYPE_IS_THERE else 0
    content_type = header[offset + 3 : offset + 3 + size].decode(errors="replace")
    place = header.rfind(DELIVERY_COUNT, 0, -8)  # eight octets must follow
    count = struct.unpack_from(">q", header, place + len(DELIVERY_COUNT)) if place >= 0 else (0,)
    return {"content_type": content_type, "application_headers": {"x-delivery-count": count[0]}}


def connect(url: str) -> Any:
    """An open connection of py-amqp, heartbeats on; with TLS if the URL says ``amqps``. Tried once: who calls knows when to try again.

    :raises OSError: nobody answers, or its certificate is not trusted; :raises amqp.AMQPError: who answers refuses.
    :raises WrongTopology: this user is not let in, or a file that the URL names cannot be read.
    """
    parts = urlsplit(url)
    client = Connection(  # part by part: kombu takes a semicolon in a URL, as a password may have, for the end of it
        transport="pyamqp",
        hostname=f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname,
        port=parts.port or (5671 if parts.scheme == "amqps" else 5672),
        userid=unquote(parts.username or "guest"),
        password=unquote(parts.password or "guest"),
        virtual_host=unquote(parts.path[1:]) or "/",
        heartbeat=HEARTBEAT_SECONDS,
        connect_timeout=CONNECT_SECONDS,
        ssl=tls_of(url),
    )
    try:
        connection = client.transport.establish_connection()
    except (AccessRefused, NotAllowed) as error:
        raise WrongTopology(
            f"The broker does not let {client.userid} in ({error.reply_text}); see that TRIPARTITE_BUS_URL has the right user, password "
            "and virtual host."
        ) from error
    connection.transport.sock.settimeout(ANSWER_SECONDS)
    connection.transport._quick_recv = ReadAhead(connection.transport._quick_recv)
    return connection


def take_in(connection: Any, timeout: float) -> None:
    """Wait for something from the broker, and have it and all that came with it handled.

    :raises TimeoutError: nothing came for so many seconds.
    """
    connection.drain_events(timeout=timeout)
    for frame in connection.transport._quick_recv.frames():
        connection.on_inbound_frame(frame)


class ReadAhead:
    """What py-amqp receives by: it asks for a few bytes, nine times a message, and is given them of what one look at the socket brought.

    Frames that are here as a whole need not go through it at all: once it has read one, it keeps no bytes of its own.
    """

    def __init__(self, receive: Callable[[int], bytes]) -> None:
        self._receive = receive
        self._ahead = b""
        self._place = 0

    def __call__(self, wanted: int) -> bytes:
        """Up to so many bytes; none if the peer has ended.

        :raises OSError: as the socket's own.
        """
        if self._place == len(self._ahead):
            self._ahead, self._place = self._receive(READ_AT_ONCE), 0
        found = self._ahead[self._place : self._place + wanted]
        self._place += len(found)
        return found

    def frames(self) -> Iterator[tuple[int, int, bytes]]:
        """The frames that are here as a whole: type, channel and payload. One that makes no sense is left to the library."""
        while len(self._ahead) - self._place > FRAME.size:
            kind, channel, size = FRAME.unpack_from(self._ahead, self._place)
            start = self._place + FRAME.size
            if self._ahead[start + size : start + size + 1] != FRAME_END:
                return
            self._place = start + size + 1
            yield kind, channel, self._ahead[start : start + size]


def tls_of(url: str) -> dict[str, Any] | None:
    """What py-amqp needs for TLS, from a URL in RabbitMQ's own words (its guide to AMQP URI query parameters); None without TLS.

    ``amqps://…?cacertfile=/etc/ca.pem&certfile=…&keyfile=…&server_name_indication=broker``: the peer is always verified; without
    ``cacertfile`` by the machine's own authorities.

    :raises WrongTopology: a file that it names cannot be read.
    """
    parts = urlsplit(url)
    if parts.scheme != "amqps":
        return None
    said = dict(parse_qsl(parts.query))
    for name in ("cacertfile", "certfile", "keyfile"):
        if name in said and not os.access(said[name], os.R_OK):
            raise WrongTopology(f"TRIPARTITE_BUS_URL says {name}={said[name]}, and that file cannot be read; see its place and its rights.")
    return {
        "cert_reqs": ssl.CERT_REQUIRED,
        "ca_certs": said.get("cacertfile"),
        "certfile": said.get("certfile"),
        "keyfile": said.get("keyfile"),
        "server_hostname": said.get("server_name_indication") or parts.hostname,
    }


def part_from(connection: Any) -> None:
    """Close a connection that is well; the broker may take CLOSE_SECONDS to say that it knows."""
    try:
        connection.transport.sock.settimeout(CLOSE_SECONDS)
        connection.close()
    except (AttributeError, AMQPError, OSError):  # it was lost in the meantime, and has no transport any more
        drop(connection)


def drop(connection: Any) -> None:
    """Close the socket of a connection that is in doubt, and wait for nobody: a broker that is short of memory never answers."""
    connection.collect()


def declare(connection: Any, service: str, types: Iterable[str]) -> None:
    """Declare the exchanges, the service's two queues and its bindings; what is there already must be as agreed.

    :raises WrongTopology: something is there and is another, or is missing and may not be declared by this user.
    """
    for exchange in (*topology.EXCHANGES, topology.dead_exchange_of(service)):
        _declared(
            connection,
            f"exchange {exchange.name}",
            f"delete it (`rabbitmqadmin delete exchange name={exchange.name}`)",
            lambda channel, passive, exchange=exchange: channel.exchange_declare(
                exchange.name, exchange.type, passive=passive, durable=True, auto_delete=False, arguments=dict(exchange.arguments)
            ),
        )
    queues = {
        topology.UNROUTED: topology.KEEPS,
        topology.dead_queue_of(service): topology.KEEPS,
        topology.queue_of(service): topology.arguments_of(service),
    }
    for queue, arguments in queues.items():
        _declared(
            connection,
            f"queue {queue}",
            f"empty it, delete it (`rabbitmqctl delete_queue {queue}`)",
            lambda channel, passive, queue=queue, arguments=arguments: channel.queue_declare(
                queue, passive=passive, durable=True, auto_delete=False, arguments=dict(arguments)
            ),
        )
    with suppress(WrongTopology):  # a service's own user may not touch it; the definitions have bound it
        _bind(connection, topology.UNROUTED, topology.UNROUTED, [""])
    bind(connection, service, types)


def bind(connection: Any, service: str, types: Iterable[str]) -> None:
    """Bind the service's two queues, as often as you like.

    :raises NotFound: an exchange is there no more; :raises WrongTopology: this user may not bind them.
    """
    _bind(connection, topology.dead_queue_of(service), topology.dead_queue_of(service), [""])
    _bind(connection, topology.queue_of(service), topology.EVENTS, types)


def _declared(connection: Any, what: str, remedy: str, declaration: Any) -> None:
    """Declare it, or see that it is there, on a channel of its own: the broker closes a channel on which it refuses something."""
    try:
        with connection.channel() as channel:
            declaration(channel, False)
    except PreconditionFailed as error:
        raise WrongTopology(
            f"The {what} is not as shared/topology.py has it ({error.reply_text}). Stop what uses it, {remedy} and start "
            "again: it is declared and bound anew."
        ) from error
    except AccessRefused:
        _there(connection, what, declaration)


def _there(connection: Any, what: str, declaration: Any) -> None:
    try:
        with connection.channel() as channel:
            declaration(channel, True)
    except NotFound as error:
        raise WrongTopology(
            f"The {what} is missing, and this user may not declare it; load deploy/rabbitmq/definitions.json into the broker."
        ) from error


def _bind(connection: Any, queue: str, exchange: str, keys: Iterable[str]) -> None:
    try:
        with connection.channel() as channel:
            for key in keys:
                channel.queue_bind(queue, exchange, routing_key=key)
    except AccessRefused as error:
        raise WrongTopology(
            f"The queue {queue} cannot be bound to {exchange} ({error.reply_text}); "
            "see deploy/rabbitmq/definitions.json for the user's rights."
        ) from error
