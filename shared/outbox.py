"""Events leave in the transaction that made them true.

Whoever changes state adds its messages with :func:`add` in the same transaction; nobody publishes. What one transaction says is a *batch*:
its messages stand in ``outbox``, and a row in ``outbox_batches`` stands as long as the broker has not confirmed every one of them.

The :class:`Relay` leases batches (token, and until when by the database's clock), publishes them *outside* any transaction, and takes
their rows away by token. Any doubt leaves the row, and the batch is published again: the inbox makes that harmless. A worker hands its
own relay what it has just committed, born leased: the usual message is never read back.

What a broker confirmed long ago is forgotten (:meth:`Relay.forget`); a message that is said or sent again after that is known to every
inbox. The queues of an embedded bus die with their process, so there everything is kept, and published again at the next start.
"""

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Engine, Integer, Text, delete, func, insert, literal, select, tuple_, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from shared.crashpoints import crashpoint
from shared.database import Base, UtcDateTime, from_now, transaction
from shared.errors import LeaseLost
from shared.wire import Envelope
from shared.writing import add_new

LEASED_AT_ONCE = 20
"""How many batches a relay leases in one go."""
PUBLISHED_AT_ONCE = 1_000
"""How many messages are read and published in one go; a batch may hold more."""
HANDED_AT_ONCE = 4
"""How many batches may wait in memory for this process's relay; what is said beyond that is left for any relay to lease."""
FORGOTTEN_AT_ONCE = 1_000
"""About how many messages are forgotten in one transaction."""
LOOK_SECONDS = 1.0
"""How long a relay that is handed one batch after the other does not look for any others."""


class OutboxRow(Base):
    """A message that this service says: the ``number``-th of a batch. ``said_at`` is its own time, which may be of long ago."""

    __tablename__ = "outbox"
    batch: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str] = mapped_column(Text)
    said_at: Mapped[datetime] = mapped_column(UtcDateTime)
    correlation_id: Mapped[str]
    stored_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OutboxBatch(Base):
    """What one transaction has said, until the broker has confirmed all of it."""

    __tablename__ = "outbox_batches"
    batch: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, init=False)
    said_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lease_token: Mapped[str | None] = mapped_column(default=None)
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    attempts: Mapped[int] = mapped_column(default=0)

    __table_args__ = ({"sqlite_autoincrement": True},)  # a number is never used again, so no batch is taken for another


class Batch(NamedTuple):
    """What a transaction has added to the outbox. ``leased`` says that this process's relay holds it from the start."""

    batch: int
    envelopes: list[Envelope]
    leased: bool


NOTHING = Batch(0, [], leased=False)


def add(session: Session, envelopes: Iterable[Envelope], now: datetime, relay: "Relay | None" = None) -> Batch:
    """Add messages to the outbox, as one batch; those that it has already are left out.

    :param relay: this process's relay, if it is to publish them once they are committed: hand them over then (:meth:`Relay.hand_over`).
    """
    once = [*{envelope.key: envelope for envelope in envelopes}.values()]
    if not once:
        return NOTHING
    leased = relay is not None and relay.has_room()
    held = {**relay.mine, "attempts": 1} if relay is not None and leased else {"attempts": 0}
    batch = session.scalars(insert(OutboxBatch).values(said_at=now, **held).returning(OutboxBatch.batch)).one()
    columns = {
        "batch": [batch] * len(once),
        "number": range(len(once)),
        "stored_at": [now] * len(once),
        **dict(zip(Envelope._fields, zip(*once, strict=True), strict=True)),
    }
    new = add_new(session, OutboxRow, "key", columns, likely_new=relay is not None)  # what is sent in may well be here already
    return Batch(batch, once if len(new) == len(once) else [envelope for envelope in once if envelope.key in new], leased)


def try_out(engine: Engine, now: datetime) -> None:
    """See that the database takes a row, and take it back.

    :raises DBAPIError: its own, as long as it does not.
    """
    with engine.connect() as connection:  # never committed
        connection.execute(insert(OutboxBatch).values(said_at=now, attempts=0))


def waiting(engine: Engine) -> tuple[int, float]:
    """How many batches the broker has not confirmed yet, and how many seconds ago the oldest of them was said."""
    with transaction(engine) as session:
        count, oldest = session.execute(select(func.count(), func.min(OutboxBatch.said_at)).select_from(OutboxBatch)).one()
        now = session.scalar(select(from_now(0)))
    return count, max(0.0, (now - oldest).total_seconds()) if now and oldest else 0.0


@dataclass
class Relay:
    """Publishes what stands in one service's outbox, about in the order in which it was said.

    :param publish: returns once the broker has confirmed every one of the messages, or raises.
    """

    engine: Engine
    publish: Callable[[Sequence[Envelope]], None]
    lease_seconds: int
    token: str = field(default_factory=lambda: str(uuid.uuid4()))
    _handed: deque[Batch] = field(default_factory=deque)
    _news: threading.Event = field(default_factory=threading.Event)
    _looks_at: float = 0.0

    def has_room(self) -> bool:
        """Whether it can be handed another batch."""
        return len(self._handed) < HANDED_AT_ONCE

    def hand_over(self, batch: Batch) -> None:
        """Take a batch that was born leased to this relay and is committed now."""
        if batch.leased:
            self._handed.append(batch)
            self._news.set()

    def step(self, wait: float = 0.0) -> int:
        """Publish what was handed over and what can be leased; returns how many messages. Waits so many seconds to be handed something.

        While one batch after the other is handed over, it looks only now and then for what others have left.
        """
        self._news.wait(wait)
        sent = self._publish_handed()
        if sent and time.monotonic() < self._looks_at:
            return sent
        self._looks_at = time.monotonic() + LOOK_SECONDS
        if batches := self._lease():
            crashpoint("relay.leased.unpublished")
            sent += self._publish(batches, self._stored(batches))
        return sent

    def _publish_handed(self) -> int:
        self._news.clear()
        handed = [self._handed.popleft() for _ in range(len(self._handed))]
        if not handed:
            return 0
        return self._publish([batch.batch for batch in handed], [[envelope for batch in handed for envelope in batch.envelopes]])

    def finish(self) -> None:
        """Publish what was handed over, or at least give it back, before the process ends."""
        while self._handed:
            self._publish_handed()

    def _publish(self, batches: Sequence[int], parts: Iterable[Sequence[Envelope]]) -> int:
        count = 0
        try:
            for part in parts:
                if count:
                    self._renew(batches)
                self.publish(part)
                count += len(part)
        except Exception:
            self._release(batches)
            raise
        crashpoint("relay.confirmed.unmarked")
        with transaction(self.engine) as session:
            session.execute(delete(OutboxBatch).where(OutboxBatch.batch.in_(batches), OutboxBatch.lease_token == self.token))
        return count

    def _lease(self) -> list[int]:
        """The oldest batches that nobody holds and that did not fail yet; else one that did, alone, so that it takes no others with it."""
        free = OutboxBatch.leased_until.is_(None) | (OutboxBatch.leased_until < from_now(0))
        oldest = select(OutboxBatch.batch).where(free).order_by(OutboxBatch.attempts, OutboxBatch.batch).with_for_update(skip_locked=True)
        with transaction(self.engine) as session:
            for wanted in (oldest.where(OutboxBatch.attempts == 0).limit(LEASED_AT_ONCE), oldest.limit(1)):
                leased = update(OutboxBatch).where(OutboxBatch.batch.in_(wanted)).values(**self.mine, attempts=OutboxBatch.attempts + 1)
                if batches := sorted(session.scalars(leased.returning(OutboxBatch.batch))):
                    return batches
        return []

    @property
    def mine(self) -> dict[str, Any]:
        """What says that a batch is this relay's, until the lease runs out: the database's clock says when that is."""
        return {"lease_token": self.token, "leased_until": from_now(self.lease_seconds)}

    def _renew(self, batches: Sequence[int]) -> None:
        """Hold them for another while; there is more to publish.

        :raises LeaseLost: another relay has taken them over, because this one was too slow.
        """
        with transaction(self.engine) as session:
            held = update(OutboxBatch).where(OutboxBatch.batch.in_(batches), OutboxBatch.lease_token == self.token).values(**self.mine)
            if len(session.scalars(held.returning(OutboxBatch.batch)).all()) < len(batches):
                raise LeaseLost("Another relay has taken over what this one was publishing; it took longer than TRIPARTITE_LEASE_SECONDS.")

    def _stored(self, batches: Sequence[int]) -> Iterator[list[Envelope]]:
        """The messages of these batches, so many at once, each read in a transaction of its own."""
        place = (0, 0)
        while True:
            rest = select(OutboxRow).where(OutboxRow.batch.in_(batches), tuple_(OutboxRow.batch, OutboxRow.number) > place)
            with transaction(self.engine) as session:
                rows = list(session.scalars(rest.order_by(OutboxRow.batch, OutboxRow.number).limit(PUBLISHED_AT_ONCE)))
            if not rows:
                return
            yield [Envelope(row.type, row.key, row.subject, row.body, row.said_at, row.correlation_id) for row in rows]
            place = (rows[-1].batch, rows[-1].number)

    def _release(self, batches: Sequence[int]) -> None:
        """Whether the broker has them is in doubt: they are published again, by whoever comes first."""
        with transaction(self.engine) as session:
            mine = update(OutboxBatch).where(OutboxBatch.batch.in_(batches), OutboxBatch.lease_token == self.token)
            session.execute(mine.values(lease_token=None, leased_until=None))

    def republish(self) -> int:
        """Put everything back that is kept: the embedded queue died with its process, and nobody knows what it held.

        Returns how many messages.
        """
        waiting = select(OutboxBatch.batch)
        published = select(OutboxRow.batch, func.max(OutboxRow.stored_at), literal(0)).where(OutboxRow.batch.not_in(waiting))
        with transaction(self.engine) as session:
            session.execute(update(OutboxBatch).values(lease_token=None, leased_until=None))
            session.execute(insert(OutboxBatch).from_select(["batch", "said_at", "attempts"], published.group_by(OutboxRow.batch)))
            return session.scalar(select(func.count()).select_from(OutboxRow)) or 0

    def forget(self, days: int) -> int:
        """Take away the oldest messages that the broker has: those said so many days before the newest. Returns how many; 0: all is done.

        Days are counted from the newest message, not from today: a service that was away keeps what was on its way when it stopped. And
        at most from the database's own today: a worker whose clock ran ahead makes nothing old. It goes by the order in which they were
        said, and stops at what is not old.
        """
        confirmed = OutboxRow.batch.not_in(select(OutboxBatch.batch))
        oldest = select(OutboxRow.batch).where(confirmed).order_by(OutboxRow.batch, OutboxRow.number).limit(FORGOTTEN_AT_ONCE)
        newest = select(OutboxRow.stored_at, from_now(0)).order_by(OutboxRow.batch.desc()).limit(1)
        with transaction(self.engine) as session:
            if not (last := session.execute(newest).one_or_none()):
                return 0
            old = OutboxRow.batch.in_(set(session.scalars(oldest))), OutboxRow.stored_at < min(last) - timedelta(days)
            return len(session.scalars(delete(OutboxRow).where(*old).returning(OutboxRow.key)).all())
