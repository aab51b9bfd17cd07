"""The people and mailboxes of the rotation, all invented, as ``recipient.updated`` events."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.samples.envelopes import Line, cloud_event
from shared.samples.places import HOSTS, LEAD_EMPLOYER, NATIONAL_BODY, name_of

CONTACTS_KNOWN = datetime(2027, 4, 26, 8, 0, tzinfo=UTC)
TRAINEES_KNOWN = datetime(2027, 4, 26, 9, 0, tzinfo=UTC)
TRAINEES_WITHOUT_EMAIL = 1
EMAIL_CHANGES = 6  # trainees whose address changes during the thirteen weeks ...
STALE_EMAILS = 3  # ... of whom so many have the old address delivered once more after the new one

HOST_PURPOSES = ("placements", "work-schedules", "rotas", "concerns")
LEAD_EMPLOYER_PURPOSES = ("placements", "work-schedules", "pay", "concerns")

GIVEN_NAMES = (
    *("Avelo", "Bintri", "Corwen", "Dallith", "Eskara", "Fenwyl", "Gharu", "Hestomi", "Ilvane", "Jorrisa"),
    *("Kestani", "Lumeko", "Marisk", "Nolwe", "Ostreya", "Perrind", "Quillo", "Rastimi", "Selvorn", "Tamsoro"),
    *("Ulvika", "Verrano", "Wistel", "Xandeo", "Yorvik", "Zellami"),
)
SURNAME_STARTS = (
    *("Amber", "Brindle", "Clover", "Dapple", "Ember", "Fiddle", "Gimble", "Hazel", "Inkle", "Juniper", "Kettle"),
    *("Lantern", "Marble", "Nettle", "Otter", "Pebble", "Quibble", "Russet", "Saffron", "Thimble", "Umber"),
    *("Velvet", "Whistle", "Yarrow", "Zephyr"),
)
SURNAME_ENDS = (
    "bank",
    "coat",
    "dew",
    "fern",
    "glass",
    "heap",
    "ling",
    "mere",
    "nook",
    "quill",
    "rook",
    "shaw",
    "thorpe",
)


@dataclass(frozen=True)
class Trainee:
    """A trainee. ``known`` is when the first message about the person arrives."""

    person_id: str
    name: str
    email: str | None
    known: datetime


def invent_names(rng: random.Random, count: int) -> list[str]:
    """``count`` different names, each marked as invented."""
    names = [f"{given} {start}{end} (invented)" for given in GIVEN_NAMES for start in SURNAME_STARTS for end in SURNAME_ENDS]
    return rng.sample(names, count)


def contact_data() -> Iterable[dict[str, Any]]:
    """One mailbox per host and purpose, four for the lead employer, and those outside both."""
    for host in HOSTS:
        for purpose in HOST_PURPOSES:
            if purpose != "rotas" or host.has_rotas_contact:
                yield _contact("host", host.code, purpose, name_of(host.code))
    for purpose in LEAD_EMPLOYER_PURPOSES:
        yield _contact("lead-employer", LEAD_EMPLOYER, purpose, f"{name_of(LEAD_EMPLOYER)} (lead employer)")
    yield _contact("postgraduate-dean", "", "", "Postgraduate Dean, North West")
    yield _contact("revalidation-team", NATIONAL_BODY, "", "Revalidation team, North West")
    yield _contact("national-body", NATIONAL_BODY, "", "NHS England, placement information")
    yield _contact("commercial-team", NATIONAL_BODY, "", "NHS England, commercial team")


def _contact(role: str, organisation: str, purpose: str, owner: str) -> dict[str, Any]:
    recipient_id = "-".join(part for part in (role, organisation, purpose) if part)
    return {
        "recipient_id": recipient_id,
        "role": role,
        "organisation": organisation,
        "purpose": purpose,
        "name": f"{owner}: {purpose} contact (invented)" if purpose else f"{owner} (invented)",
        "email": f"{recipient_id.lower()}@example.org",
    }


def _trainee_data(trainee: Trainee, email: str | None) -> dict[str, Any]:
    return {
        "recipient_id": trainee.person_id,
        "role": "trainee",
        "organisation": "",
        "purpose": "",
        "name": trainee.name,
        "email": email,
    }


def contact_lines(seed: int) -> list[Line]:
    """The organisations' mailboxes, all known before the replay begins."""
    lines = []
    for count, data in enumerate(contact_data()):
        at = CONTACTS_KNOWN + timedelta(seconds=10 * count)
        lines.append(Line(at, cloud_event(seed, "recipient.updated", data["recipient_id"], 1, at, data)))
    return lines


def trainee_lines(seed: int, rng: random.Random, trainees: list[Trainee]) -> list[Line]:
    """Every trainee once, a few again with a new address, and of those some with the old one delivered late."""
    first = {}
    for trainee in trainees:
        data = _trainee_data(trainee, trainee.email)
        text = cloud_event(seed, "recipient.updated", trainee.person_id, 1, trainee.known, data)
        first[trainee.person_id] = Line(trainee.known, text)
    lines = list(first.values())
    reachable = [trainee for trainee in trainees if trainee.email and trainee.known < TRAINEES_KNOWN + timedelta(days=1)]
    for count, trainee in enumerate(rng.sample(reachable, EMAIL_CHANGES)):
        at = datetime(2027, 5, 10, 10, 30, tzinfo=UTC) + timedelta(days=9 * count + rng.randrange(5))
        data = _trainee_data(trainee, f"t{trainee.person_id}.new@example.net")
        lines.append(Line(at, cloud_event(seed, "recipient.updated", trainee.person_id, 2, at, data)))
        if count < STALE_EMAILS:
            lines.append(Line(at + timedelta(hours=rng.randint(2, 30)), first[trainee.person_id].text))
    return lines
