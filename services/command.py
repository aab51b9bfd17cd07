"""What the commands share: finding a policy, one sentence for an error, days, answers as data, progress.

What the exit codes mean stands in __main__.py.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import Progress, track

from shared.errors import DecisionError, PolicyError, TripartiteError, UnknownPolicy, Unreachable
from shared.policies import HOUSE
from shared.policies.policy import Policy
from shared.policies.reading import suggest
from shared.rules import ready_policies

NAMES = tuple(
    name for name in ("eligibility", "deadlines", "responsibility", "notifications") if (HOUSE / "services" / name / "app.py").exists()
)
"""The services that are here: all of them, or the one that an image holds."""
DAY = click.DateTime(["%Y-%m-%d"])
Item = TypeVar("Item")

as_data = click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
"""The option that every command takes which answers something."""


def told_plainly(command: Callable[..., None]) -> Callable[..., None]:
    """Errors of ours end a command with one sentence and its exit code, not with a traceback."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except TripartiteError as error:
            click.echo(str(error), err=True)
            sys.exit(3 if isinstance(error, Unreachable) else 1 if isinstance(error, PolicyError | DecisionError) else 2)

    return run


def answer(data: Any, lines: Callable[[Any], Iterable[str]], as_json: bool) -> None:
    """Print an answer: as JSON, or as the lines that are made from the same data."""
    if as_json:
        click.echo(json.dumps(data, ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(lines(data)))


def shown_progress(what: str, items: Sequence[Item]) -> Iterable[Item]:
    """The items one by one, with a progress bar on stderr if that is a terminal; the bar is gone when they are done."""
    return track(items, what, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


@contextmanager
def shown_work(what: str) -> Iterator[None]:
    """A bar on stderr, if that is a terminal, while something runs whose length is not known."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        progress.add_task(what, total=None)
        yield


# ---- policies by name ---------------------------------------------------------------------------------------------


def services_by_policy() -> dict[str, str]:
    """The service of every policy, by the policy's name: a policy file bears the name of its policy."""
    return {file.stem: name for name in NAMES for file in sorted((HOUSE / "services" / name / "policies").glob("*.yaml"))}


def find_policy(name: str) -> Policy:
    """A policy of any service, by name.

    :raises UnknownPolicy: there is none; the message names those there are.
    """
    services = services_by_policy()
    if name not in services:
        raise UnknownPolicy(f"There is no policy “{name}”{suggest(name, services)}; there are {', '.join(services)}.")
    return ready_policies(services[name])[name]


def find_policies(names: Sequence[str]) -> list[Policy]:
    """The policies of these names, each once; every policy, if none is named."""
    return [find_policy(name) for name in dict.fromkeys(names or services_by_policy())]
