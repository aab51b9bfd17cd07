"""The tables of deadlines: placements as they are and were, all deadlines there ever were, documents, waivers, alerts, calendars.

A deadline is one duty of one placement in one revision. A change of start, host, site, lead employer or doctor ends the revision
(``withdrawn``, with the reason) and begins the next. Nothing that was known is ever lost: a placement leaves a version of itself
behind when it changes, a document or a waiver that ends says so and stays. So history.py can tell what was known on any past day.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, Index, MetaData, Numeric, text
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from shared.database import UtcDateTime


class Base(MappedAsDataclass, DeclarativeBase):
    """The tables of this service."""

    metadata = MetaData()


def _waits(name: str, column: str) -> Index:
    """An index of what the clock must look at again, and of nothing else: what is settled is not in it."""
    waits = text(f"{column} IS NOT NULL")
    return Index(name, column, postgresql_where=waits, sqlite_where=waits)


class AsHeard(MappedAsDataclass):
    """What was heard of a placement at one time.

    ``doctor_since`` is the day on which another doctor was put on it (None: it was always this one): what was issued before was
    issued to somebody else. ``site_since`` is the day on which it was moved to another site of this host: information of before was
    of the other site.
    """

    placement_id: Mapped[str] = mapped_column(primary_key=True)
    trainee_id: Mapped[str]
    host: Mapped[str]
    host_name: Mapped[str]
    site: Mapped[str]
    lead_employer: Mapped[str]
    specialty: Mapped[str]
    grade: Mapped[str]
    whole_time_equivalent: Mapped[Decimal] = mapped_column(Numeric(4, 3))
    placement_type: Mapped[str]
    start_date: Mapped[date]
    end_date: Mapped[date]
    heard_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn: Mapped[str | None] = mapped_column(default=None)
    doctor_since: Mapped[date | None] = mapped_column(default=None)
    site_since: Mapped[date | None] = mapped_column(default=None)
    site_name: Mapped[str] = mapped_column(default="")

    @property
    def place(self) -> str:
        """The site as a person knows it."""
        return self.site_name or self.site


class Placement(AsHeard, Base):
    """A placement as it now is; ``heard_at`` is when it was first heard to be so. ``withdrawn`` placements stay, for audit.

    ``changes`` counts how often anything about it has changed.
    """

    __tablename__ = "placements"
    host: Mapped[str] = mapped_column(index=True)
    trainee_id: Mapped[str] = mapped_column(index=True)
    start_date: Mapped[date] = mapped_column(index=True)
    changes: Mapped[int] = mapped_column(default=0)


class PlacementVersion(AsHeard, Base):
    """A placement as it was from ``heard_at`` until ``replaced_at``, written when it changes: what never changes costs nothing.

    Of several that were heard in one moment the last is kept: the others were never read by anybody.
    """

    __tablename__ = "placement_versions"
    host: Mapped[str] = mapped_column(index=True)
    trainee_id: Mapped[str] = mapped_column(index=True)
    heard_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    replaced_at: Mapped[datetime] = mapped_column(UtcDateTime, kw_only=True)


class Deadline(Base):
    """One duty of one placement in one revision.

    ``state`` is what was last said of it: set, approaching, missed, met, met-late, waived or withdrawn. ``next_on`` is the day on
    which the clock must look at it again (None: never). ``caused_by`` is the rule whose deadline comes before this one in the chain,
    or ``none``.
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
    next_on: Mapped[date | None]
    state: Mapped[str] = mapped_column(default="set")
    version: Mapped[int] = mapped_column(default=1)
    issued_on: Mapped[date | None] = mapped_column(default=None)
    withdrawn_on: Mapped[date | None] = mapped_column(default=None)
    reason: Mapped[str] = mapped_column(default="")

    __table_args__ = (_waits("ix_deadlines_next_on", "next_on"),)

    @property
    def counts(self) -> bool:
        """Whether this revision is the one in force."""
        return self.state != "withdrawn"

    @property
    def days_late(self) -> int:
        """Days between the due day and the day of issue; 0 if in time or not issued."""
        return max(0, (self.issued_on - self.due).days) if self.issued_on else 0

    @property
    def days_of_notice(self) -> int | None:
        """Days between the day of issue and the start: the notice really given, below 0 after the start; None if not issued."""
        return (self.start_date - self.issued_on).days if self.issued_on else None


class Document(Base):
    """A document that was issued, as a fact: ``issued_on`` is when it really went out.

    ``recorded_by`` put it on record, ``recorded_at`` is when, by the message that said so, and ``heard_at`` when that was taken in here.
    One that was recorded by mistake is ``withdrawn``, stays to be read, and meets nothing.
    """

    __tablename__ = "documents"
    placement_id: Mapped[str] = mapped_column(primary_key=True)
    document_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    issued_to: Mapped[str]
    issued_by: Mapped[str]
    issued_on: Mapped[date]
    host: Mapped[str]
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    heard_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    withdrawn_by: Mapped[str] = mapped_column(default="")
    withdrawn_because: Mapped[str] = mapped_column(default="")


class Waiver(Base):
    """A deadline was waived ``until`` a day, that day included: by whom and why. It may be ended earlier, by whom and why.

    It is given for one revision: what is due anew after a change was not waived.
    """

    __tablename__ = "waivers"
    waiver_id: Mapped[str] = mapped_column(primary_key=True)
    deadline_id: Mapped[str]
    placement_id: Mapped[str] = mapped_column(index=True)
    waived_by: Mapped[str]
    reason: Mapped[str]
    until: Mapped[date]
    given_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    ended_by: Mapped[str] = mapped_column(default="")
    ended_because: Mapped[str] = mapped_column(default="")


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


# ---- contracts and governance --------------------------------------------------------------------------------------


class Contract(Base):
    """A contract in one version; the next version says from which day on it is the one in force (``replaced_on``).

    ``needs`` are the questions that were open, by what was asked; ``decision_ids`` the decisions taken, by what was asked.
    """

    __tablename__ = "contracts"
    contract_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    lead_employer: Mapped[str] = mapped_column(index=True)
    service_start: Mapped[date]
    ends_on: Mapped[date]
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str]
    needs: Mapped[list[Any]] = mapped_column(JSON)
    decision_ids: Mapped[dict[str, Any]] = mapped_column(JSON)
    heard_at: Mapped[datetime] = mapped_column(UtcDateTime)
    replaced_on: Mapped[date | None] = mapped_column(default=None)


class Milestone(Base):
    """What a contract, or a body in a calendar year (``regarding``), owes by a day, in one revision; nothing is ever overwritten.

    ``body_id`` is the body (empty: it is a contract's); ``opens_on`` the first day of a window that has one; ``detail`` what is known
    of it today, in words; ``next_on`` the day on which the clock must look at it.
    """

    __tablename__ = "milestones"
    milestone_id: Mapped[str] = mapped_column(primary_key=True)
    regarding: Mapped[str] = mapped_column(index=True)
    body_id: Mapped[str] = mapped_column(index=True)
    revision: Mapped[int]
    rule: Mapped[str]
    title: Mapped[str]
    lead_employer: Mapped[str] = mapped_column(index=True)
    host: Mapped[str]
    owner: Mapped[str]
    what: Mapped[str]
    opens_on: Mapped[date | None]
    due: Mapped[date]
    severity: Mapped[str]
    detail: Mapped[str]
    decision_id: Mapped[str]
    set_on: Mapped[date]
    next_on: Mapped[date | None] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(default="set")
    version: Mapped[int] = mapped_column(default=1)
    met_on: Mapped[date | None] = mapped_column(default=None)
    recorded_by: Mapped[str] = mapped_column(default="")
    note: Mapped[str] = mapped_column(default="")
    withdrawn_on: Mapped[date | None] = mapped_column(default=None)
    reason: Mapped[str] = mapped_column(default="")

    @property
    def counts(self) -> bool:
        """Whether this revision is one in force."""
        return self.state != "withdrawn"

    @property
    def days_late(self) -> int:
        """Days between the due day and the day on which it was met; 0 if in time or not met."""
        return max(0, (self.met_on - self.due).days) if self.met_on else 0


class Meeting(Base):
    """A meeting that was held, and whether it was quorate (``verdict``; empty until responsibility has said so)."""

    __tablename__ = "meetings"
    meeting_id: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[str]
    lead_employer: Mapped[str] = mapped_column(index=True)
    host: Mapped[str]
    held_on: Mapped[date]
    north_west_terms: Mapped[bool | None]
    verdict: Mapped[str] = mapped_column(default="")
    decision_id: Mapped[str] = mapped_column(default="")


class Report(Base):
    """A report that a body made, as a fact."""

    __tablename__ = "reports"
    report_id: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[str]
    lead_employer: Mapped[str] = mapped_column(index=True)
    host: Mapped[str]
    issued_on: Mapped[date]


class GovernedBody(Base):
    """A body of a lead employer's arrangement (a host meeting: of one host) since the first meeting or report known of it.

    ``next_on`` is the day on which the clock opens its next calendar year.
    """

    __tablename__ = "bodies"
    body_id: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[str]
    lead_employer: Mapped[str] = mapped_column(index=True)
    host: Mapped[str]
    first_on: Mapped[date]
    next_on: Mapped[date] = mapped_column(index=True)


class GovernedYear(Base):
    """What a body owed in a calendar year and what it did, as the policies last judged it on ``facts``."""

    __tablename__ = "body_years"
    year_id: Mapped[str] = mapped_column(primary_key=True)
    body_id: Mapped[str] = mapped_column(index=True)
    body: Mapped[str]
    lead_employer: Mapped[str] = mapped_column(index=True)
    host: Mapped[str]
    year: Mapped[int]
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    meetings_held: Mapped[int]
    meetings_quorate: Mapped[int]
    reports_made: Mapped[int]
    owed: Mapped[dict[str, Any]] = mapped_column(JSON)
    checks: Mapped[dict[str, Any]] = mapped_column(JSON)
    needs: Mapped[list[Any]] = mapped_column(JSON)
    owed_decision_id: Mapped[str]
    checked_decision_id: Mapped[str]


# ---- calendars -----------------------------------------------------------------------------------------------------


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
