"""``kill -9`` at every crash point, on both transports: nothing lost, nothing twice, whatever the process was doing.

A small rotation is told to real processes, one or more of which die exactly there, in the midst of it, and are started again. That each
was killed where it should be is seen in what it left behind.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.crashpoints import CRASHPOINTS
from tests.brokers import Broker
from tests.chaos.accounting import Account, account
from tests.chaos.provider import Provider
from tests.chaos.region import Place, Region, Twin
from tests.chaos.rotation import TODAY, invent
from tests.databases import Database

SEED = 20270804
ROTATION = invent(SEED, 24, trainees=12)
BATCH, LEASE = "8", "1"
DIES = {
    "relay.leased.unpublished": ("deadlines", "notifications"),
    "relay.published.unconfirmed": ("deadlines", "notifications", "responsibility"),
    "relay.confirmed.unmarked": ("deadlines", "responsibility"),
    "consumer.handled.uncommitted": ("deadlines", "notifications"),
    "consumer.committed.unacknowledged": ("notifications", "responsibility"),
    "consumer.alone.unacknowledged": ("deadlines",),
    "clock.struck.uncommitted": ("deadlines",),
    "alert.claimed.unsent": ("notifications",),
    "alert.sent.one": ("notifications",),
    "alert.sent.unmarked": ("notifications",),
}
"""The services whose workers die at each crash point: between them every one of those that reach it, on either transport."""


ELSEWHERE = {"alert.gathered.uncommitted", "alert.escalated.uncommitted"}
"""Those that need a clock wound by hand: tests/notifications/test_crashes.py."""


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with Provider(tmp_path / "provider.log") as found:
        yield found


@pytest.mark.parametrize("name", DIES)
def test_a_region_killed_at_a_crash_point_loses_nothing_and_does_nothing_twice(
    name: str, tmp_path: Path, provider: Provider, broker: Broker, database: Database, table: list[Account]
) -> None:
    region = Region(
        tmp_path, f"crash_{CRASHPOINTS.index(name)}", provider, broker, database, TRIPARTITE_BATCH=BATCH, TRIPARTITE_LEASE_SECONDS=LEASE
    )
    try:
        lived_through(region, name, {service: f"{name}:{2 if service != 'responsibility' else 1}" for service in DIES[name]}, table)
    finally:
        region.close()


@pytest.mark.parametrize("name", DIES)
def test_an_embedded_house_killed_at_a_crash_point_loses_nothing_and_does_nothing_twice(
    name: str, tmp_path: Path, provider: Provider, table: list[Account]
) -> None:
    house = Twin(tmp_path, provider, TRIPARTITE_BATCH=BATCH, TRIPARTITE_LEASE_SECONDS=LEASE)
    try:
        lived_through(house, name, {"house": f"{name}:2"}, table)
    finally:
        house.close()


def test_every_crash_point_is_died_on() -> None:
    assert DIES.keys() | ELSEWHERE == set(CRASHPOINTS)


def lived_through(place: Place, name: str, arms: dict[str, str], table: list[Account]) -> None:
    """Tell the rotation to a place whose processes die at a crash point, and draw up the account."""
    began = time.monotonic()
    died: dict[str, str] = {}
    place.mourn = lambda process: died.update({process.name: left_behind(place, name, process.name)})
    place.start(arms)
    for part in ROTATION.parts:
        place.tell(part)
        place.drain()
    assert sorted(died) == sorted(arms), f"{name} was not reached by every process that was to die there"
    assert set(died.values()) == {""}, died
    found = account(f"{name}, {'embedded' if 'house' in arms else 'broker'}", SEED, place, [ROTATION])
    found.seconds = time.monotonic() - began
    table.append(found)
    assert found.balanced, str(found)


def left_behind(place: Place, name: str, process: str) -> str:
    """What a process that died at a crash point should have left behind, and did not; nothing if it did."""
    if name == "consumer.handled.uncommitted":
        return ""  # that is the point of it
    rows = {
        "relay": "outbox_batches WHERE lease_token IS NOT NULL",
        "consumer": "inbox",
        "clock": f"deadlines WHERE next_on <= '{TODAY}'",
        "alert": "alerts WHERE status = 'claimed'",
    }[name.partition(".")[0]]
    homes = {"clock": ["deadlines"], "alert": ["notifications"]}
    services = homes.get(name.partition(".")[0], [process] if process in place.services else place.services)
    if name == "alert.sent.one":
        begun = "alerts WHERE status IN ('claimed', 'sent')"
        return "" if place.count("notifications", begun) else f"{process} died before there was any of {begun}"
    if not any(place.count(service, rows) for service in services):
        return f"{process} died before there was any of {rows}"
    claimed = {key for (key,) in place.rows("notifications", "SELECT alert_key FROM alerts WHERE status = 'claimed' AND channel = 'email'")}
    sent = claimed & place.provider.sent().keys()
    if (name == "alert.claimed.unsent" and sent) or (name == "alert.sent.unmarked" and claimed and len(sent) != 1):
        return f"of {len(claimed)} claimed alerts {len(sent)} had reached the provider"
    return ""
