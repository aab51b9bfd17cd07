"""Start reading here: what deadlines is made of, and its Flask app."""

from flask import Flask

from services.deadlines.api import routes
from services.deadlines.clock import tick
from services.deadlines.consumers import CONSUMERS, read
from shared.config import Config, read_config
from shared.service import create_service
from shared.worker import Service, Worker, clock_of

SERVICE = Service("deadlines", CONSUMERS, read, chores=[tick])


def create_app(config: Config | None = None, worker: Worker | None = None) -> Flask:
    """The Flask app of deadlines, on its own database."""
    config = config or read_config()
    return create_service(worker or Worker(SERVICE, config, clock_of(config)), [routes])
