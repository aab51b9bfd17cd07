"""Start reading here: what responsibility is made of, and its Flask app."""

from flask import Flask

from services.responsibility.api import routes
from services.responsibility.consumers import CONSUMERS, read
from shared.service import create_service
from shared.worker import Service, Worker

SERVICE = Service("responsibility", CONSUMERS, read)


def create_app(worker: Worker) -> Flask:
    """The Flask app of responsibility, on the database of its worker."""
    return create_service(worker, [routes])
