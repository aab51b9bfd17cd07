"""Digests, escalations and acknowledgements on a real database: each once, and everybody's receipts are right."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from services.notifications import gathering, senders
from services.notifications.app import SERVICE, create_app
from services.notifications.digests import with_members
from services.notifications.escalation import escalate, look_at
from services.notifications.gathering import gather
from services.notifications.letters import render
from services.notifications.models import Alert
from services.notifications.senders import delivery
from services.notifications.senders.delivery import claim, mark
from services.notifications.senders.outcomes import Outcome, later, refused
from shared.bus.embedded import forget_embedded_queues
from shared.config import Config
from shared.database import migrate, open_database, transaction
from shared.decisions import DecisionRow
from shared.events import DeadlineMet, DeadlineMissed, Event, PlacementUpdated, PlacementWithdrawn, RecipientUpdated
from shared.outbox import OutboxRow
from shared.wire import read_message
from shared.worker import LONDON, Worker
from tests.helpers import Clock, a_message, a_placement, a_recipient
from tests.nodes import Database
from tests.notifications.test_decisions import DEADLINE

DAY = datetime(2027, 5, 5, 9, tzinfo=UTC)
TOKEN = "a-token-of-this-test"
HOST = a_recipient(
    "host",
    role="host",
    organisation="RXN",
    purpose="placements",
    name="Rotas of Preston (invented)",
    email="host@example.org",
    escalates_to="second",
)
SECOND = a_recipient(
    "second", role="host", organisation="RXN", purpose="education", name="Medical education (invented)", email="second@example.org"
)
SCHEDULES = a_recipient(
    "schedules",
    role="host",
    organisation="RXN",
    purpose="work-schedules",
    name="Schedules (invented)",
    email="s@example.org",
    escalates_to="second",
)

MISSED = DeadlineMissed(**DEADLINE, caused_by="host")


class House:
    """A worker of notifications, and what it is told."""

    def __init__(self, worker: Worker, clock: Clock) -> None:
        self.worker, self.clock, self.told = worker, clock, 0

    def hear(self, *events: Event) -> None:
        for event in events:
            self.told += 1
            at = self.clock() + timedelta(milliseconds=self.told)
            self.worker.take_in([a_message(event, self.told, at)], self.clock())

    def live(self, **by: int) -> None:
        """Wind the clock, and let every chore do what there is to do."""
        self.clock.now += timedelta(**by)
        while sum(chore(self.worker, self.clock()) for chore in SERVICE.chores):
            pass

    def alerts(self, **wanted: Any) -> list[Alert]:
        with transaction(self.worker.engine) as session:
            return list(session.scalars(select(Alert).filter_by(**wanted).order_by(Alert.alert_key)))

    def said(self, type_: str) -> Counter[str]:
        with transaction(self.worker.engine) as session:
            return Counter(session.scalars(select(OutboxRow.subject).where(OutboxRow.type == type_)))

    def take_receipt(self, alert: Alert, status: str) -> None:
        """A second later, the provider says what became of an alert."""
        self.clock.now += timedelta(seconds=1)
        client = create_app(self.worker).test_client()
        body = {"reference": alert.alert_key, "status": status, "completed_at": self.clock().isoformat()}
        answer = client.post("/notifications/receipts/notify", json=body, headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200

    def mails(self) -> list[str]:
        return [file.read_text(encoding="utf-8") for file in (self.worker.config.data / "alerts").glob("*.txt")]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    forget_embedded_queues()
    clock = Clock(DAY)
    worker = Worker(
        SERVICE, Config(data=tmp_path, public_url="https://t.example.org", link_secret="s" * 32, notify_callback_token=TOKEN), clock
    )
    made = House(worker, clock)
    made.hear(HOST, SECOND, SCHEDULES)
    yield made
    worker.close()


def arrivals(count: int) -> list[PlacementUpdated]:
    return [a_placement(placement_id=f"p{number:02}", trainee_id=f"t{number}") for number in range(count)]


# ---- digests -----------------------------------------------------------------------------------------------------


def test_a_host_of_eighty_arrivals_gets_one_morning_digest(house: House) -> None:
    house.hear(*arrivals(80))
    house.live(hours=2)
    assert house.mails() == []
    house.live(hours=20)
    [mail] = house.mails()
    assert "Subject: 80 messages for 6 May 2027: new placements" in mail
    assert "New placements (80)" in mail
    assert all(f"  Placement:      p{number:02}\n" in mail for number in range(80))
    members = house.alerts(recipient_id="host", kind="placement-notice")
    assert {member.status for member in members} == {"sent"}
    [digest] = house.alerts(kind="digest")
    sent = house.said("alert.sent")
    assert sent == Counter([digest.alert_key, *(member.alert_key for member in members)]), "each is said once"
    letter = render(digest.template, digest.values)
    assert (letter.subject, letter.text) == (digest.subject, digest.text), "it can be shown again"
    house.live(days=1)
    assert len(house.mails()) == 1


def test_a_single_message_goes_as_itself(house: House) -> None:
    house.hear(*arrivals(1))
    house.live(hours=22)
    [mail] = house.mails()
    assert "A doctor's placement" in mail
    assert house.alerts(kind="digest") == []


def test_what_was_withdrawn_before_the_morning_stands_in_no_digest(house: House) -> None:
    house.hear(*arrivals(3))
    house.live(hours=1)
    house.hear(PlacementWithdrawn(placement_id="p01", reason="The post was closed"))
    house.live(hours=21)
    [mail] = house.mails()
    assert "2 messages" in mail
    assert "p01" not in mail


def test_what_a_digest_comes_to_its_members_come_to(house: House) -> None:
    house.hear(*arrivals(3))
    house.clock.now += timedelta(hours=22)
    gather(house.worker, house.clock())
    mail = senders.senders_of(house.worker)["email"]
    claimed, _ = delivery.claim(house.worker, "email", mail, "token", house.clock())
    delivery.mark(house.worker, mail, "token", {claimed[0].alert_key: refused("The address does not exist.")}, house.clock())
    members = house.alerts(recipient_id="host", kind="placement-notice")
    assert {(member.status, member.reason) for member in members} == {("failed", "The address does not exist.")}
    assert all(house.said("alert.failed")[member.alert_key] == 1 for member in members)
    review = f"/notifications/alerts/{claimed[0].alert_key}/review"
    answer = create_app(house.worker).test_client().post(review, json={"sent": False, "by": "Ada Quillfeather (invented)"})
    assert answer.status_code == 200
    house.live()
    members = house.alerts(recipient_id="host", kind="placement-notice")
    assert {(member.status, member.reason) for member in members} == {("sent", "")}, "the address was mended, and the digest has left"


def test_a_digest_that_comes_back_takes_its_members_with_it(house: House) -> None:
    house.hear(*arrivals(2))
    house.live(hours=22)
    with transaction(house.worker.engine) as session:
        [digest] = session.scalars(select(Alert).where(Alert.kind == "digest"))
        digest.status, digest.reason = "bounced", "The mailbox is full."
        assert len(with_members(session, [digest])) == 3
    assert [member.status for member in house.alerts(recipient_id="host", kind="placement-notice")] == ["bounced"] * 2
    house.hear(a_recipient("host", **{**vars_of(HOST), "email": "new@example.org"}))
    house.live(days=1)
    [again] = [mail for mail in house.mails() if "<new@example.org>" in mail]
    assert again.count("  First due on:   Thursday 6 May 2027; we could not reach you then\n") == 2


def test_a_digest_that_is_kept_keeps_its_members(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.worker, "config", replace(house.worker.config, email="smtp", smtp_url="smtp://127.0.0.1:1", sending=False))
    house.hear(*arrivals(3))
    house.live(hours=22)
    [digest] = house.alerts(kind="digest")
    members = house.alerts(digest=digest.alert_key)
    assert len(members) == 3
    assert {(alert.status, alert.reason) for alert in (digest, *members)} == {
        ("kept", "Worded and kept, not sent: sending is off (TRIPARTITE_SENDING).")
    }
    said = house.said("alert.sent") + house.said("alert.failed")
    assert not {digest.alert_key, *(member.alert_key for member in members)} & said.keys()


def test_what_is_said_of_a_digest_is_said_of_its_members_as_well(house: House) -> None:
    house.hear(*arrivals(2))
    house.live(hours=22)
    [digest] = house.alerts(kind="digest")
    house.take_receipt(digest, "permanent-failure")
    house.take_receipt(digest, "permanent-failure")
    members = house.alerts(digest=digest.alert_key)
    assert [member.status for member in members] == ["bounced"] * 2
    assert house.said("alert.bounced") == Counter([digest.alert_key, *(member.alert_key for member in members)])
    house.take_receipt(digest, "delivered")
    assert {member.status for member in house.alerts(digest=digest.alert_key)} == {"sent"}, "newer news: it came after all"


def test_a_person_who_settles_a_digest_settles_its_members(house: House) -> None:
    house.hear(*arrivals(2))
    house.clock.now += timedelta(hours=22)
    gather(house.worker, house.clock())
    with transaction(house.worker.engine) as session:
        [digest] = session.scalars(select(Alert).where(Alert.kind == "digest"))
        digest.status = "needs-review"
    client = create_app(house.worker).test_client()
    answer = client.post(f"/notifications/alerts/{digest.alert_key}/review", json={"sent": True, "by": "Ada Quillfeather (invented)"})
    assert answer.status_code == 200
    members = house.alerts(digest=digest.alert_key)
    assert [member.status for member in members] == ["sent"] * 2
    assert house.said("alert.sent") == Counter([digest.alert_key, *(member.alert_key for member in members)])


def vars_of(event: RecipientUpdated) -> dict[str, Any]:
    return {name: value for name, value in vars(event).items() if name not in ("recipient_id",)}


def test_a_digest_that_was_held_up_until_the_night_waits_for_the_morning(house: House) -> None:
    house.hear(*arrivals(2))
    house.live(hours=36)
    assert house.mails() == [], "it is ten in the evening in England"
    house.live(hours=9)
    assert len(house.mails()) == 1


def test_a_mail_that_was_held_up_until_the_night_waits_for_the_morning_unless_it_is_urgent(house: House) -> None:
    house.hear(a_recipient(), MISSED, *arrivals(1), a_placement(trainee_id="t1"))
    house.live(hours=13)
    assert [alert.kind for alert in house.alerts(status="sent", channel="email")] == ["deadline-missed"]
    house.live(hours=8)
    assert "placement-notice" in {alert.kind for alert in house.alerts(status="sent", channel="email")}


def test_one_that_cannot_be_worded_fails_alone(house: House) -> None:
    house.hear(*arrivals(3))
    with transaction(house.worker.engine) as session:
        broken = session.scalars(select(Alert).where(Alert.regarding == "p00", Alert.role == "host")).one()
        broken.values = {name: value for name, value in broken.values.items() if name != "site"}
    house.live(hours=22)
    [mail] = house.mails()
    assert "2 messages" in mail
    assert [alert.regarding for alert in house.alerts(recipient_id="host", status="failed")] == ["p00"]


def test_a_worker_that_dies_while_it_gathers_leaves_everything_to_the_next(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.hear(*arrivals(3))
    house.clock.now += timedelta(hours=22)

    def dies(*_: Any) -> Alert:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(gathering, "digest_of", dies)
        with pytest.raises(KeyboardInterrupt):
            gather(house.worker, house.clock())
    assert {alert.status for alert in house.alerts(recipient_id="host")} == {"pending"}
    house.live()
    assert len(house.mails()) == 1


def test_several_workers_gather_and_send_each_digest_once(tmp_path: Path, database: Database) -> None:
    url = database.create([SERVICE.name], "gathering")
    config = Config(data=tmp_path, database_url=url, batch=7)
    engine = open_database(config.database_of(SERVICE.name))
    migrate(engine, SERVICE.name)
    engine.dispose()
    clock = Clock(DAY)
    workers = [Worker(SERVICE, config, clock) for _ in range(3)]
    house = House(workers[0], clock)
    hosts = [a_recipient(f"h{n}", **{**vars_of(HOST), "organisation": f"R{n:02}", "escalates_to": ""}) for n in range(6)]
    house.hear(*hosts)
    house.hear(*(a_placement(placement_id=f"p{n:02}", trainee_id=f"t{n}", host=f"R{n % 6:02}") for n in range(30)))
    clock.now += timedelta(hours=22)
    with ThreadPoolExecutor(3) as pool:
        for _ in range(40):
            list(pool.map(lambda worker: sum(chore(worker, clock()) for chore in SERVICE.chores), workers))
    digests, members = house.alerts(kind="digest"), [alert for alert in house.alerts(kind="placement-notice") if alert.role == "host"]
    assert [(len(digests), {digest.status for digest in digests})] == [(6, {"sent"})]
    assert {member.digest for member in members} == {digest.alert_key for digest in digests}
    assert set(house.said("alert.sent").values()) == {1}
    assert len(house.mails()) == 6
    for worker in workers:
        worker.close()
    database.drop("gathering")


# ---- what changes while an alert waits, or is in hand ---------------------------------------------------------------


def test_a_contact_that_goes_to_another_organisation_gets_nothing_of_the_old_one(house: House) -> None:
    house.hear(*arrivals(2), a_recipient("host", **{**vars_of(HOST), "organisation": "RBN"}))
    house.live(days=1)
    assert house.alerts(recipient_id="host") == []
    waiting = house.alerts(kind="placement-notice", role="host")
    assert [alert.reason for alert in waiting] == ["No host contact of RXN for placements is known; send recipient.updated for it."] * 2
    house.hear(a_recipient("new", **{**vars_of(HOST), "email": "new@example.org"}))
    house.live(days=1)
    assert {alert.status for alert in house.alerts(kind="placement-notice", recipient_id="new")} == {"sent"}


@pytest.mark.parametrize("failure", [refused("550 no such user"), later("451 not now")])
def test_what_was_met_while_it_was_in_hand_does_not_leave_later(house: House, failure: Outcome) -> None:
    house.hear(MISSED)
    sender = senders.senders_of(house.worker)["email"]
    claimed, _ = claim(house.worker, "email", sender, "token", house.clock())
    house.hear(DeadlineMet(**DEADLINE, issued_on=date(2027, 6, 10), days_late=1))
    mark(house.worker, sender, "token", {alert.alert_key: failure for alert in claimed}, house.clock())
    house.hear(a_recipient("schedules", **{**vars_of(SCHEDULES), "email": "new@example.org"}))
    house.live(days=1)
    [alert] = house.alerts(kind="deadline-missed", recipient_id="schedules")
    assert (alert.status, alert.reason) == ("withdrawn", "deadline.met was heard before this could be sent.")
    assert house.mails() == []


def test_a_notice_in_hand_never_leaves_after_the_cancellation(house: House) -> None:
    [placement] = arrivals(1)
    house.hear(placement)
    gather(house.worker, house.clock() + timedelta(days=1))
    sender = senders.senders_of(house.worker)["email"]
    claimed, _ = claim(house.worker, "email", sender, "token", house.clock() + timedelta(days=1))
    house.hear(PlacementWithdrawn(placement_id=placement.placement_id, reason="The post was closed"))
    mark(house.worker, sender, "token", {alert.alert_key: later("451 not now") for alert in claimed}, house.clock())
    house.live(days=1)
    found = {alert.kind: alert.status for alert in house.alerts(recipient_id="host")}
    assert found == {"placement-notice": "withdrawn", "placement-cancelled": "sent"}


def test_a_digest_that_has_not_left_says_nothing_that_is_over_by_then(house: House) -> None:
    house.hear(*arrivals(3))
    gather(house.worker, house.clock() + timedelta(days=1))
    house.hear(PlacementWithdrawn(placement_id="p01", reason="The post was closed"))
    house.live(days=1)
    [first, second] = sorted(house.alerts(kind="digest"), key=lambda digest: digest.values["count"])
    assert (first.status, first.values["count"], second.status, second.values["count"]) == ("sent", 2, "withdrawn", 3)
    notices = {alert.regarding: (alert.status, alert.digest) for alert in house.alerts(kind="placement-notice", recipient_id="host")}
    sent = ("sent", first.alert_key)
    assert notices == {"p00": sent, "p01": ("withdrawn", ""), "p02": sent}


def test_who_was_told_by_mail_and_now_has_a_webhook_alone_hears_of_the_end(house: House) -> None:
    [placement] = arrivals(1)
    house.hear(placement)
    house.live(days=1)
    house.hear(a_recipient("host", **{**vars_of(HOST), "email": None, "webhook": "https://hooks.nhs.uk/x"}))
    house.hear(PlacementWithdrawn(placement_id=placement.placement_id, reason="The post was closed"))
    assert [alert.channel for alert in house.alerts(kind="placement-cancelled", recipient_id="host")] == ["webhook"]


def test_what_was_refused_at_an_address_goes_to_the_one_that_takes_its_place(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = delivery.send
    monkeypatch.setattr(
        delivery,
        "send",
        lambda worker, sender, token, alerts, now: mark(
            worker, sender, token, {alert.alert_key: refused("550 no such user") for alert in alerts}, now
        ),
    )
    house.hear(*arrivals(3), MISSED)
    house.live(days=1)
    [digest] = house.alerts(kind="digest")
    assert digest.status == "failed"
    monkeypatch.setattr(delivery, "send", at_once)
    house.hear(a_recipient("host", **{**vars_of(HOST), "email": "new@example.org"}))
    house.live(minutes=1)
    assert [mail.count("<new@example.org>") for mail in house.mails()] == [1], "the digest as a whole, and no member of it"
    assert {alert.status for alert in house.alerts(recipient_id="host")} == {"sent"}
    assert {alert.status for alert in house.alerts(recipient_id="schedules")} == {"failed"}, "its address is still the same"


# ---- acknowledgement and escalation ------------------------------------------------------------------------------


def test_evidence_that_comes_in_the_same_load_spares_its_owner_the_reproach(house: House) -> None:
    house.hear(MISSED)
    house.live(minutes=59)
    house.hear(DeadlineMet(**DEADLINE, issued_on=date(2027, 6, 9), days_late=0))
    house.live(days=2)
    assert {alert.status for alert in house.alerts(kind="deadline-missed")} == {"withdrawn"}
    assert house.mails() == []


def test_nobody_acknowledged_so_the_second_contact_is_told_once(house: House) -> None:
    house.hear(MISSED)
    house.live(hours=1)
    [missed] = house.alerts(kind="deadline-missed", recipient_id="schedules")
    assert missed.look_at is not None
    assert missed.look_at.astimezone(LONDON) == datetime(2027, 5, 11, tzinfo=LONDON), "Thursday, Friday and Monday are over"
    house.live(days=5)
    assert house.alerts(kind="escalation") == []
    house.live(days=1)
    house.live(days=30)
    [escalation] = house.alerts(kind="escalation")
    assert (escalation.recipient_id, escalation.status) == ("second", "sent")
    for said in ("Schedules (invented)", "Wednesday 5 May 2027", "3 working days", missed.subject, missed.alert_key):
        assert said in escalation.text
    assert f"/notifications/alerts/{missed.alert_key}/acknowledgement?token=" in escalation.text, "the second contact can end it"
    assert f"/notifications/decisions/{escalation.values['decision']}\n" in escalation.text
    with transaction(house.worker.engine) as session:
        assert session.get(DecisionRow, escalation.values["decision"]) is not None, "what a message quotes can be looked up"
    assert house.alerts(kind="deadline-missed", recipient_id="schedules")[0].escalation == escalation.alert_key
    assert sum("Nobody has answered" in mail for mail in house.mails()) == 1


@pytest.mark.parametrize("receipt", ["delivered", "permanent-failure"])
def test_a_receipt_gives_nobody_more_time_and_what_came_back_is_escalated_too(house: House, receipt: str) -> None:
    house.hear(MISSED)
    house.live(hours=1)
    [missed] = house.alerts(kind="deadline-missed", recipient_id="schedules")
    house.clock.now += timedelta(days=2)
    house.take_receipt(missed, receipt)
    assert house.alerts(alert_key=missed.alert_key)[0].look_at == missed.look_at
    house.live(days=4)
    assert [escalation.recipient_id for escalation in house.alerts(kind="escalation")] == ["second"]


def test_what_was_met_meanwhile_is_not_escalated(house: House) -> None:
    house.hear(MISSED)
    house.live(hours=1)
    house.hear(DeadlineMet(**DEADLINE, issued_on=date(2027, 6, 10), days_late=1))
    house.live(days=10)
    assert house.alerts(kind="escalation") == []


def test_a_contact_that_is_told_on_two_channels_is_escalated_once(house: House) -> None:
    house.hear(a_recipient("schedules", **{**vars_of(SCHEDULES), "webhook": "https://hooks.nhs.uk/x"}), MISSED)
    house.live(hours=1)
    with transaction(house.worker.engine) as session:
        for alert in session.scalars(select(Alert).where(Alert.channel == "webhook")):
            alert.status, alert.sent_at, alert.look_at = "sent", house.clock(), look_at(house.clock())
    house.live(days=10)
    [escalation] = house.alerts(kind="escalation")
    [mail] = house.alerts(kind="deadline-missed", recipient_id="schedules", channel="email")
    assert mail.escalation == escalation.alert_key


def test_without_a_second_contact_that_is_said_and_is_no_error(house: House) -> None:
    house.hear(a_recipient("schedules", **{**vars_of(SCHEDULES), "escalates_to": ""}), MISSED)
    house.live(hours=1)
    house.live(days=10)
    [missed] = house.alerts(kind="deadline-missed", recipient_id="schedules")
    assert missed.escalation == "nobody to tell: the contact schedules has no second contact; name one (escalates_to)"


def test_a_digest_is_escalated_as_one_and_without_what_is_over(house: House) -> None:
    house.hear(*arrivals(3))
    house.live(hours=22)
    house.hear(PlacementWithdrawn(placement_id="p01", reason="The post was closed"))
    house.live(days=10)
    [escalation] = house.alerts(kind="escalation")
    assert len(escalation.values["items"]) == 2
    assert [f"  Placement:      {placement}\n" in escalation.text for placement in ("p00", "p01", "p02")] == [True, False, True]


def test_the_day_of_an_escalation_counts_working_days_only() -> None:
    friday = datetime(2027, 5, 28, 12, tzinfo=UTC)  # Monday 31 May is a bank holiday
    assert look_at(friday).astimezone(LONDON).date() == date(2027, 6, 4)
    assert look_at(datetime(2030, 5, 3, 12, tzinfo=UTC)).astimezone(LONDON).date() == date(2030, 5, 9), "no bank holidays are known yet"


def test_a_look_costs_what_is_due_and_not_what_is_stored(house: House) -> None:
    house.hear(*arrivals(5))
    house.live(hours=22)
    assert escalate(house.worker, house.clock()) == 0


def test_what_is_said_can_be_read_by_whoever_hears_it(house: House) -> None:
    house.hear(*arrivals(2))
    house.live(hours=22)
    with transaction(house.worker.engine) as session:
        for body in session.scalars(select(OutboxRow.body)):
            assert read_message(body).data
