"""The tables of notifications: what was last told of a placement, whom one can reach, the alerts, and the in-app inbox.

The states of an alert::

    pending -> claimed (token, lease) -> sent -> bounced                  its provider says that it did not arrive
       |                  |-> failed                                      it was refused for good
       |                  |-> pending                                     it was refused for now (``not_before``), or not begun
       |                  |-> unknown -> sent | pending | needs-review    the sender died or was too slow: look, never resend blindly
       |-> kept                                                           it is worded, and may not leave: never sent later
       |-> failed                                                         it cannot be worded, or there is nobody to send it to
       |-> withdrawn                                                      it is no longer true, or its reader has switched it off
       |-> gathered -> sent | failed | kept | bounced                     it stands in a digest, and fares as that does
       |       |-> pending | withdrawn                                    the digest was taken apart: something in it was over

``failed`` for want of a contact or an address, or refused at one, becomes ``pending`` when a RecipientUpdated brings another.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import JSON, Date, Float, Index, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from shared.database import UtcDateTime
from shared.events import PlacementUpdated

Status = Literal["pending", "claimed", "sent", "failed", "kept", "unknown", "needs-review", "withdrawn", "gathered", "bounced"]
Pace = Literal["immediate", "daily", "weekly"]
Choice = Literal["immediate", "daily", "weekly", "off"]

MATERIAL = (
    "trainee_id",
    "host",
    "host_name",
    "site",
    "lead_employer",
    "specialty",
    "grade",
    "whole_time_equivalent",
    "start_date",
    "end_date",
)
"""The fields of a placement that those who were told of it must hear about when they change."""
REMEMBERED = (*MATERIAL, "site_name")
"""What is kept of a placement: what is material, and what the site is called."""


FAILURES = ("permanent-failure", "temporary-failure", "technical-failure")
"""GOV.UK Notify's words for an alert that did not arrive: the address is bad; it was tried for long enough; the provider is at fault."""


class Base(MappedAsDataclass, DeclarativeBase):
    """The tables of this service alone; the shared ones stand in shared/."""

    metadata = MetaData()


class Placement(Base):
    """What was last told of a placement. ``whole_time_equivalent`` is a decimal without trailing zeros (``0.6``)."""

    __tablename__ = "placements"
    placement_id: Mapped[str] = mapped_column(primary_key=True)
    trainee_id: Mapped[str]
    host: Mapped[str]
    host_name: Mapped[str]
    site: Mapped[str]
    lead_employer: Mapped[str]
    specialty: Mapped[str]
    grade: Mapped[str]
    whole_time_equivalent: Mapped[str]
    start_date: Mapped[date] = mapped_column(Date)
    end_date: Mapped[date] = mapped_column(Date)
    withdrawn: Mapped[bool] = mapped_column(default=False)
    site_name: Mapped[str] = mapped_column(default="")


def placement_of(event: PlacementUpdated) -> Placement:
    """The placement as an event has it."""
    parts = {name: getattr(event, name) for name in REMEMBERED}
    return Placement(placement_id=event.placement_id, **{**parts, "whole_time_equivalent": plain(event.whole_time_equivalent)})


def plain(number: Decimal) -> str:
    """A decimal without trailing zeros and without an exponent: 1.0 and 1.00 are both ``1``."""
    return f"{number.normalize():f}"


class Recipient(Base):
    """How a person, or an organisation's contact for one purpose (none: any), is reached."""

    __tablename__ = "recipients"
    recipient_id: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    organisation: Mapped[str]
    purpose: Mapped[str]
    name: Mapped[str]
    email: Mapped[str | None]
    webhook: Mapped[str | None] = mapped_column(default=None)
    escalates_to: Mapped[str] = mapped_column(default="")
    changed_by: Mapped[str] = mapped_column(default="")
    changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)

    __table_args__ = (Index("recipients_role", "role", "organisation"),)


class Preference(Base):
    """How somebody wants to be told: a choice for each kind of alert (those left out: as the policy alert-pace says), and when.

    Quiet hours run from one time of day in England to another, ``20:00``, ``07:00``; the same twice means none. ``None``: as in the policy.
    """

    __tablename__ = "preferences"
    recipient_id: Mapped[str] = mapped_column(primary_key=True)
    kinds: Mapped[dict[str, Choice]] = mapped_column(JSON)
    quiet_from: Mapped[str | None]
    quiet_until: Mapped[str | None]
    digest_at: Mapped[str | None]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Alert(Base):
    """One message to one party on one channel.

    ``role``, ``organisation``, ``purpose`` and ``person`` say whom the policy means; ``recipient_id`` and ``address`` who that is
    by what is known now. ``content`` is the fingerprint of what is said, ``telling`` counts what this party was told about
    ``regarding``. It leaves at ``due_at``, not before. ``subject`` and ``text`` are kept as they were sent.

    Of its sending: ``provider`` is who carries it (``files``, ``smtp``, ``notify``, …), ``begun_at`` when its sender took it up,
    ``tried_at`` when the first did, ``tries`` how often it was refused for now, ``receipt`` what its provider last said of it
    (``delivered``, ``permanent-failure``, …).

    ``pace`` other than immediate: it waits for a digest, whose key is then in ``digest``. ``first_due_at`` is when it, or what it
    stands for, was to leave first. ``wants_acknowledgement``: somebody must say that it was seen. Whether somebody has is looked at
    at ``look_at``, and what came of that is kept in ``escalation``.
    """

    __tablename__ = "alerts"
    alert_key: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    regarding: Mapped[str] = mapped_column(index=True)
    role: Mapped[str]
    organisation: Mapped[str]
    purpose: Mapped[str]
    person: Mapped[str]
    channel: Mapped[str]
    template: Mapped[str]
    values: Mapped[dict[str, Any]] = mapped_column(JSON)
    topic: Mapped[str]
    content: Mapped[str]
    telling: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recipient_id: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")
    status: Mapped[Status] = mapped_column(String, default="pending")
    reason: Mapped[str] = mapped_column(Text, default="")
    token: Mapped[str | None] = mapped_column(default=None, index=True)
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    attempts: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    subject: Mapped[str] = mapped_column(Text, default="")
    text: Mapped[str] = mapped_column(Text, default="")
    provider: Mapped[str] = mapped_column(default="")
    begun_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    tried_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    tries: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    receipt: Mapped[str] = mapped_column(default="")
    receipt_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    reviewed_by: Mapped[str] = mapped_column(default="")
    reviewed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    pace: Mapped[Pace] = mapped_column(String, default="immediate")
    first_due_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    digest: Mapped[str] = mapped_column(default="", index=True)
    wants_acknowledgement: Mapped[bool] = mapped_column(default=False)
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    acknowledged_by: Mapped[str] = mapped_column(default="")
    look_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None, index=True)
    escalation: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        Index("alerts_waiting", "status", "due_at", "created_at"),
        Index("alerts_of_recipient", "recipient_id", "created_at"),
    )


class Channel(Base):
    """How much a channel takes for now: a token bucket that all workers share, and until when its provider is left alone, and why.

    Times are of the database's clock.
    """

    __tablename__ = "channels"
    name: Mapped[str] = mapped_column(primary_key=True)
    tokens: Mapped[float] = mapped_column(Float)
    filled_at: Mapped[datetime] = mapped_column(UtcDateTime)
    paused_until: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    failures: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(Text, default="")


class InboxMessage(Base):
    """A message in the inbox that a person reads in the application."""

    __tablename__ = "inbox_messages"
    alert_key: Mapped[str] = mapped_column(primary_key=True)
    recipient_id: Mapped[str]
    kind: Mapped[str]
    regarding: Mapped[str]
    subject: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("inbox_messages_of_recipient", "recipient_id", "received_at"),)
