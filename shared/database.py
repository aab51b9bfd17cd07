"""A service's own database: opened safely, migrated, used in short transactions.

PostgreSQL in production, SQLite embedded; the services do not see which. Three things differ, and all three stand here:

* **Locks.** SQLite has one writer. On PostgreSQL :func:`hold` makes those wait who work on the same subject, and nobody else.
* **Writing.** :func:`write` and :func:`add_new` write a whole batch in one statement a table (``unnest`` on PostgreSQL).
* **The clock.** Leases are cut off by the database's clock (:class:`from_now`), so workers on machines that disagree do no harm.

SQLite is used as its documentation asks of a program that must not lose a commit: every transaction begins ``IMMEDIATE`` (no lock
is upgraded half way), waits for others up to BUSY_SECONDS, and syncs fully. The rollback journal is used, not WAL: versions before
3.51.3 (3.50.7, 3.44.6) can corrupt a WAL database that has two connections.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import sqlalchemy
from sqlalchemy import JSON, DateTime, Engine, MetaData, Table, create_engine, event, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass, Session, configure_mappers
from sqlalchemy.orm.attributes import instance_state, manager_of_class
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator, TypeEngine

from shared.errors import Unreachable

HOUSE = Path(__file__).parent.parent
BUSY_SECONDS = 15
CONNECT_SECONDS = 5
Fields = ParamSpec("Fields")
Mapped = TypeVar("Mapped")


class Base(MappedAsDataclass, DeclarativeBase):
    """The tables that every service has: outbox, inbox, quarantine, decisions."""

    metadata = MetaData()


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, stored in UTC."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Aware -> naive UTC; a naive time is a mistake of the caller."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone.")
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Naive UTC -> aware."""
        return value.replace(tzinfo=UTC) if value else None


class from_now(GenericFunction[datetime]):  # noqa: N801 (read as the SQL function that it is)
    """So many seconds from now, by the database's clock: ``leased_until < from_now(0)``."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(from_now, "postgresql")
def _from_now_on_postgresql(element: from_now, compiler: Any, **options: Any) -> str:
    return f"timezone('utc', clock_timestamp()) + make_interval(secs => {compiler.process(element.clauses, **options)})"


@compiles(from_now, "sqlite")
def _from_now_on_sqlite(element: from_now, compiler: Any, **options: Any) -> str:
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {compiler.process(element.clauses, **options)} || ' seconds')"


# ---- opening ------------------------------------------------------------------------------------------------------


def open_database(url: str) -> Engine:
    """The engine of one service's database; the folder of an SQLite file is made.

    :raises Unreachable: the folder cannot be made.
    """
    if not url.startswith("sqlite"):
        # a connection that the server has dropped is replaced before it is used; parameters are not for logs
        connect = {"connect_timeout": CONNECT_SECONDS, "application_name": "tripartite"}
        return create_engine(url, connect_args=connect, pool_pre_ping=True, hide_parameters=True)
    made = make_url(url)
    if made.database:
        try:
            Path(made.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unreachable(
                f"The folder of {made.database} cannot be made ({error}); set TRIPARTITE_DATA to a folder of yours."
            ) from error
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)
    event.listen(engine, "connect", _sqlite_connected)
    event.listen(engine, "begin", _sqlite_begun)
    return engine


def _sqlite_connected(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = PERSIST")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _sqlite_begun(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """One short transaction; committed at the end, rolled back on any error. Rows stay readable after it."""
    with Session(engine, expire_on_commit=False, autoflush=False) as session, session.begin():
        yield session


def hold(session: Session, names: Iterable[str], *, shared: Iterable[str] = ()) -> None:
    """Hold these names until the transaction ends: whoever wants one of them waits. Always in the same order, so nobody waits in a ring.

    :param shared: names that any number may hold in this way at once, but nobody meanwhile in the other.
    """
    if session.connection().dialect.name != "postgresql":
        return  # SQLite's one writer holds everything, from its first word on
    for function, wanted in (("pg_advisory_xact_lock_shared", shared), ("pg_advisory_xact_lock", names)):
        keys = sorted({_lock_key(name) for name in wanted})
        if keys:
            session.execute(text(f"SELECT {function}(key) FROM unnest(CAST(:keys AS bigint[])) AS key"), {"keys": _array(keys)})  # noqa: S608 (one of two names above)


def hold_if_free(session: Session, name: str) -> bool:
    """Hold a name until the transaction ends, if nobody holds it; says whether it does."""
    if session.connection().dialect.name != "postgresql":
        return True
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _lock_key(name)}))


def _lock_key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)


# ---- writing ------------------------------------------------------------------------------------------------------


@cache
def _new(mapped: Any) -> Callable[..., Any]:
    configure_mappers()
    make = manager_of_class(mapped).new_instance
    defaults = {column.name: column.default and column.default.arg for column in mapped.__table__.columns}

    def made(**values: Any) -> Any:
        row = make()
        vars(row).update(defaults, **values)
        return row

    return made


def new(mapped: Callable[Fields, Mapped]) -> Callable[Fields, Mapped]:
    """The constructor of a mapped class for rows by the thousand, at a quarter of the cost: filled in as those that are loaded."""
    return _new(mapped)


def write(session: Session, rows: Iterable[Any]) -> None:
    """Write the new and the changed among these mapped rows, each table in one statement. The session lets go of them."""
    by_class: dict[type[Any], list[Any]] = defaultdict(list)
    for row in {id(row): row for row in rows}.values():
        state = instance_state(row)
        if state.key is None or state.modified:
            by_class[type(row)].append(row)
            if state.session is not None:
                session.expunge(row)
    for mapped, theirs in by_class.items():
        table: Table = mapped.__table__
        names = tuple(column.name for column in table.columns)
        values = zip(*(_values(row, names) for row in theirs), strict=True)
        _insert(session, table, dict(zip(names, values, strict=True)), replaces=True)


def _values(row: Any, names: tuple[str, ...]) -> tuple[Any, ...]:
    try:
        return tuple(itemgetter(*names)(vars(row)))
    except KeyError:  # a default that nobody has asked for yet
        return tuple(getattr(row, name) for name in names)


def add_new(session: Session, mapped: type[Any], unique: str, columns: Mapping[str, Any]) -> set[Any]:
    """Add the rows that are not there yet, in one statement; returns those of their keys that were new.

    :param unique: the column that says whether a row is there.
    :param columns: the rows, column by column: a sequence each.
    """
    return _insert(session, mapped.__table__, columns, new_by=unique) if columns[unique] else set()


def _insert(session: Session, table: Table, columns: Mapping[str, Sequence[Any]], *, replaces: bool = False, new_by: str = "") -> set[Any]:
    """Insert rows, given column by column; of those that are there already the columns are replaced, or they are left alone."""
    if session.get_bind().dialect.name == "postgresql":
        statement, binds = _unnest(table, session.get_bind().dialect, tuple(columns), replaces, new_by)
        arrays = tuple(_array([bind(value) for value in columns[name]] if bind else columns[name]) for name, bind in binds)
        found = session.connection().exec_driver_sql(statement, arrays)
        return {row[0] for row in found} if new_by else set()
    insert = sqlite.insert(table)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if replaces:
        session.execute(insert.on_conflict_do_update(set_={name: insert.excluded[name] for name in columns}), rows)
        return set()
    added = insert.on_conflict_do_nothing(index_elements=[new_by]).returning(table.columns[new_by])
    return set(session.scalars(added, rows))


@cache
def _unnest(
    table: Table, dialect: Dialect, names: tuple[str, ...], replaces: bool, new_by: str
) -> tuple[str, list[tuple[str, Callable[[Any], Any] | None]]]:
    """PostgreSQL's quickest way in for many rows, one array a column: the statement, and how each column's values are bound."""
    quoted = {column.name: dialect.identifier_preparer.quote(column.name) for column in table.columns}
    arrays = ", ".join(f"%s::{dialect.type_compiler_instance.process(table.columns[name].type)}[]" for name in names)
    statement = f"INSERT INTO {table.name} ({', '.join(quoted[name] for name in names)}) SELECT * FROM unnest({arrays})"  # noqa: S608
    if replaces:
        keys = ", ".join(quoted[column.name] for column in table.primary_key)
        changed = ", ".join(f"{quoted[name]} = EXCLUDED.{quoted[name]}" for name in names if not table.columns[name].primary_key)
        statement += f" ON CONFLICT ({keys}) DO UPDATE SET {changed}"
    else:
        statement += f" ON CONFLICT ({quoted[new_by]}) DO NOTHING RETURNING {quoted[new_by]}"
    return statement, [(name, _binds(table.columns[name].type, dialect)) for name in names]


def _binds(type_: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """How a value of this type is made ready for an array; None where it is ready as it is."""
    if isinstance(type_, JSON):
        return json.dumps
    process = type_.bind_processor(dialect) if isinstance(type_, TypeDecorator) else None
    return lru_cache(maxsize=1024)(process) if process else None  # a batch says the same time again and again


def _array(values: Sequence[Any]) -> str:
    """An array as PostgreSQL reads it. The driver's own way takes longer than everything else about a batch."""
    try:
        joined = "\0".join(values)  # no text holds this character: PostgreSQL has none
    except TypeError:
        return f"{{{','.join(map(_element, values))}}}"
    return '{"' + joined.replace("\\", "\\\\").replace('"', '\\"').replace("\0", '","') + '"}'


@lru_cache(maxsize=4096, typed=True)
def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return _array([value])[1:-1]
    return f'"\\\\x{value.hex()}"' if isinstance(value, bytes) else f'"{value}"'


# ---- migrations ---------------------------------------------------------------------------------------------------


def migrate(engine: Engine, service: str) -> None:
    """Bring a service's database to its newest migration (``services/<service>/migrations``); of several at once, one does."""
    from alembic import command  # noqa: PLC0415 (nobody else needs it, and it is large)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", (HOUSE / "shared" / "migrations").as_posix())
    config.set_main_option("version_locations", (HOUSE / "services" / service / "migrations").as_posix())
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        hold(Session(connection), ["migrations"])
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def missing_migrations(engine: Engine, service: str) -> str:
    """What a database lacks, in a sentence; empty if it is up to date. A migration's file begins with its number."""
    newest = max(file.name[:4] for file in (HOUSE / "services" / service / "migrations").glob("[0-9]*.py"))
    with engine.connect() as connection:
        there = sqlalchemy.inspect(connection).has_table("alembic_version")
        found = connection.scalar(text("SELECT version_num FROM alembic_version")) if there else None
    return "" if found == newest else f"The database of {service} is at migration {found or 'none'}, the code needs {newest}."
