"""Start reading here: what eligibility is made of, and its Flask app.

A worker needs no web server: only :func:`create_app` imports what answers HTTP.
"""

from typing import TYPE_CHECKING

from services.eligibility.consumers import CONSUMERS
from shared.worker import Service, Worker

if TYPE_CHECKING:
    from flask import Flask

SERVICE = Service("eligibility", CONSUMERS)


def create_app(worker: Worker) -> "Flask":
    """The Flask app of eligibility, on the database of its worker."""
    from services.eligibility.api import routes  # noqa: PLC0415
    from services.eligibility.decisions import tells  # noqa: PLC0415
    from shared.service import create_service  # noqa: PLC0415

    return create_service(worker, [routes], tells)
