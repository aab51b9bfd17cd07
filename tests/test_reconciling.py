"""`tripartite reconcile`: exactly what was lost is named, sent again and heard, and then nothing is missing."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pika
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services import reconciling
from services.command import NAMES
from services.house import SERVICES
from shared import outbox
from shared.bus.embedded import forget_embedded_queues
from shared.config import Config
from shared.database import transaction
from shared.topology import queue_of
from shared.wire import Message, say
from shared.worker import Worker
from tests.brokers import Broker
from tests.databases import Database
from tests.helpers import SOURCE, Clock, a_concern, a_document, a_message, a_placement, a_recipient, put, settle
from tests.power import wait_for
from tests.test_doctor import migrate_at, set_up
from tests.typed import data, flat, run

DAY = datetime(2027, 5, 5, 12, tzinfo=UTC)
EFFECTS = {
    "deadlines": ("placements", "deadlines", "documents", "alert_receipts"),
    "notifications": ("placements", "recipients", "alerts"),
    "responsibility": ("cases",),
}


def workers_on(folder: Path) -> list[Worker]:
    """Every service at work on the databases of a folder as they are: what was published is not published again, as a start would."""
    return [Worker(SERVICES[name].SERVICE, Config(data=folder), Clock(DAY)) for name in NAMES]


def taken_in(worker: Worker, *messages: Message) -> list[str]:
    """Messages come in over HTTP: they stand in the service's outbox. Their keys."""
    with transaction(worker.engine) as session:
        outbox.add(session, (message.envelope() for message in messages), DAY)
    return [message.key for message in messages]


def some_news(count: int = 12) -> list[Message]:
    """Placements that change, documents about them, contacts, and concerns; some of it stale."""
    news = [a_message(a_recipient(f"t{number}", name=f"Ada {number} (invented)")) for number in range(count)]
    for number in range(count):
        placed = {"placement_id": f"p{number}", "trainee_id": f"t{number}"}
        news += [a_message(a_placement(**placed, site=f"RXN0{sequence}"), sequence) for sequence in (2, 1, 3)]
        news.append(a_message(a_document(placement_id=f"p{number}", document_id=f"d{number}")))
    return [*news, a_message(a_concern({"kind": "conduct"}))]


def rows(folder: Path, service: str, statement: str) -> list[tuple[Any, ...]]:
    """What stands in a service's database, or what is done to it."""
    with closing(sqlite3.connect(folder / f"{service}.db")) as connection, connection:
        return list(connection.execute(statement))


def effects(folder: Path) -> dict[str, list[str]]:
    """What was made of the messages."""
    return {
        f"{name}.{table}": sorted(map(str, rows(folder, name, f"SELECT * FROM {table}"))) for name in EFFECTS for table in EFFECTS[name]
    }


def gaps(found: dict[str, Any]) -> set[tuple[str, str]]:
    return {(gap["not_heard_by"], gap["key"]) for gap in found["gaps"]}


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which everything was said and heard."""
    folder = tmp_path_factory.mktemp("heard")
    forget_embedded_queues()
    workers = workers_on(folder)
    taken_in(workers[NAMES.index("deadlines")], *some_news())
    settle(*workers)
    for worker in workers:
        worker.close()
    return folder


@pytest.fixture
def house(heard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which the command looks at."""
    shutil.copytree(heard, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("TRIPARTITE_DATA", str(tmp_path))
    return tmp_path


def hearings(folder: Path) -> list[tuple[str, str]]:
    """Every (service, key) of the inboxes."""
    return [(name, key) for name in NAMES for (key,) in rows(folder, name, "SELECT key FROM inbox ORDER BY key")]


# ---- on SQLite -----------------------------------------------------------------------------------------------------


def test_of_a_whole_house_nothing_is_missing_and_the_proof_counts_its_messages(house: Path) -> None:
    answer, found = run("reconcile"), data("reconcile")
    assert answer.exit_code == 0, answer.output
    said = sum(rows(house, name, "SELECT count(*) FROM outbox")[0][0] for name in NAMES)
    assert (found["missing"], found["proved"], found["on_its_way"]) == (0, said, 0)
    assert f"0 missing: proved for {said:,} messages" in answer.output
    for row in found["counts"]:
        assert row["said"] == row["heard"] > 0
    placed = [row["heard_by"] for row in found["counts"] if row["type"] == "placement.updated"]
    assert placed == ["deadlines", "notifications"]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.data())
def test_exactly_what_was_lost_is_named_sent_again_and_heard_without_another_effect(heard: Path, drawn: st.DataObject) -> None:
    every = hearings(heard)
    lost = drawn.draw(st.sets(st.sampled_from(every), max_size=reconciling.SHOWN))
    with pytest.MonkeyPatch.context() as patch:
        folder = Path(shutil.copytree(heard, heard.parent / "drawn", dirs_exist_ok=True))
        patch.setenv("TRIPARTITE_DATA", str(folder))
        patch.setattr(reconciling, "AT_ONCE", drawn.draw(st.sampled_from([1, 7, 2_000])))
        for service, key in lost:
            rows(folder, service, f"DELETE FROM inbox WHERE key = '{key}'")
        before = effects(folder)
        first = data("reconcile")
        assert (gaps(first), first["missing"]) == (lost, len(lost))
        assert data("reconcile", "--resend")["resent"] == len({key for _, key in lost})
        waiting = "SELECT key FROM outbox JOIN outbox_batches USING (batch)"
        assert {key for name in NAMES for (key,) in rows(folder, name, waiting)} == {key for _, key in lost}
        again = data("reconcile")
        assert (again["missing"], again["on_its_way"]) == (0, len({key for _, key in lost}))
        forget_embedded_queues()
        workers = workers_on(folder)
        settle(*workers)
        for worker in workers:
            worker.close()
        last = run("reconcile")
        assert last.exit_code == 0
        assert f"0 missing: proved for {first['proved'] + len({key for _, key in lost}):,} messages" in last.output
        assert effects(folder) == before
        assert sorted(hearings(folder)) == sorted(every)


def test_gaps_end_with_1_and_say_what_to_do_and_a_resend_says_that_it_is_done(house: Path) -> None:
    rows(house, "notifications", "DELETE FROM inbox")
    lost = sum(1 for name, _ in hearings(house) if name == "deadlines")
    answer = run("reconcile")
    assert answer.exit_code == 1
    assert lost
    text = flat(answer.output)
    assert "not heard by notifications" in text
    assert f"… and {data('reconcile')['missing'] - reconciling.SHOWN:,} more" in text
    assert "`tripartite doctor`" in text
    assert "`tripartite reconcile --resend`" in text
    resent = run("reconcile", "--resend")
    assert resent.exit_code == 1
    assert "are to be published again" in resent.output
    assert run("reconcile").exit_code == 0


def test_what_is_young_or_waits_to_be_published_is_on_its_way(house: Path) -> None:
    workers = workers_on(house)
    deadlines = workers[NAMES.index("deadlines")]
    now = datetime.now(UTC)
    young = say(a_placement(placement_id="young"), SOURCE, now)
    taken_in(deadlines, young)
    taken_in(deadlines, a_message(a_placement(placement_id="waiting")))
    rows(house, "deadlines", f"DELETE FROM outbox_batches WHERE batch = (SELECT batch FROM outbox WHERE key = '{young.key}')")
    rows(house, "deadlines", f"UPDATE outbox SET stored_at = '{now.replace(tzinfo=None)}'")
    assert data("reconcile")["on_its_way"] == 2
    late = data("reconcile", "--settle", "0")
    assert (late["on_its_way"], gaps(late)) == (1, {("deadlines", young.key), ("notifications", young.key)})
    for worker in workers:
        worker.close()


def test_what_is_in_the_quarantine_or_was_discarded_is_not_missing(house: Path) -> None:
    workers = workers_on(house)
    taken_in(workers[NAMES.index("deadlines")], a_message(a_concern({"colour": "red"}, concern_id="c2")))
    settle(*workers)
    found, said = data("reconcile"), sum(rows(house, name, "SELECT count(*) FROM outbox")[0][0] for name in NAMES)
    [row] = [row for row in found["counts"] if row["type"] == "concern.raised"]
    assert (row["said"], row["heard"], row["quarantined"], row["missing"]) == (2, 1, 1, 0)
    assert (found["proved"], found["quarantined"]) == (said - 1, 1), "nobody has heard what is in quarantine"
    [message] = data("quarantine", "list", "responsibility")["messages"]
    assert run("quarantine", "discard", "responsibility", message["fingerprint"]).exit_code == 0
    [row] = [row for row in data("reconcile")["counts"] if row["type"] == "concern.raised"]
    assert (row["heard"], row["quarantined"], row["missing"]) == (1, 1, 0)
    for worker in workers:
        worker.close()


def test_what_a_worker_has_forgotten_meanwhile_is_not_said_to_be_sent_again(house: Path) -> None:
    workers = workers_on(house)
    worker = workers[NAMES.index("deadlines")]
    [kept] = taken_in(worker, a_message(a_placement(placement_id="kept")))
    with transaction(worker.engine) as session:
        assert reconciling.resend(session, ["forgotten", kept], DAY) == 1
        assert reconciling.resend(session, ["forgotten"], DAY) == 0
    assert rows(house, "deadlines", "SELECT count(*) FROM outbox_batches WHERE batch NOT IN (SELECT batch FROM outbox)") == [(1,)]
    for each in workers:
        each.close()


def test_what_came_past_every_outbox_is_held_against_the_other_service_and_cannot_be_sent_again(house: Path) -> None:
    workers = workers_on(house)
    direct = [a_message(a_placement(placement_id=f"direct{number}")) for number in range(3)]
    before = data("reconcile")["proved"]
    put(workers[0], *direct)
    settle(*workers)
    said = sum(rows(house, name, "SELECT count(*) FROM outbox")[0][0] for name in NAMES)
    assert data("reconcile")["proved"] == said + len(direct) > before
    rows(house, "notifications", f"DELETE FROM inbox WHERE key = '{direct[1].key}'")
    answer = run("reconcile", "--resend")
    assert answer.exit_code == 1
    assert "said by outside, heard by deadlines, not heard by notifications" in flat(answer.output)
    assert "ask who published it (the key begins with the source) to publish it again" in flat(answer.output)
    found = data("reconcile")
    assert (gaps(found), found["resent"]) == ({("notifications", direct[1].key)}, 0)
    put(workers[0], direct[1])
    settle(*workers)
    assert run("reconcile").exit_code == 0
    for worker in workers:
        worker.close()


def test_a_database_that_is_not_there_ends_with_3_and_is_not_made(house: Path) -> None:
    (house / "eligibility.db").unlink()
    answer = run("reconcile")
    assert answer.exit_code == 3
    assert "There is no database of eligibility" in answer.stderr
    assert not (house / "eligibility.db").exists()


# ---- on PostgreSQL and RabbitMQ ------------------------------------------------------------------------------------


@pytest.fixture
def production(broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """Every service's queue and migrated database; the command looks at the same."""
    template, url = database.create(NAMES, "reconciling"), broker.vhost("reconciling")
    for name in NAMES:
        migrate_at(database.url_of(name), name)
        set_up(url, name)
    monkeypatch.setenv("TRIPARTITE_BUS_URL", url)
    monkeypatch.setenv("TRIPARTITE_DATABASE_URL", template)
    yield Config(database_url=template, bus_url=url)
    broker.drop_vhost("reconciling")
    database.drop("reconciling")


def test_what_a_purged_queue_held_is_named_sent_again_and_handled(production: Config, tmp_path: Path) -> None:
    config = Config(data=tmp_path, database_url=production.database_url, bus_url=production.bus_url)
    workers = [Worker(SERVICES[name].SERVICE, config, Clock(DAY)) for name in NAMES]
    keys = taken_in(workers[NAMES.index("deadlines")], *some_news(5))
    wait_for(lambda: all(worker.relay.step() == 0 for worker in workers), "the relays to publish")
    with closing(pika.BlockingConnection(pika.URLParameters(config.bus_url))) as connection:
        purged = connection.channel().queue_purge(queue_of("notifications")).method.message_count
    assert purged == 20  # five recipients and fifteen placements
    for worker in workers:
        worker.listen()

    def found(*words: str) -> dict[str, Any]:
        """What the command finds, after a round of every worker."""
        for worker in workers:
            worker.step()
        answer: dict[str, Any] = data("reconcile", *words)
        return answer

    wait_for(lambda: found()["missing"] == purged and all(worker.step() == 0 for worker in workers), "everything but what was purged")
    missing = gaps(found())
    assert {name for name, _ in missing} == {"notifications"}
    assert {key for _, key in missing} < set(keys)
    assert len(missing) == purged
    assert found("--resend")["resent"] == purged

    def everything_is_heard() -> bool:
        """Nothing is missing, and since that was seen nobody had anything left to do or say."""
        answer = found()
        return answer["missing"] == answer["on_its_way"] == 0 and all(worker.step() == 0 for worker in workers)

    wait_for(everything_is_heard, "what was sent again to be heard")
    answer = run("reconcile")
    assert answer.exit_code == 0, answer.output
    assert "0 missing: proved for " in answer.output
    for worker in workers:
        worker.close()
