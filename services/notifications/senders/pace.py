"""How fast a channel takes alerts: a token bucket in the database, which all workers share, and pauses while its provider is away.

The bucket never lets more than the setting's number through in any minute: it holds a tenth of that, and is filled with the other nine
tenths in a minute. So sends are spread, and a rotation does not trip a provider's limits. Times are of the database's clock.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.notifications.models import Channel
from shared.database import from_now, hold
from shared.errors import ChannelAway

LONGEST_PAUSE = 600.0
"""Seconds; a provider that stays away is asked this often, unless it named a longer time itself."""


def filled(tokens: float, seconds: float, per_minute: int) -> float:
    """What is in a bucket after so many seconds."""
    most = per_minute // 10
    return min(float(most), tokens + max(seconds, 0.0) * (per_minute - most) / 60)


def allowance(session: Session, name: str, per_minute: int) -> int:
    """How many alerts this channel takes now. It is held until the transaction ends, so that nobody else counts the same tokens."""
    channel, now = _held(session, name, per_minute)
    channel.tokens, channel.filled_at = filled(channel.tokens, (now - channel.filled_at).total_seconds(), per_minute), now
    return 0 if channel.paused_until and channel.paused_until > now else int(channel.tokens)


def take(session: Session, name: str, count: int) -> None:
    """Take tokens out of a bucket whose :func:`allowance` was asked in this transaction."""
    session.get_one(Channel, name).tokens -= count


def pause(session: Session, name: str, away: ChannelAway) -> None:
    """Leave a channel alone for a while: longer each time, and never shorter than its provider asked for."""
    channel, _ = _held(session, name, 0)
    channel.failures += 1
    longest = max(LONGEST_PAUSE, away.seconds)
    channel.paused_until = from_now(min(away.seconds * 2.0 ** min(channel.failures - 1, 20), longest))
    channel.reason = str(away)


def resume(session: Session, name: str) -> None:
    """A channel has taken something: whatever kept it is over."""
    channel = session.get(Channel, name)
    if channel is not None and channel.failures:
        channel.failures, channel.paused_until, channel.reason = 0, None, ""


def _held(session: Session, name: str, per_minute: int) -> tuple[Channel, datetime]:
    """The row of a channel (a full bucket, if it is new), and the time."""
    hold(session, [f"the channel {name}"])
    now = session.scalars(select(from_now(0))).one()
    channel = session.get(Channel, name)
    if channel is None:
        channel = Channel(name, float(per_minute // 10), now)
        session.add(channel)
        session.flush()
    return channel, now
