"""What both peers do with a message, but for how they take it, commit and publish: models, statements, events.

Written as their users would: pydantic validates, SQLAlchemy's Core inserts, the rules are seven offsets. Only what the job asks for:
no policy, no reasons, no citations.
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, model_validator
from sqlalchemy.dialects.postgresql import insert

from tests.bench.bus.order import SET, SOURCE, Duty, Order
from tests.bench.bus.tables import DEADLINES, INBOX, OUTBOX, OUTBOX_BATCHES, PLACEMENTS

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
IN_POST = ("in-post", "in-post-acting-up", "in-post-extension")
COPIED = ("placement_id", "trainee_id", "host", "host_name", "lead_employer")


class Placement(BaseModel):
    """The whole placement as it now is."""

    placement_id: Text
    trainee_id: Text
    host: Text
    host_name: Text
    site: Text
    lead_employer: Text
    specialty: Text
    grade: Text
    whole_time_equivalent: Annotated[Decimal, Field(ge=0, le=2)]
    placement_type: Literal[
        "in-post",
        "in-post-acting-up",
        "in-post-extension",
        "out-of-programme",
        "parental-leave",
        "long-term-sick",
        "suspended",
        "phased-return",
    ]
    start_date: date
    end_date: date

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "Placement":
        if self.end_date < self.start_date:
            raise ValueError("the placement ends before it starts")
        return self


class PlacementUpdated(BaseModel):
    """The CloudEvent."""

    specversion: Literal["1.0"]
    id: Text
    source: Text
    type: Literal["placement.updated"]
    time: AwareDatetime
    sequence: Annotated[int, Field(ge=0, lt=2**63)]
    data: Placement


HEARD = insert(INBOX).on_conflict_do_nothing()
_placed = insert(PLACEMENTS)
_order = ("said_at", "sequence")
NEWER_WINS = _placed.on_conflict_do_update(
    index_elements=["placement_id"],
    set_={column.name: _placed.excluded[column.name] for column in PLACEMENTS.columns if not column.primary_key},
    where=sa.tuple_(*(PLACEMENTS.c[name] for name in _order)) < sa.tuple_(*(_placed.excluded[name] for name in _order)),
)
PUBLISHED = sa.delete(OUTBOX_BATCHES).where(OUTBOX_BATCHES.c.batch == sa.bindparam("published"))


@dataclass
class Effects:
    """What a message comes to: its rows, and the events to be said, by key."""

    batch: str
    inbox: dict[str, Any]
    placement: dict[str, Any]
    deadlines: list[dict[str, Any]]
    said: dict[str, bytes]

    def inserts(self) -> Iterator[tuple[sa.Insert, Any]]:
        """What is written if the placement was news: statements with their rows."""
        yield sa.insert(DEADLINES), self.deadlines
        yield sa.insert(OUTBOX), [{"key": key, "batch": self.batch, "type": SET, "body": body.decode()} for key, body in self.said.items()]
        yield sa.insert(OUTBOX_BATCHES), {"batch": self.batch}


def effects(event: PlacementUpdated, order: Order) -> Effects:
    """Decide the deadlines of a placement, and say them."""
    placement = event.data
    deadlines = [_deadline(placement, duty, order) for duty in order.duties] if placement.placement_type in IN_POST else []
    events = [_deadline_set(event, deadline) for deadline in deadlines]
    return Effects(
        batch=event.id,
        inbox={"key": f"{event.source} {event.id}"},
        placement={**dict(placement), "said_at": event.time.replace(tzinfo=None), "sequence": event.sequence},
        deadlines=deadlines,
        said={f"{SOURCE} {said['id']}": json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() for said in events},
    )


def _deadline(placement: Placement, duty: Duty, order: Order) -> dict[str, Any]:
    due = placement.start_date - timedelta(days=duty.days)
    return {
        "deadline_id": f"{placement.placement_id}/{duty.rule}/1",
        **{name: getattr(placement, name) for name in COPIED},
        "rule": duty.rule,
        "duty": duty.duty,
        "owner": duty.owner,
        "recipient": duty.recipient,
        "caused_by": duty.caused_by,
        "start_date": placement.start_date,
        "due": due,
        "decision_id": order.decision_id,
        "set_on": date.fromisoformat(order.today),
        "next_on": due - timedelta(days=order.notice_days),
        "state": "set",
    }


def _deadline_set(event: PlacementUpdated, deadline: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{SOURCE} {deadline['deadline_id']}")),
        "source": SOURCE,
        "type": SET,
        "time": f"{deadline['set_on']}T09:00:00.000000Z",
        "subject": deadline["deadline_id"],
        "datacontenttype": "application/json",
        "sequence": f"{1:020d}",
        "correlationid": event.id,
        "data": {
            "deadline_id": deadline["deadline_id"],
            **{name: deadline[name] for name in (*COPIED, "duty", "owner", "recipient")},
            "due": deadline["due"].isoformat(),
            "start_date": deadline["start_date"].isoformat(),
            "decision_id": deadline["decision_id"],
        },
    }
