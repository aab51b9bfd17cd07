"""Alerts that need not be said any more: what they are about was met, withdrawn, or set to another day. Pure.

One that waits is withdrawn at once. One that a sender may have in hand leaves or not, as it may; but it does not wait again: it keeps that
it is over, and is withdrawn when it would be claimed the next time. So does one that stands in a digest: a digest that has not left by then
is taken apart (:func:`taken_apart`), and what still holds is gathered anew.
"""

from collections.abc import Sequence

from services.notifications.models import Alert
from shared.events import DeadlineEvent, DeadlineMissed, DeadlineSet, MilestoneEvent, MilestoneMissed, MilestoneSet

IN_HAND = ("claimed", "unknown", "needs-review", "gathered")
"""The states in which nobody can say yet whether an alert has left, or will with its digest."""
OVER = "over"
"""The value in which such an alert keeps why it need not be said any more."""


def outdated(alert: Alert, event: DeadlineEvent | MilestoneEvent) -> bool:
    """Whether an alert need not be said any more: what it is about was met, withdrawn, missed after a reminder, or set to another day."""
    return alert.status in ("pending", "failed", "bounced", *IN_HAND) and moot(alert, event)


def moot(alert: Alert, event: DeadlineEvent | MilestoneEvent) -> bool:
    """Whether an alert about a deadline or a milestone, sent or not, is over with this event."""
    if isinstance(event, DeadlineSet | MilestoneSet):
        return bool(alert.values.get("due_on") != event.due.isoformat())
    missed = isinstance(event, DeadlineMissed | MilestoneMissed)
    return not (missed and alert.kind in ("deadline-missed", "milestone-missed", "escalation"))


def call_back(alert: Alert, reason: str) -> None:
    """Withdraw an alert that is outdated, or have it withdrawn when it waits again."""
    if not hold_back(alert, reason):
        alert.status, alert.reason = "withdrawn", reason


def hold_back(alert: Alert, reason: str) -> bool:
    """Let an alert that is in hand not leave again later; says whether it is one."""
    if alert.status in IN_HAND:
        alert.values = {**alert.values, OVER: reason}
    return alert.status in IN_HAND


def taken_apart(digest: Alert, members: Sequence[Alert]) -> bool:
    """Take a digest that has not left apart, if something in it is over; says whether that was so."""
    gathered = [member for member in members if member.status == "gathered"]
    if not any(OVER in member.values for member in gathered):
        return False
    digest.status, digest.reason = "withdrawn", "Something in it was over before it could be sent; the rest is gathered anew."
    for member in gathered:
        member.digest, over = "", member.values.get(OVER)
        member.status, member.reason = ("withdrawn", over) if over else ("pending", "")
    return True
