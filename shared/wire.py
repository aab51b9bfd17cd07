"""Events on the wire: the CloudEvents envelope, and JSON to events and back.

An event travels as a CloudEvent 1.0 in structured JSON (``application/cloudevents+json``). Here it is a :class:`Message`: the envelope,
with a class of shared/events.py as ``data``, whose annotations are the schema. What does not fit is refused with one entry per field.

Read from the top: the message, :func:`say` and :func:`envelopes`, :func:`read_message`, then strict JSON. The data alone is
shared/event_data.py.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from math import isinf
from typing import Any, NamedTuple

from shared.errors import MalformedEvent, UnknownEventType
from shared.event_data import data_text, filled, quoted, read_event, rfc3339
from shared.events import EVENTS, Event

CONTENT_TYPE = "application/cloudevents+json"
LARGEST_MESSAGE = 1024 * 1024
LONGEST_EXTENSION = 200
LAST_YEAR = 2099
"""What is said to be of a later year was mistyped; taken in, nothing newer would ever count against it."""
_ID = re.compile("[!-~]{1,300}")
_EXTENSION = re.compile(rf"[ -~]{{0,{LONGEST_EXTENSION}}}")
_NUMBER = re.compile("[0-9]{1,20}")


class Envelope(NamedTuple):
    """A message ready for the bus: its body, and what an operator reads on the outside (AMQP's properties)."""

    type: str
    key: str
    subject: str
    body: str
    said_at: datetime
    correlation_id: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """A CloudEvent with one of the events of shared/events.py as its data. ``time`` is aware; ``sequence`` rises per stream."""

    id: str
    source: str
    time: datetime
    sequence: int
    data: Event
    correlation_id: str = ""
    traceparent: str = ""

    @property
    def key(self) -> str:
        """What makes a message the same message (CloudEvents: source and id)."""
        return f"{self.source} {self.id}"

    def envelope(self) -> Envelope:
        """The message ready for the bus."""
        return Envelope(self.data.type, self.key, self.data.subject, self.to_json(), self.time, self.correlation_id)

    def to_json(self) -> str:
        """The CloudEvent in structured JSON."""
        around = _around(self.data.type, self.source, self.time, self.correlation_id, self.traceparent)
        return _cloud_event(around, self.id, self.data.subject, self.sequence, self.data_text)

    @cached_property
    def data_text(self) -> str:
        """The event's fields in JSON."""
        return data_text(self.data)


def say(event: Event, source: str, now: datetime, sequence: int = 1, because: Message | None = None) -> Message:
    """The message in which a service says an event. Its id follows from what is said, so that saying it again is the same message."""
    correlation_id, traceparent = _passed_on(because)
    text = data_text(event)
    id_ = _id_of(source, event.type, event.subject, sequence, text)
    said = Message(id=id_, source=source, time=now, sequence=sequence, data=event, correlation_id=correlation_id, traceparent=traceparent)
    vars(said)["data_text"] = text  # the property's own place: whoever writes the message needs it again
    return said


def envelopes(sayings: Iterable[tuple[Event, int]], source: str, now: datetime, because: Message | None = None) -> list[Envelope]:
    """What :func:`say` makes of events, each with its sequence, ready for the bus: put together from templates, for they are many."""
    correlation_id, traceparent = _passed_on(because)
    made: list[Envelope] = []
    for event, sequence in sayings:
        type_, subject, text = event.type, event.subject, data_text(event)
        id_ = _id_of(source, type_, subject, sequence, text)
        body = _cloud_event(_around(type_, source, now, correlation_id, traceparent), id_, subject, sequence, text)
        made.append(Envelope(type_, f"{source} {id_}", subject, body, now, correlation_id))
    return made


def _passed_on(because: Message | None) -> tuple[str, str]:
    """The correlation id and the trace of what is said because of a message."""
    return ((because.correlation_id or because.id)[:LONGEST_EXTENSION], because.traceparent) if because else ("", "")


def _id_of(source: str, type_: str, subject: str, sequence: int, text: str) -> str:
    return short_hash(f"{source} {type_} {subject} {sequence} {text}")


@lru_cache(maxsize=256)
def _around(type_: str, source: str, time: datetime, correlation_id: str, traceparent: str) -> tuple[str, str, str, str]:
    """A CloudEvent in structured JSON, in four parts: what stands before its id, its subject, its sequence and its data."""
    correlation = f'"correlationid":{quoted(correlation_id)},' if correlation_id else ""
    trace = f'"traceparent":{quoted(traceparent)},' if traceparent else ""
    return (
        '{"specversion":"1.0","id":',
        f',"source":{quoted(source)},"type":"{type_}","time":"{rfc3339(time)}","subject":',
        ',"datacontenttype":"application/json","sequence":"',
        f'",{correlation}{trace}"data":',
    )


def _cloud_event(around: tuple[str, str, str, str], id_: str, subject: str, sequence: int, text: str) -> str:
    to_id, to_subject, to_sequence, to_data = around
    return f"{to_id}{quoted(id_)}{to_subject}{quoted(subject)}{to_sequence}{sequence:020d}{to_data}{text}}}"


def source_of(service: str) -> str:
    """The CloudEvents source of what a service says."""
    return f"urn:tripartite:{service}"


def short_hash(said: str) -> str:
    """What stands for a text, and for no other: an id that follows from what is said (128 bits of BLAKE2)."""
    return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()


def read_delivery(body: bytes, content_type: str) -> Message:
    """The message that stands in a delivery of the bus.

    :raises MalformedEvent: as :func:`read_message`; or it is too large, or says that it is something else.
    """
    if len(body) > LARGEST_MESSAGE:
        raise MalformedEvent(f"The message has {len(body):,} bytes; an event has at most {LARGEST_MESSAGE:,}.")
    if content_type.partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise MalformedEvent(f"The message's content type must be {CONTENT_TYPE}, not {content_type!r}.")
    return read_message(body)


def fitting(message: Message) -> Message:
    """The message, if it is not too large for the bus.

    :raises MalformedEvent: it is.
    """
    size = len(message.to_json().encode()) if len(message.data_text) > LARGEST_MESSAGE // 8 else 0  # most are seen to be small
    if size > LARGEST_MESSAGE:
        raise MalformedEvent(f"The event has {size:,} bytes; an event has at most {LARGEST_MESSAGE:,}.")
    return message


def read_message(raw: str | bytes | Mapping[str, Any]) -> Message:
    """The message that stands in a CloudEvent.

    :raises MalformedEvent: not JSON, not CloudEvents 1.0, a type nobody knows, or fields that do not fit; one entry per field.
    """
    envelope = dict(raw) if isinstance(raw, Mapping) else _parsed(raw)
    problems: dict[str, str] = {}
    if envelope.get("specversion") != "1.0":
        problems["specversion"] = f'must be "1.0", not {envelope.get("specversion")!r}.'
    for name in ("id", "source", "type"):
        value = envelope.get(name)
        if not isinstance(value, str) or not _ID.fullmatch(value):
            problems[name] = "must be 1 to 300 printable ASCII characters without spaces (CloudEvents 1.0, required attributes)."
    time = _time(envelope, problems)
    sequence = _sequence(envelope, time, problems)
    for name in ("correlationid", "traceparent"):
        value = envelope.get(name) or ""
        if not isinstance(value, str | int) or not _EXTENSION.fullmatch(str(value)):
            problems[name] = f"must be at most {LONGEST_EXTENSION} printable ASCII characters."
    event = EVENTS.get(str(envelope.get("type")))
    unknown = {} if event or "type" in problems else {"type": f"{envelope['type']!r} is not an event of shared/events.py."}
    if unknown and not problems:
        raise UnknownEventType("The message is a CloudEvent of a type that is not known here.", unknown)
    if problems or event is None:
        raise MalformedEvent("The message is not a usable CloudEvent.", problems | unknown)
    data = read_event(event, envelope.get("data"))
    if untimely := data.untimely(time):
        raise MalformedEvent(f"The {event.type} cannot have been said at its time.", untimely)
    told = {"id": envelope["id"], "source": envelope["source"], "time": time, "sequence": sequence, "data": data}
    traced = {"correlation_id": str(envelope.get("correlationid") or ""), "traceparent": str(envelope.get("traceparent") or "")}
    return filled(Message, {**told, **traced})


def read_from_outside(raw: Mapping[str, Any]) -> Message:
    """The message of a CloudEvent that somebody sends in.

    :raises MalformedEvent: as :func:`read_message`; or nobody but Tripartite says such an event.
    """
    message = read_message(raw)
    if not message.data.from_outside:
        raise MalformedEvent("The event cannot be sent in.", {"type": f"{message.data.type} is said by Tripartite itself."})
    return message


def parse_json(raw: str | bytes) -> Any:
    """JSON as RFC 8259 has it: no NaN, no bottomless nesting, no halves of characters.

    :raises MalformedEvent: it is not.
    """
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
        found = _decoder.decode(text)
        if "\\u" in text or text is raw:  # nothing else can make halves of characters
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise MalformedEvent(f"This is not usable JSON: {str(error) or type(error).__name__}.") from error
    return found


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(key for key, _ in pairs)  # in one look at each: the object may be as large as a message
        raise ValueError(f"the key {next(key for key in times if times[key] > 1)!r} stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _finite(number: str) -> float:
    if isinf(found := float(number)):
        raise ValueError(f"{number} is larger than any number here")
    return found


_decoder = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_no_key_twice)


def _parsed(raw: str | bytes) -> dict[str, Any]:
    found = parse_json(raw)
    if not isinstance(found, dict):
        raise MalformedEvent("The message must be a JSON object, a CloudEvent in structured mode.")
    return found


def _time(envelope: Mapping[str, Any], problems: dict[str, str]) -> datetime:
    try:
        time = datetime.fromisoformat(str(envelope.get("time")).upper())  # RFC 3339 has small t and z as well
    except ValueError:
        time = datetime.min
    if time.tzinfo is None or not 1900 <= time.year <= LAST_YEAR:
        problems["time"] = f"must be an RFC 3339 time with its offset, such as 2027-05-05T09:00:00Z, not {envelope.get('time')!r}."
        return datetime.now(UTC)
    return time.astimezone(UTC)


def _sequence(envelope: Mapping[str, Any], time: datetime, problems: dict[str, str]) -> int:
    given = envelope.get("sequence")
    if given is None:
        return max(0, microseconds(time))
    if not _NUMBER.fullmatch(str(given)) or int(str(given)) >= 2**63:
        problems["sequence"] = f"must be a decimal number of at most 20 digits, below 2^63, not {given!r}."
        return 0
    return int(str(given))


def microseconds(time: datetime) -> int:
    """Microseconds since 1970, the sequence of producers that count none of their own."""
    return round(time.timestamp() * 1_000_000)
