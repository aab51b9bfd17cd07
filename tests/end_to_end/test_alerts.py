"""The sample rotation on RabbitMQ and PostgreSQL: every alert that there must be reaches its reader, and reaches it once.

This is a part of it, with every kind of trouble; ``make rotation`` takes the whole.
"""

from pathlib import Path

import pytest

from tests.end_to_end.rotation import arrivals_of, lived
from tests.nodes import Broker, Database
from tests.providers import NotifyApi, SmtpServer

PLACEMENTS = 60


@pytest.mark.parametrize("provider", [SmtpServer, NotifyApi])
def test_every_expected_alert_reaches_its_reader_once(
    broker: Broker, database: Database, tmp_path: Path, provider: type[SmtpServer] | type[NotifyApi]
) -> None:
    with provider() as found:
        account = lived(broker, database, tmp_path, found.settings, arrivals_of(PLACEMENTS), found.log)
    assert account.expected == account.reached
    assert set(account.given.values()) == {1}, "the provider was given each message once"
    assert account.members > 3 * account.digests > 0, "most of it comes in digests"
    assert account.not_shown == [], "a digest shows all that is in it"
    assert account.digests_a_day == 1, "a contact has one digest a day"
