"""Digests: what one contact is to hear on one channel, in one message. Pure, but for :func:`with_members`, which reads the members.

A digest is an alert of the kind ``digest`` whose values list its members, so that it can be shown again exactly. The members keep their
own rows: they are ``gathered``, and fare as the digest does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.notifications.letters import newest
from services.notifications.models import Alert, Recipient
from services.notifications.wording import long_day, reading_as
from shared.decisions import fingerprint
from shared.worker import Say, today

KIND = "digest"
FINAL = ("sent", "failed", "kept", "bounced")
"""The states of a digest in which its members are as well."""
TITLES = {
    "placement-notice": "New placements",
    "placement-change": "Changed placements",
    "placement-cancelled": "Cancelled placements",
    "deadline-approaching": "Documents that are due soon",
    "deadline-missed": "Documents that are late",
}
"""The headings of a digest, in the order in which the groups stand; other kinds follow under their own name."""


def digest_of(members: Sequence[Alert], contact: Recipient | None, now: datetime) -> Alert:
    """The digest of alerts, all for the same contact and channel, whose subjects are worded; they are gathered in it.

    Its key follows from its members, so whoever gathers the same makes the same digest.
    """
    first = members[0]
    key = fingerprint(KIND, first.recipient_id, first.channel, *sorted(member.alert_key for member in members))
    digest = Alert(
        alert_key=key,
        kind=KIND,
        regarding=first.recipient_id,
        role=first.role,
        organisation=contact.organisation if contact else first.organisation,
        purpose=first.purpose,
        person=first.recipient_id,
        channel=first.channel,
        template=newest(KIND, first.channel),
        values=_values(members, contact, now),
        topic=key,
        content=key,
        telling=1,
        created_at=now,
        due_at=now,
        recipient_id=first.recipient_id,
        address=first.address,
        first_due_at=min(member.due_at for member in members),
        wants_acknowledgement=any(member.wants_acknowledgement for member in members),
    )
    for member in members:
        member.status, member.digest = "gathered", key
    return digest


def _values(members: Sequence[Alert], contact: Recipient | None, now: datetime) -> dict[str, Any]:
    """What the message shows: why its reader gets it, the members by kind, and every rule behind them once."""
    first = members[0]
    organisation = contact.organisation if contact else first.organisation
    groups = _groups(members)
    return {
        **reading_as(first.role, (contact.purpose if contact else first.purpose) or "any", organisation),
        "to": first.values["to"],
        "day": long_day(today(now)),
        "count": len(members),
        "groups": groups,
        "rules": _rules(members),
    }


def _groups(members: Iterable[Alert]) -> list[dict[str, Any]]:
    order = {kind: place for place, kind in enumerate(TITLES)}

    def place(member: Alert) -> tuple[int, str]:
        return order.get(member.kind, len(order)), member.kind

    def rank(member: Alert) -> tuple[tuple[int, str], str, str, str]:
        doctor = str(member.values.get("doctor") or member.values.get("trainee_id") or member.subject)
        return place(member), str(member.values.get("due_on") or member.values.get("start_on") or ""), doctor, member.alert_key

    ranked = sorted(members, key=rank)
    return [
        {"kind": kind, "title": TITLES.get(kind, kind.replace("-", " ").capitalize()), "items": [item_of(member) for member in theirs]}
        for (_, kind), theirs in groupby(ranked, key=place)
    ]


QUOTED = ("because", "source", "document", "section", "entry", "rule")
OF_PLACEMENT = ("site", "specialty", "grade", "whole_time_equivalent", "host_name", "lead_employer", "reason")
OF_DEADLINE = ("duty", "owner", "owner_name", "receiver", "due", "host_name")


def item_of(member: Alert) -> dict[str, Any]:
    """What a message about several alerts shows of one of them."""
    values = member.values
    shown = OF_PLACEMENT if member.kind.startswith("placement-") else OF_DEADLINE
    return {
        **{name: values.get(name, "") for name in shown},
        "kind": member.kind,
        "subject": member.subject,
        "doctor": values.get("doctor") or values.get("trainee_id") or "",
        "starts": values.get("start") or values.get("start_date") or "",
        "placement": values.get("placement_id", ""),
        "changes": values.get("changes", []),
        "first_due": values.get("first_due", ""),
        "alert": member.alert_key,
    }


def _rules(members: Iterable[Alert]) -> list[dict[str, Any]]:
    """The rules behind these alerts, as :func:`decisions.why` quotes them: each once, with the decisions in which it was applied."""
    found: dict[str, dict[str, Any]] = {}
    for values in sorted((member.values for member in members), key=lambda values: (values["because"], values["rule"], values["decision"])):
        rule = found.setdefault(values["rule"], {**{name: values[name] for name in QUOTED}, "decisions": []})
        if values["decision"] not in rule["decisions"]:
            rule["decisions"].append(values["decision"])
    return [*found.values()]


def with_members(session: Session, alerts: Sequence[Alert]) -> list[Alert]:
    """These alerts, whose state was just settled, and the members of the digests among them, in the same state.

    Newer news of a digest moves its members on as it moves the digest; what was withdrawn meanwhile stays so.
    """
    digests = {alert.alert_key: alert for alert in alerts if alert.kind == KIND and alert.status in FINAL}
    if not digests:
        return list(alerts)
    members = list(session.scalars(select(Alert).where(Alert.digest.in_(digests)).order_by(Alert.alert_key).with_for_update()))
    moved = [member for member in members if member.status in ("gathered", *FINAL) and member.status != digests[member.digest].status]
    for member in moved:
        digest = digests[member.digest]
        member.status, member.reason, member.sent_at, member.address = digest.status, digest.reason, digest.sent_at, digest.address
    return [*alerts, *moved]


def echoed(session: Session, alert: Alert, said: Sequence[Say]) -> list[Say]:
    """What is said of an alert; of a digest, the same of each of its members, which are brought into its state."""
    members = with_members(session, [alert])[1:]
    names = ("alert_key", "kind", "regarding")
    theirs = [(each.event, {name: getattr(member, name) for name in names}) for member in members for each in said]
    return [*said, *(Say(replace(event, **changed)) for event, changed in theirs)]
