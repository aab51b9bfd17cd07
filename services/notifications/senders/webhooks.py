"""Alerts posted to a contact's own system, signed.

::

    POST <the contact's webhook>
    Content-Type: application/json
    Tripartite-Alert: <id of the alert>
    Tripartite-Signature: t=1809507600,v1=<HMAC-SHA256 of "<t>.<body>" with the recipient's key, in hexadecimal>

**The receiver** recomputes the signature, refuses a ``t`` more than five minutes from its clock (so what somebody has overheard cannot be
replayed later), and takes an alert id that it has seen before without effect, answering 2xx (:func:`verified`; examples/receive.py).

**One alert, one send.** An alert may be *posted* more than once: after a timeout nobody knows whether it arrived. Its id stays the same,
and the receiver counts an id once: that is what makes posting again no second send, and why nothing here waits for a person.

**Answers.** 2xx: sent. 410: nobody wants it there, failed for good. Anything else, or none: again, with longer and longer waits, for a day.
Redirects are not followed: the address is what was registered.

**Where it may go.** ``https://`` only, to addresses of the public internet. The name is resolved once, what it resolves to is checked, and
that very address is connected to, so a name cannot change its mind in between. TRIPARTITE_WEBHOOK_PRIVATE opens private networks, and
this machine, there with ``http://``.

**Keys.** Each recipient has its own: HMAC-SHA256 of its id with TRIPARTITE_WEBHOOK_SECRET (``tripartite webhook-key RECIPIENT`` prints it,
to be handed over). Nobody can sign for another, and nothing but the one secret is kept.
"""

import hashlib
import hmac
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import ClassVar
from urllib.parse import SplitResult, urlsplit

from services.notifications.models import Alert
from services.notifications.senders.outcomes import SENT, Outcome, Outcomes, later, refused
from shared.config import is_loopback

ANSWER_SECONDS = 10.0
GONE = 410
TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("2002::/16"), IPv6Network("::/96"))
"""IPv6 addresses in which any IPv4 address may hide: NAT64, 6to4, and the IPv4-compatible ones of old."""


def key_of(secret: str, recipient_id: str) -> str:
    """The signing key of a recipient, in hexadecimal; its characters are the key."""
    return hmac.new(secret.encode(), f"tripartite webhook {recipient_id}".encode(), hashlib.sha256).hexdigest()


def signature(key: str, seconds: int, body: bytes) -> str:
    """The value of Tripartite-Signature for a body that is posted at this time (seconds since 1970)."""
    return f"t={seconds},v1={hmac.new(key.encode(), b'%d.%s' % (seconds, body), hashlib.sha256).hexdigest()}"


def body_of(alert: Alert) -> bytes:
    """What is posted: always the same bytes for the same alert."""
    said = {
        "id": alert.alert_key,
        "kind": alert.kind,
        "regarding": alert.regarding,
        "recipient_id": alert.recipient_id,
        "made_at": alert.created_at.isoformat(),
        "subject": alert.subject,
        "text": alert.text,
    }
    return json.dumps(said, ensure_ascii=False).encode()


@dataclass(frozen=True)
class WebhookSender:
    """Alerts posted to webhooks.

    :param private: whether addresses of private networks may be posted to.
    :param clock: seconds since 1970. The true time even in a rehearsal: receivers compare it with theirs.
    """

    secret: str = field(repr=False)
    per_minute: int | None
    private: bool = False
    clock: Callable[[], float] = time.time
    provider: ClassVar[str] = "webhook"
    at_once: ClassVar[bool] = False
    remembers: ClassVar[timedelta] = timedelta.max
    patience: ClassVar[timedelta] = timedelta(days=1)

    def send(self, alerts: Iterable[Alert], now: datetime) -> Outcomes:
        """Post each. A receiver that does not answer one is not asked to take the next of the same batch."""
        silent: set[str] = set()
        for alert in alerts:
            if alert.address in silent:
                yield alert.alert_key, later("Its receiver did not answer another alert a moment ago.")
                continue
            outcome = self._post(alert)
            if outcome.state == "later":
                silent.add(alert.address)
            yield alert.alert_key, outcome

    def find(self, references: Collection[str]) -> set[str]:
        """Nothing: what is in doubt is posted again under its id, and the receiver takes an id once."""
        return set()

    def _post(self, alert: Alert) -> Outcome:
        try:
            url = urlsplit(alert.address)
            port = url.port
        except ValueError as error:
            return refused(f"The webhook is no address ({error}); send recipient.updated with another.")
        if wrong := _wrong(url):
            return refused(f"{wrong} Send recipient.updated with another webhook.")
        try:
            return self._posted(alert, url, port or (443 if url.scheme == "https" else 80))
        except (OSError, HTTPException) as error:
            return later(f"{url.hostname} did not answer ({type(error).__name__}).")
        except ValueError as error:  # a name that is none by the rules of IDNA, or a path that is not ASCII: nothing was sent
            return refused(f"The webhook cannot be used ({type(error).__name__}); send recipient.updated with another, in plain ASCII.")

    def _posted(self, alert: Alert, url: SplitResult, port: int) -> Outcome:
        host = url.hostname or ""
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        if not self.private and not all(is_public(ip_address(address.partition("%")[0])) for address in found):
            return refused(f"{host} is in a private network, where webhooks may not go (TRIPARTITE_WEBHOOK_PRIVATE).")
        ends = time.monotonic() + ANSWER_SECONDS
        with closing(socket.create_connection((min(found), port), ANSWER_SECONDS)) as plain:
            secure = ssl.create_default_context().wrap_socket(plain, server_hostname=host) if url.scheme == "https" else plain
            with closing(secure):
                self._request(secure, alert, url)
                return _meaning(_status(secure, ends), host)

    def _request(self, connected: socket.socket, alert: Alert, url: SplitResult) -> None:
        body = body_of(alert)
        connection = HTTPConnection(url.netloc)
        connection.sock = connected
        headers = {
            "Content-Type": "application/json",
            "Connection": "close",
            "User-Agent": "Tripartite",
            "Tripartite-Alert": alert.alert_key,
            "Tripartite-Signature": signature(key_of(self.secret, alert.recipient_id), int(self.clock()), body),
        }
        connection.request("POST", f"{url.path or '/'}{f'?{url.query}' if url.query else ''}", body, headers)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public internet."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if any(address in network for network in TRANSLATED):
            return False
    return address.is_global and not address.is_multicast


def _wrong(url: SplitResult) -> str:
    """What makes an address no webhook; empty if it is one."""
    if url.username or not url.hostname:
        return "A webhook's address has a host, and no user or password."
    if url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname)):
        return ""
    return "A webhook's address must begin with https://."


def _status(connected: socket.socket, ends: float) -> int:
    """The status of the answer; nothing else of it is read, and whoever dribbles it out is not waited for.

    :raises OSError: there was none in time.
    """
    read = b""
    while b"\n" not in read and len(read) < 1024:
        connected.settimeout(max(ends - time.monotonic(), 0.001))
        part = connected.recv(1024)
        if not part:
            break
        read += part
    found = re.match(rb"HTTP/1\.[01] ([0-9]{3})[ \r]", read)
    if found is None:
        raise ConnectionError("The answer was not HTTP.")
    return int(found[1])


def _meaning(status: int, host: str) -> Outcome:
    if 200 <= status < 300:
        return SENT
    if status == GONE:
        return refused(f"{host} answered 410: it takes no alerts any more.")
    return later(f"{host} answered {status}{', and redirects are not followed' if 300 <= status < 400 else ''}.")
