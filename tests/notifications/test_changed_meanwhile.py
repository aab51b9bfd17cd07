"""What changes while an alert waits, or is in hand: what is over never leaves, and nothing goes to whom it no longer concerns."""

from datetime import date, timedelta

import pytest

from services.notifications import senders
from services.notifications.gathering import gather
from services.notifications.senders import delivery
from services.notifications.senders.delivery import claim, mark
from services.notifications.senders.outcomes import Outcome, later, refused
from shared.events import DeadlineMet, PlacementWithdrawn
from tests.helpers import a_recipient
from tests.notifications.house import DEADLINE, HOST, MISSED, SCHEDULES, House, arrivals, vars_of


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


def test_evidence_that_comes_in_the_same_load_spares_its_owner_the_reproach(house: House) -> None:
    house.hear(MISSED)
    house.live(minutes=59)
    house.hear(DeadlineMet(**DEADLINE, issued_on=date(2027, 6, 9), days_late=0))
    house.live(days=2)
    assert {alert.status for alert in house.alerts(kind="deadline-missed")} == {"withdrawn"}
    assert house.mails() == []
