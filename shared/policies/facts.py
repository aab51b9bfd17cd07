"""Facts: what a policy may ask about.

A fact has a type, a domain, and the question that a person is asked. Outside, values are JSON (money ``"42000.00"``,
dates ``"2021-06-01"``); inside, every value is a *code* that both engines compare alike:

===========  ==============================  =============================================
type         outside                         code
===========  ==============================  =============================================
money        ``"42000.00"`` (GBP)            integer pence
integer      ``3``                           the integer
boolean      ``true``                        1 or 0
date         ``"2021-06-01"``                proleptic ordinal (``date.toordinal``)
choice       ``"light-touch"``               the token
text         ``"RXN"``                       the text (ASCII, at most ``max_length``)
===========  ==============================  =============================================

A fact that was not given is missing: it has no code. Floats are refused. :func:`read_facts` is the one way in.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from marshmallow import ValidationError

from shared.errors import InvalidFacts
from shared.policies.reading import Node, read_day, suggest

Code = int | str
"""A fact's value as the engines see it."""

TYPES = ("money", "integer", "boolean", "choice", "date", "text")
LARGEST = 10**17
"""The largest number of a policy, in codes: far inside what the engine compares exactly (64 bits)."""
MOST_UNKNOWN = 100
"""Of how many names that are no facts it is said what each may have meant: to find that takes time."""
ORDERED = ("money", "integer", "date")
OTHER_TEXT = "~any-other"
"""Stands for every text that no condition names."""
_TEXT = re.compile(r"[ !#-\[\]-~]+")
_MONEY = re.compile(r"(-?)([0-9]{1,16})(?:\.([0-9]{1,2}))?")
_TOKEN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True)
class Fact:
    """One declaration of a ``facts.yaml``.

    ``least`` and ``most`` bound the ordered types (codes, inclusive); ``choices`` are the tokens of a choice;
    ``assumed`` is used when the fact is not given, and is then printed with ``assumed_because``.
    """

    name: str
    type: str
    ask: str
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = 1
    max_length: int = 0
    assumed: Code | None = None
    assumed_because: str = ""

    def reaches(self, day: date) -> bool:
        """Whether a fact that is a date can be this day."""
        return self.least <= day.toordinal() <= self.most

    def read(self, raw: object) -> Code:
        """The code of an outside value.

        :raises ValueError: the value is malformed or outside the domain; the message says what would be right.
        """
        code = _READERS[self.type](raw)
        if self.type == "choice" and code not in self.choices:
            raise ValueError(f"must be one of {', '.join(self.choices)}, not {raw!r}{suggest(str(raw), self.choices)}.")
        if self.type in ORDERED and not self.least <= int(code) <= self.most:
            raise ValueError(f"must be from {self.show(self.least)} to {self.show(self.most)}, not {self.show(code)}.")
        if self.type == "text" and not (len(str(code)) <= self.max_length and _TEXT.fullmatch(str(code))):
            raise ValueError(f"must be at most {self.max_length} plain ASCII characters, without quotes and backslashes.")
        return code

    def show(self, code: Code) -> Any:
        """The outside value of a code, ready for JSON."""
        return show(self.type, code)

    def values(self, bounds: Iterable[Code]) -> tuple[Code, ...]:
        """One value for every class that conditions with these bounds can tell apart, in rising order.

        Exact for ordered types: each bound, its two neighbours and the ends of the domain, kept inside the domain.
        """
        if self.type == "boolean":
            return (0, 1)
        if self.type == "choice":
            return self.choices
        if self.type == "text":
            return (*sorted(str(bound) for bound in bounds), OTHER_TEXT)
        near = {int(bound) + step for bound in bounds for step in (-1, 0, 1)} | {self.least, self.most}
        return tuple(sorted(value for value in near if self.least <= value <= self.most))


@dataclass(frozen=True)
class Bound(Fact):
    """A parameter, as the fact that its values could be: what they may be held against, and in which unit."""

    unit: str = ""


def show(type_: str, code: Code) -> Any:
    """The outside value of a code of that type."""
    if type_ == "money":
        return f"{'-' if int(code) < 0 else ''}{abs(int(code)) // 100}.{abs(int(code)) % 100:02d}"
    if type_ == "date":
        return date.fromordinal(int(code)).isoformat()
    if type_ == "boolean":
        return bool(code)
    return code


def _money(raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int | str):
        raise ValueError('must be pounds in quotes, such as "42000.00" (a bare fraction is not exact).')
    found = _MONEY.fullmatch(str(raw).strip())
    if not found:
        raise ValueError(f'must be pounds and whole pence such as "42000.00", not {raw!r}.')
    sign, pounds, pence = found.groups()
    return (-1 if sign else 1) * (int(pounds) * 100 + int((pence or "").ljust(2, "0")))


def _integer(raw: object) -> int:
    if isinstance(raw, str) and re.fullmatch(r"[-+]?[0-9]{1,18}", raw.strip()):
        return int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise ValueError(f"must be a whole number such as 3, not {raw!r}.")
    return raw


def _boolean(raw: object) -> int:
    if raw is True or raw is False:
        return int(raw)
    if isinstance(raw, str) and raw.strip().lower() in ("true", "false"):
        return int(raw.strip().lower() == "true")
    raise ValueError(f"must be true or false, not {raw!r}.")


def _date(raw: object) -> int:
    if isinstance(raw, date):
        return raw.toordinal()
    if isinstance(raw, str):
        return read_day(raw.strip()).toordinal()
    raise ValueError(f"must be a date such as 2021-06-01, not {raw!r}.")


def _text(raw: object) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError(f"must be text, not {raw!r}.")
    return raw.strip()


_READERS: Mapping[str, Callable[[object], Code]] = {
    "money": _money,
    "integer": _integer,
    "boolean": _boolean,
    "choice": _text,
    "date": _date,
    "text": _text,
}


# ---- declarations -----------------------------------------------------------------------------------------------


def declared_facts(node: Node) -> dict[str, Fact]:
    """The declarations of one ``facts.yaml``, by name."""
    return {name: _declared(name, entry) for name, entry in node.entries("facts.yaml").items()}


def _declared(name: str, node: Node) -> Fact:
    if not _NAME.fullmatch(name):
        node.fail(f"the fact “{name}” must be named in lower_case_with_underscores.")
    found = node.fields(f"the fact {name}", ("type", "ask"), ("domain", "assume"))
    type_ = found["type"].choice("a fact's type", TYPES)
    fact = Fact(name, type_, found["ask"].text("ask"), **_domain(name, type_, found.get("domain"), node))
    return _with_assumption(fact, found["assume"]) if "assume" in found else fact


def _domain(name: str, type_: str, domain: Node | None, node: Node) -> dict[str, Any]:
    if type_ == "boolean":
        if domain is not None:
            domain.fail(f"the fact {name} is a boolean; it has no domain.")
        return {}
    if domain is None:
        node.fail(f"the fact {name} needs a domain: without one no gap can be proved.")
    if type_ == "choice":
        tokens = tuple(item.text("a choice") for item in domain.items(f"the domain of {name}"))
        if not all(_TOKEN.fullmatch(token) for token in tokens) or len(set(tokens)) < max(2, len(tokens)):
            domain.fail(f"the domain of {name} must be two or more different lower-case-tokens.")
        return {"choices": tokens}
    if type_ == "text":
        return {"max_length": domain.fields(f"the domain of {name}", ("max_length",))["max_length"].whole("max_length")}
    ends = domain.fields(f"the domain of {name}", ("at_least", "at_most"))
    least, most = (literal(type_, ends[end]) for end in ("at_least", "at_most"))
    if int(least) >= int(most):
        domain.fail(f"the domain of {name} is empty: at_least must be below at_most.")
    return {"least": int(least), "most": int(most)}


def _with_assumption(fact: Fact, node: Node) -> Fact:
    found = node.fields(f"assume of {fact.name}", ("value", "because"))
    try:
        value = fact.read(found["value"].to_json())
    except ValueError as error:
        found["value"].fail(f"the assumed value of {fact.name} {error}")
    because = found["because"].text("because")
    return Fact(**{**fact.__dict__, "assumed": value, "assumed_because": because})


def literal(type_: str, node: Node) -> Code:
    """The code of a value written in a policy file."""
    try:
        code = _READERS[type_](node.value)
    except ValueError as error:
        node.fail(f"the value {error}")
    if isinstance(code, int) and abs(code) > LARGEST:
        node.fail(f"the value {show(type_, code)} is larger than any that is counted with; at most {show(type_, LARGEST)}.")
    return code


# ---- what a caller gives ----------------------------------------------------------------------------------------


def read_facts(facts: Mapping[str, Fact], given: object, policy: str) -> dict[str, Code]:
    """The codes of the facts that a caller gave, by name.

    :raises InvalidFacts: one entry for every malformed, unknown or out-of-domain fact.
    """
    if not isinstance(given, Mapping):
        raise InvalidFacts(f"The facts of {policy} must be an object of names and values.", {"facts": "must be an object."})
    codes: dict[str, Code] = {}
    unknown = [str(name) for name in given if name not in facts]
    problems = {name: _problem(name, None, facts) for name in unknown[:MOST_UNKNOWN]}
    problems |= dict.fromkeys(unknown[MOST_UNKNOWN:], "is not a fact of this policy.")
    for name, fact in facts.items():
        if name in given:
            try:
                codes[name] = fact.read(given[name])
            except ValueError as error:
                problems[name] = _problem(name, "Field may not be null." if given[name] is None else str(error), facts)
    if problems:
        count = f"{len(problems)} of the facts given to {policy}"
        raise InvalidFacts(f"{count} cannot be used; nothing was decided.", dict(sorted(problems.items())))
    return codes


def field_errors(error: ValidationError) -> dict[str, Any]:
    """Marshmallow's messages by field."""
    return error.messages if isinstance(error.messages, dict) else {"": error.messages}


def _problem(name: str, found: object, facts: Mapping[str, Fact]) -> str:
    if name not in facts:
        return f"is not a fact of this policy{suggest(name, facts)}; it asks about {', '.join(facts)}."
    return " ".join(map(str, found)) if isinstance(found, list) else str(found)


def json_schema(fact: Fact) -> dict[str, Any]:
    """The fact as JSON Schema 2020-12, for OpenAPI."""
    if fact.type == "money":
        return {"type": "string", "pattern": r"^\d+(\.\d{2})?$", "examples": [fact.show(fact.least)]}
    if fact.type == "integer":
        return {"type": "integer", "minimum": fact.least, "maximum": fact.most}
    if fact.type == "choice":
        return {"type": "string", "enum": list(fact.choices)}
    if fact.type == "date":
        return {"type": "string", "format": "date"}
    return {"type": "boolean"} if fact.type == "boolean" else {"type": "string", "maxLength": fact.max_length}
