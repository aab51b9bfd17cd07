"""Whom one can reach: the contact of a party for a purpose, and the address of an alert by what is known now. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.notifications.models import Alert, Preference, Recipient
from services.notifications.wording import words

ANY = ("", "any")
"""How events and the policy say that a contact serves any purpose."""


@dataclass(frozen=True)
class Party:
    """Who stands in a role here: an organisation (none: the only one there is) or a person."""

    organisation: str = ""
    person: str = ""


class Contacts:
    """Whom one can reach, and how they want to be told.

    :param paced: False in a rehearsal, in which every alert is due at once and no edit waits for another.
    """

    def __init__(self, recipients: Iterable[Recipient], preferences: Iterable[Preference] = (), *, paced: bool = True) -> None:
        self.by_id = {recipient.recipient_id: recipient for recipient in recipients}
        self.preferences = {preference.recipient_id: preference for preference in preferences}
        self.paced = paced

    def find(self, role: str, party: Party, purpose: str) -> Recipient | None:
        """The contact of that party for that purpose, else its contact for any."""
        if role == "trainee" or party.person:
            person = self.by_id.get(party.person)
            return person if person and person.role == role else None
        fitting = [found for found in self.by_id.values() if found.role == role and party.organisation in ("", found.organisation)]
        suited = [found for found in fitting if found.purpose in (purpose, *ANY)]
        return min(suited, key=lambda found: (found.purpose in ANY, found.recipient_id), default=None)

    def called(self, trainee_id: str) -> str:
        """How a doctor is called in a message."""
        person = self.by_id.get(trainee_id)
        return f"{person.name}, person {trainee_id}" if person and person.role == "trainee" else f"person {trainee_id}"


def address(alert: Alert, contacts: Contacts) -> Alert:
    """Say who the party is by what is known now: pending, or failed with what is to be mended."""
    contact = contacts.find(alert.role, Party(alert.organisation, alert.person), alert.purpose)
    alert.recipient_id = contact.recipient_id if contact else ""
    if contact and alert.channel == "email" and contact.webhook and not contact.email:
        alert.channel = "webhook"  # this contact came later, and is reached no other way
    alert.address = address_of(contact, alert.channel) if contact else ""
    alert.values = {**alert.values, "to": contact.name if contact else ""}
    alert.reason = "" if alert.address else _to_mend(alert)
    alert.status = "failed" if alert.reason else "pending"
    return alert


def address_of(contact: Recipient, channel: str) -> str:
    """Where a contact is reached on a channel; empty if it is not."""
    return {"email": contact.email or "", "webhook": contact.webhook or ""}.get(channel, contact.recipient_id)


def _to_mend(alert: Alert) -> str:
    if alert.recipient_id and alert.channel == "webhook":
        return f"The contact {alert.recipient_id} has no webhook any more; send recipient.updated with one."
    if alert.recipient_id:
        return f"The contact {alert.recipient_id} has no e-mail address; send recipient.updated with one."
    if alert.person and alert.role != "trainee":
        return f"The contact {alert.person} is not known; send recipient.updated for it."
    if alert.role == "trainee":
        return f"The trainee {alert.person} is not known; send recipient.updated for this person."
    purpose = "" if alert.purpose == "any" else f" for {words(alert.purpose)}"
    where = f" of {alert.organisation}" if alert.organisation else ""
    return f"No {words(alert.role)} contact{where}{purpose} is known; send recipient.updated for it."
