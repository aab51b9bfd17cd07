"""What a worker of the floor or of a peer is told: where it works, and what the rules come to. Handed over as JSON in one variable."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass

VARIABLE = "TRIPARTITE_BENCH_ORDER"
SOURCE = "urn:tripartite:deadlines"
SET = "deadline.set"
CONTENT_TYPE = "application/cloudevents+json"


@dataclass(frozen=True)
class Duty:
    """A duty of every placement of this job, due so many days before the start."""

    rule: str
    duty: str
    owner: str
    recipient: str
    caused_by: str
    days: int


@dataclass(frozen=True)
class Order:
    """A worker's order. ``today`` is an ISO day; ``notice_days`` before a due day the clock looks at it."""

    database_url: str
    bus_url: str
    queue: str
    queue_arguments: dict[str, str | int]
    exchange: str
    today: str
    notice_days: int
    decision_id: str
    duties: tuple[Duty, ...]

    def to_environment(self) -> dict[str, str]:
        """The variable, for the environment of a worker."""
        return {VARIABLE: json.dumps(asdict(self))}


def read_order(environment: Mapping[str, str] = os.environ) -> Order:
    """The order of this process."""
    given = json.loads(environment[VARIABLE])
    return Order(**{**given, "duties": tuple(Duty(**duty) for duty in given["duties"])})
