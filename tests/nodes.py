"""Real brokers and databases for tests, private to the test session, which a test may kill -9 and start again.

::

    open_broker, open_database ──▶ 1. what TRIPARTITE_TEST_AMQP_URL, TRIPARTITE_TEST_DATABASE_URL name   (Given: cannot be killed)
                                   2. a container, where a Docker engine answers                         (Contained)
                                   3. an installed server; as root on Debian it is installed first       (Installed)
                                   4. NoServer: the test fails, it is not skipped

What is started here listens on loopback, has ports and folders of its own, and dies with the test process. A test that kills a node
starts it again: the next test finds it running. Virtual hosts, roles and databases keep tests out of each other's sight.

Read from the top: the broker, the database, how they are found, the fixtures. Who holds a node's power, and what is installed, is
tests/power.py.
"""

import atexit
import gc
import itertools
import json
import os
import pwd
import shutil
import signal
import socket
import tempfile
import urllib.error
import urllib.request
import warnings
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from tests.power import (
    Contained,
    Given,
    Installed,
    NoServer,
    Power,
    found_or_installed,
    free_port,
    postgres_programs,
    rabbitmq_programs,
    wait_for,
)

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer


# ---- the broker ----------------------------------------------------------------------------------------------------


class Broker:
    """A RabbitMQ node: ``url`` is its virtual host ``/``, ``management_url`` its management plugin, as an administrator."""

    def __init__(self, url: str, management_url: str, power: Power) -> None:
        self.url, self.management_url, self.power = url, management_url, power

    @classmethod
    def start(cls, folder: Path, definitions: Path | None = None, conf: str = "") -> Self:
        """A private node, from the installed RabbitMQ, that keeps everything in a folder.

        :param definitions: a file that it loads, as it stands, at its start; there is a user guest only if that names one.
        :param conf: more lines of rabbitmq.conf.
        :raises NoServer: RabbitMQ is not installed and cannot be, or the node ended.
        """
        programs = found_or_installed("RabbitMQ", "TRIPARTITE_TEST_AMQP_URL", "rabbitmq-server", rabbitmq_programs)
        amqp, management = free_port(), free_port()
        lines = [f"listeners.tcp.1 = 127.0.0.1:{amqp}", "management.tcp.ip = 127.0.0.1", f"management.tcp.port = {management}", conf]
        if definitions:
            lines.append(f"load_definitions = {definitions}")
        (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
        power = Installed(["rabbitmq-server"], _environment(folder, programs), folder / "output")
        node = cls(f"amqp://guest:guest@127.0.0.1:{amqp}/", f"http://guest:guest@127.0.0.1:{management}", power)
        node.start_again()
        return node

    def kill(self) -> None:
        """SIGKILL."""
        self.power.kill()

    def start_again(self) -> None:
        """Starts it with what it has kept, and waits until it is ready. A running node is left as it is."""
        self.power.start()
        self.wait_until_ready()

    def stop(self) -> None:
        """Shuts it down in good order; it can be started again."""
        self.power.stop()

    def close(self) -> None:
        """Ends it at once and for good: what it has kept is needed no more. A given broker goes on."""
        self.power.close()

    def ctl(self, *words: str) -> str:
        """What rabbitmqctl says about this node."""
        return self.power.run("rabbitmqctl", *words)

    def wait_until_ready(self) -> None:
        """Waits until it greets clients, the last thing that a starting node begins to do.

        :raises NoServer: it has ended instead.
        """
        wait_for(self._greets, f"the broker at {urlsplit(self.url).netloc} to greet")

    def _greets(self) -> bool:
        self.power.check()
        address = urlsplit(self.url)
        with suppress(OSError), socket.create_connection((address.hostname, address.port or 5672), 1) as caller:
            caller.sendall(b"AMQP\x00\x00\x09\x01")
            return caller.recv(1) == b"\x01"  # a method frame: Connection.Start
        return False

    def alarm(self, on: bool) -> None:
        """The memory alarm. While it is on, the node does not read from connections that publish."""
        self.ctl("set_vm_memory_high_watermark", "0" if on else "0.4")
        wait_for(lambda: self._manage("GET", "health/checks/local-alarms") == (503 if on else 200), "the memory alarm to change")

    def flush(self) -> None:
        """Makes declarations survive a kill: call it after them, before anything is killed.

        A message of a quorum queue is on the disk before it is confirmed. But the last writes to the tables that say which queues there
        are wait in the node's memory: up to 2 seconds in Mnesia's log (``disk_log``), up to 3 in the tables in which Ra knows its
        members (``dets``). A node that is killed before does not find the messages again. Both are written here.
        """
        mnesia = "case mnesia:system_info(is_running) of yes -> ok = mnesia:sync_log(); no -> ok end"  # RabbitMQ 4 can do without it
        self.ctl("eval", f"{mnesia}, [ok = dets:sync(Table) || Table <- dets:all()].")

    def vhost(self, name: str) -> str:
        """The URL of a new virtual host, which sees no other's queues."""
        anything = {"configure": ".*", "write": ".*", "read": ".*"}
        self._manage("PUT", f"vhosts/{quote(name, safe='')}")
        self._manage("PUT", f"permissions/{quote(name, safe='')}/{urlsplit(self.management_url).username}", anything)
        return urlsplit(self.url)._replace(path=f"/{quote(name, safe='')}").geturl()

    def drop_vhost(self, name: str) -> None:
        """Deletes a virtual host with all that is in it."""
        self._manage("DELETE", f"vhosts/{quote(name, safe='')}")

    def _manage(self, method: str, path: str, body: dict[str, str] | None = None) -> int:
        """The status that the management plugin answers with."""
        address = urlsplit(self.management_url)
        access = b64encode(f"{address.username}:{address.password}".encode()).decode()
        headers = {"Authorization": f"Basic {access}", "Content-Type": "application/json"}
        where = f"http://{address.hostname}:{address.port}/api/{path}"
        request = urllib.request.Request(where, json.dumps(body).encode() if body else None, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 503:  # a health check that found something
                    raise RuntimeError(f"{method} {where} was answered {error.code}: {error.read().decode()}") from error
                return error.code
        except urllib.error.URLError as error:
            raise NoServer(f"{method} {where} was not answered ({error.reason}); tests need RabbitMQ's management plugin there.") from error


_numbers = itertools.count(1)


def _environment(folder: Path, programs: Path) -> dict[str, str]:
    """What RabbitMQ's scripts are told: all is this node's own, all on loopback."""
    loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
    return {
        "PATH": f"{programs}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(folder),  # Erlang keeps the cookie there by which node and rabbitmqctl know each other
        "LANG": "C.UTF-8",
        "ERL_CRASH_DUMP_SECONDS": "0",  # none
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(_port_mapper()),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),  # there is none; the machine's own does not count
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CTL_ERL_ARGS": loopback,
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_NODENAME": f"tripartite-{os.getpid()}-{next(_numbers)}@localhost",
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": loopback,
        "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the Erlang VM, where it would wait for it: one process, one pid
    }


@cache
def _port_mapper() -> int:
    """The port of an Erlang port mapper of the tests' own: the machine's is left alone, and none is left behind."""
    port = free_port()
    mapper = Installed(["epmd", "-address", "127.0.0.1", "-port", str(port)], dict(os.environ), Path(os.devnull))
    mapper.start()

    def listens() -> bool:
        mapper.check()
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", port)) == 0

    wait_for(listens, "epmd to listen")
    return port


# ---- the database --------------------------------------------------------------------------------------------------


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


# ---- how they are found --------------------------------------------------------------------------------------------


def open_broker(folder: Path) -> Broker:
    """A broker to test with. One that is given has its management plugin on the same host, port 15672, with the same user.

    :raises NoServer: none can be had.
    """
    if url := os.environ.get("TRIPARTITE_TEST_AMQP_URL"):
        user, _, host = urlsplit(url).netloc.rpartition("@")
        return Broker(url, f"http://{user}@{host.partition(':')[0]}:15672", Given("TRIPARTITE_TEST_AMQP_URL"))
    if docker_answers():
        return _contained_broker()
    return Broker.start(folder)


def open_database(folder: Path) -> Database:
    """A database cluster to test with. One that is given is entered as a user who may create roles and databases.

    :raises NoServer: none can be had.
    """
    if url := os.environ.get("TRIPARTITE_TEST_DATABASE_URL"):
        return Database(url, Given("TRIPARTITE_TEST_DATABASE_URL"))
    if docker_answers():
        return _contained_database()
    return Database.start(folder)


@cache
def docker_answers() -> bool:
    """Whether a Docker engine answers, within three seconds."""
    import docker

    answers = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # where none answers, docker forgets to close its socket
        with suppress(docker.errors.DockerException), closing(docker.from_env(timeout=3)) as client:
            answers = bool(client.ping())
        gc.collect()
    return answers


def _contained_broker() -> Broker:
    from testcontainers.community.rabbitmq import RabbitMqContainer

    container = RabbitMqContainer("rabbitmq:4-management", username="guest", password="guest")
    host = _begin(container, 5672, 15672)
    amqp, management = container.get_exposed_port(5672), container.get_exposed_port(15672)
    node = Broker(f"amqp://guest:guest@{host}:{amqp}/", f"http://guest:guest@{host}:{management}", Contained(container))
    node.wait_until_ready()
    return node


def _contained_database() -> Database:
    from testcontainers.community.postgres import PostgresContainer

    container = PostgresContainer("postgres:17", username="postgres", password="postgres", dbname="postgres")
    host = _begin(container, 5432)
    node = Database(f"postgresql+psycopg://postgres:postgres@{host}:{container.get_exposed_port(5432)}/postgres", Contained(container))
    node.start_again()
    return node


def _begin(container: "DockerContainer", *ports: int) -> str:
    """Starts a container with ports that it keeps, on loopback where the engine is on this machine; gives its host."""
    local = container.get_docker_client().host() == "localhost"
    for port in ports:
        container.ports[str(port)] = ("127.0.0.1" if local else "", free_port())  # type: ignore[assignment]  # Docker takes pairs
    container.start()
    return container.get_container_host_ip().replace("localhost", "127.0.0.1")


# ---- the fixtures --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The session's broker, from its first use. Take a virtual host of your own: ``broker.vhost(name)``."""
    node = open_broker(tmp_path_factory.mktemp("broker"))
    try:
        yield node
    finally:
        node.close()


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The session's database cluster, from its first use. Take databases of your own: ``database.create(names, suffix)``."""
    node = open_database(tmp_path_factory.mktemp("database"))
    try:
        yield node
    finally:
        node.close()
