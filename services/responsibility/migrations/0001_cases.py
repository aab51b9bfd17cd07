"""The first tables of responsibility."""

import sqlalchemy as sa
from alembic import op

from shared.migrations.first import create_shared_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_shared_tables()
    op.create_table(
        "cases",
        sa.Column("concern_id", sa.String, primary_key=True),
        sa.Column("doctor_reference", sa.String, nullable=False),
        sa.Column("lead_employer", sa.String, nullable=False),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("case_manager", sa.String, nullable=False),
        sa.Column("decides", sa.String, nullable=False),
        sa.Column("first", sa.JSON, nullable=False),
        sa.Column("told", sa.JSON, nullable=False),
        sa.Column("needs", sa.JSON, nullable=False),
        sa.Column("decision_id", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("heard_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "case_reads",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("concern_id", sa.String, nullable=False),
        sa.Column("read_at", sa.DateTime, nullable=False),
        sa.Column("address", sa.String, nullable=False),
    )
    op.create_index("ix_case_reads_concern_id", "case_reads", ["concern_id"])
