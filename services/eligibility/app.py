"""Start reading here: what eligibility is made of, and its Flask app. Its HTTP is that of every service (shared/service.py)."""

from flask import Flask

from services.eligibility.consumers import CONSUMERS
from services.eligibility.decisions import tells
from shared.config import Config, read_config
from shared.service import create_service
from shared.worker import Service, Worker, clock_of

SERVICE = Service("eligibility", CONSUMERS)


def create_app(config: Config | None = None, worker: Worker | None = None) -> Flask:
    """The Flask app of eligibility, on its own database."""
    config = config or read_config()
    return create_service(worker or Worker(SERVICE, config, clock_of(config)), [], tells)
