"""A batch is written in a statement or two a table: what is read back is what was written, on PostgreSQL and on SQLite."""

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, Boolean, Engine, LargeBinary, MetaData, Numeric, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from shared.database import UtcDateTime, among, from_now, hold, open_database, transaction
from shared.writing import WORTH_A_TRY, add_new, new, write
from tests.databases import Database


class Base(MappedAsDataclass, DeclarativeBase):
    metadata = MetaData()


class Sample(Base):
    """A column of every type that the services use."""

    __tablename__ = "samples"
    key: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str]
    values: Mapped[dict[str, Any]] = mapped_column(JSON)
    number: Mapped[int]
    share: Mapped[Decimal] = mapped_column(Numeric(4, 3))
    day: Mapped[date | None]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    yes: Mapped[bool] = mapped_column(Boolean, default=False)
    note: Mapped[str | None] = mapped_column(default=None)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30) | st.sampled_from(
    ["", "NULL", "{}", '{"a"}', "\\", '"', "\\x41", "a,b", " ", "\n", "'; DROP TABLE samples; --"]
)
SAMPLES = st.fixed_dictionaries(
    {
        "text": TEXTS,
        "values": st.dictionaries(TEXTS, TEXTS | st.integers(-(2**40), 2**40) | st.booleans() | st.none(), max_size=4),
        "number": st.integers(-(2**31), 2**31 - 1),
        "share": st.integers(0, 2000).map(lambda thousandths: Decimal(thousandths) / 1000),
        "day": st.none() | st.dates(date(1950, 1, 1), date(2099, 12, 31)),
        "at": st.integers(0, 4 * 10**15).map(lambda after: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=after)),
        "raw": st.binary(max_size=30),
        "yes": st.booleans(),
        "note": st.none() | TEXTS,
    }
)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database with one table."""
    if request.param == "sqlite":
        made = open_database(f"sqlite:///{tmp_path}/samples.db")
    else:
        database: Database = request.getfixturevalue("database")
        made = open_database(database.create(["samples"], "writing").replace("{service}", "samples"))
    Base.metadata.create_all(made)
    yield made
    made.dispose()
    if request.param == "postgresql":
        database.drop("writing")


def stored(engine: Engine) -> dict[str, dict[str, Any]]:
    with transaction(engine) as session:
        rows = session.scalars(select(Sample))
        return {row.key: {name: getattr(row, name) for name in Sample.__table__.columns.keys() if name != "key"} for row in rows}  # noqa: SIM118


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.lists(SAMPLES, max_size=6), second=st.lists(SAMPLES, max_size=6))
def test_what_is_read_back_is_what_was_written_last(engine: Engine, first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    with transaction(engine) as session:
        session.execute(text("DELETE FROM samples"))
        write(session, [Sample(key=f"k{place}", **sample) for place, sample in enumerate(first)])
    with transaction(engine) as session:
        write(session, [new(Sample)(key=f"k{place}", **sample) for place, sample in enumerate(second)])
    expected = {f"k{place}": sample for place, sample in enumerate(first)} | {f"k{place}": sample for place, sample in enumerate(second)}
    assert stored(engine) == expected


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, min_size=1, max_size=8))
def test_what_is_there_already_is_left_alone_and_only_what_is_new_is_named(engine: Engine, texts: list[str]) -> None:
    def added(values: list[str]) -> set[str]:
        columns = {
            "key": values,
            "text": values,
            "values": [{} for _ in values],
            "number": [len(values)] * len(values),
            "share": [Decimal(1)] * len(values),
            "day": [None] * len(values),
            "at": [datetime(2027, 5, 5, tzinfo=UTC)] * len(values),
            "raw": [b""] * len(values),
            "yes": [True] * len(values),
            "note": [None] * len(values),
        }
        with transaction(engine) as session:
            return add_new(session, Sample, "key", columns, likely_new=True)

    with transaction(engine) as session:
        session.execute(text("DELETE FROM samples"))
    half = texts[: len(texts) // 2]
    assert added(half) == set(half)
    assert added(texts) == set(texts) - set(half)
    assert {row["number"] for key, row in stored(engine).items() if key in half} <= {len(half)}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(there=st.sets(TEXTS, max_size=6), asked=st.sets(TEXTS, max_size=6))
def test_those_among_some_texts_are_found_whatever_the_texts_hold(engine: Engine, there: set[str], asked: set[str]) -> None:
    with transaction(engine) as session:
        session.execute(text("DELETE FROM samples"))
        write(session, [a_sample(key=key) for key in there])
        assert set(session.scalars(select(Sample.key).where(among(Sample.key, asked)))) == there & asked


def a_sample(**changes: Any) -> Sample:
    fields = {
        "key": "k",
        "text": "t",
        "values": {},
        "number": 1,
        "share": Decimal("0.6"),
        "day": None,
        "at": datetime(2027, 5, 5, tzinfo=UTC),
        "raw": b"",
    }
    return Sample(**{**fields, **changes})


def test_of_many_rows_one_that_is_there_by_now_is_replaced_and_nothing_else_is_undone(engine: Engine) -> None:
    keys = [f"k{place}" for place in range(2 * WORTH_A_TRY)]
    with transaction(engine) as session:
        write(session, [a_sample(key=keys[-1], text="before")])
    with transaction(engine) as session:
        write(session, [a_sample(key="first", text="in the same transaction")])
        write(session, [a_sample(key=key, text="after") for key in keys])
    expected = {"first": "in the same transaction", **dict.fromkeys(keys, "after")}
    assert {key: row["text"] for key, row in stored(engine).items()} == expected


def test_of_many_rows_those_that_are_there_already_are_left_alone_and_not_named(engine: Engine) -> None:
    keys = [f"k{place}" for place in range(2 * WORTH_A_TRY)]
    names = [name for name in Sample.__table__.columns.keys() if name != "key"]  # noqa: SIM118
    like = a_sample(text="after")
    columns = {"key": [*keys, keys[0]], **{name: [getattr(like, name)] * (len(keys) + 1) for name in names}}
    with transaction(engine) as session:
        write(session, [a_sample(key=keys[3], text="before")])
        assert add_new(session, Sample, "key", columns, likely_new=True) == {*keys} - {keys[3]}
        assert add_new(session, Sample, "key", columns, likely_new=True) == set()
    assert {key: row["text"] for key, row in stored(engine).items()} == {**dict.fromkeys(keys, "after"), keys[3]: "before"}


def test_of_many_rows_one_that_the_table_does_not_take_is_the_callers_business(engine: Engine) -> None:
    with pytest.raises(IntegrityError), transaction(engine) as session:
        write(session, [a_sample(key=f"k{place}", text=None if place else "t") for place in range(2 * WORTH_A_TRY)])
    assert stored(engine) == {}


def test_of_rows_that_were_read_only_those_that_changed_are_written(engine: Engine) -> None:
    with transaction(engine) as session:
        write(session, [a_sample(key="a"), a_sample(key="b")])
    with transaction(engine) as session:
        a, b = session.scalars(select(Sample).order_by(Sample.key))
        a.text = "changed"
        session.execute(text("UPDATE samples SET text = 'by another hand' WHERE key = 'b'"))
        write(session, [a, b, a])
    assert {key: row["text"] for key, row in stored(engine).items()} == {"a": "changed", "b": "by another hand"}


def test_a_row_made_quickly_has_the_defaults_of_its_columns_and_can_be_changed() -> None:
    made = new(Sample)(key="k", text="t", values={}, number=1, share=Decimal(1), day=None, at=datetime(2027, 5, 5, tzinfo=UTC), raw=b"")
    assert (made.yes, made.note) == (False, None)
    made.note = "changed"
    assert made.note == "changed"


def test_the_databases_clock_is_about_ours_and_moves_by_seconds(engine: Engine) -> None:
    with transaction(engine) as session:
        now, later = session.scalar(select(from_now(0))), session.scalar(select(from_now(90)))
        session.add(a_sample(at=from_now(-30)))
        session.flush()
        assert session.scalar(select(Sample.key).where(Sample.at < from_now(0))) == "k"
    assert now is not None
    assert later is not None
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)
    assert timedelta(seconds=89) < later - now < timedelta(seconds=100)


def test_those_who_hold_the_same_name_take_turns(engine: Engine) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(10):
            with transaction(engine) as session:
                hold(session, ["a", "b"], shared=["gate"])
                inside.append(1)
                most.append(len(inside))
                session.execute(text("SELECT 1"))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
