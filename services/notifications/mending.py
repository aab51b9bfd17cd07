"""Alerts that wait for a contact, came back from an address, or were refused there, and go out when the contact has another. Pure.

What came back has left, so it goes as another alert; what was refused has not, and goes as itself.
"""

from datetime import datetime

from services.notifications.contacts import address_of
from services.notifications.models import Alert, Recipient
from shared.decisions import fingerprint

CAME_BACK = "It did not arrive at the address that was known."


def waits_for(alert: Alert, recipient: Recipient) -> bool:
    """Whether an alert that has not left may be for this contact, or was for it and may be another's now."""
    if not (alert.status == "pending" or (alert.status == "failed" and not alert.address) or was_refused_elsewhere(alert, recipient)):
        return False
    if alert.recipient_id == recipient.recipient_id:
        return True
    if alert.role != recipient.role:
        return False
    return alert.person == recipient.recipient_id if alert.person else alert.organisation in ("", recipient.organisation)


def was_refused_elsewhere(alert: Alert, recipient: Recipient) -> bool:
    """Whether an alert was refused for good at an address that this contact no longer has. A digest goes as a whole."""
    ours = alert.status == "failed" and alert.recipient_id == recipient.recipient_id and not alert.digest
    return ours and bool(alert.address) and address_of(recipient, alert.channel) not in ("", alert.address)


def tried_anew(alert: Alert) -> None:
    """Forget how often an alert was tried: what kept it is mended."""
    alert.attempts, alert.tries = 0, 0
    alert.begun_at = alert.tried_at = alert.not_before = None


def readdressed(alert: Alert, recipient: Recipient | None) -> None:
    """Let an alert go where its contact is reached now: while it was in hand or in doubt, nobody changed its address."""
    if recipient is not None and (address := address_of(recipient, alert.channel)) not in ("", alert.address):
        alert.address, alert.values = address, {**alert.values, "to": recipient.name}


def came_back(alert: Alert, recipient: Recipient) -> bool:
    """Whether an alert did not arrive at this contact's old address, and was not sent again or replaced yet."""
    new_address = bool(recipient.email) and alert.channel == "email" and recipient.email != alert.address
    ours = alert.status == "bounced" and alert.recipient_id == recipient.recipient_id
    return ours and new_address and alert.kind != "digest" and "again" not in alert.values  # the members of a digest go again, not it


def sent_again(alert: Alert, recipient: Recipient, now: datetime) -> Alert:
    """An alert that came back, once more for the new address: another alert, so that each of the two leaves once."""
    key = fingerprint("again", alert.alert_key, recipient.email)
    kept = ("kind", "regarding", "role", "organisation", "purpose", "person", "channel", "template", "topic", "content", "recipient_id")
    again = Alert(
        alert_key=key,
        values={**alert.values},
        telling=alert.telling + 1,
        created_at=now,
        due_at=now,
        **{name: getattr(alert, name) for name in kept},
    )
    again.first_due_at, again.wants_acknowledgement = alert.first_due_at or alert.created_at, alert.wants_acknowledgement
    alert.values = {**alert.values, "again": key}
    again.address, again.status, again.reason = "", "failed", CAME_BACK  # until it is addressed, with those that wait
    return again
