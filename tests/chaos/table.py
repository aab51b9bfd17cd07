"""The table of a session: the account of every fault that was lived through, printed at the end."""

from dataclasses import asdict
from typing import Any

import pytest

from tests.chaos.accounting import Account, heading

TABLE = pytest.StashKey[list[Account]]()


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> list[Account]:
    """Where a test puts its account."""
    return pytestconfig.stash.setdefault(TABLE, [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where files run at once, each process hands over its accounts."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["accounts"] = [asdict(account) for account in session.config.stash.get(TABLE, [])]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over the accounts of a process that has ended."""
    accounts = getattr(node, "workeroutput", {}).get("accounts", [])
    node.config.stash.setdefault(TABLE, []).extend(Account(**account) for account in accounts)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    accounts = config.stash.get(TABLE, [])
    if accounts:
        terminalreporter.section("what was lost, duplicated, sent twice and unexpected")
        for line in (heading(), *(account.line() for account in accounts)):
            terminalreporter.write_line(line)
