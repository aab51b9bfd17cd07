"""Every setting, read once from ``TRIPARTITE_*``, all wrong ones named at once.

===========================  =======================  ==================================================================
setting                      default                  meaning
===========================  =======================  ==================================================================
TRIPARTITE_DATA              ``data``                 folder of the embedded databases and of rendered alerts
TRIPARTITE_DATABASE_URL      ``sqlite:///…``          PostgreSQL or SQLite, as an SQLAlchemy URL with ``{service}`` in it
TRIPARTITE_BUS_URL           ``memory://``            ``amqp://``, with TLS ``amqps://``, or embedded; may hold ``{service}``
TRIPARTITE_HOST              ``127.0.0.1``            address to listen on; only loopback while no token issuer is set
TRIPARTITE_PORT              ``8000``                 port to listen on
TRIPARTITE_HEALTH_PORT       (none)                   port on which a worker answers ``/health/live``, ``/health/ready`` and ``/metrics``
TRIPARTITE_TODAY             (the clock)              a day to take for today, for rehearsals: ``2027-05-05``
TRIPARTITE_BATCH             ``200``                  messages handled in one transaction, 1 to 1000
TRIPARTITE_LEASE_SECONDS     ``30``                   how long a relay or a sender may hold what it has claimed
TRIPARTITE_RETENTION_DAYS    ``120``                  how long a message stays in the outbox once a broker has it, 7 to 36500: the 13
                                                      weeks before a rotation, and a month. The inbox never forgets
TRIPARTITE_PACE              ``digests``              alerts wait for digests, quiet hours and further edits; ``immediate``, for
                                                      rehearsals: each leaves at once
TRIPARTITE_PUBLIC_URL        (none)                   where readers reach the services, ``https://…``: for links in mails
TRIPARTITE_LINK_SECRET       (none)                   at least 32 characters, known to nobody: signs those links; without it mails have none
===========================  =======================  ==================================================================

Of alerts that leave (services/notifications/senders):

================================  ===============  ==============================================================================
setting                           default          meaning
================================  ===============  ==============================================================================
TRIPARTITE_EMAIL                  ``files``        how e-mail leaves: ``files`` (a rehearsal, into the data folder), ``smtp``, ``notify``
TRIPARTITE_SENDING                ``off``          ``on`` lets alerts leave by SMTP, Notify and webhook; else they are worded and kept
TRIPARTITE_ALLOW_LIST             (everybody)      who alone may be written to: ``ada@host.nhs.uk,@rehearsal.nhs.uk``
TRIPARTITE_EMAIL_FROM             (none)           the sender of e-mail by SMTP: ``Deadlines <deadlines@region.nhs.uk>``
TRIPARTITE_EMAIL_PER_MINUTE       600; Notify 2000 e-mails in any minute, of all workers together, 10 to 100000
TRIPARTITE_SMTP_URL               (none)           ``smtp://user:password@host:587`` (STARTTLS) or ``smtps://…``, ``?cacertfile=``
TRIPARTITE_NOTIFY_API_KEY         (none)           key of GOV.UK Notify
TRIPARTITE_NOTIFY_URL             Notify's own     base URL of its API
TRIPARTITE_NOTIFY_TEMPLATES       (none)           template ids by kind of alert: ``default=<id>,deadline-missed=<id>``, or that as JSON
TRIPARTITE_NOTIFY_CALLBACK_TOKEN  (none)           bearer token with which Notify posts its receipts, 16 characters or more
TRIPARTITE_BOUNCE_TOKEN           (none)           bearer token with which bounces of e-mail are posted, 16 characters or more
TRIPARTITE_WEBHOOK_SECRET         (none)           what recipients' signing keys are derived from, 32 characters or more; none: no webhooks
TRIPARTITE_WEBHOOK_PER_MINUTE     ``600``          webhooks in any minute, of all workers together, 10 to 100000
TRIPARTITE_WEBHOOK_PRIVATE        ``off``          ``on`` lets webhooks go to addresses of private networks and of this machine
================================  ===============  ==============================================================================
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from shared.errors import InvalidSettings

TLS_PARAMETERS = ("cacertfile", "certfile", "keyfile", "server_name_indication")
"""What the URL of a broker may say of TLS, in RabbitMQ's own words (shared/bus/rabbitmq.py)."""


@dataclass(frozen=True)
class Config:
    """The settings of one process."""

    data: Path = Path("data")
    database_url: str = ""
    bus_url: str = "memory://"
    host: str = "127.0.0.1"
    port: int = 8000
    health_port: int | None = None
    today: date | None = None
    batch: int = 200
    lease_seconds: int = 30
    retention_days: int = 120
    email: str = "files"
    sending: bool = False
    allow_list: tuple[str, ...] = ()
    email_from: str = ""
    email_per_minute: int | None = None
    smtp_url: str = field(default="", repr=False)
    notify_api_key: str = field(default="", repr=False)
    notify_url: str = "https://api.notifications.service.gov.uk"
    notify_templates: Mapping[str, str] = field(default_factory=dict)
    notify_callback_token: str = field(default="", repr=False)
    bounce_token: str = field(default="", repr=False)
    webhook_secret: str = field(default="", repr=False)
    webhook_per_minute: int = 600
    webhook_private: bool = False
    pace: str = "digests"
    public_url: str = ""
    link_secret: str = field(default="", repr=False)

    def database_of(self, service: str) -> str:
        """The SQLAlchemy URL of a service's own database."""
        return (self.database_url or f"sqlite:///{self.data.as_posix()}/{{service}}.db").replace("{service}", service)

    def bus_of(self, service: str) -> str:
        """The URL of the broker, for a service's own user."""
        return self.bus_url.replace("{service}", service)

    @property
    def embedded(self) -> bool:
        """Whether the queue lives and dies with this process."""
        return self.bus_url.startswith("memory://")


def read_config(environment: Mapping[str, str] | None = None, **overrides: Any) -> Config:
    """The settings of this process.

    :param overrides: settings given on the command line; they win over the environment.
    :raises InvalidSettings: naming every setting that is unknown or cannot be used.
    """
    environment = os.environ if environment is None else environment
    given = {name.removeprefix("TRIPARTITE_").lower(): value for name, value in environment.items() if name.startswith("TRIPARTITE_")}
    known = {each.name for each in fields(Config)}
    problems = {f"TRIPARTITE_{name.upper()}": "there is no such setting." for name in given if name not in known and not _for_tests(name)}
    values: dict[str, Any] = {}
    for name in sorted(known & given.keys()):
        try:
            values[name] = _READERS[name](given[name])
        except ValueError as error:
            problems[f"TRIPARTITE_{name.upper()}"] = f"{error}"
    problems |= {name: problem for name, problem in _lacking(values).items() if name not in problems}
    if problems:
        raise InvalidSettings(problems)
    return Config(**{**values, **{name: value for name, value in overrides.items() if value is not None}})


_NEEDED = {
    "smtp": {"smtp_url": "smtp://user:password@host:587", "email_from": "Deadlines <deadlines@region.nhs.uk>"},
    "notify": {"notify_api_key": "the key that GOV.UK Notify shows once", "notify_templates": "default=<template id>"},
}
"""What each way of e-mail needs beside it, with an example."""


def _lacking(values: Mapping[str, Any]) -> dict[str, str]:
    """The settings that another setting needs, and that are not there."""
    way = values.get("email", "files")
    needed = {name: example for name, example in _NEEDED.get(way, {}).items() if not values.get(name)}
    return {f"TRIPARTITE_{name.upper()}": f"is needed by TRIPARTITE_EMAIL={way}: {example}." for name, example in needed.items()}


def _for_tests(name: str) -> bool:
    return name.startswith("test_") or name == "crashpoint"


def _between(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, not {text!r}.")
        return int(text)

    return read


def _loopback(text: str) -> str:
    if text != "localhost":
        try:
            loopback = ip_address(text).is_loopback
        except ValueError:
            raise ValueError(f"must be an IP address such as 127.0.0.1, not {text!r}.") from None
        if not loopback:
            raise ValueError(f"{text} is not a loopback address; without a token issuer only loopback is served.")
    return text


def _day(text: str) -> date:
    try:
        if re.fullmatch("20[0-9]{2}-[0-9]{2}-[0-9]{2}", text) and "2015" <= text < "2099":
            return date.fromisoformat(text)
    except ValueError:
        pass  # said below, with the form that is right
    raise ValueError(f"must be a day from 2015 to 2098 such as 2027-05-05, not {text!r}.")


def _url(*schemes: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not text.startswith(schemes):
            raise ValueError(f"must begin with {' or '.join(schemes)}, not {text.partition('://')[0]!r}.")
        return text

    return read


def _bus_url(text: str) -> str:
    url = _url("memory://", "amqp://", "amqps://")(text)
    unknown = dict(parse_qsl(_whole(url).query)).keys() - TLS_PARAMETERS
    if unknown:
        raise ValueError(f"has no parameter {', '.join(sorted(unknown))}; an amqps:// URL may say {', '.join(TLS_PARAMETERS)}.")
    return url


def _database_url(text: str) -> str:
    if "{service}" not in text:
        raise ValueError("must hold {service}, because each service owns its database: postgresql://{service}@localhost/{service}.")
    url = _url("sqlite:///", "postgresql://", "postgresql+psycopg://")(text)
    if "{service}" not in _whole(url).path:
        raise ValueError("must hold {service} in the name of the database, because each service owns its own.")
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def _whole(url: str) -> SplitResult:
    """The parts of a URL; its password is not repeated in any complaint."""
    parts = urlsplit(url)
    try:
        parts.port  # noqa: B018 (asked for because it may be none)
    except ValueError:
        raise ValueError("has a port that is no number; characters such as # and / in a password are written as %23 and %2F.") from None
    return parts


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be {', '.join(allowed[:-1])} or {allowed[-1]}, not {text!r}.")
        return text

    return read


def _switch(text: str) -> bool:
    return _one_of("off", "on")(text) == "on"


def _secret(least: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if len(text) < least or not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError(f"must be at least {least} printable ASCII characters without spaces; it is not shown here.")
        return text

    return read


def _addresses(text: str) -> tuple[str, ...]:
    given = tuple(word.strip().lower() for word in text.split(",") if word.strip())
    wrong = [word for word in given if not re.fullmatch(r"[^@\s]*@[^@\s]+", word)]
    if wrong or not given:
        raise ValueError(f"must be addresses and @domains with commas between, such as ada@host.nhs.uk,@rehearsal.nhs.uk, not {text!r}.")
    return given


def _mailbox(text: str) -> str:
    address = parseaddr(text)[1]
    if not text.isprintable() or not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", address):
        raise ValueError(f"must be an address such as Deadlines <deadlines@region.nhs.uk>, not {text!r}.")
    return text


def _smtp_url(text: str) -> str:
    parts = _whole(_url("smtp://", "smtps://")(text))
    if not parts.hostname:
        raise ValueError("must name a host: smtp://user:password@host:587.")
    if unknown := dict(parse_qsl(parts.query)).keys() - {"cacertfile"}:
        raise ValueError(f"has no parameter {', '.join(sorted(unknown))}; it may say cacertfile.")
    return text


def _notify_url(text: str) -> str:
    parts = _whole(_url("https://", "http://")(text))
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("must begin with https://; http:// is for this machine only.")
    return text.rstrip("/")


_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def _notify_key(text: str) -> str:
    if not re.fullmatch(f".*{_UUID}-{_UUID}", text):
        raise ValueError("must end with two UUIDs, the service's and the secret, as GOV.UK Notify shows it; it is not repeated here.")
    return text


def _templates(text: str) -> Mapping[str, str]:
    try:
        given = json.loads(text) if text.startswith("{") else dict(pair.strip().split("=", 1) for pair in text.split(","))
        wrong = [kind for kind, id_ in given.items() if not re.fullmatch(_UUID, id_)]
    except (ValueError, TypeError):
        raise ValueError("must be kind=<template id> with commas between, or a JSON object of that.") from None
    if wrong or "default" not in given:
        raise ValueError(f"must have a template id (a UUID) for {', '.join(wrong) or 'default'}.")
    return dict(given)


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


_READERS: dict[str, Callable[[str], Any]] = {
    "data": Path,
    "database_url": _database_url,
    "bus_url": _bus_url,
    "host": _loopback,
    "port": _between(1, 65535),
    "health_port": _between(1, 65535),
    "today": _day,
    "batch": _between(1, 1000),
    "lease_seconds": _between(1, 3600),
    "retention_days": _between(7, 36_500),
    "email": _one_of("files", "smtp", "notify"),
    "sending": _switch,
    "allow_list": _addresses,
    "email_from": _mailbox,
    "email_per_minute": _between(10, 100_000),
    "smtp_url": _smtp_url,
    "notify_api_key": _notify_key,
    "notify_url": _notify_url,
    "notify_templates": _templates,
    "notify_callback_token": _secret(16),
    "bounce_token": _secret(16),
    "webhook_secret": _secret(32),
    "webhook_per_minute": _between(10, 100_000),
    "webhook_private": _switch,
    "pace": _one_of("digests", "immediate"),
    "public_url": _url("http://", "https://"),
    "link_secret": _secret(32),
}
