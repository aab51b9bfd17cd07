"""HTTP shapes of contracts, milestones, meetings and reports."""

from marshmallow import Schema, fields
from marshmallow.validate import Length

from shared.event_data import plain_text
from shared.requests import Request, day_field, text_field


class MilestoneSchema(Schema):
    """What a contract, or a body in a calendar year, owes by a day, in one revision."""

    milestone_id = fields.String()
    regarding = fields.String()
    revision = fields.Integer()
    title = fields.String()
    lead_employer = fields.String()
    host = fields.String()
    rule = fields.String()
    owner = fields.String()
    what = fields.String()
    opens_on = fields.Date(allow_none=True)
    due = fields.Date()
    severity = fields.String()
    state = fields.String()
    detail = fields.String()
    met_on = fields.Date(allow_none=True)
    days_late = fields.Integer()
    recorded_by = fields.String()
    note = fields.String()
    withdrawn_on = fields.Date(allow_none=True)
    reason = fields.String()
    set_on = fields.Date()
    version = fields.Integer()
    decision_id = fields.String()


class ContractSchema(Schema):
    """A contract in one version."""

    contract_id = fields.String()
    version = fields.Integer()
    title = fields.String()
    lead_employer = fields.String()
    service_start = fields.Date()
    ends_on = fields.Date()
    facts = fields.Dict()
    status = fields.String()
    needs = fields.List(fields.Dict())
    decision_ids = fields.Dict()
    heard_at = fields.AwareDateTime()
    replaced_on = fields.Date(allow_none=True)


class MeetingSchema(Schema):
    """A meeting that was held; ``verdict`` is empty until it was decided whether it was quorate."""

    meeting_id = fields.String()
    body = fields.String()
    lead_employer = fields.String()
    host = fields.String()
    held_on = fields.Date()
    verdict = fields.String()
    decision_id = fields.String()


class ReportSchema(Schema):
    """A report that was made."""

    report_id = fields.String()
    body = fields.String()
    lead_employer = fields.String()
    host = fields.String()
    issued_on = fields.Date()


class MetRequest(Request):
    """Somebody records that a milestone was reached."""

    met_on = day_field()
    recorded_by = text_field()
    note = fields.String(load_default="", validate=[Length(max=500), plain_text])
