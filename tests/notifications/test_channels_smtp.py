"""Mail over SMTP: plain text over TLS, to each recipient once, whatever the server refuses, puts off or cuts off."""

import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.notifications.senders import senders_of
from services.notifications.senders.delivery import deliver
from services.notifications.senders.smtp import SmtpSender
from shared.database import transaction
from shared.errors import ChannelAway
from shared.worker import Worker
from tests.notifications.channels import (
    ADDRESS,
    NOW,
    a_contact,
    a_sender,
    alerts,
    channel,
    hear,
    later,
    let_time_pass,
    said,
    states,
    waiting,
)
from tests.providers import SmtpServer
from tests.shared.test_tls import certify


@pytest.fixture
def by_smtp(tmp_path: Path, server: SmtpServer) -> Iterator[Worker]:
    worker = waiting(a_sender(tmp_path, server.settings), 3)
    yield worker
    worker.close()


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
    deliver(by_smtp, later(1))
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
