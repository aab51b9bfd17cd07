"""The sample rotation on RabbitMQ and PostgreSQL, its mail through an SMTP server: every alert reaches its reader, and once.

This is a part of it, with every kind of trouble; ``make rotation`` takes the whole.
"""

from pathlib import Path

from tests.brokers import Broker
from tests.databases import Database
from tests.end_to_end.rotation import a_part_of_it_reaches_its_readers_once
from tests.providers import SmtpServer


def test_every_expected_alert_reaches_its_reader_once(broker: Broker, database: Database, tmp_path: Path) -> None:
    with SmtpServer() as server:
        a_part_of_it_reaches_its_readers_once(broker, database, tmp_path, server)
