"""The databases: migrations make what the models say; a transaction is whole or nothing; two writers wait for each other."""

import importlib
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from shared import answers, decisions, inbox, outbox
from shared.database import Base, migrate, missing_migrations, open_database, transaction
from shared.errors import MissingMigration, Unreachable
from shared.inbox import InboxRow

SERVICES = ("eligibility", "deadlines", "responsibility", "notifications")
NOW = datetime(2027, 5, 5, 9, tzinfo=UTC)
EVERY_SERVICE_HAS: list[type[Base]] = [
    *(outbox.OutboxRow, outbox.OutboxBatch, inbox.InboxRow, inbox.InboxMark, inbox.QuarantineRow, inbox.QuarantineAudit),
    *(decisions.EditionRow, decisions.DecisionRow, answers.IdempotencyRow),
]


def opened(folder: Path, service_: str = "eligibility", migrated: bool = True) -> Engine:
    engine = open_database(f"sqlite:///{folder}/{service_}.db")
    if migrated:
        migrate(engine, service_)
    return engine


def test_every_table_of_the_house_is_known() -> None:
    assert {row.__tablename__ for row in EVERY_SERVICE_HAS} == set(Base.metadata.tables)


@pytest.mark.parametrize("name", SERVICES)
def test_migrations_make_exactly_the_tables_of_the_models(name: str, tmp_path: Path) -> None:
    own = importlib.import_module(f"services.{name}.models").Base.metadata
    assert not own.tables.keys() & Base.metadata.tables.keys()
    engine = opened(tmp_path, name)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, [Base.metadata, own]) == []  # type: ignore[arg-type]  # takes several
    engine.dispose()


@pytest.mark.parametrize("name", SERVICES)
def test_migrating_again_changes_nothing(name: str, tmp_path: Path) -> None:
    engine = opened(tmp_path, name)
    with transaction(engine) as session:
        session.add(InboxRow("key", "type", NOW))
    migrate(engine, name)
    assert missing_migrations(engine, name) == ""
    with transaction(engine) as session:
        assert session.get(InboxRow, "key") is not None
    engine.dispose()


def test_missing_migrations_are_said_in_a_sentence(tmp_path: Path) -> None:
    engine = opened(tmp_path, migrated=False)
    found = "The database of eligibility is at migration none, the code needs 0002; run `tripartite migrate eligibility`."
    assert missing_migrations(engine, "eligibility") == found
    migrate(engine, "eligibility")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    assert "is at migration 0000, the code needs 0002" in missing_migrations(engine, "eligibility")
    engine.dispose()


def test_a_database_of_a_newer_release_is_left_as_it_is(tmp_path: Path) -> None:
    engine = opened(tmp_path)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    with pytest.raises(MissingMigration, match="is at migration 0099, and this code knows 0002 at most; use the release that migrated it"):
        migrate(engine, "eligibility")
    engine.dispose()


# ---- transactions ------------------------------------------------------------------------------------------------


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    engine = opened(tmp_path)

    def half_way() -> None:
        with transaction(engine) as session:
            session.add(InboxRow("one", "type", NOW))
            session.flush()
            raise ZeroDivisionError

    def twice() -> None:
        with transaction(engine) as session:
            session.add(InboxRow("two", "type", NOW))
            session.flush()
            session.execute(text("INSERT INTO inbox (key, type, heard_at) VALUES ('two', 'type', '2027-05-05')"))

    with pytest.raises(ZeroDivisionError):
        half_way()
    with pytest.raises(IntegrityError):
        twice()
    with transaction(engine) as session:
        assert session.scalar(select(func.count()).select_from(InboxRow)) == 0
    engine.dispose()


def test_rows_stay_readable_after_their_transaction(tmp_path: Path) -> None:
    engine = opened(tmp_path)
    with transaction(engine) as session:
        session.add(row := InboxRow("one", "type", NOW))
    assert (row.key, row.heard_at) == ("one", NOW)
    engine.dispose()


def test_writers_wait_for_each_other_and_lose_no_update(tmp_path: Path) -> None:
    engine = opened(tmp_path)
    with transaction(engine) as session:
        session.add(inbox.InboxMark("stream", 0, NOW, "key"))

    def count_up() -> None:
        for _ in range(10):
            with transaction(engine) as session:
                mark = session.get_one(inbox.InboxMark, "stream")
                mark.sequence += 1

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with transaction(engine) as session:
        assert session.get_one(inbox.InboxMark, "stream").sequence == 40
    engine.dispose()


def test_a_commit_survives_a_power_cut_as_far_as_sqlite_can_say(tmp_path: Path) -> None:
    engine = opened(tmp_path)
    with engine.connect() as connection:
        found = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("synchronous", "journal_mode", "foreign_keys")]
    assert found == [2, "persist", 1]
    engine.dispose()


# ---- times -------------------------------------------------------------------------------------------------------


def test_a_time_is_kept_to_the_microsecond_in_utc_wherever_it_was_taken(tmp_path: Path) -> None:
    engine = opened(tmp_path)
    at = datetime(2027, 5, 5, 14, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    with transaction(engine) as session:
        session.add(InboxRow("one", "type", at))
    with transaction(engine) as session:
        found = session.get_one(InboxRow, "one").heard_at
    assert (found, found.utcoffset()) == (at, timedelta(0))
    engine.dispose()


def test_a_time_without_zone_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    engine = opened(tmp_path)
    with pytest.raises(StatementError, match="has no time zone"), transaction(engine) as session:
        session.add(InboxRow("one", "type", datetime(2027, 5, 5)))  # noqa: DTZ001
    engine.dispose()


def test_a_folder_that_cannot_be_made_is_unreachable_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unreachable, match="set TRIPARTITE_DATA to a folder of yours"):
        open_database(f"sqlite:///{tmp_path}/file/deeper/x.db")
