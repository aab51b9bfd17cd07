"""A service's quarantine, for the command: list, look, retry, discard.

A change and the line in ``quarantine_audit`` that says who made it are one transaction. A retry handles the message in that transaction
too, with its row locked and the attempt behind a savepoint: what fails leaves nothing but its line, and of two people who retry at once
the second finds the row gone. What is said of a message goes into the outbox, and a worker publishes it: nothing here speaks to a broker.

Read from the top: the database as it stands, what is there, then :func:`retried` and :func:`discarded`.
"""

import os
import pwd
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Engine, make_url, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from shared import inbox
from shared.config import read_config
from shared.consumer import LONGEST_REASON, falsely_said
from shared.database import is_outage, missing_migrations, open_database, transaction
from shared.errors import MalformedEvent, MissingMigration, Refused, UnknownResource, Unreachable
from shared.inbox import QuarantineAudit, QuarantineRow, hold_messages, storable
from shared.wire import CONTENT_TYPE, Message, parse_json, read_delivery
from shared.worker import Service, clock_of

Data = dict[str, Any]
GONE = "The message is not in the quarantine any more: somebody else has dealt with it; `tripartite quarantine list --audit` says who."


@contextmanager
def opened(service: str) -> Iterator[Engine]:
    """A service's database as it stands: it is neither made nor migrated.

    :raises Unreachable: it is not there, or does not answer; :raises MissingMigration: the code needs another migration.
    """
    url = make_url(read_config().database_of(service))
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise Unreachable(
            f"There is no database of {service} at {url.database}; point TRIPARTITE_DATA at its folder, or let `tripartite serve` make it."
        )
    engine = open_database(url.render_as_string(hide_password=False))
    try:
        with plainly(engine):
            lacks = missing_migrations(engine, service)
        if lacks:
            raise MissingMigration(lacks)
        yield engine
    finally:
        engine.dispose()


@contextmanager
def plainly(engine: Engine) -> Iterator[None]:
    """An outage of a database is told in a sentence.

    :raises Unreachable: instead of SQLAlchemy's error.
    """
    try:
        yield
    except DBAPIError as error:
        if not is_outage(error):
            raise
        raise Unreachable(f"The database {engine.url} does not do what it is asked ({error.orig}); see `tripartite doctor`.") from error


@contextmanager
def told_transaction(engine: Engine) -> Iterator[Session]:
    """One short transaction, whose outage is told in a sentence."""
    with plainly(engine), transaction(engine) as session:
        yield session


def identity(body: bytes) -> tuple[str, str] | None:
    """The key (source and id) and the type that a message bears, whether it can be handled or not; None if it bears none."""
    try:
        found = parse_json(body)
    except MalformedEvent:
        return None
    names = [str(found.get(name)) for name in ("source", "id", "type")] if isinstance(found, dict) else [""]
    if not all(re.fullmatch("[!-~]{1,300}", name) for name in names):
        return None
    return f"{names[0]} {names[1]}", names[2]


# ---- what is there -------------------------------------------------------------------------------------------------


def listed(service: str) -> Data:
    """Every message, the latest first, without its body."""
    shown = (QuarantineRow.fingerprint, QuarantineRow.times, QuarantineRow.first_at, QuarantineRow.last_at, QuarantineRow.reason)
    with opened(service) as engine, told_transaction(engine) as session:
        rows = session.execute(select(*shown).order_by(QuarantineRow.last_at.desc(), QuarantineRow.fingerprint)).mappings().all()
    return {"service": service, "count": len(rows), "messages": [_plain(dict(row)) for row in rows]}


def audited(service: str) -> Data:
    """What was done with messages of the quarantine, the latest first."""
    with opened(service) as engine, told_transaction(engine) as session:
        return {"service": service, "audit": _audit(session)}


def shown(service: str, fingerprint: str) -> Data:
    """The message whose fingerprint begins so, as it came, and what was done with it.

    :raises UnknownResource: there is none, or more than one.
    """
    with opened(service) as engine, told_transaction(engine) as session:
        whole = _whole(session, service, fingerprint)
        row = session.get_one(QuarantineRow, whole)
        found = {name: getattr(row, name) for name in ("fingerprint", "times", "first_at", "last_at", "reason")}
        return {"service": service, **_plain(found), "body": row.body.decode("utf-8", errors="replace"), "audit": _audit(session, whole)}


def _audit(session: Session, fingerprint: str = "") -> list[Data]:
    lines = session.scalars(
        select(QuarantineAudit).where(QuarantineAudit.fingerprint.startswith(fingerprint)).order_by(QuarantineAudit.id.desc())
    )
    names = ("done_at", "fingerprint", "action", "done_by", "detail")
    return [_plain({name: getattr(line, name) for name in names}) for line in lines]


def _plain(found: Data) -> Data:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in found.items()}


def _whole(session: Session, service: str, fingerprint: str) -> str:
    begins_so = QuarantineRow.fingerprint.startswith(fingerprint, autoescape=True)
    found = list(session.scalars(select(QuarantineRow.fingerprint).where(begins_so).limit(2)))
    if len(found) != 1:
        what = "More than one message" if found else "No message"
        raise UnknownResource(
            f"{what} in the quarantine of {service} begins with {fingerprint}; see `tripartite quarantine list {service}`, "
            "and with --audit what was done."
        )
    return found[0]


# ---- retry and discard ---------------------------------------------------------------------------------------------


class Retried(NamedTuple):
    """What became of messages that were handled again.

    :param problems: why the others still cannot be handled, by fingerprint. :param gone: how many somebody else dealt with meanwhile.
    """

    handled: int
    problems: dict[str, str]
    gone: int


def retried(service: str, fingerprint: str) -> Retried:
    """Have the message handled again whose fingerprint begins so.

    :raises UnknownResource: there is none, or more than one.
    """
    with opened(service) as engine:
        with told_transaction(engine) as session:
            whole = _whole(session, service, fingerprint)
        return _retry(engine, service, [whole])


def retried_all(service: str, reason: str, progress: Callable[[Sequence[str]], Iterable[str]]) -> Retried:
    """Have every message handled again whose reason begins so, those that came first at first.

    :param progress: passes the fingerprints on one by one, and shows how far that is.
    """
    begins_so = QuarantineRow.reason.startswith(reason, autoescape=True)
    with opened(service) as engine:
        with told_transaction(engine) as session:
            whole = list(session.scalars(select(QuarantineRow.fingerprint).where(begins_so).order_by(QuarantineRow.first_at)))
        return _retry(engine, service, progress(whole))


def _retry(engine: Engine, name: str, fingerprints: Iterable[str]) -> Retried:
    config = read_config()
    service: Service = import_module(f"services.{name}.app").SERVICE.by(config)
    clock = clock_of(config)
    handled, gone, problems = 0, 0, dict[str, str]()
    for fingerprint in fingerprints:
        problem = _retry_one(engine, service, fingerprint, clock())
        if problem is None:
            gone += 1
        elif problem:
            problems[fingerprint] = problem
        else:
            handled += 1
    return Retried(handled, problems, gone)


def _retry_one(engine: Engine, service: Service, fingerprint: str, now: datetime) -> str | None:
    """Why a message still cannot be handled; nothing if it was; None if it is in the quarantine no more."""
    with told_transaction(engine) as session:
        body = session.scalar(select(QuarantineRow.body).where(QuarantineRow.fingerprint == fingerprint))
        message, problem = _read(service, body or b"")
        if message is not None:
            service.hold(session, [message])  # before the row: workers lock in this order
        row = session.get(QuarantineRow, fingerprint, with_for_update=True)
        if row is None:
            return None
        if message is not None:
            problem = _attempt(session, service, message, now)
        if problem:
            row.reason = storable(problem)[:LONGEST_REASON]
            _note(session, row, "still-not-handled", now)
        else:
            _note(session, row, "retried", now)
            session.delete(row)
        return problem


def _read(service: Service, body: bytes) -> tuple[Message | None, str]:
    """The message; or why it is none for this service."""
    try:
        message = read_delivery(body, CONTENT_TYPE)  # whoever retries it vouches for what it was said to be
    except MalformedEvent as error:
        return None, str(error)
    if type(message.data) not in service.consumers:
        return None, f"{service.name} does not hear {message.data.type}; discard it."
    false = falsely_said(message)
    return (None, false) if false else (message, "")


def _attempt(session: Session, service: Service, message: Message, now: datetime) -> str:
    """Take a message in as a worker does; why that is not possible, and then it has left nothing."""
    try:
        with session.begin_nested():
            service.handle(session, inbox.take_in(session, [message], now), now)
    except Exception as error:
        if is_outage(error):
            raise
        return str(error) if isinstance(error, Refused) else f"the handler failed: {error!r}"
    return ""


def discarded(service: str, fingerprint: str) -> None:
    """Let the message go, for good: these very bytes are not kept again when they come again. Others of the same id are heard.

    :raises UnknownResource: none begins so, or more than one; or somebody else has dealt with it meanwhile.
    """
    now = clock_of(read_config())()
    with opened(service) as engine, told_transaction(engine) as session:
        whole = _whole(session, service, fingerprint)
        hold_messages(session, [whole])  # a worker that is about to keep it again waits, and then finds it discarded
        row = session.get(QuarantineRow, whole, with_for_update=True)
        if row is None:
            raise UnknownResource(GONE)
        _note(session, row, "discarded", now)
        session.delete(row)


def _note(session: Session, row: QuarantineRow, action: str, now: datetime) -> None:
    """Who did what with a message, and why it was there, or still is."""
    bears = identity(row.body)
    key = bears[0] if bears else ""
    session.add(QuarantineAudit(done_at=now, fingerprint=row.fingerprint, action=action, done_by=_user(), detail=row.reason, key=key))


def _user() -> str:
    """The operating system's user, whatever the environment says."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container may run as a number
        return f"user {os.geteuid()}"
