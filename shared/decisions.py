"""Decisions on record: taken, stored with their edition, found again and replayed byte for byte.

:func:`take` decides and stores in the caller's transaction. :func:`standing` is for facts that recur (six hundred placements of
one rotation): the same edition, day and facts are decided and stored once, under an id that follows from them.
"""

import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache

from sqlalchemy import Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from shared.database import Base, UtcDateTime, among
from shared.errors import UnknownDecision
from shared.policies import policy_from_canonical
from shared.policies.facts import Code, read_facts
from shared.policies.policy import Policy
from shared.rules import Decision, decide
from shared.writing import add_new


class EditionRow(Base):
    """The canonical text of an edition under which a decision was taken."""

    __tablename__ = "editions"
    edition: Mapped[str] = mapped_column(primary_key=True)
    policy: Mapped[str]
    canonical: Mapped[str] = mapped_column(Text)


class DecisionRow(Base):
    """A decision on record; ``body`` is its canonical text."""

    __tablename__ = "decisions"
    id: Mapped[str] = mapped_column(primary_key=True)
    policy: Mapped[str]
    edition: Mapped[str]
    as_at: Mapped[date]
    subject: Mapped[str] = mapped_column(index=True)
    status: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    body: Mapped[str] = mapped_column(Text)


def new_id() -> str:
    """A UUID of version 7 (RFC 9562): ids of later decisions sort after earlier ones."""
    value = int.from_bytes((time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62))


def stamp(now: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def take(session: Session, policy: Policy, facts: Mapping[str, Code], as_at: date, now: datetime, subject: str) -> Decision:
    """Decide, and store the decision with its edition in the caller's transaction."""
    decision = decide(policy, facts, as_at, made_at=stamp(now), id=new_id())
    store(session, policy, decision, subject)
    return decision


def standing(policy: Policy, facts: Mapping[str, Code], as_at: date, subject: str = "") -> Decision:
    """The decision that the same edition, day and facts always give; about one subject, where it must be told from others.

    Its time is the start of the day it is taken as at.
    """
    return _standing(policy, tuple(facts.items()), as_at, subject)


@lru_cache(maxsize=4096)
def _standing(policy: Policy, facts: tuple[tuple[str, Code], ...], as_at: date, subject: str) -> Decision:
    name = json.dumps([policy.edition, facts, as_at.isoformat(), subject])
    return decide(policy, dict(facts), as_at, made_at=f"{as_at}T00:00:00.000Z", id=str(uuid.uuid5(uuid.NAMESPACE_URL, name)))


def store(session: Session, policy: Policy, decision: Decision, subject: str) -> None:
    """Put a decision on record, once, with the edition it was taken under."""
    store_all(session, policy, [decision], subject)


def store_all(session: Session, policy: Policy, decisions: Iterable[Decision], subject: str) -> None:
    """Put decisions on record, each once, with the edition they were taken under; others may be storing the same at this moment."""
    wanted = {decision.id: decision for decision in decisions}
    there = set(session.scalars(select(DecisionRow.id).where(among(DecisionRow.id, wanted)))) if wanted else set()
    new = [wanted[id_] for id_ in sorted(wanted.keys() - there)]  # in one order, so that nobody waits in a ring
    if not new:
        return
    if session.scalar(select(EditionRow.edition).where(EditionRow.edition == policy.edition)) is None:  # its text is long
        edition = {"edition": [policy.edition], "policy": [policy.name], "canonical": [policy.canonical]}
        add_new(session, EditionRow, "edition", edition, likely_new=False)
    columns = {
        "id": [decision.id for decision in new],
        "policy": [policy.name] * len(new),
        "edition": [policy.edition] * len(new),
        "as_at": [date.fromisoformat(decision.body["as_at"]) for decision in new],
        "subject": [subject] * len(new),
        "status": [decision.body["status"] for decision in new],
        "made_at": [datetime.fromisoformat(decision.body["made_at"]) for decision in new],
        "body": [decision.to_json() for decision in new],
    }
    add_new(session, DecisionRow, "id", columns, likely_new=False)


def find(session: Session, id_: str) -> DecisionRow:
    """The decision on record.

    :raises UnknownDecision: there is none of that id.
    """
    row = session.get(DecisionRow, id_)
    if row is None:
        raise UnknownDecision(f"There is no decision {id_} here; GET …/decisions?subject= lists those on record.")
    return row


def replay(session: Session, row: DecisionRow) -> Decision:
    """Decide again: the stored edition, facts, day, id and time. Equal to ``row.body``, byte for byte, unless something is wrong."""
    edition = session.scalars(select(EditionRow).where(EditionRow.edition == row.edition)).one()
    stored = json.loads(row.body)
    policy = policy_from_canonical(edition.canonical, f"the edition {row.edition}")
    facts = read_facts(policy.facts, stored["facts"], policy.name)
    return decide(policy, facts, row.as_at, made_at=stored["made_at"], id=row.id)


def fingerprint(*parts: object) -> str:
    """SHA-256 of these parts, for keys that follow from content."""
    return hashlib.sha256(json.dumps(parts, default=str, ensure_ascii=False).encode()).hexdigest()
