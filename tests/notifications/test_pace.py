"""When an alert leaves: quiet hours, joined edits, what a reader has chosen. No database: rows in memory, time as an argument."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from services.notifications.consumers import CONSUMERS, Known
from services.notifications.contacts import Contacts
from services.notifications.letters import render
from services.notifications.models import Alert, Preference
from services.notifications.pace import Habits, Manner, goes_at, habits_of, kinds, manner_of
from shared.events import DeadlineApproaching, DeadlineMet, DeadlineMissed, Event, PlacementWithdrawn, RecipientUpdated
from shared.wire import Message
from shared.worker import LONDON
from tests.notifications.house import DEADLINE
from tests.notifications.test_decisions import CONTACTS, PLACEMENT, TRAINEE, contact, seen, told_of

MORNING = datetime(2027, 5, 5, 9, tzinfo=UTC)
"""Ten in the morning in England, a Wednesday."""
USUAL = habits_of(None, date(2027, 5, 5))
ORDINARY = manner_of("placement-notice", "trainee", date(2027, 5, 5))
DAILY, WEEKLY = replace(ORDINARY, pace="daily"), replace(ORDINARY, pace="weekly")
URGENT = replace(ORDINARY, urgent=True)


class House:
    """What is known, on a clock that a test winds; what is due leaves when the clock is wound."""

    def __init__(self, *contacts: RecipientUpdated, preferences: tuple[Preference, ...] = ()) -> None:
        self.known = Known(cast(Session, None), {}, Contacts([], preferences), {}, [])
        self.now, self.heard = MORNING, 0
        self.hear(*contacts)

    def hear(self, *events: Event) -> list[Alert]:
        """The alerts that these events add."""
        before = {alert.alert_key for alert in self.alerts}
        for event in events:
            self.heard += 1
            message = Message(id=str(self.heard), source="urn:test", time=self.now, sequence=self.heard, data=event)
            list(CONSUMERS[type(event)](self.known, message, self.now))
        return [alert for alert in self.alerts if alert.alert_key not in before]

    def wind(self, **by: int) -> None:
        self.now += timedelta(**by)
        for alert in self.alerts:
            if alert.status == "pending" and alert.due_at <= self.now:
                alert.status, alert.sent_at = "sent", self.now

    @property
    def alerts(self) -> list[Alert]:
        listed = [alert for about in self.known.alerts.values() for alert in about]
        return [*listed, *(alert for alert in self.known.waiting if alert not in listed)]

    def waiting(self) -> list[Alert]:
        return [alert for alert in self.alerts if alert.status == "pending"]


@pytest.fixture
def house() -> House:
    return House(*CONTACTS)


def to(recipient_id: str, alerts: list[Alert], channel: str = "email") -> Alert:
    [found] = [alert for alert in alerts if (alert.recipient_id, alert.channel) == (recipient_id, channel)]
    return found


# ---- the moment --------------------------------------------------------------------------------------------------


def in_england(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=LONDON)


@pytest.mark.parametrize(
    ("manner", "now", "leaves"),
    [
        (ORDINARY, in_england(2027, 5, 5, 19, 59), in_england(2027, 5, 5, 19, 59)),
        (ORDINARY, in_england(2027, 5, 5, 20), in_england(2027, 5, 6, 7)),
        (ORDINARY, in_england(2027, 5, 6, 6, 59), in_england(2027, 5, 6, 7)),
        (ORDINARY, in_england(2027, 5, 6, 7), in_england(2027, 5, 6, 7)),
        (URGENT, in_england(2027, 5, 5, 23), in_england(2027, 5, 5, 23)),
        (DAILY, in_england(2027, 5, 5, 8), in_england(2027, 5, 5, 8)),
        (DAILY, in_england(2027, 5, 5, 8, 1), in_england(2027, 5, 6, 8)),
        (DAILY, in_england(2027, 3, 27, 12), in_england(2027, 3, 28, 8)),  # summer time begins in the night
        (DAILY, in_england(2027, 10, 30, 12), in_england(2027, 10, 31, 8)),  # and ends
        (ORDINARY, in_england(2027, 3, 27, 22), in_england(2027, 3, 28, 7)),
        (WEEKLY, in_england(2027, 5, 5, 9), in_england(2027, 5, 10, 8)),
        (WEEKLY, in_england(2027, 5, 10, 8), in_england(2027, 5, 10, 8)),
        (WEEKLY, in_england(2027, 5, 10, 9), in_england(2027, 5, 17, 8)),
    ],
)
def test_a_mail_leaves_at_this_moment(manner: Manner, now: datetime, leaves: datetime) -> None:
    assert goes_at(manner, "email", USUAL, now).astimezone(LONDON) == leaves


times = st.times().map(lambda found: found.replace(second=0, microsecond=0))
habits = st.builds(Habits, quiet_from=times, quiet_until=times, digest_at=times)
manners = st.sampled_from([ORDINARY, DAILY, WEEKLY, URGENT, replace(URGENT, pace="daily")])
moments = st.sampled_from([datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 3, 27, 12, tzinfo=UTC), datetime(2027, 10, 30, 12, tzinfo=UTC)])
moments = st.one_of(
    st.builds(
        lambda first, minutes: first + timedelta(minutes=minutes), moments, st.integers(0, 1440)
    ),  # the nights when the clocks change
    st.builds(lambda first, minutes: first + timedelta(minutes=minutes), moments, st.integers(0, 1_000_000)),
)


@given(manners, st.sampled_from(["email", "inbox"]), habits, moments)
def test_nothing_leaves_before_now_or_in_quiet_hours_unless_it_is_urgent(
    manner: Manner, channel: str, habits: Habits, now: datetime
) -> None:
    leaves = goes_at(manner, channel, habits, now)
    assert leaves >= now
    if manner.urgent or channel == "inbox":
        assert leaves == now
    else:
        assert not habits.are_quiet(leaves)
        assert leaves - now <= timedelta(days=9 if manner.pace == "weekly" else 3)


@given(habits, moments)
def test_what_leaves_in_a_digest_leaves_at_its_hour_or_when_quiet_hours_end(habits: Habits, now: datetime) -> None:
    at = goes_at(DAILY, "email", habits, now).astimezone(LONDON)
    skipped = time(1) <= habits.digest_at < time(2) or time(1) <= habits.quiet_until < time(2)
    assert at.time() in (habits.digest_at, habits.quiet_until) or skipped


@given(habits, moments, st.timedeltas(timedelta(0), timedelta(days=3)))
def test_what_is_said_later_never_leaves_earlier(habits: Habits, now: datetime, by: timedelta) -> None:
    assert goes_at(ORDINARY, "email", habits, now) <= goes_at(ORDINARY, "email", habits, now + by)


# ---- who waits ---------------------------------------------------------------------------------------------------


def test_a_trainee_is_told_at_once_and_a_host_the_next_morning(house: House) -> None:
    added = house.hear(PLACEMENT)
    assert to("T1", added).due_at == to("T1", added, "inbox").due_at == MORNING
    host = to("host-RXN-placements", added)
    assert (host.pace, host.due_at.astimezone(LONDON)) == ("daily", in_england(2027, 5, 6, 8))


def test_what_is_late_by_the_readers_own_fault_goes_in_the_night_as_well_once_no_evidence_has_come(house: House) -> None:
    house.wind(hours=13)
    added = house.hear(DeadlineMissed(**DEADLINE, caused_by="host"))
    assert to("host-RXN-work-schedules", added).due_at == house.now + timedelta(hours=1)
    other = to("lead-employer-RBN-work-schedules", added)
    assert (other.pace, other.due_at.astimezone(LONDON)) == ("immediate", in_england(2027, 5, 6, 7))


def test_a_reader_may_choose_and_what_is_switched_off_is_not_sent() -> None:
    at_once = a_preference("host-RXN-placements", {"placement-notice": "immediate"})
    off = a_preference("host-RXN-work-schedules", {"deadline-approaching": "off"})
    house = House(*CONTACTS, preferences=(at_once, off))
    assert to("host-RXN-placements", house.hear(PLACEMENT)).due_at == MORNING
    [reminder] = house.hear(DeadlineApproaching(**DEADLINE))
    assert reminder.status == "withdrawn"
    assert "switched off" in reminder.reason


def a_preference(recipient_id: str, kinds: dict[str, Any], **times: str) -> Preference:
    chosen = {"quiet_from": None, "quiet_until": None, "digest_at": None, **times}
    return Preference(recipient_id=recipient_id, kinds=kinds, changed_by="somebody", changed_at=MORNING, **chosen)


def test_every_kind_has_a_pace_and_what_nobody_has_spoken_of_waits_for_nothing() -> None:
    for kind in [*kinds(), "milestone-approaching"]:
        for reader in ("trainee", "host", "lead-employer", "postgraduate-dean"):
            assert manner_of(kind, reader, date(2027, 5, 5)).rule.because
    assert manner_of("milestone-approaching", "host", date(2027, 5, 5)).pace == "immediate"


# ---- edits that are joined ---------------------------------------------------------------------------------------

LATER = replace(PLACEMENT, start_date=date(2027, 9, 1))
AS_F1 = replace(LATER, grade="F1")
WITHDRAWN = PlacementWithdrawn(placement_id="P1", reason="The post was closed")


@pytest.fixture
def told(house: House) -> House:
    """Everybody has heard of the placement."""
    house.hear(PLACEMENT)
    house.wind(days=1)
    assert house.waiting() == []
    return house


def test_a_change_waits_an_hour_and_says_what_was_and_what_is(told: House) -> None:
    added = told.hear(LATER)
    assert seen(added) == told_of("placement-change")
    assert to("T1", added).due_at == to("T1", added, "inbox").due_at == told.now + timedelta(minutes=60)
    assert to("T1", added).values["changes"] == [
        {"what": "First day", "was": "Wednesday 4 August 2027", "now": "Wednesday 1 September 2027"}
    ]


def test_a_change_is_urgent_if_the_doctor_was_or_is_expected_soon(told: House) -> None:
    told.wind(days=85, hours=11)
    change = to("host-RXN-placements", told.hear(LATER))
    assert change.due_at == told.now + timedelta(minutes=60), "five days before the old start, at nine in the evening"


def test_edits_within_the_hour_make_one_notice_from_what_was_first_to_what_is_last(told: House) -> None:
    first = told.hear(replace(LATER, start_date=date(2027, 8, 11)))
    told.wind(minutes=30)
    told.hear(AS_F1)
    assert {alert.status for alert in first} == {"withdrawn"}
    notice = to("T1", told.waiting())
    assert notice.due_at == to("T1", first).due_at, "edit upon edit does not put it off"
    assert {(change["what"], change["was"], change["now"]) for change in notice.values["changes"]} == {
        ("First day", "Wednesday 4 August 2027", "Wednesday 1 September 2027"),
        ("Grade", "F2", "F1"),
    }


def test_an_edit_that_is_taken_back_within_the_hour_is_never_told(told: House) -> None:
    told.hear(LATER)
    told.wind(minutes=59)
    assert told.hear(PLACEMENT) == []
    assert told.waiting() == []


def test_an_edit_that_is_taken_back_after_it_was_told_is_told_as_well(told: House) -> None:
    told.hear(LATER)
    told.wind(minutes=61)
    [change] = [alert for alert in told.hear(PLACEMENT) if alert.channel == "inbox"]
    assert change.values["changes"][0]["now"] == "Wednesday 4 August 2027"


def test_a_cancellation_within_the_hour_takes_the_place_of_the_change(told: House) -> None:
    changes = told.hear(LATER)
    told.wind(minutes=10)
    assert seen(told.hear(WITHDRAWN)) == told_of("placement-cancelled")
    assert {alert.status for alert in changes} == {"withdrawn"}
    assert to("T1", told.waiting()).due_at == told.now


def test_who_had_not_heard_of_a_placement_hears_nothing_of_its_end(house: House) -> None:
    added = house.hear(PLACEMENT)
    house.wind(minutes=1)
    cancelled = house.hear(WITHDRAWN)
    assert seen(cancelled) == {("placement-cancelled", "T1", "email"), ("placement-cancelled", "T1", "inbox")}
    assert to("host-RXN-placements", added).status == "withdrawn"


def test_who_has_not_heard_of_a_placement_hears_of_it_as_it_is_and_of_no_change(house: House) -> None:
    house.hear(PLACEMENT)
    house.wind(minutes=1)
    added = house.hear(LATER)
    notice = to("host-RXN-placements", added)
    assert (notice.kind, notice.values["start_date"]) == ("placement-notice", "Wednesday 1 September 2027")
    assert notice.due_at.astimezone(LONDON) == in_england(2027, 5, 6, 8)
    assert to("T1", added).kind == "placement-change"
    assert notice.values["rule"] == "placement-to-host", "and why it gets that"
    assert "ntf-placement-host" in render(notice.template, notice.values).text


def test_a_host_that_is_taken_back_within_the_hour_hears_nothing(told: House) -> None:
    told.hear(replace(PLACEMENT, host="R0A", host_name="Manchester", site="Wythenshawe Hospital"))
    told.wind(minutes=20)
    told.hear(PLACEMENT)
    assert told.waiting() == []


@pytest.mark.parametrize(
    "cosmetic",
    [{"site": "ROYAL  PRESTON hospital."}, {"specialty": "geriatric  MEDICINE"}, {"host_name": "Lancashire Teaching Hospitals NHS FT"}],
)
def test_a_cosmetic_edit_is_told_to_nobody(told: House, cosmetic: dict[str, Any]) -> None:
    assert told.hear(replace(PLACEMENT, **cosmetic)) == []


edits = st.lists(st.tuples(st.sampled_from([PLACEMENT, LATER, AS_F1, WITHDRAWN]), st.integers(0, 90)), max_size=8)


@given(edits)
def test_in_the_end_everybody_knows_what_is_true_and_nobody_heard_the_same_twice_running(
    steps: list[tuple[Event, int]],
) -> None:
    house = House(*CONTACTS)
    last: Event | None = None
    for event, minutes in steps:
        house.hear(event)
        last = event if last is not None or event is not WITHDRAWN else None
        house.wind(minutes=minutes)
    house.wind(days=2)
    for whom in ("host-RXN-placements", "lead-employer-RBN-placements", "T1"):
        heard = sorted(
            (alert for alert in house.alerts if (alert.recipient_id, alert.channel, alert.status) == (whom, "email", "sent")),
            key=lambda alert: alert.telling,
        )
        if last is None or last is WITHDRAWN:
            assert not heard or heard[-1].kind == "placement-cancelled"
        else:
            assert isinstance(last, type(PLACEMENT))
            assert heard[-1].kind != "placement-cancelled"
            assert heard[-1].values["placement"]["start_date"] == last.start_date.isoformat()
            assert heard[-1].values["grade"] == last.grade
        said = [(alert.kind == "placement-cancelled", alert.values["placement"]) for alert in heard]
        assert all(one != other for one, other in pairwise(said))


# ---- addresses that come late ------------------------------------------------------------------------------------


def test_a_message_that_waited_for_an_address_says_when_it_was_first_due() -> None:
    house = House(*CONTACTS, replace(TRAINEE, email=None))
    mail = house.hear(PLACEMENT)[0]
    house.wind(days=5)
    house.hear(TRAINEE)
    assert (mail.status, mail.due_at) == ("pending", house.now)
    assert "\nThis message was first due on Wednesday 5 May 2027; we could not reach you then.\n" in render(mail.template, mail.values).text


def test_what_nobody_could_be_told_keeps_its_first_date_through_later_edits() -> None:
    house = House(*CONTACTS, replace(TRAINEE, email=None))
    house.hear(PLACEMENT)
    house.wind(days=1)
    house.hear(LATER)
    house.wind(days=1)
    house.hear(TRAINEE)
    mail = to("T1", house.waiting())
    assert (mail.kind, mail.values["first_due"]) == ("placement-notice", "Wednesday 5 May 2027")


def test_a_reminder_of_what_was_met_meanwhile_is_not_sent_when_the_contact_comes() -> None:
    house = House()
    house.hear(DeadlineApproaching(**DEADLINE))
    house.wind(days=2)
    house.hear(DeadlineMet(**DEADLINE, issued_on=date(2027, 6, 1), days_late=0))
    house.hear(contact("host", "RXN", "work-schedules"))
    assert house.waiting() == []


def test_what_came_back_is_sent_again_once_the_address_is_mended(house: House) -> None:
    mail = to("T1", house.hear(PLACEMENT))
    house.wind(minutes=1)
    mail.status = "bounced"
    house.hear(TRAINEE)
    assert house.waiting() == [to("host-RXN-placements", house.waiting()), to("lead-employer-RBN-placements", house.waiting())]
    house.wind(days=2)
    house.known.waiting = [mail]
    house.hear(replace(TRAINEE, email="new@example.net"))
    [again] = house.waiting()
    assert (again.address, again.values["first_due"], mail.status) == ("new@example.net", "Wednesday 5 May 2027", "bounced")
    assert again.alert_key != mail.alert_key
    house.known.waiting = [mail]
    house.hear(replace(TRAINEE, email="newer@example.net"))
    assert len(house.known.waiting) == 1, "once"
