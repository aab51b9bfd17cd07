"""Rows of mapped classes, written by the batch: a statement or two a table, whatever the batch holds.

:func:`write` writes new and changed rows, :func:`add_new` adds those that are not there yet, :func:`row_of` and :func:`new` make
rows by the thousand. On PostgreSQL the values travel as one array a column (``unnest``): the quickest way in that still lets a row be
there already.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import JSON, Connection, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, configure_mappers
from sqlalchemy.orm.attributes import instance_state, manager_of_class
from sqlalchemy.types import TypeDecorator, TypeEngine

Fields = ParamSpec("Fields")
Mapped = TypeVar("Mapped")


@cache
def _maker(mapped: Any) -> tuple[Callable[[], Any], dict[str, Any]]:
    """What makes an empty row of a mapped class, and what stands in it if nobody says otherwise."""
    configure_mappers()
    defaults = {column.name: column.default and column.default.arg for column in mapped.__table__.columns}
    return manager_of_class(mapped).new_instance, defaults


def row_of(mapped: type[Mapped], values: Mapping[str, Any]) -> Mapped:
    """A new row of a mapped class with these values, for rows by the thousand: filled in as those that are loaded."""
    make, defaults = _maker(mapped)  # type: ignore[arg-type]  # a class is hashable
    row: Mapped = make()
    vars(row).update(defaults)
    vars(row).update(values)
    return row


def new(mapped: Callable[Fields, Mapped]) -> Callable[Fields, Mapped]:
    """The constructor of a mapped class by way of :func:`row_of`: the types of what it is given are checked."""
    return _constructor(mapped)


@cache
def _constructor(mapped: Any) -> Callable[..., Any]:
    return lambda **values: row_of(mapped, values)


def write(session: Session, rows: Iterable[Any]) -> None:
    """Write the new and the changed among these mapped rows, of each table in one statement each. The session lets go of them.

    A new row whose key is there by now replaces what is there.
    """
    wanted: dict[tuple[type[Any], bool], dict[Any, Any]] = defaultdict(dict)
    for row in rows:
        state = instance_state(row)
        if state.key is None or state.modified:
            wanted[type(row), state.key is None][state] = row
            if state.session is not None:
                session.expunge(row)
    for (mapped, is_new), theirs in wanted.items():
        table: Table = mapped.__table__
        names = tuple(column.name for column in table.columns)
        values = zip(*(_values(row, names) for row in theirs.values()), strict=True)
        _insert(session, table, dict(zip(names, values, strict=True)), likely_new=is_new)


def _values(row: Any, names: tuple[str, ...]) -> tuple[Any, ...]:
    try:
        return tuple(itemgetter(*names)(vars(row)))
    except KeyError:  # a default that nobody has asked for yet
        return tuple(getattr(row, name) for name in names)


def add_new(session: Session, mapped: type[Any], unique: str, columns: Mapping[str, Any], *, likely_new: bool) -> set[Any]:
    """Add the rows that are not there yet, in one statement; returns those of their keys that were new.

    :param unique: the column that says whether a row is there.
    :param columns: the rows, column by column: a sequence each.
    :param likely_new: that one is there already is so rare that it may cost a second statement (and a line in the database's log).
    """
    return _insert(session, mapped.__table__, columns, likely_new=likely_new, new_by=unique) if columns[unique] else set()


def _insert(session: Session, table: Table, columns: Mapping[str, Sequence[Any]], *, likely_new: bool, new_by: str = "") -> set[Any]:
    """Insert rows, given column by column; those that are there already are replaced, or left alone if ``new_by`` says what to tell."""
    if session.get_bind().dialect.name == "postgresql":
        return _insert_arrays(session, table, columns, likely_new=likely_new, new_by=new_by)
    insert = sqlite.insert(table)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if not new_by:
        session.execute(insert.on_conflict_do_update(set_={name: insert.excluded[name] for name in columns}), rows)
        return set()
    added = insert.on_conflict_do_nothing(index_elements=[new_by]).returning(table.columns[new_by])
    return set(session.scalars(added, rows))


# ---- PostgreSQL's quickest way in: one array a column --------------------------------------------------------------

SEPARATOR = "\x1f"
"""The unit separator parts the texts of a column: unlike a quoted array, nothing in them need be escaped, here or there."""


WORTH_A_TRY = 100
"""So many rows that are likely new are first inserted as if nothing could be in their way: that costs the database a fifth less."""


def _insert_arrays(session: Session, table: Table, columns: Mapping[str, Sequence[Any]], *, likely_new: bool, new_by: str) -> set[Any]:
    dialect, connection = session.get_bind().dialect, session.connection()
    sent = {name: _sent(table.columns[name].type, dialect, values) for name, values in columns.items()}
    plain, careful = _unnest(table, dialect, tuple((name, form) for name, (form, _) in sent.items()), new_by)
    values = tuple(value for _, value in sent.values())
    if likely_new and len(next(iter(columns.values()))) >= WORTH_A_TRY and _inserted(connection, plain, values):
        return set(columns[new_by]) if new_by else set()
    found = connection.exec_driver_sql(careful, values)
    return set(found.scalar_one() or ()) if new_by else set()


def _inserted(connection: Connection, plain: str, values: tuple[str | None, ...]) -> bool:
    """Whether the rows could be inserted as they are; if not, nothing has happened."""
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(plain, values)
    except IntegrityError:  # if it is no row that is there already, the careful statement fails as well, and says so
        return False
    return True


class Form(Enum):
    """How a column travels: said once, because all rows agree; as texts in one, parted by SEPARATOR; as an array literal."""

    ONCE = "%s::{0}"
    TEXTS = "string_to_array(%s, E'\\x1f')::{0}[]"
    ARRAY = "%s::{0}[]"


@lru_cache(maxsize=512)
def _unnest(table: Table, dialect: Dialect, columns: tuple[tuple[str, Form], ...], new_by: str) -> tuple[str, str]:
    """The statement, plain, and careful about rows that are there already; of rows that are added it gives the new keys, in one array."""
    quoted = {column.name: dialect.identifier_preparer.quote(column.name) for column in table.columns}
    values = [form.value.format(dialect.type_compiler_instance.process(table.columns[name].type)) for name, form in columns]
    unnested = [value if form is Form.ONCE else f"unnest({value})" for value, (_, form) in zip(values, columns, strict=True)]
    plain = f"INSERT INTO {table.name} ({', '.join(quoted[name] for name, _ in columns)}) SELECT {', '.join(unnested)}"
    if new_by:
        key = quoted[new_by]
        added = f"{plain} ON CONFLICT ({key}) DO NOTHING RETURNING {key}"
        return plain, f"WITH added AS ({added}) SELECT array_agg({key}) FROM added"  # noqa: S608
    keys = ", ".join(quoted[column.name] for column in table.primary_key)
    changed = ", ".join(f"{quoted[name]} = EXCLUDED.{quoted[name]}" for name, _ in columns if not table.columns[name].primary_key)
    return plain, f"{plain} ON CONFLICT ({keys}) DO UPDATE SET {changed}"


def _sent(type_: TypeEngine[Any], dialect: Dialect, values: Sequence[Any]) -> tuple[Form, str | None]:
    """A column's values, in the form in which they travel."""
    if len(values) > 1 and not isinstance(type_, JSON) and values[0] == values[-1] and values.count(values[0]) == len(values):
        bind = _binds(type_, dialect)
        return Form.ONCE, _text(bind(values[0]) if bind else values[0])
    if joined := _joined(values):
        return Form.TEXTS, joined
    return Form.ARRAY, _array(type_, dialect, values)


def _joined(values: Sequence[Any]) -> str:
    """These texts in one; empty if they are no texts, or one of them holds the separator itself."""
    try:
        joined = SEPARATOR.join(values)
    except TypeError:
        return ""
    return joined if joined.count(SEPARATOR) == len(values) - 1 else ""


def _array(type_: TypeEngine[Any], dialect: Dialect, values: Sequence[Any]) -> str:
    """An array literal. The driver's own way of making one takes longer than everything else about a batch."""
    bind = _binds(type_, dialect)
    return f"{{{','.join(map(_element, map(bind, values) if bind else values))}}}"


@cache
def _binds(type_: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """How a value of this type is made ready for an array; None where it is ready as it is."""
    if isinstance(type_, JSON):
        return json.dumps
    process = type_.bind_processor(dialect) if isinstance(type_, TypeDecorator) else None
    return lru_cache(maxsize=1024)(process) if process else None  # a batch says the same time again and again


@lru_cache(maxsize=4096, typed=True)
def _element(value: Any) -> str:
    text = _text(value)
    return "NULL" if text is None else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(value: Any) -> str | None:
    return None if value is None else f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)
