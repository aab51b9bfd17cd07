"""Escalations: nobody answered within three working days, so the second contact is told, once, of what is not over by then."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from services.notifications.escalation import escalate, look_at
from services.notifications.models import Alert
from shared.database import transaction
from shared.decisions import DecisionRow
from shared.events import DeadlineMet, PlacementWithdrawn
from shared.worker import LONDON
from tests.helpers import a_recipient
from tests.notifications.house import DEADLINE, MISSED, SCHEDULES, House, arrivals, vars_of


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
