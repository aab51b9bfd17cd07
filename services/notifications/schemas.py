"""HTTP shapes of notifications."""

import typing

from marshmallow import Schema, fields
from marshmallow.validate import OneOf, Regexp

from services.notifications.models import Choice
from shared.requests import MISSING, Request, text_field

A_TIME = Regexp("([01][0-9]|2[0-3]):[0-5][0-9]\\Z", error="must be a time of day such as 20:00.")


class AlertSchema(Schema):
    """One message to one party on one channel."""

    alert_key = fields.String()
    kind = fields.String()
    regarding = fields.String()
    role = fields.String()
    organisation = fields.String()
    purpose = fields.String()
    recipient_id = fields.String()
    channel = fields.String()
    status = fields.String()
    reason = fields.String()
    attempts = fields.Integer()
    created_at = fields.AwareDateTime()
    first_due_at = fields.AwareDateTime(allow_none=True)
    due_at = fields.AwareDateTime()
    pace = fields.String()
    digest = fields.String()
    sent_at = fields.AwareDateTime(allow_none=True)
    not_before = fields.AwareDateTime(allow_none=True)
    receipt = fields.String()
    receipt_at = fields.AwareDateTime(allow_none=True)
    provider = fields.String()
    reviewed_by = fields.String()
    wants_acknowledgement = fields.Boolean()
    acknowledged_at = fields.AwareDateTime(allow_none=True)
    acknowledged_by = fields.String()
    look_at = fields.AwareDateTime(allow_none=True)
    escalation = fields.String()


class SentAlertSchema(AlertSchema):
    """An alert with its message as it went out."""

    address = fields.String()
    template = fields.String()
    subject = fields.String()
    text = fields.String()


class ChannelSchema(Schema):
    """Until when a channel is left alone, and why."""

    name = fields.String()
    paused_until = fields.AwareDateTime(allow_none=True)
    failures = fields.Integer()
    reason = fields.String()


class InboxMessageSchema(Schema):
    """A message in the in-app inbox."""

    alert_key = fields.String()
    recipient_id = fields.String()
    kind = fields.String()
    regarding = fields.String()
    subject = fields.String()
    text = fields.String()
    received_at = fields.AwareDateTime()


class RecipientSchema(Schema):
    """How a person, or an organisation's contact for one purpose, is reached."""

    recipient_id = fields.String()
    role = fields.String()
    organisation = fields.String()
    purpose = fields.String()
    name = fields.String()
    email = fields.String(allow_none=True)
    webhook = fields.String(allow_none=True)
    escalates_to = fields.String()
    changed_by = fields.String()
    changed_at = fields.AwareDateTime(allow_none=True)


class AcknowledgementSchema(Request):
    """Who has seen an alert."""

    by = text_field()


class ReviewSchema(Request):
    """What a person found out of an alert: whether it has left."""

    sent = fields.Boolean(
        required=True,
        truthy={True},
        falsy={False},
        error_messages={**MISSING, "invalid": "must be true (it has left) or false (it has not, and goes out again)."},
    )
    by = text_field()


class ChosenSchema(Request):
    """What somebody chooses: a pace for some kinds of alert, and times of day."""

    error_messages = {"unknown": "is not taken here; there are kinds, quiet_from, quiet_until, digest_at and by."}  # noqa: RUF012
    kinds = fields.Dict(keys=fields.String(), values=fields.String(validate=OneOf(typing.get_args(Choice))), load_default=dict)
    quiet_from = fields.String(allow_none=True, load_default=None, validate=A_TIME)
    quiet_until = fields.String(allow_none=True, load_default=None, validate=A_TIME)
    digest_at = fields.String(allow_none=True, load_default=None, validate=A_TIME)
    by = text_field()
