"""What may leave on a channel that leads outside, and to whom; settings that are wrong are refused, and no secret is shown."""

from pathlib import Path

import pytest

from services.notifications.senders.delivery import deliver
from services.notifications.senders.leaving import kept_because
from services.notifications.senders.smtp import SmtpSender
from shared.config import Config, read_config
from shared.errors import InvalidSettings
from tests.notifications.channels import NOW, a_contact, a_sender, alerts, hear, later, said, states, waiting
from tests.providers import NotifyApi, SmtpServer


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
