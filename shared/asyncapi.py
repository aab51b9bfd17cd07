"""The contract of the bus for whoever stands outside: a JSON Schema of every event, and one AsyncAPI document of the whole.

Everything follows from shared/events.py (classes, annotations, docstrings), from the fields that shared/wire.py makes of them and reads
with, and from shared/topology.py. Nothing is written twice, so the contract cannot say what the reader does not do. A field or a validator
that is new to this file is refused, not left out. The files stand in shared/contract; ``tripartite events --write`` renews them.

The schemas are JSON Schema 2020-12. They use no word that draft 7 lacks, so the AsyncAPI document can hold them as its own kind of schema,
which is built on draft 7. They say what producers should send; the reader is a little more lenient (it takes a sequence as a number).
Rules between fields cannot be said in a schema: they stand in the descriptions. Have ``format`` checked too: most validators ask for that.

AsyncAPI's own tools find the document valid: ``npx @asyncapi/cli validate shared/contract/asyncapi.json``.

Read from the top: :func:`schemas`, :func:`document`, :func:`write`; then the parts of the document; then from fields to JSON Schema.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

from marshmallow import fields as shapes
from marshmallow.validate import Length, OneOf, Range

from shared import topology
from shared.event_data import Day, Share, plain_text, schema_of
from shared.events import EVENTS, Code, Event
from shared.wire import CONTENT_TYPE, LARGEST_MESSAGE, LONGEST_EXTENSION

CONTRACT = Path(__file__).parent / "contract"
VERSION = "1.0.0"
"""Of the contract. Raise the second number for what old consumers may ignore (a field, an event), the first for all else."""
Json = dict[str, Any]
Parties = Mapping[type[Event], Iterable[str]]


def schemas() -> dict[str, Json]:
    """The JSON Schema of every event's whole CloudEvent, by type. Each stands alone."""
    return {
        event.type: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:tripartite:event:{event.type}",
            "title": event.__name__,
            "description": described(event),
            "type": "object",
            "required": _REQUIRED,
            "properties": {**_envelope(), **_own(event)},
        }
        for event in _in_order()
    }


def document(heard_by: Parties) -> Json:
    """The AsyncAPI document of the bus. Who says an event stands on its class.

    :param heard_by: which services hear each event; what is heard by nobody may be left out.
    """
    return {
        "asyncapi": "3.1.0",
        "info": _INFO,
        "defaultContentType": CONTENT_TYPE,
        "servers": _SERVERS,
        "channels": {event.type: _channel(event) for event in _in_order()},
        "operations": {
            name: operation
            for event in _in_order()
            for name, operation in (
                (f"{event.type}.send", _send(event, event.said_by)),
                (f"{event.type}.receive", _receive(event, heard_by.get(event, ()))),
            )
            if operation["tags"]
        },
        "components": {
            "messages": {event.__name__: _message(event) for event in _in_order()},
            "schemas": {
                "CloudEvent": {"type": "object", "description": _ENVELOPE, "required": _REQUIRED, "properties": _envelope()},
                **{event.__name__: _payload(event) for event in _in_order()},
            },
            "securitySchemes": {"password": {"type": "userPassword", "description": "A user of the broker."}},
        },
    }


def files(heard_by: Parties) -> dict[str, str]:
    """Every file of the contract by its name, as text: the document, and one schema per event."""
    found = {"asyncapi.json": document(heard_by)}
    found |= {f"{type_}.schema.json": schema for type_, schema in schemas().items()}
    return {name: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for name, content in found.items()}


def write(folder: Path, heard_by: Parties) -> list[Path]:
    """Write the files of the contract into a folder and remove schemas of events that are no more; gives what was not as it is now."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = files(heard_by)
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    changed = [folder / name for name in sorted({*wanted, *there}) if wanted.get(name) != there.get(name)]
    for path in changed:
        if path.name in wanted:
            path.write_text(wanted[path.name], encoding="utf-8")
        else:
            path.unlink()
    return changed


def described(event: type[Event]) -> str:
    """What an event says, and the rules between its fields: the docstrings of the class and of the methods that check it."""
    checks = [getattr(event, name, None) for name in ("__post_init__", "untimely")]
    said = [event.__doc__, *(check.__doc__ for check in checks if check not in (None, Event.untimely))]
    return " ".join(inspect.cleandoc(text) for text in said if text).replace("``", "`")


def _in_order() -> Sequence[type[Event]]:
    return [EVENTS[type_] for type_ in sorted(EVENTS)]


# ---- the parts of the document -----------------------------------------------------------------------------------

_ENVELOPE = "A CloudEvent 1.0 in structured JSON. Attributes and fields that are not named may be there and are ignored."

_INFO: Json = {
    "title": "Tripartite",
    "version": VERSION,
    "description": (
        f"Every event on the bus. Publish to the exchange {topology.EVENTS} with the event's type as routing key, persistent and with "
        "publisher confirms: what was confirmed is not lost. Whatever is in doubt, publish again with the same id and source: a "
        "message that is heard twice is handled once. Order does not matter: of events that carry a whole state, the newest counts. "
        f"A message has at most {LARGEST_MESSAGE:,} bytes."
    ),
    "license": {"name": "MIT"},
}


def _server(protocol: str, port: int, description: str) -> Json:
    return {
        "host": f"{{host}}:{port}",
        "protocol": protocol,
        "protocolVersion": "0-9-1",
        "description": description,
        "variables": {"host": {"default": "localhost", "description": "The machine that the broker runs on."}},
        "security": [{"$ref": "#/components/securitySchemes/password"}],
    }


_SERVERS: Json = {
    "amqp": _server("amqp", 5672, "RabbitMQ in the clear: on the same machine or a closed network only."),
    "amqps": _server("amqps", 5671, "RabbitMQ over TLS."),
}


def _channel(event: type[Event]) -> Json:
    (exchange,) = (exchange for exchange in topology.EXCHANGES if exchange.name == topology.EVENTS)
    return {
        "address": event.type,
        "description": described(event),
        "messages": {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": exchange.name, "type": exchange.type, "durable": True, "autoDelete": False},
                "bindingVersion": "0.3.0",
            }
        },
    }


def _send(event: type[Event], parties: Iterable[str]) -> Json:
    amqp = {"deliveryMode": 2, "mandatory": True, "timestamp": True, "bindingVersion": "0.3.0"}
    return _operation(event, "send", "Said by", parties, amqp)


def _receive(event: type[Event], parties: Iterable[str]) -> Json:
    return _operation(event, "receive", "Heard by", parties, {"ack": True, "bindingVersion": "0.3.0"})


def _operation(event: type[Event], action: str, words: str, parties: Iterable[str], amqp: Json) -> Json:
    names = sorted(parties)
    return {
        "action": action,
        "summary": f"{words} {', '.join(names)}.",
        "channel": {"$ref": f"#/channels/{event.type}"},
        "messages": [{"$ref": f"#/channels/{event.type}/messages/{event.__name__}"}],
        "tags": [{"name": name} for name in names],
        "bindings": {"amqp": amqp},
    }


def _message(event: type[Event]) -> Json:
    return {
        "name": event.type,
        "title": event.__name__,
        "summary": described(event),
        "contentType": CONTENT_TYPE,
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "correlationId": {"location": "$message.payload#/correlationid"},
        "bindings": {"amqp": {"messageType": event.type, "bindingVersion": "0.3.0"}},
    }


def _payload(event: type[Event]) -> Json:
    return {"allOf": [{"$ref": "#/components/schemas/CloudEvent"}], "type": "object", "properties": _own(event)}


# ---- the envelope ------------------------------------------------------------------------------------------------

_REQUIRED = ["specversion", "id", "source", "type", "time", "data"]


def _envelope() -> Json:
    name = {"type": "string", "minLength": 1, "maxLength": 300, "not": {"pattern": "[^!-~]"}}
    trace = {"type": "string", "maxLength": LONGEST_EXTENSION, "not": {"pattern": "[^ -~]"}}
    return {
        "specversion": {"const": "1.0"},
        "id": {**name, "description": "Unique within the source. The same id and source is the same message."},
        "source": {**name, "format": "uri-reference", "description": "Who says it, such as urn:example:tis."},
        "type": {**name, "description": "What happened; also the routing key."},
        "time": {"type": "string", "format": "date-time", "description": "When it was said, with its offset from UTC."},
        "subject": {"type": "string", "description": "The id of what the event is about."},
        "datacontenttype": {"const": "application/json"},
        "sequence": {
            "type": "string",
            "pattern": "^[0-9]{1,20}$",
            "description": "Rises with every event of a subject from one producer; below 2^63. Without it the time counts.",
        },
        "correlationid": {**trace, "description": "The id of the message from which all this followed."},
        "traceparent": {**trace, "description": "W3C Trace Context."},
        "data": {"type": "object"},
    }


def _own(event: type[Event]) -> Json:
    """The attributes that differ from event to event."""
    names = [field.name for field in fields(event)]
    shape = schema_of(event).fields  # type: ignore[arg-type]  # mypy takes a class to be as hashable as its instances
    properties = {name: shape_of(shape[name], named=name.endswith("_id") or name == event.about) for name in names}
    return {
        "type": {"const": event.type},
        "subject": {"type": "string", "description": f"The {event.about} of the data."},
        "data": {
            "type": "object",
            "required": [name for name in names if shape[name].required],
            "properties": properties,
            "additionalProperties": True,
        },
    }


# ---- from the fields that shared/wire.py reads with to JSON Schema -----------------------------------------------

_PLAIN_TEXT: Json = {"not": {"type": "string", "pattern": "[\\u0000-\\u001f\\u007f-\\u009f\\u202a-\\u202e\\u2066-\\u2069]"}}
"""What :func:`shared.wire.plain_text` takes, but for halves of characters, which no UTF-8 can hold."""
_NOT_BLANK: Json = {"pattern": "\\S"}
_JSON_TYPES = {str: "string", int: "integer", bool: "boolean"}


def shape_of(field: shapes.Field[Any], named: bool = False) -> Json:
    """The JSON Schema of a marshmallow field of :func:`shared.event_data.schema_of`; ``named`` if it holds an id, which must not be blank.

    :raises NotImplementedError: the field or one of its validators is of a kind that shared/wire.py did not use when this was written.
    """
    kind = _KINDS.get(type(field))
    if kind is None:
        raise NotImplementedError(f"shared/asyncapi.py cannot say a {type(field).__name__} in JSON Schema; add it to _KINDS.")
    found = kind(field)
    for validator in field.validators:
        found |= _bound(validator, field)
    if named:
        found |= _NOT_BLANK
    if field.allow_none:
        found["type"] = [found["type"], "null"]
    return found


def _bound(validator: Any, field: shapes.Field[Any]) -> Json:
    if validator is plain_text or isinstance(field, shapes.Raw):  # a fact is checked for its type, then as plain text
        return _PLAIN_TEXT
    if isinstance(validator, OneOf):
        return {"enum": list(validator.choices)}
    if isinstance(validator, Length) and validator.max is not None and not validator.min:
        return {"maxProperties" if isinstance(field, shapes.Dict) else "maxLength": validator.max}
    if isinstance(validator, Range) and isinstance(field, Share):
        return _between(validator.min, validator.max)
    raise NotImplementedError(f"shared/asyncapi.py cannot say the validator {validator!r} in JSON Schema; add it to _bound.")


def _between(least: Decimal, most: Decimal) -> Json:
    """A range as a pattern, since a decimal stands in quotes and JSON Schema compares numbers only."""
    low, high = int(least), int(most)
    if not 0 <= low < high <= 9 or least != low or most != high:
        raise NotImplementedError(f"shared/asyncapi.py can say ranges between two digits only, not {least} to {most}.")
    return {
        "pattern": f"^([{low}-{high - 1}](\\.[0-9]+)?|{high}(\\.0+)?)$",
        "description": f"A decimal number from {low} to {high}, in quotes.",
    }


_KINDS: dict[type, Callable[[Any], Json]] = {
    shapes.String: lambda _: {"type": "string"},
    shapes.Integer: lambda _: {"type": "integer"},
    Share: lambda _: {"type": "string"},
    Day: lambda _: {"type": "string", "format": "date"},
    shapes.AwareDateTime: lambda _: {"type": "string", "format": "date-time"},
    shapes.List: lambda field: {"type": "array", "items": shape_of(field.inner)},
    shapes.Dict: lambda field: {
        "type": "object",
        "propertyNames": shape_of(field.key_field),
        "additionalProperties": shape_of(field.value_field),
    },
    shapes.Raw: lambda _: {"type": [_JSON_TYPES[kind] for kind in get_args(Code)]},
}
