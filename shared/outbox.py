"""Events leave in the transaction that made them true.

Whoever changes state adds its messages with :func:`add` in the same transaction; nobody publishes. The :class:`Relay` leases rows
(token, and until when), publishes them *outside* any transaction, and marks them by token. Any doubt leaves them unmarked,
and they are published again: the inbox makes that harmless.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, Index, Text, func, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from shared.crashpoints import crashpoint
from shared.database import Base, UtcDateTime, transaction
from shared.wire import Message


class OutboxRow(Base):
    """A message that this service says."""

    __tablename__ = "outbox"
    position: Mapped[int] = mapped_column(primary_key=True, init=False)
    key: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    body: Mapped[str] = mapped_column(Text)
    said_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lease_token: Mapped[str | None] = mapped_column(default=None, index=True)
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    attempts: Mapped[int] = mapped_column(default=0)

    __table_args__ = (Index("outbox_unpublished", "published_at", "position"),)


def add(session: Session, messages: Sequence[Message], now: datetime) -> int:
    """Add messages to the outbox; those that it has already are left out. Returns how many were new."""
    fresh = {message.key: message for message in messages}
    for key in session.scalars(select(OutboxRow.key).where(OutboxRow.key.in_(fresh))):
        fresh.pop(key, None)
    rows = [
        {"key": key, "type": message.data.type, "subject": message.data.subject, "body": message.to_json(), "said_at": now, "attempts": 0}
        for key, message in fresh.items()
    ]
    if rows:
        session.execute(insert(OutboxRow), rows)
    return len(rows)


@dataclass
class Relay:
    """Publishes what stands in one service's outbox, in the order in which it was said.

    :param publish: takes (type, key, body) rows; returns once the broker has every one of them, or raises.
    """

    engine: Engine
    publish: Callable[[Sequence[tuple[str, str, str]]], None]
    batch: int
    lease: timedelta

    def step(self, now: datetime) -> int:
        """Publish one batch; returns how many messages were published."""
        token = str(uuid.uuid4())
        rows = self._lease(token, now)
        if not rows:
            return 0
        crashpoint("relay.leased.unpublished")
        self.publish(rows)
        crashpoint("relay.published.unmarked")
        with transaction(self.engine) as session:
            session.execute(update(OutboxRow).where(OutboxRow.lease_token == token).values(published_at=now, lease_token=None))
        return len(rows)

    def _lease(self, token: str, now: datetime) -> list[tuple[str, str, str]]:
        free = OutboxRow.published_at.is_(None) & (OutboxRow.lease_token.is_(None) | (OutboxRow.leased_until < now))
        oldest = select(OutboxRow.position).where(free).order_by(OutboxRow.position).limit(self.batch)
        leased = (
            update(OutboxRow)
            .where(OutboxRow.position.in_(oldest))
            .values(lease_token=token, leased_until=now + self.lease, attempts=OutboxRow.attempts + 1)
        )
        with transaction(self.engine) as session:
            found = session.execute(leased.returning(OutboxRow.position, OutboxRow.type, OutboxRow.key, OutboxRow.body))
            return [(row.type, row.key, row.body) for row in sorted(found, key=lambda row: row.position)]

    def republish(self) -> int:
        """Put everything back: the embedded queue died with its process, and nobody knows what it held. Returns how many messages.

        However long the process was away: what was in flight when it died may be as old as that.
        """
        with transaction(self.engine) as session:
            session.execute(update(OutboxRow).values(published_at=None, lease_token=None, leased_until=None))
            return session.scalar(select(func.count(OutboxRow.position))) or 0
