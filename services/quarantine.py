"""A service's quarantine, for the command: list, look, retry, discard. Every change leaves a line in the log."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.house import SERVICES
from shared.config import read_config
from shared.database import missing_migrations, open_database, transaction
from shared.errors import MalformedEvent, Refused, UnknownResource
from shared.inbox import InboxRow, QuarantineRow
from shared.wire import read_message
from shared.worker import Worker, clock_of

log = structlog.get_logger()


@contextmanager
def _database(service: str) -> Iterator[Session]:
    """A transaction on a service's database, as it stands."""
    engine = open_database(read_config().database_of(service))
    try:
        if lacks := missing_migrations(engine, service):
            raise Refused(f"{lacks} Start it once with `tripartite serve`, or point TRIPARTITE_DATA at its folder.")
        with transaction(engine) as session:
            yield session
    finally:
        engine.dispose()


def listed(service: str) -> list[QuarantineRow]:
    """Every row, the latest first."""
    with _database(service) as session:
        return list(session.scalars(select(QuarantineRow).order_by(QuarantineRow.last_at.desc())))


def found(service: str, fingerprint: str) -> QuarantineRow:
    """The row whose fingerprint begins so.

    :raises UnknownResource: there is none, or more than one.
    """
    with _database(service) as session:
        return _one(session, service, fingerprint)


def _one(session: Session, service: str, fingerprint: str) -> QuarantineRow:
    rows = list(session.scalars(select(QuarantineRow).where(QuarantineRow.fingerprint.startswith(fingerprint, autoescape=True)).limit(2)))
    if len(rows) != 1:
        what = "No message" if not rows else "More than one message"
        raise UnknownResource(
            f"{what} in the quarantine of {service} begins with {fingerprint}; see `tripartite quarantine list {service}`."
        )
    return rows[0]


def retried(service: str, fingerprint: str) -> str:
    """Have the message handled again; returns why it still cannot be, or nothing."""
    row = found(service, fingerprint)
    config = read_config()
    worker = Worker(SERVICES[service].SERVICE, config, clock_of(config))
    try:
        worker.handle(row.body, worker.clock())
    except Exception as error:
        log.warning("quarantine.still-not-handled", service=service, fingerprint=row.fingerprint, error=type(error).__name__)
        return str(error) if isinstance(error, Refused) else repr(error)
    finally:
        worker.close()
    _remove(service, row.fingerprint, "quarantine.handled")
    return ""


def discarded(service: str, fingerprint: str) -> None:
    """Let the message go, for good: it is noted as heard, so that it is not taken in when it comes again."""
    _remove(service, found(service, fingerprint).fingerprint, "quarantine.discarded")


def _remove(service: str, fingerprint: str, what: str) -> None:
    with _database(service) as session:
        row = session.get_one(QuarantineRow, fingerprint)
        session.delete(row)
        try:
            message = read_message(row.body)
        except MalformedEvent:
            message = None  # it came past every outbox, and will not come again by itself
        if message is not None and session.get(InboxRow, message.key) is None:
            session.add(InboxRow(key=message.key, type=message.data.type, heard_at=row.last_at))
        log.info(what, service=service, fingerprint=fingerprint, first_at=row.first_at.isoformat(), times=row.times)
