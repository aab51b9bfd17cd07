"""HTTP shapes of deadlines: what is shown of each, and what people send in."""

from marshmallow import Schema, fields

from shared.event_data import LONGEST_TEXT
from shared.requests import Request, day_field, text_field


class PlacementSchema(Schema):
    """A placement as it was last heard of."""

    placement_id = fields.String()
    trainee_id = fields.String()
    host = fields.String()
    host_name = fields.String()
    site = fields.String()
    site_name = fields.String()
    lead_employer = fields.String()
    specialty = fields.String()
    grade = fields.String()
    whole_time_equivalent = fields.Decimal(as_string=True)
    placement_type = fields.String()
    start_date = fields.Date()
    end_date = fields.Date()
    heard_at = fields.DateTime()
    withdrawn = fields.String(allow_none=True)


class DeadlineSchema(Schema):
    """One duty of one placement in one revision."""

    deadline_id = fields.String()
    placement_id = fields.String()
    revision = fields.Integer()
    duty = fields.String()
    owner = fields.String()
    recipient = fields.String()
    host = fields.String()
    lead_employer = fields.String()
    start_date = fields.Date()
    due = fields.Date()
    set_on = fields.Date()
    state = fields.String()
    issued_on = fields.Date(allow_none=True)
    days_late = fields.Integer()
    days_of_notice = fields.Integer(allow_none=True)
    withdrawn_on = fields.Date(allow_none=True)
    reason = fields.String()
    decision_id = fields.String()


class DocumentSchema(Schema):
    """A document that was issued: when it really went out, who recorded that and when, and whether it was taken back."""

    document_id = fields.String()
    kind = fields.String()
    issued_to = fields.String()
    issued_by = fields.String()
    issued_on = fields.Date()
    host = fields.String()
    recorded_by = fields.String()
    recorded_at = fields.DateTime()
    heard_at = fields.DateTime()
    withdrawn_at = fields.DateTime(allow_none=True)
    withdrawn_by = fields.String()
    withdrawn_because = fields.String()


class EvidenceSchema(Schema):
    """The document that met a deadline."""

    document_id = fields.String()
    issued_by = fields.String()
    issued_on = fields.Date()
    recorded_by = fields.String()
    recorded_at = fields.DateTime()
    heard_at = fields.DateTime()


class WaiverSchema(Schema):
    """A waiver of a deadline, and how it ended if that was before its time."""

    waived_by = fields.String()
    reason = fields.String()
    until = fields.Date()
    given_at = fields.DateTime()
    ended_at = fields.DateTime(allow_none=True)
    ended_by = fields.String()
    ended_because = fields.String()


# ---- what people send in -------------------------------------------------------------------------------------------


class _Reasoned(Request):
    """Something that a person does, with who and why."""

    reason = text_field(LONGEST_TEXT)


class WaiverRequest(_Reasoned):
    """Let a deadline rest until a day, that day included."""

    waived_by = text_field()
    until = day_field()


class WaiverEndRequest(_Reasoned):
    """End a waiver before its time."""

    ended_by = text_field()


class DocumentWithdrawalRequest(_Reasoned):
    """Take back a document that was recorded by mistake."""

    withdrawn_by = text_field()
