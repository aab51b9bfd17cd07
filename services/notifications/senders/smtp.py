"""E-mail by SMTP (RFC 5321), over TLS, one connection for a batch.

SMTP cannot be asked afterwards what it took, so this sender must know at every line how far it came. A server has a message from the
moment at which it may have seen the end of its data (RFC 5321 section 4.1.1.4). Until then a lost connection means: not sent, and tried
again later, so that a message that makes a server hang up holds up no others. From then until its answer is read: in doubt. The answers:
2xx sent; 5xx refused for good, in the server's words; 4xx tried again later; what is none of these: in doubt.
"""

import re
import smtplib
import ssl
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from typing import ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

from services.notifications.letters import one_line
from services.notifications.models import Alert
from services.notifications.senders.outcomes import SENT, Outcome, Outcomes, doubt, later, refused
from shared.config import is_loopback
from shared.errors import ChannelAway

PORTS = {"smtp": 587, "smtps": 465}
LONGEST_LINE = 998
"""RFC 5322 section 2.1.1; headers are not folded, since some readers of a Message-ID stumble over that."""
CLOSING = 421
"""The server is about to close the connection, whatever it was asked."""


@dataclass(frozen=True)
class SmtpSender:
    """E-mail through one server.

    :param url: ``smtp://user:password@host:587`` (STARTTLS; only a server on this machine may do without) or ``smtps://…``; the file of
        the authority that vouches for it as ``?cacertfile=``, if the system does not know it.
    :param mail_from: whom it is from: ``Deadlines <deadlines@region.nhs.uk>``.
    :param lease_seconds: an answer is waited for less long than that.
    """

    url: str = field(repr=False)
    mail_from: str
    per_minute: int | None
    lease_seconds: float
    provider: ClassVar[str] = "smtp"
    at_once: ClassVar[bool] = False
    remembers: ClassVar[timedelta] = timedelta(0)
    patience: ClassVar[timedelta] = timedelta(days=4)  # RFC 5321 section 4.5.4.1: at least four to five days

    def send(self, alerts: Iterable[Alert], now: datetime) -> Outcomes:
        """Send each in a transaction of its own.

        :raises ChannelAway: the server is away, refuses us, or was lost before it had the message.
        """
        with _closing(self._connect()) as server:
            for alert in alerts:
                outcome, lost = self._send(server, alert, now)
                yield alert.alert_key, outcome
                if lost is not None:
                    raise lost

    def find(self, references: Collection[str]) -> set[str]:
        """Nothing: SMTP cannot be asked. It never is, since it remembers nothing."""
        return set()

    # ---- one message ---------------------------------------------------------------------------------------------

    def _send(self, server: smtplib.SMTP, alert: Alert, now: datetime) -> tuple[Outcome, ChannelAway | None]:
        """What became of an alert, and of the connection (nothing: it goes on)."""
        utf8 = not alert.address.isascii()
        if utf8 and not server.has_extn("smtputf8"):
            return refused(f"The mail server takes no addresses such as {alert.address}, with letters beyond ASCII."), None
        try:
            message = letter(alert, self.mail_from, now)
        except (ValueError, IndexError, MessageError) as error:
            return refused(f"No e-mail can be made of it ({error}); is {alert.address} an address?"), None
        self._begin(server, utf8)
        try:
            return self._recipient(server, alert.address) or self._data(server, message), None
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            lost = f"The connection to the mail server was lost before it had the message ({_kind(error)})."
            return later(lost), ChannelAway(lost, 5)

    def _begin(self, server: smtplib.SMTP, utf8: bool) -> None:
        """MAIL: what is wrong here is wrong for every alert."""
        try:
            code, words = server.mail(parseaddr(self.mail_from)[1], ["SMTPUTF8", "BODY=8BITMIME"] if utf8 else [])
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            raise ChannelAway(f"The connection to the mail server was lost ({_kind(error)}).", 5) from error
        if code == CLOSING:
            raise ChannelAway(f"The mail server is closing ({_said(code, words)}).")
        if code != 250:
            said = _said(code, words)
            raise ChannelAway(f"The mail server does not take the sender ({said}); see TRIPARTITE_SMTP_URL and _EMAIL_FROM.", 60)

    def _recipient(self, server: smtplib.SMTP, address: str) -> Outcome | None:
        """RCPT; what became of the alert, if it ends here."""
        code, words = server.rcpt(address)
        return None if code in (250, 251) else _ended(server, code, words)

    def _data(self, server: smtplib.SMTP, message: bytes) -> Outcome:
        code, words = server.docmd("DATA")
        if code != 354:
            return _ended(server, code, words)
        server.send(re.sub(rb"(?m)^\.", b"..", message))  # what is lost up to here was not sent: the end of the data is missing
        try:
            _wait_for(server, self.lease_seconds * 0.8)
            server.send(b".\r\n")
            code, words = server.getreply()
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            server.close()
            return doubt(f"The connection to the mail server was lost ({_kind(error)}) after the message, before its answer")
        _wait_for(server, self._timeout)
        if 200 <= code < 300:
            return SENT
        if code >= 400:
            return _answered(code, words)
        server.close()  # what makes no sense now may be out of step for the next message
        return doubt(f"The mail server answered the message with {_said(code, words)}")

    # ---- the connection ------------------------------------------------------------------------------------------

    @property
    def _timeout(self) -> float:
        return min(10.0, self.lease_seconds / 2)

    def _connect(self) -> smtplib.SMTP:
        """A connection that is secure and let in.

        :raises ChannelAway: it cannot be had.
        """
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        authority = dict(parse_qsl(parts.query)).get("cacertfile")
        try:
            context = ssl.create_default_context(cafile=authority)
            if parts.scheme == "smtps":
                server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=self._timeout, context=context)
            else:
                server = smtplib.SMTP(host, port, timeout=self._timeout)
                if authority or not is_loopback(host):
                    _secure(server, context, host)
            server.ehlo_or_helo_if_needed()
            if parts.username:
                _let_in(server, host, unquote(parts.username), unquote(parts.password or ""))
        except (smtplib.SMTPException, OSError) as error:
            raise ChannelAway(f"The mail server {host}:{port} cannot be used ({_kind(error)}); see TRIPARTITE_SMTP_URL.") from error
        return server


@contextmanager
def _closing(server: smtplib.SMTP) -> Iterator[smtplib.SMTP]:
    """Say goodbye to a server, if it still listens."""
    try:
        yield server
    finally:
        try:
            server.quit()
        except (smtplib.SMTPException, OSError):
            server.close()


def _secure(server: smtplib.SMTP, context: ssl.SSLContext, host: str) -> None:
    server.ehlo()
    if not server.has_extn("starttls"):
        server.close()
        raise ChannelAway(
            f"The mail server {host} does not offer STARTTLS; nothing is sent in the clear. Use smtps:// or another port.", 300
        )
    server.starttls(context=context)
    server.ehlo()


def _let_in(server: smtplib.SMTP, host: str, user: str, password: str) -> None:
    try:
        server.login(user, password)
    except (smtplib.SMTPAuthenticationError, smtplib.SMTPServerDisconnected) as error:  # many hang up on whoever has no right
        code = f" ({error.smtp_code})" if isinstance(error, smtplib.SMTPAuthenticationError) else ""
        raise ChannelAway(f"The mail server {host} refuses our user or password{code}; see TRIPARTITE_SMTP_URL.", 300) from None


def _wait_for(server: smtplib.SMTP, seconds: float) -> None:
    if server.sock is not None:
        server.sock.settimeout(seconds)


def _ended(server: smtplib.SMTP, code: int, words: bytes) -> Outcome:
    """A message that the server does not want to see the rest of; the next one begins anew."""
    with suppress(smtplib.SMTPException, OSError):  # it may have hung up, and the next message will see that
        server.rset()
    return _answered(code, words)


def _answered(code: int, words: bytes) -> Outcome:
    if code >= 500:
        return refused(f"The mail server refused it: {_said(code, words)}")
    return later(f"The mail server put it off: {_said(code, words)}")


def _said(code: int, words: bytes) -> str:
    return one_line(f"{code} {words.decode('utf-8', 'replace')}")[:500]  # type: ignore[no-any-return]


def _kind(error: Exception) -> str:
    """What an error of the connection was: without what it quotes, which may be secret."""
    return f"{type(error).__name__}: {error.strerror}" if isinstance(error, OSError) and error.strerror else type(error).__name__


# ---- the letter --------------------------------------------------------------------------------------------------


def letter(alert: Alert, mail_from: str, now: datetime) -> bytes:
    """The message as it goes over the wire: plain text, UTF-8 as quoted-printable, lines ending in CR LF.

    Its Message-ID follows from the alert, so that whoever gets it twice can tell; ``Auto-Submitted`` (RFC 3834) keeps answering machines
    quiet. No value brings a header of its own: line breaks are taken out, and the library refuses the rest.
    """
    name, sender = parseaddr(mail_from)
    domain = sender.rpartition("@")[2]
    message = EmailMessage(policy=(SMTP if alert.address.isascii() else SMTPUTF8).clone(max_line_length=LONGEST_LINE))
    message["From"] = Address(name, addr_spec=sender)
    message["To"] = Address(one_line(alert.values.get("to", "")), addr_spec=alert.address)
    message["Subject"] = one_line(alert.subject)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{alert.alert_key}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["List-Id"] = f"Tripartite alerts <alerts.{domain}>"
    message["X-Tripartite-Alert"] = alert.alert_key
    message.set_content(alert.text, charset="utf-8", cte="quoted-printable")
    return message.as_bytes()
