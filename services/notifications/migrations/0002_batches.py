"""The outbox by batches, and an audit of the quarantine."""

from shared.migrations.second import improve_shared_tables

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    improve_shared_tables()
