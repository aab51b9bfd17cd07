"""The product as its users start it: migrated, then ``python -m services work deadlines``, with its settings as they are."""

import os
import subprocess
import sys

from tests.bench.bus import job
from tests.bench.bus.measure import Contender, Site
from tests.bench.bus.workers import REPOSITORY

SERVICES = (sys.executable, "-m", "services")


def environment(site: Site) -> dict[str, str]:
    """Where it works, and the day of the job."""
    where = {"TRIPARTITE_DATABASE_URL": site.template, "TRIPARTITE_BUS_URL": site.bus_url}
    return {**where, "TRIPARTITE_TODAY": job.TODAY.isoformat(), "TRIPARTITE_PACE": "immediate"}


def migrate(site: Site) -> None:
    """Make the tables."""
    subprocess.run(
        [*SERVICES, "migrate", job.SERVICE], cwd=REPOSITORY, env={**os.environ, **environment(site)}, check=True, capture_output=True
    )


def tripartite(workers: int = 1) -> Contender:
    """The contender, with so many workers."""
    name = "tripartite" if workers == 1 else f"tripartite, {workers} workers"
    return Contender(name, (*SERVICES, "work", job.SERVICE), migrate, environment, workers=workers)
