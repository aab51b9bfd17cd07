"""Placements and deadlines as the API shows them: where each stands on a day, by which evidence, under which waiver, through whom late."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from marshmallow import Schema

from services.deadlines import waivers
from services.deadlines.decisions import PlacementFile
from services.deadlines.evidence import evidence, standing
from services.deadlines.lateness import Link, lateness_chain
from services.deadlines.models import Deadline
from services.deadlines.schemas import DeadlineSchema, DocumentSchema, EvidenceSchema, PlacementSchema, WaiverSchema


def placement_shown(file: PlacementFile, day: date) -> dict[str, Any]:
    """A placement that is known, every deadline it ever had, as each stands at the end of a day, and its documents."""
    return {
        **dumped(PlacementSchema(), file.placement),
        "deadlines": [
            deadline_shown(file, deadline, day) for deadline in sorted(file.deadlines, key=lambda each: (each.revision, each.deadline_id))
        ],
        "documents": DocumentSchema(many=True).dump(sorted(file.documents, key=lambda each: (each.heard_at, each.document_id))),
    }


def deadline_shown(file: PlacementFile, deadline: Deadline, day: date) -> dict[str, Any]:
    """One deadline as it stands at the end of a day. What is late is shown with the chain of links that made it so."""
    stood, document = standing(file, deadline, day), evidence(file, deadline)
    waiver = waivers.in_force(file, deadline, day) if stood.state == "waived" else None
    shown = {
        **dumped(DeadlineSchema(), deadline),
        "state": stood.state,
        "evidence": EvidenceSchema().dump(document) if document else None,
        "waiver": WaiverSchema().dump(waiver) if waiver else None,
        "waivers": WaiverSchema(many=True).dump(waivers.of(file, deadline)),
    }
    if stood.state in ("missed", "met-late"):
        chain = lateness_chain(file, deadline)
        shown |= {"late_caused_by": chain[0].owner, "late_chain": [_link(link, day) for link in chain]}
    return shown


def _link(link: Link, day: date) -> dict[str, Any]:
    shown = {
        "deadline": link.deadline_id,
        "owner": link.owner,
        "duty": link.duty,
        "recipient": link.recipient,
        "due": link.due.isoformat(),
        "issued_on": link.issued_on.isoformat() if link.issued_on else None,
        "days_late": link.late_by(day),
    }
    return {**shown, "heard_on": link.heard_on.isoformat(), "because": link.because} if link.heard_on else shown


def dumped(shape: Schema, row: Any) -> dict[str, Any]:
    """A row as its shape shows it."""
    found = shape.dump(row)
    assert isinstance(found, Mapping)
    return dict(found)
