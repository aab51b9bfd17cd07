"""Queues and exchanges are as shared/topology.py has them, or a worker refuses to start and says what to do."""

import pika
import pytest

from shared import topology
from shared.bus import open_subscriber, rabbitmq
from shared.errors import WrongTopology
from tests.brokers import Broker
from tests.shared.rabbitmq.traffic import NAME, TYPES


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


def test_a_user_who_is_not_let_in_is_told_where_to_look(declared: str) -> None:
    with pytest.raises(WrongTopology, match=r"does not let mallory in .*TRIPARTITE_BUS_URL"):
        open_subscriber(declared.replace("guest:guest", "mallory:guess"), NAME, TYPES, 10)
