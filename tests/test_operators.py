"""`tripartite quarantine` and `tripartite events` as an operator types them, on SQLite and on PostgreSQL."""

import json
import os
import pwd
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from services import contract, quarantine
from services.responsibility.models import Case
from shared import inbox
from shared.asyncapi import document, files
from shared.database import migrate, open_database, transaction
from shared.events import AlertSent
from shared.inbox import InboxRow, QuarantineAudit, QuarantineRow, fingerprint_of, hold_messages
from shared.outbox import OutboxBatch, OutboxRow
from shared.wire import LARGEST_MESSAGE, Message
from tests.databases import Database
from tests.helpers import a_concern, a_message, a_placement
from tests.power import free_port, wait_for
from tests.typed import data, flat, run

SERVICE = "responsibility"
AT = datetime(2027, 5, 5, 9, tzinfo=UTC)
ME = pwd.getpwuid(os.geteuid()).pw_name
CONCERN = a_message(a_concern({"kind": "conduct"}))
GOOD = CONCERN.to_json().encode()
BAD = a_message(a_concern({"colour": "red"}, concern_id="c2")).to_json().encode()
RAW = b"\x1b[2Jnot \xff JSON"
DEAD = "it was taken again and again and never answered"


@dataclass
class Store:
    """A service's database that the command is pointed at."""

    engine: Engine

    def put(self, *bodies: bytes, reason: str = DEAD) -> None:
        """Put messages into the quarantine, one after another."""
        with transaction(self.engine) as session:
            for number, body in enumerate(bodies):
                inbox.quarantine(session, [(body, reason)], AT + timedelta(minutes=number))

    def rows(self, mapped: type[Any]) -> list[Any]:
        with transaction(self.engine) as session:
            return list(session.scalars(select(mapped)))

    def somebody_waits(self) -> bool:
        """Whether somebody waits for a lock, on PostgreSQL."""
        waits = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        with self.engine.connect() as connection:
            return bool(connection.scalar(waits))

    @property
    def audit(self) -> list[tuple[str, str, str]]:
        """(fingerprint, action, detail) of every line, in order; all of them by whoever runs the tests."""
        lines = sorted(self.rows(QuarantineAudit), key=lambda line: line.id)
        assert {line.done_by for line in lines} <= {ME}
        return [(line.fingerprint, line.action, line.detail) for line in lines]

    @property
    def held(self) -> dict[bytes, str]:
        """Bodies and reasons of what is in the quarantine."""
        return {row.body: row.reason for row in self.rows(QuarantineRow)}


def opened(url: str) -> Store:
    engine = open_database(url)
    migrate(engine, SERVICE)
    return Store(engine)


@pytest.fixture
def on_postgresql(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("TRIPARTITE_DATABASE_URL", database.create([SERVICE], "operators"))
    store = opened(database.url_of(SERVICE))
    yield store
    store.engine.dispose()
    database.drop("operators")


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    if request.param == "postgresql":
        yield request.getfixturevalue("on_postgresql")
        return
    monkeypatch.setenv("TRIPARTITE_DATA", str(tmp_path))
    found = opened(f"sqlite:///{tmp_path}/{SERVICE}.db")
    yield found
    found.engine.dispose()


# ---- list and show -------------------------------------------------------------------------------------------------


def test_list_says_that_it_is_empty_and_how_many_there_are(store: Store) -> None:
    assert run("quarantine", "list", SERVICE).output == f"The quarantine of {SERVICE} is empty.\n"
    store.put(GOOD, RAW)
    answer, found = run("quarantine", "list", SERVICE), data("quarantine", "list", SERVICE)
    first, second, last = answer.output.splitlines()
    assert first.startswith(f"{fingerprint_of(RAW)[:12]}     1×  2027-05-05 09:01  {DEAD}")
    assert second.startswith(fingerprint_of(GOOD)[:12])
    assert last == f"2 messages in the quarantine of {SERVICE}."
    assert found["count"] == 2
    assert [each["fingerprint"] for each in found["messages"]] == [fingerprint_of(RAW), fingerprint_of(GOOD)]


def test_show_gives_a_message_as_it_came_but_nothing_that_a_terminal_would_obey(store: Store) -> None:
    store.put(RAW, GOOD)
    answer = run("quarantine", "show", SERVICE, fingerprint_of(RAW)[:8])
    assert answer.exit_code == 0
    assert "\x1b" not in answer.output
    assert "[2Jnot" in answer.output
    assert DEAD in answer.output
    found = data("quarantine", "show", SERVICE, fingerprint_of(GOOD))
    assert json.loads(found["body"])["id"] == CONCERN.id
    assert (found["times"], found["first_at"], found["audit"]) == (1, "2027-05-05T09:01:00+00:00", [])


@pytest.mark.parametrize("command", ["show", "retry", "discard"])
def test_a_fingerprint_that_names_none_or_several_is_refused(store: Store, command: str) -> None:
    store.put(GOOD, BAD)
    for fingerprint, says in (("zz", "No message"), ("", "More than one message")):
        answer = run("quarantine", command, SERVICE, fingerprint)
        assert answer.exit_code == 2
        assert f"{says} in the quarantine of {SERVICE}" in answer.stderr
        assert f"`tripartite quarantine list {SERVICE}`" in answer.stderr
    assert set(store.held) == {GOOD, BAD}


# ---- retry ---------------------------------------------------------------------------------------------------------


def test_a_message_that_can_be_handled_now_leaves_its_effects_a_line_and_what_is_said_of_it(store: Store) -> None:
    store.put(GOOD)
    answer = run("quarantine", "retry", SERVICE, fingerprint_of(GOOD)[:10])
    assert (answer.exit_code, answer.output) == (0, "1 message handled, 0 still not.\n")
    assert store.held == {}
    assert [case.concern_id for case in store.rows(Case)] == ["c1"]
    assert [row.key for row in store.rows(InboxRow)] == [CONCERN.key]
    assert store.audit == [(fingerprint_of(GOOD), "retried", DEAD)]
    [said] = store.rows(OutboxRow)
    assert (said.type, said.correlation_id) == ("responsibility.assigned", CONCERN.id)
    [batch] = store.rows(OutboxBatch)
    assert (batch.batch, batch.leased_until) == (said.batch, None)  # any relay may have it at once


def test_a_message_that_still_cannot_be_handled_stays_and_has_left_nothing_but_a_line(store: Store) -> None:
    store.put(BAD)
    answer = run("quarantine", "retry", SERVICE, fingerprint_of(BAD))
    assert answer.exit_code == 1
    assert "still not handled" in answer.stderr
    assert "colour" in answer.stderr
    assert "colour" in store.held[BAD]  # why it is there now
    [(fingerprint, action, detail)] = store.audit
    assert (fingerprint, action) == (fingerprint_of(BAD), "still-not-handled")
    assert "colour" in detail
    assert store.rows(Case) == store.rows(InboxRow) == store.rows(OutboxRow) == []
    assert run("quarantine", "retry", SERVICE, fingerprint_of(BAD)).exit_code == 1
    assert len(store.audit) == 2


def test_what_is_no_message_or_is_not_heard_here_says_so(store: Store) -> None:
    foreign = a_message(a_placement()).to_json().encode()
    store.put(RAW, foreign)
    answer = run("quarantine", "retry", SERVICE, "--all")
    assert answer.exit_code == 1
    assert "This is not usable JSON" in answer.stderr
    assert f"{SERVICE} does not hear placement.updated; discard it." in answer.stderr
    assert set(store.held) == {RAW, foreign}


def test_a_message_too_large_for_a_worker_is_too_large_for_a_retry(store: Store) -> None:
    store.put(GOOD + b" " * LARGEST_MESSAGE)
    answer = run("quarantine", "retry", SERVICE, "--all")
    assert answer.exit_code == 1
    assert "an event has at most 1,048,576" in answer.stderr
    assert store.rows(InboxRow) == []


def test_a_reason_that_no_text_column_takes_is_no_hindrance(store: Store) -> None:
    broken = GOOD.replace(b'"kind":', rb'"a\u0000b":')
    store.put(broken, GOOD)
    answer = run("quarantine", "retry", SERVICE, "--all")
    assert answer.exit_code == 1
    assert list(store.held) == [broken]
    assert [action for _, action, _ in store.audit] == ["still-not-handled", "retried"]


def test_what_another_service_alone_says_cannot_be_retried_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPARTITE_DATA", str(tmp_path))
    engine = open_database(f"sqlite:///{tmp_path}/deadlines.db")
    migrate(engine, "deadlines")
    sent = AlertSent(alert_key="k1", kind="placement-notice", regarding="p1", recipient_id="t1", channel="inbox", sent_at=AT)
    Store(engine).put(Message(id="1", source="urn:evil", time=AT, sequence=1, data=sent).to_json().encode())
    answer = run("quarantine", "retry", "deadlines", "--all")
    assert answer.exit_code == 1
    assert "alert.sent is said by urn:tripartite:notifications alone, not by urn:evil." in flat(answer.stderr)
    assert Store(engine).rows(InboxRow) == []
    engine.dispose()


def test_all_or_those_of_a_reason_are_retried_those_that_came_first_at_first(store: Store) -> None:
    concerns = [a_message(a_concern({"kind": "conduct"}, concern_id=f"c{number}")).to_json().encode() for number in range(4)]
    store.put(*concerns[:3])
    store.put(concerns[3], RAW, reason="100% other")
    answer = run("quarantine", "retry", SERVICE, "--reason", "it was taken")
    assert (answer.exit_code, answer.output) == (0, "3 messages handled, 0 still not.\n")
    assert [fingerprint for fingerprint, _, _ in store.audit] == [fingerprint_of(body) for body in concerns[:3]]
    assert run("quarantine", "retry", SERVICE, "--reason", "100_").output == "0 messages handled, 0 still not.\n"
    answer = run("quarantine", "retry", SERVICE, "--all")
    assert (answer.exit_code, answer.stdout) == (1, "1 message handled, 1 still not.\n")
    assert list(store.held) == [RAW]
    assert len(store.rows(Case)) == 4


def test_a_message_that_was_handled_meanwhile_is_let_go_without_another_effect(store: Store) -> None:
    store.put(GOOD)
    run("quarantine", "retry", SERVICE, "--all")
    store.put(GOOD)
    assert run("quarantine", "retry", SERVICE, "--all").exit_code == 0
    assert (store.held, len(store.rows(OutboxRow)), store.rows(Case)[0].version) == ({}, 1, 1)


def test_a_retry_and_its_line_are_one_transaction(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(GOOD)

    def nobody() -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(quarantine, "_user", nobody)
    for words in (("retry", SERVICE, "--all"), ("discard", SERVICE, fingerprint_of(GOOD))):
        assert isinstance(run("quarantine", *words).exception, ZeroDivisionError)
        assert (list(store.held), store.rows(Case), store.rows(InboxRow), store.audit) == ([GOOD], [], [], [])


@pytest.mark.parametrize("words", [(), ("--all", "--reason", "x"), ("ab", "--all")])
def test_a_retry_must_say_which(words: tuple[str, ...]) -> None:
    answer = run("quarantine", "retry", SERVICE, *words)
    assert answer.exit_code == 2
    assert "Say which: a FINGERPRINT, --reason TEXT, or --all." in answer.stderr


def test_two_who_retry_at_once_handle_a_message_once(on_postgresql: Store) -> None:
    concerns = [a_message(a_concern({"kind": "conduct"}, concern_id=f"c{number}")).to_json().encode() for number in range(8)]
    on_postgresql.put(*concerns)
    together = threading.Barrier(2)

    def retry_all() -> quarantine.Retried:
        together.wait()
        return quarantine.retried_all(SERVICE, "", list)

    with ThreadPoolExecutor(2) as pool:
        first, second = (each.result() for each in [pool.submit(retry_all), pool.submit(retry_all)])
    assert (first.handled + second.handled, first.problems, second.problems) == (8, {}, {})
    assert [case.version for case in on_postgresql.rows(Case)] == [1] * 8
    assert [action for _, action, _ in on_postgresql.audit] == ["retried"] * 8


def test_a_message_that_somebody_else_deals_with_is_waited_for_and_then_gone(on_postgresql: Store, database: Database) -> None:
    on_postgresql.put(RAW)
    with ThreadPoolExecutor(1) as pool:
        with transaction(on_postgresql.engine) as session:
            session.delete(session.get_one(QuarantineRow, fingerprint_of(RAW), with_for_update=True))
            session.flush()
            retry = pool.submit(quarantine.retried, SERVICE, fingerprint_of(RAW))
            wait_for(on_postgresql.somebody_waits, "the retry to wait for the row")
        assert retry.result() == (0, {}, 1)
    assert on_postgresql.audit == []


def test_what_is_being_discarded_is_not_kept_again_by_a_worker_that_came_at_the_same_moment(on_postgresql: Store) -> None:
    on_postgresql.put(RAW)
    whole = fingerprint_of(RAW)
    with ThreadPoolExecutor(1) as pool:
        with transaction(on_postgresql.engine) as session:
            hold_messages(session, [whole])
            comes_again = pool.submit(on_postgresql.put, RAW)
            wait_for(on_postgresql.somebody_waits, "the worker to wait")
            row = session.get_one(QuarantineRow, whole, with_for_update=True)
            quarantine._note(session, row, "discarded", AT)
            session.delete(row)
        comes_again.result()
    assert on_postgresql.held == {}


def test_nothing_of_it_connects_to_the_broker(on_postgresql: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    on_postgresql.put(GOOD, RAW)
    with socket.create_server(("127.0.0.1", 0)) as broker:
        monkeypatch.setenv("TRIPARTITE_BUS_URL", f"amqp://guest:guest@127.0.0.1:{broker.getsockname()[1]}/")
        assert run("quarantine", "retry", SERVICE, fingerprint_of(GOOD)).exit_code == 0
        assert run("quarantine", "discard", SERVICE, fingerprint_of(RAW)).exit_code == 0
        broker.setblocking(False)
        with pytest.raises(BlockingIOError):
            broker.accept()
    assert len(on_postgresql.rows(OutboxBatch)) == 1


def test_a_database_that_is_away_ends_with_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPARTITE_DATABASE_URL", f"postgresql://{{service}}:secret@127.0.0.1:{free_port()}/{{service}}")
    answer = run("quarantine", "list", SERVICE)
    assert answer.exit_code == 3
    assert "see `tripartite doctor`" in answer.stderr
    assert "secret" not in answer.stderr


# ---- discard, and the audit ----------------------------------------------------------------------------------------


def test_what_is_discarded_stays_away_and_does_not_swallow_another_of_its_id(store: Store) -> None:
    store.put(BAD, RAW)
    for body in (BAD, RAW):
        assert run("quarantine", "discard", SERVICE, fingerprint_of(body)).output == "discarded.\n"
    assert store.held == {}
    store.put(BAD, RAW)
    assert (store.held, store.rows(InboxRow)) == ({}, [])
    assert store.audit == [(fingerprint_of(body), "discarded", DEAD) for body in (BAD, RAW)]


def test_the_audit_is_listed_with_who_did_what_and_why_it_was_there(store: Store) -> None:
    assert "Nothing was done yet" in run("quarantine", "list", SERVICE, "--audit").output
    store.put(GOOD, RAW)
    run("quarantine", "retry", SERVICE, fingerprint_of(GOOD))
    run("quarantine", "retry", SERVICE, fingerprint_of(RAW))
    run("quarantine", "discard", SERVICE, fingerprint_of(RAW))
    lines = run("quarantine", "list", SERVICE, "--audit").output.splitlines()
    said = [("discarded", "This is not usable JSON"), ("still-not-handled", "This is not usable JSON"), ("retried", DEAD)]
    for line, (action, reason) in zip(lines, said, strict=True):
        assert f"{action} by {ME}: {reason}" in line
    found = data("quarantine", "list", SERVICE, "--audit")["audit"]
    assert [(each["action"], each["fingerprint"]) for each in found] == [
        ("discarded", fingerprint_of(RAW)),
        ("still-not-handled", fingerprint_of(RAW)),
        ("retried", fingerprint_of(GOOD)),
    ]


# ---- events --------------------------------------------------------------------------------------------------------


def test_events_prints_the_contract_with_who_says_and_who_hears() -> None:
    answer = run("events")
    assert answer.exit_code == 0
    found = json.loads(answer.stdout)
    assert found == document(contract.heard_by())
    assert found["operations"]["alert.sent.receive"]["summary"] == "Heard by deadlines."


def test_events_renews_what_is_not_current_and_says_what_that_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(contract, "CONTRACT", tmp_path)
    assert len(run("events", "--write").output.splitlines()) == len(files(contract.heard_by()))
    assert "nothing was written" in run("events", "--write").output
    (tmp_path / "asyncapi.json").write_text("{}")
    (tmp_path / "placement.eaten.schema.json").write_text("{}")
    assert run("events", "--write").output == "asyncapi.json: renewed.\nplacement.eaten.schema.json: removed.\n"


def test_where_not_every_service_is_nobody_can_say_who_hears_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "NAMES", ("deadlines",))
    for command in ("events", "reconcile"):
        answer = run(command)
        assert answer.exit_code == 2
        assert "eligibility, notifications, responsibility is not here" in flat(answer.stderr)
