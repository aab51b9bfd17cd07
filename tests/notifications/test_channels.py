"""Alerts on channels that lead outside: what may leave, and what becomes of it, against providers on this machine."""

import smtplib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import select

from examples.receive import WINDOW_SECONDS, take
from services.notifications.models import Channel
from services.notifications.senders import senders_of
from services.notifications.senders.delivery import deliver
from services.notifications.senders.leaving import kept_because
from services.notifications.senders.outcomes import LONGEST_WAIT, wait
from services.notifications.senders.smtp import SmtpSender
from services.notifications.senders.webhooks import is_public, key_of, signature
from shared.config import Config, read_config
from shared.database import transaction
from shared.errors import ChannelAway, InvalidSettings
from shared.worker import Worker
from tests.notifications.channels import (
    ADDRESS,
    NOW,
    a_contact,
    a_route,
    a_sender,
    alerts,
    hear,
    later,
    let_time_pass,
    said,
    states,
    waiting,
)
from tests.providers import NotifyApi, SmtpServer, WebhookReceiver
from tests.shared.test_tls import certify


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as found:
        yield found


@pytest.fixture
def api() -> Iterator[NotifyApi]:
    with NotifyApi() as found:
        yield found


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as found:
        yield found


@pytest.fixture
def by_smtp(tmp_path: Path, server: SmtpServer) -> Iterator[Worker]:
    worker = waiting(a_sender(tmp_path, server.settings), 3)
    yield worker
    worker.close()


@pytest.fixture
def by_notify(tmp_path: Path, api: NotifyApi) -> Iterator[Worker]:
    worker = waiting(a_sender(tmp_path, api.settings), 3)
    yield worker
    worker.close()


@pytest.fixture
def by_webhook(tmp_path: Path, receiver: WebhookReceiver) -> Iterator[Worker]:
    worker = waiting(a_sender(tmp_path, receiver.settings), 3, None, receiver.hook)
    yield worker
    worker.close()


def channel(worker: Worker, name: str = "email") -> Channel:
    with transaction(worker.engine) as session:
        return session.scalars(select(Channel).where(Channel.name == name)).one()


# ---- what may leave ----------------------------------------------------------------------------------------------


def config(**settings: str) -> Config:
    return read_config({f"TRIPARTITE_{name.upper()}": value for name, value in settings.items()})


SMTP = {"email": "smtp", "smtp_url": "smtp://mail.region.nhs.uk", "email_from": "deadlines@region.nhs.uk"}
NOTIFY = {
    "email": "notify",
    "notify_api_key": NotifyApi.SERVICE + "-" + NotifyApi.SECRET,
    "notify_templates": f"default={NotifyApi.SECRET}",
}
HOOKS = {"webhook_secret": "x" * 32}


@pytest.mark.parametrize(
    ("settings", "way", "address", "why"),
    [
        ({}, "email", "ada@host.nhs.uk", ""),
        ({}, "inbox", "t1", ""),
        (SMTP, "email", "ada@host.nhs.uk", "sending is off"),
        (NOTIFY, "email", "ada@host.nhs.uk", "sending is off"),
        ({**SMTP, "sending": "off"}, "inbox", "t1", ""),
        ({**SMTP, "sending": "on"}, "email", "ada@host.nhs.uk", ""),
        ({**SMTP, "sending": "on"}, "email", "ada@example.org", "reserved for examples"),
        ({**SMTP, "sending": "on"}, "email", "ada@mail.EXAMPLE.net", "reserved for examples"),
        ({**SMTP, "sending": "on"}, "email", "ada@host.test", "reserved for examples"),
        ({**SMTP, "sending": "on"}, "email", "ada@host.invalid.", "reserved for examples"),
        ({**SMTP, "sending": "on"}, "email", "ada@notexample.org", ""),
        ({**SMTP, "sending": "on"}, "email", "simulate-delivered@notifications.service.gov.uk", "reserved for examples"),
        ({**NOTIFY, "sending": "on"}, "email", "simulate-delivered-2@notifications.service.gov.uk", ""),
        ({**NOTIFY, "sending": "on"}, "email", "ada@example.com", "reserved for examples"),
        ({**SMTP, "sending": "on", "smtp_url": "smtp://127.0.0.1:2525"}, "email", "ada@example.org", ""),
        ({**SMTP, "sending": "on", "allow_list": "Ada@host.nhs.uk, @trial.nhs.uk"}, "email", "ADA@host.nhs.uk", ""),
        ({**SMTP, "sending": "on", "allow_list": "ada@host.nhs.uk,@trial.nhs.uk"}, "email", "bea@trial.nhs.uk", ""),
        (
            {**SMTP, "sending": "on", "allow_list": "ada@host.nhs.uk,@trial.nhs.uk"},
            "email",
            "bea@host.nhs.uk",
            "not on TRIPARTITE_ALLOW_LIST",
        ),
        ({**SMTP, "sending": "on", "allow_list": "@trial.nhs.uk"}, "email", "bea@not-trial.nhs.uk", "not on TRIPARTITE_ALLOW_LIST"),
        ({"sending": "on"}, "webhook", "https://host.nhs.uk/x", "cannot be signed"),
        (HOOKS, "webhook", "https://host.nhs.uk/x", "sending is off"),
        ({**HOOKS, "sending": "on"}, "webhook", "https://host.nhs.uk/x", ""),
        ({**HOOKS, "sending": "on"}, "webhook", "https://hooks.example.org/x", "reserved for examples"),
        ({**HOOKS, "sending": "on", "allow_list": "@host.nhs.uk"}, "webhook", "https://host.nhs.uk/secret", ""),
        ({**HOOKS, "sending": "on", "allow_list": "@host.nhs.uk"}, "webhook", "https://other.nhs.uk/secret", "other.nhs.uk is not on"),
    ],
)
def test_what_may_leave(settings: dict[str, str], way: str, address: str, why: str) -> None:
    reason = kept_because(config(**settings), way, address)
    assert why in reason
    assert bool(why) == bool(reason)
    assert "secret" not in reason


def test_with_sending_off_an_alert_is_worded_and_kept_and_never_sent_later(tmp_path: Path, server: SmtpServer) -> None:
    worker = waiting(a_sender(tmp_path, server.settings, TRIPARTITE_SENDING="off"), 3)
    assert deliver(worker, NOW) == 3
    assert states(worker) == ["kept"] * 3
    assert all(alert.text and alert.subject and "sending is off" in alert.reason for alert in alerts(worker))
    assert (said(worker, "alert.sent"), said(worker, "alert.failed")) == (0, 0)
    worker.close()
    switched_on = a_sender(tmp_path, server.settings)
    hear(switched_on, a_contact("new@example.net"), at=later(1))
    assert deliver(switched_on, later(1)) == 0
    assert server.mails == []
    switched_on.close()


def test_settings_that_belong_together_are_asked_for_together() -> None:
    with pytest.raises(InvalidSettings) as caught:
        config(email="smtp", sending="maybe", notify_callback_token="short")
    assert caught.value.problems.keys() == {f"TRIPARTITE_{name}" for name in ("SENDING", "SMTP_URL", "EMAIL_FROM", "NOTIFY_CALLBACK_TOKEN")}
    assert "is needed by TRIPARTITE_EMAIL=smtp" in caught.value.problems["TRIPARTITE_SMTP_URL"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("email", "pigeon", "must be files, smtp or notify, not 'pigeon'"),
        ("allow_list", "ada", "must be addresses and @domains"),
        ("smtp_url", "http://host", "must begin with smtp:// or smtps://"),
        ("smtp_url", "smtp://host?verify=no", "has no parameter verify"),
        ("smtp_url", "smtp://user:hunter2@", "must name a host"),
        ("notify_url", "http://notify.example", "must begin with https://"),
        ("notify_api_key", "hunter2", "must end with two UUIDs"),
        ("notify_templates", "placement-notice=12", "must have a template id"),
        ("notify_templates", f"placement-notice={NotifyApi.SECRET}", "for default"),
        ("notify_templates", "nonsense", "must be kind=<template id>"),
        ("webhook_secret", "hunter2", "at least 32"),
        ("email_per_minute", "5", "from 10 to 100000"),
        ("email_from", "nobody", "must be an address such as"),
    ],
)
def test_a_wrong_setting_of_a_channel_is_refused_and_secrets_are_not_repeated(name: str, value: str, words: str) -> None:
    with pytest.raises(InvalidSettings, match=words) as caught:
        config(**{name: value})
    assert "hunter2" not in str(caught.value)


def test_no_secret_is_shown_with_the_settings_or_the_senders() -> None:
    settings = {**NOTIFY, **HOOKS, "smtp_url": "smtp://user:hunter2@host", "bounce_token": "b" * 16, "notify_callback_token": "n" * 16}
    found = config(**settings)
    shown = f"{found} {SmtpSender(found.smtp_url, 'a@b.nhs.uk', 60, 30)}"
    assert not [secret for secret in ("hunter2", NOTIFY["notify_api_key"], "x" * 32, "b" * 16, "n" * 16) if secret in shown]


# ---- SMTP --------------------------------------------------------------------------------------------------------


def test_a_mail_is_plain_text_of_one_sender_and_says_what_it_is(by_smtp: Worker, server: SmtpServer) -> None:
    assert deliver(by_smtp, NOW) == 3
    first = alerts(by_smtp)[0]
    [mail] = [mail.message for mail in server.mails if mail.reference == first.alert_key]
    assert (first.status, first.provider, states(by_smtp)) == ("sent", "smtp", ["sent"] * 3)
    assert mail["Message-ID"] == f"<{first.alert_key}@region.example>"
    assert mail["X-Tripartite-Alert"] == first.alert_key
    assert mail["Auto-Submitted"] == "auto-generated"
    assert (mail["From"], mail["To"]) == ("Deadlines <deadlines@region.example>", f'"Routes (invented)" <{ADDRESS}>')
    assert mail["Subject"] == first.subject
    assert mail.get_content().replace("\r\n", "\n") == first.text
    assert said(by_smtp, "alert.sent") == 3


def test_nothing_that_upstream_writes_adds_a_header(by_smtp: Worker, server: SmtpServer) -> None:
    with transaction(by_smtp.engine) as session:
        for alert in map(session.merge, alerts(by_smtp)):
            alert.values = {**alert.values, "to": "Eve\r\nBcc: all@example.net\r\n\r\nBody"}
    deliver(by_smtp, NOW)
    assert {mail.message["Bcc"] for mail in server.mails} == {None}
    assert {mail.to for mail in server.mails} == {ADDRESS}


def test_a_line_with_a_single_dot_does_not_end_a_mail(by_smtp: Worker, server: SmtpServer) -> None:
    sender = senders_of(by_smtp)["email"]
    alert = alerts(by_smtp)[0]
    alert.subject, alert.text = "Points", "one\n.\n..two — three\n"
    assert [outcome.state for _, outcome in sender.send([alert], NOW)] == ["sent"]
    assert server.mails[0].message.get_content().replace("\r\n", "\n") == alert.text


@pytest.mark.parametrize(("answer", "state"), [("550 5.1.1 No such user", "failed"), ("451 4.7.1 Greylisted", "pending")])
def test_one_recipient_that_is_refused_leaves_the_others_alone(by_smtp: Worker, server: SmtpServer, answer: str, state: str) -> None:
    hear(by_smtp, a_contact("other@example.net"), at=later(0.01))
    server.refusals["other@example.net"] = answer
    assert deliver(by_smtp, later(0.1)) == 3
    assert states(by_smtp) == [state] * 3
    assert all(answer in alert.reason for alert in alerts(by_smtp))
    assert server.mails == []
    server.refusals.clear()
    hear(by_smtp, a_contact(), at=later(0.2))
    let_time_pass(by_smtp)
    deliver(by_smtp, later(1))
    assert states(by_smtp) == (["failed"] * 3 if state == "failed" else ["sent"] * 3)


def test_what_the_server_puts_off_for_days_fails_for_good(by_smtp: Worker, server: SmtpServer) -> None:
    server.refusals[ADDRESS] = "451 4.7.1 Later"
    for hours in range(0, 110, 5):
        let_time_pass(by_smtp)
        deliver(by_smtp, later(hours))
    assert states(by_smtp) == ["failed"] * 3
    assert "Tried" in alerts(by_smtp)[0].reason
    assert said(by_smtp, "alert.failed") == 3


def test_a_connection_lost_before_the_message_was_there_means_not_sent(by_smtp: Worker, server: SmtpServer) -> None:
    server.drops = "before-data"
    deliver(by_smtp, NOW)
    assert states(by_smtp) == ["pending"] * 3
    assert "lost before it had the message" in channel(by_smtp).reason
    assert deliver(by_smtp, NOW) == 0, "the server is left alone for a moment"
    server.drops = ""
    let_time_pass(by_smtp)
    deliver(by_smtp, NOW)
    assert set(server.log().values()) == {1}
    assert states(by_smtp) == ["sent"] * 3
    assert channel(by_smtp).reason == ""


def test_a_connection_lost_after_the_message_is_for_a_person_to_settle_and_the_rest_goes_on(by_smtp: Worker, server: SmtpServer) -> None:
    server.drops = "after-data"
    deliver(by_smtp, NOW)
    server.drops = ""
    let_time_pass(by_smtp)
    deliver(by_smtp, NOW)
    assert states(by_smtp) == ["needs-review", "sent", "sent"]
    assert set(server.log().values()) == {1}
    [doubtful] = [alert for alert in alerts(by_smtp) if alert.status == "needs-review"]
    assert f"POST /notifications/alerts/{doubtful.alert_key}/review" in doubtful.reason
    assert said(by_smtp, "alert.sent") == 2


def test_a_server_that_is_away_costs_nothing_and_is_not_asked_again_at_once(tmp_path: Path, server: SmtpServer) -> None:
    worker = waiting(a_sender(tmp_path, {**server.settings, "TRIPARTITE_SMTP_URL": "smtp://user:hunter2@127.0.0.1:9"}), 2)
    assert deliver(worker, NOW) == 2
    assert {(alert.status, alert.attempts) for alert in alerts(worker)} == {("pending", 0)}
    found = channel(worker)
    assert "127.0.0.1:9 cannot be used (ConnectionRefusedError" in found.reason
    assert "hunter2" not in found.reason
    assert deliver(worker, NOW) == 0
    worker.close()


def test_mail_goes_over_tls_with_a_certificate_that_is_checked(tmp_path: Path) -> None:
    certify(tmp_path)
    with SmtpServer(tmp_path / "broker.pem", tmp_path / "broker.key", "region", "hunter2") as server:
        url = f"{server.url}?cacertfile={tmp_path}/authority.pem"
        worker = waiting(a_sender(tmp_path / "data", {**server.settings, "TRIPARTITE_SMTP_URL": url}))
        deliver(worker, NOW)
        assert (states(worker), server.secure) == (["sent"], [True])
        stranger = SmtpSender(f"{server.url}?cacertfile={smtplib.__file__}", "a@region.example", 60, 30)
        with pytest.raises(ChannelAway, match="cannot be used"):
            list(stranger.send(alerts(worker), NOW))
        wrong = SmtpSender(url.replace("hunter2", "hunter3"), "a@region.example", 60, 30)
        with pytest.raises(ChannelAway, match="refuses our user or password") as caught:
            list(wrong.send(alerts(worker), NOW))
        assert "hunter3" not in str(caught.value)
        assert len(server.mails) == 1
        worker.close()


def test_a_server_that_offers_no_tls_gets_nothing_in_the_clear(tmp_path: Path, by_smtp: Worker, server: SmtpServer) -> None:
    certify(tmp_path)
    sender = SmtpSender(f"{server.url}?cacertfile={tmp_path}/authority.pem", "a@region.example", 60, 30)
    with pytest.raises(ChannelAway, match="does not offer STARTTLS"):
        list(sender.send(alerts(by_smtp), NOW))
    assert server.mails == []


# ---- GOV.UK Notify -----------------------------------------------------------------------------------------------


def test_notify_gets_our_wording_and_our_reference(by_notify: Worker, api: NotifyApi) -> None:
    deliver(by_notify, NOW)
    first = alerts(by_notify)[0]
    [post] = [post for post in api.posts if post.reference == first.alert_key]
    assert (post.to, post.subject, post.body, post.template) == (ADDRESS, first.subject, first.text, api.TEMPLATE)
    assert (states(by_notify), first.provider) == (["sent"] * 3, "notify")


@pytest.mark.parametrize("mode", ["429", "429-day", "403"])
def test_notify_that_takes_nothing_for_now_is_left_alone_and_no_attempt_counts(by_notify: Worker, api: NotifyApi, mode: str) -> None:
    api.fail(mode)
    deliver(by_notify, NOW)
    assert {(alert.status, alert.attempts, alert.tries) for alert in alerts(by_notify)} == {("pending", 0, 0)}
    assert deliver(by_notify, NOW) == 0
    assert mode[:3] in channel(by_notify).reason
    assert api.key not in channel(by_notify).reason
    api.fail("", 0)
    let_time_pass(by_notify)
    deliver(by_notify, NOW)
    assert set(api.log().values()) == {1}
    assert states(by_notify) == ["sent"] * 3


def test_a_retry_after_is_respected(by_notify: Worker, api: NotifyApi) -> None:
    api.retry_after = "7200"
    api.fail("429")
    deliver(by_notify, NOW)
    found = channel(by_notify)
    assert found.paused_until is not None
    assert found.paused_until - found.filled_at > timedelta(seconds=7100)


@pytest.mark.parametrize("mode", ["500", "503", "drop", "drop-unaccepted"])
def test_an_answer_that_says_nothing_is_looked_up_before_anything_is_sent_again(by_notify: Worker, api: NotifyApi, mode: str) -> None:
    api.fail(mode, times=1)
    deliver(by_notify, NOW)
    assert states(by_notify) == ["pending", "pending", "unknown"]
    assert deliver(by_notify, NOW) == 0, "Notify may take a moment to know what it has"
    for hours in (0.1, 1, 2):
        let_time_pass(by_notify)
        deliver(by_notify, later(hours))
    assert sum(api.asked.values()) == 1
    assert set(api.log().values()) == {1}
    assert states(by_notify) == ["sent"] * 3
    assert said(by_notify, "alert.sent") == 3


def test_notify_that_stays_away_loses_and_doubles_nothing(by_notify: Worker, api: NotifyApi) -> None:
    api.fail("500")
    for hours in range(12):
        let_time_pass(by_notify)
        deliver(by_notify, later(hours))
    assert set(states(by_notify)) <= {"pending", "unknown"}
    api.fail("", 0)
    for hours in (20, 25, 30):
        let_time_pass(by_notify)
        deliver(by_notify, later(hours))
    assert states(by_notify) == ["sent"] * 3
    assert set(api.log().values()) == {1}


def test_a_refusal_of_notify_is_for_good_in_its_words(by_notify: Worker, api: NotifyApi) -> None:
    api.refusals[ADDRESS] = "Can’t send to this recipient using a team-only API key"
    deliver(by_notify, NOW)
    assert states(by_notify) == ["failed"] * 3
    assert "400 ValidationError: Can’t send to this recipient using a team-only API key" in alerts(by_notify)[0].reason


def test_what_notify_may_have_forgotten_waits_for_a_person(by_notify: Worker, api: NotifyApi) -> None:
    api.fail("drop", times=1)
    deliver(by_notify, NOW)
    let_time_pass(by_notify)
    deliver(by_notify, NOW + timedelta(days=8))
    assert states(by_notify).count("needs-review") == 1
    assert api.asked == {}


def test_an_alert_in_doubt_is_not_looked_for_elsewhere_when_the_provider_was_changed(
    by_notify: Worker, api: NotifyApi, tmp_path: Path
) -> None:
    api.fail("drop", times=1)
    deliver(by_notify, NOW)
    by_files = a_sender(tmp_path, {})
    let_time_pass(by_files)
    deliver(by_files, NOW)
    assert states(by_files) == ["needs-review", "sent", "sent"]
    by_files.close()


# ---- webhooks ----------------------------------------------------------------------------------------------------


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


def test_waits_grow_differ_and_have_an_end() -> None:
    waits = [wait("key", tries) for tries in range(1, 60)]
    assert all(15 <= seconds <= LONGEST_WAIT for seconds in waits)
    assert waits[:3] == [wait("key", tries) for tries in (1, 2, 3)]
    assert len({wait(f"key-{number}", 1) for number in range(50)}) == 50
