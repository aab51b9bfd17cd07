"""A host's own subscriber to the deadlines of its placements. A model for hosts: it needs pika and nothing else.

    python subscribe.py RXN deadlines.sqlite

The host's queue, ``host.rxn.deadlines``, hears every ``deadline.*`` event and keeps it while this program is away. What is about this
host is written to a SQLite file of its own; what stands there is read with

    sqlite3 deadlines.sqlite 'select due, duty, owner, state from deadlines order by due'

Why nothing is lost and nothing counts twice, whenever this program or the broker is killed:

* a message is acknowledged after it was committed to the file, never before; what was not acknowledged comes again;
* the key of a message is its source and id: what comes again is stored once;
* events may overtake each other: of each deadline the highest sequence stands;
* a message that cannot be read is kept too, in the table ``unreadable``, and does not hold up the others.

SIGTERM or Ctrl-C ends it after the message in hand. Exit code: 0 ended so, 2 wrong use, 3 the broker denies access or the
file cannot be written; nothing is acknowledged then.
Read :func:`take` first.
"""

import argparse
import json
import logging
import os
import signal
import sqlite3
import sys
import threading

import pika
from pika import exceptions
from pika.adapters.utils.connection_workflow import AMQPConnectorException

LOCAL = "amqp://guest:guest@127.0.0.1:5672/%2F"
DENIED = (exceptions.ProbableAuthenticationError, exceptions.ProbableAccessDeniedError)
"""What waiting does not mend: a wrong password, no such virtual host."""
AT_ONCE = 50
"""How many messages may be on their way to us, unacknowledged."""
ARGUMENTS = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000}
"""Replicated and on disk. RabbitMQ 4 would drop a message after 20 deliveries, and each time we are killed counts as one."""
TABLES = """
create table if not exists heard (
    source text, id text, type text, subject text, time text, sequence integer, data text, primary key (source, id)
);
create table if not exists unreadable (body blob primary key, reason text);
create view if not exists deadlines as
    select subject as deadline, substr(type, 10) as state, json_extract(data, '$.due') as due, json_extract(data, '$.duty') as duty,
           json_extract(data, '$.owner') as owner, json_extract(data, '$.recipient') as recipient, max(sequence) as sequence
    from heard group by source, subject;
"""
"""In the view, SQLite takes the other columns of a group from the row that has the max: the newest."""


def take(file: sqlite3.Connection, host: str, body: bytes) -> None:
    """Keep a message if it is about the host; on return it is on disk. One that was kept before, or is another host's, changes nothing."""
    try:
        event = json.loads(body)
        names = [str(event[name]) for name in ("source", "id", "type", "subject", "time")]
        if event["data"]["host"] == host:
            with file:
                file.execute(
                    "insert or ignore into heard values (?, ?, ?, ?, ?, ?, ?)", (*names, int(event["sequence"]), json.dumps(event["data"]))
                )
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        with file:
            file.execute("insert or ignore into unreadable values (?, ?)", (body, repr(error)))


def listen(file: sqlite3.Connection, host: str, parameters: pika.URLParameters, exchange: str, ending: threading.Event) -> None:
    """Declare the host's queue and take its messages until the end is near.

    :raises AMQPError: the connection was lost, or the broker refused something.
    """
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        queue = f"host.{host.lower()}.deadlines"
        channel.queue_declare(queue, durable=True, arguments=ARGUMENTS)
        channel.queue_bind(queue, exchange, "deadline.*")
        channel.basic_qos(prefetch_count=AT_ONCE)
        print(f"Listening on {queue}.", flush=True)
        for method, _, body in channel.consume(queue, inactivity_timeout=0.5):
            if method is not None:
                take(file, host, body)
                channel.basic_ack(method.delivery_tag)
            if ending.is_set():
                channel.cancel()  # gives back what was on its way
                return
        raise exceptions.AMQPError("the queue was deleted")


def listen_through_outages(
    file: sqlite3.Connection, host: str, parameters: pika.URLParameters, exchange: str, ending: threading.Event
) -> None:
    """Listen, and when the broker goes away, try again every two seconds.

    :raises AMQPError: what waiting does not mend; among it a queue that we may not have, or that is there with other arguments.
    """
    while not ending.is_set():
        try:
            listen(file, host, parameters, exchange, ending)
        except (exceptions.AMQPError, AMQPConnectorException, OSError) as error:
            if isinstance(error, DENIED) or getattr(error, "reply_code", None) in (403, 406):
                raise
            print(f"The broker is away ({error!r}); trying again.", file=sys.stderr, flush=True)
            ending.wait(2)


def broker(url: str) -> pika.URLParameters:
    """How to reach the broker at a URL."""
    if not url.startswith(("amqp://", "amqps://")):
        raise argparse.ArgumentTypeError(f"must look like {LOCAL}")
    return pika.URLParameters(url)


def main() -> int:
    """The command; gives the exit code."""
    options = argparse.ArgumentParser(description="Keep the deadlines of a host's placements.")
    options.add_argument("host", type=str.upper, help="the host's ODS code, such as RXN")
    options.add_argument("file", help="SQLite file to keep them in")
    options.add_argument("--url", type=broker, default=os.environ.get("AMQP_URL", LOCAL), help="of the broker; AMQP_URL hides the password")
    options.add_argument("--exchange", default="tripartite.events")
    chosen = options.parse_args()
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    ending = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: ending.set())
    try:
        file = sqlite3.connect(chosen.file)  # a commit is on disk when it returns: SQLite's default
        file.executescript(TABLES)
        listen_through_outages(file, chosen.host, chosen.url, chosen.exchange, ending)
    except exceptions.AMQPError as error:
        print(f"The broker denies access: {error!r}. Are user and password right, and may it have this queue?", file=sys.stderr)
        return 3
    except sqlite3.Error as error:
        print(f"{chosen.file} cannot be written: {error}. Is there room, and is it an SQLite file of this program?", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
