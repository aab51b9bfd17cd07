"""HTTP shapes of deadlines."""

from marshmallow import Schema, fields


class PlacementSchema(Schema):
    """A placement as it was last heard of."""

    placement_id = fields.String()
    trainee_id = fields.String()
    host = fields.String()
    host_name = fields.String()
    site = fields.String()
    lead_employer = fields.String()
    specialty = fields.String()
    grade = fields.String()
    whole_time_equivalent = fields.Decimal(as_string=True)
    placement_type = fields.String()
    start_date = fields.Date()
    end_date = fields.Date()
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
    state = fields.String()
    issued_on = fields.Date(allow_none=True)
    days_late = fields.Integer()
    reason = fields.String()
    decision_id = fields.String()


class DocumentSchema(Schema):
    """A document that was issued."""

    document_id = fields.String()
    kind = fields.String()
    issued_to = fields.String()
    issued_by = fields.String()
    issued_on = fields.Date()
    host = fields.String()
