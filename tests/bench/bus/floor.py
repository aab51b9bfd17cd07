"""The floor: the leanest loop that does the job, as a stand-in for what these two cores can do.

No validation, no rules, no guarantee beyond the job's own. While the database works on one batch in one statement, the broker takes the
events of the batch before and the next batch is read and put together; confirms come in meanwhile, and marks ride in the statement of
a later batch. Frames and JSON are templates that were put together once; columns go to the database as one text each.

::

    read ──▶ build ──▶ statement under way ──▶ acknowledge, publish ──▶ confirmed: marked by a later statement

Run as ``python -m tests.bench.bus.floor``; several share the queue.
"""

import json
import os
import select
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

import psycopg
from psycopg import pq

from tests.bench.bus.frames import BODY, CHANNEL, Link, publish_start
from tests.bench.bus.order import SET, SOURCE, Order, read_order

BATCH = 100
PREFETCH = 3 * BATCH
QUIET = 0.02
SEPARATOR = "\x1f"
COLUMNS = (
    *("placement_id", "trainee_id", "host", "host_name", "site", "lead_employer", "specialty", "grade"),
    *("whole_time_equivalent", "placement_type", "start_date", "end_date"),
)
HEARD = ("key", "said_at", "sequence", *COLUMNS)
TEXT = 25
"""PostgreSQL's number for the type."""


# ---- SQL ---------------------------------------------------------------------------------------------------------


def statement(order: Order) -> str:
    """A whole batch in one statement and transaction. Parameters: what was heard, a column each; keys and bodies; batch; marks."""
    texts = ", ".join(f"string_to_table(${number}, chr(31))" for number in range(1, len(HEARD) + 1))
    keys, bodies, batch, marks = (f"${len(HEARD) + number}" for number in range(1, 5))
    duties = ", ".join(f"('{d.rule}', '{d.duty}', '{d.owner}', '{d.recipient}', '{d.caused_by}', {d.days})" for d in order.duties)
    newer = ", ".join(f"{name} = excluded.{name}" for name in (*COLUMNS[1:], "said_at", "sequence"))
    return f"""
        WITH heard AS MATERIALIZED (SELECT * FROM ROWS FROM ({texts}) AS texts({", ".join(HEARD)})),
        inboxed AS (INSERT INTO inbox SELECT key FROM heard),
        placed AS (
            INSERT INTO placements
            SELECT {", ".join(COLUMNS[:8])}, whole_time_equivalent::numeric, placement_type, start_date::date, end_date::date,
                   said_at::timestamp, sequence::bigint FROM heard
            ON CONFLICT (placement_id) DO UPDATE SET {newer}
            WHERE (placements.said_at, placements.sequence) < (excluded.said_at, excluded.sequence)
        ),
        due AS (
            INSERT INTO deadlines
            SELECT placement_id || '/' || rule || '/1', placement_id, rule, duty, owner, recipient, host, host_name, lead_employer,
                   trainee_id, start_date::date, start_date::date - days, caused_by, '{order.decision_id}', date '{order.today}',
                   start_date::date - days - {order.notice_days}, 'set'
            FROM heard, (VALUES {duties}) AS duties(rule, duty, owner, recipient, caused_by, days)
        ),
        said AS (
            INSERT INTO outbox SELECT key, {batch}, '{SET}', body
            FROM ROWS FROM (string_to_table({keys}, chr(31)), string_to_table({bodies}, chr(31))) AS texts(key, body)
        ),
        marked AS (DELETE FROM outbox_batches WHERE batch = ANY(string_to_array({marks}, ',')))
        INSERT INTO outbox_batches VALUES ({batch})"""


MARK = "DELETE FROM outbox_batches WHERE batch = ANY(string_to_array($1, ','))"


class Statements:
    """One connection to the database, with one statement under way at a time."""

    def __init__(self, order: Order) -> None:
        self._connection = psycopg.connect(order.database_url.replace("+psycopg", ""), autocommit=True)
        self._pg = self._connection.pgconn
        for name, text, texts in ((b"batch", statement(order), len(HEARD) + 4), (b"mark", MARK, 1)):
            prepared = self._pg.prepare(name, text.encode(), [TEXT] * texts)
            assert prepared.status == pq.ExecStatus.COMMAND_OK, prepared.get_error_message()

    def fileno(self) -> int:
        """The number of the socket, for ``select``."""
        return self._pg.socket

    def begin(self, name: bytes, texts: Sequence[bytes]) -> None:
        """Send a statement; its result comes later."""
        self._pg.send_query_prepared(name, texts, [1] * len(texts))

    def finished(self) -> bool:
        """Read what came; whether the statement is committed."""
        self._pg.consume_input()
        if self._pg.is_busy():
            return False
        while (result := self._pg.get_result()) is not None:
            assert result.status == pq.ExecStatus.COMMAND_OK, result.get_error_message()
        return True


# ---- what a batch comes to ---------------------------------------------------------------------------------------


@dataclass
class Batch:
    """A batch, put together: parameters of the statement, frames to publish, how many, the last delivery, its name for marks."""

    texts: list[bytes]
    frames: bytes
    count: int
    last: int
    name: str


class Builder:
    """Puts batches together from templates."""

    def __init__(self, order: Order) -> None:
        self._templates = [_template(number, duty, order) for number, duty in enumerate(order.duties)]
        self._days = [duty.days for duty in order.duties]
        self._before, after = publish_start(order.exchange, SET)
        self._middle = struct.Struct(f">Q{len(after)}sBHI").pack
        self._after = after
        self._dues = cache(self._due_days)
        self._number = 0

    def build(self, taken: Sequence[tuple[int, bytes]]) -> Batch:
        """A batch from what was delivered: (tag, body)."""
        heard, keys, bodies, frames = [], list[str](), list[str](), list[bytes]()
        for _, raw in taken:
            message = json.loads(raw)
            data = message["data"]
            heard.append((f"{message['source']} {message['id']}", message["time"], message["sequence"], *[data[name] for name in COLUMNS]))
            values = {**data, "id": message["id"]}
            for number, due in enumerate(self._dues(data["start_date"])):
                values["due"] = due
                body = self._templates[number] % values
                keys.append(f"{SOURCE} {message['id']}{number}")
                bodies.append(body)
                encoded = body.encode()
                frames += (self._before, self._middle(len(encoded), self._after, BODY, CHANNEL, len(encoded)), encoded, b"\xce")
        self._number += 1
        name = f"{os.getpid()}-{self._number}"
        texts = [SEPARATOR.join(column).encode() for column in (*zip(*heard, strict=True), keys, bodies)]
        return Batch([*texts, name.encode()], b"".join(frames), len(bodies), taken[-1][0], name)

    def _due_days(self, start: str) -> list[str]:
        return [(date.fromisoformat(start) - timedelta(days=days)).isoformat() for days in self._days]


def _template(number: int, duty: Any, order: Order) -> str:
    """The event of one duty, for ``%``: the CloudEvent as the product has it."""
    deadline = f"%(placement_id)s/{duty.rule}/1"
    copied = {name: f"%({name})s" for name in ("placement_id", "trainee_id", "host", "host_name", "lead_employer")}
    owed = {"duty": duty.duty, "owner": duty.owner, "recipient": duty.recipient, "due": "%(due)s", "start_date": "%(start_date)s"}
    event = {
        "specversion": "1.0",
        "id": f"%(id)s{number}",
        "source": SOURCE,
        "type": SET,
        "time": f"{order.today}T09:00:00.000000Z",
        "subject": deadline,
        "datacontenttype": "application/json",
        "sequence": f"{1:020d}",
        "correlationid": "%(id)s",
        "data": {"deadline_id": deadline, **copied, **owed, "decision_id": order.decision_id},
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


# ---- the loop ----------------------------------------------------------------------------------------------------


class Loop:
    """What is where: read and waiting, built, under way in the database, published and not yet marked."""

    def __init__(self, order: Order) -> None:
        self._database, self._builder = Statements(order), Builder(order)
        self._give, self._take = Link(order.bus_url), Link(order.bus_url)
        self._give.confirm()
        self._take.consume(order.queue, PREFETCH)
        self._waiting: list[tuple[int, bytes]] = []
        self._built: Batch | None = None
        self._flying: Batch | None = None
        self._marking = False
        self._unmarked = deque[tuple[int, str]]()

    def step(self) -> None:
        """Wait for one of the three sockets, and do what can be done. The database gets its next batch before the broker gets its own."""
        sources: list[Any] = [self._take, self._give, self._database]
        ready, _, _ = select.select(sources, [], [], QUIET)
        if self._take in ready:
            self._waiting += self._take.read()
        if self._give in ready:
            self._give.read()
        committed: Batch | None = None
        if self._database in ready and self._database.finished():
            committed, self._flying, self._marking = self._flying, None, False
        if self._built is None and self._waiting and (len(self._waiting) >= BATCH or not ready):
            self._built, self._waiting = self._builder.build(self._waiting[:BATCH]), self._waiting[BATCH:]
        if self._flying is None and not self._marking:
            self._begin(quiet=not ready)
        if committed is not None:
            self._take.acknowledge(committed.last)
            self._give.publish(committed.frames, committed.count)
            self._unmarked.append((self._give.published, committed.name))

    def _begin(self, quiet: bool) -> None:
        """Send the next batch with the marks of those that are confirmed; only the marks, when nothing else is left to do."""
        if self._built is None and not quiet:
            return
        marks = list[str]()
        while self._unmarked and self._unmarked[0][0] <= self._give.confirmed:
            marks.append(self._unmarked.popleft()[1])
        marked = ",".join(marks).encode()
        if self._built is not None:
            self._database.begin(b"batch", [*self._built.texts, marked])
            self._flying, self._built = self._built, None
        elif marks:
            self._database.begin(b"mark", [marked])
            self._marking = True


if __name__ == "__main__":
    loop = Loop(read_order())
    while True:
        loop.step()
