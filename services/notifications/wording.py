"""How facts read in a message: days, names, terms of a placement, in plain English."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from services.notifications.models import MATERIAL, Placement
from shared.organisations import names_by_code

Naming = Callable[[str], str]
"""A trainee's id -> how the doctor is called in a message."""

_LABELS = {
    "trainee_id": "Doctor",
    "host": "Host's ODS code (the NHS code of the organisation)",
    "host_name": "Host",
    "site": "Site",
    "lead_employer": "Lead employer",
    "specialty": "Specialty",
    "grade": "Grade",
    "whole_time_equivalent": "Working time",
    "start_date": "First day",
    "end_date": "Last day",
}


def long_day(day: date) -> str:
    """``Wednesday 4 August 2027``."""
    return f"{day:%A} {day.day} {day:%B %Y}"


def words(token: str) -> str:
    """``work-schedule`` -> ``work schedule``."""
    return token.replace("-", " ")


def organisation(code: str) -> str:
    """The registered name, or the ODS code where none is known."""
    return names_by_code().get(code) or (f"the organisation with the NHS code {code}" if code else "")


def reading_as(role: str, purpose: str, code: str) -> dict[str, str]:
    """Why somebody gets a message: in which role, for what, and of which organisation (none: the only one there is)."""
    return {"reader": role, "purpose": "anything" if purpose == "any" else words(purpose), "organisation": organisation(code)}


def terms(placement: Placement, named: Naming) -> dict[str, str]:
    """The placement as a message shows it, by field."""
    return {field: _shown(field, placement, named) for field in MATERIAL}


def changes(was: Placement, now: Placement, named: Naming) -> list[dict[str, str]]:
    """What is different for the reader: label, what it was, what it is.

    Spelling alone is no difference, nor is another name for the same host: its code says which organisation it is. Another specialty is
    one: it means another rota and another supervisor.
    """
    fields = [field for field in MATERIAL if _core(getattr(was, field)) != _core(getattr(now, field))]
    if "host_name" in fields:
        fields.remove("host" if "host" in fields else "host_name")
    return [{"what": _LABELS[field], "was": _shown(field, was, named), "now": _shown(field, now, named)} for field in fields]


def core(placement: Placement) -> Mapping[str, str]:
    """What counts of a placement, with spelling taken out."""
    return {field: _core(getattr(placement, field)) for field in MATERIAL}


def _core(value: Any) -> str:
    """Letters and digits in lower case, one space between words: "St. Mary's" and "ST MARYS" are the same place."""
    folded = str(value).casefold().replace("&", " and ")
    kept = "".join(character for character in folded if character.isalnum() or character.isspace() or character in "-.")
    return kept if isinstance(value, date) or _is_number(kept) else " ".join(kept.replace("-", " ").replace(".", "").split())


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _shown(field: str, placement: Placement, named: Naming) -> str:
    value = placement.site_name or placement.site if field == "site" else getattr(placement, field)
    if isinstance(value, date):
        return long_day(value)
    if field == "whole_time_equivalent":
        percent = Decimal(value) * 100
        return "full time" if percent == 100 else f"{percent.normalize():f}% of full time"
    if field == "trainee_id":
        return named(value)
    return organisation(value) if field == "lead_employer" else str(value)
