"""Fixtures: a virtual host of the test's own, with a service's queues, another client's view of them, and a worker that hears."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from shared.bus import rabbitmq
from shared.config import Config
from shared.database import migrate, open_database
from shared.worker import Worker
from tests.brokers import Broker
from tests.helpers import Clock
from tests.shared.rabbitmq.traffic import NAME, TYPES
from tests.shared.scratch import Counting

_names = itertools.count()


@pytest.fixture
def url(broker: Broker) -> Iterator[str]:
    """A virtual host of this test alone."""
    name = f"rabbitmq{next(_names)}"
    yield broker.vhost(name)
    broker.drop_vhost(name)


@pytest.fixture
def declared(url: str) -> str:
    """The same, with the service's queues on it."""
    connection = rabbitmq.connect(url)
    rabbitmq.declare(connection, NAME, TYPES)
    connection.close()
    return url


@pytest.fixture
def channel(declared: str) -> Iterator[BlockingChannel]:
    """Another client's view."""
    connection = pika.BlockingConnection(pika.URLParameters(declared))
    yield connection.channel()
    if connection.is_open:
        connection.close()


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def worker(declared: str, counting: Counting, tmp_path: Path, clock: Clock) -> Iterator[Worker]:
    config = Config(data=tmp_path, bus_url=declared)
    engine = open_database(config.database_of(NAME))
    migrate(engine, NAME)
    engine.dispose()
    made = Worker(counting.service(NAME), config, clock)
    yield made
    made.close()
