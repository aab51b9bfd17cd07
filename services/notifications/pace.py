"""When an alert leaves: at once, after quiet hours, or with others in a digest. Pure: the time is an argument.

* :func:`manner_of` says how the policy ``alert-pace`` would have a kind of alert told to a reader, and :func:`chosen` what its reader's
  :class:`Preference` makes of that.
* :class:`Habits` are the quiet hours and the hour of the digest of one reader; :func:`goes_at` is the moment in which an alert leaves.
* The numbers are parameters of the policy: :func:`number`.

Times of day are those in England, summer time included. Quiet hours and digests are for mails; the in-app inbox, which one has to open,
is never quiet, nor is another machine.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from services.notifications.models import Pace, Preference
from shared.decisions import standing
from shared.errors import TripartiteError
from shared.policies import load_policies
from shared.policies.facts import read_facts
from shared.policies.policy import Rule
from shared.rules import Decision
from shared.worker import LONDON, today

POLICY = "alert-pace"
QUIETED = "email"
"""The channel that has quiet hours and digests."""
DIGEST_WEEKDAY = 0
"""A weekly digest comes on a Monday."""
ORDINARILY = {"own_fault": False, "days_to_start": 365}
"""What is the case of an alert about which nothing special is known."""


@dataclass(frozen=True)
class Manner:
    """How an alert is told. ``rule`` is the policy's that says so, in this ``decision``."""

    urgent: bool
    pace: Pace
    statutory: bool
    acknowledged: bool
    rule: Rule
    decision: Decision
    off: bool = False


@dataclass(frozen=True)
class Habits:
    """When one may bring somebody something, and when the digest comes; times of day in England."""

    quiet_from: time
    quiet_until: time
    digest_at: time

    def are_quiet(self, moment: datetime) -> bool:
        """Whether a moment falls into the quiet hours; they may run over midnight, and are empty if they begin when they end."""
        at = moment.astimezone(LONDON).time()
        if self.quiet_from <= self.quiet_until:
            return self.quiet_from <= at < self.quiet_until
        return at >= self.quiet_from or at < self.quiet_until


# ---- what the policy and the reader say --------------------------------------------------------------------------


def manner_of(kind: str, reader: str, day: date, special: Mapping[str, Any] | None = None) -> Manner:
    """How the policy would have an alert told.

    :param special: facts of this alert (``own_fault``, ``days_to_start``); those left out are as they ordinarily are.
    """
    return _manner_of(kind, reader, day, tuple({**ORDINARILY, **(special or {})}.items()))


@lru_cache(maxsize=4096)
def _manner_of(kind: str, reader: str, day: date, special: tuple[tuple[str, Any], ...]) -> Manner:
    policy = load_policies("notifications")[POLICY]
    known = kind if kind in policy.facts["alert_kind"].choices else "other"
    facts = {"alert_kind": known, "alert_reader": reader, **dict(special)}
    decision = standing(policy, read_facts(policy.facts, facts, policy.name), day)
    if not decision.outcome:
        raise TripartiteError(f"{POLICY} says nothing of {facts} on {day}; every alert must have a pace.")
    rules = {rule.id: rule for rule in policy.on(day).rules}
    [fired] = decision.body["because"]
    return Manner(**dict(decision.outcome), rule=rules[fired["rule"]], decision=decision)


def kinds() -> list[str]:
    """The kinds of alert that one can choose a pace for."""
    return [kind for kind in load_policies("notifications")[POLICY].facts["alert_kind"].choices if kind != "other"]


def chosen(manner: Manner, kind: str, preference: Preference | None) -> Manner:
    """What the reader's choice makes of it. What is urgent stays so, and what is statutory is never off."""
    choice = preference.kinds.get(kind) if preference else None
    if choice is None or (choice == "off" and manner.statutory):
        return manner
    return replace(manner, off=True) if choice == "off" else replace(manner, pace=choice)


def habits_of(preference: Preference | None, day: date) -> Habits:
    """The habits of a reader: those of the policy, where none were chosen."""
    hours = {"quiet_from": "quiet-from-hour", "quiet_until": "quiet-until-hour", "digest_at": "digest-hour"}
    wanted = {name: str(getattr(preference, name) or "") if preference else "" for name in hours}
    return Habits(**{name: time.fromisoformat(given) if (given := wanted[name]) else time(number(hours[name], day)) for name in hours})


@lru_cache(maxsize=256)
def number(name: str, day: date) -> int:
    """A parameter of the policy on a day."""
    return load_policies("notifications")[POLICY].parameters[name].number_on(day)


def joined_until(now: datetime) -> datetime:
    """Until when news waits for what may still change it."""
    return now + timedelta(minutes=number("joined-within-minutes", today(now)))


# ---- when --------------------------------------------------------------------------------------------------------


def goes_at(manner: Manner, channel: str, habits: Habits, now: datetime) -> datetime:
    """The first moment, from now on, in which an alert may leave (or stand in a digest); in UTC."""
    if manner.urgent or channel != QUIETED:
        return now
    moments = [now] if manner.pace == "immediate" else _digests(manner.pace, habits, now)
    return next(quiet_over for moment in moments if (quiet_over := after_quiet(habits, moment)) >= now)


def pace_of(manner: Manner, channel: str) -> Pace:
    """Whether it waits for a digest; what is urgent, and what is no mail, does not."""
    return "immediate" if manner.urgent or channel != QUIETED else manner.pace


def _digests(pace: Pace, habits: Habits, now: datetime) -> Iterator[datetime]:
    """The hours of digests from now on."""
    first = today(now)
    for days in range(9):
        day = first + timedelta(days=days)
        if (pace == "daily" or day.weekday() == DIGEST_WEEKDAY) and (moment := _at(day, habits.digest_at)) >= now:
            yield moment


def after_quiet(habits: Habits, moment: datetime) -> datetime:
    """The moment itself, or the end of the quiet hours that it falls into."""
    if not habits.are_quiet(moment):
        return moment
    day = today(moment)
    ends = (_at(day + timedelta(days=days), habits.quiet_until, fold) for days in range(3) for fold in (0, 1))
    return next(end for end in ends if end >= moment and not habits.are_quiet(end))


def _at(day: date, at: time, fold: int = 0) -> datetime:
    """A time of day in England, in UTC. One that the clocks skip in spring is an hour later; ``fold``: which of two in autumn."""
    return datetime.combine(day, at, LONDON).replace(fold=fold).astimezone(UTC)
