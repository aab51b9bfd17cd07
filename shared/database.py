"""A service's own database: opened safely, migrated, used in short transactions.

PostgreSQL in production, SQLite embedded; the services do not see which. Four things differ, and all stand here:

* **Locks.** SQLite has one writer. On PostgreSQL :func:`hold` makes those wait who work on the same subject, and nobody else.
* **Writing** a whole batch in a statement or two a table: shared/writing.py.
* **Many texts in one parameter**: :func:`among`.
* **The clock.** Leases are cut off by the database's clock (:class:`from_now`), so workers on machines that disagree do no harm.

SQLite is used as its documentation asks of a program that must not lose a commit: every transaction begins ``IMMEDIATE`` (no lock
is upgraded half way), waits for others up to BUSY_SECONDS, and syncs fully. The rollback journal is used, not WAL: versions before
3.51.3 (3.50.7, 3.44.6) can corrupt a WAL database that has two connections.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Boolean, ColumnElement, Connection, DateTime, Engine, MetaData, create_engine, event, text
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass, Session
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator

from shared.errors import MissingMigration, Unreachable

HOUSE = Path(__file__).parent.parent
BUSY_SECONDS = 15
POSTGRESQL = {
    "application_name": "tripartite",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "options": "-c lock_timeout=20s -c idle_in_transaction_session_timeout=60s -c plan_cache_mode=force_custom_plan"
    " -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
}
"""A peer that the network has swallowed is given up within half a minute, on both sides: a lost worker holds no lock for hours.
A statement that is prepared is planned each time anew: a plan made while a table was empty would read all of it once it is full.
"""


AWAY = ("08", "40", "53", "55", "57")
"""PostgreSQL's classes of errors for connections, rollbacks, resources, locks and an operator's intervention."""
SQLITE_AWAY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
"""The same of SQLite; the upper bits of a code only say more."""
BEYOND_A_LIMIT = "54"
"""PostgreSQL's class of errors (SQLSTATE) for what is too large for an index or a row: the message is at fault."""


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


class _among(GenericFunction[bool]):  # noqa: N801 (SQL)
    type = Boolean()
    inherit_cache = True


def among(column: Any, texts: Iterable[str]) -> ColumnElement[bool]:
    """``column IN (texts)``, with all of them in one parameter: the statement is the same for any number, and prepared once."""
    return _among(column, json.dumps([*texts]))


@compiles(_among, "postgresql")
def _among_on_postgresql(element: _among, compiler: Any, **options: Any) -> str:
    column, texts = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY (ARRAY (SELECT json_array_elements_text(CAST({texts} AS json))))"


@compiles(_among, "sqlite")
def _among_on_sqlite(element: _among, compiler: Any, **options: Any) -> str:
    column, texts = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({texts}))"  # noqa: S608 (a column and a bound parameter)


# ---- opening ------------------------------------------------------------------------------------------------------


def open_database(url: str) -> Engine:
    """The engine of one service's database; the folder of an SQLite file is made.

    :raises Unreachable: the folder cannot be made.
    """
    if not url.startswith("sqlite"):
        # a connection that the server has dropped is replaced before it is used; parameters are not for logs
        return create_engine(url, connect_args=POSTGRESQL, pool_pre_ping=True, hide_parameters=True)
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


def is_away(error: Exception) -> bool:
    """Whether the database itself did not answer: not reached, restarting, out of room, or somebody else was first; tried again, it may."""
    if not isinstance(error, OperationalError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return str(state)[:2] in AWAY
    code = getattr(error.orig, "sqlite_errorcode", None)
    return type(error.orig).__module__.startswith("psycopg") if code is None else code & 0xFF in SQLITE_AWAY


def is_outage(error: Exception) -> bool:
    """Whether the database, and not a message, is at fault; nothing is quarantined for that."""
    if not isinstance(error, DBAPIError) or isinstance(error, IntegrityError | DataError):
        return False
    return not str(getattr(error.orig, "sqlstate", None) or "").startswith(BEYOND_A_LIMIT)


def hold(session: Session, names: Iterable[str], *, shared: Iterable[str] = ()) -> None:
    """Hold these names until the transaction ends: whoever wants one of them waits. Always in the same order, so nobody waits in a ring.

    :param shared: names that any number may hold in this way at once, but nobody meanwhile in the other.
    """
    if session.connection().dialect.name != "postgresql":
        return  # SQLite's one writer holds everything, from its first word on
    for function, wanted in (("pg_advisory_xact_lock_shared", shared), ("pg_advisory_xact_lock", names)):
        keys = sorted({_lock_key(name) for name in wanted})
        if keys:
            session.execute(
                text(f"SELECT {function}(key) FROM unnest(CAST(:keys AS bigint[])) AS key"),  # noqa: S608 (one of the two names above)
                {"keys": f"{{{','.join(map(str, keys))}}}"},
            )


def hold_if_free(session: Session, name: str) -> bool:
    """Hold a name until the transaction ends, if nobody holds it; says whether it does."""
    if session.connection().dialect.name != "postgresql":
        return True
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _lock_key(name)}))


def _lock_key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)


# ---- migrations ---------------------------------------------------------------------------------------------------


def migrate(engine: Engine, service: str) -> None:
    """Bring a service's database to its newest migration (``services/<service>/migrations``); of several at once, one does.

    :raises MissingMigration: the code lacks those of a newer release.
    """
    from alembic import command  # noqa: PLC0415 (nobody else needs it, and it is large)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", (HOUSE / "shared" / "migrations").as_posix())
    config.set_main_option("version_locations", (HOUSE / "services" / service / "migrations").as_posix())
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        hold(Session(connection), ["migrations"])
        if (found := _migration_of(connection)) > _newest_migration(service):
            raise MissingMigration(_apart(service, found))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def missing_migrations(engine: Engine, service: str) -> str:
    """What keeps a database from fitting the code, and what to do, in a sentence; empty if they fit."""
    with engine.connect() as connection:
        return _apart(service, _migration_of(connection))


def _apart(service: str, found: str) -> str:
    newest = _newest_migration(service)
    if found <= newest:
        lacks = f"The database of {service} is at migration {found or 'none'}, the code needs {newest}; run `tripartite migrate {service}`."
        return "" if found == newest else lacks
    return f"The database of {service} is at migration {found}, and this code knows {newest} at most; use the release that migrated it."


def _migration_of(connection: Connection) -> str:
    there = sqlalchemy.inspect(connection).has_table("alembic_version")
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")) or "") if there else ""


def _newest_migration(service: str) -> str:
    """A migration's file begins with its number."""
    return max(file.name[:4] for file in (HOUSE / "services" / service / "migrations").glob("[0-9]*.py"))
