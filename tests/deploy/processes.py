"""What runs in the tests of deploy/: Python on the files of an image, a broker and a database that were set up from this folder."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from tests.brokers import Broker
from tests.databases import Database
from tests.helpers import HOUSE

DEFINITIONS = HOUSE / "deploy" / "rabbitmq" / "definitions.json"
INIT = HOUSE / "deploy" / "postgres" / "init.sh"
PATIENCE = 60.0
"""Seconds in which a process must have started, or ended."""


def environment_in(house: Path) -> dict[str, str]:
    """Where Python finds what is installed; with ``-S`` no installed package points back to this repository."""
    libraries = os.pathsep.join(dict.fromkeys(sysconfig.get_paths()[name] for name in ("purelib", "platlib")))
    return {"PATH": os.environ["PATH"], "PYTHONPATH": libraries, "TRIPARTITE_DATA": str(house.parent / "data")}


def run(house: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in a folder."""
    command = [sys.executable, "-S", *arguments]
    environment = environment_in(house) | more
    return subprocess.run(command, cwd=house, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)


@contextmanager
def running(house: Path, log: Path, *arguments: str, **more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Let Python run in a folder; what still runs afterwards is killed."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-S", *arguments], cwd=house, env=environment_in(house) | more, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def loaded_broker(folder: Path) -> Broker:
    """A node with our definitions and our rabbitmq.conf, but for the place where the definitions lie."""
    lines = (DEFINITIONS.parent / "rabbitmq.conf").read_text().splitlines()
    conf = "\n".join(line for line in lines if not line.startswith("load_definitions"))
    return Broker.start(folder, definitions=DEFINITIONS, conf=conf)


def initialised(server: Database, passwords: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run init.sh as the official image does, but against this server."""
    url = make_url(server.url)
    found = {"PGHOST": url.host, "PGPORT": url.port, "PGPASSWORD": url.password, "POSTGRES_USER": url.username, "POSTGRES_DB": url.database}
    environment = {"PATH": os.environ["PATH"], **{name: str(value) for name, value in found.items() if value is not None}, **passwords}
    return subprocess.run([INIT], env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
