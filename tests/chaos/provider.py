"""A mail provider that keeps a log of every request it has accepted, and the sender that uses it.

Like GOV.UK Notify it takes what it is given: a reference that it has seen before is accepted, and sent, again. Whoever is in doubt looks
a reference up first. So an alert that a service sends twice stands in the log twice, which the files that the services write today (one
per alert, by its key) could not show.

:class:`Provider` is the server, in the process of the tests; :class:`ProviderSender` is the sender, in the worker.
"""

import threading
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Self

from services.notifications.senders.outcomes import SENT, Outcomes

PATIENCE = 10


class Provider:
    """The server; listens on a free port of 127.0.0.1. ``log`` is a file with one reference a line, in the order of the requests."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("a", encoding="ascii")
        self._lock = threading.Lock()
        self._sent: Counter[str] = Counter()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="provider", daemon=True)
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._log.close()

    def sent(self) -> Counter[str]:
        """How often each reference was accepted."""
        with self._lock:
            return self._sent.copy()

    def _accept(self, reference: str) -> None:
        with self._lock:
            self._log.write(f"{reference}\n")
            self._log.flush()
            self._sent[reference] += 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                with suppress(ConnectionError):  # its worker was killed
                    super().handle()

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                if len(self.rfile.read(length)) < length:
                    raise ConnectionAbortedError
                provider._accept(self.path.removeprefix("/"))
                self._answer(201)

            def do_GET(self) -> None:
                self._answer(200 if provider._knows(self.path.removeprefix("/")) else 404)

            def _answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """The log is the provider's own."""

        return Handler

    def _knows(self, reference: str) -> bool:
        with self._lock:
            return reference in self._sent


@dataclass(frozen=True)
class ProviderSender:
    """E-mail through the provider, one request for each alert, each of which is on record as begun before it leaves."""

    address: str
    provider: ClassVar[str] = "provider"
    at_once: ClassVar[bool] = False
    per_minute: ClassVar[int | None] = None
    remembers: ClassVar[timedelta] = timedelta.max
    patience: ClassVar[timedelta] = timedelta.max

    def send(self, alerts: Iterable[Any], now: datetime) -> Outcomes:
        with closing(HTTPConnection(self.address, timeout=PATIENCE)) as connection:
            for alert in alerts:
                status = self._ask(connection, "POST", alert.reference, alert.text.encode())
                if status != 201:
                    raise OSError(f"The provider answered {status} for {alert.reference}.")
                yield alert.alert_key, SENT

    def find(self, references: Collection[str]) -> set[str]:
        with closing(HTTPConnection(self.address, timeout=PATIENCE)) as connection:
            return {reference for reference in references if self._ask(connection, "GET", reference) == 200}

    def _ask(self, connection: HTTPConnection, method: str, reference: str, body: bytes | None = None) -> int:
        connection.request(method, f"/{reference}", body)
        with connection.getresponse() as answer:
            answer.read()
            return answer.status
