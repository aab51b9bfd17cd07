"""Start reading here: what deadlines is made of, and its Flask app.

A worker needs no web server: only :func:`create_app` imports what answers HTTP.
"""

from typing import TYPE_CHECKING

from services.deadlines.clock import tick
from services.deadlines.consumers import CONSUMERS, read
from services.deadlines.governance.clock import tick_milestones
from shared.worker import Service, Worker

if TYPE_CHECKING:
    from flask import Flask

SERVICE = Service("deadlines", CONSUMERS, read, chores=[tick, tick_milestones])


def create_app(worker: Worker) -> "Flask":
    """The Flask app of deadlines, on the database of its worker."""
    from services.deadlines import api, people  # noqa: PLC0415
    from services.deadlines.calendars import api as calendars  # noqa: PLC0415
    from services.deadlines.compliance import api as compliance  # noqa: PLC0415
    from services.deadlines.governance import api as governance  # noqa: PLC0415
    from services.deadlines.upstream import api as upstream  # noqa: PLC0415
    from shared.service import create_service  # noqa: PLC0415

    subjects = (api, people, compliance, governance, calendars, upstream)
    return create_service(worker, [subject.routes for subject in subjects])
