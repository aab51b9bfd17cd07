"""The table of a session: the account of every fault that was lived through, printed at the end."""

import pytest

from tests.chaos.accounting import Account, heading

TABLE = pytest.StashKey[list[Account]]()


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> list[Account]:
    """Where a test puts its account."""
    return pytestconfig.stash.setdefault(TABLE, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    accounts = config.stash.get(TABLE, [])
    if accounts:
        terminalreporter.section("what was lost, duplicated, sent twice and unexpected")
        for line in (heading(), *(account.line() for account in accounts)):
            terminalreporter.write_line(line)
