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
TRIPARTITE_PACE              ``digests``              alerts wait for digests, quiet hours and further edits; ``immediate``, for
                                                      rehearsals: each leaves at once
TRIPARTITE_PUBLIC_URL        (none)                   where readers reach the services, ``https://…``: for links in mails
TRIPARTITE_LINK_SECRET       (none)                   at least 32 characters, known to nobody: signs those links; without it mails have none
===========================  =======================  ==================================================================
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
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
    if problems:
        raise InvalidSettings(problems)
    return Config(**{**values, **{name: value for name, value in overrides.items() if value is not None}})


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


def _pace(text: str) -> str:
    if text not in ("digests", "immediate"):
        raise ValueError(f"must be digests or immediate, not {text!r}.")
    return text


def _secret(text: str) -> str:
    if len(text) < 32:
        raise ValueError(f"must have at least 32 characters; it has {len(text)}.")
    return text


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
    "pace": _pace,
    "public_url": _url("http://", "https://"),
    "link_secret": _secret,
}
