"""Providers of alerts on this machine, each with a log of what it took: an SMTP server, GOV.UK Notify's API, a webhook receiver.

::

    with SmtpServer() as server:            server.url, server.settings  -> TRIPARTITE_… for a process that sends through it
        server.refusals["a@example.net"] = "550 5.1.1 No such user"      (any 4xx or 5xx answer to RCPT)
        server.drops = "before-data" | "after-data"                      the connection is lost there: not taken, taken
        server.hangs_up_on.add("a@example.net")                          the connection is lost when this recipient is named
        server.mails                        [Mail(reference, to, message)], in the order in which they were taken
    with NotifyApi() as api:                api.url, api.key, api.settings
        api.fail("429", times=3)            one of NotifyApi.MODES, for so many posts (all, if not said)
        api.refusals["a@example.net"] = "email_address is not a valid email address"
        api.posts                           [Post(reference, to, subject, body, template)], those that were accepted
        api.receipt(reference, "permanent-failure", at)                  what Notify would post to /notifications/receipts/notify
    with WebhookReceiver(secret, recipient_id) as receiver:              receiver.url, receiver.settings
        receiver.answers += [500, 410]      the next answers; 200 after that; 0 hangs up without one, after having taken it
        receiver.requests, receiver.taken   every request that was signed well; ids, each once, as its contract asks

Each ``log()`` counts references, so that one taken twice shows: ``provider.log() == {reference: 1, …}``. None of them shares code with
the senders, but for the client's own check of Notify's tokens.
"""

import hashlib
import hmac
import json
import ssl
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from notifications_python_client.authentication import decode_jwt_token, get_token_issuer

from tests.power import free_port

SENDING = {"TRIPARTITE_SENDING": "on"}


# ---- SMTP --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mail:
    """A message that was taken."""

    reference: str
    to: str
    message: EmailMessage


class SmtpServer:
    """An SMTP server; with ``certificate`` and ``key`` (files) it offers STARTTLS, with ``user`` and ``password`` it asks for them."""

    def __init__(self, certificate: Path | None = None, key: Path | None = None, user: str = "", password: str = "") -> None:
        self.mails: list[Mail] = []
        self.secure: list[bool] = []
        self.refusals: dict[str, str] = {}
        self.answer = "250 OK"
        self.drops = ""
        self.hangs_up_on: set[str] = set()
        self._user, self._password = user, password
        context = None
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate, key)
        self.port = free_port()
        asks: dict[str, Any] = (
            {"authenticator": self._authenticate, "auth_required": True, "auth_require_tls": bool(context)} if user else {}
        )
        self._controller = Controller(self, "127.0.0.1", self.port, tls_context=context, **asks)
        self.url = f"smtp://{f'{user}:{password}@' if user else ''}127.0.0.1:{self.port}"
        self.settings = {
            **SENDING,
            "TRIPARTITE_EMAIL": "smtp",
            "TRIPARTITE_SMTP_URL": self.url,
            "TRIPARTITE_EMAIL_FROM": "Deadlines <deadlines@region.example>",
        }

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    def log(self) -> Counter[str]:
        """How often each reference was taken."""
        return Counter(mail.reference for mail in list(self.mails))

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, given: LoginPassword) -> AuthResult:
        return AuthResult(success=(given.login, given.password) == (self._user.encode(), self._password.encode()))

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        """Called by aiosmtpd."""
        if address in self.refusals:
            if address in self.hangs_up_on:
                server.transport.write(f"{self.refusals[address]}\r\n".encode())
                server.transport.close()
            return self.refusals[address]
        if self.drops == "before-data" or address in self.hangs_up_on:
            server.transport.abort()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Called by aiosmtpd when the end of the data was seen."""
        if self.answer.startswith("2"):
            message = message_from_bytes(envelope.content, policy=default)
            self.mails.append(Mail(str(message["X-Tripartite-Alert"]), envelope.rcpt_tos[0], message))
            self.secure.append(session.ssl is not None)
        if self.drops == "after-data":
            server.transport.abort()
        return self.answer


# ---- HTTP --------------------------------------------------------------------------------------------------------


class _Server:
    """An HTTP server in a thread, whose handler is :meth:`handle`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def handle(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any, dict[str, str]]:
        """Status (0: hang up, -1: never answer), JSON and headers of the answer."""
        raise NotImplementedError

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        ours = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                with suppress(ConnectionError):  # whoever asked was killed
                    super().handle()

            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) == length:
                    self._answer(body)

            def _answer(self, body: bytes) -> None:
                with ours.lock:
                    status, said, headers = ours.handle(self.command, self.path, self.headers, body)
                if status < 0:
                    ours._stopping.wait(60)
                if status <= 0:
                    self.close_connection = True
                    return
                raw = json.dumps(said).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(raw))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                """The log is the provider's own."""

        return Handler


# ---- GOV.UK Notify -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Post:
    """An e-mail that was accepted."""

    id: str
    reference: str
    to: str
    subject: str
    body: str
    template: str


class NotifyApi(_Server):
    """GOV.UK Notify: ``POST /v2/notifications/email`` and ``GET /v2/notifications?reference=``. Like it, it takes a reference twice."""

    MODES = ("429", "429-day", "500", "503", "403", "silent", "drop", "drop-unaccepted")
    """Too fast; the day's number used up; errors; an unknown key; no answer; hung up after it was accepted, or before."""
    SERVICE, SECRET, TEMPLATE = (str(uuid.UUID(int=number)) for number in (1, 2, 3))

    def __init__(self) -> None:
        super().__init__()
        self.key = f"rehearsal-{self.SERVICE}-{self.SECRET}"
        self.posts: list[Post] = []
        self.asked: Counter[str] = Counter()
        self.refusals: dict[str, str] = {}
        self.retry_after = ""
        self._mode, self._times = "", 0
        self.settings = {
            **SENDING,
            "TRIPARTITE_EMAIL": "notify",
            "TRIPARTITE_NOTIFY_URL": self.url,
            "TRIPARTITE_NOTIFY_API_KEY": self.key,
            "TRIPARTITE_NOTIFY_TEMPLATES": f"default={self.TEMPLATE}",
        }

    def fail(self, mode: str, times: int = 1_000_000) -> None:
        """Fail so many posts in this way; ``fail("", 0)`` is well again."""
        assert mode in (*self.MODES, ""), mode
        with self.lock:
            self._mode, self._times = mode, times

    def log(self) -> Counter[str]:
        """How often each reference was accepted."""
        with self.lock:
            return Counter(post.reference for post in self.posts)

    def receipt(self, reference: str, status: str, at: datetime) -> dict[str, Any]:
        """What Notify posts back about an e-mail that it accepted."""
        [post] = [post for post in self.posts if post.reference == reference]
        when = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "id": post.id,
            "reference": reference,
            "to": post.to,
            "status": status,
            "created_at": when,
            "completed_at": when,
            "sent_at": when,
            "notification_type": "email",
            "template_id": post.template,
            "template_version": 1,
        }

    def handle(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any, dict[str, str]]:
        token = str(headers["Authorization"]).removeprefix("Bearer ")
        if not self._lets_in(token):
            return self._error(403, "AuthError", "Invalid token: API key not found")
        parts = urlsplit(path)
        if method == "GET":
            [reference] = parse_qs(parts.query)["reference"]
            self.asked[reference] += 1
            found = [{"id": post.id, "reference": post.reference} for post in self.posts if post.reference == reference]
            return 200, {"notifications": found, "links": {"current": self.url}}, {}
        assert parts.path == "/v2/notifications/email", path
        return self._take(json.loads(body))

    def _lets_in(self, token: str) -> bool:
        issuer = get_token_issuer(token)  # type: ignore[no-untyped-call]
        return issuer == self.SERVICE and bool(decode_jwt_token(token, self.SECRET))  # type: ignore[no-untyped-call]

    def _take(self, sent: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        mode = self._mode if self._times else ""
        self._times -= bool(mode)
        match mode:
            case "429":
                return self._error(429, "RateLimitError", "Exceeded rate limit for key type LIVE of 3000 requests per 60 seconds")
            case "429-day":
                return self._error(429, "TooManyRequestsError", "Exceeded send limits (250000) for today")
            case "500" | "503":
                return self._error(int(mode), "Exception", "Internal server error")
            case "403":
                return self._error(403, "AuthError", "Invalid token: API key not found")
            case "silent":
                return -1, None, {}
            case "drop-unaccepted":
                return 0, None, {}
        if sent["email_address"] in self.refusals:
            return self._error(400, "ValidationError", self.refusals[sent["email_address"]])
        assert sent["sanitise_content_for"] == ["subject", "body"]
        values = sent["personalisation"]
        post = Post(str(uuid.uuid4()), sent["reference"], sent["email_address"], values["subject"], values["body"], sent["template_id"])
        self.posts.append(post)
        return (0, None, {}) if mode == "drop" else (201, {"id": post.id, "reference": post.reference}, {})

    def _error(self, status: int, kind: str, words: str) -> tuple[int, Any, dict[str, str]]:
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        return status, {"status_code": status, "errors": [{"error": kind, "message": words}]}, headers


# ---- webhooks ----------------------------------------------------------------------------------------------------


class WebhookReceiver(_Server):
    """What a host runs: it checks the signature and its time, and counts an alert's id once."""

    def __init__(self, secret: str = "a-secret-of-these-tests-only-for-the-hooks", recipient_id: str = "C1") -> None:
        super().__init__()
        self.key = hmac.new(secret.encode(), f"tripartite webhook {recipient_id}".encode(), hashlib.sha256).hexdigest()
        self.requests: list[dict[str, Any]] = []
        self.forged: list[str] = []
        self.answers: list[int] = []
        self.taken: Counter[str] = Counter()
        self.hook = f"{self.url}/alerts?from=tripartite"
        self.settings = {**SENDING, "TRIPARTITE_WEBHOOK_SECRET": secret, "TRIPARTITE_WEBHOOK_PRIVATE": "on"}

    def log(self) -> Counter[str]:
        """How often each id had an effect."""
        with self.lock:
            return self.taken.copy()

    def handle(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any, dict[str, str]]:
        given = dict(part.split("=", 1) for part in headers["Tripartite-Signature"].split(","))
        right = hmac.new(self.key.encode(), given["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right, given["v1"]) or abs(time.time() - int(given["t"])) > 300:
            self.forged.append(headers["Tripartite-Signature"])
            return 403, None, {}
        said = json.loads(body)
        assert (method, path, said["id"]) == ("POST", "/alerts?from=tripartite", headers["Tripartite-Alert"])
        self.requests.append(said)
        status = self.answers.pop(0) if self.answers else 200
        if status in (0, 200) and said["id"] not in self.taken:
            self.taken[said["id"]] += 1
        return status, None, {"Location": f"{self.url}/elsewhere"} if 300 <= status < 400 else {}
