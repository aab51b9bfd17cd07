"""Queues and exchanges are as shared/topology.py has them, or a worker refuses to start and says what to do."""

import itertools
from contextlib import closing, suppress
from urllib.parse import unquote, urlsplit

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from shared import topology
from shared.bus import consuming, open_subscriber, rabbitmq
from shared.errors import Unreachable, WrongTopology
from tests.brokers import Broker
from tests.shared.rabbitmq.traffic import NAME, TYPES, an_envelope, publish, until

_numbers = itertools.count()


def test_declaring_again_changes_nothing(declared: str) -> None:
    connection = rabbitmq.connect(declared)
    rabbitmq.declare(connection, NAME, TYPES)
    connection.close()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"x-queue-type": "classic"}, "inequivalent arg"),
        ({**topology.arguments_of(NAME), "x-delivery-limit": 7}, "x-delivery-limit"),
        ({"x-queue-type": "quorum"}, "x-dead-letter-exchange"),
    ],
    ids=["classic", "another-limit", "no-dead-letters"],
)
def test_a_worker_refuses_a_queue_that_is_not_as_agreed_and_says_what_to_do(
    arguments: dict[str, str | int], what: str, url: str, broker: Broker
) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().queue_declare(topology.queue_of(NAME), durable=True, arguments=arguments)
    with pytest.raises(WrongTopology, match=rf"queue tripartite\.eligibility is not as shared/topology.py has it .*{what}.*delete it"):
        open_subscriber(url, NAME, TYPES, 10)


def test_a_worker_refuses_an_exchange_that_is_not_as_agreed(url: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().exchange_declare(topology.EVENTS, "topic", durable=True)
    with pytest.raises(WrongTopology, match=r"exchange tripartite\.events .*alternate-exchange.*rabbitmqadmin delete exchange"):
        open_subscriber(url, NAME, TYPES, 10)


def test_what_somebody_deletes_is_declared_again_while_a_worker_runs(
    declared: str, channel: BlockingChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "BIND_SECONDS", 0.1)
    with closing(open_subscriber(declared, NAME, TYPES, 10)) as subscriber:
        channel.exchange_delete(topology.EVENTS)  # and with it every binding

        def is_heard_again() -> bool:
            with suppress(Unreachable):  # until it is declared again, nobody can publish to it
                publish(declared, [an_envelope()])
                return bool(subscriber.take(1, 0.1))
            return False

        until(is_heard_again)


@pytest.mark.parametrize("password", ["p;w", "p%3Bw", "a:b+c%25%2F@"])
def test_a_password_may_hold_whatever_a_url_may(password: str, declared: str, broker: Broker) -> None:
    user = f"user{next(_numbers)}"
    broker.ctl("add_user", user, unquote(password))
    broker.ctl("set_permissions", "--vhost", unquote(urlsplit(declared).path[1:]), user, ".*", ".*", ".*")
    rabbitmq.connect(declared.replace("guest:guest", f"{user}:{password.replace('@', '%40')}")).close()
    broker.ctl("delete_user", user)


def test_a_user_who_is_not_let_in_is_told_where_to_look(declared: str) -> None:
    with pytest.raises(WrongTopology, match=r"does not let mallory in .*TRIPARTITE_BUS_URL"):
        open_subscriber(declared.replace("guest:guest", "mallory:guess"), NAME, TYPES, 10)
