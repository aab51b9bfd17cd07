"""Contracts with their milestones; meetings and reports of bodies."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    _contracts()
    _bodies()


def _contracts() -> None:
    op.create_table(
        "contracts",
        sa.Column("contract_id", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("lead_employer", sa.String, nullable=False),
        sa.Column("service_start", sa.Date, nullable=False),
        sa.Column("ends_on", sa.Date, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("needs", sa.JSON, nullable=False),
        sa.Column("decision_ids", sa.JSON, nullable=False),
        sa.Column("heard_at", sa.DateTime, nullable=False),
        sa.Column("replaced_on", sa.Date),
    )
    op.create_index("ix_contracts_lead_employer", "contracts", ["lead_employer"])
    op.create_table(
        "milestones",
        sa.Column("milestone_id", sa.String, primary_key=True),
        sa.Column("regarding", sa.String, nullable=False),
        sa.Column("body_id", sa.String, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("lead_employer", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("what", sa.String, nullable=False),
        sa.Column("opens_on", sa.Date),
        sa.Column("due", sa.Date, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
        sa.Column("decision_id", sa.String, nullable=False),
        sa.Column("set_on", sa.Date, nullable=False),
        sa.Column("next_on", sa.Date),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("met_on", sa.Date),
        sa.Column("recorded_by", sa.String, nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("withdrawn_on", sa.Date),
        sa.Column("reason", sa.String, nullable=False),
    )
    for column in ("regarding", "body_id", "lead_employer", "next_on"):
        op.create_index(f"ix_milestones_{column}", "milestones", [column])


def _bodies() -> None:
    op.create_table(
        "meetings",
        sa.Column("meeting_id", sa.String, primary_key=True),
        sa.Column("body", sa.String, nullable=False),
        sa.Column("lead_employer", sa.String, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("held_on", sa.Date, nullable=False),
        sa.Column("north_west_terms", sa.Boolean),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("decision_id", sa.String, nullable=False),
    )
    op.create_table(
        "reports",
        sa.Column("report_id", sa.String, primary_key=True),
        sa.Column("body", sa.String, nullable=False),
        sa.Column("lead_employer", sa.String, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("issued_on", sa.Date, nullable=False),
    )
    op.create_table(
        "bodies",
        sa.Column("body_id", sa.String, primary_key=True),
        sa.Column("body", sa.String, nullable=False),
        sa.Column("lead_employer", sa.String, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("first_on", sa.Date, nullable=False),
        sa.Column("next_on", sa.Date, nullable=False),
    )
    op.create_index("ix_bodies_next_on", "bodies", ["next_on"])
    op.create_table(
        "body_years",
        sa.Column("year_id", sa.String, primary_key=True),
        sa.Column("body_id", sa.String, nullable=False),
        sa.Column("body", sa.String, nullable=False),
        sa.Column("lead_employer", sa.String, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("year", sa.Integer, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("meetings_held", sa.Integer, nullable=False),
        sa.Column("meetings_quorate", sa.Integer, nullable=False),
        sa.Column("reports_made", sa.Integer, nullable=False),
        sa.Column("owed", sa.JSON, nullable=False),
        sa.Column("checks", sa.JSON, nullable=False),
        sa.Column("needs", sa.JSON, nullable=False),
        sa.Column("owed_decision_id", sa.String, nullable=False),
        sa.Column("checked_decision_id", sa.String, nullable=False),
    )
    op.create_index("ix_body_years_body_id", "body_years", ["body_id"])
    for table in ("meetings", "reports", "bodies", "body_years"):
        op.create_index(f"ix_{table}_lead_employer", table, ["lead_employer"])
