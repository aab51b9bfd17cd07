"""Columns that a later migration adds to a table that may hold rows already."""

from typing import Any

import sqlalchemy as sa
from alembic import op


def add_filled(table: str, **columns: tuple[Any, Any]) -> None:
    """Add columns that are never null: each with its type and the value of the rows that are there. No default stays behind."""
    for name, (type_, _) in columns.items():
        op.add_column(table, sa.Column(name, type_))
    rows = sa.table(table, *(sa.column(name, type_) for name, (type_, _) in columns.items()))
    op.execute(rows.update().values({name: value for name, (_, value) in columns.items()}))
    with op.batch_alter_table(table) as altered:
        for name, (type_, _) in columns.items():
            altered.alter_column(name, existing_type=type_, nullable=False)
