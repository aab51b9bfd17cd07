"""The containers of a service, without an engine: the files of its image, commands and environment as the compose file has them, a broker
and a database that were set up from deploy/. Only hosts and ports are others.
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.brokers import Broker
from tests.databases import Database
from tests.deploy.files import SERVICES, compose, environment_of, lay_out
from tests.deploy.processes import PATIENCE, initialised, loaded_broker, run, running
from tests.power import free_port, wait_for


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    node = loaded_broker(tmp_path_factory.mktemp("broker"))
    yield node
    node.power.close()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    node = Database.start(tmp_path_factory.mktemp("postgres"))
    assert initialised(node, environment_of("postgres")).returncode == 0
    yield node
    node.power.close()


def settings_of(container: str, broker: Broker, database: Database) -> dict[str, str]:
    """The environment of a container, where the broker and the database are these."""
    found = environment_of(container)
    for name, server in (("TRIPARTITE_BUS_URL", broker.url), ("TRIPARTITE_DATABASE_URL", database.url)):
        before, _, after = found[name].rpartition("@")
        found[name] = f"{before}@{urlsplit(server).netloc.rpartition('@')[2]}/{after.partition('/')[2]}"
    ports = {name: str(free_port()) for name in found if name.endswith("_PORT")}
    return found | ports | {"SERVICE": container.rpartition("-")[0]}


def healthy_or_ended(house: Path, settings: dict[str, str], process: "subprocess.Popen[bytes]") -> bool:
    return run(house, "health.py", **settings).returncode == 0 or process.poll() is not None


@pytest.mark.parametrize("service", SERVICES)
def test_the_containers_of_a_service_become_healthy_and_stop_when_told(
    service: str, broker: Broker, database: Database, tmp_path: Path
) -> None:
    house = lay_out(service, tmp_path)
    migrated = run(house, "-m", "services", "migrate", service, **settings_of(f"{service}-migrate", broker, database))
    assert migrated.returncode == 0, migrated.stderr
    with ExitStack() as stack:
        started = []
        for number, container in enumerate((f"{service}-web", f"{service}-worker", f"{service}-worker")):
            settings, log = settings_of(container, broker, database), tmp_path / f"{number}.log"
            command = compose()["services"][container]["command"]
            started.append((stack.enter_context(running(house, log, "-m", "services", *command, **settings)), settings, log))
        for process, settings, log in started:
            wait_for(partial(healthy_or_ended, house, settings, process), "a container to be healthy", PATIENCE)
            assert process.poll() is None, log.read_text()
        for process, _, log in started:
            process.terminate()
            assert process.wait(PATIENCE) == 0, log.read_text()
