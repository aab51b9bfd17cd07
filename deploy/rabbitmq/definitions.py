"""Makes definitions.json: what stands on the broker, and who may do what there.

    python -m deploy.rabbitmq.definitions > deploy/rabbitmq/definitions.json

Exchanges, queues and permissions come from shared/topology.py, bindings from the CONSUMERS tables, who says what from shared/events.py:
none of it is written here. A user's password is ``laptop-<user>``, unless the environment holds another under the name that
docker-compose.yml reads too: ``DEADLINES_BUS_PASSWORD``, ``UPSTREAM_BUS_PASSWORD``. With the laptop passwords the output never changes.

Read from the bottom: :func:`definitions`, then its parts.
"""

import base64
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.contract import hears
from shared import topology
from shared.events import EVENTS
from shared.topology import PUBLISHES_ONLY, Permissions

VHOST = "/"
UPSTREAM = "upstream"
OPERATOR = "operator"
EVERYTHING = Permissions(".*", ".*", ".*")
SERVICES = tuple(sorted(file.parent.name for file in (Path(__file__).parents[2] / "services").glob("*/app.py")))
"""Every service: the folders of services/ that hold an app."""


def heard_by(service: str) -> list[str]:
    """The types of event in a service's CONSUMERS table."""
    return sorted(event.type for event in hears(service))


def said_by(user: str) -> list[str]:
    """The types of event that a user may publish: its own, and those from outside, which ``POST /<service>/events`` passes on."""
    return sorted(event.type for event in EVENTS.values() if event.from_outside or user in event.said_by)


# ---- users and what they may do ------------------------------------------------------------------------------------


def password_of(user: str, environment: Mapping[str, str]) -> str:
    """The password of a user: what the environment says, else the laptop's."""
    return environment.get(f"{user.upper()}_BUS_PASSWORD") or f"laptop-{user}"


def password_hash(password: str, salt: bytes) -> str:
    """RabbitMQ's salted SHA-256 of a password, in Base64: the salt's four bytes, then the hash of salt and password."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _user(user: str, environment: Mapping[str, str]) -> dict[str, Any]:
    password = password_of(user, environment)
    laptop = password == password_of(user, {})
    salt = hashlib.sha256(user.encode()).digest()[:4] if laptop else secrets.token_bytes(4)
    return {
        "name": user,
        "password_hash": password_hash(password, salt),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": ["administrator"] if user == OPERATOR else [],
    }


def _permissions(user: str, may: Permissions) -> dict[str, str]:
    return {"user": user, "vhost": VHOST, "configure": may.configure, "write": may.write, "read": may.read}


def _topics(user: str, writes: list[str], reads: list[str]) -> dict[str, str]:
    return {"user": user, "vhost": VHOST, "exchange": topology.EVENTS, "write": _one_of(writes), "read": _one_of(reads)}


def _one_of(types: list[str]) -> str:
    """The regular expression of these types and no other; of nothing, if there are none."""
    return f"^({'|'.join(type_.replace('.', '[.]') for type_ in types)})$" if types else "^$"


# ---- exchanges, queues, bindings -----------------------------------------------------------------------------------


def _exchange(exchange: topology.Exchange) -> dict[str, Any]:
    kept = {"durable": True, "auto_delete": False, "internal": False}
    return {"name": exchange.name, "vhost": VHOST, "type": exchange.type, **kept, "arguments": dict(exchange.arguments)}


def _queue(name: str, arguments: Mapping[str, object]) -> dict[str, Any]:
    return {"name": name, "vhost": VHOST, "durable": True, "auto_delete": False, "arguments": dict(arguments)}


def _binding(exchange: str, queue: str, key: str) -> dict[str, Any]:
    to = {"destination": queue, "destination_type": "queue", "routing_key": key}
    return {"source": exchange, "vhost": VHOST, **to, "arguments": {}}


def _queues() -> list[dict[str, Any]]:
    services = [_queue(topology.queue_of(service), topology.arguments_of(service)) for service in SERVICES]
    dead = [_queue(topology.dead_queue_of(service), topology.KEEPS) for service in SERVICES]
    return [*services, *dead, _queue(topology.UNROUTED, topology.KEEPS)]


def _bindings() -> list[dict[str, Any]]:
    heard = [_binding(topology.EVENTS, topology.queue_of(service), type_) for service in SERVICES for type_ in heard_by(service)]
    dead = [_binding(topology.dead_queue_of(service), topology.dead_queue_of(service), "") for service in SERVICES]
    return [*heard, *dead, _binding(topology.UNROUTED, topology.UNROUTED, "")]


def definitions(environment: Mapping[str, str]) -> dict[str, Any]:
    """Everything that a RabbitMQ node (3.10 or later) loads at its start, as its definitions file has it.

    :param environment: where the passwords that are not the laptop's stand.
    """
    may = {**{service: topology.permissions_of(service) for service in SERVICES}, UPSTREAM: PUBLISHES_ONLY, OPERATOR: EVERYTHING}
    return {
        "vhosts": [{"name": VHOST}],
        "users": [_user(user, environment) for user in may],
        "permissions": [_permissions(user, each) for user, each in may.items()],
        "topic_permissions": [
            *(_topics(service, said_by(service), heard_by(service)) for service in SERVICES),
            _topics(UPSTREAM, said_by(UPSTREAM), []),
        ],
        "exchanges": [_exchange(exchange) for exchange in (*topology.EXCHANGES, *map(topology.dead_exchange_of, SERVICES))],
        "queues": _queues(),
        "bindings": _bindings(),
    }


def as_text(found: Mapping[str, Any]) -> str:
    """Definitions as definitions.json holds them."""
    return json.dumps(found, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_text(definitions(os.environ)))
