"""deploy/postgres/init.sh on a real PostgreSQL: every service gets a database of its own, and is kept out of all others."""

import base64
import hashlib
import hmac
import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from tests.databases import Database
from tests.deploy.files import SERVICES
from tests.deploy.processes import INIT, initialised

PASSWORDS = {f"{service.upper()}_DATABASE_PASSWORD": f"it's {service}" for service in SERVICES}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A server on which the script was run; first without one of the passwords."""
    node = Database.start(tmp_path_factory.mktemp("postgres"))
    try:
        lacking = initialised(node, {name: value for name, value in PASSWORDS.items() if not name.startswith("NOTIFICATIONS")})
        assert lacking.returncode != 0
        assert "NOTIFICATIONS_DATABASE_PASSWORD must hold the password of the role notifications" in lacking.stderr
        done = initialised(node, PASSWORDS)
        assert done.returncode == 0, done.stderr  # so the first run, that lacked a password, had created nothing
        yield node
    finally:
        node.power.close()


def connected(server: Database, service: str, database: str) -> "psycopg.Connection[Any]":
    url = make_url(server.url)
    password = PASSWORDS[f"{service.upper()}_DATABASE_PASSWORD"]
    return psycopg.connect(host=url.host, port=url.port or 5432, user=service, password=password, dbname=database)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_owns_its_database_and_may_make_what_it_needs_there(server: Database, service: str) -> None:
    with connected(server, service, service) as connection:
        owner = connection.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()").fetchone()
        assert owner == (service,)
        connection.execute("CREATE TABLE made (id bigint)")
        connection.execute("DROP TABLE made")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_cannot_connect_to_any_other_database(server: Database, service: str) -> None:
    with connected(server, service, service) as connection:
        databases = [name for (name,) in connection.execute("SELECT datname FROM pg_database WHERE datallowconn")]
    assert {*SERVICES, "postgres", "template1"} <= set(databases)
    for database in databases:
        if database != service:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                connected(server, service, database).close()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_right_beyond_its_database(server: Database, service: str) -> None:
    with connected(server, service, service) as connection:
        found = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert found == (False, False, False, False, False)


def test_every_role_has_the_password_of_its_variable(server: Database) -> None:
    with psycopg.connect(make_url(server.url).set(drivername="postgresql").render_as_string(hide_password=False)) as connection:
        kept: dict[str, str] = dict(
            connection.execute("SELECT rolname, rolpassword FROM pg_authid WHERE rolname = ANY(%s)", [SERVICES]).fetchall()
        )
    assert kept.keys() == set(SERVICES)
    for service, verifier in kept.items():
        assert is_password(PASSWORDS[f"{service.upper()}_DATABASE_PASSWORD"], verifier), service


def is_password(password: str, verifier: str) -> bool:
    """Whether ``SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`` is kept of this password (RFC 5802, section 3)."""
    _, rounds, keys = verifier.split("$")
    iterations, salt = rounds.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return base64.b64encode(stored).decode() == keys.split(":")[0]


def test_the_script_says_when_it_has_been_run_before_and_changes_nothing(server: Database) -> None:
    again = initialised(server, PASSWORDS | {"ELIGIBILITY_DATABASE_PASSWORD": "another"})
    assert again.returncode != 0
    assert 'role "eligibility" already exists' in again.stderr
    connected(server, "eligibility", "eligibility").close()


def test_the_image_runs_the_script_instead_of_reading_it_into_its_own_shell() -> None:
    assert os.access(INIT, os.X_OK)
