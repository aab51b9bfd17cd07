"""Nobody has said that an alert was seen: the second contact is told, once.

An alert that wants an acknowledgement carries in ``look_at`` when it must be looked at: so many working days after it left (policy
``alert-pace``, parameter ``acknowledgement``). The chore :func:`escalate` takes those whose time has come, so its cost depends on what is
due and not on what is stored. What came of it stands in ``escalation``: the key of the alert to the second contact, or why there is none.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.notifications.acknowledging import link_of
from services.notifications.consumers import failed
from services.notifications.contacts import Contacts, address
from services.notifications.decisions import why
from services.notifications.digests import KIND as DIGEST
from services.notifications.digests import item_of
from services.notifications.letters import newest
from services.notifications.models import Alert, Preference, Recipient
from services.notifications.pace import POLICY, manner_of, number
from services.notifications.timing import timed
from services.notifications.wording import long_day, reading_as
from shared.config import Config
from shared.crashpoints import crashpoint
from shared.database import hold_if_free, transaction
from shared.decisions import fingerprint, store_all
from shared.errors import BeyondCalendar
from shared.policies import load_policies
from shared.policies.calendars import working_day
from shared.worker import LONDON, Say, Worker, today

KIND = "escalation"
OUT = ("sent", "bounced")
"""The states of an alert that its reader should have answered."""
NO_SECOND = "nobody to tell: the contact {contact} has no second contact; name one (escalates_to)"


def watched(alerts: Sequence[Alert], now: datetime) -> Sequence[Alert]:
    """Say of these alerts, which were just settled, when each that left must be looked at. What left in a digest is looked at with it."""
    for alert in alerts:
        if alert.status == "sent" and alert.wants_acknowledgement and not alert.digest and alert.acknowledged_at is None:
            alert.look_at = look_at(now)
    return alerts


def look_at(sent_at: datetime) -> datetime:
    """The end of the last day on which an acknowledgement is in time: so many working days after the day on which the alert left."""
    day = today(sent_at)
    days = number("acknowledgement", day)
    try:
        last = working_day("england", day, days)
    except BeyondCalendar:  # bank holidays are not known so far ahead: weekends are
        last = day
        while days:
            last += timedelta(days=1)
            days -= last.weekday() < 5
    return datetime.combine(last + timedelta(days=1), time(0), LONDON)


def escalate(worker: Worker, now: datetime) -> int:
    """Look at a batch of alerts that nobody has acknowledged in time; returns how many there were."""
    due = select(Alert).where(Alert.look_at <= now).order_by(Alert.look_at, Alert.alert_key).limit(worker.config.batch)
    with transaction(worker.engine) as session:
        if not hold_if_free(session, "the escalation of notifications"):
            return 0  # another worker looks
        rows = list(session.scalars(due.with_for_update(skip_locked=True)))
        added = [made for alert in rows if (made := _looked_at(session, alert, now, worker.config))]
        session.add_all(added)
        worker.say(session, [Say(failed(alert)) for alert in added if alert.status == "failed"], now)
        if rows:
            crashpoint("alert.escalated.uncommitted")
    return len(rows)


def _looked_at(session: Session, alert: Alert, now: datetime, config: Config) -> Alert | None:
    """Settle one alert: the alert to the second contact, if there must be one."""
    alert.look_at = None
    unseen = _unseen(session, alert)
    first = session.get(Recipient, alert.recipient_id)
    second = session.get(Recipient, first.escalates_to) if first and first.escalates_to else None
    if not unseen:
        alert.escalation = "not needed: it was acknowledged, is no longer true, or stands in a mail that is looked at"
    elif first is None or second is None or second.recipient_id == first.recipient_id:
        alert.escalation = NO_SECOND.format(contact=alert.recipient_id)
    else:
        made = escalation_of(alert, unseen, first, second, now)
        if link := link_of(alert.alert_key, config):
            made.values = {**made.values, "acknowledge_link": link}
        store_all(session, load_policies("notifications")[POLICY], [manner_of(KIND, second.role, today(now)).decision], subject="")
        address(made, Contacts([second]))
        alert.escalation = made.alert_key
        return timed(made, session.get(Preference, second.recipient_id), now, paced=config.pace != "immediate")
    return None


def _unseen(session: Session, alert: Alert) -> list[Alert]:
    """What of an alert (of a digest: of its members) still wants an acknowledgement: not seen on any channel, and still true.

    What came back was not seen either; what went out again since is looked at by itself.
    """
    if alert.acknowledged_at is not None or alert.status not in OUT:
        return []
    members = [alert]
    if alert.kind == DIGEST:
        members = list(session.scalars(select(Alert).where(Alert.digest == alert.alert_key, Alert.wants_acknowledgement)))
    about = list(session.scalars(select(Alert).where(Alert.regarding.in_({member.regarding for member in members}))))
    unsettled = [member for member in members if member.status in OUT and "again" not in member.values]
    return [member for member in unsettled if not any(_settles(other, member) for other in about)]


def _settles(other: Alert, alert: Alert) -> bool:
    """Whether another alert to the same party shows that this one was seen, is looked after, or is over."""
    whom = ("regarding", "role", "organisation", "person", "topic")
    if any(getattr(other, name) != getattr(alert, name) for name in whom):
        return False
    same = other.content == alert.content
    seen = same and other.acknowledged_at is not None
    by_mail = same and (alert.channel, other.channel, other.status) == ("webhook", "email", "sent")  # the mail is looked at, for both
    over = other.kind == "placement-cancelled" and other.telling > alert.telling and other.status != "withdrawn"
    return seen or by_mail or over


def escalation_of(alert: Alert, unseen: Sequence[Alert], first: Recipient, second: Recipient, now: datetime) -> Alert:
    """The alert to the second contact: what was not acknowledged, since when, and who was told first."""
    day = today(now)
    manner = manner_of(KIND, second.role, day)
    assert alert.sent_at is not None
    return Alert(
        alert_key=fingerprint(KIND, alert.alert_key),
        kind=KIND,
        regarding=alert.regarding,
        role=second.role,
        organisation=second.organisation,
        purpose=second.purpose or "any",
        person=second.recipient_id,
        channel="email",
        template=newest(KIND, "email"),
        values={
            **reading_as(second.role, second.purpose or "any", second.organisation),
            **why(manner.decision, manner.rule),
            "subject": alert.subject,
            "items": [item_of(each) for each in unseen],
            "first": first.name,
            "first_id": first.recipient_id,
            "sent": long_day(today(alert.sent_at)),
            "days": number("acknowledgement", day),
            "message": alert.alert_key,
            "due_on": alert.values.get("due_on", ""),
        },
        topic=alert.alert_key,
        content=fingerprint(KIND, alert.alert_key),
        telling=1,
        created_at=now,
        due_at=now,
    )
