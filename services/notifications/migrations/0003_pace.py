"""When an alert leaves: due times, digests and preferences; who has seen it, and who hears if nobody has; who changed a contact."""

import sqlalchemy as sa
from alembic import op

from shared.migrations.columns import add_filled

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    give_alerts_a_pace()
    keep_who_changed_a_contact()
    add_filled("placements", site_name=(sa.String(), ""))
    op.create_table(
        "preferences",
        sa.Column("recipient_id", sa.String, primary_key=True),
        sa.Column("kinds", sa.JSON, nullable=False),
        sa.Column("quiet_from", sa.String),
        sa.Column("quiet_until", sa.String),
        sa.Column("digest_at", sa.String),
        sa.Column("changed_by", sa.String, nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
    )


def give_alerts_a_pace() -> None:
    for name in ("due_at", "first_due_at", "acknowledged_at", "look_at"):
        op.add_column("alerts", sa.Column(name, sa.DateTime))
    op.execute("UPDATE alerts SET due_at = created_at, first_due_at = created_at")
    add_filled(
        "alerts",
        pace=(sa.String(), "immediate"),
        digest=(sa.String(), ""),
        wants_acknowledgement=(sa.Boolean(), False),
        acknowledged_by=(sa.String(), ""),
        escalation=(sa.Text(), ""),
    )
    with op.batch_alter_table("alerts") as alerts:
        alerts.alter_column("due_at", existing_type=sa.DateTime, nullable=False)
        alerts.drop_index("alerts_waiting")
        alerts.create_index("alerts_waiting", ["status", "due_at", "created_at"])
        alerts.create_index("ix_alerts_digest", ["digest"])
        alerts.create_index("ix_alerts_look_at", ["look_at"])


def keep_who_changed_a_contact() -> None:
    op.add_column("recipients", sa.Column("webhook", sa.String))
    op.add_column("recipients", sa.Column("changed_at", sa.DateTime))
    add_filled("recipients", escalates_to=(sa.String(), ""), changed_by=(sa.String(), ""))
