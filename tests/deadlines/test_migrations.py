"""A database of before evidence was kept is brought along: nothing of it is lost, and it can be read as at past days."""

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import Engine, text

from services.deadlines.app import SERVICE, create_app
from shared.database import HOUSE, open_database
from tests.helpers import Clock, a_worker

PLACEMENT = """INSERT INTO placements VALUES
('p1', 't1', 'RXN', 'A host', 'RXN02', 'RBN', 'Cardiology', 'ST3', 1, 'in-post', '2027-08-04', '2028-02-01',
 '2027-05-01 09:00:00', NULL, NULL)"""
DOCUMENT = "INSERT INTO documents VALUES ('p1', 'd1', 'contract', 'trainee', 'RBN', '2027-05-03', 'RXN')"
DEADLINE = """INSERT INTO deadlines VALUES
('p1/contract-to-trainee/1', 'p1', 1, 'contract-to-trainee', 'contract', 'lead-employer', 'trainee', 'RXN', 'A host', 'RBN', 't1',
 '2027-08-04', '2027-06-09', 'none', 'd', '2027-05-01', NULL, 'met', 2, '2027-05-03', NULL, '')"""


def upgrade(engine: Engine, revision: str) -> None:
    config = AlembicConfig()
    config.set_main_option("script_location", (HOUSE / "shared" / "migrations").as_posix())
    config.set_main_option("version_locations", (HOUSE / "services" / "deadlines" / "migrations").as_posix())
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_documents_of_before_count_as_recorded_on_the_day_of_issue_by_nobody_known(tmp_path: Path, clock: Clock) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/deadlines.db")
    upgrade(engine, "0002")
    with engine.begin() as connection:
        for statement in (PLACEMENT, DOCUMENT, DEADLINE):
            connection.execute(text(statement))
    engine.dispose()
    client = create_app(a_worker(SERVICE, tmp_path, clock)).test_client()
    shown = client.get("/deadlines/placements/p1").get_json()
    [deadline] = shown["deadlines"]
    assert (deadline["state"], deadline["evidence"]["document_id"], deadline["evidence"]["recorded_by"]) == ("met", "d1", "")
    then = client.get("/deadlines/placements/p1?as_at=2027-05-02").get_json()
    assert [deadline["state"] for deadline in then["deadlines"]] == ["set"]
