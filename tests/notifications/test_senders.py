"""One alert, one send: whatever dies where. Real SQLite; a crash is simulated by calling the halves of a round."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, update

from services.notifications import models, senders
from services.notifications.consumers import CONSUMERS, read
from services.notifications.models import Alert, InboxMessage
from services.notifications.senders import delivery
from services.notifications.senders.outcomes import refused
from services.notifications.senders.states import MOST_ATTEMPTS
from shared.bus.embedded import forget_embedded_queues
from shared.config import Config
from shared.database import from_now, transaction
from shared.decisions import DecisionRow, replay
from shared.events import Event, PlacementUpdated, RecipientUpdated
from shared.outbox import OutboxRow
from shared.worker import Service, Worker
from tests.helpers import a_message

NOW = datetime(2027, 5, 5, 9, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
_seconds = itertools.count()
PLACEMENT = PlacementUpdated(
    placement_id="P1",
    trainee_id="T1",
    host="RXN",
    host_name="Lancashire Teaching Hospitals",
    site="Royal Preston Hospital",
    lead_employer="RBN",
    specialty="Geriatric Medicine",
    grade="F2",
    whole_time_equivalent=Decimal("0.6"),
    placement_type="in-post",
    start_date=date(2027, 8, 4),
    end_date=date(2028, 2, 1),
)
TRAINEE = RecipientUpdated(recipient_id="T1", role="trainee", organisation="", purpose="", name="Bintri", email="t1@example.net")


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    forget_embedded_queues()
    service = Service("notifications", CONSUMERS, read, [delivery.deliver])
    made = Worker(service, Config(data=tmp_path, lease_seconds=30), lambda: NOW)
    yield made
    made.close()


@pytest.fixture
def waiting(worker: Worker) -> Worker:
    """A worker with two alerts that can leave, one e-mail and one for the inbox, and two that nobody can get."""
    hear(worker, TRAINEE, PLACEMENT)
    return worker


def hear(worker: Worker, *events: Event) -> None:
    """The same words again, in another place of another list, are other messages of later times."""
    when = [NOW + timedelta(seconds=next(_seconds)) for _ in events]
    worker.take_in([a_message(event, at=time) for event, time in zip(events, when, strict=True)], NOW)


def alerts(worker: Worker) -> list[Alert]:
    """The alerts that can leave."""
    with transaction(worker.engine) as session:
        return list(session.scalars(select(Alert).where(Alert.role == "trainee").order_by(Alert.channel)))


def statuses(worker: Worker) -> set[str]:
    return {alert.status for alert in alerts(worker)}


def said(worker: Worker) -> list[str]:
    with transaction(worker.engine) as session:
        return sorted(session.scalars(select(OutboxRow.type)))


def files(worker: Worker) -> list[Path]:
    return sorted((worker.config.data / "alerts").glob("*"))


def claimed(worker: Worker, *, lease_is_over: bool = True) -> list[Alert]:
    """The first half of a round: the process dies before it sends, and its lease runs out."""
    rows = claim(worker, "token-of-the-dead")
    if lease_is_over:
        let_leases_run_out(worker)
    return rows


def claim(worker: Worker, token: str) -> list[Alert]:
    """Claim a batch of every channel."""
    by_channel = senders.senders_of(worker).items()
    return [alert for channel, sender in by_channel for alert in delivery.claim(worker, channel, sender, token, NOW)[0]]


def carry(worker: Worker, rows: list[Alert]) -> None:
    """The second half of a round, but for its end: what was sent is not marked."""
    for channel, sender in senders.senders_of(worker).items():
        list(sender.send([alert for alert in rows if alert.channel == channel], NOW))


def let_leases_run_out(worker: Worker) -> None:
    """As if the database's clock had moved on."""
    with transaction(worker.engine) as session:
        session.execute(update(Alert).values(leased_until=from_now(-1)))


# ---- as it should be ---------------------------------------------------------------------------------------------


def test_models_and_migrations_agree(worker: Worker) -> None:
    with worker.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours})
        assert compare_metadata(context, models.Base.metadata) == []


def ours(item: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    """The tables that every service has are compared in tests/shared."""
    return kind != "table" or name in models.Base.metadata.tables


def test_an_alert_leaves_once_and_is_said_to_have_left(waiting: Worker) -> None:
    assert delivery.deliver(waiting, NOW) == 2
    assert statuses(waiting) == {"sent"}
    assert delivery.deliver(waiting, LATER) == 0
    assert said(waiting) == ["alert.failed", "alert.failed", "alert.sent", "alert.sent"]


def test_the_mail_is_one_whole_file_named_by_its_key(waiting: Worker) -> None:
    delivery.deliver(waiting, NOW)
    [mail] = [alert for alert in alerts(waiting) if alert.channel == "email"]
    [file] = files(waiting)
    assert file.name == f"{mail.alert_key}.txt"
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"To: Bintri <t1@example.net>\nSubject: {mail.subject}\n")
    assert text.endswith(mail.text)
    assert "60% of full time" in text


def test_the_inbox_has_the_message(waiting: Worker) -> None:
    delivery.deliver(waiting, NOW)
    with transaction(waiting.engine) as session:
        [message] = session.scalars(select(InboxMessage))
    assert (message.recipient_id, message.received_at) == ("T1", NOW)


def test_the_decision_that_an_alert_names_is_on_record_and_can_be_replayed(waiting: Worker) -> None:
    with transaction(waiting.engine) as session:
        [row] = session.scalars(select(DecisionRow))
        assert {alert.values["decision"] for alert in session.scalars(select(Alert))} == {row.id}
        assert replay(session, row).to_json() == row.body


def test_the_same_event_again_adds_nothing(waiting: Worker) -> None:
    before = len(said(waiting))
    hear(waiting, PLACEMENT)
    assert len(alerts(waiting)) == 2
    assert len(said(waiting)) == before


def test_a_contact_that_comes_later_gets_the_alert(worker: Worker) -> None:
    hear(worker, PLACEMENT)
    assert delivery.deliver(worker, NOW) == 0
    hear(worker, TRAINEE)
    assert delivery.deliver(worker, LATER) == 2
    assert statuses(worker) == {"sent"}


def test_a_batch_is_no_larger_on_any_channel_than_it_may_be(tmp_path: Path) -> None:
    forget_embedded_queues()
    worker = Worker(Service("notifications", CONSUMERS, read), Config(data=tmp_path, batch=1), lambda: NOW)
    hear(worker, TRAINEE, PLACEMENT, replace(PLACEMENT, placement_id="P2"))
    assert [delivery.deliver(worker, NOW) for _ in range(3)] == [2, 2, 0]
    worker.close()


# ---- what goes wrong ---------------------------------------------------------------------------------------------


def test_an_alert_that_cannot_be_worded_fails_and_the_others_leave(waiting: Worker) -> None:
    with transaction(waiting.engine) as session:
        [mail] = session.scalars(select(Alert).where(Alert.role == "trainee", Alert.channel == "email"))
        mail.values = {key: value for key, value in mail.values.items() if key != "site"}
    assert delivery.deliver(waiting, NOW) == 2
    found = {alert.channel: alert for alert in alerts(waiting)}
    assert (found["email"].status, found["inbox"].status) == ("failed", "sent")
    assert "'site' is undefined" in found["email"].reason


def test_a_claim_is_nobody_elses(waiting: Worker) -> None:
    claimed(waiting, lease_is_over=False)
    assert delivery.deliver(waiting, NOW) == 0
    assert statuses(waiting) == {"claimed"}


def test_died_before_the_send_it_is_sent_by_the_next(waiting: Worker) -> None:
    claimed(waiting)
    assert delivery.deliver(waiting, LATER) == 4, "two settled as not there, and the same two sent"
    assert statuses(waiting) == {"sent"}
    assert len(files(waiting)) == 1


def test_died_after_the_send_it_is_found_and_not_sent_again(waiting: Worker) -> None:
    carry(waiting, claimed(waiting))
    [file] = files(waiting)
    written = file.stat()
    assert delivery.deliver(waiting, LATER) == 2
    assert statuses(waiting) == {"sent"}
    assert file.stat().st_mtime_ns == written.st_mtime_ns
    assert file.stat().st_ino == written.st_ino, "the file was not written a second time"
    assert said(waiting).count("alert.sent") == 2
    assert all(alert.text for alert in alerts(waiting)), "what was sent is kept, though its sender died"


def test_died_between_two_sends_only_the_missing_one_is_sent(waiting: Worker) -> None:
    rows = claimed(waiting)
    carry(waiting, [alert for alert in rows if alert.channel == "email"])
    assert delivery.settle_claims(waiting, LATER) == 2
    assert {alert.channel: alert.status for alert in alerts(waiting)} == {"email": "sent", "inbox": "pending"}


def test_a_half_written_file_is_not_a_message(waiting: Worker) -> None:
    mail = next(alert for alert in claimed(waiting) if alert.channel == "email")
    folder = waiting.config.data / "alerts"
    folder.mkdir()
    (folder / f"{mail.alert_key}.part").write_text("To: ")
    delivery.deliver(waiting, LATER)
    [file] = files(waiting)
    assert file.suffix == ".txt"


def test_an_expired_claim_is_in_doubt_and_never_simply_pending(waiting: Worker) -> None:
    claimed(waiting, lease_is_over=False)
    assert delivery.doubt(waiting, []) == [], "the lease has not run out"
    let_leases_run_out(waiting)
    assert {alert.status for alert in delivery.doubt(waiting, [])} == {"unknown"}
    assert claim(waiting, "another-token") == [], "what is in doubt is not claimed"


def test_at_an_embedded_start_every_claim_is_settled_at_once(waiting: Worker) -> None:
    carry(waiting, claimed(waiting, lease_is_over=False))
    assert delivery.settle_claims(waiting, NOW) == 0
    assert delivery.settle_claims(waiting, NOW, at_start=True) == 2
    assert statuses(waiting) == {"sent"}


def test_a_sender_that_wakes_up_late_marks_nothing_twice(waiting: Worker) -> None:
    rows = claimed(waiting)
    delivery.deliver(waiting, LATER)
    for row in rows:
        delivery.send(waiting, senders.senders_of(waiting)[row.channel], "token-of-the-dead", [row], LATER)
    assert said(waiting).count("alert.sent") == 2
    assert len(files(waiting)) == 1


def test_an_alert_whose_sender_always_dies_waits_for_a_person(waiting: Worker) -> None:
    now = NOW
    for _ in range(MOST_ATTEMPTS):
        claim(waiting, f"token-{now}")
        let_leases_run_out(waiting)
        now += timedelta(minutes=1)
        delivery.settle_claims(waiting, now)
    assert statuses(waiting) == {"needs-review"}
    assert delivery.deliver(waiting, now) == 0


def test_an_outage_of_a_channel_counts_against_no_alert_and_holds_up_no_other_channel(waiting: Worker) -> None:
    blocked = waiting.config.data / "alerts"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(OSError):
        delivery.deliver(waiting, NOW)
    found = {(alert.channel, alert.status, alert.attempts) for alert in alerts(waiting)}
    assert found == {("email", "unknown", 0), ("inbox", "sent", 1)}
    blocked.unlink()
    delivery.deliver(waiting, NOW)
    assert statuses(waiting) == {"sent"}


def test_a_refusal_for_good_is_said_with_its_reason(waiting: Worker) -> None:
    rows = claimed(waiting)
    sender = senders.senders_of(waiting)[rows[0].channel]
    delivery.mark(waiting, sender, "token-of-the-dead", {rows[0].alert_key: refused("The address does not exist.")}, NOW)
    assert sorted(alert.status for alert in alerts(waiting)) == ["claimed", "failed"]
    assert said(waiting).count("alert.failed") == 3


def test_a_channel_without_a_sender_is_a_failure_and_never_taken_for_sent(waiting: Worker) -> None:
    with transaction(waiting.engine) as session:
        for alert in session.scalars(select(Alert).where(Alert.channel == "inbox")):
            alert.channel = "carrier-pigeon"
    delivery.deliver(waiting, NOW)
    assert {alert.channel: alert.status for alert in alerts(waiting)} == {"email": "sent", "carrier-pigeon": "failed"}
