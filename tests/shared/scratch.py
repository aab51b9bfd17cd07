"""What tests of shared/ build on: a small policy that can be spoilt, and a service that only counts what it hears."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shared.database import Base, transaction
from shared.events import ConcernRaised, DocumentIssued, Event, PlacementUpdated, ProcurementRouted
from shared.policies import load_sources
from shared.policies.catalogue import Entry
from shared.policies.citations import citing
from shared.policies.facts import Fact, declared_facts
from shared.policies.policy import Policy
from shared.policies.policy_file import read_policy
from shared.policies.reading import parse_yaml
from shared.wire import Message
from shared.worker import Say, Service, Worker

FACTS_TEXT = """\
amount: {type: money, domain: {at_least: "0.00", at_most: "1000.00"}, ask: "How much is it?"}
number: {type: integer, domain: {at_least: 0, at_most: 10}, ask: "How many are there?"}
sure: {type: boolean, ask: "Is it sure?"}
calm: {type: boolean, ask: "Is it calm?"}
kind: {type: choice, domain: [red, green], ask: "Of which kind?"}
day: {type: date, domain: {at_least: 2020-01-01, at_most: 2030-01-01}, ask: "On which day?"}
note: {type: text, domain: {max_length: 20}, ask: "What else?"}
"""
FACTS: dict[str, Fact] = declared_facts(parse_yaml(FACTS_TEXT, "facts.yaml"))

ENTRIES = {
    name: Entry(name, "0.0", "MUST", False, ("TOOLKIT", "MHPS"), "Sizes", "What the small policy stands on.", "", "catalogue.yaml", 1)
    for name in ("limit", "price", "small", "large", "little", "e")
}

POLICY = """\
policy: size
question: How big is it?
hit: any
outcome:
  size: {choice: [small, large]}
  due: date
parameters:
  limit:
    - {from: 2020-01-01, value: 5, unit: count, cite: {source: TOOLKIT, section: Sizes, entry: limit}}
  price:
    - {from: 2020-01-01, value: "5.00", unit: GBP, cite: {source: TOOLKIT, section: Sizes, entry: price}}
rules:
  - id: small
    from: 2020-01-01
    when: {number: {at_most: $limit}}
    then: {size: small, due: {from: day, weeks: 2}}
    because: It does not exceed the limit.
    cite: {source: TOOLKIT, section: Sizes, entry: small}
  - id: large
    from: 2020-01-01
    when: {number: {more_than: $limit}}
    then: {size: large}
    because: It exceeds the limit.
    cite: {source: TOOLKIT, section: Sizes, entry: large}
    overrides: [small]
"""


def a_policy(text: str = POLICY) -> Policy:
    """The policy of a text, over the facts above."""
    return read_policy(parse_yaml(text, "policies/size.yaml"), FACTS, citing(load_sources(), ENTRIES))


def changed(*changes: tuple[str, str], text: str = POLICY) -> str:
    """The small policy with some of its words replaced, each where it stands first."""
    for old, new in changes:
        assert old in text, f"{old!r} does not stand in the text that is to be changed"
        text = text.replace(old, new, 1)
    return text


# ---- a service that counts ---------------------------------------------------------------------------------------


class Tally:
    """What the counting service knows: nothing; it says one event for every event that it hears."""

    def rows(self) -> Iterable[Any]:
        """No rows of its own."""
        return ()


class Counting:
    """A service without tables: every event it hears is noted in ``heard`` and answered by one in its outbox.

    Documents of the kind ``contract`` are poison to it. ``outage`` is raised by its reading, if set.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []
        self.outage: Exception | None = None

    def read(self, session: Session, messages: Sequence[Message]) -> Tally:
        """Needs nothing, but may find the database away."""
        session.execute(select(1))
        if self.outage:
            raise self.outage
        return Tally()

    def handle(self, known: Tally, message: Message, now: datetime) -> Iterator[Say]:
        """Note it, and say so."""
        event = message.data
        if isinstance(event, DocumentIssued) and event.kind == "contract":
            raise ZeroDivisionError("contracts are poison here")
        self.heard.append((event.subject, message.sequence))
        about = f"heard {event.type} {event.subject} {message.sequence} {message.id}"
        yield Say(ProcurementRouted(procurement_id=about, decision_id="d", route="r", as_at=now.date()))

    def service(self, name: str = "eligibility") -> Service:
        """The service, on the migrations of a real one."""
        hears: list[type[Event]] = [PlacementUpdated, DocumentIssued, ConcernRaised]
        return Service(name, dict.fromkeys(hears, self.handle), self.read)


def rows(worker: Worker, table: type[Base]) -> list[Any]:
    """Every row of a table."""
    with transaction(worker.engine) as session:
        return list(session.scalars(select(table)))


def count(worker: Worker, table: type[Base]) -> int:
    """How many rows a table has."""
    with transaction(worker.engine) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0
