"""Through whom an alert left, and what its provider says of it."""

import sqlalchemy as sa
from alembic import op

from shared.migrations.columns import add_filled

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    for name in ("begun_at", "tried_at", "not_before", "receipt_at", "reviewed_at"):
        op.add_column("alerts", sa.Column(name, sa.DateTime))
    add_filled("alerts", tries=(sa.Integer(), 0), provider=(sa.String(), ""), receipt=(sa.String(), ""), reviewed_by=(sa.String(), ""))
    op.create_table(
        "channels",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("tokens", sa.Float, nullable=False),
        sa.Column("filled_at", sa.DateTime, nullable=False),
        sa.Column("paused_until", sa.DateTime),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
