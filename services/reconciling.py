"""``tripartite reconcile``: what every service said, held against what every other heard, in their databases alone.

A message that stands in an outbox must stand in the inbox, or in the quarantine, of every service that hears its type. If it does not, and
is neither young nor still waiting to be published, it is *missing*: named, and with ``--resend`` put back to be published again, which is
harmless to whoever has heard it. Stale news stands in the inbox too. What came past every outbox, published on the bus by others, can
be held against the other services only: what one heard and another did not is named, and whoever published it has to do so again.

What the broker still holds is missing as well until it is heard: let the workers empty their queues first (``tripartite doctor``).

Everything is read by the chunk, so a million messages take no more memory than a thousand. Read :func:`reconciled` first.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Engine, bindparam, func, select, tuple_, update
from sqlalchemy.orm import Session

from services.command import NAMES
from services.contract import heard_by
from services.quarantine import identity, opened, told_transaction
from shared.database import from_now
from shared.events import EVENTS
from shared.inbox import InboxRow, QuarantineAudit, QuarantineRow
from shared.outbox import OutboxBatch, OutboxRow

AT_ONCE = 2_000
"""How many messages are compared, and resent, in one go."""
BODIES_AT_ONCE = 100
SHOWN = 20
COLUMNS = ("said", "heard", "quarantined", "on_its_way", "missing")
Progress = Callable[[int, int], None]
"""(how many messages were compared, of how many)."""


class Said(NamedTuple):
    """A message that was said. ``pending``: it may still be on its way."""

    key: str
    type: str
    pending: bool


@dataclass(frozen=True)
class Side:
    """A service with its database, the types that it hears, and the keys in its quarantine."""

    name: str
    engine: Engine
    hears: frozenset[str]
    quarantined: frozenset[str]


@dataclass
class Report:
    """What was found.

    :param counts: by (who said it, who hears it, type). :param gaps: the first that are missing. :param missing: how many there are,
        each for every service that has not heard it. :param proved: how many messages everybody has heard who should. :param kept: how
        many of the others somebody has in quarantine, or has discarded.
    """

    counts: dict[tuple[str, str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    gaps: list[dict[str, str]] = field(default_factory=list)
    missing: int = 0
    proved: int = 0
    kept: int = 0
    pending: int = 0
    resent: int = 0


def reconciled(settle: int, resend_missing: bool, progress: Progress) -> dict[str, Any]:
    """Compare all outboxes and inboxes.

    :param settle: seconds; what was said within them, by the clock of the database that knows of it, is on its way.
    :param resend_missing: have what is missing published again.
    :raises Refused: not every service is here; :raises Unreachable: a database does not answer, or lacks migrations.
    """
    hearers = {event.type: services for event, services in heard_by().items()}
    young = timedelta(seconds=settle)
    report = Report()
    with ExitStack() as stack:
        sides = {name: _side(name, stack.enter_context(opened(name)), hearers) for name in NAMES}
        shared = frozenset(type_ for type_, names in hearers.items() if EVENTS[type_].from_outside and len(names) > 1)
        total = sum(_count(side, shared) for side in sides.values())
        done = 0
        for side in sides.values():
            for said in _said(side, young):
                lacking = _compared(report, side.name, said, sides.values())
                if resend_missing and lacking:
                    report.resent += _resent(side, lacking)
                done += len(said)
                progress(done, total)
        for side in sides.values():
            for said in _from_outside(side, shared, young):
                _compared_outside(report, side, said, sides, hearers)
                done += len(said)
                progress(done, total)
    alone = sorted(type_ for type_, names in hearers.items() if EVENTS[type_].from_outside and len(names) == 1)
    return _as_data(report, alone)


# ---- reading -------------------------------------------------------------------------------------------------------


def _side(name: str, engine: Engine, hearers: dict[str, list[str]]) -> Side:
    quarantined = {found[0] for body in _bodies(engine) if (found := identity(body))} | _discarded(engine)
    return Side(name, engine, frozenset(type_ for type_, names in hearers.items() if name in names), frozenset(quarantined))


def _bodies(engine: Engine) -> Iterator[bytes]:
    """The messages in a quarantine."""
    place = ""
    while True:
        rest = select(QuarantineRow.fingerprint, QuarantineRow.body).where(QuarantineRow.fingerprint > place)
        with told_transaction(engine) as session:
            rows = session.execute(rest.order_by(QuarantineRow.fingerprint).limit(BODIES_AT_ONCE)).all()
        if not rows:
            return
        yield from (row.body for row in rows)
        place = rows[-1].fingerprint


def _count(side: Side, shared: frozenset[str]) -> int:
    """How many messages are about to be compared."""
    with told_transaction(side.engine) as session:
        said = session.scalar(select(func.count()).select_from(OutboxRow)) or 0
        return said + (session.scalar(select(func.count()).select_from(InboxRow).where(InboxRow.type.in_(shared & side.hears))) or 0)


def _said(side: Side, young: timedelta) -> Iterator[list[Said]]:
    """What stands in an outbox now, by the chunk; what is put back meanwhile stands behind, and is not read again."""
    columns = (OutboxRow.batch, OutboxRow.number, OutboxRow.key, OutboxRow.type, OutboxRow.stored_at)
    with told_transaction(side.engine) as session:
        last = session.scalar(select(func.max(OutboxRow.batch))) or 0
    place = (0, 0)
    while True:
        rest = select(*columns).where(tuple_(OutboxRow.batch, OutboxRow.number) > place, OutboxRow.batch <= last)
        with told_transaction(side.engine) as session:
            rows = session.execute(rest.order_by(OutboxRow.batch, OutboxRow.number).limit(AT_ONCE)).all()
            batches = {row.batch for row in rows}
            waiting = set(session.scalars(select(OutboxBatch.batch).where(OutboxBatch.batch.in_(batches))))
            now = _now(session)
        if not rows:
            return
        yield [Said(row.key, row.type, row.batch in waiting or abs(now - row.stored_at) < young) for row in rows]
        place = (rows[-1].batch, rows[-1].number)


def _from_outside(side: Side, shared: frozenset[str], young: timedelta) -> Iterator[list[Said]]:
    """What an inbox heard of these types, by the chunk."""
    place = ""
    while True:
        rest = select(InboxRow.key, InboxRow.type, InboxRow.heard_at).where(InboxRow.type.in_(shared & side.hears), InboxRow.key > place)
        with told_transaction(side.engine) as session:
            rows = session.execute(rest.order_by(InboxRow.key).limit(AT_ONCE)).all()
            now = _now(session)
        if not rows:
            return
        yield [Said(row.key, row.type, abs(now - row.heard_at) < young) for row in rows]
        place = rows[-1].key


def _now(session: Session) -> datetime:
    """What its own clock shows. A rehearsed day may lie in the future: what is far from now is not young, on either side."""
    found: datetime = session.scalars(select(from_now(0))).one()
    return found


def _heard(side: Side, keys: Collection[str]) -> set[str]:
    with told_transaction(side.engine) as session:
        return set(session.scalars(select(InboxRow.key).where(InboxRow.key.in_(keys))))


def _stands(side: Side, keys: Collection[str]) -> set[str]:
    with told_transaction(side.engine) as session:
        return set(session.scalars(select(OutboxRow.key).where(OutboxRow.key.in_(keys))))


# ---- comparing -----------------------------------------------------------------------------------------------------


def _compared(report: Report, said_by: str, said: Sequence[Said], sides: Iterable[Side], counts_once: bool = True) -> list[str]:
    """Hold messages against what those have who hear them; returns the keys of those that somebody misses.

    :param counts_once: whether these messages are not compared elsewhere as well.
    """
    concerning, kept, lacking = set[str](), set[str](), set[str]()
    for side in sides:
        concerned = [message for message in said if message.type in side.hears]
        if not concerned:
            continue
        heard = _heard(side, [message.key for message in concerned])
        for message in concerned:
            state = _state(message, heard, side.quarantined)
            report.counts[said_by, side.name, message.type].update(("said", state))
            concerning.add(message.key)
            if state == "quarantined":
                kept.add(message.key)
            if state in ("on_its_way", "missing"):
                lacking.add(message.key)
            if state == "missing":
                report.missing += 1
                if len(report.gaps) < SHOWN:
                    report.gaps.append({"key": message.key, "type": message.type, "said_by": said_by, "not_heard_by": side.name})
    if counts_once:
        report.proved += len(concerning - kept - lacking)
        report.kept += len(kept - lacking)
        report.pending += sum(message.pending for message in said if message.key in lacking)
    return [message.key for message in said if message.key in lacking and not message.pending]


def _discarded(engine: Engine) -> set[str]:
    """The keys of what somebody has let go."""
    with told_transaction(engine) as session:
        return set(session.scalars(select(QuarantineAudit.key).where(QuarantineAudit.action == "discarded")))


def _state(message: Said, heard: set[str], quarantined: frozenset[str]) -> str:
    if message.key in heard:
        return "heard"
    return "quarantined" if message.key in quarantined else "on_its_way" if message.pending else "missing"


def _compared_outside(report: Report, side: Side, heard: Sequence[Said], sides: dict[str, Side], hearers: dict[str, list[str]]) -> None:
    """Hold what a service heard, and no outbox has, against what the others have heard."""
    keys = [message.key for message in heard]
    known = set[str]().union(*(_stands(each, keys) for each in sides.values()))
    direct = [message for message in heard if message.key not in known]
    others = [each for each in sides.values() if each is not side]
    for first in (True, False):
        these = [message for message in direct if (hearers[message.type][0] == side.name) is first]
        if these:
            _compared(report, f"outside, heard by {side.name}", these, others, counts_once=first)


# ---- resending -----------------------------------------------------------------------------------------------------


def _resent(side: Side, keys: Sequence[str]) -> int:
    with told_transaction(side.engine) as session:
        return resend(session, keys, _now(session))


def resend(session: Session, keys: Sequence[str], now: datetime) -> int:
    """Put these messages of the outbox back as a batch of their own, in this order, for any relay to publish.

    Returns how many: what a worker has forgotten meanwhile, because it is older than the retention period, is not there any more.
    """
    there = set(session.scalars(select(OutboxRow.key).where(OutboxRow.key.in_(keys)).with_for_update()))
    if not there:
        return 0
    batch = OutboxBatch(said_at=now)
    session.add(batch)
    session.flush()
    moved = update(OutboxRow).where(OutboxRow.key == bindparam("which")).values(batch=batch.batch, number=bindparam("place"))
    session.connection().execute(moved, [{"which": key, "place": place} for place, key in enumerate(keys) if key in there])
    return len(there)


# ---- the answer ----------------------------------------------------------------------------------------------------


def _as_data(report: Report, alone: Sequence[str]) -> dict[str, Any]:
    """:param alone: types from outside that one service alone hears: what of them came past every outbox cannot be compared."""
    rows = [
        {"said_by": said_by, "heard_by": hears, "type": type_, **{column: counts[column] for column in COLUMNS}}
        for (said_by, hears, type_), counts in sorted(report.counts.items())
    ]
    found = {"missing": report.missing, "proved": report.proved, "on_its_way": report.pending, "quarantined": report.kept}
    return {"counts": rows, "gaps": report.gaps, **found, "resent": report.resent, "not_compared": list(alone)}


def report_lines(found: dict[str, Any]) -> Iterable[str]:
    """A line for each of who says, who hears and type; then the proof, or the gaps and what to do about them."""
    if found["counts"]:
        yield from _table([[name.replace("_", " ") for name in found["counts"][0]], *(list(row.values()) for row in found["counts"])])
        yield ""
    yield from _gap_lines(found) if found["missing"] else _proof_lines(found)


def _proof_lines(found: dict[str, Any]) -> Iterable[str]:
    others = f"{found['on_its_way']:,} on their way, {found['quarantined']:,} in a quarantine or discarded"
    yield f"0 missing: proved for {found['proved']:,} messages; {others}."
    alone = ", ".join(found["not_compared"])
    yield f"Not compared: what others published on the bus themselves of {alone}: one service alone hears these."


def _gap_lines(found: dict[str, Any]) -> Iterable[str]:
    for gap in found["gaps"]:
        yield f"{gap['type']} {gap['key']}: said by {gap['said_by']}, not heard by {gap['not_heard_by']}"
    if found["missing"] > len(found["gaps"]):
        yield f"… and {found['missing'] - len(found['gaps']):,} more."
    yield f"{found['missing']:,} missing, {found['proved']:,} heard by all who should."
    if found["resent"]:
        yield f"{found['resent']:,} messages are to be published again; once the workers have heard them, `tripartite reconcile` proves it."
    else:
        yield "See with `tripartite doctor` that the queues are empty; then `tripartite reconcile --resend` has them published again."
    if any(row["missing"] and row["said_by"].startswith("outside") for row in found["counts"]):
        yield "What is said by outside stands in no outbox: ask who published it (the key begins with the source) to publish it again."


def _table(rows: list[list[Any]]) -> Iterable[str]:
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        yield "  ".join(
            cell.ljust(width) if place < 3 else cell.rjust(width) for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
