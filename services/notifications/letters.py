"""Alerts in words: ``templates/<kind>/<channel>.txt``, whose first line is the subject.

Templates are plain text and strict: a value that is not there is an error, not a blank. A value never brings a line break of its
own, so nothing that upstream writes can add a line to a message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"
MARK = "Subject: "
SEEN = "Please say that you have seen this: {acknowledge}"
"""Stands behind a message that somebody must acknowledge (value ``acknowledge``: a link)."""
LATE = "This message was first due on {first_due}; we could not reach you then."
"""Stands before a message that waited for an address (value ``first_due``: a day in words)."""


@dataclass(frozen=True)
class Letter:
    """What the reader sees."""

    subject: str
    text: str


def one_line(value: Any) -> Any:
    """A text without line breaks; everything else as it is."""
    return " ".join(value.split()) if isinstance(value, str) else value


_environment = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=False,  # noqa: S701 (plain text, never HTML)
    undefined=StrictUndefined,
    finalize=one_line,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render(template: str, values: Mapping[str, Any]) -> Letter:
    """The letter that a template makes of these values.

    :raises jinja2.TemplateError: no such template, or a value it needs is not there.
    :raises ValueError: the template does not begin with its subject.
    """
    first, _, rest = _environment.get_template(template).render(values).partition("\n")
    if not first.startswith(MARK):
        raise ValueError(f"the first line of {template} must be “{MARK}…”.")
    late = [LATE.format(first_due=values["first_due"]), ""] if values.get("first_due") else []
    seen = ["", SEEN.format(acknowledge=values["acknowledge"])] if values.get("acknowledge") else []
    return Letter(first.removeprefix(MARK).strip(), "\n".join([*late, rest.strip(), *seen]) + "\n")
