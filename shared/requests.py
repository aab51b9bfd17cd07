"""What people send over HTTP, read by its shape: every problem of it at once, and nothing that was not asked for."""

from datetime import date
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields
from marshmallow.validate import Length, Range

from shared.answers import sent_json
from shared.errors import Refused
from shared.event_data import Day, plain_text
from shared.policies.facts import field_errors
from shared.policies.reading import read_day
from shared.problems import pointed

LAST_DAY = date(2099, 12, 31)
LONGEST_NAME = 200
MISSING = {"required": "is missing.", "null": "is missing."}


class Request(Schema):
    """The shape of what somebody sends: its fields, and no others."""

    class Meta:
        """Other keys are refused."""

        unknown = RAISE

    error_messages = {"unknown": "is not taken here."}  # noqa: RUF012 (marshmallow's)


def text_field(longest: int = LONGEST_NAME) -> fields.String:
    """A text that must be there and say something."""
    too_long = Length(max=longest, error=f"must be at most {longest} characters long.")
    return fields.String(
        required=True, validate=[too_long, plain_text, _says_something], error_messages={**MISSING, "invalid": "must be text."}
    )


def day_field() -> fields.Date:
    """A day that must be there."""
    last = Range(max=LAST_DAY, error=f"must not come after {LAST_DAY}.")
    return Day(required=True, validate=last, error_messages={**MISSING, "invalid": "must be a date such as 2027-06-30."})


def _says_something(text: str) -> None:
    if not text.strip():
        raise ValidationError("must not be empty.")


def sent_as(shape: Schema) -> dict[str, Any]:
    """What was sent, as its shape has it.

    :raises Refused: it is no object, or some of it cannot be used; every problem of it at once.
    """
    body = sent_json()
    if not isinstance(body, dict):
        raise Refused(f"Send a JSON object with {', '.join(shape.fields)}.")
    try:
        return dict(shape.load(body))
    except ValidationError as error:
        raise Refused("Some of what was sent cannot be used; nothing was changed.", problems_of(error)) from error


def past_day(given: str, now: date) -> date:
    """A day as at which something is asked for.

    :raises ValueError: it is none, or has not come yet; the message says what would be right.
    """
    day = read_day(given)
    if day > now:
        raise ValueError(f"must not come after today, {now}: what will be known then is not known yet.")
    return day


def problems_of(error: ValidationError) -> dict[str, str]:
    """What marshmallow found wrong, in a sentence for each field, by its JSON pointer."""
    return {pointed(str(name)): " ".join(map(str, said)) for name, said in field_errors(error).items()}
