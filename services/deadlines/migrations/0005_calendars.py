"""Who may read which calendar, and what a calendar needs: how often a placement changed, and feeds found without a search."""

import sqlalchemy as sa
from alembic import op

from shared.migrations.columns import add_filled

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "calendars",
        sa.Column("calendar_id", sa.String, primary_key=True),
        sa.Column("token_hash", sa.String, nullable=False, unique=True),
        sa.Column("host", sa.String),
        sa.Column("person", sa.String),
        sa.Column("made_at", sa.DateTime, nullable=False),
        sa.Column("last_read_at", sa.DateTime),
        sa.Column("revoked_at", sa.DateTime),
    )
    add_filled("placements", changes=(sa.Integer(), 0))
    op.create_index("ix_placements_trainee_id", "placements", ["trainee_id"])
    op.create_index("ix_placement_versions_host", "placement_versions", ["host"])
    op.create_index("ix_placement_versions_trainee_id", "placement_versions", ["trainee_id"])
