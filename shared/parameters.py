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

PAGE = ("limit", "after", "before")
"""The query parameters that say which page of a list. No list refuses them, not even one that is not read page by page."""
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

MEANINGS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "limit": ("How many rows a page holds at most.", PAGE_LENGTH),
    "after": ("The page that follows: the `next` of the page before. Rows go from the lowest key up.", TEXT),
    "before": ("The page that follows: the `next` of the page before. Rows go from the highest key down.", TEXT),
    "as_at": ("The day as at which the answer is given, in England; today if left out.", DAY),
    "as_of": ("The time as of which the file speaks, with its offset.", TIME),
    "body": ("Only what concerns this body.", {"type": "string", "enum": [*get_args(Body)]}),
    "by": ("What the table is grouped by: one or several, with commas between them.", TEXT),
    "digest": ("Only alerts that are gathered in this digest, by its key.", TEXT),
    "duty": ("Only deadlines of this duty.", {"type": "string", "enum": [*get_args(DocumentKind)]}),
    "exceptions": ("How many of the worst are named, over all and of each group; if left out, a few over all.", {"type": "integer"}),
    "format": ("The form of the answer; if left out, what the header Accept asks for.", TEXT),
    "host": ("Only what concerns this host, by its ODS code.", TEXT),
    "kind": ("Only alerts of this kind.", TEXT),
    "lead_employer": ("Only what concerns this lead employer, by its ODS code.", TEXT),
    "measure": ("Of the exceptions only those of this measure.", TEXT),
    "organisation": ("Only contacts of this organisation, by its ODS code.", TEXT),
    "owner": ("Only what this party owes.", TEXT),
    "person": ("Only what concerns this person, by their TIS person id.", TEXT),
    "placement": ("Only what concerns this placement, by its id.", TEXT),
    "policy": ("Only decisions by this policy.", TEXT),
    "purpose": ("Only contacts for this purpose.", TEXT),
    "recipient": ("Whose inbox it is: the id of a recipient.", TEXT),
    "recipient_id": ("Only alerts to this recipient, by its id.", TEXT),
    "record": ("Whether the decision is stored; if not, the answer is 200 and not 201.", STORED),
    "regarding": ("Only what is about the thing that has this id.", TEXT),
    "region": ("Only placements at hosts of this region.", TEXT),
    "role": ("Only contacts in this role.", {"type": "string", "enum": [*get_args(Role)]}),
    "rotation": ("Only placements that start in this month.", MONTH),
    "specialty": ("Only placements in this specialty.", TEXT),
    "state": ("Only those in this state.", TEXT),
    "status": ("Only those in this state.", TEXT),
    "subject": ("Only decisions about the thing that has this id.", TEXT),
    "to_mend": ("Whether they wait for a contact or an address, or came back from one; if left out, all.", {"type": "boolean"}),
    "token": ("The secret in the address or link that somebody was given.", TEXT),
    "verdict": ("Only meetings that were found to be so.", TEXT),
    "year": ("Only what belongs to this calendar year.", YEAR),
}
"""What each name means, wherever it is taken, and what its value may be, where a route says nothing narrower."""


@dataclass(frozen=True)
class Parameter:
    """A query parameter of a route. If values are ``allowed``, any other is refused; empty is as if it were left out."""

    name: str
    schema: Mapping[str, Any]
    allowed: tuple[str, ...] = ()
    required: bool = False

    def document(self) -> dict[str, Any]:
        """The parameter as OpenAPI has it. Several values stand in one text, with commas between them."""
        shown = {"name": self.name, "in": "query", "description": MEANINGS[self.name][0], "required": self.required}
        return {**shown, "schema": dict(self.schema), **({"explode": False} if self.schema.get("type") == "array" else {})}

    def check(self) -> None:
        """Refuse a value that is not allowed, if one was given."""
        given = request.args.get(self.name) if self.allowed else None
        if given and given not in self.allowed:
            raise Refused("The list cannot be made.", {self.name: f"must be one of {', '.join(self.allowed)}, not {given!r}."})


# ---- what stands above a view ------------------------------------------------------------------------------------


def takes(*wanted: str | Parameter) -> Callable[[View[Arguments]], View[Arguments]]:
    """A view that takes these query parameters, and its page's, and refuses any other."""
    parameters = _parameters(wanted)
    names = (*(parameter.name for parameter in parameters if parameter.name not in PAGE), *PAGE)
    return _documented(parameters, lambda: _refuse_others(names))


def heeds(*wanted: str | Parameter) -> Callable[[View[Arguments]], View[Arguments]]:
    """A view that heeds these query parameters, and lets any other pass, or refuses it in its own words."""
    return _documented(_parameters(wanted), lambda: None)


def one_of(name: str, allowed: Collection[str]) -> Parameter:
    """A parameter that is one of these; any other value is refused."""
    return replace(known(name, allowed), allowed=tuple(allowed))


def true_or_false(name: str) -> Parameter:
    """A parameter that is ``true`` or ``false``; any other value is refused."""
    return Parameter(name, {"type": "boolean"}, allowed=("true", "false"))


def known(name: str, values: Collection[str]) -> Parameter:
    """A parameter whose values are known. None is refused here: another finds nothing, or the view has its own words for it."""
    return Parameter(name, {"type": "string", "enum": [*values]})


def needed(name: str) -> Parameter:
    """A parameter that must be given; what is answered without it is the view's to say."""
    return Parameter(name, MEANINGS[name][1], required=True)


def names_of(wanted: Iterable[str | Parameter]) -> tuple[str, ...]:
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


def _parameters(wanted: Iterable[str | Parameter]) -> list[Parameter]:
    return [each if isinstance(each, Parameter) else Parameter(each, MEANINGS[each][1]) for each in wanted]


def _documented(parameters: list[Parameter], refuse_others: Callable[[], None]) -> Callable[[View[Arguments]], View[Arguments]]:
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
        raise Refused("The list cannot be made.", problems)
