"""The first tables of deadlines."""

import sqlalchemy as sa
from alembic import op

from shared.migrations.first import create_shared_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_shared_tables()
    op.create_table(
        "placements",
        sa.Column("placement_id", sa.String, primary_key=True),
        sa.Column("trainee_id", sa.String, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("host_name", sa.String, nullable=False),
        sa.Column("site", sa.String, nullable=False),
        sa.Column("lead_employer", sa.String, nullable=False),
        sa.Column("specialty", sa.String, nullable=False),
        sa.Column("grade", sa.String, nullable=False),
        sa.Column("whole_time_equivalent", sa.Numeric(4, 3), nullable=False),
        sa.Column("placement_type", sa.String, nullable=False),
        sa.Column("start_date", sa.Date, nullable=False),
        sa.Column("end_date", sa.Date, nullable=False),
        sa.Column("heard_at", sa.DateTime, nullable=False),
        sa.Column("withdrawn", sa.String),
        sa.Column("doctor_since", sa.Date),
    )
    op.create_index("ix_placements_host", "placements", ["host"])
    op.create_index("ix_placements_start_date", "placements", ["start_date"])
    op.create_table(
        "deadlines",
        sa.Column("deadline_id", sa.String, primary_key=True),
        sa.Column("placement_id", sa.String, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("duty", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("recipient", sa.String, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("host_name", sa.String, nullable=False),
        sa.Column("lead_employer", sa.String, nullable=False),
        sa.Column("trainee_id", sa.String, nullable=False),
        sa.Column("start_date", sa.Date, nullable=False),
        sa.Column("due", sa.Date, nullable=False),
        sa.Column("caused_by", sa.String, nullable=False),
        sa.Column("decision_id", sa.String, nullable=False),
        sa.Column("set_on", sa.Date, nullable=False),
        sa.Column("next_on", sa.Date),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("issued_on", sa.Date),
        sa.Column("withdrawn_on", sa.Date),
        sa.Column("reason", sa.String, nullable=False),
    )
    op.create_index("ix_deadlines_placement_id", "deadlines", ["placement_id"])
    op.create_index("ix_deadlines_next_on", "deadlines", ["next_on"])
    op.create_table(
        "documents",
        sa.Column("placement_id", sa.String, primary_key=True),
        sa.Column("document_id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("issued_to", sa.String, nullable=False),
        sa.Column("issued_by", sa.String, nullable=False),
        sa.Column("issued_on", sa.Date, nullable=False),
        sa.Column("host", sa.String, nullable=False),
    )
    op.create_table(
        "alert_receipts",
        sa.Column("alert_key", sa.String, primary_key=True),
        sa.Column("regarding", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("recipient_id", sa.String, nullable=False),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
    )
    op.create_index("ix_alert_receipts_regarding", "alert_receipts", ["regarding"])
