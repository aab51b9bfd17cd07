"""All services in one process: workers on one embedded bus, one web server before them.

:func:`open_house` makes the workers and apps; :func:`serve` listens and lets the workers run in threads until it is told to stop.
Every service may also be opened alone. Path prefix = service name, so a URL means the same here and behind a proxy.
"""

import fcntl
import json
import signal
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import structlog
from flask import Flask
from waitress.server import create_server

from services.command import NAMES
from shared.config import Config
from shared.errors import Unreachable
from shared.service import LARGEST_BODY
from shared.worker import Clock, Worker, clock_of

SERVICES = {name: import_module(f"services.{name}.app") for name in NAMES}
REFUSED_UNREAD = 2 * LARGEST_BODY
"""What is larger than this, waitress refuses in words of its own; what is only too large, the service does, in those of RFC 9457."""
log = structlog.get_logger()


@dataclass
class House:
    """Services in this process: a worker and an app for each, by name."""

    config: Config
    workers: dict[str, Worker]
    apps: dict[str, Flask]
    lock: IO[str] | None
    works: bool = True

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """WSGI: hand a request to the service that its path begins with."""
        name = str(environ.get("PATH_INFO", "")).split("/")[1:2]
        app = self.apps.get(name[0]) if name else None
        if app is not None:
            return app(dict(environ), start_response)
        services = {name: f"/{name}/health/ready" for name in self.apps}
        if environ.get("PATH_INFO") in ("", "/"):
            return _answered(start_response, "200 OK", "application/json", {"services": services})
        detail = f"The path must begin with a service: {', '.join(services)}."
        return _answered(
            start_response, "404 Not Found", "application/problem+json", {"title": "Not Found", "status": 404, "detail": detail}
        )

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
        if self.lock is not None:
            self.lock.close()


def _answered(start_response: Callable[..., Any], status: str, content_type: str, body: Mapping[str, Any]) -> Iterable[bytes]:
    text = json.dumps(body).encode()
    start_response(status, [("Content-Type", content_type), ("Content-Length", str(len(text)))])
    return [text]


def open_house(config: Config, clock: Clock | None = None, names: Sequence[str] = NAMES, *, works: bool = True) -> House:
    """Services by name, migrated and recovered from whatever ended the process before.

    :param works: whether their workers run in this process as well; embedded they must, on a broker they may have processes of their own.
    :raises Unreachable: another process works on the same folder, or a database or broker cannot be used.
    """
    works = works or config.embedded
    lock = hold_folder(config.data) if config.embedded else None
    workers = {name: Worker(SERVICES[name].SERVICE, config, clock or clock_of(config)) for name in names}
    apps = {name: SERVICES[name].create_app(worker) for name, worker in workers.items()}
    for worker in workers.values():
        worker.recover()
        if works and not config.embedded:
            worker.listen()
    return House(config, workers, apps, lock, works)


def hold_folder(folder: Path) -> IO[str]:
    """Hold the folder for this process alone: two embedded buses on one outbox would each publish what the other's never hears."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Unreachable(f"Another process works on {folder}; end it first, or set TRIPARTITE_DATA (--data) to another folder.") from None
    except OSError as error:
        raise Unreachable(f"The folder {folder} cannot be written to ({error}); set TRIPARTITE_DATA (--data) to one that can.") from error
    return lock


def serve(house: House, say: Callable[[str], None]) -> None:
    """Listen until SIGTERM or Ctrl-C; the workers finish the round they are in."""
    host, port = house.config.host, house.config.port
    try:
        server = create_server(
            house, host=host, port=port, threads=8, max_request_body_size=REFUSED_UNREAD, connection_limit=1_000, channel_timeout=30
        )
    except OSError as error:
        house.close()
        taken = f"{host}:{port} cannot be listened on ({error.strerror})"
        raise Unreachable(f"{taken}; end what uses it, or set TRIPARTITE_PORT (--port) to a free port.") from error
    stop = threading.Event()
    workers = house.workers if house.works else {}
    threads = [threading.Thread(target=worker.run, args=(stop,), name=name) for name, worker in workers.items()]
    try:
        signal.signal(signal.SIGTERM, _stopped)
        for thread in threads:
            thread.start()
        for name in house.apps:
            say(f"http://{host}:{port}/{name}/health/ready")
        server.run()  # ends on KeyboardInterrupt and SystemExit
    finally:
        stop.set()
        for thread in threads:
            if thread.is_alive():
                thread.join()
        server.close()
        house.close()


def _stopped(*_: object) -> None:
    raise SystemExit(0)
