"""The job that all contenders do: what waits in the queue, and what must stand in the tables and in the sink afterwards.

Invented ``placement.updated`` events wait in the queue of deadlines. Each is of a doctor in post at a host that is not the lead employer,
so each has seven duties. What the floor and the peers need of the rules, how many days before the start each duty is due, is taken once
from a decision under the real policy (:func:`make_order`); only the product decides each placement. What all should have said of a
placement is what the same policy says of it (:func:`expected`).
"""

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, get_args

from services.deadlines.duties import approaching_notice, placement_duties
from shared import topology
from shared.events import PlacementType, PlacementUpdated
from shared.samples.places import GRADES, HOSTS, LEAD_EMPLOYER, name_of
from shared.wire import Message
from tests.bench.bus.order import Duty, Order

SERVICE = "deadlines"
QUEUE = topology.queue_of(SERVICE)
TODAY = date(2027, 1, 4)
"""The day on which all of it happens: every deadline lies ahead, so that the clock has nothing to say."""
SAID_AT = datetime.combine(TODAY, time(9), UTC)
DUTIES = 7
IN_POST = [type_ for type_ in get_args(PlacementType) if type_.startswith("in-post")]
CHANGEOVERS = [date(2027, 8, 4), date(2027, 12, 1), date(2028, 2, 2), date(2028, 4, 5)]
SOME_HOSTS = [host for host in HOSTS if host.code != LEAD_EMPLOYER]
WEDNESDAYS = [date(2027, 8, 4) + timedelta(weeks=week) for week in range(52)]


def placement_id(number: int) -> str:
    """Numbers that rise, as those of TIS do."""
    return f"{10_000_000 + number}"


def placement(number: int) -> PlacementUpdated:
    """An invented placement. Four in five start on a national changeover day, the others on any Wednesday of a year."""
    chance = random.Random(number)
    host = chance.choice(SOME_HOSTS)
    grade = chance.choice(GRADES)
    start = chance.choice(CHANGEOVERS if chance.random() < 0.8 else WEDNESDAYS)
    return PlacementUpdated(
        placement_id=placement_id(number),
        trainee_id=f"{chance.randrange(100_000, 1_000_000)}",
        host=host.code,
        host_name=name_of(host.code),
        site=chance.choice(host.sites).code,
        lead_employer=LEAD_EMPLOYER,
        specialty=chance.choice(grade.specialties),
        grade=grade.abbreviation,
        whole_time_equivalent=Decimal(chance.choice(("1.0", "1.0", "1.0", "0.8", "0.6"))),
        placement_type=chance.choice(IN_POST),
        start_date=start,
        end_date=start + timedelta(days=181),
    )


def bodies(first: int, count: int) -> Iterator[bytes]:
    """So many CloudEvents about different placements, from a number on; each number always gives the same."""
    for number in range(first, first + count):
        id_ = str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))
        said = SAID_AT + timedelta(microseconds=number)
        yield Message(id=id_, source="urn:upstream:tis", time=said, sequence=number, data=placement(number)).to_json().encode()


def expected(number: int) -> dict[str, dict[str, Any]]:
    """What the rules come to for a placement: the data of its ``deadline.set`` events but for the decision, by the id of the deadline."""
    event = placement(number)
    copied = {name: getattr(event, name) for name in ("placement_id", "trainee_id", "host", "host_name", "lead_employer")}
    found = {}
    for rule, duty in _duties_of(event):
        owed = {name: duty[name] for name in ("duty", "owner", "recipient", "due")}
        deadline_id = f"{event.placement_id}/{rule}/1"
        found[deadline_id] = {"deadline_id": deadline_id, **copied, **owed, "start_date": event.start_date.isoformat()}
    return found


def without_decision(data: dict[str, Any]) -> dict[str, Any]:
    """An event's data but for the decision, of which the peers and the floor have only one."""
    return {name: value for name, value in data.items() if name != "decision_id"}


def make_order(database_url: str, bus_url: str) -> Order:
    """What the peers and the floor are told: where they work, and the seven duties as the policy has them."""
    event = placement(0)
    duties = [
        Duty(rule, duty["duty"], duty["owner"], duty["recipient"], duty["caused_by"], _days(event.start_date, duty["due"]))
        for rule, duty in _duties_of(event)
    ]
    return Order(
        database_url=database_url,
        bus_url=bus_url,
        queue=QUEUE,
        queue_arguments=topology.arguments_of(SERVICE),
        exchange=topology.EVENTS,
        today=TODAY.isoformat(),
        notice_days=approaching_notice(TODAY),
        decision_id=placement_duties(event, TODAY)[0].id,
        duties=tuple(duties),
    )


def _duties_of(event: PlacementUpdated) -> list[tuple[str, dict[str, Any]]]:
    """The duties of a placement under the real policy, each with its rule."""
    decision, _ = placement_duties(event, TODAY)
    assert decision.outcome is not None
    assert len(decision.outcome["duties"]) == DUTIES
    return list(zip((because["rule"] for because in decision.body["because"]), decision.outcome["duties"], strict=True))


def _days(start: date, due: str) -> int:
    return (start - date.fromisoformat(due)).days
