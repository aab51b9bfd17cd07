"""Sends are spread: no more than the setting's number leaves in any minute, whoever sends; and what is tried again waits its own time."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.notifications.app import SERVICE
from services.notifications.senders import senders_of
from services.notifications.senders.delivery import claim, deliver, give_back
from services.notifications.senders.outcomes import LONGEST_WAIT, wait
from services.notifications.senders.pace import filled
from shared.database import migrate, open_database
from shared.worker import Worker
from tests.databases import Database
from tests.helpers import a_placement, a_recipient
from tests.notifications.channels import NOW, a_sender, alerts, hear, let_time_pass, states, waiting
from tests.providers import NotifyApi, SmtpServer


@given(
    per_minute=some.integers(10, 100_000),
    steps=some.lists(some.tuples(some.floats(0, 30), some.integers(0, 20_000)), min_size=1, max_size=40),
)
def test_in_no_minute_more_leaves_than_the_setting_says(per_minute: int, steps: list[tuple[float, int]]) -> None:
    tokens, now, left = float(per_minute // 10), 0.0, list[tuple[float, int]]()
    for seconds, wanted in steps:
        now += seconds
        tokens = filled(tokens, seconds, per_minute)
        taken = min(int(tokens), wanted)
        tokens -= taken
        left.append((now, taken))
    for began, _ in left:
        assert sum(count for at, count in left if began <= at <= began + 60) <= per_minute


def test_a_batch_takes_what_the_bucket_holds_and_the_rest_follows(tmp_path: Path) -> None:
    with SmtpServer() as server:
        worker = waiting(a_sender(tmp_path, server.settings, TRIPARTITE_EMAIL_PER_MINUTE="30"), 5)
        assert [deliver(worker, NOW), deliver(worker, NOW)] == [3, 0]
        let_time_pass(worker)
        assert deliver(worker, NOW) == 2
        assert states(worker) == ["sent"] * 5
        worker.close()


def test_a_sender_that_takes_alerts_one_by_one_is_given_what_fits_its_lease_until_nothing_waits(tmp_path: Path) -> None:
    with SmtpServer() as server:
        worker = waiting(a_sender(tmp_path, server.settings, TRIPARTITE_LEASE_SECONDS="5"), 25)
        claimed, _ = claim(worker, "email", senders_of(worker)["email"], "one", NOW)
        assert len(claimed) == 20
        assert sum(bool(alert.text) for alert in alerts(worker)) == 20, "nothing is worded that does not leave"
        give_back(worker, senders_of(worker)["email"], "one", (), "", NOW)
        while deliver(worker, NOW):
            pass
        assert states(worker) == ["sent"] * 25
        worker.close()


def test_a_channel_that_is_away_or_slow_holds_up_no_other(tmp_path: Path) -> None:
    with NotifyApi() as api:
        api.fail("429")
        worker = a_sender(tmp_path, api.settings)
        hear(worker, a_recipient(), a_placement())
        deliver(worker, NOW)
        assert {(alert.channel, alert.status) for alert in alerts(worker) if alert.address} == {("email", "pending"), ("inbox", "sent")}
        worker.close()


def test_alerts_that_are_kept_take_nothing_from_the_bucket(tmp_path: Path) -> None:
    with SmtpServer() as server:
        worker = waiting(a_sender(tmp_path, server.settings, TRIPARTITE_EMAIL_PER_MINUTE="30", TRIPARTITE_ALLOW_LIST="@other.example"), 9)
        assert sum(deliver(worker, NOW) for _ in range(4)) == 9
        assert states(worker) == ["kept"] * 9
        worker.close()


# ---- several workers ---------------------------------------------------------------------------------------------


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Iterator[dict[str, str]]:
    url = database.create([SERVICE.name], "channels")
    engine = open_database(url.replace("{service}", SERVICE.name))
    migrate(engine, SERVICE.name)
    engine.dispose()
    yield {"TRIPARTITE_DATABASE_URL": url.replace("postgresql+psycopg://", "postgresql://"), "TRIPARTITE_EMAIL_PER_MINUTE": "400"}
    database.drop("channels")


def test_workers_that_claim_at_once_keep_the_pace_together(settings: dict[str, str], tmp_path: Path) -> None:
    with SmtpServer() as server:
        workers = [a_sender(tmp_path, {**server.settings, **settings}) for _ in range(2)]
        waiting(workers[0], 120)
        claimed: list[str] = []
        both = [threading.Thread(target=claim_some, args=(worker, number, claimed)) for number, worker in enumerate(workers)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        assert len(claimed) == len(set(claimed))
        assert 40 <= len(claimed) <= 40 + 20, "a full bucket, and what flowed in meanwhile"
        for worker in workers:
            worker.close()


def claim_some(worker: Worker, number: int, claimed: list[str]) -> None:
    sender = senders_of(worker)["email"]
    for attempt in range(5):
        claimed += [alert.alert_key for alert in claim(worker, "email", sender, f"{number}-{attempt}", NOW)[0]]


def test_two_workers_send_each_alert_once(settings: dict[str, str], tmp_path: Path) -> None:
    with NotifyApi() as api:
        workers = [a_sender(tmp_path, {**api.settings, **settings}) for _ in range(2)]
        waiting(workers[0], 30)
        both = [threading.Thread(target=deliver, args=(worker, NOW)) for worker in workers]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        deliver(workers[0], NOW)
        assert (states(workers[0]), set(api.log().values()), len(api.log())) == (["sent"] * 30, {1}, 30)
        for worker in workers:
            worker.close()


def test_waits_grow_differ_and_have_an_end() -> None:
    waits = [wait("key", tries) for tries in range(1, 60)]
    assert all(15 <= seconds <= LONGEST_WAIT for seconds in waits)
    assert waits[:3] == [wait("key", tries) for tries in (1, 2, 3)]
    assert len({wait(f"key-{number}", 1) for number in range(50)}) == 50
