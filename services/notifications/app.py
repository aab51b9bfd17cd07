"""Start reading here: what notifications is made of, and its Flask app.

A worker needs no web server: only :func:`create_app` imports what answers HTTP.
"""

from functools import partial
from typing import TYPE_CHECKING

from services.notifications.consumers import CONSUMERS, Known, read
from services.notifications.escalation import escalate
from services.notifications.gathering import gather
from services.notifications.senders.delivery import deliver, settle_claims
from shared.config import Config
from shared.events import RecipientUpdated
from shared.worker import Service, Worker

if TYPE_CHECKING:
    from flask import Flask


def reads_by(config: Config) -> "partial[Known]":
    """How it reads what it must know: in a rehearsal no alert waits (TRIPARTITE_PACE)."""
    return partial(read, paced=config.pace != "immediate")


SERVICE = Service(
    "notifications",
    CONSUMERS,
    read,
    chores=[gather, deliver, escalate],
    at_start=partial(settle_claims, at_start=True),
    alone=(RecipientUpdated,),
    reads_by=reads_by,
)


def create_app(worker: Worker) -> "Flask":
    """The Flask app of notifications, on the database of its worker."""
    from services.notifications.api import routes  # noqa: PLC0415
    from services.notifications.register_api import register  # noqa: PLC0415
    from shared.service import create_service  # noqa: PLC0415

    return create_service(worker, [routes, register])
