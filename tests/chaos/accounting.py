"""The account of a run, as Jepsen's checker of queues draws it up: attempted, acknowledged, lost, duplicated, unexpected.

Five books are compared line by line, each against what must be in it: the inboxes against what upstream was told is safe, the inboxes
against the outboxes of all others, the state of every service and everything it said against tests/chaos/model.py, and the provider's log
against the alerts. ::

    lost         acknowledged or committed, and its effect is not there
    duplicated   applied twice: a version, an event, an in-app message too many
    sent twice   alerts that the provider was given more than once
    unexpected   there without cause: rows that nobody asked for, messages in quarantine that are in order

Read :func:`account` first. Every deviation is kept as a sentence; the table counts them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.model import AlertName, Expected, expected
from tests.chaos.region import HEARS, Place
from tests.chaos.rotation import Rotation

MOST_SHOWN = 5
COLUMNS = ("fault", "seed", "attempted", "acknowledged", "effects", "sent", "lost", "duplicated", "sent twice", "unexpected", "seconds")


@dataclass
class Account:
    """What a run came to. The lists hold one sentence for each deviation."""

    fault: str
    seed: int
    attempted: int = 0
    acknowledged: int = 0
    effects: int = 0
    sent: int = 0
    seconds: float = 0.0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    sent_twice: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        """Whether every goal is met."""
        return not (self.lost or self.duplicated or self.sent_twice or self.unexpected)

    def line(self) -> str:
        """Its line of the table, in Markdown."""
        deviations = [len(found) for found in (self.lost, self.duplicated, self.sent_twice, self.unexpected)]
        counts = [f"{count:,}" for count in (self.attempted, self.acknowledged, self.effects, self.sent, *deviations)]
        return f"| {' | '.join([self.fault, str(self.seed), *counts, f'{self.seconds:.0f}'])} |"

    def __str__(self) -> str:
        """The line, and the first deviations of each kind."""
        found = {"lost": self.lost, "duplicated": self.duplicated, "sent twice": self.sent_twice, "unexpected": self.unexpected}
        return "\n".join([self.line(), *(f"{kind}: {each}" for kind, all_ in found.items() for each in all_[:MOST_SHOWN])])

    def book(self, what: str, wanted: Mapping[Any, int], there: Mapping[Any, int]) -> None:
        """Compare two counts of the same things."""
        self.effects += sum(there.values())
        for key in wanted.keys() | there.keys():
            missing = wanted.get(key, 0) - there.get(key, 0)
            if missing > 0:
                self.lost.append(f"{what}: {key}")
            elif missing < 0:
                (self.duplicated if key in wanted else self.unexpected).append(f"{what}: {key}")


def heading() -> str:
    """The head of the table, in Markdown."""
    return f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"


def account(
    fault: str, seed: int, place: Place, rotations: Sequence[Rotation], *, known: Sequence[Rotation] = (), mended: bool = False
) -> Account:
    """Draw up the account of a run that was drained.

    :param rotations: what upstream was to tell.
    :param known: those of which it told the first part only.
    :param mended: the poisonous placements were handled again, successfully.
    """
    found, wanted = Account(fault, seed), expected(rotations, known, mended=mended)
    found.attempted, found.acknowledged = len(place.log.attempts), len(place.log.acknowledged)
    told = {told.body for rotation in rotations for part in rotation.parts for told in part}
    found.lost += [f"upstream was not told that it is safe: {body[:80]!r}" for body in told - place.log.acknowledged]
    _inboxes(found, place, mended=mended)
    _quarantines(found, place, rotations, mended=mended)
    _state(found, place, wanted)
    _said(found, place, wanted)
    _alerts(found, place, wanted)
    return found


# ---- messages ----------------------------------------------------------------------------------------------------


def _inboxes(found: Account, place: Place, *, mended: bool) -> None:
    """(a) and (b): what upstream was told is safe, and what each service says, is in the inbox of everyone who hears it."""
    said = [(str(type_), str(key)) for name in place.services for type_, key in place.rows(name, "SELECT type, key FROM outbox")]
    said += [(told.type, told.key) for told in place.published() if told.id]
    poisonous = set() if mended else {told.key for told in place.log.messages.values() if told.poisonous}
    for name in place.services:
        spared = poisonous if name == "deadlines" else set()
        wanted = {key: 1 for type_, key in said if type_ in HEARS[name] and key not in spared}
        found.book(f"the inbox of {name}", wanted, Counter(str(key) for (key,) in place.rows(name, "SELECT key FROM inbox")))


def _quarantines(found: Account, place: Place, rotations: Iterable[Rotation], *, mended: bool) -> None:
    """All poison is kept, byte for byte as it came, and nothing else is."""
    garbage = {told.body for rotation in rotations for told in rotation.garbage}
    bodies = {told.key: told.body for told in place.published()}
    if not bodies:  # upstream went through an outbox
        bodies = {str(key): str(body).encode() for key, body in place.rows("deadlines", "SELECT key, body FROM outbox")}
    poisonous = set() if mended else {bodies[told.key] for told in place.log.messages.values() if told.poisonous}
    for name in place.services:
        wanted = (garbage if "placement.updated" in HEARS[name] else set()) | (poisonous if name == "deadlines" else set())
        there = Counter(bytes(body) for (body,) in place.rows(name, "SELECT body FROM quarantine"))
        found.book(f"the quarantine of {name}", dict.fromkeys(wanted, 1), there)


# ---- effects -----------------------------------------------------------------------------------------------------


def _state(found: Account, place: Place, wanted: Expected) -> None:
    """(c) The placements, deadlines and cases: which, in which state, changed how often."""
    there = {
        str(id_): (str(state), int(version))
        for id_, state, version in place.rows("deadlines", "SELECT deadline_id, state, version FROM deadlines")
    }
    found.book("a deadline", dict.fromkeys(wanted.deadlines, 1), dict.fromkeys(there, 1))
    for id_ in there.keys() & wanted.deadlines.keys():
        (state, version), life = there[id_], wanted.deadlines[id_]
        if version > life.version:
            found.duplicated.append(f"{id_} was changed {version} times, not {life.version}")
        elif (state, version) != life:
            found.lost.append(f"{id_} is {state} in version {version}, not {life}")
    ids = Counter(str(id_) for (id_,) in place.rows("deadlines", "SELECT placement_id FROM placements"))
    found.book("a placement", dict.fromkeys(wanted.placements, 1), ids)
    cases = Counter(tuple(row) for row in place.rows("responsibility", "SELECT concern_id, status, version FROM cases"))
    found.book("a case", dict.fromkeys(((id_, status, 1) for id_, status in wanted.cases.items()), 1), cases)


def _said(found: Account, place: Place, wanted: Expected) -> None:
    """Every event that a service says of itself, once. Those of alerts are named by keys, and compared with the alerts."""
    from_outside = ("recipient.", "placement.", "document.", "concern.", "alert.")
    there = Counter(
        (name, str(type_), str(subject))
        for name in place.services
        for type_, subject in place.rows(name, "SELECT type, subject FROM outbox")
        if not str(type_).startswith(from_outside)
    )
    found.book("an event", wanted.said, there)


# ---- alerts ------------------------------------------------------------------------------------------------------


def _alerts(found: Account, place: Place, wanted: Expected) -> None:
    """(d) Every alert there must be, once, and what left at the provider and in the app; what was said of it, and heard back."""
    columns = "alert_key, kind, regarding, role, purpose, channel, status"
    there = [tuple(map(str, row)) for row in place.rows("notifications", f"SELECT {columns} FROM alerts")]
    named = Counter((AlertName(*name), status) for _, *name, status in there)
    found.book("an alert", dict.fromkeys(wanted.alerts.items(), 1), named)
    keys = {channel: {row[0] for row in there if row[5] == channel and row[6] == "sent"} for channel in ("email", "inbox")}
    log = place.provider.sent()
    found.sent = len(log)
    found.lost += [f"an alert that is marked as sent never reached the provider: {key}" for key in keys["email"] - log.keys()]
    found.unexpected += [f"the provider was given an alert that is not marked as sent: {key}" for key in log.keys() - keys["email"]]
    found.sent_twice += [f"the provider was given an alert {count} times: {key}" for key, count in log.items() if count > 1]
    in_app = Counter(str(key) for (key,) in place.rows("notifications", "SELECT alert_key FROM inbox_messages"))
    found.book("a message in the app", dict.fromkeys(keys["inbox"], 1), in_app)
    _outcomes(found, place, {row[0]: row for row in there})


def _outcomes(found: Account, place: Place, alerts: Mapping[str, Sequence[str]]) -> None:
    """What notifications said of each alert, once, and what deadlines has heard of it."""
    outcomes = {key: "failed" if row[6] in ("failed", "withdrawn") else row[6] for key, row in alerts.items()}
    said = Counter(
        (str(type_), str(key)) for type_, key in place.rows("notifications", "SELECT type, subject FROM outbox WHERE type LIKE 'alert.%'")
    )
    found.book("an event", {(f"alert.{outcome}", key): 1 for key, outcome in outcomes.items()}, said)
    about = {key: outcome for key, outcome in outcomes.items() if alerts[key][1].startswith(("placement-", "deadline-"))}
    receipts = Counter((str(key), str(status)) for key, status in place.rows("deadlines", "SELECT alert_key, status FROM alert_receipts"))
    found.book("a receipt", dict.fromkeys(about.items(), 1), receipts)
