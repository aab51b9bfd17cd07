"""Events in. :class:`Known` is what a batch needs; a handler lets one event change it; CONSUMERS, at the end, says who hears what."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from services.notifications import calling_back, decisions, mending, news
from services.notifications.contacts import Contacts, address
from services.notifications.milestones import milestone_news
from services.notifications.models import REMEMBERED, Alert, Placement, Preference, Recipient, placement_of
from services.notifications.timing import is_late, marked_as_late, retimed
from shared.decisions import store_all
from shared.events import (
    AlertFailed,
    DeadlineApproaching,
    DeadlineEvent,
    DeadlineMet,
    DeadlineMissed,
    DeadlineSet,
    DeadlineWaived,
    DeadlineWithdrawn,
    Event,
    MilestoneApproaching,
    MilestoneEvent,
    MilestoneMet,
    MilestoneMissed,
    MilestoneSet,
    MilestoneWithdrawn,
    PlacementUpdated,
    PlacementWithdrawn,
    PostMoveDecided,
    ProcurementRouted,
    RecipientUpdated,
    ResponsibilityAssigned,
)
from shared.policies import load_policies
from shared.rules import Decision
from shared.wire import Message
from shared.worker import Handler, Say, today


@dataclass
class Known:
    """What is known of everything that a batch is about.

    :param alerts: those about the subjects of the batch, by subject.
    :param waiting: those that have not left and may be for a contact that the batch is about.
    """

    session: Session
    placements: dict[str, Placement]
    contacts: Contacts
    alerts: dict[str, list[Alert]]
    waiting: list[Alert]
    taken: dict[str, Decision] = field(default_factory=dict)

    def rows(self) -> Iterable[Any]:
        """Every row, old and new. The decisions that alerts refer to are put on record, each once."""
        policy = load_policies("notifications")[decisions.POLICY]
        store_all(self.session, policy, self.taken.values(), subject="")  # about every piece of news with these facts
        yield from self.placements.values()
        yield from self.contacts.by_id.values()
        for about in self.alerts.values():
            yield from about
        yield from self.waiting

    def tell(self, item: news.News, now: datetime) -> Iterable[Say]:
        """Decide who is told, and add the alerts; those that nobody can get are said to have failed."""
        day = today(now)
        _, tellings = decisions.who_is_told(item, day)
        about = self.alerts.setdefault(item.regarding, [])
        added = []
        for alert, said in decisions.alerts_of(item, tellings, self.contacts, about, now, day):
            decision, _ = decisions.who_is_told(said, day)
            self.taken[decision.id] = decision
            added.append(alert)
        about += added
        self.waiting += added
        return [Say(failed(alert)) for alert in added if alert.status == "failed"]


def failed(alert: Alert) -> AlertFailed:
    """What is said of an alert that cannot leave."""
    return AlertFailed(
        alert_key=alert.alert_key,
        kind=alert.kind,
        regarding=alert.regarding,
        recipient_id=alert.recipient_id or None,
        channel=alert.channel,
        reason=alert.reason,
    )


REACHED_BY = ("role", "organisation", "purpose", "name", "email", "webhook", "escalates_to")
"""The fields of a contact that say who it is for and how it is reached."""


def recipient_of(event: RecipientUpdated) -> Recipient:
    """The contact as an event has it."""
    parts = {name: getattr(event, name) for name in REACHED_BY}
    return Recipient(recipient_id=event.recipient_id, **{**parts, "name": event.name.strip(), "email": event.email or None})


def read(session: Session, messages: Sequence[Message], *, paced: bool = True) -> Known:
    """What this batch needs, in five queries.

    :param paced: False in a rehearsal, in which every alert is due at once (TRIPARTITE_PACE=immediate).
    """
    events = [message.data for message in messages]
    subjects = {event.subject for event in events if not isinstance(event, RecipientUpdated)}
    heard = [event for event in events if isinstance(event, RecipientUpdated)]
    placed = session.scalars(select(Placement).where(Placement.placement_id.in_(subjects)))
    placements = {placement.placement_id: placement for placement in placed}
    people = {str(event.trainee_id) for event in events if isinstance(event, PlacementUpdated | DeadlineEvent)}
    people |= {placement.trainee_id for placement in placements.values()} | {event.recipient_id for event in heard}
    told = (Recipient.role != "trainee") | Recipient.recipient_id.in_(people)
    contacts = session.scalars(select(Recipient).where(told))
    preferences = session.scalars(select(Preference).where(Preference.recipient_id.in_(select(Recipient.recipient_id).where(told))))
    alerts: dict[str, list[Alert]] = {}
    for alert in session.scalars(select(Alert).where(Alert.regarding.in_(subjects)).with_for_update()):
        alerts.setdefault(alert.regarding, []).append(alert)
    return Known(session, placements, Contacts(contacts, preferences, paced=paced), alerts, _waiting(session, heard))


def _waiting(session: Session, heard: Sequence[RecipientUpdated]) -> list[Alert]:
    """The alerts that have not left and may be for one of these contacts."""
    if not heard:
        return []
    theirs = or_(
        Alert.recipient_id.in_({event.recipient_id for event in heard}),
        Alert.person.in_({event.recipient_id for event in heard}),
        and_(Alert.person == "", Alert.role.in_({event.role for event in heard})),
    )
    return list(session.scalars(select(Alert).where(Alert.status.in_(("pending", "failed", "bounced")), theirs).with_for_update()))


# ---- handlers ----------------------------------------------------------------------------------------------------


def placement_updated(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """Tell what is new, and remember it as what was last told."""
    event = message.data
    assert isinstance(event, PlacementUpdated)
    was = known.placements.get(event.placement_id)
    items = news.placement_updated(was, event, known.contacts)
    said = [saying for item in items for saying in known.tell(item, now)]
    if was is None:
        known.placements[event.placement_id] = placement_of(event)
    elif items:
        placement = placement_of(event)
        was.withdrawn = False
        for name in REMEMBERED:
            setattr(was, name, getattr(placement, name))
    return said


def placement_withdrawn(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """Tell those who were told of it."""
    event = message.data
    assert isinstance(event, PlacementWithdrawn)
    was = known.placements.get(event.placement_id)
    said = [saying for item in news.placement_withdrawn(was, event, known.contacts) for saying in known.tell(item, now)]
    if was is not None:
        was.withdrawn = True
    return said


def recipient_updated(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """Remember how to reach this contact; alerts that waited for it, or that have not left yet, are addressed again."""
    event = message.data
    assert isinstance(event, RecipientUpdated)
    heard = recipient_of(event)
    row = known.contacts.by_id.setdefault(event.recipient_id, heard)
    for name in REACHED_BY:
        setattr(row, name, getattr(heard, name))
    row.changed_by, row.changed_at = message.source, message.time
    known.waiting += (again := [mending.sent_again(alert, row, now) for alert in known.waiting if mending.came_back(alert, row)])
    waits = [alert for alert in known.waiting if mending.waits_for(alert, row)]
    for alert in waits:
        if mending.was_refused_elsewhere(alert, row):
            mending.tried_anew(alert)
    before = [(alert.status, alert.reason, alert.recipient_id) for alert in waits]
    for alert in waits:
        _readdress(known, alert, now)
    for alert in again:
        marked_as_late(alert)
    changed = [alert for alert, (_, reason, _) in zip(waits, before, strict=True) if alert.status == "failed" and alert.reason != reason]
    return [Say(failed(alert)) for alert in changed]


def _readdress(known: Known, alert: Alert, now: datetime) -> None:
    """Address an alert that waits; it leaves at the pace of whoever is to have it now, and says if that is late."""
    status, reader = alert.status, alert.recipient_id
    address(alert, known.contacts)
    if alert.status == "pending" and status == "failed" and is_late(alert, now):
        marked_as_late(alert)
    if alert.status == "pending" and (status, reader) != ("pending", alert.recipient_id):
        retimed(alert, known.contacts.preferences.get(alert.recipient_id), now, paced=known.contacts.paced)


def deadline_changed(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """Drop what need no longer be said of a deadline."""
    event = message.data
    assert isinstance(event, DeadlineEvent)
    return _drop_what_is_over(known.alerts.get(event.deadline_id, []), event)


def milestone_changed(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """Drop what need no longer be said of a milestone."""
    event = message.data
    assert isinstance(event, MilestoneEvent)
    return _drop_what_is_over(known.alerts.get(event.milestone_id, []), event)


def _drop_what_is_over(about: Iterable[Alert], event: DeadlineEvent | MilestoneEvent) -> Iterable[Say]:
    """Withdraw alerts that have not left, and let nobody wait any more for an acknowledgement of those that have."""
    for alert in about:
        if calling_back.outdated(alert, event):
            calling_back.call_back(alert, f"{event.type} was heard before this could be sent.")
        elif alert.look_at is not None and calling_back.moot(alert, event):
            alert.look_at, alert.escalation = None, f"not needed: {event.type} was heard"
    return ()


def deadline_approaching(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """Remind the owner."""
    event = message.data
    assert isinstance(event, DeadlineApproaching)
    return known.tell(news.deadline_news("deadline-approaching", event, known.contacts), now)


def deadline_missed(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """Tell the owner, and whoever waits for it; a reminder that has not left is dropped."""
    event = message.data
    assert isinstance(event, DeadlineMissed)
    deadline_changed(known, message, now)
    return known.tell(news.deadline_news("deadline-missed", event, known.contacts), now)


def milestone_approaching(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """Remind those who can still reach it."""
    event = message.data
    assert isinstance(event, MilestoneApproaching)
    return known.tell(milestone_news("milestone-approaching", event), now)


def milestone_missed(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """Tell them that its day has passed; a reminder that has not left is dropped."""
    event = message.data
    assert isinstance(event, MilestoneMissed)
    milestone_changed(known, message, now)
    return known.tell(milestone_news("milestone-missed", event), now)


def responsibility_assigned(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """Tell every party that the policy on concerns names."""
    event = message.data
    assert isinstance(event, ResponsibilityAssigned)
    return [saying for item in news.responsibility_assigned(event) for saying in known.tell(item, now)]


def procurement_routed(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """Tell the Commercial Team."""
    event = message.data
    assert isinstance(event, ProcurementRouted)
    return known.tell(news.procurement_routed(event), now)


def post_move_decided(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """Tell the dean."""
    event = message.data
    assert isinstance(event, PostMoveDecided)
    return known.tell(news.post_move_decided(event), now)


CONSUMERS: Mapping[type[Event], Handler] = {
    PlacementUpdated: placement_updated,
    PlacementWithdrawn: placement_withdrawn,
    RecipientUpdated: recipient_updated,
    ProcurementRouted: procurement_routed,
    PostMoveDecided: post_move_decided,
    DeadlineSet: deadline_changed,
    DeadlineApproaching: deadline_approaching,
    DeadlineMet: deadline_changed,
    DeadlineMissed: deadline_missed,
    DeadlineWaived: deadline_changed,
    DeadlineWithdrawn: deadline_changed,
    MilestoneSet: milestone_changed,
    MilestoneApproaching: milestone_approaching,
    MilestoneMet: milestone_changed,
    MilestoneMissed: milestone_missed,
    MilestoneWithdrawn: milestone_changed,
    ResponsibilityAssigned: responsibility_assigned,
}
