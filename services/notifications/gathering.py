"""The chore that gathers alerts into digests: one contact and channel at a time, in one transaction.

What is gathered is committed together with its digest: a worker that dies before that leaves everything as it was, one that dies after it
has left a digest that waits like any other alert. Two workers never gather at once. What was withdrawn meanwhile is not there any more.
"""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.notifications.consumers import failed
from services.notifications.digests import digest_of
from services.notifications.letters import word
from services.notifications.models import Alert, Preference, Recipient
from services.notifications.timing import held_up
from shared.crashpoints import crashpoint
from shared.database import hold_if_free, transaction
from shared.worker import Say, Worker


def gather(worker: Worker, now: datetime) -> int:
    """Gather what contacts are to hear by now, one after the other, a batch of them at most; returns how many alerts that were."""
    total = 0
    for _ in range(worker.config.batch):
        total += (done := gather_for_one(worker, now))
        if not done:
            break
    return total


def gather_for_one(worker: Worker, now: datetime) -> int:
    """Gather what one contact is to hear by now on one channel; returns how many alerts that were. A single one goes as itself."""
    waiting = (Alert.status == "pending") & (Alert.pace != "immediate") & (Alert.due_at <= now)
    whom = select(Alert.recipient_id, Alert.channel, Alert.address).where(waiting)
    with transaction(worker.engine) as session:
        if not hold_if_free(session, "the gathering of notifications"):
            return 0  # another worker gathers
        found = session.execute(whom.order_by(Alert.due_at, Alert.recipient_id, Alert.channel).limit(1)).first()
        if found is None:
            return 0
        theirs = waiting & (Alert.recipient_id == found.recipient_id) & (Alert.channel == found.channel) & (Alert.address == found.address)
        count = session.scalar(select(func.count()).select_from(Alert).where(theirs))
        rows = list(session.scalars(select(Alert).where(theirs).order_by(Alert.alert_key).with_for_update(skip_locked=True)))
        if len(rows) != count:
            return 0  # somebody is at work on one of them; all go together, the next time
        preference = session.get(Preference, found.recipient_id)
        if free := [alert for alert in rows if not held_up(alert, preference, now)]:
            _gathered(worker, session, free, now)
        crashpoint("alert.gathered.uncommitted")
    return len(rows)


def awake(session: Session, alerts: list[Alert], now: datetime) -> list[Alert]:
    """Those of these alerts that may leave now; of the others, each waits for the end of its reader's quiet hours."""
    wanted = select(Preference).where(Preference.recipient_id.in_({alert.recipient_id for alert in alerts}))
    preferences = {preference.recipient_id: preference for preference in session.scalars(wanted)} if alerts else {}
    return [alert for alert in alerts if not held_up(alert, preferences.get(alert.recipient_id), now)]


def _gathered(worker: Worker, session: Session, rows: list[Alert], now: datetime) -> None:
    if len(rows) == 1:
        rows[0].pace = "immediate"
        return
    for alert in rows:
        word(alert)
    worded = [alert for alert in rows if alert.status == "pending"]
    worker.say(session, [Say(failed(alert)) for alert in rows if alert.status == "failed"], now)
    if worded:
        session.add(digest_of(worded, session.get(Recipient, worded[0].recipient_id), now))
