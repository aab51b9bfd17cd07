"""Digests on a real database: one a morning, each once, and what becomes of a digest becomes of its members."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from services.notifications import gathering, senders
from services.notifications.app import SERVICE, create_app
from services.notifications.digests import with_members
from services.notifications.gathering import gather
from services.notifications.letters import render
from services.notifications.models import Alert
from services.notifications.senders import delivery
from services.notifications.senders.outcomes import refused
from shared.config import Config
from shared.database import migrate, open_database, transaction
from shared.events import PlacementWithdrawn
from shared.outbox import OutboxRow
from shared.wire import read_message
from shared.worker import Worker
from tests.databases import Database
from tests.helpers import Clock, a_placement, a_recipient
from tests.notifications.house import DAY, HOST, MISSED, House, arrivals, vars_of


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


def test_what_is_said_can_be_read_by_whoever_hears_it(house: House) -> None:
    house.hear(*arrivals(2))
    house.live(hours=22)
    with transaction(house.worker.engine) as session:
        for body in session.scalars(select(OutboxRow.body)):
            assert read_message(body).data
