"""Placements as last told, recipients, alerts and the in-app inbox."""

import sqlalchemy as sa
from alembic import op

from shared.migrations.first import create_shared_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_shared_tables()
    create_what_is_known()
    create_alerts()


def create_what_is_known() -> None:
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
        sa.Column("whole_time_equivalent", sa.String, nullable=False),
        sa.Column("start_date", sa.Date, nullable=False),
        sa.Column("end_date", sa.Date, nullable=False),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
    )
    op.create_table(
        "recipients",
        sa.Column("recipient_id", sa.String, primary_key=True),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("organisation", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("email", sa.String),
    )
    op.create_index("recipients_role", "recipients", ["role", "organisation"])


def create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_key", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("regarding", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("organisation", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("template", sa.String, nullable=False),
        sa.Column("values", sa.JSON, nullable=False),
        sa.Column("topic", sa.String, nullable=False),
        sa.Column("content", sa.String, nullable=False),
        sa.Column("telling", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("recipient_id", sa.String, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("token", sa.String),
        sa.Column("leased_until", sa.DateTime),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("sent_at", sa.DateTime),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("ix_alerts_regarding", "alerts", ["regarding"])
    op.create_index("ix_alerts_token", "alerts", ["token"])
    op.create_index("alerts_waiting", "alerts", ["status", "created_at", "telling"])
    op.create_index("alerts_of_recipient", "alerts", ["recipient_id", "created_at"])
    op.create_table(
        "inbox_messages",
        sa.Column("alert_key", sa.String, primary_key=True),
        sa.Column("recipient_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("regarding", sa.String, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("received_at", sa.DateTime, nullable=False),
    )
    op.create_index("inbox_messages_of_recipient", "inbox_messages", ["recipient_id", "received_at"])
