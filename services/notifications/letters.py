"""Alerts in words: ``templates/<kind>/<channel>.<version>.txt``, whose first line is the subject.

An alert names its template to the version, and a version that was released never changes (``templates/released.yaml``, held by
``tests/notifications/test_released.py``). So a message is shown again from its template and values, byte for byte, for ever:
:func:`again`. New words are a new version: add ``email.2.txt`` beside ``email.1.txt``, and the alerts that are made from then on take
it: :func:`newest`.

What messages share is ``templates/_<name>.<version>.txt``: a template says which version of ``_email`` or ``_inbox`` it extends, and
fills in its blocks: ``subject``, ``point``, ``do``, and ``facts`` where there are some. These values mean the same in every message:

=====================================  ==========================================================================================
``reader``, ``purpose``,               why the reader gets it: the role, what the contact is for, and of which organisation
``organisation``
``decision`` … ``entry``               the rule behind it
``first_due``                          may be there: the day on which it should have gone out, in words
``acknowledge_link``,                  may be there: where the reader says that it was seen; until which day, in words
``acknowledge_by``
=====================================  ==========================================================================================

Templates are plain text and strict: a value that is not there is an error, not a blank. A value stays a value: whatever upstream writes, it
cannot add a line, a heading or a link to a message, not even where GOV.UK Notify takes the text for Markdown (see :func:`tame`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.notifications.models import Alert

TEMPLATES = Path(__file__).parent / "templates"
MARK = "Subject: "
LONGEST_SUBJECT = 90
"""Characters. What a mail client shows of it is less; the point stands at the beginning."""
WORDED_AS = {"webhook": "email"}
"""Channels that have no words of their own, and whose they take."""

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]")
_STARTS_LINK = re.compile(r":(?=//)|\](?=\()|[.。．｡](?:(?<=[^\W_].)(?=[^\W\d_]{2})|(?<=www.)(?=\w))", re.IGNORECASE)
_OUR_LINK = re.compile(r"(?:https?://|/(?!/))[A-Za-z0-9._~:/?=&%+,;@-]+")


@dataclass(frozen=True)
class Letter:
    """What the reader sees."""

    subject: str
    text: str


# ---- values ------------------------------------------------------------------------------------------------------


class Link(str):
    """A link that we made ourselves; it is left as it is."""

    __slots__ = ()


def link(value: str) -> Link:
    """Let an address of our own stand as a link: ``{{ acknowledge_link | link }}``.

    :raises ValueError: it could be read as anything else.
    """
    if not _OUR_LINK.fullmatch(value):
        raise ValueError(f"{value!r} is no link of ours; it must begin with https:// or / and hold no space, bracket or quote.")
    return Link(value)


def one_line(value: Any) -> Any:
    """A text without line breaks and without characters that nobody sees; everything else as it is."""
    if not isinstance(value, str):
        return value
    return " ".join((value if value.isprintable() else _UNSEEN.sub(" ", value)).split())


def tame(value: Any) -> Any:
    """A text on one line, with a space wherever a reader's program would see a link begin: ``https: //evil. example``, ``[here] (…)``.

    Headings and lists need no care: no template begins a line with a value, which the tests hold.
    """
    return _STARTS_LINK.sub(r"\g<0> ", one_line(value)) if isinstance(value, str) and not isinstance(value, Link) else value


def without_weekday(day: str) -> str:
    """``Wednesday 4 August 2027`` -> ``4 August 2027``, where there is little room."""
    return day.partition(" ")[2]


def by_name(doctor: str) -> str:
    """``Bintri Marbleheap, person 10000123`` -> ``Bintri Marbleheap``; ``person T1``, of whom no name is known, stays."""
    return doctor.rpartition(", person ")[0] or doctor


# ---- templates ---------------------------------------------------------------------------------------------------


@cache
def newest(kind: str, channel: str, folder: Path = TEMPLATES) -> str:
    """The name of the newest template for this kind of alert on this channel; a process takes up new files when it starts.

    Where there is none, the name of the one to write: such an alert fails, and says what is to be mended.
    """
    channel = WORDED_AS.get(channel, channel)
    versions = (version_of(file.name) for file in (folder / kind).glob(f"{channel}.*.txt"))
    return f"{kind}/{channel}.{max(versions, default=1)}.txt"


def version_of(name: str) -> int:
    """``email.2.txt`` -> 2.

    :raises ValueError: the name has no version.
    """
    found = re.search(r"\.([1-9][0-9]*)\.txt$", name)
    if found is None:
        raise ValueError(f"the template {name} has no version; call it {name.partition('.')[0]}.1.txt.")
    return int(found[1])


@cache
def environment(folder: Path = TEMPLATES) -> Environment:
    """How the templates of a folder are read."""
    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=False,  # noqa: S701 (plain text, never HTML)
        undefined=StrictUndefined,
        finalize=tame,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    made.filters |= {"link": link, "without_weekday": without_weekday, "by_name": by_name}
    return made


def render(template: str, values: Mapping[str, Any], folder: Path = TEMPLATES) -> Letter:
    """The letter that a template makes of these values. Never more than one empty line together; a long subject is cut at a word.

    :raises jinja2.TemplateError: no such template, or a value it needs is not there.
    :raises ValueError: the template does not begin with its subject.
    """
    written = environment(folder).get_template(template).render(values)
    first, _, rest = re.sub(r"\n{3,}", "\n\n", written).partition("\n")
    if not first.startswith(MARK):
        raise ValueError(f"the first line of {template} must be “{MARK}…”.")
    return Letter(_cut(first.removeprefix(MARK).strip()), rest.strip() + "\n")


def _cut(subject: str) -> str:
    if len(subject) <= LONGEST_SUBJECT:
        return subject
    kept = subject[: LONGEST_SUBJECT - 1]
    return (kept.rpartition(" ")[0] or kept).rstrip() + "…"


def word(alert: Alert) -> None:
    """Word an alert from its template and values; one that cannot be worded fails, and says what is to be mended."""
    try:
        letter = render(alert.template, alert.values)
    except Exception as error:
        alert.status, alert.reason = "failed", f"The message cannot be worded: {error!r}; mend templates/{alert.template}."
    else:
        alert.subject, alert.text = letter.subject, letter.text


# ---- shown again -------------------------------------------------------------------------------------------------


def again(alert: Alert) -> tuple[Letter, bool | None]:
    """The message of an alert, made again from its template and values, and whether it is what was kept; None: nothing has been kept yet.

    :raises Exception: it cannot be worded, as in :func:`render`.
    """
    letter = render(alert.template, alert.values)
    kept = Letter(alert.subject, alert.text)
    return letter, letter == kept if kept.text else None
