"""HTTP in: tables of compliance, and the quarterly return.

What is not taken is refused by name: a filter that was mistyped would give the table of everybody.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from flask import Response, request
from flask_smorest import Blueprint

from services.deadlines.compliance import quarterly, tables
from services.deadlines.compliance.figures import MEASURES
from services.deadlines.compliance.reading import Asked, files_on, month_after
from shared.answers import answer, running
from shared.comma_separated import CONTENT_TYPE, Cell, lines_of
from shared.errors import Refused
from shared.organisations import regions_by_code
from shared.policies.reading import suggest
from shared.query import QueryParameter, heeds, known, parameter_names
from shared.requests import past_day
from shared.worker import today

MOST_WORST = 100
REGIONS = (*sorted(set(regions_by_code().values())), tables.NOT_KNOWN)
FORMATS = ("json", "csv")
FILTERS = ("rotation", "host", "lead_employer", known("region", REGIONS), "specialty")
BY = QueryParameter("by", {"type": "array", "items": {"type": "string", "enum": [*tables.KEYS]}, "default": ["host"]})
EXCEPTIONS = QueryParameter("exceptions", {"type": "integer", "minimum": 0, "maximum": MOST_WORST})
TAKEN = (BY, *FILTERS, "as_at", EXCEPTIONS, known("measure", MEASURES), known("format", FORMATS))
TAKEN_BY_RETURNS = ("as_at",)
routes = Blueprint("compliance", __name__, description="Was it on time, and whose lateness was it?")


@routes.get("/compliance")
@heeds(*TAKEN)
def show_compliance() -> Response:
    """Compliance ``?by=`` host, lead-employer, region, specialty, rotation-month, or several (``by=host,specialty``).

    ``?rotation=2027-08`` (the month of the start), ``?host=``, ``?lead_employer=`` (ODS codes), ``?region=``, ``?specialty=`` narrow it;
    ``?as_at=`` a past day; ``?exceptions=20`` names as many, also of each group, ``?measure=`` those of one measure; ``?format=csv``.
    """
    asked = _arguments()
    problems = _not_taken(asked, parameter_names(TAKEN))
    problems |= {name: "must be text without control characters." for name, value in asked.items() if not value.isprintable()}
    by = _keys(asked.get("by") or "host", problems)
    first = _month(asked.get("rotation"), "rotation", problems)
    now = today(running().now())
    as_at = _past_day(asked.get("as_at"), now, problems)
    wanted = _whole_number(asked.get("exceptions"), problems)
    wants_csv = _wants_csv(asked.get("format"), problems)
    if asked.get("measure") and asked["measure"] not in MEASURES:
        problems["measure"] = f"must be one of {', '.join(MEASURES)}, not {asked['measure']!r}."
    region = _region(asked.get("region"), problems)
    if problems:
        raise Refused("The table cannot be made.", problems)
    files = files_on(running().worker.engine, _asked(asked, first, region), as_at, now)
    each = {"worst": tables.WORST} if wanted is None else {"worst": wanted, "worst_of_each": wanted}
    table = tables.measured(files, as_at, by, **each, worst_measure=asked.get("measure") or None)
    if wants_csv:
        response = _csv(tables.table_head(table), tables.table_rows(table), f"compliance-{as_at}.csv")
    else:
        filters = {name: asked[name] for name in parameter_names(FILTERS) if asked.get(name)}
        response = answer(tables.table_json(table, filters))
    response.vary.add("Accept")
    return response


@routes.get("/returns/<month>.csv")
@heeds(*TAKEN_BY_RETURNS)
def show_return(month: str) -> Response:
    """The quarterly return of a rotation month (2027-08) as CSV, ``?as_at=`` a past day. Its columns: compliance/quarterly.py."""
    problems: dict[str, str] = {}
    asked = _arguments()
    now = today(running().now())
    first = _month(month, "month", problems)
    as_at = _past_day(asked.get("as_at"), now, problems)
    problems |= _not_taken(asked, TAKEN_BY_RETURNS)
    if problems or first is None:
        raise Refused("The return cannot be made.", problems)
    collection = quarterly.collection_of(first)
    starts = Asked(starts_from=collection.others_from, starts_before=month_after(first))
    lines = quarterly.quarterly_return(files_on(running().worker.engine, starts, as_at, now), collection, as_at)
    rows = quarterly.return_rows(lines, collection, as_at)
    return _csv(quarterly.HEAD, rows, f"return-{collection.name}-as-at-{as_at}.csv")


# ---- what is asked -------------------------------------------------------------------------------------------------


def _arguments() -> dict[str, str]:
    """The query; ``lead-employer=`` is read as ``lead_employer=``."""
    return {name.replace("-", "_"): value for name, value in request.args.items()}


def _not_taken(asked: Mapping[str, str], taken: Sequence[str]) -> dict[str, str]:
    return {name: f"is not taken here{suggest(name, taken)}." for name in asked if name not in taken}


def _asked(given: Mapping[str, str], first: date | None, region: str | None) -> Asked:
    return Asked(
        starts_from=first,
        starts_before=month_after(first) if first else None,
        host=given.get("host") or None,
        lead_employer=given.get("lead_employer") or None,
        region=region,
        specialty=given.get("specialty") or None,
    )


def _keys(given: str, problems: dict[str, str]) -> Sequence[str]:
    keys = tuple(dict.fromkeys(key.strip().replace("_", "-") for key in given.split(",")))
    wrong = [key for key in keys if key not in tables.KEYS]
    if wrong:
        problems["by"] = f"must be one or more of {', '.join(tables.KEYS)}, not {wrong[0]!r}{suggest(wrong[0], tables.KEYS)}."
    return keys


def _month(given: str | None, name: str, problems: dict[str, str]) -> date | None:
    if not given:
        return None
    if not re.fullmatch("(19|20)[0-9]{2}-(0[1-9]|1[0-2])", given):
        problems[name] = f"must be a month such as 2027-08, not {given!r}."
        return None
    return date.fromisoformat(f"{given}-01")


def _past_day(given: str | None, now: date, problems: dict[str, str]) -> date:
    try:
        return past_day(given, now) if given else now
    except ValueError as error:
        problems["as_at"] = str(error)
        return now


def _whole_number(given: str | None, problems: dict[str, str]) -> int | None:
    if not given:
        return None
    if not re.fullmatch("[0-9]{1,3}", given) or int(given) > MOST_WORST:
        problems["exceptions"] = f"must be a whole number from 0 to {MOST_WORST}, not {given!r}."
        return None
    return int(given)


def _region(given: str | None, problems: dict[str, str]) -> str | None:
    if not given:
        return None
    by_name = {region.lower(): region for region in REGIONS}
    if given.lower() not in by_name:
        problems["region"] = f"must be one of {', '.join(REGIONS)}, not {given!r}; shared/organisations.yaml has the regions."
    return by_name.get(given.lower())


def _wants_csv(given: str | None, problems: dict[str, str]) -> bool:
    if not given:
        return request.accept_mimetypes.best_match(["application/json", "text/csv"]) == "text/csv"
    if given not in FORMATS:
        problems["format"] = f"must be json or csv, not {given!r}."
    return given == "csv"


# ---- the answer ----------------------------------------------------------------------------------------------------


def _csv(head: Sequence[str], rows: Iterable[Sequence[Cell]], name: str) -> Response:
    headers: dict[str, Any] = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response("".join(lines_of(head, rows)), 200, headers, content_type=CONTENT_TYPE)
