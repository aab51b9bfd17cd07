"""Through whom an alert left, and what its provider says of it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("recipients", sa.Column("webhook", sa.String))
    op.add_column("recipients", sa.Column("escalates_to", sa.String, nullable=False, server_default=""))
    for name in ("begun_at", "tried_at", "not_before", "receipt_at", "reviewed_at"):
        op.add_column("alerts", sa.Column(name, sa.DateTime))
    for name in ("tries", "bounces"):
        op.add_column("alerts", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    for name in ("provider", "receipt", "reviewed_by"):
        op.add_column("alerts", sa.Column(name, sa.String, nullable=False, server_default=""))
    op.create_table(
        "channels",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("tokens", sa.Float, nullable=False),
        sa.Column("filled_at", sa.DateTime, nullable=False),
        sa.Column("paused_until", sa.DateTime),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
