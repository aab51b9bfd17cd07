"""Query parameters: which a view takes stands once, above it; from there come both the check and what ``openapi.json`` says.

``@takes("host", one_of("status", STATES), *LOWEST_FIRST)`` between a route and its view refuses every other parameter: one that is not
heeded would narrow nothing, unseen. ``@heeds("as_at")`` refuses none. What a name means stands in ``MEANINGS``, for all routes alike.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, ParamSpec, get_args

from flask import Response, request
from flask_smorest import Blueprint

from shared.errors import Refused
from shared.events import Body, DocumentKind, Role
from shared.policies.reading import suggest

Arguments = ParamSpec("Arguments")
View = Callable[Arguments, Response]

LOWEST_FIRST = ("limit", "after")
"""What a list heeds that goes from the lowest key up."""
HIGHEST_FIRST = ("limit", "before")
"""What a list heeds that goes from the highest key down."""
USUAL_PAGE = 50
LARGEST_PAGE = 200

TEXT = {"type": "string"}
DAY = {"type": "string", "format": "date", "examples": ["2027-05-05"]}
TIME = {"type": "string", "format": "date-time", "examples": ["2027-05-05T09:00:00Z"]}
MONTH = {"type": "string", "pattern": "^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$", "examples": ["2027-08"]}
YEAR = {"type": "integer", "minimum": 1900, "maximum": 2099}
PAGE_LENGTH = {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": USUAL_PAGE}
STORED = {"type": "boolean", "default": True}

MEANINGS: Mapping[str, str] = {
    "limit": "How many rows a page holds at most.",
    "after": "The page that follows: the `next` of the page before. Rows go from the lowest key up.",
    "before": "The page that follows: the `next` of the page before. Rows go from the highest key down.",
    "as_at": "The day as at which the answer is given, in England; today if left out.",
    "as_of": "The time as of which the file speaks, with its offset.",
    "body": "Only what concerns this body.",
    "by": "What the table is grouped by: one or several, with commas between them.",
    "digest": "Only alerts that are gathered in this digest, by its key.",
    "duty": "Only deadlines of this duty.",
    "exceptions": "How many of the worst are named, over all and of each group; if left out, a few over all.",
    "format": "The form of the answer; if left out, what the header Accept asks for.",
    "host": "Only what concerns this host, by its ODS code.",
    "kind": "Only alerts of this kind.",
    "lead_employer": "Only what concerns this lead employer, by its ODS code.",
    "measure": "Of the exceptions only those of this measure.",
    "organisation": "Only contacts of this organisation, by its ODS code.",
    "owner": "Only what this party owes.",
    "person": "Only what concerns this person, by their TIS person id.",
    "placement": "Only what concerns this placement, by its id.",
    "policy": "Only decisions by this policy.",
    "purpose": "Only contacts for this purpose.",
    "recipient": "Whose inbox it is: the id of a recipient.",
    "recipient_id": "Only alerts to this recipient, by its id.",
    "record": "Whether the decision is stored; if not, the answer is 200 and not 201.",
    "regarding": "Only what is about the thing that has this id.",
    "region": "Only placements at hosts of this region.",
    "role": "Only contacts in this role.",
    "rotation": "Only placements that start in this month.",
    "specialty": "Only placements in this specialty.",
    "state": "Only those in this state.",
    "status": "Only those in this state.",
    "subject": "Only decisions about the thing that has this id.",
    "to_mend": "Whether they wait for a contact or an address, or came back from one; if left out, all.",
    "token": "The secret in the address or link that somebody was given.",
    "verdict": "Only meetings that were found to be so.",
    "year": "Only what belongs to this calendar year.",
}
"""What each name means, wherever it is taken."""
SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "limit": PAGE_LENGTH,
    "as_at": DAY,
    "as_of": TIME,
    "body": {"type": "string", "enum": [*get_args(Body)]},
    "duty": {"type": "string", "enum": [*get_args(DocumentKind)]},
    "record": STORED,
    "role": {"type": "string", "enum": [*get_args(Role)]},
    "rotation": MONTH,
    "year": YEAR,
}
"""What the value of a name may be, where it is not any text and a route says nothing narrower."""


@dataclass(frozen=True)
class QueryParameter:
    """A query parameter of a route. If values are ``allowed``, any other is refused; empty is as if left out (but for ``record``)."""

    name: str
    schema: Mapping[str, Any]
    allowed: tuple[str, ...] = ()
    required: bool = False

    def document(self) -> dict[str, Any]:
        """The parameter as OpenAPI has it. Several values stand in one text, with commas between them."""
        shown = {"name": self.name, "in": "query", "description": MEANINGS[self.name], "required": self.required}
        return {**shown, "schema": dict(self.schema), **({"explode": False} if self.schema.get("type") == "array" else {})}

    def check(self) -> None:
        """Refuse a value that is not allowed, if one was given."""
        given = request.args.get(self.name) if self.allowed else None
        if given and given not in self.allowed:
            raise Refused("The list cannot be made.", {self.name: f"must be one of {', '.join(self.allowed)}, not {given!r}."})


# ---- what stands above a view ------------------------------------------------------------------------------------


def takes(*wanted: str | QueryParameter) -> Callable[[View[Arguments]], View[Arguments]]:
    """A view that takes these query parameters, and refuses any other."""
    return _documented(_parameters(wanted), lambda: _refuse_others(parameter_names(wanted)))


def heeds(*wanted: str | QueryParameter) -> Callable[[View[Arguments]], View[Arguments]]:
    """A view that heeds these query parameters, and lets any other pass, or refuses it in its own words."""
    return _documented(_parameters(wanted), lambda: None)


def one_of(name: str, allowed: Collection[str]) -> QueryParameter:
    """A parameter that is one of these; any other value is refused."""
    return replace(known(name, allowed), allowed=tuple(allowed))


def true_or_false(name: str) -> QueryParameter:
    """A parameter that is ``true`` or ``false``; any other value is refused."""
    return QueryParameter(name, {"type": "boolean"}, allowed=("true", "false"))


def known(name: str, values: Collection[str]) -> QueryParameter:
    """A parameter whose values are known. None is refused here: another finds nothing, or the view has its own words for it."""
    return QueryParameter(name, {"type": "string", "enum": [*values]})


def needed(name: str) -> QueryParameter:
    """A parameter that must be given; what is answered without it is the view's to say."""
    return QueryParameter(name, SCHEMAS.get(name, TEXT), required=True)


def parameter_names(wanted: Iterable[str | QueryParameter]) -> tuple[str, ...]:
    """The names of parameters."""
    return tuple(parameter.name for parameter in _parameters(wanted))


def asked(name: str) -> str:
    """A query parameter that something is looked for by; empty if it was not given.

    :raises Refused: it holds a NUL, which no text in PostgreSQL does.
    """
    value = request.args.get(name, "")
    if "\0" in value:
        raise Refused("The list cannot be made.", {name: "must not hold the character NUL."})
    return value


# ---- how -----------------------------------------------------------------------------------------------------------


def _parameters(wanted: Iterable[str | QueryParameter]) -> list[QueryParameter]:
    return [each if isinstance(each, QueryParameter) else QueryParameter(each, SCHEMAS.get(each, TEXT)) for each in wanted]


def _documented(parameters: list[QueryParameter], refuse_others: Callable[[], None]) -> Callable[[View[Arguments]], View[Arguments]]:
    """What makes of a view one that checks its parameters first, and carries what flask-smorest is to say of them."""

    def decorate(view: View[Arguments]) -> View[Arguments]:
        @wraps(view)
        def checked(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Response:
            refuse_others()
            for parameter in parameters:
                parameter.check()
            return view(*args, **kwargs)

        documented: View[Arguments] = Blueprint.doc(parameters=[parameter.document() for parameter in parameters])(checked)
        return documented

    return decorate


def _refuse_others(names: Collection[str]) -> None:
    problems = {
        name: f"is not taken here{suggest(name, names)}; there are {', '.join(names)}." for name in request.args if name not in names
    }
    if problems:
        raise Refused("The query cannot be used.", problems)
