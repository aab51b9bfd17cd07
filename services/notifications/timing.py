"""An alert and its time: pace, due time and acknowledgement, by the policy ``alert-pace`` and what its reader has chosen. Pure.

:func:`timed` is for an alert that was just made, :func:`retimed` for one that waits and whose reader, or whose choices, have changed.
In a rehearsal (``paced`` is False, TRIPARTITE_PACE=immediate) everything is due at once.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from services.notifications.models import Alert, Preference
from services.notifications.pace import QUIETED, Manner, after_quiet, chosen, goes_at, habits_of, joined_until, manner_of, pace_of
from services.notifications.wording import long_day, words
from shared.worker import today

UNSETTLED = ("placement-change", "deadline-approaching", "deadline-missed")
"""Kinds that wait a while for what may be on its way: further edits, or evidence that comes in the same load."""


def timed(alert: Alert, preference: Preference | None, now: datetime, *, paced: bool, not_before: datetime | None = None) -> Alert:
    """Say when a new alert leaves, whether it waits for a digest, and whether somebody must say that it was seen.

    :param not_before: until then it waits for what may be on its way.
    """
    manner = _manner(alert, preference, now)
    alert.wants_acknowledgement = manner.acknowledged
    alert.due_at = now
    if paced:
        alert.pace = pace_of(manner, alert.channel)
        alert.due_at = goes_at(manner, alert.channel, habits_of(preference, today(now)), not_before or now)
        if manner.off and alert.status in ("pending", "failed"):
            alert.status, alert.reason = "withdrawn", f"The reader has switched off alerts of the kind {words(alert.kind)}."
    alert.first_due_at = alert.due_at
    return alert


def retimed(alert: Alert, preference: Preference | None, now: datetime, *, paced: bool) -> None:
    """Say it anew for an alert that waits: for a contact that has come, or by choices that have changed."""
    if not paced:
        return
    manner = _manner(alert, preference, now)
    alert.pace = pace_of(manner, alert.channel)
    joined = joined_until(alert.created_at) if alert.kind in UNSETTLED else now
    alert.due_at = goes_at(manner, alert.channel, habits_of(preference, today(now)), max(now, joined))
    if manner.off:
        alert.status, alert.reason = "withdrawn", f"The reader has switched off alerts of the kind {words(alert.kind)}."


LATE_AFTER = timedelta(hours=1)
"""What waited for its address for less than this is not late: contact and news often come in one go."""


def is_late(alert: Alert, now: datetime) -> bool:
    """Whether an alert that waited for an address should have left well before now."""
    return alert.first_due_at is not None and alert.first_due_at + LATE_AFTER <= now


def marked_as_late(alert: Alert) -> None:
    """Let the message say when it was first due: its reader could not be reached then."""
    assert alert.first_due_at is not None
    alert.values = {**alert.values, "first_due": long_day(today(alert.first_due_at))}


def held_up(alert: Alert, preference: Preference | None, now: datetime) -> bool:
    """Put an alert off that was kept up until quiet hours began (a channel was away, or all workers); says whether it was."""
    habits = habits_of(preference, today(now))
    if alert.channel != QUIETED or not habits.are_quiet(now) or _manner(alert, preference, now).urgent:
        return False
    alert.due_at = after_quiet(habits, now)
    return True


def _manner(alert: Alert, preference: Preference | None, now: datetime) -> Manner:
    day = today(now)
    return chosen(manner_of(alert.kind, alert.role, day, _special(alert, day)), alert.kind, preference)


def _special(alert: Alert, day: date) -> Mapping[str, Any]:
    """What the policy asks about this alert beside its kind and its reader."""
    values = alert.values
    if alert.kind.startswith("placement-"):
        return {"days_to_start": (date.fromisoformat(values["start_on"]) - day).days} if "start_on" in values else {}
    if alert.kind == "deadline-missed":
        return {"own_fault": values["reader"] == values["owner"] == values["caused_by"]}
    return {}
