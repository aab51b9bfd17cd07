"""The nodes that other tests trust: a kill is a kill, what was promised outlives it, and nobody sees what is another's."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pika
import psycopg
import pytest
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker, ConnectionBlockedTimeout

from tests import brokers, databases, nodes, power
from tests.brokers import Broker
from tests.databases import Database
from tests.helpers import HOUSE
from tests.nodes import open_broker, open_database
from tests.power import Given, Installed, NoServer, NotOurs, wait_for

PERSISTENT = pika.BasicProperties(delivery_mode=2)


@pytest.fixture
def url(broker: Broker) -> Iterator[str]:
    """A virtual host of the test's own."""
    yield broker.vhost("test_nodes")
    broker.start_again()
    broker.drop_vhost("test_nodes")


@pytest.fixture
def services(database: Database) -> Iterator[None]:
    """Databases of two services."""
    database.create(["deadlines", "eligibility"], "test_nodes")
    yield
    database.start_again()
    database.drop("test_nodes")


def connected(url: str, **changes: Any) -> BlockingConnection:
    parameters = pika.URLParameters(url)
    for name, value in changes.items():
        setattr(parameters, name, value)
    return pika.BlockingConnection(parameters)


def quorum_queue(connection: BlockingConnection, name: str) -> BlockingChannel:
    """A channel with confirms, on which a quorum queue was declared."""
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum"})
    return channel


def rows(url: str, statement: str) -> list[Any]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        found = connection.execute(statement)
        return found.fetchall() if found.description else []


# ---- the broker ----------------------------------------------------------------------------------------------------


def test_a_killed_broker_keeps_what_it_confirmed(broker: Broker, url: str) -> None:
    connection = connected(url)
    channel = quorum_queue(connection, "kept")
    broker.flush()
    channel.basic_publish("", "kept", b"confirmed", PERSISTENT, mandatory=True)
    broker.kill()
    with pytest.raises(AMQPConnectionError):
        connection.process_data_events()
    with pytest.raises(AMQPConnectionError):
        connected(url)
    broker.start_again()
    with closing(connected(url)) as again:
        assert again.channel().basic_get("kept", auto_ack=True)[2] == b"confirmed"


def test_starting_a_broker_that_runs_disturbs_nobody(broker: Broker, url: str) -> None:
    with closing(connected(url)) as connection:
        broker.start_again()
        connection.process_data_events()
        assert connection.is_open


def test_the_memory_alarm_blocks_publishers_until_it_clears(broker: Broker, url: str) -> None:
    broker.alarm(on=True)
    try:
        blocked = connected(url, blocked_connection_timeout=1)
        with pytest.raises(ConnectionBlockedTimeout):
            quorum_queue(blocked, "blocked").basic_publish("", "blocked", b"too early", PERSISTENT)
    finally:
        broker.alarm(on=False)
    with closing(connected(url, blocked_connection_timeout=60)) as connection:
        quorum_queue(connection, "free").basic_publish("", "free", b"in time", PERSISTENT, mandatory=True)


def test_virtual_hosts_do_not_see_each_other_s_queues(broker: Broker, url: str) -> None:
    other = broker.vhost("test_nodes/other")
    with closing(connected(url)) as here, closing(connected(other)) as there:
        quorum_queue(here, "mine")
        with pytest.raises(ChannelClosedByBroker, match="no queue 'mine' in vhost 'test_nodes/other'"):
            there.channel().queue_declare("mine", passive=True)
    broker.drop_vhost("test_nodes/other")
    with pytest.raises(AMQPConnectionError):
        connected(other)


def test_a_broker_has_the_definitions_and_settings_it_was_started_with(tmp_path: Path) -> None:
    definitions = {
        "users": [{"name": "ada", "password": "lovelace", "tags": ""}],
        "vhosts": [{"name": "engine"}],
        "permissions": [{"user": "ada", "vhost": "engine", "configure": "", "write": ".*", "read": ".*"}],
        "queues": [{"name": "cards", "vhost": "engine", "durable": True, "auto_delete": False, "arguments": {"x-queue-type": "quorum"}}],
    }
    (tmp_path / "as-given.json").write_text(json.dumps(definitions))
    node = Broker.start(tmp_path, definitions=tmp_path / "as-given.json", conf="channel_max = 7")
    try:
        url = node.url.replace("guest:guest", "ada:lovelace") + "engine"
        with closing(connected(url)) as connection:
            assert connection.channel().queue_declare("cards", passive=True).method.message_count == 0
        assert node.ctl("eval", "application:get_env(rabbit, channel_max).") == "{ok,7}\n"
        assert "guest" not in node.ctl("list_users")
        assert isinstance(node.power, Installed)
        assert node.power.process is not None
        assert listens_on(node.power.process.pid) == {"0100007F"}  # 127.0.0.1
    finally:
        node.close()


def listens_on(pid: int) -> set[str]:
    """The IPv4 addresses that a process listens on, as proc(5) writes them, and every IPv6 address."""
    own = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir()}
    sockets = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return {fields[1].partition(":")[0] for fields in sockets if fields[3] == "0A" and f"socket:[{fields[9]}]" in own}


# ---- the database --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("services")
def test_a_killed_database_keeps_what_was_committed_and_nothing_else(database: Database) -> None:
    url = database.url_of("deadlines")
    rows(url, "CREATE TABLE said (word text)")
    rows(url, "INSERT INTO said VALUES ('committed')")
    with psycopg.connect(url.replace("+psycopg", "")) as open_transaction:
        open_transaction.execute("INSERT INTO said VALUES ('not committed')")
        database.kill()
        with pytest.raises(psycopg.OperationalError):
            open_transaction.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            rows(url, "SELECT 1")
    database.start_again()
    assert rows(url, "SELECT word FROM said") == [("committed",)]


@pytest.mark.usefixtures("services")
def test_a_database_outlives_the_thread_that_started_it_again(database: Database) -> None:
    database.kill()
    thread = threading.Thread(target=database.start_again)
    thread.start()
    thread.join()
    assert rows(database.url_of("deadlines"), "SELECT 1") == [(1,)]


@pytest.mark.usefixtures("services")
def test_a_service_cannot_enter_another_s_database(database: Database) -> None:
    rows(database.url_of("deadlines"), "CREATE TABLE own (word text)")
    intruder = database.url_of("deadlines").replace("deadlines:deadlines@", "eligibility:eligibility@")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        rows(intruder, "SELECT word FROM own")


@pytest.mark.usefixtures("services")
def test_one_template_gives_every_service_its_url(database: Database) -> None:
    for service in ("deadlines", "eligibility"):
        url = database.template_url.replace("{service}", service)
        assert url == database.url_of(service)
        assert rows(url, "SELECT current_user, current_database()") == [(service, f"{service}_test_nodes")]


def test_no_database_outlives_a_killed_test_process(tmp_path: Path) -> None:
    story = """
import os, pathlib, signal, sys
from tests.databases import Database
power = Database.start(pathlib.Path(sys.argv[1])).power
print(power.process.pid, power.command[2], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    told = subprocess.run([sys.executable, "-c", story, tmp_path], cwd=HOUSE, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == -signal.SIGKILL, told.stderr
    pid, data = told.stdout.split()
    wait_for(lambda: not Path(f"/proc/{pid}").exists() or "(zombie)" in Path(f"/proc/{pid}/status").read_text(), "the database to end")
    shutil.rmtree(data)


# ---- how they are found --------------------------------------------------------------------------------------------


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which there is nothing to test with."""
    for variable in ("TRIPARTITE_TEST_AMQP_URL", "TRIPARTITE_TEST_DATABASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    answers = {(brokers, "rabbitmq_programs"): None, (databases, "postgres_programs"): None, (nodes, "docker_answers"): False}
    for (module, name), answer in {**answers, (power, "can_install"): False}.items():
        monkeypatch.setattr(module, name, lambda answer=answer: answer)


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("opened", "product", "variable", "package"),
    [
        (open_broker, "RabbitMQ", "TRIPARTITE_TEST_AMQP_URL", "rabbitmq-server"),
        (open_database, "PostgreSQL", "TRIPARTITE_TEST_DATABASE_URL", "postgresql"),
    ],
)
def test_where_none_can_be_had_one_sentence_says_what_would_help(
    opened: Callable[[Path], object], product: str, variable: str, package: str, tmp_path: Path
) -> None:
    with pytest.raises(NoServer) as raised:
        opened(tmp_path)
    assert str(raised.value) == (
        f"Tests need a real {product}, but {variable} is not set, no Docker engine answers and {package} is not installed: "
        f"set it, start Docker, or install it (on Debian `apt-get install {package}`, which the tests do themselves when run as root)."
    )


@pytest.mark.usefixtures("nowhere")
def test_what_is_given_comes_first_and_cannot_be_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nodes, "docker_answers", lambda: True)
    monkeypatch.setenv("TRIPARTITE_TEST_AMQP_URL", "amqp://ada:secret@broker.example:5673/")
    monkeypatch.setenv("TRIPARTITE_TEST_DATABASE_URL", "postgresql+psycopg://ada:secret@database.example/ada?sslmode=require")
    broker, database = open_broker(tmp_path), open_database(tmp_path)
    assert (broker.url, broker.management_url) == ("amqp://ada:secret@broker.example:5673/", "http://ada:secret@broker.example:15672")
    for forbidden in (broker.kill, broker.stop, broker.start_again, broker.flush):
        with pytest.raises(NotOurs, match="TRIPARTITE_TEST_AMQP_URL cannot be killed or commanded; unset it"):
            forbidden()
    for forbidden in (database.kill, database.stop, database.start_again):
        with pytest.raises(NotOurs, match="TRIPARTITE_TEST_DATABASE_URL cannot be killed"):
            forbidden()


@pytest.mark.usefixtures("nowhere")
def test_a_container_comes_before_what_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broker, database = Broker("", "", Given("")), Database("", Given(""))
    monkeypatch.setattr(nodes, "docker_answers", lambda: True)
    monkeypatch.setattr(nodes, "_contained_broker", lambda: broker)
    monkeypatch.setattr(nodes, "_contained_database", lambda: database)
    assert open_broker(tmp_path) is broker
    assert open_database(tmp_path) is database


def test_debian_installs_both_servers_and_starts_neither(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    policy, asked = tmp_path / "policy-rc.d", []

    def apt(words: list[str], **_: Any) -> "subprocess.CompletedProcess[str]":
        asked.append((" ".join(words), subprocess.call([policy])))
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(power, "subprocess", SimpleNamespace(run=apt))
    power.install(policy)
    assert asked == [("apt-get update", 101), ("apt-get install --yes --no-install-recommends rabbitmq-server postgresql", 101)]
    assert not policy.exists()


def test_a_failed_installation_says_what_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failed = subprocess.CompletedProcess([], 100, "", "E: Unable to locate package")
    monkeypatch.setattr(power, "subprocess", SimpleNamespace(run=lambda words, **_: failed))
    with pytest.raises(NoServer, match="`apt-get update` failed, so there is no server to test with: E: Unable to locate package"):
        power.install(tmp_path / "policy-rc.d")
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_cannot_start_says_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(NoServer, match=r"(?s)rabbitmq-server has ended; .*output ends with: .*no_such_setting"):
        Broker.start(tmp_path, conf="no_such_setting = 1")
