"""What upstream says in a chaos run: an invented rotation, as it is published, byte for byte.

A :class:`Rotation` is said in three parts, and a run waits between them until everything is heard and sent: :meth:`Rotation.first` who can
be reached and which documents went out, :meth:`Rotation.second` the placements and the concerns, :meth:`Rotation.third` what changes. So
what becomes of it hangs on nothing but the rotation: tests/chaos/model.py works it out without any of the services' code. The CloudEvents
are written out here as another system would, without shared/wire.py.

A *poisonous* placement is a valid event on which the consumer of deadlines fails (the worker of tests/chaos sees to that) until it is
mended; *garbage* is none, for anybody.
"""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from shared.samples.people import contact_data
from shared.samples.places import HOSTS, LEAD_EMPLOYER, NATIONAL_BODY, Host, name_of

SOURCE = "urn:tripartite:chaos"
CLOUD_EVENT = "application/cloudevents+json"
TODAY = date(2027, 6, 20)
"""The day of every run. Some due days have passed, some are near, some are far."""
POISONOUS = "poison-"
"""How the id of a placement begins on which the consumer of deadlines fails."""
IN_POST = ("in-post", "in-post-acting-up", "in-post-extension")
TYPES = (*IN_POST[:1] * 14, *IN_POST[1:], "out-of-programme", "parental-leave")
STARTS = (date(2027, 8, 4), date(2027, 8, 11), date(2027, 9, 1))
"""Starts that give the clock something to do."""
LATER_STARTS = tuple(date(2027, 10, 6) + timedelta(weeks=week) for week in range(20))
MOVED_TO = date(2027, 9, 15)
ISSUED_SHARE = 0.35


@dataclass(frozen=True)
class Duty:
    """A document that a placement needs. ``rule`` is how deadlines calls it; ``weeks`` before the start it is due."""

    rule: str
    kind: str
    owner: str
    recipient: str
    weeks: int


COMMON_DUTIES = (
    Duty("placement-information-to-host", "placement-information", "national-body", "host", 12),
    Duty("placement-information-to-trainee", "placement-information", "lead-employer", "trainee", 12),
    Duty("contract-to-trainee", "contract", "lead-employer", "trainee", 8),
    Duty("pay-breakdown-to-trainee", "pay-breakdown", "lead-employer", "trainee", 8),
    Duty("duty-roster-to-trainee", "duty-roster", "host", "trainee", 6),
)
AT_A_HOST = (
    *COMMON_DUTIES,
    Duty("work-schedule-to-lead-employer", "work-schedule", "host", "lead-employer", 8),
    Duty("work-schedule-to-trainee", "work-schedule", "lead-employer", "trainee", 8),
)
AT_THE_LEAD_EMPLOYER = (*COMMON_DUTIES, Duty("work-schedule-to-trainee-by-own-host", "work-schedule", "lead-employer", "trainee", 8))


@dataclass(frozen=True)
class Told:
    """A message as upstream publishes it. ``id`` is empty for garbage, which has none that anybody could read."""

    id: str
    type: str
    body: bytes
    content_type: str = CLOUD_EVENT

    @property
    def key(self) -> str:
        """How an inbox knows it."""
        return f"{SOURCE} {self.id}"

    @property
    def poisonous(self) -> bool:
        """Whether it is the placement on which the consumer of deadlines fails."""
        return self.id.startswith(f"placement.updated/{POISONOUS}")


@dataclass(frozen=True)
class Placement:
    """An invented placement, and what becomes of it: the days on which its documents were issued, by rule; a new start; its end."""

    id: str
    trainee: str
    host: Host
    type: str
    start: date
    issued: Mapping[str, date]
    moved: bool = False
    withdrawn: bool = False

    @property
    def poisonous(self) -> bool:
        return self.id.startswith(POISONOUS)

    @property
    def duties(self) -> tuple[Duty, ...]:
        if self.type not in IN_POST:
            return ()
        return AT_THE_LEAD_EMPLOYER if self.host.code == LEAD_EMPLOYER else AT_A_HOST

    @property
    def starts(self) -> tuple[date, ...]:
        """Its start, and its new one."""
        return (self.start, MOVED_TO) if self.moved else (self.start,)


@dataclass(frozen=True)
class Rotation:
    """An invented rotation. ``trainees`` are those whom one can reach, with their address (None: they have none).

    ``procurements`` are decided over HTTP meanwhile, by whoever runs the rotation.
    """

    name: str
    placements: tuple[Placement, ...]
    trainees: Mapping[str, str | None]
    concerns: Mapping[str, Mapping[str, str]]
    garbage: tuple[Told, ...] = ()
    with_contacts: bool = True
    procurements: tuple[str, ...] = ()

    def first(self) -> list[Told]:
        """Contacts, trainees, and documents: what is known before the placements are."""
        contacts = [_contact(data) for data in contact_data()] if self.with_contacts else []
        people = [_contact(_trainee(trainee, email)) for trainee, email in self.trainees.items()]
        return [*contacts, *people, *(document for placement in self.placements for document in _documents(placement))]

    def second(self) -> list[Told]:
        """The placements and the concerns, the garbage among them."""
        said = [_placed(placement, placement.start, 0) for placement in self.placements]
        said += [_concern(concern_id, facts) for concern_id, facts in self.concerns.items()]
        for number, told in enumerate(self.garbage):
            said.insert((number + 1) * len(said) // (len(self.garbage) + 1), told)
        return said

    def third(self) -> list[Told]:
        """New starts and withdrawals."""
        moved = [_placed(placement, MOVED_TO, 1) for placement in self.placements if placement.moved]
        return moved + [_withdrawn(placement) for placement in self.placements if placement.withdrawn]

    def unchanged(self) -> "Rotation":
        """The rotation as it is before its third part."""
        return replace(self, placements=tuple(replace(placement, moved=False, withdrawn=False) for placement in self.placements))

    @property
    def parts(self) -> tuple[list[Told], ...]:
        return self.first(), self.second(), self.third()


def invent(
    seed: int,
    count: int,
    *,
    name: str = "p",
    trainees: int = 10,
    poisonous: int = 1,
    garbage: int = 0,
    soon: float = 1.0,
    concerns: int = 3,
    with_contacts: bool = True,
    procurements: int = 0,
) -> Rotation:
    """An invented rotation of ``count`` placements; the same for the same arguments.

    :param trainees: of how many trainees it is known how to reach them.
    :param soon: the share of placements that start soon enough for the clock to have something to do.
    """
    rng = random.Random(f"{seed} {name}")
    hosts = rng.choices(HOSTS, weights=[host.placements for host in HOSTS], k=count)
    placements = [_placement(rng, f"{name}-{number:05d}", number, host, soon) for number, host in enumerate(hosts)]
    for number in range(poisonous):
        place = number * count // poisonous
        placements[place] = _poisoned(placements[place])
    reached = rng.sample([placement.trainee for placement in placements], min(trainees, count))
    emails = {trainee: f"{trainee}@example.net" if number % 20 else None for number, trainee in enumerate(reached)}
    raised = {f"{name}-concern-{number}": {"kind": "complaint" if number % 3 == 2 else "conduct"} for number in range(concerns)}
    rubbish = tuple(_garbage(rng, name, number) for number in range(garbage))
    contracts = tuple(f"{name}-contract-{number}" for number in range(procurements))
    return Rotation(name, tuple(placements), emails, raised, rubbish, with_contacts, contracts)


def _placement(rng: random.Random, placement_id: str, number: int, host: Host, soon: float) -> Placement:
    start = rng.choice(STARTS if rng.random() < soon else LATER_STARTS)
    fate = {"moved": number % 11 == 3, "withdrawn": number % 13 == 5 and number % 11 != 3}
    placement = Placement(placement_id, f"t-{placement_id}", host, rng.choice(TYPES), start, {}, **fate)
    issued = {}
    for duty in placement.duties:
        day = start - timedelta(weeks=duty.weeks) + timedelta(days=rng.choice((-9, -3, 2, 5)))
        if day < TODAY and rng.random() < ISSUED_SHARE:
            issued[duty.rule] = day
    return replace(placement, issued=issued)


def _poisoned(placement: Placement) -> Placement:
    return replace(placement, id=POISONOUS + placement.id, type="in-post", start=STARTS[0], issued={}, moved=False, withdrawn=False)


# ---- as it is published ------------------------------------------------------------------------------------------


def _event(type_: str, subject: str, at: datetime, data: Mapping[str, Any], number: object = 0) -> Told:
    id_ = f"{type_}/{subject}/{number}"
    event = {
        "specversion": "1.0",
        "id": id_,
        "source": SOURCE,
        "type": type_,
        "time": at.isoformat(),
        "subject": subject,
        "datacontenttype": "application/json",
        "data": data,
    }
    return Told(id_, type_, json.dumps(event).encode())


def _contact(data: Mapping[str, Any]) -> Told:
    return _event("recipient.updated", data["recipient_id"], datetime(2027, 4, 26, 8, tzinfo=UTC), data)


def _trainee(trainee: str, email: str | None) -> dict[str, Any]:
    name = f"{trainee} (invented)"
    return {"recipient_id": trainee, "role": "trainee", "organisation": "", "purpose": "", "name": name, "email": email}


def _documents(placement: Placement) -> Iterator[Told]:
    issuers = {"national-body": NATIONAL_BODY, "lead-employer": LEAD_EMPLOYER, "host": placement.host.code}
    for duty in placement.duties:
        if duty.rule in placement.issued:
            day = placement.issued[duty.rule]
            data = {
                "document_id": f"{placement.id}/{duty.rule}",
                "placement_id": placement.id,
                "kind": duty.kind,
                "issued_to": duty.recipient,
                "issued_by": issuers[duty.owner],
                "issued_on": day.isoformat(),
                "host": placement.host.code,
            }
            yield _event("document.issued", placement.id, datetime.combine(day, time(17), UTC), data, duty.rule)


def _placed(placement: Placement, start: date, number: int) -> Told:
    data = {
        "placement_id": placement.id,
        "trainee_id": placement.trainee,
        "host": placement.host.code,
        "host_name": name_of(placement.host.code),
        "site": placement.host.sites[0].code,
        "lead_employer": LEAD_EMPLOYER,
        "specialty": "Cardiology",
        "grade": "ST3",
        "whole_time_equivalent": "0.8" if placement.id.endswith("7") else "1.0",
        "placement_type": placement.type,
        "start_date": start.isoformat(),
        "end_date": date(start.year + 1, start.month, start.day).isoformat(),
    }
    return _event("placement.updated", placement.id, datetime(2027, 4, 27 + number, 9, tzinfo=UTC), data, number)


def _withdrawn(placement: Placement) -> Told:
    data = {"placement_id": placement.id, "reason": "it is not needed any more"}
    return _event("placement.withdrawn", placement.id, datetime(2027, 5, 20, 9, tzinfo=UTC), data)


def _concern(concern_id: str, facts: Mapping[str, str]) -> Told:
    data = {"concern_id": concern_id, "doctor_reference": "DR-0001", "lead_employer": LEAD_EMPLOYER, "host": "RXN", "facts": facts}
    return _event("concern.raised", concern_id, datetime(2027, 5, 21, 9, tzinfo=UTC), data)


def _garbage(rng: random.Random, name: str, number: int) -> Told:
    """Bytes that nobody can read, JSON that is no CloudEvent, a CloudEvent that lacks a field, or one that says it is something else."""
    mark = f"{name} {number} {rng.getrandbits(32):08x}"
    whole = json.loads(_event("placement.updated", mark.replace(" ", "-"), datetime(2027, 4, 27, tzinfo=UTC), {"placement_id": mark}).body)
    bodies = (
        b"\x80\x04\x95" + mark.encode() + bytes(rng.randbytes(20)),
        json.dumps({"placement": mark}).encode(),
        json.dumps(whole).encode(),
        json.dumps({**whole, "specversion": "0.3"}).encode(),
    )
    return Told("", "placement.updated", bodies[number % 4], "application/x-python-serialize" if number % 4 == 0 else CLOUD_EVENT)
