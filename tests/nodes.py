"""Real brokers and databases for tests, private to the test session, which a test may kill -9 and start again.

::

    open_broker, open_database ──▶ 1. what TRIPARTITE_TEST_AMQP_URL, TRIPARTITE_TEST_DATABASE_URL name   (Given: cannot be killed)
                                   2. a container, where a Docker engine answers                         (Contained)
                                   3. an installed server; as root on Debian it is installed first       (Installed)
                                   4. NoServer: the test fails, it is not skipped

What is started here listens on loopback, has ports and folders of its own, and dies with the test process. A test that kills a node
starts it again: the next test finds it running. Virtual hosts, roles and databases keep tests out of each other's sight.

Read from the top: how they are found, the fixtures. The broker is tests/brokers.py, the database tests/databases.py; who holds a node's
power, and what is installed, is tests/power.py.
"""

import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.brokers import Broker
from tests.databases import Database
from tests.power import Contained, Given, free_port

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

# ---- how they are found --------------------------------------------------------------------------------------------


def open_broker(folder: Path) -> Broker:
    """A broker to test with. One that is given has its management plugin on the same host, port 15672, with the same user.

    :raises NoServer: none can be had.
    """
    if url := os.environ.get("TRIPARTITE_TEST_AMQP_URL"):
        user, _, host = urlsplit(url).netloc.rpartition("@")
        return Broker(url, f"http://{user}@{host.partition(':')[0]}:15672", Given("TRIPARTITE_TEST_AMQP_URL"))
    if docker_answers():
        return _contained_broker()
    return Broker.start(folder)


def open_database(folder: Path) -> Database:
    """A database cluster to test with. One that is given is entered as a user who may create roles and databases.

    :raises NoServer: none can be had.
    """
    if url := os.environ.get("TRIPARTITE_TEST_DATABASE_URL"):
        return Database(url, Given("TRIPARTITE_TEST_DATABASE_URL"))
    if docker_answers():
        return _contained_database()
    return Database.start(folder)


@cache
def docker_answers() -> bool:
    """Whether a Docker engine answers, within three seconds."""
    import docker

    answers = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # where none answers, docker forgets to close its socket
        with suppress(docker.errors.DockerException), closing(docker.from_env(timeout=3)) as client:
            answers = bool(client.ping())
        gc.collect()
    return answers


def _contained_broker() -> Broker:
    from testcontainers.community.rabbitmq import RabbitMqContainer

    container = RabbitMqContainer("rabbitmq:4-management", username="guest", password="guest")
    host = _begin(container, 5672, 15672)
    amqp, management = container.get_exposed_port(5672), container.get_exposed_port(15672)
    node = Broker(f"amqp://guest:guest@{host}:{amqp}/", f"http://guest:guest@{host}:{management}", Contained(container))
    node.wait_until_ready()
    return node


def _contained_database() -> Database:
    from testcontainers.community.postgres import PostgresContainer

    container = PostgresContainer("postgres:17", username="postgres", password="postgres", dbname="postgres")
    host = _begin(container, 5432)
    node = Database(f"postgresql+psycopg://postgres:postgres@{host}:{container.get_exposed_port(5432)}/postgres", Contained(container))
    node.start_again()
    return node


def _begin(container: "DockerContainer", *ports: int) -> str:
    """Starts a container with ports that it keeps, on loopback where the engine is on this machine; gives its host."""
    local = container.get_docker_client().host() == "localhost"
    for port in ports:
        container.ports[str(port)] = ("127.0.0.1" if local else "", free_port())  # type: ignore[assignment]  # Docker takes pairs
    container.start()
    return container.get_container_host_ip().replace("localhost", "127.0.0.1")


# ---- the fixtures --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The session's broker, from its first use. Take a virtual host of your own: ``broker.vhost(name)``."""
    node = open_broker(tmp_path_factory.mktemp("broker"))
    try:
        yield node
    finally:
        node.close()


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The session's database cluster, from its first use. Take databases of your own: ``database.create(names, suffix)``."""
    node = open_database(tmp_path_factory.mktemp("database"))
    try:
        yield node
    finally:
        node.close()
