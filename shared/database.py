"""A service's own database: opened safely, migrated, used in short transactions.

SQLite is used as its documentation asks of a program that must not lose a commit: every transaction begins ``IMMEDIATE`` (no lock
is upgraded half way), waits for others up to BUSY_SECONDS, and syncs fully. The rollback journal is used, not WAL: versions before
3.51.3 (3.50.7, 3.44.6) can corrupt a WAL database that has two connections.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import DateTime, Engine, MetaData, create_engine, event
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass, Session
from sqlalchemy.types import TypeDecorator

from shared.errors import Unreachable

HOUSE = Path(__file__).parent.parent
BUSY_SECONDS = 15


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


def open_database(url: str) -> Engine:
    """The engine of one service's database; the folder of an SQLite file is made.

    :raises Unreachable: the folder cannot be made.
    """
    made = make_url(url)
    if made.database:
        try:
            Path(made.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unreachable(
                f"The folder of {made.database} cannot be made ({error}); set TRIPARTITE_DATA to a folder of yours."
            ) from error
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)  # parameters are not for logs
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
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


# ---- migrations ---------------------------------------------------------------------------------------------------


def migrate(engine: Engine, service: str) -> None:
    """Bring a service's database to its newest migration (``services/<service>/migrations``)."""
    config = alembic_config(service)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def missing_migrations(engine: Engine, service: str) -> str:
    """What a database lacks, in a sentence; empty if it is up to date."""
    newest = ScriptDirectory.from_config(alembic_config(service)).get_current_head()
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    return "" if found == newest else f"The database of {service} is at migration {found or 'none'}, the code needs {newest}."


def alembic_config(service: str) -> AlembicConfig:
    """Alembic's settings for one service: one environment for all, each with its own versions."""
    config = AlembicConfig()
    config.set_main_option("script_location", (HOUSE / "shared" / "migrations").as_posix())
    config.set_main_option("version_locations", (HOUSE / "services" / service / "migrations").as_posix())
    config.set_main_option("path_separator", "os")
    config.attributes["service"] = service
    return config
