"""The seven documents that each placement needs, and the day on which each was issued, if it was.

Most documents are in time. A late one makes the next link late: the lead employer cannot pass on a work schedule that
the host has not sent, nor tell the trainee of a placement that the national body has not announced.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

from shared.samples.envelopes import Line, cloud_event, derived_id
from shared.samples.places import EXACTLY_NINETY, HOSTS_BY_CODE, LEAD_EMPLOYER, NATIONAL_BODY

NATIONAL_BODY_PUNCTUALITY = 0.985
LEAD_EMPLOYER_PUNCTUALITY = 0.995  # a host's punctuality stands beside it in places.py
NEVER_SHARE = 0.2  # of the documents that are not in time: never issued at all
DAYS_EARLY = (2, 10)  # issued in time: so many days before it is due
DAYS_LATE = (1, 20)
DAYS_TO_REACT = (1, 5)  # after a placement is heard of, or changes
DAYS_TO_PASS_ON = (1, 3)  # from the document that a link waits for to its own
LAST_DAY = date(2027, 8, 4)
SATURDAY = 5
BANK_HOLIDAYS = (date(2027, 5, 3), date(2027, 5, 31))


@dataclass(frozen=True)
class Duty:
    """One document that somebody owes somebody. ``waits_for`` is the index of the duty that must come first."""

    kind: str
    issued_to: str
    issuer: str  # national-body, lead-employer or host
    days_before_start: int
    waits_for: int | None = None


DUTIES = (
    Duty("placement-information", "host", "national-body", 84),
    Duty("placement-information", "trainee", "lead-employer", 84, waits_for=0),
    Duty("work-schedule", "lead-employer", "host", 56),
    Duty("work-schedule", "trainee", "lead-employer", 56, waits_for=2),
    Duty("contract", "trainee", "lead-employer", 56),
    Duty("pay-breakdown", "trainee", "lead-employer", 56),
    Duty("duty-roster", "trainee", "host", 42),
)


@dataclass(frozen=True)
class Stage:
    """What held for a placement from a day on: its host and its start."""

    since: date
    host: str
    start: date


@dataclass(frozen=True)
class Issued:
    """A document that was issued: which duty, for which host, on which day."""

    duty: Duty
    host: str
    on: date


def is_working_day(day: date) -> bool:
    """Monday to Friday, less the two bank holidays of these months."""
    return day.weekday() < SATURDAY and day not in BANK_HOLIDAYS


def working_day(day: date, step: int) -> date:
    """The day itself, or the nearest working day after (``step`` 1) or before (-1) it."""
    while not is_working_day(day):
        day += timedelta(days=step)
    return day


def plan_documents(rng: random.Random, number_at_host: int, stages: Sequence[Stage], withdrawn: date | None) -> list[Issued]:
    """Every document of one placement. A change of host makes those already issued come again from the new host.

    :param number_at_host: the placement's number among its host's, which decides at the host that is exactly at 90 %.
    """
    issued = _plan_stage(rng, number_at_host, stages[0])
    for earlier, stage in pairwise(stages):
        done = [document for document in issued if document.on <= stage.since]
        again = _plan_stage(rng, number_at_host, stage)
        if stage.host == earlier.host:  # a new start only: what was issued stands
            kept = {document.duty for document in done}
            again = [document for document in again if document.duty not in kept]
        issued = done + again
    end = withdrawn or LAST_DAY + timedelta(days=1)
    return sorted((document for document in issued if document.on < end), key=lambda document: document.on)


def _plan_stage(rng: random.Random, number: int, stage: Stage) -> list[Issued]:
    days: list[date | None] = []
    for duty in DUTIES:
        due = stage.start - timedelta(days=duty.days_before_start)
        day = _plan_day(rng, duty, stage, number, due)
        if duty.waits_for is not None:
            day = _pass_on(rng, days[duty.waits_for], day, due)
        days.append(day)
    return [Issued(duty, stage.host, day) for duty, day in zip(DUTIES, days, strict=True) if day is not None]


def _plan_day(rng: random.Random, duty: Duty, stage: Stage, number: int, due: date) -> date | None:
    if _is_punctual(rng, duty, stage.host, number):
        day = working_day(due - timedelta(days=rng.randint(*DAYS_EARLY)), -1)
    elif stage.host != EXACTLY_NINETY and rng.random() < NEVER_SHARE:
        return None
    else:
        day = working_day(due + timedelta(days=rng.randint(*DAYS_LATE)), 1)
    earliest = working_day(stage.since + timedelta(days=rng.randint(*DAYS_TO_REACT)), 1)
    return day if day > stage.since else earliest


def _is_punctual(rng: random.Random, duty: Duty, host: str, number: int) -> bool:
    """Drawn, except at the host that is exactly at 90 %: there every tenth placement is late.

    Its placement information is late for other placements than its later documents, so that every measure (a single
    duty, the trainee's three documents together, all duties) comes out at exactly nine in ten.
    """
    if host == EXACTLY_NINETY:
        return number % 10 != (7 if duty.kind == "placement-information" else 3)
    punctuality = {
        "national-body": NATIONAL_BODY_PUNCTUALITY,
        "lead-employer": LEAD_EMPLOYER_PUNCTUALITY,
        "host": HOSTS_BY_CODE[host].punctuality,
    }[duty.issuer]
    return rng.random() < punctuality


def _pass_on(rng: random.Random, first: date | None, own: date | None, due: date) -> date | None:
    """The day of a link that waits for another: an early first link is passed on in time, a late one is late."""
    if first is None or own is None:
        return None
    passed_on = working_day(first + timedelta(days=rng.randint(*DAYS_TO_PASS_ON)), 1)
    if first <= due:
        passed_on = min(passed_on, due)
    return max(own, passed_on)


def document_lines(seed: int, rng: random.Random, placement_id: str, documents: Sequence[Issued]) -> list[Line]:
    """The ``document.issued`` events of one placement, each in office hours on the day of issue."""
    timed = sorted(((_office_hours(rng, document.on), document) for document in documents), key=lambda pair: (pair[0], pair[1].on))
    lines = []
    for sequence, (at, document) in enumerate(timed, start=1):
        duty = document.duty
        issuers = {"national-body": NATIONAL_BODY, "lead-employer": LEAD_EMPLOYER, "host": document.host}
        data = {
            "document_id": derived_id(seed, "document", placement_id, sequence),
            "placement_id": placement_id,
            "kind": duty.kind,
            "issued_to": duty.issued_to,
            "issued_by": issuers[duty.issuer],
            "issued_on": document.on.isoformat(),
            "host": document.host,
        }
        lines.append(Line(at, cloud_event(seed, "document.issued", placement_id, sequence, at, data)))
    return lines


def _office_hours(rng: random.Random, day: date) -> datetime:
    return datetime.combine(day, time(8), UTC) + timedelta(minutes=rng.randrange(8 * 60))
