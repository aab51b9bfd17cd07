"""Start reading here: what notifications is made of, and its Flask app."""

from functools import partial

from flask import Flask

from services.notifications.api import routes
from services.notifications.consumers import CONSUMERS, read
from services.notifications.senders import deliver, settle_claims
from shared.service import create_service
from shared.worker import Service, Worker

SERVICE = Service("notifications", CONSUMERS, read, chores=[deliver], at_start=partial(settle_claims, at_start=True))


def create_app(worker: Worker) -> Flask:
    """The Flask app of notifications, on the database of its worker."""
    return create_service(worker, [routes])
