"""TLS by the broker's URL: the peer is always verified."""

import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from shared.bus import open_subscriber, publishing
from shared.bus.rabbitmq import connect, tls_of
from shared.config import read_config
from shared.errors import InvalidSettings, WrongTopology
from shared.wire import Envelope
from tests.brokers import Broker
from tests.power import free_port

CONF = """
listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.cacertfile = {folder}/authority.pem
ssl_options.certfile = {folder}/broker.pem
ssl_options.keyfile = {folder}/broker.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
"""


class Secured(NamedTuple):
    """A node that speaks TLS, and the file of the authority that vouches for it."""

    url: str
    authority: Path


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    certify(folder)
    port = free_port()
    node = Broker.start(tmp_path_factory.mktemp("broker"), conf=CONF.format(port=port, folder=folder))
    yield Secured(f"amqps://guest:guest@127.0.0.1:{port}/", folder / "authority.pem")
    node.close()


def certify(folder: Path) -> None:
    """An authority of this test, and a certificate of 127.0.0.1 by it."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "authority.key", "-out", "authority.pem", "-days", "2", "-subj", "/CN=authority of this test")
    openssl("req", *key, "-keyout", "broker.key", "-out", "broker.csr", "-subj", "/CN=127.0.0.1")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    signed = ("-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl("x509", "-req", "-in", "broker.csr", "-out", "broker.pem", *signed)


def test_messages_go_both_ways_over_tls(secured: Secured) -> None:
    url = f"{secured.url}?cacertfile={secured.authority}"
    subscriber = open_subscriber(url, "eligibility", ["placement.updated"], 10)
    with closing(subscriber), closing(publishing.Publisher(url, "test")) as publisher:
        bodies = ["x" * 300_000, "small"]
        publisher.publish([Envelope("placement.updated", "urn:t id", "p1", body, datetime(2027, 5, 5, tzinfo=UTC), "") for body in bodies])
        taken = subscriber.take(2, 30.0)
        assert [message.body.decode() for message in taken] == bodies
        subscriber.done(taken)


def test_a_broker_that_nobody_vouches_for_is_refused(secured: Secured) -> None:
    with pytest.raises(OSError, match="certificate verify failed"):
        connect(secured.url)


@pytest.mark.parametrize("name", ["cacertfile", "certfile", "keyfile"])
def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(WrongTopology, match=f"{name}={tmp_path}/none.pem, and that file cannot be read"):
        connect(f"amqps://guest:guest@127.0.0.1:{free_port()}/?{name}={tmp_path}/none.pem")


def test_a_url_without_tls_needs_none() -> None:
    assert tls_of("amqp://broker/") is None


def test_a_parameter_that_no_url_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidSettings, match="has no parameter ssl_ca; an amqps:// URL may say cacertfile"):
        read_config({"TRIPARTITE_BUS_URL": "amqps://broker/?ssl_ca=x"})
