"""What can go wrong between a provider's answer and the mark: nothing leaves twice, and one alert holds up no other."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from services.notifications import senders
from services.notifications.models import Alert
from services.notifications.senders import delivery
from services.notifications.senders.delivery import begin, claim, deliver, mark, settle_claims
from services.notifications.senders.states import review
from shared.database import transaction
from shared.worker import Worker
from tests.notifications.channels import NOW, a_contact, a_route, a_sender, alerts, hear, later, let_time_pass, states, waiting
from tests.providers import NotifyApi, SmtpServer

BAD, GOOD = "bad@example.net", "good@example.net"
AWAY = OperationalError("UPDATE", {}, Exception("the connection was lost"))


@pytest.fixture(params=["smtp", "notify"])
def provider(request: pytest.FixtureRequest) -> SmtpServer | NotifyApi:
    found: SmtpServer | NotifyApi = request.getfixturevalue({"smtp": "server", "notify": "api"}[request.param])
    return found


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_an_alert_whose_mark_fails_leaves_once(
    tmp_path: Path, provider: SmtpServer | NotifyApi, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = waiting(a_sender(tmp_path, provider.settings), 3)
    failures = [AWAY] * times

    def failing(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        mark(*arguments)

    monkeypatch.setattr(delivery, "mark", failing)
    with pytest.raises(OperationalError):
        deliver(worker, NOW)
    for hours in (1, 2):
        let_time_pass(worker)
        deliver(worker, later(hours))
    assert set(provider.log().values()) == {1}
    assert len(provider.log()) == 3
    left = ["needs-review", "sent", "sent"] if times == 2 and isinstance(provider, SmtpServer) else ["sent"] * 3
    assert states(worker) == left, "what was answered is marked again; if that fails too, it is looked up, where that can be"
    worker.close()


@pytest.mark.parametrize(("answer", "state"), [("550 5.1.1 No such user", "failed"), ("", "pending")], ids=["refuses", "says nothing"])
def test_a_recipient_on_whom_a_server_hangs_up_holds_up_nobody_else(tmp_path: Path, server: SmtpServer, answer: str, state: str) -> None:
    worker = waiting(a_sender(tmp_path, server.settings), 1, email=BAD)
    hear(worker, a_route(7), at=later(0.01))
    with transaction(worker.engine) as session:
        other = session.scalars(select(Alert).order_by(Alert.regarding.desc()).limit(1)).one()
        other.recipient_id, other.address = "C2", GOOD
    server.hangs_up_on.add(BAD)
    if answer:
        server.refusals[BAD] = answer
    for seconds in (0, 10):
        let_time_pass(worker)
        deliver(worker, later(1 + seconds / 3600))
    assert [(alert.address, alert.status) for alert in alerts(worker)] == [(BAD, state), (GOOD, "sent")]
    assert [mail.to for mail in server.mails] == [GOOD]
    worker.close()


@pytest.mark.parametrize(("answer", "state"), [("251 2.1.5 Queued", "sent"), ("354 What now?", "needs-review")])
def test_an_answer_to_a_message_is_taken_at_its_class(tmp_path: Path, server: SmtpServer, answer: str, state: str) -> None:
    worker = waiting(a_sender(tmp_path, server.settings))
    server.answer = answer
    deliver(worker, NOW)
    let_time_pass(worker)
    deliver(worker, later(1))
    assert states(worker) == [state]
    worker.close()


def begun(worker: Worker, token: str) -> tuple["senders.Sender", list[Alert]]:
    """An alert is claimed and begun, and not yet posted; with the sender that has it in hand."""
    sender = senders.senders_of(worker)["email"]
    rows, _ = claim(worker, "email", sender, token, NOW)
    assert all(begin(worker, token, alert.alert_key, NOW) for alert in rows)
    return sender, rows


def test_an_embedded_start_does_not_ask_a_provider_that_may_not_know_yet(tmp_path: Path, api: NotifyApi) -> None:
    worker = waiting(a_sender(tmp_path, api.settings))
    sender, rows = begun(worker, "dead")
    assert settle_claims(worker, NOW, at_start=True) == 0
    list(sender.send(rows, NOW))  # it was on its way when the process died, and arrives now
    let_time_pass(worker)
    deliver(worker, later(1))
    assert (states(worker), set(api.log().values())) == (["sent"], {1})
    worker.close()


def test_an_answer_that_comes_after_the_lease_counts_before_another_has_begun(tmp_path: Path, api: NotifyApi) -> None:
    worker = waiting(a_sender(tmp_path, api.settings))
    sender, rows = begun(worker, "slow")
    let_time_pass(worker)
    settle_claims(worker, NOW)
    claim(worker, "email", sender, "other", NOW)
    mark(worker, sender, "slow", dict(sender.send(rows, NOW)), NOW)
    assert not begin(worker, "other", rows[0].alert_key, NOW)
    assert (states(worker), set(api.log().values())) == (["sent"], {1})
    worker.close()


def test_an_alert_in_doubt_goes_to_the_address_that_its_contact_has_by_then(tmp_path: Path, server: SmtpServer) -> None:
    worker = waiting(a_sender(tmp_path, server.settings), 1, email="old@example.net")
    server.drops = "before-data"
    deliver(worker, NOW)
    with transaction(worker.engine) as session:
        session.scalars(select(Alert)).one().status = "needs-review"
    hear(worker, replace(a_contact("new@example.net"), name="Grace (invented)"), at=later(1))
    with transaction(worker.engine) as session:
        review(session.scalars(select(Alert)).one(), sent=False, by="Ada (invented)", now=later(2))
    server.drops = ""
    let_time_pass(worker)
    deliver(worker, later(3))
    assert [mail.to for mail in server.mails] == ["new@example.net"]
    assert str(server.mails[0].message["To"]) == '"Grace (invented)" <new@example.net>'
    worker.close()
