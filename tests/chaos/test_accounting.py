"""The books notice: whatever is lost, duplicated, sent twice or unexpected in one of them stands in the account."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.chaos.accounting import Account, account
from tests.chaos.provider import Provider
from tests.chaos.region import Twin
from tests.chaos.rotation import invent

ROTATION = invent(1, 6, trainees=4)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    """A house to which nothing has happened, and which is at rest."""
    folder = tmp_path_factory.mktemp("accounts")
    with Provider(folder / "provider.log") as provider:
        house = Twin(folder, provider)
        try:
            house.start()
            for part in ROTATION.parts:
                house.tell(part)
                house.drain()
            assert house.processes["house"].stop() == 0
            yield house
        finally:
            house.close()


def drawn_up(house: Twin) -> Account:
    return account("none", 1, house, [ROTATION])


@pytest.mark.parametrize(
    ("service", "tampered", "book"),
    [
        ("deadlines", "DELETE FROM inbox WHERE rowid IN (SELECT rowid FROM inbox WHERE type = 'document.issued' LIMIT 1)", "lost"),
        ("notifications", "DELETE FROM inbox WHERE rowid IN (SELECT rowid FROM inbox WHERE type = 'deadline.set' LIMIT 1)", "lost"),
        ("deadlines", "DELETE FROM deadlines WHERE rowid IN (SELECT rowid FROM deadlines LIMIT 1)", "lost"),
        ("deadlines", "DELETE FROM outbox WHERE rowid IN (SELECT rowid FROM outbox WHERE type = 'deadline.missed' LIMIT 1)", "lost"),
        ("deadlines", "DELETE FROM quarantine", "lost"),
        ("notifications", "DELETE FROM alerts WHERE rowid IN (SELECT rowid FROM alerts WHERE status = 'failed' LIMIT 1)", "lost"),
        ("deadlines", "UPDATE deadlines SET version = version + 1", "duplicated"),
        ("responsibility", "UPDATE outbox SET subject = (SELECT min(subject) FROM outbox)", "duplicated"),
        ("deadlines", "UPDATE alert_receipts SET alert_key = 'another' || alert_key", "unexpected"),
        ("deadlines", "UPDATE quarantine SET body = x'00'", "unexpected"),
        ("notifications", "UPDATE inbox SET key = 'another' WHERE rowid IN (SELECT rowid FROM inbox LIMIT 1)", "unexpected"),
        ("notifications", "UPDATE alerts SET regarding = 'another' WHERE rowid IN (SELECT rowid FROM alerts LIMIT 1)", "unexpected"),
    ],
)  # fmt: skip
def test_a_row_that_is_tampered_with_is_noticed(house: Twin, service: str, tampered: str, book: str) -> None:
    assert drawn_up(house).balanced, str(drawn_up(house))
    with closing(sqlite3.connect(house.data / f"{service}.db")) as connection:
        before = "\n".join(connection.iterdump())
        connection.execute(tampered)
        connection.commit()
        assert "\n".join(connection.iterdump()) != before
    try:
        assert getattr(drawn_up(house), book)
    finally:
        restored(house.data / f"{service}.db", before)


def restored(file: Path, dump: str) -> None:
    """A database as it was."""
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(dump)


def test_an_alert_that_is_sent_again_is_noticed(house: Twin) -> None:
    with closing(HTTPConnection(house.provider.address)) as connection:
        connection.request("POST", f"/{next(iter(house.provider.sent()))}", b"again")
        assert connection.getresponse().status == 201
    assert len(drawn_up(house).sent_twice) == 1
