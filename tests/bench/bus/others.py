"""The contenders that are not the product, as the harness starts them. What they do stands in floor.py and the ``*_contender.py``."""

import subprocess
import sys
from collections.abc import Iterable

import sqlalchemy as sa

from tests.bench.bus.measure import Contender, Site
from tests.bench.bus.tables import METADATA
from tests.bench.bus.workers import REPOSITORY

HERE = "tests.bench.bus"
PYTHON = (sys.executable, "-m")
CELERY = (*PYTHON, "celery", "-A", f"{HERE}.celery_contender", "worker", "--without-gossip", "--without-mingle", "--loglevel", "WARNING")
A_FIFTH = 0.2


def make_tables(site: Site) -> None:
    """The tables of the peers and the floor."""
    engine = sa.create_engine(site.order.database_url)
    METADATA.create_all(engine)
    engine.dispose()


def environment(site: Site) -> dict[str, str]:
    """The order."""
    return site.order.to_environment()


def put_tasks(site: Site, bodies: Iterable[bytes]) -> None:
    """Put Celery's tasks into the queue: Celery does it itself."""
    lines = b"".join(body + b"\n" for body in bodies)
    subprocess.run([*PYTHON, f"{HERE}.celery_contender"], cwd=REPOSITORY, env={**environment(site)}, input=lines, check=True)


FLOOR = Contender("floor", (*PYTHON, f"{HERE}.floor"), make_tables, environment)
TWO_FLOORS = Contender("floor, 2 processes", FLOOR.command, make_tables, environment, workers=2)
FASTSTREAM = Contender("FastStream", (*PYTHON, f"{HERE}.faststream_contender"), make_tables, environment, share=A_FIFTH)
CELERY_THREADS = Contender(
    "Celery, 8 threads", (*CELERY, "--pool", "threads", "--concurrency", "8"), make_tables, environment, put_tasks, share=A_FIFTH
)
CELERY_PREFORK = Contender(
    "Celery, 2 processes", (*CELERY, "--pool", "prefork", "--concurrency", "2"), make_tables, environment, put_tasks, share=A_FIFTH
)
