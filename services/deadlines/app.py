"""Start reading here: what deadlines is made of, and its Flask app."""

from flask import Flask

from services.deadlines.api import routes
from services.deadlines.clock import tick
from services.deadlines.consumers import CONSUMERS, read
from shared.service import create_service
from shared.worker import Service, Worker

SERVICE = Service("deadlines", CONSUMERS, read, chores=[tick])


def create_app(worker: Worker) -> Flask:
    """The Flask app of deadlines, on the database of its worker."""
    return create_service(worker, [routes])
