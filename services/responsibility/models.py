"""The tables of responsibility: cases, who read them, and meetings. Concerns about a doctor are special: every read leaves a row."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from shared.database import UtcDateTime


class Base(MappedAsDataclass, DeclarativeBase):
    """The tables of this service."""

    metadata = MetaData()


class Case(Base):
    """A concern and who owns it. ``status`` is assigned, or needs-facts while the decision is undetermined."""

    __tablename__ = "cases"
    concern_id: Mapped[str] = mapped_column(primary_key=True)
    doctor_reference: Mapped[str]
    lead_employer: Mapped[str]
    host: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str]
    owner: Mapped[str]
    case_manager: Mapped[str]
    decides: Mapped[str]
    first: Mapped[list[Any]] = mapped_column(JSON)
    told: Mapped[list[Any]] = mapped_column(JSON)
    needs: Mapped[list[Any]] = mapped_column(JSON)
    decision_id: Mapped[str]
    version: Mapped[int]
    heard_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CaseRead(Base):
    """Somebody read a case (``concern_id``), or decisions on cases (the path they asked for)."""

    __tablename__ = "case_reads"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    concern_id: Mapped[str] = mapped_column(index=True)
    read_at: Mapped[datetime] = mapped_column(UtcDateTime)
    address: Mapped[str]


class Meeting(Base):
    """A meeting as it was last told of, and whether it was quorate; ``undetermined`` while facts are missing (``needs``)."""

    __tablename__ = "meetings"
    meeting_id: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[str] = mapped_column(index=True)
    lead_employer: Mapped[str]
    host: Mapped[str]
    held_on: Mapped[date] = mapped_column(index=True)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    verdict: Mapped[str]
    outcome: Mapped[dict[str, Any]] = mapped_column(JSON)
    needs: Mapped[list[Any]] = mapped_column(JSON)
    decision_id: Mapped[str]
    version: Mapped[int]
    heard_at: Mapped[datetime] = mapped_column(UtcDateTime)
