"""The data of an event and JSON, either way, from the annotations of its class.

Three layers say the same of a field: :func:`schema_of` makes a marshmallow schema, which knows every case and says what is wrong;
:func:`read_event` asks it only where a quick look does not show that all is well; shared/asyncapi.py makes JSON Schemas of it.
"""

import json
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache, lru_cache, partial
from operator import attrgetter
from typing import Any, Literal, TypeVar

from marshmallow import EXCLUDE, Schema, ValidationError
from marshmallow import fields as shapes
from marshmallow.validate import Length, OneOf, Range

from shared.errors import MalformedEvent
from shared.events import Event

LONGEST_TEXT = 500
AnyEvent = TypeVar("AnyEvent", bound=Event)
Made = TypeVar("Made")
encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""A value in compact JSON."""
quoted: Callable[[str], str] = json.encoder.encode_basestring
"""A text in JSON."""


@lru_cache(maxsize=64)
def rfc3339(time: datetime) -> str:
    """A time as RFC 3339 has it, in UTC, to the microsecond."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def data_json(event: Event) -> dict[str, Any]:
    """An event's fields, ready for JSON."""
    names = names_of(type(event))  # type: ignore[arg-type]  # a class is hashable
    return {name: _plain(getattr(event, name)) for name in names}


def data_text(event: Event) -> str:
    """An event's fields in compact JSON: ``encoded(data_json(event))``, from a template of its class."""
    template, values_of = _template(type(event))  # type: ignore[arg-type]  # a class is hashable
    return template % tuple([quoted(value) if type(value) is str else _in_json(value) for value in values_of(event)])


@cache
def _template(event: Callable[..., Event]) -> tuple[str, Callable[[Event], tuple[Any, ...]]]:
    """The JSON of a class with a gap for each value, and what gives the values."""
    names = names_of(event)
    values_of = attrgetter(*names) if len(names) > 1 else lambda it: (getattr(it, names[0]),)
    return "{" + ",".join(f'"{name}":%s' for name in names) + "}", values_of


def _in_json(value: Any) -> str:
    return _date_in_json(value) if type(value) is date else encoded(_plain(value))


@lru_cache(maxsize=4096)
def _date_in_json(day: date) -> str:
    return f'"{day}"'


@cache
def names_of(event: Callable[..., Event]) -> tuple[str, ...]:
    """The names of an event's fields."""
    return tuple(field.name for field in fields(event))  # type: ignore[arg-type]  # a class of events


def filled(made: type[Made], values: Mapping[str, Any]) -> Made:
    """A frozen dataclass with these values, for things by the thousand: filled in at once, where Python's own sets field by field."""
    defaults, check = _plan(made)  # type: ignore[arg-type]  # a class is hashable
    it: Made = object.__new__(made)
    vars(it).update(defaults)
    vars(it).update(values)
    if check:
        check(it)
    return it


@cache
def _plan(made: Any) -> tuple[dict[str, Any], Callable[[Any], None] | None]:
    """What stands in a dataclass if nobody says otherwise, and its own check."""
    defaults = {field.name: field.default for field in fields(made) if field.default is not MISSING}
    return defaults, getattr(made, "__post_init__", None)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
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
    must, may = _quick_readers(event)  # type: ignore[arg-type]  # a class is hashable
    try:
        values = {name: read(data[name]) for name, read in must}
        for name, read, default in may:
            if (value := data.get(name, default)) != default:
                values[name] = read(value)
        return filled(event, values)
    except (_NotPlain, KeyError):
        return None


class _NotPlain(Exception):
    """A value that the schema has to look at."""


_Reader = Callable[[Any], Any]


@cache
def _quick_readers(event: Callable[..., Event]) -> tuple[tuple[tuple[str, _Reader], ...], tuple[tuple[str, _Reader, Any], ...]]:
    """What reads each field that must be there, and each that may be left out, with its default."""
    hints = typing.get_type_hints(event)
    found = [(each, _quick_reader(hints[each.name])) for each in fields(event)]  # type: ignore[arg-type]
    must = tuple((each.name, read) for each, read in found if _needed(each))
    return must, tuple((each.name, read, each.default) for each, read in found if not _needed(each))


def _needed(field: Field[Any]) -> bool:
    return field.default is MISSING


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
    if type(value) is not str or not _DATE.fullmatch(value):
        raise _NotPlain
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise _NotPlain from None


def _plain_decimal(value: Any) -> Any:
    if type(value) is not str or not _SMALL_DECIMAL.fullmatch(value):
        raise _NotPlain
    return Decimal(value)


def _plain_integer(value: Any) -> Any:
    if type(value) is not int:
        raise _NotPlain
    return value


_DATE = re.compile("[1-9][0-9]{3}-[01][0-9]-[0-3][0-9]")
_SMALL_DECIMAL = re.compile(r"0\.[0-9]{1,3}|[01](\.0)?")


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
    return Schema.from_dict({each.name: _shape_of(each, hints[each.name]) for each in fields(event)}, name=event.__name__)(unknown=EXCLUDE)


def _shape_of(field: Field[Any], hint: Any) -> shapes.Field[Any]:
    """The shape of a field; one with a default may be left out."""
    shape = _shape(hint)
    if not _needed(field):
        shape.required, shape.load_default = False, field.default
    return shape


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
        return shapes.Dict(
            keys=shapes.String(validate=plain_text), values=values, required=True, validate=Length(max=100), error_messages=_MISSING
        )
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


class Day(shapes.Date):
    """A date as RFC 3339 has it: Python reads more forms than JSON Schema's ``date`` and anybody's eye."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        return super()._deserialize(value, attr, data, **kwargs)


_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Share(shapes.Decimal):
    """A fraction, to three decimals, half up: as it is kept, so that what is told again is no change. What is out of range stays."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        found = super()._deserialize(value, attr, data, **kwargs)
        digits = found.as_tuple().exponent
        rounds = 0 <= found <= 2 and isinstance(digits, int) and digits < -3
        return found.quantize(Decimal("0.001"), ROUND_HALF_UP) if rounds else found


_SCALARS: dict[Any, Callable[[], shapes.Field[Any]]] = {
    str: lambda: shapes.String(required=True, validate=[Length(max=LONGEST_TEXT), plain_text], error_messages=_MISSING),
    int: lambda: shapes.Integer(required=True, strict=True, error_messages=_MISSING),
    Decimal: lambda: Share(required=True, validate=Range(min=Decimal(0), max=Decimal(2)), error_messages=_MISSING),
    date: lambda: Day(required=True, format="iso", error_messages=_MISSING | {"invalid": "must be a date such as 2027-08-04."}),
    datetime: lambda: shapes.AwareDateTime(required=True, format="iso", error_messages=_MISSING),
}
