"""Heard twice, handled once; stale news ignored; what cannot be handled is kept.

The rows of this file are written in the transaction that holds the effects of a batch:

* ``inbox``: every message that was handled, by source and id. The same message again is skipped.
* ``inbox_marks``: for events whose newest wins, the newest heard per stream. Older news is skipped, for ever.
* ``quarantine``: messages that are undecodable, invalid or that a handler failed on: raw, with the reason and a count.
* ``quarantine_audit``: a line for whatever a person did with one of those.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Integer, LargeBinary, Text, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from shared.database import Base, UtcDateTime, among, hold
from shared.wire import Message
from shared.writing import add_new, new, write


class InboxRow(Base):
    """A message that was handled."""

    __tablename__ = "inbox"
    key: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    heard_at: Mapped[datetime] = mapped_column(UtcDateTime)


class InboxMark(Base):
    """The newest message heard of a stream."""

    __tablename__ = "inbox_marks"
    stream: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    said_at: Mapped[datetime] = mapped_column(UtcDateTime)
    key: Mapped[str]

    @classmethod
    def of(cls, message: Message) -> "InboxMark":
        """The mark that a message leaves."""
        made: InboxMark = new(cls)(stream=message.data.stream, sequence=message.sequence, said_at=message.time, key=message.key)
        return made

    def is_older_than(self, message: Message) -> bool:
        """Whether a message is newer. What comes from outside, perhaps from several sources, is ordered by time; our own by sequence.

        The key breaks a tie, so the order in which messages come never decides.
        """
        if message.data.from_outside:
            return (self.said_at, self.sequence, self.key) < (message.time, message.sequence, message.key)
        return (self.sequence, self.key) < (message.sequence, message.key)


class QuarantineRow(Base):
    """A message that could not be handled, as it came."""

    __tablename__ = "quarantine"
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    reason: Mapped[str] = mapped_column(Text)
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    times: Mapped[int] = mapped_column(default=1)


class QuarantineAudit(Base):
    """What somebody did with a message in the quarantine: ``retried``, ``still-not-handled`` or ``discarded``.

    ``key`` is the message's, if it bears one.
    """

    __tablename__ = "quarantine_audit"
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, init=False)
    done_at: Mapped[datetime] = mapped_column(UtcDateTime)
    fingerprint: Mapped[str] = mapped_column(index=True)
    action: Mapped[str]
    done_by: Mapped[str]
    detail: Mapped[str] = mapped_column(Text)
    key: Mapped[str]


def take_in(session: Session, messages: Sequence[Message], now: datetime) -> list[Message]:
    """Note these messages as heard, and return those that must be handled: new, and not overtaken by newer news.

    Within the batch as well the same message counts once and the newest of a stream wins from its place on.
    """
    once: dict[str, Message] = {}
    for message in messages:
        once.setdefault(message.key, message)
    types = [message.data.type for message in once.values()]
    added = add_new(session, InboxRow, "key", {"key": [*once], "type": types, "heard_at": [now] * len(once)}, likely_new=False)
    fresh = [message for key, message in once.items() if key in added]
    streams = {message.data.stream for message in fresh if message.data.newer_wins}
    marks = {mark.stream: mark for mark in session.scalars(select(InboxMark).where(among(InboxMark.stream, streams)))} if streams else {}
    handled = [message for message in fresh if not message.data.newer_wins or _advances(marks, message)]
    write(session, marks.values())
    return handled


def _advances(marks: dict[str, InboxMark], message: Message) -> bool:
    """Whether a message is newer than what its stream is marked with; the mark moves on."""
    mark = marks.get(message.data.stream)
    if mark is None:
        marks[message.data.stream] = InboxMark.of(message)
        return True
    if not mark.is_older_than(message):
        return False
    mark.sequence, mark.said_at, mark.key = message.sequence, message.time, message.key
    return True


def storable(text: str) -> str:
    """A text without the one character that PostgreSQL has not."""
    return text.replace("\0", "\ufffd")


def fingerprint_of(body: bytes) -> str:
    """What a message in the quarantine is called by."""
    return hashlib.sha256(body).hexdigest()


def quarantine(session: Session, kept: Iterable[tuple[bytes, str]], now: datetime) -> None:
    """Keep messages that could not be handled, each with the reason; the same one again is counted.

    What somebody has discarded stays away, even if that is being done at this moment.
    """
    messages = [(fingerprint_of(body), body, storable(reason)) for body, reason in kept]
    hold_messages(session, {fingerprint for fingerprint, _, _ in messages})
    gone = QuarantineAudit.fingerprint.in_({fingerprint for fingerprint, _, _ in messages}), QuarantineAudit.action == "discarded"
    discarded = set(session.scalars(select(QuarantineAudit.fingerprint).where(*gone)))
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    for fingerprint, body, reason in messages:
        if fingerprint in discarded:
            continue
        row = insert(QuarantineRow).values(fingerprint=fingerprint, body=body, reason=reason, first_at=now, last_at=now, times=1)
        again = {"reason": reason, "last_at": now, "times": QuarantineRow.times + 1}
        session.execute(row.on_conflict_do_update(index_elements=[QuarantineRow.fingerprint], set_=again))


def hold_messages(session: Session, fingerprints: Iterable[str]) -> None:
    """Make others wait that are about to keep or discard the same messages."""
    hold(session, [f"the message {fingerprint}" for fingerprint in fingerprints])
