"""What the HTTP handlers of all services share: the running service, strict JSON in, pages and once-only answers out.

:func:`once` keeps the promise of ``Idempotency-Key``; :func:`listed` gives a list page by page, from a query and its key;
:func:`tagged` and :func:`must_match` let nobody overwrite what he has not seen (``ETag``, ``If-Match``).
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Response, current_app, request
from sqlalchemy import Select, Text
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from shared.database import Base, UtcDateTime, hold, transaction
from shared.errors import ChangedMeanwhile, IdempotencyConflict, NotSaidWhich, Refused
from shared.policies.policy import Policy
from shared.query import LARGEST_PAGE, USUAL_PAGE, asked
from shared.rules import Decision
from shared.wire import parse_json
from shared.worker import Say, Worker

LONGEST_KEY = 255


class IdempotencyRow(Base):
    """The answer that was given to an Idempotency-Key."""

    __tablename__ = "idempotency"
    key: Mapped[str] = mapped_column(primary_key=True)
    request: Mapped[str]
    status: Mapped[int]
    body: Mapped[str] = mapped_column(Text)
    location: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True)
class Running:
    """A service that is running: what its HTTP handlers work with.

    :param tells: (policy, decision, subject) -> events that a recorded decision gives rise to.
    """

    worker: Worker
    policies: Mapping[str, Policy]
    tells: Callable[[str, Decision, str], Iterable[Say]]

    def now(self) -> datetime:
        """The time of the service's clock."""
        return self.worker.clock()


def running() -> Running:
    """The running service of the current request."""
    return current_app.extensions["tripartite"]  # type: ignore[no-any-return]


def sent_json() -> Any:
    """The JSON body of the request.

    :raises MalformedEvent: it is not JSON.
    """
    return parse_json(request.get_data())


def answer(body: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return answer_text(json.dumps(body, ensure_ascii=False), status)


def answer_text(body: str, status: int, location: str = "") -> Response:
    """An answer whose JSON is written already, to the byte."""
    response = Response(body, status, content_type="application/json")
    if location:
        response.headers["Location"] = location
    return response


def tagged(response: Response, state: object) -> Response:
    """An answer that says which state of a thing it shows (``ETag``), so that a caller can change that state and no other."""
    response.set_etag(str(state))
    return response


def if_matches(state: object) -> None:
    """Refuse what was meant for another state of a thing; without ``If-Match`` any state will do.

    :raises ChangedMeanwhile: the caller has seen another.
    """
    seen = request.if_match
    if "If-Match" in request.headers and not seen.contains(str(state)):
        raise ChangedMeanwhile(f"If-Match names a state that is no longer there; now it is {state}. Read it again, and decide anew.")


def etag_of(body: Any) -> str:
    """The ETag of a state, as it is shown."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()[:32]


def must_match(shown: Any) -> None:
    """Hold the request's If-Match and If-None-Match against a state as it is shown now; None: there is nothing yet.

    :raises NotSaidWhich: there is something, and the request does not say which version of it was read.
    :raises ChangedMeanwhile: it says another one.
    """
    if shown is not None and "*" in request.if_none_match:
        raise ChangedMeanwhile("It is there already; read it, and send its ETag as If-Match.")
    if shown is not None and not request.if_match:
        raise NotSaidWhich("Read it first, and send its ETag as If-Match, so that nobody's change is lost.")
    if request.if_match and (shown is None or not request.if_match.contains(etag_of(shown))):
        raise ChangedMeanwhile("It is not as you read it any more; read it again, and make your change of that.")


def once(make: Callable[[Session], tuple[str, int, str]], now: datetime) -> Response:
    """Run ``make`` in a transaction; with an Idempotency-Key, once: the same key and body get the first answer again.

    :param make: returns the JSON, the status and the Location of the answer.
    :raises IdempotencyConflict: the key was used with another request; :raises Refused: it is too long.
    """
    key = request.headers.get("Idempotency-Key")
    if key and len(key) > LONGEST_KEY:
        raise Refused(f"The Idempotency-Key has {len(key):,} characters, and may have {LONGEST_KEY}; a UUID will do.")
    asked = hashlib.sha256(f"{request.full_path}\n".encode() + request.get_data()).hexdigest()
    with transaction(running().worker.engine) as session:
        hold(session, [f"the idempotency key {key}"] if key else [])  # who sends the same at once waits, and gets the first answer
        before = session.get(IdempotencyRow, key) if key else None
        if before is not None and before.request != asked:
            raise IdempotencyConflict(f"The Idempotency-Key {key} was used with another request; use a new key.")
        if before is not None:
            return answer_text(before.body, before.status, before.location)
        body, status, location = make(session)
        if key:
            session.add(IdempotencyRow(key=key, request=asked, status=status, body=body, location=location, made_at=now))
    return answer_text(body, status, location)


def listed(
    wanted: Select[Any],
    key: InstrumentedAttribute[str],
    show: Callable[[Any], Any],
    *,
    highest_first: bool = False,
    note: Callable[[Session, list[Any]], None] = lambda *_: None,
) -> Response:
    """One page of rows in the order of their key: ``?limit=`` (1 to 200, 50 if left out), ``?after=`` the ``next`` of the page before.

    :param highest_first: from the highest key down; the cursor is then ``?before=``.
    :param show: gives a row as it is shown, or None to leave it out; a page may so hold fewer than it could.
    :param note: what is to be read or written of the rows that are shown, in the same transaction.
    """
    limit, cursor = _limit(), asked("before" if highest_first else "after")
    if cursor:
        wanted = wanted.where(key < cursor if highest_first else key > cursor)
    with transaction(running().worker.engine) as session:
        found = list(session.scalars(wanted.order_by(key.desc() if highest_first else key).limit(limit + 1)))
        rows = found[:limit]
        note(session, rows)
    items = [shown for row in rows if (shown := show(row)) is not None]
    return answer({"items": items, "next": getattr(rows[-1], key.key) if len(found) > limit else None})


def _limit() -> int:
    given = request.args.get("limit", str(USUAL_PAGE))
    if not re.fullmatch("[0-9]{1,3}", given) or not 1 <= int(given) <= LARGEST_PAGE:
        raise Refused("The page cannot be made.", {"limit": f"must be a whole number from 1 to {LARGEST_PAGE}, not {given!r}."})
    return int(given)


def narrowed(wanted: Select[Any], **columns: InstrumentedAttribute[Any]) -> Select[Any]:
    """The query, held to the columns that the caller gave a value for: ``?host=RXN`` for ``host=Deadline.host``."""
    for name, column in columns.items():
        if value := asked(name):
            wanted = wanted.where(column == value)
    return wanted
