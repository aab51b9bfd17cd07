"""Publishes events to Tripartite's bus, and says of each what became of it. A model for upstream systems: it needs pika and nothing else.

    python publish.py placements.jsonl --type placement.updated --source urn:example:tis

Each line of the file (or of standard input, if there is none) is a JSON object: a whole CloudEvent, or the ``data`` of one, for which
``--type`` and ``--source`` make the rest; blank lines are passed over. The shapes are shared/contract/<type>.schema.json. One line of
output for each:

    confirmed   the broker has it on disk and will not lose it: the only word that lets you forget the message
    unroutable  no queue takes this type; is it spelt as in the contract?
    refused     the broker could not keep it now (a full queue); send it again later
    denied      this user may not say such a type; is it spelt as in the contract?
    unusable    the line was no JSON object, lacked what a CloudEvent needs (id, source, type, time, data), or is too large; it was not sent

If the connection is lost before the broker answered, or it does not answer in time (a queue that has just recovered may forget to), it may
or may not have the message. So it is sent again **with the same id**, and whoever hears it twice handles it once. A CloudEvent keeps the
id it came with: a file of them can be sent again as a whole.

Exit code: 0 everything was confirmed, 1 something was not, 2 wrong use, 3 the broker is unreachable or denies access.
Read :func:`publish` first. It waits for each confirmation: simple, and some hundreds of messages a second. Python 3.11 on a Unix system.
"""

import argparse
import json
import logging
import os
import re
import signal
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pika
from pika import exceptions
from pika.adapters.blocking_connection import BlockingChannel
from pika.adapters.utils.connection_workflow import AMQPConnectorException

ANSWER_WITHIN = 10  # seconds
LARGEST = 1024 * 1024  # bytes of an event; whoever hears a larger one puts it into quarantine
LOCAL = "amqp://guest:guest@127.0.0.1:5672/%2F"
DENIED = (exceptions.ProbableAuthenticationError, exceptions.ProbableAccessDeniedError, exceptions.ChannelClosedByBroker)
"""What waiting does not mend: a wrong password, no such virtual host; no such exchange, or no right to write to it."""
AWAY = (exceptions.AMQPError, AMQPConnectorException, OSError)
"""What tells that the broker is away, or was lost; the second that it took the call and said nothing."""
NAME = re.compile("[!-~]{1,255}")
"""Printable ASCII without spaces; AMQP's properties have room for so much."""
CORRELATION = re.compile("[ -~]{0,200}")
Event = dict[str, Any]


def body_of(event: Event) -> bytes:
    """A CloudEvent as it travels."""
    return json.dumps(event, ensure_ascii=False).encode()


def publish(channel: BlockingChannel, exchange: str, event: Event) -> str:
    """Publish a CloudEvent and wait for the broker's word on it: confirmed, unroutable, refused or denied (which closes the channel)."""
    properties = pika.BasicProperties(
        content_type="application/cloudevents+json",
        delivery_mode=2,  # persistent: on disk before it is confirmed
        message_id=event["id"],
        type=event["type"],
        app_id=event["source"],
        correlation_id=str(event.get("correlationid") or "") or None,
        timestamp=int(datetime.fromisoformat(event["time"].upper()).timestamp()),
    )
    try:
        channel.basic_publish(exchange, event["type"], body_of(event), properties, mandatory=True)
    except exceptions.UnroutableError:
        return "unroutable"
    except exceptions.NackError:
        return "refused"
    except exceptions.ChannelClosedByBroker as error:
        if "access to topic" not in error.reply_text:  # else what is denied is not this type, but all
            raise
        return "denied"
    return "confirmed"


def read(line: str, type_: str | None, source: str | None) -> Event | None:
    """The CloudEvent of a line, or None if it cannot be used."""
    try:
        event = json.loads(line, parse_constant=no_number)
        if "specversion" not in event:
            now = datetime.now(UTC).isoformat()
            event = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": source, "type": type_, "time": now, "data": event}
        time_of = datetime.fromisoformat(event["time"].upper())  # RFC 3339 has small t and z as well
        fits = event["specversion"] == "1.0" and all(NAME.fullmatch(event[name]) for name in ("id", "source", "type"))
        fits = fits and bool(CORRELATION.fullmatch(str(event.get("correlationid") or ""))) and len(body_of(event)) <= LARGEST
        return event if fits and time_of.tzinfo and time_of.timestamp() > 0 and isinstance(event["data"], dict) else None
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None


def no_number(word: str) -> None:
    """NaN and Infinity, which Python reads and JSON does not know.

    :raises ValueError: always.
    """
    raise ValueError(word)


def publish_all(
    events: Iterable[tuple[int, Event | None]], parameters: pika.URLParameters, exchange: str, patience: float
) -> Iterator[tuple[int, str]]:
    """Publish one event after the other, each until the broker has answered for it; gives its line and that answer ("unusable" for none).

    :raises AMQPError, AMQPConnectorException, OSError: the broker denies access, or was away for longer than ``patience`` seconds.
    """
    channel = None
    for line, event in events:
        word, give_up = "" if event else "unusable", time.monotonic() + patience
        while event and not word:
            try:
                signal.alarm(ANSWER_WITHIN)
                if channel is None or channel.is_closed:
                    channel = (channel.connection if channel else pika.BlockingConnection(parameters)).channel()
                    channel.confirm_delivery()  # from now on the broker answers for every message
                word = publish(channel, exchange, event)
            except AWAY as error:  # in doubt: again, with the same id
                channel = None
                if isinstance(error, DENIED) or time.monotonic() > give_up:
                    raise
                print(f"The broker is away ({error!r}); trying again.", file=sys.stderr, flush=True)
                time.sleep(1)
            finally:
                signal.alarm(0)
        yield line, f"{word} {event['type']} {event['id']}" if event else word
    with suppress(*AWAY):
        if channel:
            channel.connection.close()


def broker(url: str) -> pika.URLParameters:
    """How to reach the broker at a URL."""
    if not url.startswith(("amqp://", "amqps://")):
        raise argparse.ArgumentTypeError(f"must look like {LOCAL}")
    return pika.URLParameters(url)


def not_answered(*_: object) -> None:
    """What SIGALRM does; pika itself would wait for ever."""
    raise exceptions.AMQPConnectionError(f"no answer within {ANSWER_WITHIN} s")


def main() -> int:
    """The command; gives the exit code."""
    options = argparse.ArgumentParser(description="Publish events to Tripartite's bus.")
    a_file = argparse.FileType(encoding="utf-8-sig")  # some programs begin a text with a byte order mark
    options.add_argument("file", nargs="?", type=a_file, default="/dev/stdin", help="JSON lines (standard input)")
    options.add_argument("--type", help="of the events whose data the lines are, such as placement.updated")
    options.add_argument("--source", help="who says them, such as urn:example:tis")
    options.add_argument("--url", type=broker, default=os.environ.get("AMQP_URL", LOCAL), help="of the broker; AMQP_URL hides the password")
    options.add_argument("--exchange", default="tripartite.events")
    options.add_argument("--patience", type=float, default=60, help="seconds that the broker may be away (60)")
    chosen = options.parse_args()
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGALRM, not_answered)
    answers = set()
    try:
        lines = ((number, line) for number, line in enumerate(chosen.file, 1) if line.strip())
        events = ((number, read(line, chosen.type, chosen.source)) for number, line in lines)
        for number, answer in publish_all(events, chosen.url, chosen.exchange, chosen.patience):
            print(f"line {number}: {answer}", flush=True)
            answers.add(answer.split()[0])
    except UnicodeDecodeError as error:
        print(f"The lines cannot be read: {error}. They must be JSON in UTF-8.", file=sys.stderr)
        return 2
    except AWAY as error:
        print(f"The broker cannot be used: {error!r}. Is it up; are address, user, password, exchange and type right?", file=sys.stderr)
        return 3
    return 0 if answers <= {"confirmed"} else 1


if __name__ == "__main__":
    sys.exit(main())
