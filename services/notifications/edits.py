"""Edits of a placement that are joined: one party hears once, and of what has really changed for it. Pure.

A party's *thread* is what it was told, or is about to be told, of one placement on one channel. News is measured against what of that has
left (:func:`told`), never against what still waits: that is replaced (:func:`replaced`) by what is true now. So two edits within the hour
make one notice, an edit that is taken back makes none, and a placement that came and went unheard is not cancelled.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from services.notifications.models import REMEMBERED, Alert, Placement
from services.notifications.wording import Naming, changes


def as_told(placement: Placement) -> dict[str, str]:
    """The placement as an alert remembers it."""
    return {name: str(getattr(placement, name)) for name in REMEMBERED}


def has_not_arrived(alert: Alert) -> bool:
    """Whether its reader cannot have it: it waits for its time or for an address, or came back."""
    return alert.status in ("pending", "bounced") or (alert.status == "failed" and not alert.address)


def told(thread: Sequence[Alert], before: Placement) -> Placement | None:
    """The placement as this party knows it; None if it has heard of none, or of its end.

    :param before: as it was last told to anybody, for alerts that remember nothing.
    """
    heard = [alert for alert in thread if alert.status != "withdrawn" and not has_not_arrived(alert)]
    last = max(heard, key=lambda alert: alert.telling, default=None)
    if last is None or last.kind == "placement-cancelled":
        return None
    return _remembered(last.values.get("placement"), before)


def _remembered(told: Mapping[str, Any] | None, before: Placement) -> Placement:
    if told is None:
        return before
    days = {name: date.fromisoformat(told[name]) for name in ("start_date", "end_date")}
    return Placement(placement_id=before.placement_id, **{**told, **days})


class Still(NamedTuple):
    """What a party must still hear: a kind of alert, and what its message says beside the placement."""

    kind: str
    values: Mapping[str, Any]


def still_to_say(kind: str, thread: Sequence[Alert], before: Placement, now: Placement, named: Naming) -> Still | None:
    """What news of this kind still means for a party, by what it has heard: its end, the whole placement, what is different, or nothing."""
    known = told(thread, before)
    if kind == "placement-cancelled":
        return None if known is None else Still(kind, {})
    if known is None:
        return Still("placement-notice", {})
    different = changes(known, now, named)
    first = min(known.start_date, now.start_date)  # whoever expected the doctor tomorrow must hear of it today
    return Still("placement-change", {"changes": different, "start_on": first.isoformat()}) if different else None


def replaced(thread: Sequence[Alert]) -> list[Alert]:
    """Take back what has not arrived; returns it. What came back stays so, and is not sent again."""
    taken_back = [alert for alert in thread if has_not_arrived(alert)]
    for alert in taken_back:
        if alert.status == "bounced":
            alert.values = {**alert.values, "again": "replaced"}
        else:
            alert.status, alert.reason = "withdrawn", "Newer news came before this could be sent."
    return taken_back


def keep_time(alert: Alert, instead_of: Sequence[Alert], now: datetime) -> None:
    """Let an alert leave when the first of those it replaces would have: edit upon edit does not put it off for ever."""
    firsts = [each.first_due_at for each in instead_of if each.first_due_at is not None]
    waiting = [each.due_at for each in instead_of if each.sent_at is None and each.address]
    if firsts:
        alert.first_due_at = min(firsts)
    if waiting and alert.kind != "placement-cancelled":
        alert.due_at = min(alert.due_at, max(now, min(waiting)))
