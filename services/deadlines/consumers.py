"""Events in. :func:`read` fetches what a batch needs; each handler passes its event on to ``decisions.py``.

Ends with the CONSUMERS table: what happens on what.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.deadlines import decisions
from services.deadlines.duties import POLICY
from services.deadlines.governance import consumers as governance
from services.deadlines.history import read_versions
from services.deadlines.models import AlertReceipt, Deadline, Document, Placement, Waiver
from shared.database import among
from shared.decisions import store_all
from shared.events import (
    AlertAcknowledged,
    AlertBounced,
    AlertFailed,
    AlertSent,
    ContractRecorded,
    DocumentIssued,
    Event,
    MeetingHeld,
    PlacementUpdated,
    PlacementWithdrawn,
    QuorumDecided,
    ReportIssued,
)
from shared.policies import load_policies
from shared.wire import Message
from shared.worker import Handler, Say, today


class Known:
    """The files of the placements that a batch is about, and the receipts of its alerts, by alert key."""

    def __init__(self, session: Session, placement_ids: Iterable[str], alert_keys: Iterable[str] = ()) -> None:
        self._session = session
        self.governed = governance.Governed()
        self.files: dict[str, decisions.PlacementFile] = defaultdict(decisions.PlacementFile)
        asked, wanted = set(alert_keys), set(placement_ids)
        receipts = session.scalars(select(AlertReceipt).where(among(AlertReceipt.alert_key, asked))) if asked else ()
        self.receipts = {receipt.alert_key: receipt for receipt in receipts}
        for placement in session.scalars(select(Placement).where(among(Placement.placement_id, wanted))):
            self.files[placement.placement_id].placement = placement
        if there := [*self.files]:  # a placement that is new has no deadlines, and what has none was never waived
            for deadline in session.scalars(select(Deadline).where(among(Deadline.placement_id, there)).order_by(Deadline.revision)):
                self.files[deadline.placement_id].deadlines.append(deadline)
            for waiver in session.scalars(select(Waiver).where(among(Waiver.placement_id, there))):
                self.files[waiver.placement_id].waivers.append(waiver)
        for document in session.scalars(select(Document).where(among(Document.placement_id, wanted))):
            self.files[document.placement_id].documents.append(document)

    def rows(self) -> Iterator[Any]:
        """Every row to be written; decisions are put on record as well, each once."""
        policy = load_policies("deadlines")[POLICY]
        taken = (decision for file in self.files.values() for decision in file.decisions)
        store_all(self._session, policy, taken, subject="")  # about every placement with these facts
        for file in self.files.values():
            yield from file.rows()
        yield from self.receipts.values()
        yield from self.governed.rows(self._session)


def read(session: Session, messages: Sequence[Message]) -> Known:
    """What a batch needs, in five queries (a few more, if it is about contracts or bodies, or a placement goes to another host)."""
    events = [message.data for message in messages]
    placements = {event.placement_id for event in events if isinstance(event, PlacementUpdated | PlacementWithdrawn | DocumentIssued)}
    known = Known(session, placements, {event.alert_key for event in events if isinstance(event, AlertEvent)})
    known.governed = governance.read(session, events)
    leaving = {event.placement_id for event in events if isinstance(event, PlacementUpdated) and _leaves_its_host(known, event)}
    read_versions(session, {placement_id: known.files[placement_id] for placement_id in leaving})
    return known


def _leaves_its_host(known: Known, event: PlacementUpdated) -> bool:
    """Whether a placement goes to another host: it may have been there before."""
    file = known.files.get(event.placement_id)
    return file is not None and file.placement is not None and file.placement.host != event.host


def placement_updated(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """A placement is new or has changed."""
    event = message.data
    assert isinstance(event, PlacementUpdated)
    return decisions.placement_updated(known.files[event.placement_id], event, today(message.time), now, today(now))


def placement_withdrawn(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """A placement will not happen."""
    event = message.data
    assert isinstance(event, PlacementWithdrawn)
    return decisions.placement_withdrawn(known.files[event.placement_id], event, now, today(now))


def document_issued(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """A document about a placement went out, whether the placement is known yet or not."""
    event = message.data
    assert isinstance(event, DocumentIssued)
    return decisions.document_issued(known.files[event.placement_id], event, message.source, message.time, now)


AlertEvent = AlertSent | AlertFailed | AlertBounced | AlertAcknowledged
OUTCOMES = ("failed", "sent", "bounced", "acknowledged")
"""What can become of an alert, each of which stands over those before it, whatever is heard late."""


def alert_settled(known: Known, message: Message, now: datetime) -> Iterable[Say]:
    """An alert went out, could not, came back, or was seen: kept as evidence beside what it was about."""
    event = message.data
    assert isinstance(event, AlertEvent)
    if not event.kind.startswith(("placement-", "deadline-", "milestone-")):
        return ()  # about a concern or a decision: none of this service's business
    status, detail = _outcome(event)
    receipt = known.receipts.get(event.alert_key)
    if receipt is None:
        known.receipts[event.alert_key] = AlertReceipt(
            event.alert_key, event.regarding, event.kind, event.recipient_id or "", event.channel, status, detail
        )
    elif OUTCOMES.index(receipt.status) < OUTCOMES.index(status) or receipt.status == status == "failed":
        receipt.recipient_id, receipt.status, receipt.detail = event.recipient_id or "", status, detail
    return ()


def _outcome(event: AlertEvent) -> tuple[str, str]:
    """What became of an alert, and when or why."""
    match event:
        case AlertSent():
            return "sent", event.sent_at.isoformat()
        case AlertBounced():
            return "bounced", f"{event.bounced_at.isoformat()}: {event.reason}"
        case AlertAcknowledged():
            return "acknowledged", event.acknowledged_at.isoformat()
    return "failed", event.reason


CONSUMERS: Mapping[type[Event], Handler] = {
    PlacementUpdated: placement_updated,
    PlacementWithdrawn: placement_withdrawn,
    DocumentIssued: document_issued,
    AlertSent: alert_settled,
    AlertFailed: alert_settled,
    AlertBounced: alert_settled,
    AlertAcknowledged: alert_settled,
    ContractRecorded: governance.contract_recorded,
    MeetingHeld: governance.meeting_held,
    ReportIssued: governance.report_issued,
    QuorumDecided: governance.quorum_decided,
}
