"""A PostgreSQL cluster for tests, which a test may kill -9 and start again: a role and a database for each service in it."""

import atexit
import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from tests.power import Installed, Power, found_or_installed, free_port, postgres_programs, wait_for


class Database:
    """A PostgreSQL cluster: ``url`` is its own database, as an administrator; each service gets a role and a database in it."""

    def __init__(self, url: str, power: Power) -> None:
        self.url, self.power = url, power
        self._made: dict[str, tuple[str, ...]] = {}

    @classmethod
    def start(cls, folder: Path) -> Self:
        """A private cluster, from the installed PostgreSQL, whose output goes to a folder; its data go where its user can reach them.

        :raises NoServer: PostgreSQL is not installed and cannot be, or the cluster ended.
        """
        programs = found_or_installed("PostgreSQL", "TRIPARTITE_TEST_DATABASE_URL", "postgresql", postgres_programs)
        user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
        data = Path(tempfile.mkdtemp(prefix="tripartite-postgres-"))
        atexit.register(shutil.rmtree, data, ignore_errors=True)
        if user:
            os.chown(data, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        port = free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": data,
            "max_connections": 200,
            "shared_buffers": "128MB",
        }
        flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        environment = {"PATH": f"{programs}:{os.environ.get('PATH', os.defpath)}"}
        power = Installed(["postgres", "-D", str(data), *flags], environment, folder / "output", signal.SIGINT, user)
        power.run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", str(data))
        node = cls(f"postgresql+psycopg://postgres:postgres@127.0.0.1:{port}/postgres", power)
        node.start_again()
        return node

    def kill(self) -> None:
        """SIGKILL of every process of it, as a power cut."""
        self.power.kill()

    def start_again(self) -> None:
        """Starts it with what it has kept, and waits until it is ready. A running cluster is left as it is."""
        self.power.start()
        wait_for(self._answers, f"the database at {urlsplit(self.url).hostname} to answer")

    def stop(self) -> None:
        """Shuts it down in good order, whoever is connected; it can be started again."""
        self.power.stop()

    def close(self) -> None:
        """Ends it at once and for good: what it has kept is needed no more. A given database goes on."""
        self.power.close()

    def _answers(self) -> bool:
        self.power.check()
        with suppress(psycopg.OperationalError), self._administrator():
            return True
        return False

    def _administrator(self) -> psycopg.Connection:
        return psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True, connect_timeout=5)

    def create(self, names: Iterable[str], suffix: str) -> str:
        """Makes a database ``<name>_<suffix>`` for each service, owned by a role of its name that can enter no other's.

        :returns: the ``template_url`` of these databases.
        """
        self._made[suffix] = tuple(names)
        with self._administrator() as connection:
            for name in self._made[suffix]:
                role, database = Identifier(name), Identifier(f"{name}_{suffix}")
                if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone():
                    connection.execute(SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, Literal(name)))
                connection.execute(SQL("CREATE DATABASE {} OWNER {}").format(database, role))
                connection.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        return self.template_url

    def drop(self, suffix: str) -> None:
        """Drops the databases of that suffix, whoever is connected. The roles stay: without a database they can do nothing."""
        with self._administrator() as connection:
            for name in self._made.pop(suffix):
                connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(f"{name}_{suffix}")))

    @property
    def template_url(self) -> str:
        """The URL of the databases that were created last, with ``{service}`` for the name of the service."""
        address = urlsplit(self.url)
        if not self._made:
            raise LookupError("There are no databases of services yet; create(names, suffix) makes them.")
        place = f"{address.hostname}:{address.port or 5432}/{{service}}_{list(self._made)[-1]}"
        return urlunsplit((address.scheme, f"{{service}}:{{service}}@{place}", "", address.query, ""))

    def url_of(self, service: str) -> str:
        """The URL of a service's database among those that were created last, as its role."""
        return self.template_url.replace("{service}", service)
