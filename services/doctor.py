"""``tripartite doctor``: what is wrong and what to do. It looks, and never makes or changes anything.

A *check* is a small function that gives a verdict: ok, wrong (then the same sentence says what to do) or unknown. The checks stand in
lists: of this process, of a service's database (here), of the broker and of a service's queues (doctor_broker.py). Each list begins with
the check whether anybody answers; where nobody does, the rest of the list is unknown, and everything else is looked at all the same.

Read :func:`examined` first, then the lists at the ends of both files.
"""

import platform
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeVar
from urllib.parse import quote

import click
from sqlalchemy import URL, Engine, create_engine, func, make_url, select
from sqlalchemy.exc import DBAPIError

from shared.config import Config, read_config
from shared.database import from_now, missing_migrations, open_database, transaction
from shared.errors import DecisionError, NotInForce, PolicyError, Unreachable
from shared.inbox import QuarantineRow
from shared.outbox import waiting

CLOCKS_APART = 5.0
"""Seconds. Leases are cut off by the database's clock, days by ours."""
OLDEST_BATCH = 300.0
"""Seconds that a batch of the outbox may wait before somebody should look."""
PYTHONS = ((3, 11), (3, 12))
PACKAGES = {
    "SQLAlchemy": ">=2.1",
    "alembic": ">=1.16",
    "amqp": ">=5.4.2",
    "durable_rules": "==2.0.28",
    "kombu": ">=5.7",
    "pika": ">=1.3.2",
    "psycopg": ">=3.2",
}
"""What must be installed, as pyproject.toml has it."""
State = Literal["ok", "wrong", "unknown"]
COLOURS = {"ok": "green", "wrong": "red", "unknown": "yellow"}


class Verdict(NamedTuple):
    """What a check found."""

    state: State
    says: str


ok: Callable[[str], Verdict] = partial(Verdict, "ok")
wrong: Callable[[str], Verdict] = partial(Verdict, "wrong")
unknown: Callable[[str], Verdict] = partial(Verdict, "unknown")


class Finding(NamedTuple):
    """A verdict with what it is about; ``unreachable`` if nobody answers there."""

    about: str
    what: str
    state: State
    says: str
    unreachable: bool = False


class Subject(Protocol):
    """What a list of checks looks at; ``away`` once it is known that nobody answers."""

    away: bool


Looked = TypeVar("Looked", bound=Subject)
Checks = Sequence[tuple[str, Callable[[Looked], Verdict]]]
"""Checks by name."""


def examined(services: Sequence[str], management: str | None) -> dict[str, Any]:
    """Every finding about this process, these services and the broker, and how many there are of each state.

    :param management: the URL of RabbitMQ's management API; None tries that of the broker's host.
    """
    from services.doctor_broker import examined_broker  # noqa: PLC0415 (it needs the classes above)

    config = read_config()
    findings = list(looked("this process", Here(), HERE))
    for name in services:
        findings += looked(name, PoliciesOf(name), POLICIES)
        database = DatabaseOf(name, config)
        findings += looked(name, database, DATABASE)
        database.close()
    if config.embedded:
        findings.append(
            Finding("bus", "broker", "ok", "there is none: the bus is embedded, and lives in the process of `tripartite serve`.")
        )
    else:
        findings += examined_broker(services, config, management)
    counts = {state: sum(finding.state == state for finding in findings) for state in COLOURS}
    return {"findings": [finding._asdict() for finding in findings], **counts}


def looked(about: str, subject: Looked, checks: "Checks[Looked]") -> Iterator[Finding]:
    """What each check of a list finds; whatever a check stumbles on is a finding too."""
    for what, check in checks:
        if subject.away:
            yield Finding(about, what, "unknown", "nobody answers; see the first line about it.")
            continue
        try:
            verdict = check(subject)
        except Unreachable as error:
            subject.away = True
            yield Finding(about, what, "wrong", str(error), unreachable=True)
        except Exception as error:
            yield Finding(
                about, what, "wrong", f"it could not be looked at ({type(error).__name__}: {error}); see to that, and look again."
            )
        else:
            yield Finding(about, what, *verdict)


def counted(count: int, thing: str) -> str:
    """So many of them."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def exit_code(found: dict[str, Any]) -> int:
    """0 if all is well, 1 if something is wrong, 3 if somebody does not answer."""
    return 3 if any(finding["unreachable"] for finding in found["findings"]) else 1 if found["wrong"] else 0


def finding_lines(found: dict[str, Any]) -> Iterable[str]:
    """One line a check, and how many there were."""
    for finding in found["findings"]:
        state = click.style(f"{finding['state']:<8}", fg=COLOURS[finding["state"]])
        yield f"{state}{finding['about']:<15} {finding['what']:<12} {' '.join(finding['says'].split())}"
    yield ", ".join(f"{found[state]} {state}" for state in COLOURS) + "."


# ---- this process --------------------------------------------------------------------------------------------------


class Here:
    """What all checks of this process look at: it is there."""

    away = False


def python_fits(_: Here) -> Verdict:
    """The rule engine cannot be imported on other versions."""
    found = platform.python_version()
    if sys.version_info[:2] in PYTHONS:
        return ok(f"{found}.")
    return wrong(f"{found} is not 3.11 or 3.12, which the rule engine needs; make the environment anew with one of these.")


def packages_fit(_: Here) -> Verdict:
    """Everything is installed, in a version that was tried."""
    found: dict[str, str] = {}
    for name, needed in PACKAGES.items():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            return wrong(f"{name} is not installed; `pip install -r requirements.txt`.")
        fits = found[name] == needed[2:] if needed.startswith("==") else _numbers(found[name]) >= _numbers(needed[2:])
        if not fits:
            return wrong(f"{name} {found[name]} is installed, {needed} is needed; `pip install -r requirements.txt`.")
    return ok(", ".join(f"{name} {version_}" for name, version_ in found.items()) + ".")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(".") if part.isdigit()]


def engine_loads(_: Here) -> Verdict:
    """The rule engine is a compiled module."""
    try:
        import_module("shared.rules.engine")
    except ImportError as error:
        return wrong(f"it cannot be imported ({error}); a C compiler must be there for `pip install -r requirements.txt`.")
    return ok("durable_rules can be imported.")


HERE: "Checks[Here]" = (("python", python_fits), ("packages", packages_fit), ("rule engine", engine_loads))


# ---- a service's policies -------------------------------------------------------------------------------------------


class PoliciesOf:
    """The policies of a service: files, which are there."""

    away = False

    def __init__(self, service: str) -> None:
        self.service = service


def policies_load(of: PoliciesOf) -> Verdict:
    """Every policy can be used, and both engines answer alike where nothing is known yet."""
    from shared.rules import decide, ready_policies  # noqa: PLC0415 (their failure is a finding)

    try:
        policies = ready_policies(of.service)
        for policy in policies.values():
            with suppress(NotInForce):
                decide(policy, {}, datetime.now(UTC).date(), made_at="", id="")
    except (PolicyError, DecisionError) as error:
        return wrong(f"{error} Mend it; `tripartite policies check` says more.")
    return ok(f"{len(policies)} can be used, and both engines answer.")


POLICIES: "Checks[PoliciesOf]" = (("policies", policies_load),)

# ---- a service's database ------------------------------------------------------------------------------------------


class DatabaseOf:
    """A service's database. An SQLite file is opened for reading only: it is not made, nor is its journal changed."""

    def __init__(self, service: str, config: Config) -> None:
        self.service, self.config, self.away, self.migrated = service, config, False, True
        self.url: URL = make_url(config.database_of(service))
        self.file = Path(self.url.database or "") if self.url.get_backend_name() == "sqlite" else None
        self.engine = _reading(self.file) if self.file else open_database(self.url.render_as_string(hide_password=False))

    @property
    def starts(self) -> str:
        """What starts whoever works on it."""
        return "tripartite serve" if self.config.embedded else f"tripartite work {self.service}"

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def _reading(file: Path) -> Engine:
    address = f"file:{quote(file.as_posix())}?mode=ro"
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True, timeout=CLOCKS_APART))


def database_answers(database: DatabaseOf) -> Verdict:
    """It lets us in.

    :raises Unreachable: it does not.
    """
    if database.file and not database.file.exists():
        raise Unreachable(f"there is none at {database.file}; `tripartite serve` makes it, or point TRIPARTITE_DATA at its folder.")
    try:
        with database.engine.connect() as connection:
            if database.file:
                connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
                return ok(f"{database.file} can be read.")
            return ok(f"{database.url} answers: PostgreSQL {connection.exec_driver_sql('SHOW server_version').scalar()}.")
    except DBAPIError as error:
        raise Unreachable(
            f"{database.url} does not let us in ({error.orig}); see that it runs, and that TRIPARTITE_DATABASE_URL is right."
        ) from error


def journal_is_safe(database: DatabaseOf) -> Verdict:
    """SQLite before 3.51.3 can corrupt a database with a write-ahead log that has two connections."""
    if database.file is None:
        return ok("PostgreSQL keeps its own.")
    with database.engine.connect() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    if mode == "wal":
        return wrong(
            f"{database.file} has a write-ahead log, with which SQLite {sqlite3.sqlite_version} may corrupt it: end what uses it, "
            f"then `sqlite3 {database.file} 'PRAGMA journal_mode = DELETE'`."
        )
    return ok(f"SQLite {sqlite3.sqlite_version} with a rollback journal.")


def is_migrated(database: DatabaseOf) -> Verdict:
    """It is at the newest migration of the code."""
    lacks = missing_migrations(database.engine, database.service)
    database.migrated = not lacks
    if lacks:
        return wrong(lacks)
    return ok("it is at its newest migration.")


def clocks_agree(database: DatabaseOf) -> Verdict:
    """Its clock is ours, about."""
    with transaction(database.engine) as session:
        before = datetime.now(UTC)
        theirs = session.scalar(select(from_now(0)))
        after = datetime.now(UTC)
    assert theirs is not None
    apart = max((before - theirs).total_seconds(), (theirs - after).total_seconds(), 0.0)
    if apart < CLOCKS_APART:
        return ok(f"its clock and ours differ by {apart:.1f} s.")
    return wrong(
        f"its clock and ours differ by {apart:.0f} s: leases and days go by different times; set both by the network (`timedatectl`)."
    )


LATER = unknown("it can be looked at once the database is migrated.")


def outbox_is_emptied(database: DatabaseOf) -> Verdict:
    """What was said is confirmed by the broker before long."""
    if not database.migrated:
        return LATER
    batches, age = waiting(database.engine)
    if age > OLDEST_BATCH:
        return wrong(
            f"{counted(batches, 'transaction')} still to be published, the oldest for {age / 60:,.0f} minutes; "
            f"see that `{database.starts}` runs and what this says of the broker."
        )
    return ok(f"{counted(batches, 'transaction')} still to be published." if batches else "everything is published.")


def quarantine_is_empty(database: DatabaseOf) -> Verdict:
    """Messages that could not be handled wait for a person."""
    if not database.migrated:
        return LATER
    with transaction(database.engine) as session:
        count = session.scalar(select(func.count()).select_from(QuarantineRow)) or 0
    if count:
        return wrong(
            f"{counted(count, 'message')} could not be handled; see `tripartite quarantine list {database.service}`, "
            "then retry or discard them."
        )
    return ok("it is empty.")


DATABASE: "Checks[DatabaseOf]" = (
    ("database", database_answers),
    ("journal", journal_is_safe),
    ("migration", is_migrated),
    ("clock", clocks_agree),
    ("outbox", outbox_is_emptied),
    ("quarantine", quarantine_is_empty),
)
