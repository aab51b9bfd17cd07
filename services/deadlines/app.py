"""Start reading here: what deadlines is made of, and its Flask app.

A worker needs no web server: only :func:`create_app` imports what answers HTTP.
"""

from typing import TYPE_CHECKING

from services.deadlines.clock import tick
from services.deadlines.consumers import CONSUMERS, read
from services.deadlines.milestone_clock import tick_milestones
from shared.worker import Service, Worker

if TYPE_CHECKING:
    from flask import Flask

SERVICE = Service("deadlines", CONSUMERS, read, chores=[tick, tick_milestones])


def create_app(worker: Worker) -> "Flask":
    """The Flask app of deadlines, on the database of its worker."""
    from services.deadlines.api import routes  # noqa: PLC0415
    from services.deadlines.governance_api import governance_routes  # noqa: PLC0415
    from services.deadlines.people import people_routes  # noqa: PLC0415
    from shared.service import create_service  # noqa: PLC0415

    return create_service(worker, [routes, people_routes, governance_routes])
