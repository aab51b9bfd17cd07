"""The proxy does to a connection what its switches say, and nothing else; seen through plain sockets."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.proxy import Proxy

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that lets the test speak for it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        yield listening


@pytest.fixture
def proxy(listener: socket.socket) -> Iterator[Proxy]:
    with Proxy(*listener.getsockname()) as proxy:
        yield proxy


@pytest.fixture
def pair(proxy: Proxy, listener: socket.socket) -> Iterator[Pair]:
    """The two ends of a connection through the proxy, over which something has gone each way: client, server."""
    client = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
    server, _ = listener.accept()
    server.settimeout(10)
    with client, server:
        assert says(client, server, b"hello")
        assert says(server, client, b"welcome")
        yield client, server


def says(speaker: socket.socket, hearer: socket.socket, words: bytes) -> bool:
    """Whether the hearer hears just that."""
    speaker.sendall(words)
    return heard(hearer, len(words)) == words


def heard(hearer: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length and (more := hearer.recv(length - len(found))):
        found += more
    return found


def hears_nothing(hearer: socket.socket) -> bool:
    """Whether nothing comes, for a while."""
    hearer.settimeout(0.2)
    try:
        with pytest.raises(TimeoutError):
            hearer.recv(1)
    finally:
        hearer.settimeout(10)
    return True


def test_a_clear_proxy_passes_everything_on_both_ways(pair: Pair) -> None:
    client, server = pair
    much = bytes(range(256)) * 20_000
    for speaker, hearer in (client, server), (server, client):
        thread = threading.Thread(target=speaker.sendall, args=(much,))
        thread.start()
        assert heard(hearer, len(much)) == much
        thread.join()


def test_an_end_is_passed_on_and_the_other_half_goes_on(pair: Pair) -> None:
    client, server = pair
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""
    assert says(server, client, b"the answer")


def test_what_the_server_says_is_delayed_and_what_the_client_says_is_not(proxy: Proxy, pair: Pair) -> None:
    client, server = pair
    proxy.delay(1)
    server.sendall(b"acknow")
    server.sendall(b"ledged")
    assert says(client, server, b"at once")
    assert hears_nothing(client)
    assert heard(client, 12) == b"acknowledged"


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_black_hole_swallows_one_direction_until_it_is_cleared(proxy: Proxy, pair: Pair, direction: str) -> None:
    client, server = pair
    speaker, hearer = (client, server) if direction == "up" else (server, client)
    proxy.black_hole("up" if direction == "up" else "down")
    speaker.sendall(b"held back")
    assert hears_nothing(hearer)
    assert says(hearer, speaker, b"unhindered")
    proxy.clear()
    assert heard(hearer, 9) == b"held back"


def test_a_black_hole_swallows_new_connections_too(proxy: Proxy, listener: socket.socket) -> None:
    proxy.black_hole("down")
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        server, _ = listener.accept()
        with server:
            server.sendall(b"welcome")
            assert hears_nothing(client)


def test_not_even_the_end_of_a_connection_leaves_a_black_hole(proxy: Proxy, pair: Pair) -> None:
    client, server = pair
    proxy.black_hole("up")
    client.close()
    assert hears_nothing(server)
    proxy.clear()
    assert server.recv(1) == b""


def test_a_reset_reaches_both_ends_and_spares_what_comes_after(proxy: Proxy, pair: Pair, listener: socket.socket) -> None:
    proxy.reset()
    for end in pair:
        with pytest.raises(ConnectionResetError):
            end.recv(1)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        server, _ = listener.accept()
        with server:
            assert says(client, server, b"again")


def test_a_reset_by_one_end_is_passed_on_to_the_other(pair: Pair) -> None:
    client, server = pair
    server.sendall(b"not read")
    assert client.recv(1, socket.MSG_PEEK) == b"n"
    client.close()  # with bytes unread, which resets
    with pytest.raises(ConnectionResetError):
        server.recv(1)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_half_a_connection_is_closed_and_the_other_half_goes_on(proxy: Proxy, pair: Pair, direction: str) -> None:
    client, server = pair
    speaker, hearer = (client, server) if direction == "up" else (server, client)
    proxy.half_close("up" if direction == "up" else "down")
    assert hearer.recv(1) == b""
    assert says(hearer, speaker, b"still here")


def test_new_connections_are_refused_while_open_ones_go_on(proxy: Proxy, pair: Pair, listener: socket.socket) -> None:
    proxy.refuse(True)
    with pytest.raises(ConnectionResetError), socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        client.recv(1)
    assert says(*pair, b"still here")
    proxy.refuse(False)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        server, _ = listener.accept()
        with server:
            assert says(client, server, b"let in")


def test_a_server_that_is_away_shows_as_a_reset(proxy: Proxy, listener: socket.socket) -> None:
    listener.close()
    with pytest.raises(ConnectionResetError), socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        client.recv(1)


def test_a_closed_proxy_leaves_nobody_hanging(listener: socket.socket) -> None:
    proxy = Proxy(*listener.getsockname())
    with closing(socket.create_connection(("127.0.0.1", proxy.port), timeout=10)) as client:
        server, _ = listener.accept()
        with server:
            assert says(client, server, b"hello")
            proxy.black_hole("down")
            server.sendall(b"never")
            proxy.close()
            for end in (client, server):
                with pytest.raises(ConnectionResetError):
                    end.recv(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def test_a_url_leads_through_the_proxy(proxy: Proxy) -> None:
    url = "postgresql+psycopg://{service}:{service}@127.0.0.1:5432/{service}_suffix?sslmode=disable"
    assert proxy.proxied(url) == url.replace(":5432", f":{proxy.port}")
    assert proxy.proxied("amqp://broker.example/%2F") == f"amqp://127.0.0.1:{proxy.port}/%2F"
