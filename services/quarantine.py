"""A service's quarantine, for the command: list, look, retry, discard. Every change leaves a line in the log."""

from datetime import UTC, datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.house import SERVICES
from shared.config import read_config
from shared.database import transaction
from shared.errors import Refused, UnknownResource
from shared.inbox import QuarantineRow
from shared.worker import Worker, clock_of

log = structlog.get_logger()


def _worker(service: str) -> Worker:
    config = read_config()
    return Worker(SERVICES[service].SERVICE, config, clock_of(config))


def listed(service: str) -> list[QuarantineRow]:
    """Every row, the latest first."""
    with transaction(_worker(service).engine) as session:
        return list(session.scalars(select(QuarantineRow).order_by(QuarantineRow.last_at.desc())))


def found(service: str, fingerprint: str) -> QuarantineRow:
    """The row whose fingerprint begins so.

    :raises UnknownResource: there is none, or more than one.
    """
    with transaction(_worker(service).engine) as session:
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
    worker = _worker(service)
    with transaction(worker.engine) as session:
        row = _one(session, service, fingerprint)
    try:
        worker.handle(row.body, datetime.now(UTC))
    except Refused as error:
        return str(error)
    except Exception as error:
        log.warning("quarantine.retried", service=service, fingerprint=row.fingerprint, exc_info=error)
        return repr(error)
    _removed(worker, row, "quarantine.retried")
    return ""


def discarded(service: str, fingerprint: str) -> None:
    """Let the message go."""
    worker = _worker(service)
    with transaction(worker.engine) as session:
        row = _one(session, service, fingerprint)
    _removed(worker, row, "quarantine.discarded")


def _removed(worker: Worker, row: QuarantineRow, what: str) -> None:
    with transaction(worker.engine) as session:
        session.delete(session.get_one(QuarantineRow, row.fingerprint))
    log.info(what, service=worker.service.name, fingerprint=row.fingerprint, reason=row.reason, times=row.times)
