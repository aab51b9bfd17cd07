"""HTTP shapes of notifications."""

from marshmallow import Schema, fields


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
    sent_at = fields.AwareDateTime(allow_none=True)
    not_before = fields.AwareDateTime(allow_none=True)
    receipt = fields.String()
    receipt_at = fields.AwareDateTime(allow_none=True)
    provider = fields.String()
    bounces = fields.Integer()
    reviewed_by = fields.String()


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
