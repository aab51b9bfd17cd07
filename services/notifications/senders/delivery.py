"""Alerts out, each of them once.

:func:`deliver` is the chore: settle what is in doubt, then on each channel :func:`claim` a batch (worded and committed), :func:`send` it,
:func:`mark` it. Between the claim and the mark an alert may or may not have left; if its sender dies there, the lease runs out, the
alert becomes ``unknown``, and :func:`settle_claims` looks for it where it would be. It is sent again only if it is provably not there.

Senders that take alerts one by one narrow the doubt: each alert is on record as begun (:func:`begin`) before its sender has it, and marked
before the next is begun. So whatever dies, one alert of a batch is in doubt; those that were not begun have not left. To begin needs
a lease that still runs by the database's clock: a sender that slept through it begins nothing.
"""

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import structlog
from sqlalchemy import ColumnElement, false, func, select, update
from sqlalchemy.orm import Session

from services.notifications import senders
from services.notifications.acknowledging import with_link
from services.notifications.calling_back import OVER, taken_apart
from services.notifications.consumers import failed
from services.notifications.digests import KIND as DIGEST
from services.notifications.digests import with_members
from services.notifications.escalation import watched
from services.notifications.gathering import awake
from services.notifications.letters import word
from services.notifications.mending import readdressed
from services.notifications.models import Alert, Recipient
from services.notifications.senders import pace
from services.notifications.senders.leaving import kept_because
from services.notifications.senders.outcomes import SENT, Outcome
from services.notifications.senders.states import close, put_in_doubt, said_of, settle, to_be_asked, untouched
from shared.crashpoints import crashpoint
from shared.database import among, from_now, transaction
from shared.errors import ChannelAway
from shared.worker import Say, Worker

TRUSTED_PER_SECOND = 8
"""A sender that takes alerts one by one is given what half a lease is enough for: what it does not come to was worded in vain."""
log = structlog.get_logger()


# ---- claim, send, mark -------------------------------------------------------------------------------------------


def deliver(worker: Worker, now: datetime) -> int:
    """One round: what is in doubt is settled, then about a batch is sent on each channel. Returns how many alerts were dealt with."""
    done, failures = settle_claims(worker, now), list[Exception]()
    by_channel = senders.senders_of(worker)
    for channel in _waited_on(worker, [*by_channel], now):
        try:
            done += _batch(worker, channel, by_channel.get(channel), now)
        except Exception as error:  # one channel that is away holds up no other
            failures.append(error)
    if failures:
        raise failures[0]
    return done


def _waited_on(worker: Worker, order: Sequence[str], now: datetime) -> list[str]:
    """The channels that an alert waits on, in the order of their senders, and then those that have none."""
    with transaction(worker.engine) as session:
        found = session.scalars(select(Alert.channel).where(_waiting(now)).distinct())
        return sorted(found, key=lambda channel: order.index(channel) if channel in order else len(order))


def _waiting(now: datetime) -> ColumnElement[bool]:
    may = (Alert.status == "pending") & (Alert.pace == "immediate") & (Alert.due_at <= now)
    return may & (Alert.not_before.is_(None) | (Alert.not_before <= now))


def _batch(worker: Worker, channel: str, sender: "senders.Sender | None", now: datetime) -> int:
    """Claim and send until a batch has been dealt with, nothing waits, or half a lease is over: other channels wait, and perhaps a stop."""
    done, ends = 0, time.monotonic() + worker.config.lease_seconds / 2
    while done < worker.config.batch and time.monotonic() < ends and (more := _claimed_and_sent(worker, channel, sender, now)):
        done += more
    return done


def _claimed_and_sent(worker: Worker, channel: str, sender: "senders.Sender | None", now: datetime) -> int:
    token = str(uuid.uuid4())
    claimed, aside = claim(worker, channel, sender, token, now)
    if claimed and sender is not None:
        crashpoint("alert.claimed.unsent")
        send(worker, sender, token, claimed, now)
    return len(claimed) + aside


def claim(worker: Worker, channel: str, sender: "senders.Sender | None", token: str, now: datetime) -> tuple[list[Alert], int]:
    """Word the oldest alerts that wait on a channel and claim them, as many as it takes now, committed before anything leaves.

    :returns: what was claimed, and how many others were dealt with: they cannot be worded, have no sender, or are kept.
    """
    with transaction(worker.engine) as session:
        oldest = select(Alert).where(_waiting(now), Alert.channel == channel)
        oldest = oldest.order_by(Alert.due_at, Alert.created_at, Alert.telling, Alert.alert_key)
        oldest = oldest.limit(_at_most(session, worker, channel, sender))
        rows = list(session.scalars(oldest.with_for_update(skip_locked=True)))
        rows = awake(session, rows, now) if worker.config.pace != "immediate" else rows
        theirs = among(Recipient.recipient_id, {alert.recipient_id for alert in rows})
        contacts = {contact.recipient_id: contact for contact in session.scalars(select(Recipient).where(theirs))}
        for alert in rows:
            readdressed(alert, contacts.get(alert.recipient_id))
            _look_through(session, alert)
            if alert.status == "pending":
                with_link(alert, worker.config)
                word(alert)
            _sort_out(alert, worker, sender)
        leaving = [alert for alert in rows if alert.status == "pending"]
        for alert in leaving:
            alert.status, alert.token, alert.attempts = "claimed", token, alert.attempts + 1
            alert.leased_until = from_now(worker.config.lease_seconds)  # by the database's clock
        if sender is not None and sender.per_minute is not None:
            pace.take(session, channel, len(leaving))
        aside = with_members(session, [alert for alert in rows if alert.status in ("failed", "kept")])
        worker.say(session, [Say(failed(alert)) for alert in aside if alert.status == "failed"], now)
    return leaving, len(rows) - len(leaving)


def _at_most(session: Session, worker: Worker, channel: str, sender: "senders.Sender | None") -> int:
    """How many alerts are claimed at once: a batch, but no more than fits the lease, and than the channel takes now."""
    most = worker.config.batch
    if sender is not None and not sender.at_once:
        most = min(most, worker.config.lease_seconds * TRUSTED_PER_SECOND // 2)
    if sender is not None and sender.per_minute is not None:
        most = min(most, pace.allowance(session, channel, sender.per_minute))
    return most


def _look_through(session: Session, alert: Alert) -> None:
    """A digest leaves only while everything in it still holds."""
    if alert.kind == DIGEST:
        taken_apart(alert, session.scalars(select(Alert).where(Alert.digest == alert.alert_key).with_for_update()).all())


def _sort_out(alert: Alert, worker: Worker, sender: "senders.Sender | None") -> None:
    """What has no sender fails; what may not leave is kept, for good: sending that is switched on later sets off no surge."""
    if alert.status != "pending":
        return
    if OVER in alert.values:
        alert.status, alert.reason = "withdrawn", alert.values[OVER]
        return
    if sender is None:
        alert.status, alert.reason = "failed", f"There is no sender for {alert.channel}."
        return
    alert.provider, alert.reason = sender.provider, kept_because(worker.config, alert.channel, alert.address)
    if alert.reason:
        alert.status = "kept"


def send(worker: Worker, sender: "senders.Sender", token: str, alerts: Sequence[Alert], now: datetime) -> None:
    """Send claimed alerts and mark them; those that the sender did not come to are given back, and have not left."""
    begun: list[str] = []
    outcomes: dict[str, Outcome] = {}
    marked: set[str] = set()
    failure: Exception | None = None
    try:
        feed = iter(alerts) if sender.at_once else _begin_each(worker, token, alerts, now, begun.append)
        for key, outcome in sender.send(feed, now):
            outcomes[key] = outcome
            if not sender.at_once:
                crashpoint("alert.sent.unmarked")
                mark(worker, sender, token, {key: outcome}, now)
                marked.add(key)
            crashpoint("alert.sent.one")
    except Exception as error:
        failure = error
    if unmarked := {key: outcome for key, outcome in outcomes.items() if key not in marked}:
        crashpoint("alert.sent.unmarked")
        mark(worker, sender, token, unmarked, now)  # if this fails as well, nothing is given back: the lease runs out, and it is looked up
    in_hand = {alert.alert_key for alert in alerts} if sender.at_once else set(begun)
    away = failure if isinstance(failure, ChannelAway) else None
    give_back(worker, sender, token, in_hand - outcomes.keys() if failure and not away else set(), str(failure), now)
    _keep_pace(worker, alerts[0].channel, away, SENT in outcomes.values())
    if failure and not away:
        raise failure


def _begin_each(worker: Worker, token: str, alerts: Sequence[Alert], now: datetime, note: Callable[[str], None]) -> Iterator[Alert]:
    """The alerts one by one, each on record as begun; they end when half of the lease is over, or it was lost."""
    ends = time.monotonic() + worker.config.lease_seconds / 2
    for alert in alerts:
        if time.monotonic() > ends or not begin(worker, token, alert.alert_key, now):
            return
        note(alert.alert_key)
        yield alert


def begin(worker: Worker, token: str, alert_key: str, now: datetime) -> bool:
    """Put on record that an alert is about to leave, and lengthen its lease; False if it is not ours any more."""
    ours = (Alert.alert_key == alert_key) & (Alert.token == token) & (Alert.status == "claimed") & (Alert.leased_until > from_now(0))
    values = {"begun_at": now, "tried_at": func.coalesce(Alert.tried_at, now), "leased_until": from_now(worker.config.lease_seconds)}
    with transaction(worker.engine) as session:
        return bool(session.scalars(update(Alert).where(ours).values(values).returning(Alert.alert_key)).all())


def mark(worker: Worker, sender: "senders.Sender", token: str, outcomes: Mapping[str, Outcome], now: datetime) -> None:
    """Mark what became of alerts that this token claimed, and say it.

    That an alert has left counts also when the lease was lost meanwhile, and the alert waits, is in doubt, or was claimed by another who
    has not begun it: it must not leave again.
    """
    left = [key for key, outcome in outcomes.items() if outcome == SENT]
    waits = Alert.status.in_(("pending", "unknown", "needs-review")) | ((Alert.status == "claimed") & Alert.begun_at.is_(None))
    late = Alert.alert_key.in_(left) & waits
    mine = Alert.alert_key.in_([*outcomes]) & (Alert.token == token)
    with transaction(worker.engine) as session:
        rows = list(session.scalars(select(Alert).where(mine | late).with_for_update()))
        for alert in rows:
            close(alert, outcomes[alert.alert_key], worker, sender, now)
        worker.say(session, [said for alert in watched(with_members(session, rows), now) for said in said_of(alert, now)], now)


def give_back(worker: Worker, sender: "senders.Sender", token: str, in_doubt: Collection[str], why: str, now: datetime) -> None:
    """Give back what was claimed and not marked: these are in doubt, the others were not begun and wait again."""
    with transaction(worker.engine) as session:
        for alert in session.scalars(select(Alert).where(Alert.token == token, Alert.status == "claimed").with_for_update()):
            if alert.alert_key in in_doubt:
                put_in_doubt(alert, worker, sender, why, now)
            else:
                untouched(alert)


def _keep_pace(worker: Worker, channel: str, away: ChannelAway | None, taken: bool) -> None:
    """Leave a channel alone whose provider takes nothing; one that has taken something is back."""
    if away is None and not taken:
        return
    with transaction(worker.engine) as session:
        if taken:
            pace.resume(session, channel)
        if away is not None:
            pace.pause(session, channel, away)
            log.warning("channel.away", channel=channel, error=str(away))


# ---- what is in doubt --------------------------------------------------------------------------------------------


def settle_claims(worker: Worker, now: datetime, *, at_start: bool = False) -> int:
    """Look up every alert that is in doubt: there -> sent; provably not -> pending; not to be known -> needs-review.

    :param at_start: at an embedded start claims that were not begun are free at once: the process that made them is dead. What was begun
        may be on its way to a provider that knows of it in a moment: it is asked once the lease is over.
    """
    by_channel = senders.senders_of(worker)
    doubtful = doubt(worker, [channel for channel, sender in by_channel.items() if sender.at_once], at_start=at_start)
    if not doubtful:
        return 0
    found: set[str] = set()
    away: set[str] = set()
    for channel, sender in by_channel.items():
        asked = {alert.alert_key for alert in doubtful if alert.channel == channel and to_be_asked(alert, sender, now)}
        try:
            found |= sender.find(asked) if asked else set()
        except Exception as error:  # what is in doubt on this channel stays so; the others go on
            log.warning("channel.away", channel=channel, error=str(error))
            away.add(channel)
    with transaction(worker.engine) as session:
        tokens = {alert.alert_key: alert.token for alert in doubtful if alert.channel in by_channel.keys() - away}
        unknown = session.scalars(select(Alert).where(Alert.status == "unknown", Alert.alert_key.in_(tokens)).with_for_update())
        rows = [alert for alert in unknown if alert.token == tokens[alert.alert_key]]  # not claimed by another since we looked
        for alert in rows:
            settle(alert, worker, by_channel[alert.channel], alert.alert_key in found, now)
        sent = watched(with_members(session, [alert for alert in rows if alert.status == "sent"]), now)
        worker.say(session, [said for alert in sent for said in said_of(alert, now)], now)
        if away:
            _ask_later(session.scalars(select(Alert).where(Alert.status == "unknown", Alert.channel.in_(away))), worker)
    return len(rows)


def _ask_later(alerts: Iterable[Alert], worker: Worker) -> None:
    """Their provider is away: it is asked again when a lease has passed."""
    for alert in alerts:
        alert.leased_until = from_now(worker.config.lease_seconds)


def doubt(worker: Worker, at_once: Sequence[str], *, at_start: bool = False) -> list[Alert]:
    """Make ``unknown`` of every claim that has run out, committed; returns all alerts that are to be looked up now.

    :param at_once: the channels whose senders know at once what they have.
    """
    over = Alert.leased_until.is_(None) | (Alert.leased_until < from_now(0))
    dead = Alert.begun_at.is_(None) | Alert.channel.in_(at_once) if at_start else false()
    with transaction(worker.engine) as session:
        expired = (Alert.status == "claimed") & (dead | (Alert.leased_until < from_now(0)))
        ripe = (Alert.status == "unknown") & over
        doubtful = list(session.scalars(select(Alert).where(expired | ripe).with_for_update(skip_locked=True)))
        for alert in doubtful:
            alert.status = "unknown"
    return doubtful
