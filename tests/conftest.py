"""Fixtures: a clock on the first day of the replay, and empty embedded queues around every test."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from shared.bus import forget_embedded_queues
from tests.helpers import Clock


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
