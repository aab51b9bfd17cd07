"""One service's worker process: its relay, its consumer and each of its chores in a thread of its own, until it is told to stop.

On SIGTERM or Ctrl-C every part finishes what it has begun: a batch is committed and acknowledged, what is committed is published. What
was only fetched goes back to the queue. If TRIPARTITE_HEALTH_PORT is set, the process answers ``/health/live``, ``/health/ready`` and
``/metrics`` there.
"""

import gc
import json
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from math import nan
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Gauge, generate_latest
from sqlalchemy.exc import DBAPIError

from shared.config import Config
from shared.errors import InvalidSettings, Unreachable
from shared.outbox import waiting
from shared.worker import Worker, clock_of

COLLECTED_AFTER = 10_000
"""So many more objects made than dropped, and the collector looks for rings among them."""
log = structlog.get_logger()
outbox_batches = Gauge("tripartite_outbox_batches", "Batches of the outbox that the broker has not confirmed yet", ["service"])
outbox_age = Gauge("tripartite_outbox_age_seconds", "Age of the oldest of them", ["service"])


def open_worker(service: str, config: Config) -> Worker:
    """The worker of a service, on its database.

    :raises InvalidSettings: the bus is embedded, so that no other process could reach it.
    """
    if config.embedded:
        raise InvalidSettings({"TRIPARTITE_BUS_URL": "must be that of a broker; embedded, `tripartite serve` works and serves in one."})
    return Worker(import_module(f"services.{service}.app").SERVICE, config, clock_of(config))


def work(worker: Worker, say: Callable[[str], None]) -> None:
    """Let every part of a worker run until SIGTERM or Ctrl-C.

    :raises WrongTopology: the broker is not as shared/topology.py has it.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    health = _health_server(worker)
    worker.listen()
    gc.collect()
    gc.freeze()  # what is there now stays: the collector need not walk through it again,
    gc.set_threshold(COLLECTED_AFTER)  # nor look into every batch while it is made
    threads = [threading.Thread(target=worker.run, args=(stop, [part]), name=part) for part in worker.parts]
    for thread in threads:
        thread.start()
    say(f"{worker.service.name} is at work: {', '.join(worker.parts)}.")
    stop.wait()
    for thread in threads:
        thread.join()
    worker.close()
    if health is not None:
        health.shutdown()
    say(f"{worker.service.name} has stopped.")


# ---- health -------------------------------------------------------------------------------------------------------


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each probe: one that says nothing, or asks while the database is away, holds up no other."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    """Probes are not for the log."""

    timeout = 5

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _health_server(worker: Worker) -> WSGIServer | None:
    config: Config = worker.config
    if config.health_port is None:
        return None
    try:
        server = make_server(config.host, config.health_port, _answers(worker), _Server, _Quiet)
    except OSError as error:
        raise Unreachable(f"{config.host}:{config.health_port} cannot be listened on ({error}); set TRIPARTITE_HEALTH_PORT.") from error
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server


def _answers(worker: Worker) -> Callable[..., Iterable[bytes]]:
    """The WSGI application of a worker's health."""

    def application(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, kind, body = _answer(worker, str(environ.get("PATH_INFO")))
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    return application


def _answer(worker: Worker, path: str) -> tuple[str, str, bytes]:
    """Status, content type and body."""
    if path == "/metrics":
        batches, age = _outbox(worker)
        outbox_batches.labels(worker.service.name).set(batches)
        outbox_age.labels(worker.service.name).set(age)
        return "200 OK", CONTENT_TYPE_LATEST, generate_latest(REGISTRY)
    if path == "/health/live":
        return "200 OK", "application/json", b'{"status": "alive"}'
    if path == "/health/ready":
        problems = worker.problems()
        body = json.dumps({"status": "not ready" if problems else "ready", "problems": problems}).encode()
        return "503 Service Unavailable" if problems else "200 OK", "application/json", body
    return "404 Not Found", "application/json", b'{"paths": ["/health/live", "/health/ready", "/metrics"]}'


def _outbox(worker: Worker) -> tuple[float, float]:
    """How many batches wait in the outbox, and the age of the oldest; no numbers while the database is away, so that all else is shown."""
    try:
        return waiting(worker.engine)
    except DBAPIError:
        return nan, nan
