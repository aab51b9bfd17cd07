"""A milestone comes near or is missed: who is told, in which words, and what is dropped when it is moot."""

from datetime import date
from typing import Any

import pytest

from services.notifications.letters import render
from services.notifications.milestones import OWNERS
from shared.decisions import standing
from shared.events import (
    Event,
    MilestoneApproaching,
    MilestoneMet,
    MilestoneMissed,
    MilestoneSet,
    MilestoneWithdrawn,
)
from shared.policies import load_policies
from shared.policies.facts import read_facts
from tests.notifications.test_decisions import CONTACTS, MILESTONE, House, contact

YEAR: dict[str, Any] = {
    "milestone_id": "host-meeting/RBN/RXN/2027/meetings/1",
    "regarding": "host-meeting/RBN/RXN/2027",
    "title": "Host meeting with RXN, 2027",
    "lead_employer": "RBN",
    "host": "RXN",
    "owner": "host-meeting",
    "what": "2 meetings by 31 December 2027",
    "due": date(2027, 12, 31),
    "decision_id": "decision-4",
    "detail": "1 of 2 meetings held; 1 more is needed by 31 December 2027.",
}


@pytest.fixture
def house() -> House:
    theirs = [
        contact("lead-employer", "RBN", "contracts"),
        contact("host", "RXN", "contracts"),
        contact("national-body", "X24", "contracts"),
    ]
    return House(*CONTACTS, *theirs)


def told(house: House, event: Event) -> set[str]:
    return {alert.recipient_id for alert in house.hear(event)}


def test_both_parties_hear_of_their_exit_and_the_commercial_team_of_a_re_procurement(house: House) -> None:
    assert told(house, MilestoneApproaching(**MILESTONE)) == {"national-body-X24-contracts", "lead-employer-RBN-contracts"}
    start = MILESTONE | {"milestone_id": "C-1/re-procurement-1/1", "owner": "project-lead"}
    assert told(house, MilestoneApproaching(**start)) == {"national-body-X24-contracts", "commercial-team"}
    review = MILESTONE | {"milestone_id": "C-1/extension-review-required/1", "owner": "management-board"}
    assert told(house, MilestoneMissed(**review)) == {"national-body-X24-contracts", "postgraduate-dean"}


def test_the_host_hears_that_a_meeting_with_it_is_lacking(house: House) -> None:
    assert told(house, MilestoneApproaching(**YEAR)) == {"lead-employer-RBN-contracts", "host-RXN-contracts"}


@pytest.mark.parametrize(
    "moot",
    [
        MilestoneMet(**YEAR, met_on=date(2027, 11, 1)),
        MilestoneMissed(**YEAR),
        MilestoneWithdrawn(**YEAR, reason="it was covered only in part"),
        MilestoneSet(**YEAR | {"due": date(2028, 12, 31)}),
    ],
)
def test_a_reminder_that_has_not_left_is_dropped_when_it_is_moot(house: House, moot: Event) -> None:
    reminders = house.hear(MilestoneApproaching(**YEAR))
    house.hear(moot)
    assert {alert.status for alert in reminders} == {"withdrawn"}


def test_what_was_missed_is_still_said_when_it_is_heard_again_and_dropped_once_it_was_met(house: House) -> None:
    alerts = house.hear(MilestoneMissed(**YEAR))
    assert house.hear(MilestoneMissed(**YEAR)) == []
    assert {alert.status for alert in alerts} == {"pending"}
    house.hear(MilestoneMet(**YEAR, met_on=date(2027, 12, 30)))
    assert {alert.status for alert in alerts} == {"withdrawn"}


def test_a_shortfall_reads_so(house: House) -> None:
    [mail] = [alert for alert in house.hear(MilestoneApproaching(**YEAR)) if alert.role == "host"]
    letter = render(mail.template, mail.values)
    assert letter.subject == "Due by 31 December 2027: Host meeting with RXN, 2027"
    head, _, why = letter.text.partition("Why you get this message")
    assert "More meetings are needed by Friday 31 December 2027." in head
    assert "  How it stands:  1 of 2 meetings held; 1 more is needed by 31 December 2027.\n" in head
    assert "  Host:           Lancashire Teaching Hospitals NHS Foundation Trust\n" in head
    assert "host-meeting-frequency" in why


def test_every_owner_that_deadlines_may_name_is_known_and_has_a_name() -> None:
    known = set(load_policies("notifications")["alert-contacts"].facts["milestone_owner"].choices)
    outcome = load_policies("deadlines")["contract-milestones"].outcome["milestones"]
    [who] = [part.choices for part in outcome.record if part.name == "who"]
    bodies = {"management-board", "performance-and-contract-management-committee", "operational-management-committee", "host-meeting"}
    assert known == {*who, *bodies, "contract-manager"} == OWNERS.keys()


def test_every_body_that_owes_a_number_is_one_that_can_be_told() -> None:
    policy = load_policies("deadlines")["governance-calendar"]
    known = load_policies("notifications")["alert-contacts"].facts["milestone_owner"].choices
    for body in policy.facts["body"].choices:
        decision = standing(policy, read_facts(policy.facts, {"body": body, "north_west_terms": True}, policy.name), date(2027, 6, 1))
        assert decision.outcome is not None
        assert decision.outcome["severity"] == "none" or body in known
