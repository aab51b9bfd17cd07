"""An edition as it is named at the command line: ``POLICY@DATE``, or the path of a policy file, optionally with ``@DATE``.

A file's facts are those of the folder it lies in (``…/policies/x.yaml`` beside ``…/facts.yaml``); a file that lies alone, such as an
earlier edition taken out of git, is read with the facts of the service that has a policy of its name.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import click

from services.command import find_policy, services_by_policy
from shared.policies import HOUSE, load_sources
from shared.policies.catalogue import load_catalogue
from shared.policies.citations import citing
from shared.policies.facts import declared_facts
from shared.policies.policy import Policy, Slice
from shared.policies.policy_file import read_policy
from shared.policies.reading import Node, read_day, read_yaml, suggest


@dataclass(frozen=True)
class Edition:
    """A policy as in force on a day."""

    policy: Policy
    day: date

    @property
    def slice(self) -> Slice:
        """What is in force on the day."""
        return self.policy.on(self.day)

    def to_json(self) -> dict[str, Any]:
        """The edition as data."""
        return {"policy": self.policy.name, "file": self.policy.file, "as_at": self.day.isoformat(), "edition": self.policy.edition}


def read_editions(old: str, new: str, today: date) -> tuple[Edition, Edition]:
    """Two editions of one policy, both with rules in force on their day.

    :raises click.UsageError: one cannot be found, or they are editions of two different policies.
    :raises PolicyError: a file cannot be used.
    :raises NotInForce: no rule is in force on a day.
    """
    editions = read_edition(old, today), read_edition(new, today)
    if editions[0].policy.name != editions[1].policy.name:
        names = " and ".join(edition.policy.name for edition in editions)
        raise click.UsageError(f"{names} are two policies; name two editions of one, such as {editions[0].policy.name}@2021-06-01.")
    for edition in editions:
        edition.policy.on(edition.day)
    return editions


def read_edition(named: str, today: date) -> Edition:
    """The edition of a name; of today, if no day is named."""
    name, day = _with_day(named, today)
    is_file = name.endswith((".yaml", ".yml")) or "/" in name
    return Edition(_from_file(Path(name)) if is_file else find_policy(name), day)


def _with_day(named: str, today: date) -> tuple[str, date]:
    name, at, day = named.rpartition("@")
    if not at or "/" in day:
        return named, today
    try:
        return name, read_day(day)
    except ValueError:
        raise click.UsageError(f"“{day}” in “{named}” is not a day; write POLICY@DATE with a date such as 2021-06-01.") from None


def _from_file(path: Path) -> Policy:
    if not path.is_file():
        raise click.UsageError(f"there is no file {path}; name a policy file, or a policy as POLICY@DATE.")
    node = read_yaml(path)
    return read_policy(node, declared_facts(read_yaml(_facts_file(path, node))), citing(load_sources(), load_catalogue()))


def _facts_file(path: Path, node: Node) -> Path:
    beside = path.resolve().parent.parent / "facts.yaml"
    if beside.is_file():
        return beside
    services = services_by_policy()
    name = node.fields("a policy", ("policy",), tuple(node.entries("a policy")))["policy"].text("policy")
    if name not in services:
        unknown = f"“{name}” is no policy of a service{suggest(name, services)}, so its facts are not known"
        node.fail(f"{unknown}; lay the file as …/policies/{path.name} beside a …/facts.yaml.")
    return HOUSE / "services" / services[name] / "facts.yaml"
