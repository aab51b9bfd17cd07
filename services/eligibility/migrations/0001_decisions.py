"""The first tables of eligibility: those that every service has."""

from shared.migrations.first import create_shared_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_shared_tables()
