"""Whom a rotation must reach, worked out from its lines alone: nothing here is the services' code.

The rules are few, and stand in the policies as sentences. Who has a part in a placement is told of it, of every material change and of its
end; the owner of a document is reminded seven days before the due day and told of a missed one, and the lead employer hears of a host's
missed work schedule. Upstream is heard at five in the afternoon, the clock strikes then and at seven, digests leave at eight.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple

REMINDER = timedelta(days=7)
Line = Mapping[str, Any]


class Expected(NamedTuple):
    """An alert as the world outside names it. ``whom`` is an organisation's code or a person's id."""

    kind: str
    regarding: str
    role: str
    whom: str
    purpose: str
    channel: str


class Duty(NamedTuple):
    """One document: what it is, who owes it to whom, how many weeks before the start, and at which contact its owner is reminded."""

    kind: str
    owner: str
    receiver: str
    weeks: int
    purpose: str


HAND_OVER = Duty("work-schedule", "host", "lead-employer", 8, "work-schedules")
DUTIES = (
    Duty("placement-information", "national-body", "host", 12, "any"),
    Duty("placement-information", "lead-employer", "trainee", 12, "placements"),
    HAND_OVER,
    Duty("work-schedule", "lead-employer", "trainee", 8, "work-schedules"),
    Duty("contract", "lead-employer", "trainee", 8, "pay"),
    Duty("pay-breakdown", "lead-employer", "trainee", 8, "pay"),
    Duty("duty-roster", "host", "trainee", 6, "rotas"),
)


@dataclass
class Placement:
    """A placement on its way through the weeks: as it now is, its deadlines in force by duty, and its documents."""

    id: str
    data: Mapping[str, str]
    said: str
    withdrawn: bool = False
    revisions: Counter[str] = field(default_factory=Counter)
    states: dict[Duty, str] = field(default_factory=dict)
    documents: list[Mapping[str, str]] = field(default_factory=list)

    @property
    def start(self) -> date:
        """Its first day."""
        return date.fromisoformat(self.data["start"])

    def due(self, duty: Duty) -> date:
        """The due day of a duty."""
        return self.start - timedelta(weeks=duty.weeks)

    def set_deadlines(self) -> None:
        """All anew."""
        own = self.data["host"] == self.data["lead_employer"]
        self.states = {duty: "set" for duty in DUTIES if not (own and duty == HAND_OVER)}
        self.revisions.update(map(self.rule, self.states))
        self.settle()

    def settle(self) -> None:
        """Let documents meet what they fit."""
        for duty in self.states:
            wanted = (duty.kind, duty.receiver, self.data["host"])
            if wanted in {(found["kind"], found["issued_to"], found["host"]) for found in self.documents}:
                self.states[duty] = "met"

    def rule(self, duty: Duty) -> str:
        """The rule that sets it."""
        own = duty.kind == "work-schedule" and self.data["host"] == self.data["lead_employer"]
        return f"{duty.kind}-to-{duty.receiver}{'-by-own-host' if own else ''}"

    def deadline_id(self, duty: Duty) -> str:
        """Its name on the bus; the revisions of each rule are counted by themselves."""
        return f"{self.id}/{self.rule(duty)}/{self.revisions[self.rule(duty)]}"


class Region:
    """What is known, day by day, and every alert that must be made of it."""

    def __init__(self, codes: Mapping[str, str]) -> None:
        self._codes = codes
        self.placements: dict[str, Placement] = {}
        self.unplaced: dict[str, list[Mapping[str, str]]] = {}
        self.alerts: Counter[Expected] = Counter()
        self.in_digest: dict[str, list[Expected]] = {}

    # ---- what is heard -------------------------------------------------------------------------------------------

    def hear(self, line: Line) -> None:
        """One line of the file."""
        if "tisId" in line:
            self._hear_placement(line["tisId"], line["record"])
        elif line["type"] == "document.issued":
            self._hear_document(line["data"])
        elif line["type"] == "concern.raised" and line["data"]["facts"].get("kind") == "conduct":
            self._hear_concern(line["data"])

    def _hear_placement(self, id_: str, record: Mapping[str, Any]) -> None:
        said, was = record["metadata"]["timestamp"], self.placements.get(id_)
        if was is not None and said <= was.said:
            return  # overtaken, or told again
        if record["operation"] == "delete":
            assert was is not None
            was.said, was.withdrawn, was.states = said, True, {}
            self._tell("placement-cancelled", was, ("trainee", "host", "lead-employer"))
            return
        data = self._read(record["data"])
        if was is None:
            found = self.placements[id_] = Placement(id_, data, said, documents=self.unplaced.pop(id_, []))
            self._tell("placement-notice", found, ("trainee", "host", "lead-employer"))
            found.set_deadlines()
        else:
            self._change(was, data, said)

    def _change(self, placement: Placement, data: Mapping[str, str], said: str) -> None:
        before, placement.said = placement.data, said
        if data == before:
            return
        moved = ["host"] if data["host"] != before["host"] else []
        self._tell("placement-cancelled", placement, moved)
        placement.data = data
        self._tell("placement-notice", placement, moved)
        self._tell("placement-change", placement, [role for role in ("trainee", "host", "lead-employer") if role not in moved])
        if moved or data["start"] != before["start"]:
            placement.set_deadlines()

    def _read(self, data: Mapping[str, str]) -> dict[str, str]:
        """What is material of TIS's data, whichever way it is spelt."""
        return {
            "trainee": data.get("traineeId") or data["personId"],
            "host": self._codes[data["trainingBodyName"]],
            "lead_employer": self._codes[data["employingBodyName"]],
            "start": data.get("dateFrom") or data["startDate"],
            "end": data.get("dateTo") or data["endDate"],
            **{name: data[name] for name in ("siteKnownAs", "specialty", "gradeAbbreviation", "wholeTimeEquivalent")},
        }

    def _hear_document(self, document: Mapping[str, str]) -> None:
        placement = self.placements.get(document["placement_id"])
        if placement is None:
            self.unplaced.setdefault(document["placement_id"], []).append(document)
        else:
            placement.documents.append(document)
            placement.settle()

    def _hear_concern(self, data: Mapping[str, Any]) -> None:
        for role in TOLD_OF_CONDUCT:
            self.alerts[Expected("responsibility-assigned", data["concern_id"], role, "", "any", "email")] = 1

    # ---- what the clock finds ------------------------------------------------------------------------------------

    def strike(self, day: date, *, evening: bool = False) -> None:
        """The clock strikes. What it finds in the evening stands in the next morning's digest, unless the day has passed by then."""
        for placement in self.placements.values():
            for duty, state in placement.states.items():
                if state in ("set", "approaching") and day > placement.due(duty):
                    placement.states[duty] = "missed"
                    self.alerts.subtract(self.in_digest.pop(placement.deadline_id(duty), []))
                    self._remind("deadline-missed", placement, duty)
                elif state == "set" and day >= placement.due(duty) - REMINDER:
                    placement.states[duty] = "approaching"
                    self.in_digest[placement.deadline_id(duty)] = self._remind("deadline-approaching", placement, duty)
        if not evening:
            self.in_digest.clear()

    def _remind(self, kind: str, placement: Placement, duty: Duty) -> list[Expected]:
        """Tell the owner, and whoever waits; returns those that stand in a digest."""
        told = [(duty.owner, duty.purpose)]
        told += [("lead-employer", "work-schedules")] if (kind, duty) == ("deadline-missed", HAND_OVER) else []
        for role, purpose in told:
            whom = {"national-body": "", "host": placement.data["host"], "lead-employer": placement.data["lead_employer"]}[role]
            self.alerts[Expected(kind, placement.deadline_id(duty), role, whom, purpose, "email")] += 1
        owner = {"host": placement.data["host"], "lead-employer": placement.data["lead_employer"]}.get(duty.owner)
        return [Expected(kind, placement.deadline_id(duty), duty.owner, owner, duty.purpose, "email")] if owner else []

    def _tell(self, kind: str, placement: Placement, roles: Iterable[str]) -> None:
        for role in roles:
            purpose = "any" if role == "trainee" else "placements"
            whom = placement.data[role.replace("-", "_")]
            for channel in ("email", "inbox") if role == "trainee" else ("email",):
                self.alerts[Expected(kind, placement.id, role, whom, purpose, channel)] += 1


TOLD_OF_CONDUCT = ("postgraduate-dean", "revalidation-team")
"""Who is told at once of a concern about conduct; of the others in the sample nobody is."""


def reachable(lines: Iterable[Line], alert: Expected) -> bool:
    """Whether some line says how whoever an alert is for is reached."""
    return any(_reaches(line["data"], alert) for line in lines if line.get("type") == "recipient.updated")


def _reaches(contact: Mapping[str, Any], alert: Expected) -> bool:
    if contact["role"] != alert.role:
        return False
    if alert.role == "trainee":
        return contact["recipient_id"] == alert.whom and (alert.channel == "inbox" or contact["email"] is not None)
    return alert.whom in ("", contact["organisation"]) and contact["purpose"] in (alert.purpose, "", "any")


def expected_alerts(arrivals: Mapping[date, Iterable[Line]], days: Iterator[date], codes: Mapping[str, str]) -> Counter[Expected]:
    """Every alert that a rotation must lead to, sent or not.

    :param arrivals: its lines by the day on which they are heard.
    :param codes: ODS codes by the names of organisations.
    """
    region = Region(codes)
    waiting = sorted(arrivals)
    for day in days:
        region.strike(day)
        while waiting and waiting[0] <= day:
            for line in arrivals[waiting.pop(0)]:
                region.hear(line)
        region.strike(day, evening=True)
    return +region.alerts
