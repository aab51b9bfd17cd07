"""The tables of the peers and the floor: those of the product without their secondary indexes, so that one look counts them all.

What is not published yet stands in ``outbox_batches``, as in the product: a mark deletes one row there and touches no message.
"""

from typing import Any

import sqlalchemy as sa

METADATA = sa.MetaData()


def _table(name: str, primary: str, /, **columns: type[sa.types.TypeEngine[Any]]) -> sa.Table:
    return sa.Table(
        name, METADATA, *(sa.Column(column, type_, primary_key=column == primary, nullable=False) for column, type_ in columns.items())
    )


INBOX = _table("inbox", "key", key=sa.Text)
PLACEMENTS = _table(
    "placements", "placement_id",
    placement_id=sa.Text, trainee_id=sa.Text, host=sa.Text, host_name=sa.Text, site=sa.Text, lead_employer=sa.Text, specialty=sa.Text,
    grade=sa.Text, whole_time_equivalent=sa.Numeric, placement_type=sa.Text, start_date=sa.Date, end_date=sa.Date,
    said_at=sa.TIMESTAMP, sequence=sa.BigInteger,
)  # fmt: skip
DEADLINES = _table(
    "deadlines", "deadline_id",
    deadline_id=sa.Text, placement_id=sa.Text, rule=sa.Text, duty=sa.Text, owner=sa.Text, recipient=sa.Text, host=sa.Text,
    host_name=sa.Text, lead_employer=sa.Text, trainee_id=sa.Text, start_date=sa.Date, due=sa.Date, caused_by=sa.Text,
    decision_id=sa.Text, set_on=sa.Date, next_on=sa.Date, state=sa.Text,
)  # fmt: skip
OUTBOX = _table("outbox", "key", key=sa.Text, batch=sa.Text, type=sa.Text, body=sa.Text)
OUTBOX_BATCHES = _table("outbox_batches", "batch", batch=sa.Text)
