"""When an alert leaves: due times, digests and preferences; who has seen it, and who hears if nobody has; who changed a contact."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    give_alerts_a_pace()
    keep_who_changed_a_contact()
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
    with op.batch_alter_table("alerts") as alerts:
        alerts.add_column(sa.Column("due_at", sa.DateTime))
        alerts.add_column(sa.Column("first_due_at", sa.DateTime))
        alerts.add_column(sa.Column("pace", sa.String, nullable=False, server_default="immediate"))
        alerts.add_column(sa.Column("digest", sa.String, nullable=False, server_default=""))
        alerts.add_column(sa.Column("wants_acknowledgement", sa.Boolean, nullable=False, server_default=sa.false()))
        alerts.add_column(sa.Column("acknowledged_at", sa.DateTime))
        alerts.add_column(sa.Column("acknowledged_by", sa.String, nullable=False, server_default=""))
        alerts.add_column(sa.Column("look_at", sa.DateTime))
        alerts.add_column(sa.Column("escalation", sa.Text, nullable=False, server_default=""))
    op.execute("UPDATE alerts SET due_at = created_at, first_due_at = created_at")
    with op.batch_alter_table("alerts") as alerts:
        alerts.alter_column("due_at", existing_type=sa.DateTime, nullable=False)
        alerts.drop_index("alerts_waiting")
        alerts.create_index("alerts_waiting", ["status", "due_at", "created_at"])
        alerts.create_index("ix_alerts_digest", ["digest"])
        alerts.create_index("ix_alerts_look_at", ["look_at"])


def keep_who_changed_a_contact() -> None:
    with op.batch_alter_table("recipients") as recipients:
        recipients.add_column(sa.Column("webhook", sa.String))
        recipients.add_column(sa.Column("escalates_to", sa.String, nullable=False, server_default=""))
        recipients.add_column(sa.Column("changed_by", sa.String, nullable=False, server_default=""))
        recipients.add_column(sa.Column("changed_at", sa.DateTime))
