"""What an event means for whom. No database: rows in memory, time as an argument."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import product
from typing import Any, cast

import pytest
from sqlalchemy.orm import Session

from services.notifications.consumers import CONSUMERS, Known
from services.notifications.contacts import Contacts
from services.notifications.decisions import who_is_told
from services.notifications.letters import render
from services.notifications.models import Alert, Recipient
from services.notifications.news import News
from shared.errors import InvalidFacts
from shared.events import (
    AlertFailed,
    DeadlineApproaching,
    DeadlineMet,
    DeadlineMissed,
    DeadlineSet,
    DeadlineWithdrawn,
    Event,
    MilestoneApproaching,
    MilestoneMissed,
    PlacementUpdated,
    PlacementWithdrawn,
    PostMoveDecided,
    ProcurementRouted,
    RecipientUpdated,
    ResponsibilityAssigned,
)
from shared.policies import load_policies
from shared.wire import Message, read_message, say
from tests.notifications.house import DEADLINE

NOW = datetime(2027, 5, 5, 9, tzinfo=UTC)
PLACEMENT = PlacementUpdated(
    placement_id="P1",
    trainee_id="T1",
    host="RXN",
    host_name="Lancashire Teaching Hospitals",
    site="Royal Preston Hospital",
    lead_employer="RBN",
    specialty="Geriatric Medicine",
    grade="F2",
    whole_time_equivalent=Decimal("1.0"),
    placement_type="in-post",
    start_date=date(2027, 8, 4),
    end_date=date(2028, 2, 1),
)
MILESTONE: dict[str, Any] = {
    "milestone_id": "C-1/exit-1/1",
    "regarding": "C-1",
    "title": "Lead employer service (invented)",
    "lead_employer": "RBN",
    "owner": "hee-and-lead-employer",
    "what": "complete the exit",
    "due": date(2030, 3, 1),
    "decision_id": "decision-3",
    "detail": "From 31 December 2029 to 1 March 2030. It is recommended.",
}
ASSIGNED = ResponsibilityAssigned(
    concern_id="C1",
    doctor_reference="DR-7",
    lead_employer="RBN",
    host="RXN",
    decision_id="decision-2",
    owner="lead-employer",
    case_manager="lead-employer-medical-director",
    told=[
        {"who": "postgraduate-dean", "by": "lead-employer", "of": "the conduct issue", "when": "at-once", "how": "live-flow"},
        {"who": "doctor-in-training", "by": "lead-employer", "of": "the outcome", "when": "after-findings", "how": "not-stated"},
    ],
)


def contact(role: Any, organisation: str, purpose: str) -> RecipientUpdated:
    id_ = "-".join(filter(None, (role, organisation, purpose)))
    return RecipientUpdated(
        recipient_id=id_, role=role, organisation=organisation, purpose=purpose, name=f"Contact {id_}", email=f"{id_}@example.org"
    )


TRAINEE = replace(contact("trainee", "", ""), recipient_id="T1", name="Bintri Marbleheap", email="t1@example.net")
CONTACTS = [
    TRAINEE,
    *(contact("host", host, purpose) for host in ("RXN", "R0A") for purpose in ("placements", "work-schedules", "rotas", "concerns")),
    *(contact("lead-employer", "RBN", purpose) for purpose in ("placements", "work-schedules", "pay", "concerns")),
    contact("postgraduate-dean", "", ""),
    contact("revalidation-team", "X24", ""),
    contact("national-body", "X24", ""),
    contact("commercial-team", "", ""),
]


class House:
    """What is known, and everything said so far. Here every alert is due at once; what waits for what is in test_pace.py."""

    def __init__(self, *contacts: RecipientUpdated) -> None:
        self.known = Known(cast(Session, None), {}, Contacts([], paced=False), {}, [])
        self.said: list[Event] = []
        self.heard = 0
        self.hear(*contacts)

    def hear(self, *events: Event) -> list[Alert]:
        """The alerts that these events add."""
        before = {alert.alert_key for alert in self.alerts}
        for event in events:
            self.heard += 1
            message = Message(id=str(self.heard), source="urn:test", time=NOW, sequence=self.heard, data=event)
            self.said += [saying.event for saying in CONSUMERS[type(event)](self.known, message, NOW)]
        return [alert for alert in self.alerts if alert.alert_key not in before]

    @property
    def alerts(self) -> list[Alert]:
        return [alert for about in self.known.alerts.values() for alert in about]


@pytest.fixture
def house() -> House:
    return House(*CONTACTS)


def seen(alerts: list[Alert]) -> set[tuple[str, str, str]]:
    return {(alert.kind, alert.recipient_id, alert.channel) for alert in alerts}


# ---- placements --------------------------------------------------------------------------------------------------


def told_of(kind: str, host: str = "RXN") -> set[tuple[str, str, str]]:
    return {
        (kind, "T1", "email"),
        (kind, "T1", "inbox"),
        (kind, f"host-{host}-placements", "email"),
        (kind, "lead-employer-RBN-placements", "email"),
    }


def test_a_new_placement_is_told_to_doctor_host_and_lead_employer(house: House) -> None:
    added = house.hear(PLACEMENT)
    assert seen(added) == told_of("placement-notice")
    assert {alert.status for alert in added} == {"pending"}


def test_a_message_says_who_what_when_why_and_by_which_rule(house: House) -> None:
    [mail] = [alert for alert in house.hear(PLACEMENT) if alert.recipient_id == "host-RXN-placements"]
    letter = render(mail.template, mail.values)
    for said in ("Bintri Marbleheap", "Royal Preston Hospital", "Wednesday 4 August 2027", "What to do", "Implementation Toolkit"):
        assert said in letter.text
    assert "ntf-placement-host" in letter.text
    assert mail.values["decision"] in letter.text


def test_an_edit_in_spelling_is_no_news(house: House) -> None:
    house.hear(PLACEMENT)
    assert house.hear(replace(PLACEMENT, site="ROYAL  PRESTON hospital.", whole_time_equivalent=Decimal("1.00"))) == []


def test_a_change_says_what_was_and_what_is(house: House) -> None:
    house.hear(PLACEMENT)
    added = house.hear(replace(PLACEMENT, start_date=date(2027, 9, 1)))
    assert seen(added) == told_of("placement-change")
    assert added[0].values["changes"] == [{"what": "First day", "was": "Wednesday 4 August 2027", "now": "Wednesday 1 September 2027"}]


def test_a_change_is_measured_against_what_was_last_told(house: House) -> None:
    later = replace(PLACEMENT, start_date=date(2027, 9, 1))
    house.hear(PLACEMENT, later)
    assert house.hear(later) == []
    assert seen(house.hear(PLACEMENT)) == told_of("placement-change")
    assert len(house.alerts) == len({alert.alert_key for alert in house.alerts}) == 12


def test_a_new_host_gets_a_notice_and_the_old_one_a_cancellation(house: House) -> None:
    house.hear(PLACEMENT)
    added = house.hear(replace(PLACEMENT, host="R0A", host_name="Manchester", site="Wythenshawe Hospital"))
    assert seen(added) == {
        ("placement-cancelled", "host-RXN-placements", "email"),
        ("placement-notice", "host-R0A-placements", "email"),
        *(item for item in told_of("placement-change") if not item[1].startswith("host")),
    }
    [cancelled] = [alert for alert in added if alert.kind == "placement-cancelled"]
    assert "Wythenshawe" not in render(cancelled.template, cancelled.values).text


def test_another_doctor_on_the_placement_is_a_cancellation_for_the_first(house: House) -> None:
    house.hear(replace(TRAINEE, recipient_id="T2", name="Xandeo Lanterncoat"), PLACEMENT)
    added = house.hear(replace(PLACEMENT, trainee_id="T2"))
    assert {("placement-cancelled", "T1", "email"), ("placement-notice", "T2", "email")} <= seen(added)


def test_a_withdrawal_is_told_to_those_who_were_told(house: House) -> None:
    withdrawn = PlacementWithdrawn(placement_id="P1", reason="The post was closed")
    assert house.hear(withdrawn) == []
    house.hear(PLACEMENT)
    assert seen(house.hear(withdrawn)) == told_of("placement-cancelled")
    assert house.hear(withdrawn) == []


def test_a_placement_that_comes_back_is_told_again(house: House) -> None:
    house.hear(PLACEMENT, PlacementWithdrawn(placement_id="P1", reason="A mistake"))
    assert seen(house.hear(PLACEMENT)) == told_of("placement-notice")


# ---- deadlines ---------------------------------------------------------------------------------------------------


def test_a_reminder_goes_to_the_contact_for_that_duty(house: House) -> None:
    assert seen(house.hear(DeadlineApproaching(**DEADLINE))) == {("deadline-approaching", "host-RXN-work-schedules", "email")}


def test_a_missed_work_schedule_is_told_to_the_lead_employer_too(house: House) -> None:
    added = house.hear(DeadlineMissed(**DEADLINE, caused_by="national-body"))
    assert {alert.recipient_id for alert in added} == {"host-RXN-work-schedules", "lead-employer-RBN-work-schedules"}
    for alert in added:
        assert "That step was with NHS England" in render(alert.template, alert.values).text


@pytest.mark.parametrize(
    "moot",
    [
        DeadlineMet(**DEADLINE, issued_on=date(2027, 6, 1), days_late=0),
        DeadlineWithdrawn(**DEADLINE, reason="The placement was withdrawn"),
        DeadlineMissed(**DEADLINE, caused_by="host"),
        DeadlineSet(**{**DEADLINE, "due": date(2027, 7, 7)}),
    ],
)
def test_a_reminder_that_has_not_left_is_dropped_when_it_is_moot(house: House, moot: Event) -> None:
    [reminder] = house.hear(DeadlineApproaching(**DEADLINE))
    house.hear(moot)
    assert reminder.status == "withdrawn"


def test_a_deadline_that_is_set_to_the_same_day_drops_nothing(house: House) -> None:
    [reminder] = house.hear(DeadlineApproaching(**DEADLINE))
    assert house.hear(DeadlineSet(**DEADLINE)) == []
    assert reminder.status == "pending"


def test_a_reminder_that_was_dropped_was_never_heard_and_is_made_again(house: House) -> None:
    house.hear(DeadlineApproaching(**DEADLINE), DeadlineSet(**{**DEADLINE, "due": date(2027, 7, 7)}), DeadlineSet(**DEADLINE))
    [again] = house.hear(DeadlineApproaching(**DEADLINE))
    assert (again.status, again.telling) == ("pending", 2)


def test_what_has_left_is_not_called_back(house: House) -> None:
    [reminder] = house.hear(DeadlineApproaching(**DEADLINE))
    reminder.status = "sent"
    house.hear(DeadlineMet(**DEADLINE, issued_on=date(2027, 6, 1), days_late=0))
    assert reminder.status == "sent"
    assert house.hear(DeadlineApproaching(**DEADLINE)) == [], "nobody hears the same thing twice running"


# ---- concerns, procurements, post moves --------------------------------------------------------------------------


def test_each_party_that_must_be_told_of_a_concern_gets_an_alert(house: House) -> None:
    added = house.hear(ASSIGNED)
    assert [alert.recipient_id for alert in added] == ["postgraduate-dean", "lead-employer-RBN-concerns"]
    assert house.hear(ASSIGNED) == []


def test_a_concern_is_told_by_reference_and_nothing_else_of_the_doctor(house: House) -> None:
    for alert in house.hear(PLACEMENT, ASSIGNED):
        if alert.kind == "responsibility-assigned":
            text = render(alert.template, alert.values).text
            assert "DR-7" in text
            assert not any(said in text for said in ("Bintri", "T1", "Preston", "P1"))


def test_a_party_that_the_policy_does_not_know_is_refused_and_never_dropped(house: House) -> None:
    with pytest.raises(InvalidFacts, match="named_party"):
        house.hear(replace(ASSIGNED, told=[{**ASSIGNED.told[0], "who": "somebody-else"}]))


def test_a_route_is_told_to_the_commercial_team_and_a_post_move_to_the_dean(house: House) -> None:
    route = ProcurementRouted(procurement_id="PR1", decision_id="d", route="one-quotation", as_at=date(2027, 5, 5))
    move = PostMoveDecided(post_id="PO1", decision_id="d", verdict="may-move", as_at=date(2027, 5, 5))
    assert [alert.recipient_id for alert in house.hear(route, move)] == ["commercial-team", "postgraduate-dean"]
    again = house.hear(replace(route, route="formal-tender"), route)
    assert len(again) == 2, "a route that is decided back is news again"


# ---- contacts ----------------------------------------------------------------------------------------------------


def test_without_a_contact_the_alert_fails_and_says_what_to_mend() -> None:
    house = House()
    [alert] = house.hear(DeadlineApproaching(**DEADLINE))
    assert alert.status == "failed"
    assert alert.reason == "No host contact of RXN for work schedules is known; send recipient.updated for it."
    assert [type(event) for event in house.said] == [AlertFailed]
    said = say(house.said[0], "urn:tripartite:notifications", NOW)
    assert read_message(said.to_json()).data == house.said[0], "whoever hears it can read it, although nobody was to be told"


def test_the_contact_that_was_missing_makes_the_alert_pending_again() -> None:
    house = House()
    [alert] = house.hear(DeadlineApproaching(**DEADLINE))
    house.hear(contact("host", "RXN", "work-schedules"))
    assert (alert.status, alert.reason, alert.created_at) == ("pending", "", NOW)
    assert alert.address == "host-RXN-work-schedules@example.org"


def test_a_trainee_without_an_address_is_told_in_the_inbox_and_by_mail_once_there_is_one() -> None:
    house = House(*CONTACTS, replace(TRAINEE, email=None))
    mail, inbox = house.hear(PLACEMENT)[:2]
    assert (mail.status, inbox.status) == ("failed", "pending")
    house.hear(TRAINEE)
    assert (mail.status, mail.address) == ("pending", "t1@example.net")


def test_an_alert_that_has_not_left_goes_to_the_new_address(house: House) -> None:
    mail = house.hear(PLACEMENT)[0]
    house.hear(replace(TRAINEE, email="new@example.net"))
    assert mail.address == "new@example.net"


def test_a_contact_for_the_purpose_wins_over_one_for_any() -> None:
    any_, exact, other = contact("host", "RXN", ""), contact("host", "RXN", "rotas"), contact("host", "R0A", "rotas")
    house = House(any_, other)
    [alert] = house.hear(DeadlineApproaching(**{**DEADLINE, "duty": "duty-roster", "recipient": "trainee"}))
    assert alert.recipient_id == "host-RXN"
    house.hear(exact)
    assert alert.recipient_id == "host-RXN-rotas"


# ---- the policy and the templates --------------------------------------------------------------------------------


def every_news() -> Iterator[dict[str, str]]:
    facts = load_policies("notifications")["alert-contacts"].facts
    for event in facts["event"].choices:
        asked = [name for name in ("duty", "owner") if event.startswith("deadline")] + ["named_party"] * event.startswith("responsibility")
        asked += ["milestone_owner"] * event.startswith("milestone")
        for values in product(*(facts[name].choices for name in asked)):
            yield {"event": event, **dict(zip(asked, values, strict=True))}


def test_no_news_reaches_nobody() -> None:
    for facts in every_news():
        news = News(facts["event"], "", {}, {}, None, {name: value for name, value in facts.items() if name != "event"})
        _, tellings = who_is_told(news, date(2015, 1, 1))
        assert tellings, facts


def test_every_kind_of_alert_can_be_worded(house: House) -> None:
    deadlines = [replace(DeadlineApproaching(**DEADLINE), owner=owner, deadline_id=owner) for owner in ("host", "lead-employer")]
    house.hear(PLACEMENT, replace(PLACEMENT, grade="F1"), PlacementWithdrawn(placement_id="P1", reason="Closed"), ASSIGNED, *deadlines)
    house.hear(DeadlineMissed(**DEADLINE, caused_by="host"))
    house.hear(ProcurementRouted(procurement_id="PR1", decision_id="d", route="one-quotation", as_at=date(2027, 5, 5)))
    house.hear(PostMoveDecided(post_id="PO1", decision_id="d", verdict="may-move", as_at=date(2027, 5, 5)))
    house.hear(MilestoneApproaching(**MILESTONE), MilestoneMissed(**MILESTONE | {"milestone_id": "C-1/exit-2/1"}))
    assert {alert.kind for alert in house.alerts} == set(load_policies("notifications")["alert-contacts"].facts["event"].choices)
    for alert in house.alerts:
        letter = render(alert.template, alert.values)
        assert letter.subject
        assert "Why you get this message" in letter.text


def test_a_name_cannot_add_a_line_to_a_message(house: House) -> None:
    house.hear(replace(TRAINEE, name="A\nSubject: you have won"))
    [mail] = [alert for alert in house.hear(PLACEMENT) if alert.recipient_id == "host-RXN-placements"]
    assert "\nSubject: you have won" not in render(mail.template, mail.values).text


def test_recipients_are_remembered(house: House) -> None:
    assert isinstance(house.known.contacts.by_id["T1"], Recipient)
