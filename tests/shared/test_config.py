"""Settings: read once, all wrong ones named at once, safe as they come."""

from datetime import date
from pathlib import Path

import pytest

from shared import config
from shared.config import Config, read_config
from shared.errors import InvalidSettings


def refused(**settings: str) -> dict[str, str]:
    """The problems of these settings, by name."""
    with pytest.raises(InvalidSettings) as caught:
        read_config({f"TRIPARTITE_{name.upper()}": value for name, value in settings.items()})
    return caught.value.problems


def test_without_settings_everything_is_embedded_and_on_this_machine_only() -> None:
    found = read_config({})
    assert found == Config()
    assert (found.host, found.port, found.bus_url, found.today, found.embedded) == ("127.0.0.1", 8000, "memory://", None, True)
    assert found.database_of("deadlines") == "sqlite:///data/deadlines.db"


def test_every_setting_is_read() -> None:
    found = read_config(
        {
            "TRIPARTITE_DATA": "/srv/data",
            "TRIPARTITE_DATABASE_URL": "sqlite:////srv/{service}/x.db",
            "TRIPARTITE_BUS_URL": "memory://",
            "TRIPARTITE_HOST": "::1",
            "TRIPARTITE_PORT": "8080",
            "TRIPARTITE_TODAY": "2027-05-05",
            "TRIPARTITE_BATCH": "1000",
            "TRIPARTITE_LEASE_SECONDS": "1",
            "TRIPARTITE_RETENTION_DAYS": "7",
            "PATH": "/bin",
        }
    )
    assert (found.data, found.host, found.port, found.today) == (Path("/srv/data"), "::1", 8080, date(2027, 5, 5))
    assert (found.batch, found.lease_seconds, found.retention_days) == (1000, 1, 7)
    assert found.database_of("deadlines") == "sqlite:////srv/deadlines/x.db"


def test_every_service_has_a_database_of_its_own_in_the_folder_of_the_data() -> None:
    assert read_config({"TRIPARTITE_DATA": "/srv"}).database_of("eligibility") == "sqlite:////srv/eligibility.db"


def test_all_wrong_settings_are_named_at_once() -> None:
    problems = refused(port="0", today="soon", host="0.0.0.0", bus_url="kafka://broker", database_url="mysql://x", batch="many", prt="80")
    assert set(problems) == {f"TRIPARTITE_{name}" for name in ("PORT", "TODAY", "HOST", "BUS_URL", "DATABASE_URL", "BATCH", "PRT")}
    with pytest.raises(InvalidSettings, match=r"(?s)shared/config\.py.*TRIPARTITE_PORT: must be a whole number from 1 to 65535, not '0'"):
        read_config({"TRIPARTITE_PORT": "0"})


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("port", "65536", "from 1 to 65535"),
        ("port", "-1", "from 1 to 65535"),
        ("port", "80.5", "whole number"),
        ("port", "", "whole number"),
        ("batch", "0", "from 1 to 1000"),
        ("batch", "1001", "from 1 to 1000"),
        ("lease_seconds", "0", "from 1 to 3600"),
        ("lease_seconds", "3601", "from 1 to 3600"),
        ("retention_days", "6", "from 7 to 36500"),
        ("today", "05/05/2027", "a day from 2015 to 2098 such as 2027-05-05, not '05/05/2027'"),
        ("today", "2027-02-29", "a day from 2015 to 2098 such as 2027-05-05"),
        ("today", "2014-12-31", "a day from 2015 to 2098"),
        ("today", "2099-01-01", "a day from 2015 to 2098"),
        ("bus_url", "kafka://broker", "must begin with memory:// or amqp:// or amqps://, not 'kafka'"),
        ("database_url", "mysql://x/{service}", "must begin with sqlite:/// or postgresql:// or postgresql+psycopg://, not 'mysql'"),
        ("database_url", "sqlite:////srv/one.db", "must hold {service}, because each service owns its database"),
        ("unheard_of", "1", "there is no such setting"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_with_what_would_be_right(setting: str, value: str, words: str) -> None:
    problems = refused(**{setting: value})
    assert list(problems) == [f"TRIPARTITE_{setting.upper()}"]
    assert words in problems[f"TRIPARTITE_{setting.upper()}"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_served(host: str) -> None:
    assert read_config({"TRIPARTITE_HOST": host}).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "192.168.1.2", "8.8.8.8", "example.org", ""])
def test_anything_but_loopback_is_refused(host: str) -> None:
    assert "TRIPARTITE_HOST" in refused(host=host)


def test_what_is_given_on_the_command_line_wins_and_what_is_not_given_does_not() -> None:
    assert read_config({"TRIPARTITE_PORT": "8080"}, port=9000).port == 9000
    assert read_config({"TRIPARTITE_PORT": "8080"}, port=None).port == 8080


def test_what_tests_set_is_no_mistake() -> None:
    assert read_config({"TRIPARTITE_TEST_AMQP_URL": "amqp://x", "TRIPARTITE_CRASHPOINT": "relay.published.unmarked"}) == Config()


def test_the_table_of_settings_names_every_setting_and_no_other() -> None:
    named = {line.split()[0] for line in str(config.__doc__).splitlines() if line.startswith("TRIPARTITE_")}
    assert named == {f"TRIPARTITE_{name.upper()}" for name in Config.__dataclass_fields__}
