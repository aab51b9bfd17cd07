"""AMQP 0-9-1 by hand, as little of it as the job needs: one connection, one channel, consume, publish, confirm.

The floor works with it; the harness fills the source queue and empties the sink with it, so that neither takes long. What the broker
says unasked (a returned or refused message, a closed channel) is raised. Read from the top: frames, then the link.
"""

import socket
import struct
from urllib.parse import unquote, urlsplit

CHANNEL = 1
FRAME_MAX = 131_072
READ = 1 << 20
PERSISTENT = 2
CONTENT_TYPE = "application/cloudevents+json"
FRAME, CODE, TAG = struct.Struct(">BHI"), struct.Struct(">I"), struct.Struct(">Q")
METHOD, HEADER, BODY = 1, 2, 3
START, TUNE, OPENED, CHANNEL_OPENED = 0x000A000A, 0x000A001E, 0x000A0029, 0x0014000B
QOS_SET, CONSUMING, DELIVER, ACK, CONFIRMING = 0x003C000B, 0x003C0015, 0x003C003C, 0x003C0050, 0x0055000B


class Unexpected(Exception):
    """The broker said what the job does not allow for; the text is the frame."""


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """A frame, ready to be sent."""
    return FRAME.pack(kind, channel, len(payload)) + payload + b"\xce"


def method(code: int, payload: bytes = b"", channel: int = CHANNEL) -> bytes:
    """A method frame. ``code`` is the class in the upper and the method in the lower 16 bits."""
    return frame(METHOD, channel, CODE.pack(code) + payload)


def short(text: str) -> bytes:
    """A short string."""
    return bytes([len(text.encode())]) + text.encode()


def long(text: bytes) -> bytes:
    """A long string."""
    return CODE.pack(len(text)) + text


def publish_start(exchange: str, routing_key: str) -> tuple[bytes, bytes]:
    """What stands before a body in a persistent, mandatory publish: up to the length of the body, and from there to the body's frame.

    A message is ``before + TAG.pack(length) + after + FRAME.pack(BODY, CHANNEL, length) + body + b"\\xce"``.
    """
    publish = method(0x003C0028, struct.pack(">H", 0) + short(exchange) + short(routing_key) + b"\x01")
    properties = struct.pack(">H", 0x9000) + short(CONTENT_TYPE) + bytes([PERSISTENT])
    header = frame(HEADER, CHANNEL, struct.pack(">HHQ", 60, 0, 0) + properties)
    place = 7 + 4  # of the length, behind the start of the frame, class and weight
    return publish + header[:place], header[place + 8 :]


class Link:
    """One connection with one channel, without heartbeats.

    :param url: ``amqp://user:password@host:port/vhost``
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5672), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest, self._answer = b"", 0
        self._tag, self._left, self._parts = 0, 0, b""
        self.published, self.confirmed = 0, 0
        self._ahead: set[int] = set()
        login = f"\0{unquote(parts.username or 'guest')}\0{unquote(parts.password or 'guest')}".encode()
        self._ask(b"AMQP\x00\x00\x09\x01", START)
        self._ask(method(0x000A000B, long(b"") + short("PLAIN") + long(login) + short("en_US"), 0), TUNE)
        tuned = method(0x000A001F, struct.pack(">HIH", 1, FRAME_MAX, 0), 0)
        self._ask(tuned + method(0x000A0028, short(unquote(parts.path[1:]) or "/") + b"\0\0", 0), OPENED)
        self._ask(method(0x0014000A, b"\0"), CHANNEL_OPENED)

    def close(self) -> None:
        """Hang up; what was not acknowledged goes back to its queue."""
        self._socket.close()

    def fileno(self) -> int:
        """The number of the socket, for ``select``."""
        return self._socket.fileno()

    def consume(self, queue: str, prefetch: int) -> None:
        """Ask for the messages of a queue, at most so many unacknowledged."""
        self._ask(method(0x003C000A, struct.pack(">IHB", 0, prefetch, 0)), QOS_SET)
        self._ask(method(0x003C0014, struct.pack(">H", 0) + short(queue) + short("c") + b"\0" + long(b"")), CONSUMING, read=False)

    def confirm(self) -> None:
        """Ask the broker to confirm what is published from now on."""
        self._ask(method(0x0055000A, b"\0"), CONFIRMING)

    def acknowledge(self, tag: int) -> None:
        """Acknowledge every delivery up to this one."""
        self._socket.sendall(method(ACK, TAG.pack(tag) + b"\x01"))

    def publish(self, frames: bytes, count: int) -> None:
        """Hand over so many messages, put together as :func:`publish_start` says."""
        self._socket.sendall(frames)
        self.published += count

    def read(self) -> list[tuple[int, bytes]]:
        """Wait for what the broker sends, once: the messages in it, with their delivery tags. Confirms are counted in ``confirmed``."""
        fresh = self._socket.recv(READ)
        if not fresh:
            raise Unexpected("The broker closed the connection.")
        data, taken, position = self._rest + fresh if self._rest else fresh, list[tuple[int, bytes]](), 0
        while position + 7 < len(data):
            kind, _, size = FRAME.unpack_from(data, position)
            start, end = position + 7, position + 7 + size
            if end >= len(data):
                break
            if kind == BODY:
                self._parts += data[start:end]
                if len(self._parts) == self._left:
                    taken.append((self._tag, self._parts))
            elif kind == HEADER:
                self._left, self._parts = TAG.unpack_from(data, start + 4)[0], b""
            elif kind == METHOD:
                self._method(data, start, end)
            position = end + 1
        self._rest = data[position:]
        return taken

    def _method(self, data: bytes, start: int, end: int) -> None:
        code = CODE.unpack_from(data, start)[0]
        if code == DELIVER:
            self._tag = TAG.unpack_from(data, start + 5 + data[start + 4])[0]
        elif code == ACK:
            self._confirmed(TAG.unpack_from(data, start + 4)[0], multiple=bool(data[start + 12]))
        elif code in (START, TUNE, OPENED, CHANNEL_OPENED, QOS_SET, CONSUMING, CONFIRMING):
            self._answer = code
        else:
            raise Unexpected(repr(data[start:end]))

    def _confirmed(self, tag: int, multiple: bool) -> None:
        """Count on: everything up to ``confirmed`` is confirmed; single confirms that are ahead of it are kept."""
        if multiple:
            self.confirmed = max(self.confirmed, tag)
            self._ahead = {ahead for ahead in self._ahead if ahead > tag}
        else:
            self._ahead.add(tag)
        while self.confirmed + 1 in self._ahead:
            self.confirmed += 1
            self._ahead.remove(self.confirmed)

    def _ask(self, frames: bytes, code: int, read: bool = True) -> None:
        """Send, and wait for the answer. Nothing else comes before it; behind it may, if ``read`` is false, and is kept."""
        self._socket.sendall(frames)
        while read and self._answer != code:
            self.read()
