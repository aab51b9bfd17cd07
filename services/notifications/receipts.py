"""What providers say of alerts that have left: delivery receipts of GOV.UK Notify, and bounces of e-mail (RFC 3464).

:func:`from_notify` and :func:`from_bounce` read what was posted into :class:`Receipt`; :func:`apply` is pure: a row, a receipt, now →
what is to be said. A receipt counts only if it is newer than the last one, so they may come in any order, and any number of times. A
receipt also proves that the alert has left: one that was in doubt is settled by it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, message_from_string
from email.message import Message
from email.policy import default
from email.utils import parsedate_to_datetime
from typing import Any

from services.notifications.letters import one_line
from services.notifications.models import FAILURES, Alert
from services.notifications.senders.states import left
from shared.errors import Refused
from shared.events import AlertBounced
from shared.worker import Say

DELIVERED = "delivered"
NOT_KNOWN_TO_HAVE_LEFT = ("pending", "claimed", "unknown", "needs-review")
DELAYED = "delayed"
"""RFC 3464: it is still being tried."""
LONGEST_WORDS = 500
REFERENCE = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
"""The key of an alert, a SHA-256: other numbers in a Message-ID are somebody else's."""


@dataclass(frozen=True)
class Receipt:
    """What a provider says of one alert.

    :param status: ``delivered``, one of FAILURES, or ``delayed``.
    :param at: when the provider found that out.
    :param words: the provider's own.
    """

    alert_key: str
    status: str
    at: datetime
    words: str


def apply(alert: Alert, receipt: Receipt, now: datetime) -> list[Say] | None:
    """Let an alert take in a receipt; what is to be said, or None if the receipt is old news and changed nothing."""
    if alert.receipt_at is not None and receipt.at <= alert.receipt_at:
        return None
    said: list[Say] = []
    alert.receipt, alert.receipt_at = receipt.status, receipt.at
    if alert.status in NOT_KNOWN_TO_HAVE_LEFT:
        alert.sent_at = now
        said.append(Say(left(alert, now)))
    elif alert.status not in ("sent", "bounced"):
        return said  # kept, withdrawn, or never sent: what is said of it is on record, and nothing more
    came_back, was = receipt.status in FAILURES, alert.status
    alert.token = alert.leased_until = alert.not_before = None
    alert.status = "bounced" if came_back else "sent"
    alert.reason = f"It did not arrive at {alert.address}: {receipt.words}" if came_back else ""
    if came_back and was != "bounced":
        said.append(Say(_bounced(alert, receipt)))
    return said


def _bounced(alert: Alert, receipt: Receipt) -> AlertBounced:
    return AlertBounced(
        alert_key=alert.alert_key,
        kind=alert.kind,
        regarding=alert.regarding,
        recipient_id=alert.recipient_id,
        channel=alert.channel,
        bounced_at=receipt.at,
        reason=receipt.words,
    )


# ---- GOV.UK Notify -----------------------------------------------------------------------------------------------


def from_notify(sent: Any) -> Receipt:
    """The receipt that Notify posted: ``id``, ``reference``, ``to``, ``status``, ``created_at``, ``completed_at``, ``sent_at`` …

    :raises Refused: it is none, field by field.
    """
    if not isinstance(sent, Mapping):
        raise Refused("This is no delivery receipt of GOV.UK Notify.", {"": "must be an object."})
    problems = {name: "must be plain text." for name in ("reference", "status") if not _is_plain(sent.get(name))}
    times = {name: _time(sent[name]) for name in ("completed_at", "sent_at", "created_at") if sent.get(name)}
    problems |= {name: "must be a time such as 2027-05-14T12:15:30.000000Z." for name, time in times.items() if time is None}
    if not times:
        problems["completed_at"] = "is missing: when was it so?"
    if "status" not in problems and sent["status"] not in (DELIVERED, *FAILURES):
        problems["status"] = f"must be one of {', '.join((DELIVERED, *FAILURES))}."
    if problems:
        raise Refused("This is no delivery receipt of GOV.UK Notify.", problems)
    at = next(iter(times.values()))
    assert at is not None
    return Receipt(sent["reference"], sent["status"], at, f"GOV.UK Notify says {sent['status']}.")


def _is_plain(text: Any) -> bool:
    return isinstance(text, str) and text.isprintable()


def _time(text: Any) -> datetime | None:
    try:
        return _in_utc(datetime.fromisoformat(text))
    except (TypeError, ValueError, OverflowError):
        return None


def _in_utc(found: datetime) -> datetime:
    """A time in UTC, which it is if it does not say otherwise.

    :raises OverflowError: it lies beyond the years 1 to 9999 there.
    """
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


# ---- bounces -----------------------------------------------------------------------------------------------------


def from_bounce(raw: bytes) -> Receipt:
    """The receipt that a delivery status notification is (RFC 3464): a ``multipart/report`` with the message, or its headers, in it.

    :raises Refused: it is none, or not about an alert.
    """
    message = message_from_bytes(raw, policy=default)
    parts = list(message.walk())
    status = _fields(parts)
    reference = _reference(parts)
    if not status:
        raise Refused("This is no bounce.", {"": "must be a message with a part message/delivery-status (RFC 3464)."})
    if not reference:
        raise Refused("This bounce is not about an alert.", {"": "must hold the headers of the alert, with its Message-ID."})
    action, code = status.get("action", "").lower(), status.get("status", "")
    words = one_line(status.get("diagnostic-code", "")) or one_line(f"{action} {code}")
    return Receipt(reference, _state(action, code), _moment(message, status), words[:LONGEST_WORDS])


def _state(action: str, code: str) -> str:
    if action == "failed":
        return "temporary-failure" if code.startswith("4.") else "permanent-failure"
    return DELAYED if action == "delayed" else DELIVERED  # delivered, relayed, expanded


def _fields(parts: Iterable[Message]) -> dict[str, str]:
    """The fields of the delivery status, of the message and of its last recipient: an alert has one."""
    blocks = [block for part in parts if part.get_content_type() == "message/delivery-status" for block in part.walk()]
    return {name.lower(): str(value) for block in blocks for name, value in block.items() if name.lower() != "content-type"}


def _reference(parts: Iterable[Message]) -> str:
    """The alert in the headers of the message that came back."""
    for part in parts:
        if part.get_content_type() in ("message/rfc822", "text/rfc822-headers"):
            held: Any = part.get_payload()
            inner = held[0] if isinstance(held, list) else message_from_string(str(held), policy=default)
            found = REFERENCE.search(str(inner.get("X-Tripartite-Alert", "") or inner.get("Message-ID", "")))
            if found:
                return found[0]
    return ""


def _moment(message: Message, status: Mapping[str, str]) -> datetime:
    """When the bounce was made."""
    for text in (str(message.get("Date", "")), status.get("last-attempt-date", ""), status.get("arrival-date", "")):
        try:
            return _in_utc(parsedate_to_datetime(text))
        except (TypeError, ValueError, OverflowError):
            continue
    raise Refused("This bounce has no date.", {"Date": "must be there: receipts count only if they are newer than the last."})
