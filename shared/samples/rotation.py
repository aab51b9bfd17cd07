"""Generate the invented rotation of 4 August 2027 as JSON Lines::

    python -m shared.samples.rotation --seed 2027 --out shared/samples/rotation-2027-08.jsonl

The same seed gives the same bytes. Lines stand in the order in which they arrive; a repeated or overtaken message
arrives later than its own time says. Everything that goes wrong is one of the constants below, and every placement has
at most one trouble, so that a surprising row of a report has one cause.
"""

import argparse
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from shared.samples.documents import Stage, document_lines, is_working_day, plan_documents
from shared.samples.envelopes import Line, cloud_event, tis_message
from shared.samples.people import (
    TRAINEES_KNOWN,
    TRAINEES_WITHOUT_EMAIL,
    Trainee,
    contact_lines,
    invent_names,
    trainee_lines,
)
from shared.samples.places import (
    EXACTLY_NINETY,
    GRADES,
    HOSTS,
    LEAD_EMPLOYER,
    PRACTICE_GRADES,
    SPECIALTY_CODES,
    Grade,
    Host,
    Site,
    name_of,
)

START = date(2027, 8, 4)
END_OF_REPLAY = datetime(2027, 8, 4, 17, 0, tzinfo=UTC)
FIRST_LOAD = datetime(2027, 4, 27, 9, 0, tzinfo=UTC)
LOAD_DAYS = 3  # most placements are loaded in so many days; ...
SLOW_SHARE = 0.04  # ... these only between 4 and 7 May, still in time
SLOW_LOAD = datetime(2027, 5, 4, 9, 0, tzinfo=UTC)

LESS_THAN_FULL_TIME_SHARE = 0.15
LESS_THAN_FULL_TIME = ("0.8", "0.8", "0.6", "0.6", "0.6", "0.5")
ACTING_UP_SHARE = 0.015
EXTENSION_SHARE = 0.015
ALIAS_SHARE = 0.03  # placements spelt tisId, personId, startDate, endDate

# Troubles. A share is of all placements; a placement has at most one.
LATE_SHARE = 0.06  # first heard of 4 to 11 weeks before the start
LATE_DAYS = (28, 77)
NEW_START_SHARE = 0.03  # the start moves to one of NEW_STARTS
NEW_STARTS = (date(2027, 8, 11), date(2027, 9, 1))
NEW_HOST_SHARE = 0.01
WITHDRAWN = 8
COSMETIC_EDITS = 8  # the same placement, its location spelt otherwise: nobody should be told
STALE_UPDATES = 5  # of the new starts: an earlier, different update arrives after the one that replaced it
DUPLICATE_SHARE = 0.02  # of all lines: delivered again, word for word, up to DUPLICATE_HOURS later
DUPLICATE_HOURS = 72

CONCERNS: tuple[tuple[datetime, str, str, dict[str, str | bool]], ...] = (
    (datetime(2027, 5, 24, 10, 15, tzinfo=UTC), "DR-7Q2M", "RXR", {"kind": "conduct"}),
    (datetime(2027, 6, 14, 13, 40, tzinfo=UTC), "DR-4H9K", "R0A", {"kind": "capability", "ftp_severe": False}),
    (datetime(2027, 7, 6, 9, 5, tzinfo=UTC), "DR-8X3T", "RRF", {"kind": "complaint"}),  # too little is known to decide
)


@dataclass(frozen=True)
class Placement:
    """One placement as TIS has it at one time. A change makes a new one with the same ``id``."""

    id: str
    number_at_host: int
    person_id: str
    post_id: str
    host: Host
    site: Site
    site_id: str
    grade: Grade
    specialty: str
    whole_time_equivalent: str
    placement_type: str
    known: datetime
    aliased: bool
    start: date = START
    location: str = ""

    def data(self) -> dict[str, str]:
        """TIS's ``data``: strings only."""
        post = (
            self.site.code,
            SPECIALTY_CODES[self.specialty],
            self.grade.abbreviation,
            f"{int(self.post_id) % 1000:03d}",
        )
        return {
            "id": self.id,
            "traineeId": self.person_id,
            "postId": self.post_id,
            "nationalPostNumber": "/".join(("NWN", *post)),
            "dateFrom": self.start.isoformat(),
            "dateTo": self.grade.ends,
            "wholeTimeEquivalent": self.whole_time_equivalent,
            "gradeId": self.grade.tis_id,
            "gradeAbbreviation": self.grade.abbreviation,
            "placementType": self.placement_type,
            "status": "FUTURE",
            "siteId": self.site_id,
            "site": self.site.name,
            "siteKnownAs": f"{self.site.name} ({self.site.code})",
            "siteLocation": self.location or self.site.location,
            "specialty": self.specialty,
            "employingBodyName": name_of(LEAD_EMPLOYER),
            "trainingBodyName": name_of(self.host.code),
            "owner": "North West",
        }


@dataclass(frozen=True)
class Change:
    """A message about a placement after the first one. ``delay`` is how long it was under way."""

    at: datetime
    operation: str
    placement: Placement
    delay: timedelta = timedelta()


SITE_IDS = {site.code: str(4201 + count) for count, site in enumerate(site for host in HOSTS for site in host.sites)}


def generate(seed: int) -> str:
    """The whole file as text."""
    rng = random.Random(seed)
    placements = invent_placements(rng)
    placements, changes = invent_troubles(rng, placements)
    lines = [*contact_lines(seed), *trainee_lines(seed, rng, invent_trainees(rng, placements))]
    for placement in placements:
        lines += placement_lines(seed, rng, placement, changes.get(placement.id, []))
    lines += concern_lines(seed)
    lines += duplicates(rng, lines)
    lines.sort(key=lambda line: line.arrived)
    return "".join(line.text + "\n" for line in lines)


def invent_placements(rng: random.Random) -> list[Placement]:
    """Every host's placements, all starting on 4 August, in an order that does not give the host away."""
    places = [(host, number) for host in HOSTS for number in range(host.placements)]
    rng.shuffle(places)
    return [_invent_placement(rng, count, host, number) for count, (host, number) in enumerate(places)]


def _invent_placement(rng: random.Random, count: int, host: Host, number: int) -> Placement:
    grades = PRACTICE_GRADES if host.is_practice else GRADES
    grade = rng.choices(grades, weights=[grade.weight for grade in grades])[0]
    site = rng.choice(host.sites)
    wte = rng.choice(LESS_THAN_FULL_TIME) if rng.random() < LESS_THAN_FULL_TIME_SHARE else "1.0"
    return Placement(
        id=str(2_104_001 + count),
        number_at_host=number,
        person_id=str(310_001 + count * 7),
        post_id=str(61_001 + count * 3),
        host=host,
        site=site,
        site_id=SITE_IDS[site.code],
        grade=grade,
        specialty=rng.choice(grade.specialties if host.is_general else host.specialties),
        whole_time_equivalent=wte,
        placement_type=_placement_type(rng),
        known=_load_time(rng, host),
        aliased=rng.random() < ALIAS_SHARE,
    )


def _placement_type(rng: random.Random) -> str:
    drawn = rng.random()
    if drawn < ACTING_UP_SHARE:
        return "In Post - Acting Up"
    return "In post - Extension" if drawn < ACTING_UP_SHARE + EXTENSION_SHARE else "In post"


def _load_time(rng: random.Random, host: Host) -> datetime:
    slow = rng.random() < SLOW_SHARE and host.code != EXACTLY_NINETY
    first, days = (SLOW_LOAD, 4) if slow else (FIRST_LOAD, LOAD_DAYS)
    return first + timedelta(days=rng.randrange(days), seconds=rng.randrange(8 * 3600), milliseconds=rng.randrange(1000))


def invent_troubles(rng: random.Random, placements: Sequence[Placement]) -> tuple[list[Placement], dict[str, list[Change]]]:
    """The placements, some now heard of late, and what happens to some others afterwards, by placement id."""
    total = len(placements)
    eligible = [placement for placement in placements if placement.host.code != EXACTLY_NINETY]
    rng.shuffle(eligible)
    takes = iter(eligible)

    late = {placement.id: _heard_late(rng, placement) for placement in _take(takes, round(total * LATE_SHARE))}
    changes: dict[str, list[Change]] = {}
    for count, placement in enumerate(_take(takes, round(total * NEW_START_SHARE))):
        changes[placement.id] = _new_start(rng, placement, stale=count < STALE_UPDATES)
    hospital = (placement for placement in takes if placement.host.is_general)
    for placement in _take(hospital, round(total * NEW_HOST_SHARE)):
        changes[placement.id] = [Change(_some_time(rng), "update", _moved(rng, placement))]
    for placement in _take(takes, WITHDRAWN):
        changes[placement.id] = [Change(_some_time(rng), "delete", placement)]
    for placement in _take(takes, COSMETIC_EDITS):
        respelt = replace(placement, location=placement.site.other_spelling)
        changes[placement.id] = [Change(_some_time(rng), "update", respelt)]
    return [late.get(placement.id, placement) for placement in placements], changes


def _take(placements: Iterable[Placement], count: int) -> list[Placement]:
    return [placement for placement, _ in zip(placements, range(count), strict=False)]


def _some_time(rng: random.Random, first: date = date(2027, 5, 14), days: int = 60) -> datetime:
    """Office hours of a working day between mid-May and mid-July, unless told otherwise."""
    day = first + timedelta(days=rng.randrange(days))
    while not is_working_day(day):
        day += timedelta(days=1)
    return datetime.combine(day, time(8), UTC) + timedelta(seconds=rng.randrange(9 * 3600))


def _heard_late(rng: random.Random, placement: Placement) -> Placement:
    soonest, latest = LATE_DAYS
    return replace(placement, known=_some_time(rng, START - timedelta(days=latest), latest - soonest))


def _new_start(rng: random.Random, placement: Placement, *, stale: bool) -> list[Change]:
    """The start moves. A stale one was said to move elsewhere first, and that message arrives last."""
    at = _some_time(rng, days=45)
    start, other = rng.sample(NEW_STARTS, 2)
    changes = [Change(at, "update", replace(placement, start=start))]
    if stale:
        delay = timedelta(hours=rng.randint(20, 50))
        changes.append(Change(at - timedelta(hours=3), "update", replace(placement, start=other), delay))
    return changes


def _moved(rng: random.Random, placement: Placement) -> Placement:
    """The placement at another hospital: a new site, and with it a new post."""
    elsewhere = [h for h in HOSTS if h.is_general and h.code not in (placement.host.code, EXACTLY_NINETY)]
    host = rng.choice(elsewhere)
    site = rng.choice(host.sites)
    post_id = str(int(placement.post_id) + 20_000)
    return replace(placement, host=host, site=site, site_id=SITE_IDS[site.code], post_id=post_id)


def invent_trainees(rng: random.Random, placements: Sequence[Placement]) -> list[Trainee]:
    """One trainee a placement, known a little before it."""
    names = invent_names(rng, len(placements))
    unreachable = {placement.person_id for placement in rng.sample(placements, TRAINEES_WITHOUT_EMAIL)}
    trainees = []
    for count, (placement, name) in enumerate(zip(placements, names, strict=True)):
        early = TRAINEES_KNOWN + timedelta(seconds=20 * count)
        heard_late = placement.known.date() > SLOW_LOAD.date() + timedelta(days=7)
        known = placement.known.replace(microsecond=0) - timedelta(minutes=30) if heard_late else early
        email = None if placement.person_id in unreachable else f"t{placement.person_id}@example.net"
        trainees.append(Trainee(placement.person_id, name, email, known))
    return trainees


def placement_lines(seed: int, rng: random.Random, placement: Placement, changes: Sequence[Change]) -> list[Line]:
    """What TIS says about one placement, and the documents issued for it."""
    messages = [Change(placement.known, "load", placement), *changes]
    lines = [
        Line(
            message.at + message.delay,
            tis_message(seed, message.placement.data(), message.operation, message.at, aliased=placement.aliased),
        )
        for message in messages
    ]
    withdrawn = next((message.at.date() for message in messages if message.operation == "delete"), None)
    documents = plan_documents(rng, placement.number_at_host, _stages(messages), withdrawn)
    return lines + document_lines(seed, rng, placement.id, documents)


def _stages(messages: Iterable[Change]) -> list[Stage]:
    """The hosts and starts that held. An overtaken message changes nothing, nor does a cosmetic one."""
    stages: list[Stage] = []
    for message in messages:
        stage = Stage(message.at.date(), message.placement.host.code, message.placement.start)
        if not message.delay and (not stages or stage != replace(stages[-1], since=stage.since)):
            stages.append(stage)
    return stages


def concern_lines(seed: int) -> list[Line]:
    """Three concerns, about doctors known by a pseudonym only."""
    lines = []
    for count, (at, doctor, host, facts) in enumerate(CONCERNS, start=1):
        concern_id = f"concern-2027-{count:03d}"
        data = {
            "concern_id": concern_id,
            "doctor_reference": doctor,
            "lead_employer": LEAD_EMPLOYER,
            "host": host,
            "facts": facts,
        }
        lines.append(Line(at, cloud_event(seed, "concern.raised", concern_id, 1, at, data)))
    return lines


def duplicates(rng: random.Random, lines: Sequence[Line]) -> list[Line]:
    """Redeliveries: some of the lines again, word for word, a little later."""
    again = rng.sample(lines, round(len(lines) * DUPLICATE_SHARE))
    redelivered = (Line(line.arrived + timedelta(minutes=rng.randint(5, DUPLICATE_HOURS * 60)), line.text) for line in again)
    return [line for line in redelivered if line.arrived <= END_OF_REPLAY]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Generate the invented rotation of 4 August 2027 as JSON Lines.")
    parser.add_argument("--seed", type=int, default=2027, help="the same seed gives the same bytes (default 2027)")
    default = Path(__file__).parent / "rotation-2027-08.jsonl"
    parser.add_argument("--out", type=Path, default=default, help="file to write (default: beside this module)")
    options = parser.parse_args(arguments)
    text = generate(options.seed)
    options.out.write_text(text, encoding="utf-8", newline="\n")
    print(f"{options.out}: {text.count(chr(10))} lines, {len(text.encode()):,} bytes")


if __name__ == "__main__":
    main()
