"""A worker process of which only the clock strikes, for tests: given its settings and the time, it strikes until nothing is left."""

from datetime import datetime

from services.deadlines.app import SERVICE
from services.deadlines.clock import tick
from shared.config import Config
from shared.worker import Worker


def strike_until_quiet(config: Config, now: datetime, quiet: int = 20) -> None:
    """Strike until so many strokes in a row found nothing to do, or another's stroke going on."""
    worker, still = Worker(SERVICE, config, lambda: now), 0
    while still < quiet:
        still = 0 if tick(worker, now) else still + 1
    worker.close()
