"""Fixtures: providers of alerts on this machine."""

from collections.abc import Iterator

import pytest

from tests.providers import NotifyApi, SmtpServer


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as found:
        yield found


@pytest.fixture
def api() -> Iterator[NotifyApi]:
    with NotifyApi() as found:
        yield found
