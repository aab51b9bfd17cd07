"""Meetings and whether they were quorate."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "meetings",
        sa.Column("meeting_id", sa.String, primary_key=True),
        sa.Column("body", sa.String, nullable=False),
        sa.Column("lead_employer", sa.String, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("held_on", sa.Date, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("outcome", sa.JSON, nullable=False),
        sa.Column("needs", sa.JSON, nullable=False),
        sa.Column("decision_id", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("heard_at", sa.DateTime, nullable=False),
    )
    op.create_index("ix_meetings_body", "meetings", ["body"])
    op.create_index("ix_meetings_held_on", "meetings", ["held_on"])
