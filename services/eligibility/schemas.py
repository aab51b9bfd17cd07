"""HTTP shapes of eligibility."""

from marshmallow import Schema, fields


class ProcurementSchema(Schema):
    """A recorded decision on the route of a procurement."""

    procurement_id = fields.String(attribute="subject")
    decision_id = fields.String(attribute="id")
    as_at = fields.Date()
    status = fields.String()
    outcome = fields.Dict(allow_none=True)


class PostMoveSchema(Schema):
    """A recorded decision on the move of a training post."""

    post_id = fields.String(attribute="subject")
    decision_id = fields.String(attribute="id")
    as_at = fields.Date()
    status = fields.String()
    outcome = fields.Dict(allow_none=True)
