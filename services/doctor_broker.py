"""What ``tripartite doctor`` looks at on the broker, with pika, the other client of the bus, as each service's own user.

Whether something is there is asked passively. Only what is there is then declared as agreed, on a channel of its own: the broker refuses
a declaration that differs from what stands, and says in which argument (406). So nothing is ever made. What a user may not declare (403)
he cannot look at more closely. Bindings cannot be asked for in AMQP: they are read from RabbitMQ's management API, where it answers.

Read :func:`examined_broker` first, then the two lists at the end.
"""

import base64
import json
import logging
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError, ChannelClosedByBroker

from services.contract import hears
from services.doctor import Checks, Finding, Verdict, counted, looked, ok, unknown, wrong
from shared import topology
from shared.bus.rabbitmq import tls_of
from shared.config import Config
from shared.errors import Unreachable
from shared.topology import EVENTS, UNROUTED, Exchange, dead_exchange_of, dead_queue_of, queue_of

CONNECT_SECONDS = 5.0
HEARTBEAT_SECONDS = 10
OLDEST = (3, 10)
"""The first RabbitMQ whose quorum queues hand on dead letters at least once."""
NOT_FOUND, NOT_ALLOWED, DIFFERENT, UNAVAILABLE = 404, 403, 406, 503
BINDS_ITSELF = "every worker binds its queue when it starts"
MONITORING = "name a user with the tag monitoring: --management http://USER:PASSWORD@HOST:15672"
logging.getLogger("pika").setLevel(logging.CRITICAL)  # what it has to say is a finding


def examined_broker(services: Sequence[str], config: Config, management: str | None) -> list[Finding]:
    """Every finding about the broker and about the queues of these services."""
    connections: dict[str, pika.BlockingConnection | Unreachable] = {}
    asked = Management(management)
    subjects = [BrokerAs(name, config.bus_of(name), asked, connections) for name in services]
    findings = [*looked("broker", subjects[0], BROKER)]
    for subject in subjects:
        subject.away = False
        findings += looked(subject.service, subject, QUEUES)
    for connection in connections.values():
        if isinstance(connection, pika.BlockingConnection) and connection.is_open:
            connection.close()
    return findings


@dataclass
class BrokerAs:
    """The broker as a service's user sees it. ``connections`` holds what was opened, or why it could not be, by URL."""

    service: str
    url: str
    management: "Management"
    connections: dict[str, "pika.BlockingConnection | Unreachable"] = field(repr=False)
    away: bool = False

    @property
    def connection(self) -> pika.BlockingConnection:
        """The connection; opened once.

        :raises Unreachable: nobody answers, or this user is not let in.
        """
        if self.url not in self.connections:
            try:
                self.connections[self.url] = pika.BlockingConnection(self.parameters)
            except (AMQPError, AMQPConnectorException, OSError, ValueError) as error:  # the second: it took the call and said nothing
                reason = str(error) or repr(error)
                self.connections[self.url] = Unreachable(
                    f"{self.place} does not let us in within {CONNECT_SECONDS:.0f} s ({reason}); see that RabbitMQ runs there "
                    "(`rabbitmq-diagnostics check_running`) and that TRIPARTITE_BUS_URL has the right host, user, password and vhost."
                )
        found = self.connections[self.url]
        if isinstance(found, Unreachable):
            raise found
        return found

    @property
    def parameters(self) -> pika.URLParameters:
        """How to connect: once, and not for long. The virtual host is read as the workers read it."""
        parameters = pika.URLParameters(self.url.partition("?")[0])
        if tls := tls_of(self.url):
            context = ssl.create_default_context(cafile=tls["ca_certs"])
            if tls["certfile"]:
                context.load_cert_chain(tls["certfile"], tls["keyfile"])
            parameters.ssl_options = pika.SSLOptions(context, tls["server_hostname"])
        parameters.virtual_host = self.vhost
        parameters.heartbeat = HEARTBEAT_SECONDS
        parameters.connection_attempts = 1
        parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = CONNECT_SECONDS
        return parameters

    @property
    def vhost(self) -> str:
        """The virtual host."""
        return unquote(urlsplit(self.url).path[1:]) or "/"

    @property
    def place(self) -> str:
        """Where the broker is and who asks, without the password."""
        url = urlsplit(self.url)
        return f"{url.scheme}://{url.username or 'guest'}@{url.hostname}:{url.port or (5671 if url.scheme == 'amqps' else 5672)}"


# ---- asking, without making anything -------------------------------------------------------------------------------

Declares = Callable[[BlockingChannel, bool], Any]
"""Declares something on a channel; passively, it asks whether it is there."""


def declared(broker: BrokerAs, declares: Declares, passive: bool = True) -> Any:
    """What the broker answers, on a channel of its own: it closes a channel on which it refuses something."""
    channel = broker.connection.channel()
    answer = declares(channel, passive)
    channel.close()
    return answer


def as_agreed(broker: BrokerAs, name: str, declares: Declares, remedy: str) -> Verdict:
    """Whether something is there, and as shared/topology.py has it.

    :param remedy: what to do if it is not.
    """
    try:
        declared(broker, declares)
    except ChannelClosedByBroker as error:
        if error.reply_code != NOT_FOUND:
            return unknown(f"{name} may not be looked at by this user ({error.reply_text}).")
        return wrong(f"{name} is missing; start `tripartite work {broker.service}`, or load deploy/rabbitmq/definitions.json.")
    try:
        declared(broker, declares, passive=False)
    except ChannelClosedByBroker as error:
        if error.reply_code == DIFFERENT:
            reason = error.reply_text.removeprefix("PRECONDITION_FAILED - ")
            return wrong(f"{name} is not as shared/topology.py has it ({reason}); {remedy}")
        if error.reply_code == NOT_ALLOWED:
            return unknown(f"{name} is there; how it is may not be looked at by this user.")
        raise
    return ok(f"{name} is as agreed.")


def exchange_is_agreed(broker: BrokerAs, exchange: Exchange) -> Verdict:
    """An exchange is there, of its type, with its arguments."""

    def declares(channel: BlockingChannel, passive: bool) -> Any:
        arguments = dict(exchange.arguments)
        return channel.exchange_declare(exchange.name, exchange.type, passive=passive, durable=True, arguments=dict(arguments))

    remedy = (
        f"delete it (`rabbitmqadmin delete exchange name={exchange.name}`) and start every worker again: it is declared and bound anew."
    )
    return as_agreed(broker, exchange.name, declares, remedy)


def queue_is_agreed(broker: BrokerAs, queue: str, arguments: Mapping[str, Any]) -> Verdict:
    """A queue is there, of its type, with its arguments."""

    def declares(channel: BlockingChannel, passive: bool) -> Any:
        return channel.queue_declare(queue, passive=passive, durable=True, arguments=dict(arguments))

    remedy = (
        f"stop its workers, empty it, delete it (`rabbitmqctl delete_queue {queue}`) and start `tripartite work {broker.service}`: "
        "it is declared anew."
    )
    return as_agreed(broker, queue, declares, remedy)


def depth(broker: BrokerAs, queue: str) -> tuple[int, int] | None:
    """How many messages are ready in a queue, and how many consumers take them; None if it is missing."""
    try:
        method = declared(broker, lambda channel, passive: channel.queue_declare(queue, passive=passive)).method
    except ChannelClosedByBroker as error:
        if error.reply_code == NOT_FOUND:
            return None
        raise
    return method.message_count, method.consumer_count


MISSING = unknown("its queue is missing.")

# ---- the broker ----------------------------------------------------------------------------------------------------


def broker_answers(broker: BrokerAs) -> Verdict:
    """It answers, and lets this service's user in."""
    connection = broker.connection
    assert connection.is_open
    return ok(f"{broker.place} answers.")


def version_is_new_enough(broker: BrokerAs) -> Verdict:
    """It is RabbitMQ, and can hand on dead letters at least once."""
    properties = broker.connection._impl.server_properties  # pika shows it in no other way
    product, version = (_text(properties.get(name)) for name in ("product", "version"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if product == "RabbitMQ" and numbers >= OLDEST:
        return ok(f"{product} {version}.")
    return wrong(f"it is {product} {version}; RabbitMQ 3.10 or later is needed, whose quorum queues lose no dead letters: upgrade it.")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def heartbeat_is_negotiated(broker: BrokerAs) -> Verdict:
    """Who dies without a word is noticed."""
    seconds = broker.connection._impl.params.heartbeat
    if 5 <= seconds <= 60:
        return ok(f"every {seconds} s.")
    return wrong(f"{seconds} s was agreed: too short, or too long to notice who is gone; write `heartbeat = 60` into rabbitmq.conf.")


def nothing_is_blocked(broker: BrokerAs) -> Verdict:
    """It is short of nothing: while it is, nobody may publish."""
    try:
        broker.management.get(broker, "health/checks/alarms")
    except urllib.error.HTTPError as error:
        if error.code == UNAVAILABLE:
            return wrong("it is short of memory or disk, and takes no messages; `rabbitmq-diagnostics alarms` says of which: give it more.")
        return unknown(f"alarms; {MONITORING} ({error.code} {error.reason}).")
    except (OSError, ValueError) as error:
        return unknown(f"alarms; name the management API with --management ({error}).")
    return ok("no alarm of memory or disk.")


def unrouted_is_empty(broker: BrokerAs) -> Verdict:
    """Nobody says what nobody hears."""
    found = depth(broker, UNROUTED)
    if found is None:
        return MISSING
    if found[0]:
        return wrong(
            f"{counted(found[0], 'message')} in {UNROUTED}, of a type that no service hears; look at one (management page, "
            "Get messages): its routing key is the type, its app_id the publisher. Mend that, or update the services; then empty the queue."
        )
    return ok("nothing was said that nobody hears.")


# ---- a service's queues --------------------------------------------------------------------------------------------


def queue_is_worked_on(broker: BrokerAs) -> Verdict:
    """Somebody takes what is in the queue."""
    found = depth(broker, queue_of(broker.service))
    if found is None:
        return MISSING
    messages, consumers = found
    if not consumers:
        return wrong(f"{counted(messages, 'message')} ready and nobody at the queue; start `tripartite work {broker.service}`.")
    return ok(f"{counted(messages, 'message')} ready, {counted(consumers, 'worker')} at the queue.")


def dead_letters_are_taken(broker: BrokerAs) -> Verdict:
    """Dead letters do not stay: a worker takes them into the quarantine."""
    found = depth(broker, dead_queue_of(broker.service))
    if found is None:
        return MISSING
    if found[0]:
        return wrong(
            f"{counted(found[0], 'message')} taken again and again and never answered; start "
            f"`tripartite work {broker.service}`, which takes them into the quarantine, and see "
            f"`tripartite quarantine list {broker.service}`."
        )
    return ok("there are none.")


def queues_are_bound(broker: BrokerAs) -> Verdict:
    """The queue is bound to the types in the service's CONSUMERS table and to no other, and the dead letters come to theirs."""
    dead = dead_queue_of(broker.service)
    letters = bound(broker, dead, dead, {""})
    heard = bound(broker, queue_of(broker.service), EVENTS, {event.type for event in hears(broker.service)})
    return letters if heard.state == "ok" else heard


# ---- bindings, from the management API -----------------------------------------------------------------------------


def bound(broker: BrokerAs, queue: str, exchange: str, keys: set[str]) -> Verdict:
    """A queue is bound to an exchange by these keys and by no others."""
    try:
        bindings = broker.management.get(broker, f"queues/{quote(broker.vhost, safe='')}/{quote(queue, safe='')}/bindings")
    except urllib.error.HTTPError as error:
        if error.code == NOT_FOUND:
            return MISSING
        return unknown(f"bindings; {BINDS_ITSELF}; {MONITORING} ({error.code} {error.reason}).")
    except (OSError, ValueError) as error:
        return unknown(f"bindings; {BINDS_ITSELF}; name the management API with --management ({error}).")
    there = {binding["routing_key"] for binding in bindings if binding["source"] == exchange}
    if lacking := sorted(keys - there):
        names = ", ".join(filter(None, lacking)) or "anything"
        return wrong(f"{queue} is not bound to {exchange} for {names}; start `tripartite work {broker.service}`: {BINDS_ITSELF}.")
    if needless := sorted(there - keys):
        return wrong(f"{queue} hears {', '.join(needless)} too, which {broker.service} does not take; unbind it on the management page.")
    return ok(f"{', '.join(filter(None, sorted(keys))) or 'everything'} comes to its queue.")


class Management:
    """RabbitMQ's management API. ``named`` is its URL; without one it is looked for at the broker's host, as the bus's user."""

    def __init__(self, named: str | None) -> None:
        self.named = named
        self.trouble: OSError | None = None

    def get(self, broker: BrokerAs, path: str) -> Any:
        """What it answers.

        :raises OSError: it does not answer, or (``HTTPError``) refuses; :raises ValueError: it answers something else.
        """
        if self.trouble is not None:
            raise self.trouble  # who did not answer once is not waited for again
        if self.named is None and urlsplit(broker.url).port not in (None, 5671, 5672):
            raise OSError("it is not looked for beside a bus that is not at its usual port: another broker might answer")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a password is for no proxy
        try:
            with opener.open(self._request(broker, path), timeout=CONNECT_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            raise
        except OSError as error:
            self.trouble = error
            raise

    def _request(self, broker: BrokerAs, path: str) -> urllib.request.Request:
        bus = urlsplit(broker.url)
        default = f"https://{bus.hostname}:15671" if bus.scheme == "amqps" else f"http://{bus.hostname}:15672"
        url = urlsplit(self.named or default)
        who = url if url.username else bus
        credentials = f"{unquote(who.username or 'guest')}:{unquote(who.password or 'guest')}".encode()
        request = urllib.request.Request(f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path.rstrip('/')}/api/{path}")  # noqa: S310 (http or https, as checked)
        request.add_header("Authorization", f"Basic {base64.b64encode(credentials).decode()}")
        return request


# ---- the lists -----------------------------------------------------------------------------------------------------


BROKER: "Checks[BrokerAs]" = (
    ("broker", broker_answers),
    ("version", version_is_new_enough),
    ("heartbeat", heartbeat_is_negotiated),
    *(("exchange", partial(exchange_is_agreed, exchange=exchange)) for exchange in topology.EXCHANGES),
    ("queue", partial(queue_is_agreed, queue=UNROUTED, arguments=topology.KEEPS)),
    ("bindings", partial(bound, queue=UNROUTED, exchange=UNROUTED, keys={""})),
    ("unrouted", unrouted_is_empty),
    ("alarms", nothing_is_blocked),
)
QUEUES: "Checks[BrokerAs]" = (
    ("bus", broker_answers),
    ("exchange", lambda broker: exchange_is_agreed(broker, dead_exchange_of(broker.service))),
    ("queue", lambda broker: queue_is_agreed(broker, queue_of(broker.service), topology.arguments_of(broker.service))),
    ("queue", lambda broker: queue_is_agreed(broker, dead_queue_of(broker.service), topology.KEEPS)),
    ("bindings", queues_are_bound),
    ("messages", queue_is_worked_on),
    ("dead letters", dead_letters_are_taken),
)
