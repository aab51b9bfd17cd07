"""EVERY MESSAGE ON THE WIRE: one frozen class each, in the past tense.

Field types are the contract: a schema is made from them, and what does not fit is refused with one entry per field. Fields that a newer
producer adds are ignored. The envelope, and the way to and from JSON, is shared/wire.py.

==============================================  ====================================  ===============================
event                                           said by                               heard by
==============================================  ====================================  ===============================
PlacementUpdated, PlacementWithdrawn            upstream                              deadlines, notifications
DocumentIssued                                  upstream, hosts, lead employers       deadlines
RecipientUpdated                                upstream                              notifications
ContractRecorded, ReportIssued                  commissioners                         deadlines
MeetingHeld                                     commissioners                         deadlines, responsibility
ConcernRaised                                   lead employers, hosts                 responsibility
ProcurementRouted, PostMoveDecided              eligibility                           notifications
DeadlineSet … DeadlineWithdrawn                 deadlines                             notifications
MilestoneSet … MilestoneWithdrawn               deadlines                             notifications
ResponsibilityAssigned                          responsibility                        notifications
QuorumDecided                                   responsibility                        deadlines
AlertSent … AlertAcknowledged                   notifications                         deadlines
==============================================  ====================================  ===============================

**Newer wins**: of events whose class says ``newer_wins`` a consumer that has heard a newer one for the subject ignores the older, so
order does not matter. Events from outside, where several systems may speak, are ordered by ``time`` (then ``sequence``), our own by
``sequence``. All others state a fact that is taken in once, whenever it comes.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Literal

from shared.errors import MalformedEvent

Role = Literal["trainee", "host", "lead-employer", "postgraduate-dean", "revalidation-team", "national-body", "commercial-team"]
DocumentKind = Literal["placement-information", "work-schedule", "contract", "pay-breakdown", "duty-roster"]
PlacementType = Literal[
    "in-post",
    "in-post-acting-up",
    "in-post-extension",
    "out-of-programme",
    "parental-leave",
    "long-term-sick",
    "suspended",
    "phased-return",
]
Owner = Literal["national-body", "lead-employer", "host"]
Verdict = Literal["quorate", "not-quorate", "not-stated", "undetermined"]
"""What responsibility says of a meeting."""
Body = Literal[
    "management-board",
    "performance-and-contract-management-committee",
    "operational-management-committee",
    "host-meeting",
    "lead-provider-committee",
    "specialty-executive-committee",
    "trainee-forum",
    "lead-provider-team-meeting",
    "london-oversight-group",
    "east-of-england-steering-group",
]
Receiver = Literal["host", "lead-employer", "trainee"]
Code = str | int | bool
_ADDRESS = re.compile(r"""[^@\s<>,;:"()\[\]]+@[^@\s<>,;:"()\[\]]+""")


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happened. ``about`` names the field that holds the subject; ``stream`` groups events whose sequence is compared.

    ``said_by`` names the service that says it, or the parties outside that do.
    """

    type: ClassVar[str]
    about: ClassVar[str]
    said_by: ClassVar[tuple[str, ...]]
    newer_wins: ClassVar[bool] = False
    from_outside: ClassVar[bool] = False

    def untimely(self, said: datetime) -> dict[str, str]:
        """What cannot have been said at that time, by field; nothing for most events."""
        return {}

    @property
    def subject(self) -> str:
        """The id of what the event is about."""
        return str(getattr(self, self.about))

    @property
    def stream(self) -> str:
        """Where the sequence counts: per kind of subject, and subject."""
        return f"{self.type.split('.')[0]}/{self.subject}"


# ---- said by upstream systems, hosts and lead employers ----------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PlacementUpdated(Event):
    """The whole placement as it now is. ``host`` and ``lead_employer`` are ODS codes.

    ``site`` is a code, or what the site is called where it has none; ``site_name`` is what it is called beside its code.
    """

    type = "placement.updated"
    about = "placement_id"
    said_by = ("upstream",)
    newer_wins = True
    from_outside = True
    placement_id: str
    trainee_id: str
    host: str
    host_name: str
    site: str
    lead_employer: str
    specialty: str
    grade: str
    whole_time_equivalent: Decimal
    placement_type: PlacementType
    start_date: date
    end_date: date
    site_name: str = ""

    def __post_init__(self) -> None:
        """A placement ends after it starts, within living memory and the reach of the policies."""
        if not date(1950, 1, 1) <= self.start_date <= date(2099, 12, 31):
            raise MalformedEvent("The placement cannot be dated so.", {"data.start_date": "must lie between 1950-01-01 and 2099-12-31."})
        if self.end_date < self.start_date:
            raise MalformedEvent("The placement ends before it starts.", {"data.end_date": f"must not come before {self.start_date}."})


@dataclass(frozen=True, kw_only=True)
class PlacementWithdrawn(Event):
    """The placement will not happen."""

    type = "placement.withdrawn"
    about = "placement_id"
    said_by = ("upstream",)
    newer_wins = True
    from_outside = True
    placement_id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class DocumentIssued(Event):
    """A document about a placement left ``issued_by`` (ODS code) for ``issued_to`` on a day. ``host`` is the host it is about.

    ``recorded_by`` says who put it on record, if that is not whoever sends the event.
    """

    type = "document.issued"
    about = "placement_id"
    said_by = ("upstream", "hosts", "lead employers")
    from_outside = True
    document_id: str
    placement_id: str
    kind: DocumentKind
    issued_to: Receiver
    issued_by: str
    issued_on: date
    host: str
    recorded_by: str = ""

    def untimely(self, said: datetime) -> dict[str, str]:
        """Nobody can say today that a document went out tomorrow."""
        return _after_the_event("issued_on", self.issued_on, said)


@dataclass(frozen=True, kw_only=True)
class RecipientUpdated(Event):
    """How a person or an organisation's contact for one purpose is reached. No purpose means any.

    ``webhook`` is an address that takes signed messages; ``escalates_to`` the second contact (a recipient's id) if nobody acknowledges.
    """

    type = "recipient.updated"
    about = "recipient_id"
    said_by = ("upstream",)
    newer_wins = True
    from_outside = True
    recipient_id: str
    role: Role
    organisation: str
    purpose: str
    name: str
    email: str | None
    webhook: str | None = None
    escalates_to: str = ""

    def __post_init__(self) -> None:
        """An address that could not be one is refused here, not when an alert is to leave."""
        if self.email is not None and not _ADDRESS.fullmatch(self.email):
            problem = "must be an address such as ada@example.org, or null."
            raise MalformedEvent("The recipient cannot be reached so.", {"data.email": problem})


@dataclass(frozen=True, kw_only=True)
class ConcernRaised(Event):
    """A concern about a doctor, by pseudonymous reference only, with what is known of it (facts of the policy ``concern``)."""

    type = "concern.raised"
    about = "concern_id"
    said_by = ("lead employers", "hosts")
    newer_wins = True
    from_outside = True
    concern_id: str
    doctor_reference: str
    lead_employer: str
    host: str
    facts: dict[str, Code]


@dataclass(frozen=True, kw_only=True)
class ContractRecorded(Event):
    """A contract with a lead employer (ODS code) as it now is, with what is known of it (facts of the policy ``contract-milestones``).

    ``ends_on`` is the last day of the term that is in force.
    """

    type = "contract.recorded"
    about = "contract_id"
    said_by = ("commissioners",)
    newer_wins = True
    from_outside = True
    contract_id: str
    title: str
    lead_employer: str
    service_start: date
    ends_on: date
    facts: dict[str, Code]

    def __post_init__(self) -> None:
        """A contract ends after its service starts."""
        if self.ends_on < self.service_start:
            raise MalformedEvent(
                "The contract ends before its service starts.", {"data.ends_on": f"must not come before {self.service_start}."}
            )


@dataclass(frozen=True, kw_only=True)
class MeetingHeld(Event):
    """A body of a lead employer's arrangement (ODS code) met, with who was there (facts of the policy ``quorum``).

    ``host`` is the host trust of a host meeting. Told again, with facts that were missing or wrong, the newer counts.
    """

    type = "meeting.held"
    about = "meeting_id"
    said_by = ("commissioners",)
    newer_wins = True
    from_outside = True
    meeting_id: str
    body: Body
    lead_employer: str
    held_on: date
    facts: dict[str, Code]
    host: str = ""

    def untimely(self, said: datetime) -> dict[str, str]:
        """Nobody can say today that a meeting was held tomorrow."""
        return _after_the_event("held_on", self.held_on, said)


@dataclass(frozen=True, kw_only=True)
class ReportIssued(Event):
    """A body of a lead employer's arrangement (ODS code) reported to those to whom it reports regularly."""

    type = "report.issued"
    about = "report_id"
    said_by = ("commissioners",)
    from_outside = True
    report_id: str
    body: Body
    lead_employer: str
    issued_on: date
    host: str = ""

    def untimely(self, said: datetime) -> dict[str, str]:
        """Nobody can say today that a report went out tomorrow."""
        return _after_the_event("issued_on", self.issued_on, said)


def _after_the_event(name: str, day: date, said: datetime) -> dict[str, str]:
    """What is wrong if a day has not come yet when it is told of (wherever on earth it is today)."""
    if day <= (said + timedelta(hours=14)).date():
        return {}
    return {f"data.{name}": f"{day} comes after the event's time, {said:%Y-%m-%d}; send the event once it has happened."}


# ---- said by eligibility -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ProcurementRouted(Event):
    """The route of a procurement was decided and recorded."""

    type = "procurement.routed"
    about = "procurement_id"
    said_by = ("eligibility",)
    procurement_id: str
    decision_id: str
    route: str
    as_at: date


@dataclass(frozen=True, kw_only=True)
class PostMoveDecided(Event):
    """The move of a training post was decided and recorded."""

    type = "post-move.decided"
    about = "post_id"
    said_by = ("eligibility",)
    post_id: str
    decision_id: str
    verdict: str
    as_at: date


# ---- said by deadlines -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class DeadlineEvent(Event):
    """What every event of a deadline carries. ``owner`` owes the ``duty`` to ``recipient``."""

    about = "deadline_id"
    said_by = ("deadlines",)
    newer_wins = True
    deadline_id: str
    placement_id: str
    trainee_id: str
    host: str
    host_name: str
    lead_employer: str
    duty: DocumentKind
    owner: Owner
    recipient: Receiver
    due: date
    start_date: date
    decision_id: str


@dataclass(frozen=True, kw_only=True)
class DeadlineSet(DeadlineEvent):
    """A duty of a placement is due on a day."""

    type = "deadline.set"


@dataclass(frozen=True, kw_only=True)
class DeadlineApproaching(DeadlineEvent):
    """The due day is near and nothing has been issued."""

    type = "deadline.approaching"


@dataclass(frozen=True, kw_only=True)
class DeadlineMet(DeadlineEvent):
    """The document was issued; ``days_late`` is 0 when it was in time."""

    type = "deadline.met"
    issued_on: date
    days_late: int


@dataclass(frozen=True, kw_only=True)
class DeadlineMissed(DeadlineEvent):
    """The due day passed. ``caused_by`` is the party whose link was missed first."""

    type = "deadline.missed"
    caused_by: Owner


@dataclass(frozen=True, kw_only=True)
class DeadlineWaived(DeadlineEvent):
    """Somebody who may has waived the duty until a day, that day included."""

    type = "deadline.waived"
    waived_by: str
    reason: str
    until: date


@dataclass(frozen=True, kw_only=True)
class DeadlineWithdrawn(DeadlineEvent):
    """The deadline no longer counts: the placement changed or was withdrawn."""

    type = "deadline.withdrawn"
    reason: str


@dataclass(frozen=True, kw_only=True)
class MilestoneEvent(Event):
    """What every event of a milestone carries: something that a contract, or a body in a calendar year (``regarding``), owes by a day.

    ``owner`` is whoever the documents name; ``what`` says it in words, ``detail`` what is known of it today. ``host`` is that of a host
    meeting.
    """

    about = "milestone_id"
    said_by = ("deadlines",)
    newer_wins = True
    milestone_id: str
    regarding: str
    title: str
    lead_employer: str
    owner: str
    what: str
    due: date
    decision_id: str
    detail: str
    host: str = ""


@dataclass(frozen=True, kw_only=True)
class MilestoneSet(MilestoneEvent):
    """A milestone is due on a day."""

    type = "milestone.set"


@dataclass(frozen=True, kw_only=True)
class MilestoneApproaching(MilestoneEvent):
    """The day comes near and the milestone is not reached. Of a body: a shortfall that the year can still mend."""

    type = "milestone.approaching"


@dataclass(frozen=True, kw_only=True)
class MilestoneMet(MilestoneEvent):
    """The milestone was reached on a day."""

    type = "milestone.met"
    met_on: date


@dataclass(frozen=True, kw_only=True)
class MilestoneMissed(MilestoneEvent):
    """The day passed."""

    type = "milestone.missed"


@dataclass(frozen=True, kw_only=True)
class MilestoneWithdrawn(MilestoneEvent):
    """The milestone no longer counts."""

    type = "milestone.withdrawn"
    reason: str


# ---- said by responsibility --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ResponsibilityAssigned(Event):
    """Who owns a concern. ``told`` lists who must be told now: records of who, by, of, when, how."""

    type = "responsibility.assigned"
    about = "concern_id"
    said_by = ("responsibility",)
    newer_wins = True
    concern_id: str
    doctor_reference: str
    lead_employer: str
    host: str
    decision_id: str
    owner: str
    case_manager: str
    told: list[dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class QuorumDecided(Event):
    """Whether a meeting was quorate (verdict of the policy ``quorum``, or ``undetermined``) was decided and recorded."""

    type = "quorum.decided"
    about = "meeting_id"
    said_by = ("responsibility",)
    newer_wins = True
    meeting_id: str
    body: Body
    lead_employer: str
    host: str
    held_on: date
    verdict: str
    decision_id: str


# ---- said by notifications ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AlertSent(Event):
    """An alert left on a channel, once."""

    type = "alert.sent"
    about = "alert_key"
    said_by = ("notifications",)
    alert_key: str
    kind: str
    regarding: str
    recipient_id: str
    channel: str
    sent_at: datetime


@dataclass(frozen=True, kw_only=True)
class AlertFailed(Event):
    """An alert could not leave; somebody can mend the reason. Without ``recipient_id`` no contact was known."""

    type = "alert.failed"
    about = "alert_key"
    said_by = ("notifications",)
    alert_key: str
    kind: str
    regarding: str
    recipient_id: str | None
    channel: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class AlertBounced(Event):
    """An alert had left, and its provider says that it did not arrive."""

    type = "alert.bounced"
    about = "alert_key"
    said_by = ("notifications",)
    alert_key: str
    kind: str
    regarding: str
    recipient_id: str
    channel: str
    bounced_at: datetime
    reason: str


@dataclass(frozen=True, kw_only=True)
class AlertAcknowledged(Event):
    """Whoever an alert was for has said that it was seen."""

    type = "alert.acknowledged"
    about = "alert_key"
    said_by = ("notifications",)
    alert_key: str
    kind: str
    regarding: str
    recipient_id: str
    channel: str
    acknowledged_at: datetime


def _concrete(event: type[Event]) -> list[type[Event]]:
    found = [event] if "type" in vars(event) else []
    return [*found, *(leaf for child in event.__subclasses__() for leaf in _concrete(child))]


EVENTS: dict[str, type[Event]] = {event.type: event for event in _concrete(Event)}
"""Every event by its type."""
