"""Events on the wire: the CloudEvents envelope, and JSON to events and back.

An event travels as a CloudEvent 1.0 in structured JSON (``application/cloudevents+json``). Here it is a :class:`Message`: the envelope,
with a class of shared/events.py as ``data``, whose annotations are the schema. What does not fit is refused with one entry per field.

Read from the top: the message, :func:`say` and :func:`read_message`, strict JSON, then fields to JSON and back.
"""

import hashlib
import json
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, cached_property, lru_cache, partial
from typing import Any, Literal, NamedTuple, TypeVar

from marshmallow import EXCLUDE, Schema, ValidationError
from marshmallow import fields as shapes
from marshmallow.validate import Length, OneOf, Range

from shared.errors import MalformedEvent, UnknownEventType
from shared.events import EVENTS, Event

CONTENT_TYPE = "application/cloudevents+json"
LARGEST_MESSAGE = 1024 * 1024
LONGEST_EXTENSION = 200
LONGEST_TEXT = 500
encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""A value in compact JSON."""
quoted = json.encoder.encode_basestring
"""A text in JSON."""
AnyEvent = TypeVar("AnyEvent", bound=Event)


class Envelope(NamedTuple):
    """A message ready for the bus: its body, and what an operator reads on the outside (AMQP's properties)."""

    type: str
    key: str
    body: str
    said_at: datetime
    correlation_id: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """A CloudEvent with one of the events above as its data. ``time`` is aware; ``sequence`` rises per stream."""

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
        return Envelope(self.data.type, self.key, self.to_json(), self.time, self.correlation_id)

    def to_json(self) -> str:
        """The CloudEvent in structured JSON."""
        correlation = f'"correlationid":{quoted(self.correlation_id)},' if self.correlation_id else ""
        trace = f'"traceparent":{quoted(self.traceparent)},' if self.traceparent else ""
        return (
            f'{{"specversion":"1.0","id":{quoted(self.id)},"source":{quoted(self.source)},"type":"{self.data.type}",'
            f'"time":"{_rfc3339(self.time)}","subject":{quoted(self.data.subject)},"datacontenttype":"application/json",'
            f'"sequence":"{self.sequence:020d}",{correlation}{trace}"data":{self.data_text}}}'
        )

    @cached_property
    def data_text(self) -> str:
        """The event's fields in JSON."""
        return encoded(data_json(self.data))


def say(event: Event, source: str, now: datetime, sequence: int = 1, because: Message | None = None) -> Message:
    """The message in which a service says an event. Its id follows from what is said, so that saying it again is the same message."""
    data_text = encoded(data_json(event))
    message = Message(
        id=fingerprint(f"{source} {event.type} {event.subject} {sequence} {data_text}"),
        source=source,
        time=now,
        sequence=sequence,
        data=event,
        correlation_id=(because.correlation_id or because.id)[:LONGEST_EXTENSION] if because else "",
        traceparent=because.traceparent if because else "",
    )
    vars(message)["data_text"] = data_text  # what cached_property would put there
    return message


def fingerprint(said: str) -> str:
    """An id that follows from what is said: 128 bits of BLAKE2."""
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
        if not isinstance(value, str) or not re.fullmatch(r"[!-~]{1,300}", value):
            problems[name] = "must be 1 to 300 printable ASCII characters without spaces (CloudEvents 1.0, required attributes)."
    time = _time(envelope, problems)
    sequence = _sequence(envelope, time, problems)
    for name in ("correlationid", "traceparent"):
        if not re.fullmatch(rf"[ -~]{{0,{LONGEST_EXTENSION}}}", str(envelope.get(name) or "")):
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
    return Message(
        id=envelope["id"],
        source=envelope["source"],
        time=time,
        sequence=sequence,
        data=data,
        correlation_id=str(envelope.get("correlationid") or ""),
        traceparent=str(envelope.get("traceparent") or ""),
    )


def parse_json(raw: str | bytes) -> Any:
    """JSON as RFC 8259 has it: no NaN, no bottomless nesting, no halves of characters.

    :raises MalformedEvent: it is not.
    """
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
        found = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_key_twice)
        if _SUSPECT.search(text):
            json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise MalformedEvent(f"This is not usable JSON: {str(error) or type(error).__name__}.") from error
    return found


_SUSPECT = re.compile(r"[\ud800-\udfff]|\\u[dD]|[0-9][eE]")
"""What alone can make halves of characters, or a number that is none (1e999)."""


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _parsed(raw: str | bytes) -> dict[str, Any]:
    found = parse_json(raw)
    if not isinstance(found, dict):
        raise MalformedEvent("The message must be a JSON object, a CloudEvent in structured mode.")
    return found


def _time(envelope: Mapping[str, Any], problems: dict[str, str]) -> datetime:
    try:
        time = datetime.fromisoformat(str(envelope.get("time")))
    except ValueError:
        time = datetime.min
    if time.tzinfo is None or not 1900 <= time.year <= 9000:
        problems["time"] = f"must be an RFC 3339 time with its offset, such as 2027-05-05T09:00:00Z, not {envelope.get('time')!r}."
        return datetime.now(UTC)
    return time.astimezone(UTC)


def _sequence(envelope: Mapping[str, Any], time: datetime, problems: dict[str, str]) -> int:
    given = envelope.get("sequence")
    if given is None:
        return max(0, microseconds(time))
    if not re.fullmatch("[0-9]+", str(given)) or len(str(given)) > 20 or int(str(given)) >= 2**63:
        problems["sequence"] = f"must be a decimal number of at most 20 digits, below 2^63, not {given!r}."
        return 0
    return int(str(given))


def microseconds(time: datetime) -> int:
    """Microseconds since 1970, the sequence of producers that count none of their own."""
    return round(time.timestamp() * 1_000_000)


@lru_cache(maxsize=64)
def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


# ---- data <-> JSON, from the annotations ---------------------------------------------------------------------------


def data_json(event: Event) -> dict[str, Any]:
    """An event's fields, ready for JSON."""
    names = names_of(type(event))  # type: ignore[arg-type]  # a class is hashable
    return {name: value if type(value := getattr(event, name)) is str else _plain(value) for name in names}


@cache
def names_of(event: Callable[..., Event]) -> tuple[str, ...]:
    """The names of an event's fields."""
    return tuple(field.name for field in fields(event))  # type: ignore[arg-type]  # a class of events


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return _rfc3339(value)
    return value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, Decimal) else value


def read_event(event: type[AnyEvent], data: object) -> AnyEvent:
    """The event that stands in a message's data.

    :raises MalformedEvent: one entry per field, named ``data.<field>``.
    """
    if (quickly := _read_quickly(event, data)) is not None:
        return quickly
    try:
        read = event(**schema_of(event).load(data))  # type: ignore[arg-type]  # marshmallow refuses what is no mapping
    except ValidationError as error:
        found = error.messages if isinstance(error.messages, dict) else {"": error.messages}
        problems = dict(_said_of("data", found))
        raise MalformedEvent(f"The data does not fit {event.type}.", problems) from None
    ids = [name for name in vars(read) if name.endswith("_id") or name == event.about]
    empty = {f"data.{name}": "must not be empty." for name in ids if (value := getattr(read, name)) is not None and not value.strip()}
    if empty:
        raise MalformedEvent(f"The data does not fit {event.type}.", empty)
    return read


def _read_quickly(event: type[AnyEvent], data: object) -> AnyEvent | None:
    """The event, if every field is plainly what it should be; None leaves it to the schema, which knows all cases and the words."""
    if not isinstance(data, dict):
        return None
    try:
        return event(**{name: read(data[name]) for name, read in _quick_readers(event)})  # type: ignore[arg-type]  # a class is hashable
    except (_NotPlain, KeyError):
        return None


class _NotPlain(Exception):
    """A value that the schema has to look at."""


@cache
def _quick_readers(event: Callable[..., Event]) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    hints = typing.get_type_hints(event)
    return tuple((name, _quick_reader(hints[name])) for name in names_of(event))


def _quick_reader(hint: Any) -> Callable[[Any], Any]:
    if typing.get_origin(hint) is Literal:
        return partial(_one_of, frozenset(typing.get_args(hint)))
    return _QUICK.get(hint, _left_to_the_schema)


def _one_of(allowed: frozenset[str], value: Any) -> Any:
    if type(value) is not str or value not in allowed:
        raise _NotPlain
    return value


def _plain_string(value: Any) -> Any:
    if type(value) is not str or not 0 < len(value) <= LONGEST_TEXT or not value.isprintable() or value.isspace():
        raise _NotPlain
    return value


def _plain_date(value: Any) -> Any:
    if type(value) is not str or not re.fullmatch("[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])", value):
        raise _NotPlain  # the last days of a month are for the schema
    return date.fromisoformat(value)


def _plain_decimal(value: Any) -> Any:
    if type(value) is not str or not re.fullmatch("0\\.[0-9]{1,4}|[01](\\.0)?", value):
        raise _NotPlain
    return Decimal(value)


def _plain_integer(value: Any) -> Any:
    if type(value) is not int:
        raise _NotPlain
    return value


def _left_to_the_schema(value: Any) -> Any:
    raise _NotPlain


_QUICK: dict[Any, Callable[[Any], Any]] = {str: _plain_string, date: _plain_date, Decimal: _plain_decimal, int: _plain_integer}


def _said_of(place: str, found: Any) -> Iterator[tuple[str, str]]:
    """Marshmallow's nested messages as (place, sentence)."""
    if isinstance(found, dict):
        for name, inner in found.items():
            yield from _said_of(place if name in ("value", "key") and not isinstance(inner, dict) else f"{place}.{name}", inner)
    else:
        yield place, " ".join(map(str, found)) if isinstance(found, list) else str(found)


@cache
def schema_of(event: type[Event]) -> Schema:
    """The marshmallow schema of an event, made from its annotations."""
    hints = typing.get_type_hints(event)
    return Schema.from_dict({field.name: _shape(hints[field.name]) for field in fields(event)}, name=event.__name__)(unknown=EXCLUDE)


def _shape(hint: Any) -> shapes.Field[Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType and type(None) in arguments:
        inner = _shape(arguments[0])
        return type(inner)(required=True, allow_none=True, validate=inner.validate, error_messages=_MISSING)
    if origin is Literal:
        return shapes.String(required=True, validate=OneOf(arguments), error_messages=_MISSING)
    if origin is list:
        return shapes.List(_shape(arguments[0]), required=True, error_messages=_MISSING)
    if origin is dict:
        values = shapes.Raw(validate=_plain_fact) if arguments[1] is not str else shapes.String()
        return shapes.Dict(keys=shapes.String(), values=values, required=True, validate=Length(max=100), error_messages=_MISSING)
    return _SCALARS[hint]()


_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_MISSING: dict[str, Any] = {"required": "is missing.", "null": "must not be null."}


def plain_text(text: str) -> None:
    """Text that can be written anywhere: no control characters, no changes of direction, no halves of characters."""
    if _UNFIT.search(text):
        raise ValidationError("must not hold control characters, changes of direction or halves of characters.")


def _plain_fact(value: object) -> None:
    """A fact as JSON has it: a text, a whole number, true or false."""
    if not isinstance(value, str | int):
        raise ValidationError("must be a text, a whole number, true or false; pounds and fractions stand in quotes.")
    if isinstance(value, str):
        plain_text(value)


_SCALARS: dict[Any, Callable[[], shapes.Field[Any]]] = {
    str: lambda: shapes.String(required=True, validate=[Length(max=LONGEST_TEXT), plain_text], error_messages=_MISSING),
    int: lambda: shapes.Integer(required=True, strict=True, error_messages=_MISSING),
    Decimal: lambda: shapes.Decimal(required=True, validate=Range(min=Decimal(0), max=Decimal(2)), error_messages=_MISSING),
    date: lambda: shapes.Date(required=True, format="iso", error_messages=_MISSING | {"invalid": "must be a date such as 2027-08-04."}),
    datetime: lambda: shapes.AwareDateTime(required=True, format="iso", error_messages=_MISSING),
}
