"""The tables that every service's first migration makes: outbox, inbox, quarantine, decisions. Frozen: later changes get their own."""

import sqlalchemy as sa
from alembic import op


def create_shared_tables() -> None:
    """Create the shared tables as they were at the first migration."""
    op.create_table(
        "outbox",
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("said_at", sa.DateTime, nullable=False),
        sa.Column("lease_token", sa.String),
        sa.Column("leased_until", sa.DateTime),
        sa.Column("published_at", sa.DateTime),
        sa.Column("attempts", sa.Integer, nullable=False),
    )
    op.create_index("ix_outbox_subject", "outbox", ["subject"])
    op.create_index("ix_outbox_lease_token", "outbox", ["lease_token"])
    op.create_index("outbox_unpublished", "outbox", ["published_at", "position"])
    op.create_table(
        "inbox",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("heard_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "inbox_marks",
        sa.Column("stream", sa.String, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("said_at", sa.DateTime, nullable=False),
        sa.Column("key", sa.String, nullable=False),
    )
    op.create_table(
        "quarantine",
        sa.Column("fingerprint", sa.String, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("first_at", sa.DateTime, nullable=False),
        sa.Column("last_at", sa.DateTime, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
    )
    op.create_table(
        "editions",
        sa.Column("edition", sa.String, primary_key=True),
        sa.Column("policy", sa.String, nullable=False),
        sa.Column("canonical", sa.Text, nullable=False),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("policy", sa.String, nullable=False),
        sa.Column("edition", sa.String, nullable=False),
        sa.Column("as_at", sa.Date, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("made_at", sa.DateTime, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ix_decisions_subject", "decisions", ["subject"])
    op.create_table(
        "idempotency",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("request", sa.String, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("location", sa.String, nullable=False),
        sa.Column("made_at", sa.DateTime, nullable=False),
    )
