"""Evidence: who recorded a document and when; waivers; placements as they were."""

import sqlalchemy as sa
from alembic import op

from shared.migrations.columns import add_filled

revision = "0003"
down_revision = "0002"
FILLED = ("recorded_by", "recorded_at", "heard_at", "withdrawn_by", "withdrawn_because")


def upgrade() -> None:
    op.add_column("placements", sa.Column("site_since", sa.Date))
    add_filled("placements", site_name=(sa.String(), ""))
    op.create_table(
        "placement_versions",
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
        sa.Column("heard_at", sa.DateTime, primary_key=True),
        sa.Column("withdrawn", sa.String),
        sa.Column("doctor_since", sa.Date),
        sa.Column("site_since", sa.Date),
        sa.Column("site_name", sa.String, nullable=False),
        sa.Column("replaced_at", sa.DateTime, nullable=False),
    )
    _documents()
    op.create_table(
        "waivers",
        sa.Column("waiver_id", sa.String, primary_key=True),
        sa.Column("deadline_id", sa.String, nullable=False),
        sa.Column("placement_id", sa.String, nullable=False),
        sa.Column("waived_by", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("until", sa.Date, nullable=False),
        sa.Column("given_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
        sa.Column("ended_by", sa.String, nullable=False),
        sa.Column("ended_because", sa.String, nullable=False),
    )
    op.create_index("ix_waivers_placement_id", "waivers", ["placement_id"])
    op.drop_index("ix_deadlines_next_on", "deadlines")
    waits = sa.text("next_on IS NOT NULL")
    op.create_index("ix_deadlines_next_on", "deadlines", ["next_on"], postgresql_where=waits, sqlite_where=waits)


def _documents() -> None:
    """Of documents that are there already nobody knows who recorded them; they count as recorded on the day of issue."""
    for column in (
        sa.Column("recorded_by", sa.String),
        sa.Column("recorded_at", sa.DateTime),
        sa.Column("heard_at", sa.DateTime),
        sa.Column("withdrawn_at", sa.DateTime),
        sa.Column("withdrawn_by", sa.String),
        sa.Column("withdrawn_because", sa.String),
    ):
        op.add_column("documents", column)
    op.execute(
        "UPDATE documents SET recorded_by = '', recorded_at = issued_on, heard_at = issued_on, withdrawn_by = '', withdrawn_because = ''"
    )
    with op.batch_alter_table("documents") as documents:
        for name in FILLED:
            documents.alter_column(name, existing_type=sa.DateTime() if name.endswith("_at") else sa.String(), nullable=False)
