"""A TCP proxy that spoils connections in the middle: it delays, goes silent, resets, closes one half, refuses.

::

    client ──▶ Proxy ── up ──▶ server
           ◀──────── down ──

It is switched while connections are open, and a switch is in force when its call returns. No byte is lost from the midst of a stream: what
a silent direction holds back, the end of the stream and a reset included, follows after :meth:`Proxy.clear`, as when a network is mended.
A server that cannot be reached shows as a reset.

Read from the top: the switches, then what happens on the proxy's own thread.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

Direction = Literal["up", "down"]
Found = TypeVar("Found")


@dataclass(eq=False)
class Link:
    """One open connection: whither each direction leads, and the task that forwards it."""

    targets: dict[Direction, asyncio.StreamWriter]
    pumps: dict[Direction, asyncio.Task[None]] = field(default_factory=dict)


class Proxy:
    """A proxy in front of the server at a host and port; it listens on a free port of 127.0.0.1, ``port``."""

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port
        self._links: set[Link] = set()
        self._flows: dict[Direction, asyncio.Event] = {"up": asyncio.Event(), "down": asyncio.Event()}
        self._delay = 0.0
        self._refuses = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self.clear()
        self._listener = self._do(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port: int = self._listener.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def proxied(self, url: str) -> str:
        """A URL of the server, led through the proxy."""
        address = urlsplit(url)
        user, at, _ = address.netloc.rpartition("@")
        return address._replace(netloc=f"{user}{at}127.0.0.1:{self.port}").geturl()

    def clear(self) -> None:
        """Passes everything on, at once."""
        self._do(self._clear())

    def delay(self, seconds: float) -> None:
        """Holds every byte that the server sends from now on back for so long."""
        self._delay = seconds

    def black_hole(self, direction: Direction) -> None:
        """Lets nothing through in a direction, of open and of new connections, and closes nothing."""
        self._do(self._silence(direction))

    def refuse(self, refuses: bool) -> None:
        """Resets new connections at once, or no longer; open ones go on."""
        self._refuses = refuses

    def reset(self) -> None:
        """Resets every open connection, towards the client and towards the server."""
        self._do(self._reset())

    def half_close(self, direction: Direction = "down") -> None:
        """Ends one direction of every open connection, and what was on its way there is lost; the other direction goes on."""
        self._do(self._half_close(direction))

    def close(self) -> None:
        """Resets every open connection and listens no more."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Found]) -> Found:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    # ---- on the proxy's own thread -------------------------------------------------------------------------------

    async def _clear(self) -> None:
        self._delay, self._refuses = 0.0, False
        for flow in self._flows.values():
            flow.set()

    async def _silence(self, direction: Direction) -> None:
        self._flows[direction].clear()

    async def _reset(self) -> None:
        for link in tuple(self._links):
            await self._cut(link, by_force=True)

    async def _half_close(self, direction: Direction) -> None:
        for link in self._links:
            link.pumps[direction].cancel()
            link.targets[direction].write_eof()

    async def _close(self) -> None:
        self._listener.close()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await self._reset()  # again: a connection may just be being made
            await asyncio.wait(others, timeout=0.05)

    async def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            if self._refuses:
                raise ConnectionRefusedError
            server, to_server = await asyncio.open_connection(*self._server)
        except OSError:
            await _end(to_client, by_force=True)
            return
        link = Link({"up": to_server, "down": to_client})
        link.pumps["up"] = asyncio.create_task(self._pump(client, to_server, "up"))
        link.pumps["down"] = asyncio.create_task(self._pump(server, to_client, "down"))
        self._links.add(link)
        done, _ = await asyncio.wait(link.pumps.values(), return_when=asyncio.FIRST_EXCEPTION)
        await self._cut(link, by_force=any(not pump.cancelled() and pump.exception() for pump in done))

    async def _cut(self, link: Link, by_force: bool) -> None:
        for direction, pump in link.pumps.items():
            pump.cancel()
            await _end(link.targets[direction], by_force)
        self._links.discard(link)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, direction: Direction) -> None:
        held: asyncio.Queue[tuple[float, bytes | None]] = asyncio.Queue(100)  # what came, and when it is due

        async def take() -> None:
            data: bytes | None = b"?"
            while data:
                try:
                    data = await source.read(65536)
                except OSError:
                    data = None  # a reset
                await held.put((self._loop.time() + (self._delay if direction == "down" else 0), data))

        async with asyncio.TaskGroup() as group:
            group.create_task(take())
            while True:
                due, data = await held.get()
                await asyncio.sleep(due - self._loop.time())
                await self._flows[direction].wait()
                if data is None:
                    raise ConnectionResetError
                if not data:
                    return target.write_eof()
                target.write(data)
                await target.drain()


async def _end(writer: asyncio.StreamWriter, by_force: bool) -> None:
    with suppress(OSError):  # it may have ended already, and how it ended is its peer's business
        if by_force:
            no_time = struct.pack("ii", 1, 0)  # closing sends a reset, and drops what was not sent
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_time)
            writer.transport.abort()
        writer.close()
        await writer.wait_closed()
