"""Facts -> deadlines. Pure: what is known of a placement (its file), what was heard, the day -> rows and events.

:class:`PlacementFile` is everything known of one placement. The functions below it are sentences: a placement was updated, was
withdrawn; a document was issued; the clock struck. Each changes the file in memory and returns what is to be said.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from services.deadlines.models import Deadline, Document, Placement
from shared.decisions import standing
from shared.event_data import names_of, quick
from shared.events import (
    DeadlineApproaching,
    DeadlineEvent,
    DeadlineMet,
    DeadlineMissed,
    DeadlineSet,
    DeadlineWithdrawn,
    DocumentIssued,
    PlacementUpdated,
    PlacementWithdrawn,
)
from shared.policies import load_policies
from shared.policies.facts import read_facts
from shared.rules import Decision
from shared.worker import Say
from shared.writing import new

POLICY = "placement-deadlines"
TARGETS = "on-time-targets"
COPIED = ("placement_id", "host", "host_name", "lead_employer", "trainee_id", "start_date")
"""What a deadline has from its placement, as it was when the deadline was set."""


@dataclass
class PlacementFile:
    """Everything known of one placement: itself, its deadlines in every revision, its documents, and decisions taken for it."""

    placement: Placement | None = None
    deadlines: list[Deadline] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    def rows(self) -> Iterator[Any]:
        """Every row of the file."""
        yield from (row for row in (self.placement, *self.deadlines, *self.documents) if row is not None)

    def in_force(self) -> list[Deadline]:
        """The deadlines of the revision in force."""
        return [deadline for deadline in self.deadlines if deadline.counts]


# ---- a placement was updated ---------------------------------------------------------------------------------------


def placement_updated(file: PlacementFile, event: PlacementUpdated, said_on: date, now: datetime, today: date) -> list[Say]:
    """Take in the placement as it now is; end the deadlines that no longer fit, set those that are new, keep the rest.

    A placement that is over when it is first heard of (a first load of years past) sets none.

    :param said_on: the day on which upstream said so.
    """
    file.placement = _as_heard(file.placement, event, said_on, now)
    decision, concluded = placement_duties(event, today)
    file.decisions.append(decision)
    duties = {duty.rule: duty for duty in concluded} if event.end_date >= today or file.deadlines else {}
    said: list[Say] = []
    for deadline in file.in_force():
        duty = duties.get(deadline.rule)
        if duty is not None and _still_fits(deadline, duty, file.placement):
            del duties[deadline.rule]
        else:
            said += _withdraw(deadline, _what_changed(deadline, file.placement), today)
    for duty in duties.values():
        said += _set(file, duty, decision.id, today)
    return said


@dataclass(frozen=True)
class Duty:
    """One duty that the policy concludes, with the rule that does."""

    rule: str
    duty: str
    owner: str
    recipient: str
    due: date
    caused_by: str


def placement_duties(event: PlacementUpdated, today: date) -> tuple[Decision, tuple[Duty, ...]]:
    """What the policy says is due for a placement, as at today."""
    return _duties(event.start_date, event.placement_type, event.host == event.lead_employer, today)


@lru_cache(maxsize=4096)
def _duties(start_date: date, placement_type: str, host_is_lead_employer: bool, today: date) -> tuple[Decision, tuple[Duty, ...]]:
    policy = load_policies("deadlines")[POLICY]
    given = {"start_date": start_date, "placement_type": placement_type, "host_is_lead_employer": host_is_lead_employer}
    decision = standing(policy, read_facts(policy.facts, given, POLICY), today)
    rules = [because["rule"] for because in decision.body["because"]]  # the policy has one duty a rule, in the same order
    concluded = zip(rules, (decision.outcome or {"duties": []})["duties"], strict=True)
    return decision, tuple(
        Duty(rule, told["duty"], told["owner"], told["recipient"], date.fromisoformat(told["due"]), told["caused_by"])
        for rule, told in concluded
    )


def _as_heard(known: Placement | None, event: PlacementUpdated, said_on: date, now: datetime) -> Placement:
    heard = {name: getattr(event, name) for name in names_of(PlacementUpdated)}
    if known is None:
        return new(Placement)(**heard, heard_at=now)
    if known.trainee_id != event.trainee_id:
        known.doctor_since = said_on
    for name, value in {**heard, "heard_at": now, "withdrawn": None}.items():
        setattr(known, name, value)
    return known


def _still_fits(deadline: Deadline, duty: Duty, placement: Placement) -> bool:
    wanted = (duty.due, duty.owner, placement.host, placement.lead_employer, placement.start_date, placement.trainee_id)
    found = (deadline.due, deadline.owner, deadline.host, deadline.lead_employer, deadline.start_date, deadline.trainee_id)
    return found == wanted


def _what_changed(deadline: Deadline, placement: Placement) -> str:
    if deadline.start_date != placement.start_date:
        return f"the start moved from {deadline.start_date} to {placement.start_date}"
    if deadline.host != placement.host:
        return f"the host changed from {deadline.host} to {placement.host}"
    if deadline.lead_employer != placement.lead_employer:
        return f"the lead employer changed from {deadline.lead_employer} to {placement.lead_employer}"
    if deadline.trainee_id != placement.trainee_id:
        return "another doctor takes the placement"
    return f"a placement of type {placement.placement_type} that ends on {placement.end_date} has no such duty, or another due day"


def _set(file: PlacementFile, duty: Duty, decision_id: str, today: date) -> list[Say]:
    placement = vars(file.placement)
    revision = 1 + max([deadline.revision for deadline in file.deadlines if deadline.rule == duty.rule], default=0)
    deadline = new(Deadline)(
        **{name: placement[name] for name in COPIED},
        **vars(duty),
        deadline_id=f"{placement['placement_id']}/{duty.rule}/{revision}",
        revision=revision,
        decision_id=decision_id,
        set_on=today,
        next_on=duty.due - timedelta(days=approaching_notice(today)),
    )
    file.deadlines.append(deadline)
    return [Say(_event(DeadlineSet, deadline), deadline.version), *_settle(file, deadline)]


def approaching_notice(day: date) -> int:
    """How many days before the due day a reminder goes out."""
    return _parameter(POLICY, "approaching-notice", day)


def on_time_target(day: date) -> int:
    """The share of doctors, in percent, who should have had all three documents on time (``kpi-cop-90``)."""
    return _parameter(TARGETS, "bundle-target", day)


@lru_cache(maxsize=64)
def _parameter(policy: str, name: str, day: date) -> int:
    value = load_policies("deadlines")[policy].parameters[name].on(day)
    assert value is not None, f"{name} has a value on every day on which {policy} is in force"
    return int(value.value)


# ---- a placement was withdrawn, a document was issued --------------------------------------------------------------


def placement_withdrawn(file: PlacementFile, event: PlacementWithdrawn, today: date) -> list[Say]:
    """End every deadline; on which day those that were met were met stays on record."""
    if file.placement is None:
        return []
    file.placement.withdrawn = event.reason
    reason = f"the placement was withdrawn: {event.reason}"
    return [saying for deadline in file.in_force() for saying in _withdraw(deadline, reason, today)]


def document_issued(file: PlacementFile, event: DocumentIssued) -> list[Say]:
    """Keep the document, and let it meet the deadline it belongs to."""
    if any(document.document_id == event.document_id for document in file.documents):
        return []
    file.documents.append(Document(**{name: getattr(event, name) for name in names_of(DocumentIssued)}))
    return [saying for deadline in file.in_force() for saying in _settle(file, deadline)]


def _withdraw(deadline: Deadline, reason: str, today: date) -> list[Say]:
    _advance(deadline, "withdrawn")
    deadline.withdrawn_on, deadline.reason = today, reason
    return [Say(_event(DeadlineWithdrawn, deadline, reason=reason), deadline.version)]


def _settle(file: PlacementFile, deadline: Deadline) -> list[Say]:
    """Meet a deadline by the earliest document that fits it, if there is one and it is news."""
    since = (file.placement and file.placement.doctor_since) or date.min
    days = [document.issued_on for document in file.documents if _fits(document, deadline) and document.issued_on >= since]
    if not days or deadline.issued_on == min(days):
        return []
    deadline.issued_on = min(days)
    _advance(deadline, "met-late" if deadline.days_late else "met")
    met = _event(DeadlineMet, deadline, issued_on=deadline.issued_on, days_late=deadline.days_late)
    return [Say(met, deadline.version)]


def _fits(document: Document, deadline: Deadline) -> bool:
    """Whether a document is the one that was due: kind, reader, host, and issued by the party that owes it."""
    issuers = {"host": deadline.host, "lead-employer": deadline.lead_employer}
    found = (document.kind, document.issued_to, document.host, document.issued_by)
    return found == (deadline.duty, deadline.recipient, deadline.host, issuers.get(deadline.owner, document.issued_by))


def _advance(deadline: Deadline, state: str, next_on: date | None = None) -> None:
    deadline.state, deadline.next_on, deadline.version = state, next_on, deadline.version + 1


# ---- the clock struck ----------------------------------------------------------------------------------------------


def clock_struck(file: PlacementFile, deadline: Deadline, today: date) -> list[Say]:
    """A deadline whose day has come: missed, if the due day is over; approaching, if nothing has been issued yet."""
    if today > deadline.due:
        _advance(deadline, "missed")
        return [Say(_event(DeadlineMissed, deadline, caused_by=lateness_chain(file, deadline)[0].owner), deadline.version)]
    _advance(deadline, "approaching", next_on=deadline.due + timedelta(days=1))
    return [Say(_event(DeadlineApproaching, deadline), deadline.version)]


def lateness_chain(file: PlacementFile, deadline: Deadline) -> list[Deadline]:
    """The chain of late links that ends in this late deadline: the first missed link first (``cop-trainee-12w``).

    A link that was in time ends the chain: lateness is not passed on through it.
    """
    chain = [deadline]
    while (before := _link_before(file, chain[0])) is not None and before not in chain:
        chain.insert(0, before)
    return chain


def _link_before(file: PlacementFile, deadline: Deadline) -> Deadline | None:
    links = (link for link in file.in_force() if link.rule == deadline.caused_by and link.due <= deadline.due)
    return next((link for link in links if is_late(link, deadline.due)), None)


def is_late(deadline: Deadline, day: date) -> bool:
    """Whether a deadline was missed, as seen at the end of a day."""
    return deadline.days_late > 0 if deadline.issued_on else deadline.due <= day


def _event(kind: type[DeadlineEvent], deadline: Deadline, **more: Any) -> DeadlineEvent:
    known = vars(deadline)
    return quick(kind)(**{name: known[name] for name in names_of(DeadlineEvent)}, **more)
