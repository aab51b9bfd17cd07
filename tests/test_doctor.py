"""`tripartite doctor` on a real broker and real databases: a healthy set-up is found so, of each broken one it says the fix."""

import json
import socket
import sqlite3
import tomllib
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pika
import pytest
import sqlalchemy
from pika.adapters.blocking_connection import BlockingChannel

from services import doctor_broker
from services.command import NAMES
from services.contract import hears
from services.doctor import PACKAGES
from shared import inbox, topology
from shared.bus.rabbitmq import connect, declare
from shared.database import migrate, open_database, transaction
from shared.outbox import OutboxBatch
from tests.brokers import Broker
from tests.databases import Database
from tests.deploy.files import lay_out
from tests.deploy.processes import loaded_broker
from tests.deploy.processes import run as run_in
from tests.helpers import HOUSE
from tests.power import free_port
from tests.typed import data, flat, run

SERVICE = "deadlines"
QUEUE, DEAD = topology.queue_of(SERVICE), topology.dead_queue_of(SERVICE)
AT = datetime(2026, 5, 5, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def databases(database: Database) -> Iterator[Database]:
    """A migrated database for every service."""
    database.create(NAMES, "doctor")
    for name in NAMES:
        migrate_at(database.url_of(name), name)
    yield database
    database.drop("doctor")


def migrate_at(url: str, service: str) -> None:
    engine = open_database(url)
    migrate(engine, service)
    engine.dispose()


def set_up(url: str, service: str) -> None:
    """What a worker declares when it starts."""
    connection = connect(url)
    declare(connection, service, [event.type for event in hears(service)])
    connection.close()


@pytest.fixture
def bus(broker: Broker, databases: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a virtual host in which everything is as it should be, like the databases."""
    url = broker.vhost("doctor")
    for name in NAMES:
        set_up(url, name)
    monkeypatch.setenv("TRIPARTITE_BUS_URL", url)
    monkeypatch.setenv("TRIPARTITE_DATABASE_URL", databases.template_url)
    yield url
    broker.drop_vhost("doctor")


@contextmanager
def channel_on(url: str) -> Iterator[BlockingChannel]:
    """A channel with which a test breaks something."""
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel


def managed(broker: Broker, path: str) -> Any:
    """What the broker's management API answers."""
    url = urlsplit(broker.management_url)
    request = urllib.request.Request(f"{url.scheme}://{url.hostname}:{url.port}/api/{path}")
    credentials = f"{unquote(url.username or '')}:{unquote(url.password or '')}".encode()
    request.add_header("Authorization", f"Basic {b64encode(credentials).decode()}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def wrongs(*words: str) -> list[str]:
    """The sentences about what is wrong, but for queues at which nobody works: in most of these tests nobody does."""
    found = [finding["says"] for finding in data("doctor", *words)["findings"] if finding["state"] == "wrong"]
    return [said for said in found if "nobody at the queue" not in said]


@contextmanager
def at_work(url: str) -> Iterator[None]:
    """Somebody works at every service's queue, as its own user where the URL says ``{service}``."""
    with ExitStack() as stack:
        for name in NAMES:
            channel = stack.enter_context(channel_on(url.replace("{service}", name)))
            channel.basic_consume(topology.queue_of(name), lambda *_: None)
        yield


# ---- all is well ---------------------------------------------------------------------------------------------------


def test_of_a_healthy_set_up_every_check_is_ok(broker: Broker, bus: str) -> None:
    with at_work(bus):
        answer = run("doctor", "--management", broker.management_url)
    assert answer.exit_code == 0, answer.output
    states = {line.split()[0] for line in answer.output.splitlines()[:-1]}
    assert states == {"ok"}
    assert answer.output.rstrip().endswith("0 wrong, 0 unknown.")
    text = flat(answer.output)
    for words in ("answers: PostgreSQL", "RabbitMQ", "every 10 s", "newest migration", f"{QUEUE} is as agreed", "nobody hears", "empty"):
        assert words in text, words
    assert all(password not in text for password in (":guest@", ":deadlines@"))


def test_bindings_are_unknown_without_the_management_api_and_nothing_is_wrong_for_that(bus: str) -> None:
    with at_work(bus):
        answer = run("doctor", SERVICE, "--management", f"http://127.0.0.1:{free_port()}")
    assert answer.exit_code == 0
    assert "every worker binds its queue when it starts; name the management API with --management" in flat(answer.output)
    assert {
        finding["what"]
        for finding in data("doctor", SERVICE, "--management", "http://127.0.0.1:9")["findings"]
        if finding["state"] == "unknown"
    } == {"bindings", "alarms"}


def test_as_a_service_s_own_user_it_sees_what_is_the_service_s_own(
    databases: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    node = loaded_broker(tmp_path)
    try:
        place = urlsplit(node.url).netloc.rpartition("@")[2]
        theirs = f"amqp://{{service}}:laptop-{{service}}@{place}/"
        monkeypatch.setenv("TRIPARTITE_BUS_URL", theirs)
        monkeypatch.setenv("TRIPARTITE_DATABASE_URL", databases.template_url)
        management = urlsplit(node.management_url).netloc.rpartition("@")[2]
        with at_work(theirs):
            answer = run("doctor", "--management", f"http://operator:laptop-operator@{management}")
        assert answer.exit_code == 0, answer.output
        unknown = [line for line in answer.output.splitlines() if line.startswith("unknown")]
        assert all("may not be looked at by this user" in line for line in unknown)
        assert len(unknown) == 3  # two shared exchanges, the unrouted queue
        assert "the tag monitoring" in flat(run("doctor", "--management", f"http://{management}").output)
        monkeypatch.setenv("TRIPARTITE_BUS_URL", f"amqp://{{service}}:wrong@{place}/")
        assert run("doctor", SERVICE).exit_code == 3
    finally:
        node.close()


def test_in_an_image_of_one_service_it_looks_at_that_service(tmp_path: Path) -> None:
    done = run_in(lay_out(SERVICE, tmp_path), "-m", "services", "doctor")
    assert (done.returncode, done.stderr) == (3, "")
    assert f"there is none at {tmp_path}/data/{SERVICE}.db" in flat(done.stdout)
    assert "eligibility" not in done.stdout


# ---- topology ------------------------------------------------------------------------------------------------------


def redeclared(bus: str, **changes: Any) -> None:
    """The service's queue, anew and with other arguments; None leaves one out."""
    arguments = {name: value for name, value in {**topology.arguments_of(SERVICE), **changes}.items() if value is not None}
    with channel_on(bus) as channel:
        channel.queue_delete(QUEUE)
        channel.queue_declare(QUEUE, durable=True, arguments=arguments)
        for event in hears(SERVICE):
            channel.queue_bind(QUEUE, topology.EVENTS, event.type)


def test_a_classic_queue_is_to_be_deleted_and_declared_anew(broker: Broker, bus: str) -> None:
    redeclared(bus, **{"x-queue-type": "classic", "x-delivery-limit": None, "x-dead-letter-strategy": None})
    answer = run("doctor", SERVICE, "--management", broker.management_url)
    assert answer.exit_code == 1
    text = flat(answer.output)
    assert "x-queue-type" in text
    assert f"delete it (`rabbitmqctl delete_queue {QUEUE}`) and start `tripartite work {SERVICE}`: it is declared anew" in text


@pytest.mark.parametrize("lost", ["x-dead-letter-exchange", "x-delivery-limit"])
def test_a_queue_whose_dead_letters_or_limit_are_lost_is_to_be_declared_anew(broker: Broker, bus: str, lost: str) -> None:
    redeclared(bus, **{lost: None})
    [said] = wrongs(SERVICE, "--management", broker.management_url)
    assert f"inequivalent arg '{lost}'" in said
    assert f"`rabbitmqctl delete_queue {QUEUE}`" in said


def test_another_alternate_exchange_loses_what_nobody_hears(broker: Broker, bus: str) -> None:
    with channel_on(bus) as channel:
        channel.exchange_delete(topology.EVENTS)
        channel.exchange_declare(topology.EVENTS, "topic", durable=True)
    set_up_again = f"delete it (`rabbitmqadmin delete exchange name={topology.EVENTS}`) and start every worker again"
    found = wrongs(SERVICE, "--management", broker.management_url)
    assert any("alternate-exchange" in said and set_up_again in said for said in found)
    assert any(f"{QUEUE} is not bound to {topology.EVENTS}" in said for said in found)


def test_a_missing_binding_is_made_by_a_worker_and_a_needless_one_is_to_be_unbound(broker: Broker, bus: str) -> None:
    with channel_on(bus) as channel:
        channel.queue_unbind(QUEUE, topology.EVENTS, "document.issued")
        channel.queue_unbind(DEAD, DEAD, "")
        channel.queue_bind(topology.queue_of("responsibility"), topology.EVENTS, "alert.sent")
    found = wrongs(SERVICE, "responsibility", "--management", broker.management_url)
    assert any(
        f"{QUEUE} is not bound to {topology.EVENTS} for document.issued; start `tripartite work {SERVICE}`" in said for said in found
    )
    assert any("hears alert.sent too, which responsibility does not take; unbind it" in said for said in found)
    set_up(bus, SERVICE)
    found = wrongs(SERVICE, "--management", broker.management_url)
    assert found == []


def test_dead_letters_that_would_come_nowhere_are_noticed(broker: Broker, bus: str) -> None:
    with channel_on(bus) as channel:
        channel.queue_unbind(DEAD, DEAD, "")
    [said] = wrongs(SERVICE, "--management", broker.management_url)
    assert said.startswith(f"{DEAD} is not bound to {DEAD} for anything; start `tripartite work {SERVICE}`")


def test_an_empty_virtual_host_stays_empty(broker: Broker, bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPARTITE_BUS_URL", broker.vhost("nothing"))
    try:
        answer = run("doctor", SERVICE, "--management", broker.management_url)
        assert answer.exit_code == 1
        assert f"{QUEUE} is missing; start `tripartite work {SERVICE}`" in flat(answer.output)
        assert managed(broker, "queues/nothing") == []
        assert [each["name"] for each in managed(broker, "exchanges/nothing") if each["name"].startswith("tripartite")] == []
    finally:
        broker.drop_vhost("nothing")


# ---- messages ------------------------------------------------------------------------------------------------------


def test_messages_that_nobody_takes_or_hears_and_dead_letters_each_say_who_is_to_act(broker: Broker, bus: str) -> None:
    with channel_on(bus) as channel:
        channel.basic_publish(topology.EVENTS, "document.issued", b"{}")
        channel.basic_publish(topology.EVENTS, "document.eaten", b"{}")
        channel.basic_publish(DEAD, "", b"{}")
        channel.basic_publish(DEAD, "", b"{}")
    answer = flat(run("doctor", SERVICE, "--management", broker.management_url).output)
    assert f"1 message ready and nobody at the queue; start `tripartite work {SERVICE}`" in answer
    found = wrongs(SERVICE, "--management", broker.management_url)
    assert len(found) == 2
    assert any("2 messages taken again and again" in said and f"`tripartite quarantine list {SERVICE}`" in said for said in found)
    assert any("of a type that no service hears" in said and "its app_id the publisher" in said for said in found)
    with channel_on(bus) as channel:
        channel.basic_qos(prefetch_count=1)
        channel.basic_publish(topology.EVENTS, "document.issued", b"{}")
        channel.basic_consume(QUEUE, lambda *_: None)
        assert "nobody at the queue" not in flat(run("doctor", SERVICE).output)


def test_a_queue_at_which_nobody_works_is_wrong_though_it_is_empty_because_the_clock_stands_still(broker: Broker, bus: str) -> None:
    answer = run("doctor", SERVICE, "--management", broker.management_url)
    assert answer.exit_code == 1
    assert f"0 messages ready and nobody at the queue; start `tripartite work {SERVICE}`" in flat(answer.output)


def test_a_broker_that_takes_no_messages_because_it_is_short_of_memory_is_wrong(broker: Broker, bus: str) -> None:
    broker.alarm(on=True)
    try:
        [said] = wrongs(SERVICE, "--management", broker.management_url)
        assert "short of memory or disk, and takes no messages" in said
    finally:
        broker.alarm(on=False)


def test_what_cannot_be_looked_at_is_wrong(bus: str, databases: Database) -> None:
    engine = open_database(databases.url_of(SERVICE))
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("ALTER TABLE quarantine RENAME TO spoilt"))
    try:
        assert any("it could not be looked at (ProgrammingError" in said for said in wrongs(SERVICE))
        assert run("doctor", SERVICE).exit_code == 1
    finally:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("ALTER TABLE spoilt RENAME TO quarantine"))
        engine.dispose()


def test_what_waits_in_the_quarantine_or_too_long_in_the_outbox_is_wrong(bus: str, databases: Database) -> None:
    engine = open_database(databases.url_of(SERVICE))
    with transaction(engine) as session:
        inbox.quarantine(session, [(b"{", "no JSON")], AT)
        old = OutboxBatch(said_at=AT)
        session.add(old)
    try:
        found = wrongs(SERVICE)
        assert any(f"1 message could not be handled; see `tripartite quarantine list {SERVICE}`" in said for said in found)
        assert any(
            "1 transaction still to be published, the oldest for " in said and f"`tripartite work {SERVICE}`" in said for said in found
        )
    finally:
        with transaction(engine) as session:
            session.delete(session.get_one(inbox.QuarantineRow, inbox.fingerprint_of(b"{")))
            session.delete(session.get_one(OutboxBatch, old.batch))
        engine.dispose()


# ---- what is away, or behind ---------------------------------------------------------------------------------------


def test_a_database_without_its_migrations_is_to_be_migrated(bus: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPARTITE_DATABASE_URL", database.create([SERVICE], "unmigrated"))
    try:
        answer = run("doctor", SERVICE)
    finally:
        database.drop("unmigrated")
    assert answer.exit_code == 1
    newest = max(file.name[:4] for file in (HOUSE / "services" / SERVICE / "migrations").glob("[0-9]*.py"))
    assert f"is at migration none, the code needs {newest}; run `tripartite migrate {SERVICE}`" in flat(answer.output)
    assert "it can be looked at once the database is migrated" in flat(answer.output)


def test_a_broker_that_is_away_ends_with_3_and_the_databases_are_looked_at_all_the_same(bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPARTITE_BUS_URL", f"amqp://guest:secret@127.0.0.1:{free_port()}/")
    answer = run("doctor", SERVICE)
    assert answer.exit_code == 3
    text = flat(answer.output)
    assert "see that RabbitMQ runs there" in text
    assert "TRIPARTITE_BUS_URL has the right host" in text
    assert "newest migration" in text
    assert "secret" not in text


def test_a_broker_that_takes_the_call_and_says_nothing_is_away(bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_broker, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("TRIPARTITE_BUS_URL", f"amqp://guest:secret@127.0.0.1:{silent.getsockname()[1]}/")
        answer = run("doctor", SERVICE)
    assert answer.exit_code == 3
    assert "does not let us in" in flat(answer.output)
    assert "newest migration" in flat(answer.output)


def test_a_database_that_is_away_ends_with_3_and_the_broker_is_looked_at_all_the_same(
    broker: Broker, bus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIPARTITE_DATABASE_URL", f"postgresql://{{service}}:secret@127.0.0.1:{free_port()}/{{service}}")
    answer = run("doctor", SERVICE, "--management", broker.management_url)
    assert answer.exit_code == 3
    assert "see that it runs, and that TRIPARTITE_DATABASE_URL is right" in flat(answer.output)
    assert f"{QUEUE} is as agreed" in answer.output
    assert "secret" not in answer.output


# ---- without a broker ----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the SQLite database of a service."""
    monkeypatch.setenv("TRIPARTITE_DATA", str(tmp_path))
    migrate_at(f"sqlite:///{tmp_path}/{SERVICE}.db", SERVICE)
    return tmp_path


def test_of_an_embedded_bus_it_says_so_and_looks_at_the_databases(folder: Path) -> None:
    answer = run("doctor", SERVICE)
    assert answer.exit_code == 0, answer.output
    assert "the bus is embedded" in answer.output
    assert f"SQLite {sqlite3.sqlite_version} with a rollback journal" in answer.output


def test_a_file_that_is_not_there_is_not_made(folder: Path) -> None:
    answer = run("doctor", "eligibility")
    assert answer.exit_code == 3
    assert "`tripartite serve` makes it" in answer.output
    assert not (folder / "eligibility.db").exists()


def test_a_write_ahead_log_is_named_with_what_takes_it_away(folder: Path) -> None:
    with closing(sqlite3.connect(folder / f"{SERVICE}.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    [said] = wrongs(SERVICE)
    assert f"`sqlite3 {folder}/{SERVICE}.db 'PRAGMA journal_mode = DELETE'`" in said
    assert run("doctor", SERVICE).exit_code == 1


def test_a_file_that_is_no_database_is_named(folder: Path) -> None:
    (folder / f"{SERVICE}.db").write_bytes(b"not a database, and long enough to be read as one" * 100)
    answer = run("doctor", SERVICE)
    assert answer.exit_code == 3
    assert "file is not a database" in flat(answer.output)


def test_a_policy_that_cannot_be_used_and_a_missing_package_are_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shared import rules
    from shared.errors import PolicyError

    def refuse(service: str) -> None:
        raise PolicyError("services/deadlines/policies/x.yaml", 3, "there is no fact “colour”.")

    monkeypatch.setattr(rules, "ready_policies", refuse)
    monkeypatch.setitem(PACKAGES, "amqp", ">=99.1")
    found = wrongs(SERVICE)
    assert any("x.yaml, line 3" in said and "`tripartite policies check`" in said for said in found)
    assert any("amqp" in said and "`pip install -r requirements.txt`" in said for said in found)


def test_the_packages_it_looks_for_are_those_of_the_project() -> None:
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, needed in PACKAGES.items():
        [line] = [line for line in project["dependencies"] if line.startswith((f"{name}=", f"{name}>", f"{name}["))]
        assert line.partition("]")[2 if "]" in line else 0].removeprefix(name).split(",")[0] == needed


def test_only_http_is_an_address_of_the_management_api() -> None:
    answer = run("doctor", "--management", "file:///etc/passwd")
    assert answer.exit_code == 2
    assert "must begin with http:// or https://" in answer.stderr
