"""Through whom an alert left, and what its provider says of it."""

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    pass
