"""What providers and people say of alerts that have left: applied once, in any order, by whoever has the token."""

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from services.notifications.app import create_app
from services.notifications.models import Alert
from services.notifications.receipts import from_bounce
from services.notifications.senders.delivery import deliver
from shared.database import transaction
from shared.errors import Refused
from shared.outbox import OutboxRow
from shared.wire import read_message
from shared.worker import Worker
from tests.notifications.channels import ADDRESS, NOW, a_contact, a_sender, alerts, hear, later, let_time_pass, said, states, waiting
from tests.providers import NotifyApi, SmtpServer

TOKEN, BOUNCES = "a-token-of-this-test", "another-token-of-this-test"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def worker(tmp_path: Path, api: NotifyApi) -> Iterator[Worker]:
    made = waiting(a_sender(tmp_path, api.settings, TRIPARTITE_NOTIFY_CALLBACK_TOKEN=TOKEN, TRIPARTITE_BOUNCE_TOKEN=BOUNCES))
    yield made
    made.close()


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    return create_app(worker).test_client()


@pytest.fixture
def sent(worker: Worker) -> Alert:
    deliver(worker, NOW)
    return alerts(worker)[0]


def post(client: FlaskClient, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    answer = client.post("/notifications/receipts/notify", json=body, headers=headers or BEARER)
    return answer.status_code, answer.get_json()


def test_a_delivery_is_on_record(worker: Worker, client: FlaskClient, api: NotifyApi, sent: Alert) -> None:
    status, answer = post(client, api.receipt(sent.alert_key, "delivered", later(1)))
    assert (status, answer["applied"], answer["status"], answer["receipt"]) == (200, True, "sent", "delivered")
    shown = client.get(f"/notifications/alerts/{sent.alert_key}").get_json()
    assert (shown["receipt"], shown["receipt_at"], shown["provider"]) == ("delivered", later(1).isoformat(), "notify")
    assert (said(worker, "alert.sent"), said(worker, "alert.bounced")) == (1, 0)


@pytest.mark.parametrize("failure", ["permanent-failure", "temporary-failure", "technical-failure"])
def test_an_alert_that_did_not_arrive_has_bounced_and_is_said_to(
    worker: Worker, client: FlaskClient, api: NotifyApi, sent: Alert, failure: str
) -> None:
    post(client, api.receipt(sent.alert_key, failure, later(1)))
    post(client, api.receipt(sent.alert_key, failure, later(1)))
    [found] = alerts(worker)
    assert (found.status, found.receipt) == ("bounced", failure)
    assert f"did not arrive at {ADDRESS}: GOV.UK Notify says {failure}" in found.reason
    assert said(worker, "alert.bounced") == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_in_whatever_order_receipts_come_the_newest_stands(
    worker: Worker, client: FlaskClient, api: NotifyApi, sent: Alert, order: tuple[int, ...]
) -> None:
    all_of_them = [
        api.receipt(sent.alert_key, "temporary-failure", later(1)),
        api.receipt(sent.alert_key, "permanent-failure", later(2)),
        api.receipt(sent.alert_key, "delivered", later(3)),
    ]
    for number in order:
        assert post(client, all_of_them[number])[0] == 200
    assert (states(worker), alerts(worker)[0].receipt) == (["sent"], "delivered")
    assert said(worker, "alert.sent") == 1


def test_a_receipt_settles_an_alert_that_was_in_doubt(worker: Worker, client: FlaskClient, api: NotifyApi) -> None:
    api.fail("drop", times=1)
    deliver(worker, NOW)
    assert states(worker) == ["unknown"]
    post(client, api.receipt(alerts(worker)[0].alert_key, "delivered", later(0.1)))
    let_time_pass(worker)
    deliver(worker, later(1))
    assert (states(worker), said(worker, "alert.sent"), set(api.log().values())) == (["sent"], 1, {1})


def test_after_a_bounce_it_goes_again_to_another_address_as_an_alert_of_its_own(
    worker: Worker, client: FlaskClient, api: NotifyApi, sent: Alert
) -> None:
    post(client, api.receipt(sent.alert_key, "permanent-failure", later(1)))
    hear(worker, a_contact("mended@example.net"), at=later(2))
    deliver(worker, later(3))
    [again] = [alert for alert in alerts(worker) if alert.alert_key != sent.alert_key]
    assert api.log() == {sent.alert_key: 1, again.alert_key: 1}
    assert (again.address, again.status) == ("mended@example.net", "sent")
    assert post(client, api.receipt(sent.alert_key, "permanent-failure", later(4)))[1]["status"] == "bounced"
    assert (said(worker, "alert.sent"), said(worker, "alert.bounced")) == (2, 1)


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"X": "y"}, {"Authorization": "Bearer £"}]
)
def test_without_the_token_nothing_is_taken(
    worker: Worker, client: FlaskClient, api: NotifyApi, sent: Alert, headers: dict[str, str]
) -> None:
    status, answer = post(client, api.receipt(sent.alert_key, "permanent-failure", later(1)), **headers)
    assert (status, states(worker)) == (401, ["sent"])
    assert TOKEN not in str(answer)


def test_where_no_token_is_set_nothing_is_taken(tmp_path: Path, api: NotifyApi) -> None:
    worker = a_sender(tmp_path, api.settings)
    status, answer = post(create_app(worker).test_client(), {}, Authorization="Bearer ")
    assert (status, "is not set here" in answer["detail"]) == (401, True)
    worker.close()


@pytest.mark.parametrize("reference", ["0" * 64, "not ours", "../etc", ""])
def test_a_receipt_of_nothing_of_ours_has_no_effect(client: FlaskClient, api: NotifyApi, sent: Alert, reference: str) -> None:
    body = {**api.receipt(sent.alert_key, "permanent-failure", later(1)), "reference": reference}
    assert post(client, body)[0] == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"status": "exploded"}, "#/status"),
        ({"status": 3}, "#/status"),
        ({"reference": None}, "#/reference"),
        ({"completed_at": "soon"}, "#/completed_at"),
        ({"completed_at": "0001-01-01T00:00:00+23:59"}, "#/completed_at"),
        ({"completed_at": "9999-12-31T23:59:59-23:59"}, "#/completed_at"),
        ({"reference": "\x00"}, "#/reference"),
    ],
)
def test_what_is_no_receipt_is_refused_field_by_field(
    worker: Worker, client: FlaskClient, api: NotifyApi, sent: Alert, change: dict[str, Any], pointer: str
) -> None:
    status, answer = post(client, {**api.receipt(sent.alert_key, "permanent-failure", later(1)), **change})
    assert (status, [error["pointer"] for error in answer["errors"]], states(worker)) == (422, [pointer], ["sent"])
    assert post(client, ["x"])[0] == 422


# ---- bounces -----------------------------------------------------------------------------------------------------

ONE_HOUR_LATER = later(1)
BOUNCE = """\
From: MAILER-DAEMON@mail.example
To: deadlines@region.example
Subject: Undelivered Mail Returned to Sender
Date: {date}
Message-ID: <bounce@mail.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=b"

--=b
Content-Type: text/plain; charset=us-ascii

This is the mail system.

--=b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example
Arrival-Date: Wed, 05 May 2027 09:00:01 +0000

Final-Recipient: rfc822; routes@example.net
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 <routes@example.net>:
    no such user

--=b
Content-Type: {kind}

Message-ID: <{reference}@region.example>
X-Tripartite-Alert: {reference}
Subject: a route

--=b--
"""


def bounce(
    reference: str, action: str = "failed", status: str = "5.1.1", at: datetime = ONE_HOUR_LATER, kind: str = "text/rfc822-headers"
) -> bytes:
    date = at.strftime("%a, %d %b %Y %H:%M:%S +0000")
    return BOUNCE.format(reference=reference, action=action, status=status, date=date, kind=kind).replace("\n", "\r\n").encode()


@pytest.mark.parametrize("kind", ["text/rfc822-headers", "message/rfc822"])
@pytest.mark.parametrize(
    ("action", "status", "state", "receipt"),
    [
        ("failed", "5.1.1", "bounced", "permanent-failure"),
        ("failed", "4.4.7", "bounced", "temporary-failure"),
        ("delayed", "4.4.1", "sent", "delayed"),
        ("delivered", "2.0.0", "sent", "delivered"),
    ],
)
def test_a_bounce_is_read_as_rfc_3464_has_it(
    worker: Worker, client: FlaskClient, sent: Alert, kind: str, action: str, status: str, state: str, receipt: str
) -> None:
    answer = client.post(
        "/notifications/receipts/bounce",
        data=bounce(sent.alert_key, action, status, kind=kind),
        headers={"Authorization": f"Bearer {BOUNCES}", "Content-Type": "message/rfc822"},
    )
    assert (answer.status_code, states(worker), alerts(worker)[0].receipt) == (200, [state], receipt)
    if state == "bounced":
        assert "smtp; 550 5.1.1 <routes@example.net>: no such user" in alerts(worker)[0].reason


@pytest.mark.parametrize("words", [b"550 \x00 no", b"550 \xe2\x80\xae no", b"550 \xff no", b"=?utf-8?q?550=00=0ano?="])
def test_whatever_a_bounce_says_whoever_hears_of_it_can_read_it(worker: Worker, client: FlaskClient, sent: Alert, words: bytes) -> None:
    raw = bounce(sent.alert_key).replace(b"550 5.1.1 <routes@example.net>:\r\n    no such user", words)
    bearer = {"Authorization": f"Bearer {BOUNCES}", "Content-Type": "message/rfc822"}
    assert client.post("/notifications/receipts/bounce", data=raw, headers=bearer).status_code == 200
    assert alerts(worker)[0].reason.isprintable()
    with transaction(worker.engine) as session:
        for body in session.scalars(select(OutboxRow.body)):
            read_message(body.encode())


def test_a_bounce_of_a_day_that_no_calendar_has_is_of_its_next_best_time(client: FlaskClient, sent: Alert, worker: Worker) -> None:
    raw = bounce(sent.alert_key).replace(b"Wed, 05 May 2027 10:00:00 +0000", b"Fri, 31 Dec 9999 23:59:59 -2359")
    assert from_bounce(raw).at == NOW + timedelta(seconds=1)


def test_a_bounce_of_something_else_is_refused() -> None:
    for raw in (b"", b"Subject: hello\r\n\r\nhello", bounce("not-ours"), bounce("0" * 32), bounce("0" * 65)):
        with pytest.raises(Refused):
            from_bounce(raw)


def test_a_receipt_of_each_token_is_taken_where_it_belongs_only(client: FlaskClient, sent: Alert) -> None:
    assert client.post("/notifications/receipts/bounce", data=bounce(sent.alert_key), headers=BEARER).status_code == 401


# ---- what a person found out -------------------------------------------------------------------------------------


@pytest.fixture
def doubtful(tmp_path: Path) -> Iterator[Worker]:
    with SmtpServer() as server:
        server.drops = "after-data"
        worker = waiting(a_sender(tmp_path, server.settings))
        deliver(worker, NOW)
        deliver(worker, NOW)
        server.drops = ""
        yield worker
        worker.close()


@pytest.mark.parametrize(("sent", "state"), [(True, "sent"), (False, "pending")])
def test_a_person_settles_what_nobody_else_can(doubtful: Worker, sent: bool, state: str) -> None:
    client = create_app(doubtful).test_client()
    [listed] = client.get("/notifications/alerts?status=needs-review").get_json()["items"]
    address, body = f"/notifications/alerts/{listed['alert_key']}/review", {"sent": sent, "by": "Ada Quillfeather (invented)"}
    first = client.post(address, json=body, headers={"Idempotency-Key": "one"})
    again = client.post(address, json=body, headers={"Idempotency-Key": "one"})
    assert (first.status_code, first.get_json()["status"], again.get_json()) == (200, state, first.get_json())
    assert first.get_json()["reviewed_by"] == "Ada Quillfeather (invented)"
    assert client.post(address, json=body).status_code == 409
    let_time_pass(doubtful)
    deliver(doubtful, NOW + timedelta(hours=2))
    assert (states(doubtful), said(doubtful, "alert.sent")) == (["sent"], 1)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"by": "Ada"}, "#/sent"),
        ({"sent": True}, "#/by"),
        ({"sent": True, "by": "A\x00"}, "#/by"),
        ({"sent": True, "by": "A", "x": 1}, "#/x"),
    ],
)
def test_a_review_that_says_too_little_is_refused(doubtful: Worker, body: dict[str, Any], pointer: str) -> None:
    answer = create_app(doubtful).test_client().post(f"/notifications/alerts/{alerts(doubtful)[0].alert_key}/review", json=body)
    assert (answer.status_code, [error["pointer"] for error in answer.get_json()["errors"]]) == (422, [pointer])


def test_what_was_refused_and_mended_goes_out_again_when_a_person_says_so(worker: Worker, client: FlaskClient, api: NotifyApi) -> None:
    api.refusals[ADDRESS] = "Can't send to this recipient when service is in trial mode"
    deliver(worker, NOW)
    api.refusals.clear()
    key = alerts(worker)[0].alert_key
    assert client.post(f"/notifications/alerts/{key}/review", json={"sent": True, "by": "Ada"}).status_code == 409
    assert client.post(f"/notifications/alerts/{key}/review", json={"sent": False, "by": "Ada"}).status_code == 200
    deliver(worker, later(1))
    assert (states(worker), api.log()) == (["sent"], {key: 1})


def test_channels_say_until_when_they_are_left_alone_and_why(worker: Worker, client: FlaskClient, api: NotifyApi) -> None:
    api.fail("403")
    deliver(worker, NOW)
    [shown] = client.get("/notifications/channels").get_json()["items"]
    assert (shown["name"], shown["failures"], "TRIPARTITE_NOTIFY_API_KEY" in shown["reason"]) == ("email", 1, True)
