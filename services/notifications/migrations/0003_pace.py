"""When an alert leaves: due times."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("alerts") as alerts:
        alerts.add_column(sa.Column("due_at", sa.DateTime))
    op.execute("UPDATE alerts SET due_at = created_at")
    with op.batch_alter_table("alerts") as alerts:
        alerts.alter_column("due_at", existing_type=sa.DateTime, nullable=False)
        alerts.drop_index("alerts_waiting")
        alerts.create_index("alerts_waiting", ["status", "due_at", "created_at"])
