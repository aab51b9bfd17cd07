"""definitions.json is what its generator makes of topology, CONSUMERS tables and events; and a real RabbitMQ holds every user to it."""

import base64
import hashlib
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, ProbableAuthenticationError

from deploy.rabbitmq.definitions import SERVICES, as_text, definitions, said_by
from shared import topology
from shared.bus.rabbitmq import connect, declare
from shared.events import EVENTS
from tests.brokers import Broker
from tests.deploy.processes import DEFINITIONS, loaded_broker
from tests.helpers import HOUSE, a_document, a_placement, cloud_event
from tests.shared.test_event_classes import table

MADE = definitions({})
HOW = "make it anew: python -m deploy.rabbitmq.definitions > deploy/rabbitmq/definitions.json"


def hears(service: str) -> set[str]:
    return {event.type for event in importlib.import_module(f"services.{service}.consumers").CONSUMERS}


# ---- the file ------------------------------------------------------------------------------------------------------


def test_the_file_is_what_the_generator_makes() -> None:
    assert DEFINITIONS.read_text() == as_text(MADE), HOW


def test_who_says_what_is_as_the_table_of_events_has_it() -> None:
    outside = {event.type for event in EVENTS.values() if event.from_outside}
    for user in (*SERVICES, "upstream"):
        own = {event.type for event, (who, _) in table().items() if user in who}
        assert set(said_by(user)) == outside | own, user


def test_every_service_is_bound_to_what_it_hears_and_to_nothing_else() -> None:
    for service in SERVICES:
        keys = [each["routing_key"] for each in MADE["bindings"] if each["destination"] == topology.queue_of(service)]
        assert len(keys) == len(set(keys))
        assert set(keys) == hears(service)


def test_everything_of_the_topology_is_there() -> None:
    exchanges = {each["name"]: (each["type"], each["arguments"]) for each in MADE["exchanges"]}
    agreed = (*topology.EXCHANGES, *map(topology.dead_exchange_of, SERVICES))
    assert exchanges == {each.name: (each.type, dict(each.arguments)) for each in agreed}
    queues = {each["name"]: each["arguments"] for each in MADE["queues"]}
    for service in SERVICES:
        assert queues.pop(topology.queue_of(service)) == topology.arguments_of(service)
        assert queues.pop(topology.dead_queue_of(service)) == topology.KEEPS
    assert queues == {topology.UNROUTED: topology.KEEPS}
    assert all(each["durable"] for each in (*MADE["exchanges"], *MADE["queues"]))


def test_no_letter_of_a_dead_or_unheard_message_goes_astray() -> None:
    bound = {(each["source"], each["routing_key"]): each["destination"] for each in MADE["bindings"]}
    for service in SERVICES:
        before = str(topology.arguments_of(service)["x-dead-letter-exchange"])
        assert (before, bound[before, ""]) == (topology.dead_exchange_of(service).name, topology.dead_queue_of(service))
    assert bound[topology.UNROUTED, ""] == topology.UNROUTED


def test_only_an_event_s_own_type_fits_the_expression_that_permits_it() -> None:
    for each in MADE["topic_permissions"]:
        allowed = {type_ for type_ in EVENTS if re.search(each["write"], type_)}
        assert allowed == set(said_by(each["user"])), each["user"]
        assert not re.search(each["write"], "placementXupdated")
        assert {type_ for type_ in EVENTS if re.search(each["read"], type_)} == (hears(each["user"]) if each["user"] in SERVICES else set())


def test_passwords_come_from_the_environment_and_each_gets_a_salt_of_its_own() -> None:
    first, second = (definitions({"DEADLINES_BUS_PASSWORD": "own"})["users"] for _ in range(2))
    changed = [user["name"] for user, laptop in zip(first, MADE["users"], strict=True) if user != laptop]
    assert changed == ["deadlines"]
    hashed = next(user["password_hash"] for user in first if user["name"] == "deadlines")
    salted = base64.b64decode(hashed)
    assert salted[4:] == hashlib.sha256(salted[:4] + b"own").digest()
    assert first != second


# ---- a broker that was started with it ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    node = loaded_broker(tmp_path_factory.mktemp("broker"))
    yield node
    node.power.close()


@contextmanager
def channel_of(broker: Broker, user: str, password: str = "") -> Iterator[BlockingChannel]:
    """A channel of one of the users, with confirms."""
    url = urlsplit(broker.url)
    credentials = pika.PlainCredentials(user, password or f"laptop-{user}")
    connection = pika.BlockingConnection(pika.ConnectionParameters(url.hostname or "", url.port or 0, "/", credentials))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel
    finally:
        connection.close()


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(ChannelClosedByBroker) as raised:
        yield
    assert raised.value.reply_code == 403, raised.value


def listed(broker: Broker, what: str, *columns: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(broker.ctl("--quiet", "--formatter=json", what, *columns))
    return found


def test_a_broker_takes_the_definitions_as_they_stand(broker: Broker, tmp_path: Path) -> None:
    queues = {each["name"]: each["type"] for each in listed(broker, "list_queues", "name", "type")}
    assert queues == {each["name"]: "quorum" for each in MADE["queues"]}
    exported = tmp_path / "exported.json"
    broker.ctl("export_definitions", str(exported))
    found = json.loads(exported.read_text())
    for part in ("users", "permissions", "topic_permissions", "exchanges", "queues", "bindings"):
        there = {tuple(sorted(stripped(each).items())) for each in found[part]}
        assert there == {tuple(sorted(stripped(each).items())) for each in MADE[part]}, part


def stripped(found: dict[str, Any]) -> dict[str, str]:
    """An entry of the definitions, without what a broker adds of itself."""
    return {name: json.dumps(value, sort_keys=True) for name, value in found.items() if name not in ("limits", "type", "internal")}


def test_an_event_that_is_too_large_is_refused(broker: Broker) -> None:
    with channel_of(broker, "upstream") as channel, pytest.raises(ChannelClosedByBroker, match="larger than configured max size"):
        channel.basic_publish(topology.EVENTS, "placement.updated", bytes(4 * 1024 * 1024 + 1))


@pytest.mark.parametrize("service", SERVICES)
def test_a_worker_finds_everything_as_it_needs_it(broker: Broker, service: str) -> None:
    url = urlsplit(broker.url)
    connection = connect(f"amqp://{service}:laptop-{service}@{url.hostname}:{url.port}/")
    try:
        declare(connection, service, hears(service))
    finally:
        connection.close()


@pytest.mark.parametrize("service", SERVICES)
def test_a_worker_may_declare_bind_and_read_what_is_its_own(broker: Broker, service: str) -> None:
    with channel_of(broker, service) as channel:
        channel.queue_declare(topology.queue_of(service), durable=True, arguments=topology.arguments_of(service))
        channel.queue_declare(topology.dead_queue_of(service), durable=True, arguments=dict(topology.KEEPS))
        for type_ in hears(service):
            channel.queue_bind(topology.queue_of(service), topology.EVENTS, type_)
        channel.basic_get(topology.queue_of(service))
        channel.basic_get(topology.dead_queue_of(service))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_cannot_read_what_is_another_s(broker: Broker, service: str) -> None:
    for other in (*(name for name in SERVICES if name != service), "unrouted"):
        for queue in {topology.queue_of(other), topology.dead_queue_of(other)} - {topology.dead_queue_of("unrouted")}:
            with channel_of(broker, service) as channel, refused():
                channel.basic_get(queue)


def tries(name: str, own: str) -> list[Callable[[BlockingChannel], object]]:
    """What somebody could try to get at dead letters: ``name`` is that of the queue and of the exchange, ``own`` a queue of his."""
    return [
        lambda channel: channel.basic_get(name),
        lambda channel: channel.basic_consume(name, lambda *_: None),
        lambda channel: channel.queue_purge(name),
        lambda channel: channel.queue_delete(name),
        lambda channel: channel.queue_bind(name, own),
        lambda channel: channel.queue_bind(own, name),
        lambda channel: channel.basic_publish(name, "", b"{}"),
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_neither_read_nor_write_another_s_dead_letters(broker: Broker, service: str) -> None:
    for other in (name for name in SERVICES if name != service):
        for attempt in tries(topology.dead_queue_of(other), topology.dead_queue_of(service)):
            with channel_of(broker, service) as channel, refused():
                attempt(channel)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_cannot_make_its_queue_hear_more(broker: Broker, service: str) -> None:
    for type_ in {*EVENTS, "#"} - hears(service):
        with channel_of(broker, service) as channel, refused():
            channel.queue_bind(topology.queue_of(service), topology.EVENTS, type_)


@pytest.mark.parametrize("user", [*SERVICES, "upstream"])
def test_nobody_can_publish_what_is_not_his_to_say(broker: Broker, user: str) -> None:
    for type_ in {*EVENTS, "deadline"} - set(said_by(user)):
        with channel_of(broker, user) as channel, refused():
            channel.basic_publish(topology.EVENTS, type_, b"{}")
    with channel_of(broker, user) as channel, refused():
        channel.basic_publish("", topology.queue_of("notifications"), b"{}")


def test_an_upstream_system_that_says_what_it_may_not_is_denied_that_line_alone(broker: Broker) -> None:
    lines = [cloud_event(a_placement()), {**cloud_event(a_placement()), "type": "placement.updatd"}, cloud_event(a_document())]
    command = [sys.executable, "examples/publish.py", "--url", broker.url.replace("guest:guest", "upstream:laptop-upstream")]
    ran = subprocess.run(
        command, cwd=HOUSE, input="\n".join(map(json.dumps, lines)), capture_output=True, text=True, timeout=60, check=False
    )
    assert [line.split()[2] for line in ran.stdout.splitlines()] == ["confirmed", "denied", "confirmed"], ran.stderr
    assert ran.returncode == 1


@pytest.mark.parametrize("user", [*SERVICES, "upstream"])
def test_what_somebody_may_say_reaches_exactly_those_who_hear_it(broker: Broker, user: str) -> None:
    before = waiting(broker)
    with channel_of(broker, user) as channel:
        for type_ in said_by(user):
            channel.basic_publish(topology.EVENTS, type_, b"{}")
    grown = {service: count - before[service] for service, count in waiting(broker).items()}
    assert grown == {service: len(hears(service) & set(said_by(user))) for service in SERVICES}


def waiting(broker: Broker) -> dict[str, int]:
    """How many messages wait for each service, as a worker of it is told."""
    found = {}
    for service in SERVICES:
        with channel_of(broker, service) as channel:
            found[service] = channel.queue_declare(topology.queue_of(service), passive=True).method.message_count
    return found


def test_an_upstream_system_sees_nothing_and_makes_nothing(broker: Broker) -> None:
    for queue in (each["name"] for each in MADE["queues"]):
        with channel_of(broker, "upstream") as channel, refused():
            channel.basic_get(queue)
    with channel_of(broker, "upstream") as channel, refused():
        channel.queue_declare("mine")
    with channel_of(broker, "upstream") as channel, refused():
        channel.queue_declare("", exclusive=True)


def test_a_user_is_let_in_with_his_own_password_only(broker: Broker) -> None:
    with pytest.raises(ProbableAuthenticationError), channel_of(broker, "deadlines", "laptop-eligibility"):
        pass
    with pytest.raises(ProbableAuthenticationError), channel_of(broker, "guest", "guest"):
        pass
