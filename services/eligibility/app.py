"""Start reading here: what eligibility is made of, and its Flask app."""

from flask import Flask

from services.eligibility.api import routes
from services.eligibility.consumers import CONSUMERS
from services.eligibility.decisions import tells
from shared.service import create_service
from shared.worker import Service, Worker

SERVICE = Service("eligibility", CONSUMERS)


def create_app(worker: Worker) -> Flask:
    """The Flask app of eligibility, on the database of its worker."""
    return create_service(worker, [routes], tells)
