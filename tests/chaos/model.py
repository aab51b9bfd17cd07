"""What must become of a rotation, worked out from the rotation alone: nothing here is the services' code.

The rules are few and stand in their policies as sentences: seven documents are due twelve, eight and six weeks before the start (six where
host and lead employer are one); the owner is reminded seven days before and told of a missed day; who was told of a placement is told of
its change and its end. :func:`expected` gives every deadline, alert and event there must be, and so what would be one too many.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from shared.samples.people import contact_data
from shared.samples.places import LEAD_EMPLOYER
from tests.chaos.rotation import TODAY, Duty, Placement, Rotation

NOTICE = timedelta(days=7)
CONCERN_TOLD = ("postgraduate-dean", "revalidation-team")
"""Who is told at once of a concern about conduct."""


class AlertName(NamedTuple):
    """An alert as the outside world would name it; there may be one of each at most."""

    kind: str
    regarding: str
    role: str
    purpose: str
    channel: str


class Life(NamedTuple):
    """A deadline: what became of it, and how often it changed."""

    state: str
    version: int


@dataclass
class Expected:
    """What there must be, and nothing else. ``said`` counts events by service, type and subject, those of alerts left out."""

    placements: set[str] = field(default_factory=set)
    deadlines: dict[str, Life] = field(default_factory=dict)
    alerts: dict[AlertName, str] = field(default_factory=dict)
    said: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    cases: dict[str, str] = field(default_factory=dict)


class Contacts:
    """Who can be reached: organisations' contacts by role, organisation and purpose, and trainees."""

    def __init__(self, rotations: Iterable[Rotation]) -> None:
        self._contacts = {(data["role"], data["organisation"], data["purpose"]) for data in contact_data()}
        self._trainees = {trainee: email for rotation in rotations for trainee, email in rotation.trainees.items()}

    def outcome(self, role: str, purpose: str, channel: str, placement: Placement | None) -> str:
        """``sent``, or ``failed`` for want of a contact or an address."""
        if role == "trainee":
            assert placement is not None
            known = placement.trainee in self._trainees
            return "sent" if known and (channel == "inbox" or self._trainees[placement.trainee]) else "failed"
        organisations = {"host": placement.host.code, "lead-employer": LEAD_EMPLOYER} if placement else {}
        fitting = {found for found in self._contacts if found[0] == role and organisations.get(role, found[1]) == found[1]}
        return "sent" if any(found[2] in (purpose, "") for found in fitting) else "failed"


def expected(rotations: Sequence[Rotation], known: Sequence[Rotation] = (), *, mended: bool = False) -> Expected:
    """What must become of these rotations.

    :param known: those of which only the contacts are known.
    :param mended: poisonous placements were handled again, after what they broke was mended; before, deadlines does not know them.
    """
    found, contacts = Expected(), Contacts([*rotations, *known])
    for rotation in rotations:
        for placement in rotation.placements:
            _told_of_placement(found, contacts, placement)
            if mended or not placement.poisonous:
                found.placements.add(placement.id)
                _deadlines(found, contacts, placement)
        for concern_id, facts in rotation.concerns.items():
            _concern(found, contacts, concern_id, assigned=facts["kind"] == "conduct")
        for procurement in rotation.procurements:
            found.said["eligibility", "procurement.routed", procurement] = 1
            name = AlertName("procurement-routed", procurement, "commercial-team", "any", "email")
            found.alerts[name] = contacts.outcome("commercial-team", "any", "email", None)
    return found


def _told_of_placement(found: Expected, contacts: Contacts, placement: Placement) -> None:
    kinds = ["placement-notice"]
    kinds += ["placement-change"] if placement.moved else []
    kinds += ["placement-cancelled"] if placement.withdrawn else []
    for kind in kinds:
        for role, purpose, channel in (
            ("trainee", "any", "email"),
            ("trainee", "any", "inbox"),
            ("host", "placements", "email"),
            ("lead-employer", "placements", "email"),
        ):
            name = AlertName(kind, placement.id, role, purpose, channel)
            found.alerts[name] = contacts.outcome(role, purpose, channel, placement)


def _concern(found: Expected, contacts: Contacts, concern_id: str, *, assigned: bool) -> None:
    found.cases[concern_id] = "assigned" if assigned else "needs-facts"
    if assigned:
        found.said["responsibility", "responsibility.assigned", concern_id] = 1
        for role in CONCERN_TOLD:
            name = AlertName("responsibility-assigned", concern_id, role, "any", "email")
            found.alerts[name] = contacts.outcome(role, "any", "email", None)


# ---- deadlines ---------------------------------------------------------------------------------------------------


def _deadlines(found: Expected, contacts: Contacts, placement: Placement) -> None:
    for revision, start in enumerate(placement.starts, start=1):
        over = placement.withdrawn or revision < len(placement.starts)
        for duty in placement.duties:
            deadline_id = f"{placement.id}/{duty.rule}/{revision}"
            state = _state(start - timedelta(weeks=duty.weeks), placement.issued.get(duty.rule))
            states = ["set", *([state] if state != "set" else []), *(["withdrawn"] if over else [])]
            found.deadlines[deadline_id] = Life(states[-1], len(states))
            for each in states:
                found.said["deadlines", f"deadline.{each.removesuffix('-late')}", deadline_id] = 1
            if state in ("approaching", "missed"):
                _told_of_deadline(found, contacts, placement, duty, state, deadline_id, over=over)


def _state(due: date, issued: date | None) -> str:
    if issued is not None:
        return "met-late" if issued > due else "met"
    if due < TODAY:
        return "missed"
    return "approaching" if due - NOTICE <= TODAY else "set"


def _told_of_deadline(
    found: Expected, contacts: Contacts, placement: Placement, duty: Duty, state: str, deadline_id: str, *, over: bool
) -> None:
    for role, purpose in _who_is_told(duty, state):
        outcome = contacts.outcome(role, purpose, "email", placement)
        if over and outcome == "failed":
            outcome = "withdrawn"  # it waited for a contact, and need not be said any more
        found.alerts[AlertName(f"deadline-{state}", deadline_id, role, purpose, "email")] = outcome


def _who_is_told(duty: Duty, state: str) -> Iterator[tuple[str, str]]:
    """Role and purpose: the owner, and whoever waits for a host's work schedule."""
    purposes = {
        ("lead-employer", "placement-information"): "placements",
        ("lead-employer", "work-schedule"): "work-schedules",
        ("lead-employer", "contract"): "pay",
        ("lead-employer", "pay-breakdown"): "pay",
        ("host", "work-schedule"): "work-schedules",
        ("host", "duty-roster"): "rotas",
    }
    yield duty.owner, purposes.get((duty.owner, duty.kind), "any")
    if state == "missed" and (duty.owner, duty.kind) == ("host", "work-schedule"):
        yield "lead-employer", "work-schedules"
