"""HTTP shapes of responsibility."""

from marshmallow import Schema, fields


class CaseSchema(Schema):
    """A concern and who owns it."""

    concern_id = fields.String()
    doctor_reference = fields.String()
    lead_employer = fields.String()
    host = fields.String()
    facts = fields.Dict()
    status = fields.String()
    owner = fields.String()
    case_manager = fields.String()
    decides = fields.String()
    first = fields.List(fields.Dict())
    told = fields.List(fields.Dict())
    needs = fields.List(fields.Dict())
    decision_id = fields.String()
    version = fields.Integer()


class MeetingSchema(Schema):
    """A meeting and whether it was quorate."""

    meeting_id = fields.String()
    body = fields.String()
    lead_employer = fields.String()
    host = fields.String()
    held_on = fields.Date()
    facts = fields.Dict()
    verdict = fields.String()
    outcome = fields.Dict()
    needs = fields.List(fields.Dict())
    decision_id = fields.String()
    version = fields.Integer()
