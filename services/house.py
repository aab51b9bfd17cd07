"""All services in one process: workers on one embedded bus, one web server before them.

:func:`open_house` makes the workers and apps; :func:`serve` listens and lets the workers run in threads until it is told to stop.
Every service may also be opened alone. Path prefix = service name, so a URL means the same here and behind a proxy.
"""

import json
import signal
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Flask
from waitress.server import create_server

from services.deadlines import app as deadlines
from services.eligibility import app as eligibility
from services.notifications import app as notifications
from services.responsibility import app as responsibility
from shared.config import Config
from shared.worker import Clock, Worker, clock_of

SERVICES = {module.SERVICE.name: module for module in (eligibility, deadlines, responsibility, notifications)}
Application = Callable[[Mapping[str, Any], Callable[..., Any]], Iterable[bytes]]
log = structlog.get_logger()


@dataclass
class House:
    """Services in this process: a worker and an app for each, by name."""

    config: Config
    workers: dict[str, Worker]
    apps: dict[str, Flask]

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """WSGI: hand a request to the service that its path begins with."""
        name = str(environ.get("PATH_INFO", "")).split("/")[1:2]
        app = self.apps.get(name[0]) if name else None
        if app is not None:
            return app(dict(environ), start_response)
        body = json.dumps({"services": {name: f"/{name}/health/ready" for name in self.apps}}).encode()
        found = environ.get("PATH_INFO") in ("", "/")
        start_response("200 OK" if found else "404 Not Found", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def settle(self) -> int:
        """Let the workers do rounds until none has anything to do; returns how much was done."""
        total = 0
        while done := sum(worker.step() for worker in self.workers.values()):
            total += done
        return total

    def close(self) -> None:
        """Give back the connections."""
        for worker in self.workers.values():
            worker.close()


def open_house(config: Config, clock: Clock | None = None, names: Sequence[str] = tuple(SERVICES)) -> House:
    """Services by name, migrated and recovered from whatever ended the process before."""
    workers = {name: Worker(SERVICES[name].SERVICE, config, clock or clock_of(config)) for name in names}
    apps = {name: SERVICES[name].create_app(config, worker) for name, worker in workers.items()}
    for worker in workers.values():
        worker.recover()
    return House(config, workers, apps)


def serve(house: House, say: Callable[[str], None]) -> None:
    """Listen until SIGTERM or Ctrl-C; the workers finish the round they are in."""
    stop = threading.Event()
    threads = [threading.Thread(target=worker.run, args=(stop,), name=name) for name, worker in house.workers.items()]
    server = create_server(house, host=house.config.host, port=house.config.port, threads=8)
    signal.signal(signal.SIGTERM, _stopped)
    for thread in threads:
        thread.start()
    for name in house.apps:
        say(f"http://{house.config.host}:{house.config.port}/{name}/health/ready")
    try:
        server.run()  # ends on KeyboardInterrupt and SystemExit
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        server.close()
        house.close()


def _stopped(*_: object) -> None:
    raise SystemExit(0)
