"""docker-compose.yml says of every service what it has to, and names nothing that is not there. Read with PyYAML; no engine is asked."""

import re
from pathlib import Path

import pytest

import shared.config
from deploy.rabbitmq.definitions import password_of
from tests.deploy.files import SERVICES, compose, dockerfile_lines, environment_of, filled_in
from tests.helpers import HOUSE

HEALTHY = {"condition": "service_healthy"}


def test_every_service_has_a_web_process_a_worker_and_migrations_and_nothing_else_runs() -> None:
    expected = {f"{service}-{part}" for service in SERVICES for part in ("migrate", "web", "worker")}
    assert compose()["services"].keys() == expected | {"rabbitmq", "postgres"}


@pytest.mark.parametrize("service", SERVICES)
def test_the_three_of_a_service_run_its_own_image_and_its_own_command(service: str) -> None:
    for part, command in (("migrate", "migrate"), ("web", "serve"), ("worker", "work")):
        container = compose()["services"][f"{service}-{part}"]
        assert container["command"] == [command, service]
        assert container["image"] == f"tripartite-{service}"
        assert ("build" in container) is (part == "migrate"), "two builds of one tag at once get into each other's way"
    build = compose()["services"][f"{service}-migrate"]["build"]
    assert build == {"context": ".", "dockerfile": "deploy/Dockerfile", "args": {"SERVICE": service}}


@pytest.mark.parametrize("service", SERVICES)
def test_web_and_worker_wait_for_the_migrations_which_wait_for_the_database(service: str) -> None:
    needs = {"postgres": HEALTHY, "rabbitmq": HEALTHY, f"{service}-migrate": {"condition": "service_completed_successfully"}}
    containers = compose()["services"]
    assert containers[f"{service}-web"]["depends_on"] == needs
    assert containers[f"{service}-worker"]["depends_on"] == needs
    assert containers[f"{service}-migrate"]["depends_on"] == {"postgres": HEALTHY}


def test_all_that_runs_on_is_started_again_and_asked_for_its_health() -> None:
    for name, container in compose()["services"].items():
        if name.endswith("-migrate"):
            assert container["restart"] == "no", name
            assert container["healthcheck"] == {"disable": True}, name
        else:
            assert container["restart"] == "unless-stopped", name
            assert container["healthcheck"]["test"][0] == "CMD", name


@pytest.mark.parametrize("service", SERVICES)
def test_a_worker_can_be_scaled(service: str) -> None:
    worker = compose()["services"][f"{service}-worker"]
    assert not {"container_name", "hostname", "ports", "network_mode"} & worker.keys()
    assert worker["stop_grace_period"] == "30s"


def test_nothing_listens_beyond_loopback() -> None:
    for name, container in compose()["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in container.get("ports", [])), name
        assert "TRIPARTITE_HOST" not in environment_of(name), "the default, 127.0.0.1, is meant"


def test_no_two_web_processes_share_a_port() -> None:
    web = [compose()["services"][f"{service}-web"] for service in SERVICES]
    assert {container["network_mode"] for container in web} == {"host"}
    assert len({container["environment"]["TRIPARTITE_PORT"] for container in web}) == len(SERVICES)


def test_every_variable_that_is_set_is_a_setting() -> None:
    settings = set(re.findall(r"^(TRIPARTITE_[A-Z_]+)", str(shared.config.__doc__), re.MULTILINE))
    used = {name for container in compose()["services"] for name in environment_of(container)}
    used |= {name for line in dockerfile_lines() for name in re.findall("TRIPARTITE_[A-Z_]+", line)}
    assert {name for name in used if name.startswith("TRIPARTITE_")} <= settings


def test_every_file_that_is_mounted_is_there() -> None:
    mounts = [volume for container in compose()["services"].values() for volume in container.get("volumes", [])]
    files = [filled_in(volume).split(":")[0] for volume in mounts]
    found = {file for file in files if file.startswith("./")}
    assert len(found) == 3
    for file in found:
        assert (HOUSE / file).is_file(), file
    assert {file for file in files if file not in found} == compose()["volumes"].keys()


def test_the_broker_loads_the_file_that_is_mounted() -> None:
    lines = (HOUSE / "deploy" / "rabbitmq" / "rabbitmq.conf").read_text().splitlines()
    settings = dict(line.split(" = ") for line in lines if line and not line.startswith("#"))
    mounted = {volume.removesuffix(":ro").rpartition(":")[2] for volume in compose()["services"]["rabbitmq"]["volumes"]}
    assert {settings["load_definitions"], "/etc/rabbitmq/rabbitmq.conf"} <= mounted


def test_the_settings_of_every_process_can_be_read() -> None:
    for service in SERVICES:
        for part in ("migrate", "web", "worker"):
            config = shared.config.read_config(environment_of(f"{service}-{part}"))
            assert config.database_of(service).endswith(f"/{service}")
            assert not config.embedded


@pytest.mark.parametrize("service", SERVICES)
def test_the_broker_and_its_clients_take_passwords_from_the_same_names(service: str) -> None:
    own = {f"{service.upper()}_BUS_PASSWORD": "own"}
    for environment in ({}, own):
        for part in ("migrate", "web", "worker"):
            url = filled_in(compose()["services"][f"{service}-{part}"]["environment"]["TRIPARTITE_BUS_URL"], environment)
            assert url.startswith(f"amqp://{{service}}:{password_of(service, environment)}@")


@pytest.mark.parametrize("service", SERVICES)
def test_the_database_and_its_clients_take_passwords_from_the_same_names(service: str) -> None:
    name = f"{service.upper()}_DATABASE_PASSWORD"
    given = compose()["services"]["postgres"]["environment"][name]
    for environment in ({}, {name: "own"}):
        for part in ("migrate", "web", "worker"):
            url = filled_in(compose()["services"][f"{service}-{part}"]["environment"]["TRIPARTITE_DATABASE_URL"], environment)
            assert url.startswith(f"postgresql+psycopg://{{service}}:{filled_in(given, environment)}@")


def test_the_health_check_of_compose_is_that_of_the_image() -> None:
    line = next(line for line in dockerfile_lines() if line.startswith("HEALTHCHECK"))
    test = compose()["services"][f"{SERVICES[0]}-worker"]["healthcheck"]["test"]
    assert line.endswith(f'CMD ["{test[1]}", "{test[2]}"]')
    assert Path(test[2]).name == "health.py"
