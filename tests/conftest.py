"""Fixtures: a clock on the first day of the replay, and empty embedded queues around every test."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import settings

from shared.bus.embedded import forget_embedded_queues
from tests.helpers import Clock

pytest_plugins = ["tests.nodes", "tests.chaos.table"]

settings.register_profile("here", deadline=None)
settings.register_profile("build", deadline=None, derandomize=True)
settings.load_profile("build" if os.environ.get("CI") else "here")  # a build finds the same examples every time


@pytest.fixture(autouse=True)
def _empty_queues() -> Iterator[None]:
    """Tests share one process, and so its embedded queues."""
    forget_embedded_queues()
    yield
    forget_embedded_queues()


@pytest.fixture
def clock() -> Clock:
    """A clock that shows noon (UTC) on 5 May 2027, 13 weeks before the sample rotation starts."""
    return Clock(datetime(2027, 5, 5, 12, tzinfo=UTC))
