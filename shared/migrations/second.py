"""What every service's second migration does: the outbox by batches, and an audit of the quarantine. Frozen."""

import sqlalchemy as sa
from alembic import op

IDENTITY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def improve_shared_tables() -> None:
    """What was said before becomes one batch, to be published again: the inboxes know what they have heard of it."""
    op.rename_table("outbox", "outbox_before")
    op.create_table(
        "outbox_batches",
        sa.Column("batch", IDENTITY, primary_key=True),
        sa.Column("said_at", sa.DateTime, nullable=False),
        sa.Column("lease_token", sa.String),
        sa.Column("leased_until", sa.DateTime),
        sa.Column("attempts", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "outbox",
        sa.Column("batch", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("said_at", sa.DateTime, nullable=False),
        sa.Column("correlation_id", sa.String, nullable=False),
        sa.Column("stored_at", sa.DateTime, nullable=False),
    )
    op.execute(
        "INSERT INTO outbox_batches (said_at, attempts) "
        "SELECT (SELECT max(said_at) FROM outbox_before), 0 WHERE EXISTS (SELECT 1 FROM outbox_before)"
    )
    op.execute(
        "INSERT INTO outbox (batch, number, key, type, subject, body, said_at, correlation_id, stored_at) "
        "SELECT (SELECT max(batch) FROM outbox_batches), row_number() OVER (ORDER BY position), "
        "key, type, subject, body, said_at, '', said_at FROM outbox_before"
    )
    op.drop_table("outbox_before")
    op.create_table(
        "quarantine_audit",
        sa.Column("id", IDENTITY, primary_key=True),
        sa.Column("done_at", sa.DateTime, nullable=False),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("done_by", sa.String, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("key", sa.String, nullable=False),
    )
    op.create_index("ix_quarantine_audit_fingerprint", "quarantine_audit", ["fingerprint"])
