"""Webhooks: signed alerts, to the public internet alone, under one id until the receiver has taken them or a day is over."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from examples.receive import WINDOW_SECONDS, take
from services.notifications.senders.delivery import deliver
from services.notifications.senders.webhooks import is_public, key_of, signature
from shared.worker import Worker
from tests.notifications.channels import ADDRESS, NOW, a_contact, a_route, a_sender, alerts, hear, later, let_time_pass, states, waiting
from tests.providers import WebhookReceiver


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as found:
        yield found


@pytest.fixture
def by_webhook(tmp_path: Path, receiver: WebhookReceiver) -> Iterator[Worker]:
    worker = waiting(a_sender(tmp_path, receiver.settings), 3, None, receiver.hook)
    yield worker
    worker.close()


def test_a_webhook_gets_a_signed_alert_once(by_webhook: Worker, receiver: WebhookReceiver) -> None:
    deliver(by_webhook, NOW)
    first = alerts(by_webhook)[0]
    assert (states(by_webhook), first.channel, receiver.forged) == (["sent"] * 3, "webhook", [])
    [said_of_it] = [sent for sent in receiver.requests if sent["id"] == first.alert_key]
    assert (said_of_it["text"], said_of_it["recipient_id"]) == (first.text, "C1")


def test_a_contact_with_both_gets_both(tmp_path: Path, receiver: WebhookReceiver) -> None:
    worker = waiting(a_sender(tmp_path, receiver.settings), 1, ADDRESS, receiver.hook)
    deliver(worker, NOW)
    assert {(alert.channel, alert.status) for alert in alerts(worker)} == {("email", "sent"), ("webhook", "sent")}
    worker.close()


def test_a_webhook_that_comes_later_gets_what_waited_for_an_address(tmp_path: Path, receiver: WebhookReceiver) -> None:
    worker = waiting(a_sender(tmp_path, receiver.settings), 1, None)
    assert states(worker) == ["failed"]
    hear(worker, a_contact(None, receiver.hook), at=later(1))
    deliver(worker, later(1))
    assert (states(worker), len(receiver.taken)) == (["sent"], 1)
    worker.close()


@pytest.mark.parametrize("status", [500, 404, 302, 0])
def test_a_receiver_that_does_not_take_an_alert_gets_it_again_under_the_same_id(
    by_webhook: Worker, receiver: WebhookReceiver, status: int
) -> None:
    receiver.answers.append(status)
    deliver(by_webhook, NOW)
    assert states(by_webhook) == ["pending"] * 3, "and is not asked for the others of the batch"
    assert len(receiver.requests) == 1
    deliver(by_webhook, later(0.1))
    assert states(by_webhook) == ["sent"] * 3
    assert set(receiver.taken.values()) == {1}
    assert len(receiver.requests) == 4


def test_410_is_for_good(by_webhook: Worker, receiver: WebhookReceiver) -> None:
    receiver.answers.append(410)
    deliver(by_webhook, NOW)
    assert states(by_webhook) == ["failed", "sent", "sent"]


def test_a_webhook_is_tried_for_a_day(by_webhook: Worker, receiver: WebhookReceiver) -> None:
    receiver.answers += [503] * 1000
    for hours in range(30):
        let_time_pass(by_webhook)
        deliver(by_webhook, later(hours))
    assert states(by_webhook) == ["failed"] * 3
    assert 8 <= max(alert.tries for alert in alerts(by_webhook)) <= 24


@pytest.mark.parametrize(
    ("hook", "why"),
    [
        ("http://host.nhs.uk/x", "must begin with https://"),
        ("ftp://host.nhs.uk/x", "must begin with https://"),
        ("https://user:word@host.nhs.uk/x", "no user or password"),
        ("https://10.0.0.1/x", "private network"),
        ("https://169.254.169.254/latest/meta-data", "private network"),
        ("https://[::1]/x", "private network"),
        ("https://[::ffff:10.0.0.1]/x", "private network"),
        ("http://127.0.0.1:1/x", "private network"),
        ("https://host:port/x", "is no address"),
        (f"https://{'a' * 64}.nhs.uk/x", "cannot be used (UnicodeError)"),
        ("https://.nhs.uk/x", "cannot be used (UnicodeError)"),
    ],
)
def test_a_webhook_goes_to_the_public_internet_alone(tmp_path: Path, receiver: WebhookReceiver, hook: str, why: str) -> None:
    worker = waiting(a_sender(tmp_path, {**receiver.settings, "TRIPARTITE_WEBHOOK_PRIVATE": "off"}), 1, None, hook)
    deliver(worker, NOW)
    assert states(worker) == ["failed"]
    assert why in alerts(worker)[0].reason
    worker.close()


def test_a_webhook_that_is_not_ascii_is_refused_and_holds_up_no_other(tmp_path: Path, receiver: WebhookReceiver) -> None:
    worker = a_sender(tmp_path, receiver.settings)
    waiting(worker, 1, None, f"{receiver.url}/é")
    deliver(worker, NOW)
    assert ("UnicodeEncodeError" in alerts(worker)[0].reason, states(worker)) == (True, ["failed"])
    hear(worker, a_contact(None, receiver.hook), a_route(2), at=later(1))
    deliver(worker, later(1))
    assert states(worker) == ["sent", "sent"], "the one that was refused goes to the address that was mended"
    worker.close()


@pytest.mark.parametrize("address", ["100.64.0.1", "0.0.0.0", "224.0.1.1", "64:ff9b::a00:1", "2002:a00:1::", "fe80::1", "::7f00:1"])
def test_addresses_that_are_not_public(address: str) -> None:
    from ipaddress import ip_address

    assert not is_public(ip_address(address))
    assert is_public(ip_address("8.8.8.8"))


@given(body=some.binary(max_size=200), at=some.integers(0, 10**11), off=some.integers(-1000, 1000), flip=some.integers(0, 255))
def test_a_signature_fits_one_body_one_key_and_five_minutes(body: bytes, at: int, off: int, flip: int) -> None:
    key, other = key_of("s" * 32, "C1"), key_of("s" * 32, "C2")
    signed = signature(key, at, body)
    assert is_signed(key, signed, body, at + off) == (abs(off) <= WINDOW_SECONDS)
    assert not is_signed(other, signed, body, at)
    assert not is_signed(key, signed, body + bytes([flip]), at)


def is_signed(key: str, signed: str, body: bytes, at: int) -> bool:
    """What the receiver of examples/ makes of it: it looks into what is signed well, and at nothing else."""
    with closing(sqlite3.connect(":memory:")) as file, suppress(ValueError, TypeError, KeyError):
        return take(file, key, "", signed, body, at) != 403
    return True
