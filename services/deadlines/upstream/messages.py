"""Upstream shapes in, events out: TIS's own message, taken as it is.

TIS broadcasts ``{"tisId": …, "record": {"data": {…}, "metadata": {…}}}``; every value in ``data`` is a string. Both spellings of
its fields are read (``id`` or ``tisId``, ``dateFrom`` or ``startDate``, ``dateTo`` or ``endDate``, ``traineeId`` or ``personId``).
The message's ``timestamp`` is its place in the sequence, so redelivered and overtaken messages do no harm. Hosts and lead employers
are named, not coded, in TIS: their ODS codes come from ``shared/organisations.yaml``.
"""

import re
import typing
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from shared.errors import MalformedEvent
from shared.event_data import read_event
from shared.events import Event, PlacementType, PlacementUpdated, PlacementWithdrawn
from shared.organisations import codes_by_name
from shared.policies.reading import suggest
from shared.wire import LAST_YEAR, Message, microseconds

SOURCE = "urn:hee:tis"
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
"""When upstream can have said something: before 1970 there are no sequence numbers."""
_SPELLINGS = {
    "placement_id": "id",
    "trainee_id": "traineeId",
    "host_name": "trainingBodyName",
    "site": "siteKnownAs",
    "specialty": "specialty",
    "grade": "gradeAbbreviation",
    "whole_time_equivalent": "wholeTimeEquivalent",
    "start_date": "dateFrom",
    "end_date": "dateTo",
}
_SITE_CODE = re.compile(r"\(([A-Z0-9]+)\)\s*$")


def message_from_tis(raw: object) -> Message:
    """The message that a TIS placement broadcast says.

    :raises MalformedEvent: one entry per field that is missing or cannot be used.
    """
    record = raw.get("record") if isinstance(raw, Mapping) else None
    if not isinstance(raw, Mapping) or not isinstance(record, Mapping):
        raise MalformedEvent("This is not a TIS message: it must be an object with tisId and record.", {"record": "is missing."})
    data, metadata = _part(record, "data"), _part(record, "metadata")
    problems: dict[str, str] = {}
    time = _time(metadata, problems)
    table = metadata.get("table-name") or record.get("table")
    if table != "Placement":
        problems["record.metadata.table-name"] = f"must be Placement, not {table!r}; other tables are not taken in."
    operation = str(metadata.get("operation") or record.get("operation") or "").lower()
    event = _EVENTS.get(operation, _no_event)(raw, data, operation, problems)
    if problems or event is None:
        raise MalformedEvent("The TIS message cannot be used.", problems)
    said = f"{SOURCE} {event.type} {event.subject} {microseconds(time)} {sorted(data.items())}"
    return Message(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, said)),
        source=SOURCE,
        time=time,
        sequence=microseconds(time),
        data=event,
        correlation_id=str(metadata.get("transaction-id") or ""),
    )


def _part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = record.get(name)
    return found if isinstance(found, Mapping) else {}


def _time(metadata: Mapping[str, Any], problems: dict[str, str]) -> datetime:
    given = str(metadata.get("timestamp") or "")
    try:
        time = datetime.fromisoformat(given)
    except ValueError:
        time = datetime.min
    if time.tzinfo is None or not EARLIEST <= time < LATEST:
        problems["record.metadata.timestamp"] = f"must be a time such as 2027-05-05T09:00:00Z, not {given!r}."
    return time


def _updated(raw: Mapping[str, Any], data: Mapping[str, Any], operation: str, problems: dict[str, str]) -> Event | None:
    def value(*names: str) -> str:
        name = next((name for name in names if data.get(name) is not None and str(data[name]).strip()), "")
        if not name:
            problems[f"record.data.{names[0]}"] = f"is missing (also read as {' or '.join(names[1:])})." if names[1:] else "is missing."
            return ""
        if not _is_text(data[name]):
            problems[f"record.data.{name}"] = "must be text."
        return str(data[name]).strip()

    def code(name: str) -> str:
        given = value(name)
        found = codes_by_name().get(given.lower(), "")
        if given and not found:
            problems[f"record.data.{name}"] = (
                f"“{given}” is not in shared/organisations.yaml{suggest(given.lower(), codes_by_name())}; add its ODS code and name there."
            )
        return found

    wanted = {
        "placement_id": _placement_id(raw, data) or value("id", "tisId"),
        "trainee_id": value("traineeId", "personId"),
        "host": code("trainingBodyName"),
        "host_name": value("trainingBodyName"),
        **site_of(value("siteKnownAs", "site")),
        "lead_employer": code("employingBodyName"),
        "specialty": value("specialty"),
        "grade": value("gradeAbbreviation"),
        "whole_time_equivalent": value("wholeTimeEquivalent", "placementWholeTimeEquivalent"),
        "placement_type": _placement_type(value("placementType"), problems),
        "start_date": value("dateFrom", "startDate"),
        "end_date": value("dateTo", "endDate"),
    }
    if problems:
        return None
    try:
        return read_event(PlacementUpdated, wanted)
    except MalformedEvent as error:
        names = {f"data.{ours}": f"record.data.{theirs}" for ours, theirs in _SPELLINGS.items()}
        problems |= {names.get(name, name): problem for name, problem in error.errors.items()}
        return None


def _placement_id(raw: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    found = raw.get("tisId") or raw["record"].get("tisId") or data.get("id") or data.get("tisId")
    return str(found).strip() if _is_text(found) else ""


def _is_text(said: object) -> bool:
    """Everything in TIS's data is a text. A number is plain enough; whatever else it may be was not meant."""
    return isinstance(said, str | int | float) and not isinstance(said, bool)


def site_of(known_as: str) -> dict[str, str]:
    """Code and name of a site that is called ``Royal Preston Hospital (RXN02)``; without a code, what it is called stands for it."""
    site = _SITE_CODE.search(known_as)
    return {"site": site.group(1), "site_name": known_as[: site.start()].strip()} if site else {"site": known_as, "site_name": ""}


def placement_type(tis: str) -> str:
    """TIS's placement type as the policy's: ``In Post - Acting Up`` is in-post-acting-up, OOPC to OOPT are out-of-programme."""
    return "out-of-programme" if tis.upper().startswith("OOP") else "-".join(re.findall("[a-z]+", tis.lower()))


def _placement_type(tis: str, problems: dict[str, str]) -> str:
    found = placement_type(tis)
    known = typing.get_args(PlacementType)
    if tis and found not in known:
        problems["record.data.placementType"] = f"“{tis}” is not a placement type known here{suggest(found, known)}."
    return found


def _withdrawn(raw: Mapping[str, Any], data: Mapping[str, Any], operation: str, problems: dict[str, str]) -> Event | None:
    try:
        return read_event(PlacementWithdrawn, {"placement_id": _placement_id(raw, data), "reason": "deleted in TIS"})
    except MalformedEvent as error:
        problems["tisId"] = " ".join(error.errors.values())
        return None


def _no_event(raw: Mapping[str, Any], data: Mapping[str, Any], operation: str, problems: dict[str, str]) -> Event | None:
    problems["record.metadata.operation"] = f"must be one of {', '.join(_EVENTS)}, not {operation!r}."
    return None


_EVENTS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any], str, dict[str, str]], Event | None]] = {
    "load": _updated,
    "insert": _updated,
    "update": _updated,
    "delete": _withdrawn,
}
