"""The tables of deadlines: placements as they now are, every deadline there ever was, documents, alerts that went out, calendars.

A deadline is one duty of one placement in one revision. A change of start, host or lead employer ends the revision
(``withdrawn``, with the reason) and begins the next; nothing is ever overwritten, so what was due on a past day can be read.
"""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Index, MetaData, Numeric
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from shared.database import UtcDateTime


class Base(MappedAsDataclass, DeclarativeBase):
    """The tables of this service."""

    metadata = MetaData()


class Placement(Base):
    """A placement as it was last heard of. ``withdrawn`` placements stay, for audit.

    ``doctor_since`` is the day on which another doctor was put on it (None: it was always this one): what was issued before was
    issued to somebody else. ``changes`` counts how often anything about it changed, last on ``changed_on``.
    """

    __tablename__ = "placements"
    placement_id: Mapped[str] = mapped_column(primary_key=True)
    trainee_id: Mapped[str]
    host: Mapped[str] = mapped_column(index=True)
    host_name: Mapped[str]
    site: Mapped[str]
    lead_employer: Mapped[str]
    specialty: Mapped[str]
    grade: Mapped[str]
    whole_time_equivalent: Mapped[Decimal] = mapped_column(Numeric(4, 3))
    placement_type: Mapped[str]
    start_date: Mapped[date] = mapped_column(index=True)
    end_date: Mapped[date]
    heard_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn: Mapped[str | None] = mapped_column(default=None)
    doctor_since: Mapped[date | None] = mapped_column(default=None)
    changes: Mapped[int] = mapped_column(default=0, server_default="0")
    changed_on: Mapped[date | None] = mapped_column(default=None)


class Deadline(Base):
    """One duty of one placement in one revision.

    ``state`` is set, approaching, missed, met, met-late or withdrawn. ``next_on`` is the day on which the clock must look at it
    again (None: never). ``caused_by`` is the rule whose deadline comes before this one in the chain, or ``none``.
    """

    __tablename__ = "deadlines"
    deadline_id: Mapped[str] = mapped_column(primary_key=True)
    placement_id: Mapped[str] = mapped_column(index=True)
    revision: Mapped[int]
    rule: Mapped[str]
    duty: Mapped[str]
    owner: Mapped[str]
    recipient: Mapped[str]
    host: Mapped[str]
    host_name: Mapped[str]
    lead_employer: Mapped[str]
    trainee_id: Mapped[str]
    start_date: Mapped[date]
    due: Mapped[date]
    caused_by: Mapped[str]
    decision_id: Mapped[str]
    set_on: Mapped[date]
    next_on: Mapped[date | None] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(default="set")
    version: Mapped[int] = mapped_column(default=1)
    issued_on: Mapped[date | None] = mapped_column(default=None)
    withdrawn_on: Mapped[date | None] = mapped_column(default=None)
    reason: Mapped[str] = mapped_column(default="")

    @property
    def counts(self) -> bool:
        """Whether this revision is the one in force."""
        return self.state != "withdrawn"

    @property
    def days_late(self) -> int:
        """Days between the due day and the day of issue; 0 if in time or not issued."""
        return max(0, (self.issued_on - self.due).days) if self.issued_on else 0


class Document(Base):
    """A document that was issued, as a fact."""

    __tablename__ = "documents"
    placement_id: Mapped[str] = mapped_column(primary_key=True)
    document_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    issued_to: Mapped[str]
    issued_by: Mapped[str]
    issued_on: Mapped[date]
    host: Mapped[str]


class AlertReceipt(Base):
    """What became of an alert about a placement or a deadline, as notifications said it."""

    __tablename__ = "alert_receipts"
    alert_key: Mapped[str] = mapped_column(primary_key=True)
    regarding: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    recipient_id: Mapped[str]
    channel: Mapped[str]
    status: Mapped[str]
    detail: Mapped[str]


class Calendar(Base):
    """A calendar feed for a host (ODS code) or a person (TIS person id), opened by a token of which the SHA-256 is kept."""

    __tablename__ = "calendars"
    calendar_id: Mapped[str] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    host: Mapped[str | None]
    person: Mapped[str | None]
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_read_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)


Index("ix_deadlines_calendar_host", Deadline.host, Deadline.due)
Index("ix_deadlines_calendar_person", Deadline.trainee_id, Deadline.due)
Index("ix_placements_calendar_person", Placement.trainee_id, Placement.start_date)
