"""Start reading here: what notifications is made of, and its Flask app."""

from functools import partial

from flask import Flask

from services.notifications.api import routes
from services.notifications.consumers import CONSUMERS, read
from services.notifications.senders import deliver, settle_claims
from shared.config import Config, read_config
from shared.service import create_service
from shared.worker import Service, Worker, clock_of

SERVICE = Service("notifications", CONSUMERS, read, chores=[deliver], at_start=partial(settle_claims, at_start=True))


def create_app(config: Config | None = None, worker: Worker | None = None) -> Flask:
    """The Flask app of notifications, on its own database."""
    config = config or read_config()
    return create_service(worker or Worker(SERVICE, config, clock_of(config)), [routes])
