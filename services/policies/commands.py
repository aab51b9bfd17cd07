"""The commands: ``tripartite policies list | show | check | diff | impact | coverage | test``.

Each collects an answer as data and prints it, as JSON or as text made from the same data.
"""

import sys
from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path

import click

from services.command import DAY, NAMES, answer, as_data, find_policies, find_policy, services_by_policy, told_plainly
from services.policies.cases import test_lines, tested
from services.policies.coverage import coverage_lines, covered
from services.policies.editions import read_editions
from services.policies.impact import impact, impact_lines
from services.policies.proofs import check_lines, checked, compared, diff_lines
from services.policies.text import list_lines, page_lines, reference_lines
from shared.cases import read_cases
from shared.config import read_config
from shared.errors import UnknownPolicy
from shared.policies import load_references
from shared.policies.page import editions, page, reference_page
from shared.policies.policy import Policy
from shared.policies.reading import suggest
from shared.policies.references import Reference
from shared.worker import clock_of, today

A_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def policies() -> None:
    """The policies: read them, prove them, compare their editions, hold them against their cases and the catalogue."""


@policies.command("list")
@as_data
@told_plainly
def list_command(as_json: bool) -> None:
    """Every policy with its service, question, edition, rules, notices and days; and every reference."""
    services = services_by_policy()
    found = [_summary(services[policy.name], policy) for policy in find_policies(())]
    data = [
        {"service": service, "reference": reference.name, "title": reference.title, "records": len(reference.records)}
        for service, reference in references().values()
    ]
    answer({"policies": found, "references": data}, list_lines, as_json)


def _summary(service: str, policy: Policy) -> dict[str, object]:
    spans = editions(policy)
    return {
        "service": service,
        "policy": policy.name,
        "question": policy.question,
        "edition": policy.edition,
        "rules": len(policy.rules),
        "notices": len(policy.notices),
        "from": spans[0]["from"],
        "to": spans[-1]["to"],
        "editions": len(spans),
    }


def references() -> dict[str, tuple[str, Reference]]:
    """Every reference of every service, with its service, by name."""
    return {name: (service, reference) for service in NAMES for name, reference in load_references(service).items()}


@policies.command("show")
@click.argument("name", metavar="POLICY")
@click.option("--as-at", type=DAY, help="Only what is in force on this day (all editions, if left out).")
@as_data
@told_plainly
def show_command(name: str, as_at: datetime | None, as_json: bool) -> None:
    """A policy, or a reference, as a page of text: facts, parameters, rules as sentences, notices, sources."""
    services = services_by_policy()
    if name in services:
        answer(page(find_policy(name), services[name], as_at.date() if as_at else None), page_lines, as_json)
        return
    cited_data = references()
    if name not in cited_data:
        every = [*services, *cited_data]
        raise UnknownPolicy(f"There is no policy and no reference “{name}”{suggest(name, every)}; there are {', '.join(every)}.")
    if as_at:
        raise click.UsageError(f"{name} is a reference: what a document states has no editions; leave --as-at out.")
    service, reference = cited_data[name]
    answer(reference_page(reference, service), reference_lines, as_json)


@policies.command("check")
@click.argument("names", nargs=-1, metavar="[POLICY]…")
@as_data
@told_plainly
def check_command(names: Sequence[str], as_json: bool) -> None:
    """Prove every policy (or those named) over all facts and days. Exit code 1 if something is found that is not accepted by name."""
    data = checked(find_policies(names))
    answer(data, check_lines, as_json)
    sys.exit(1 if data["unaccepted"] else 0)


@policies.command("diff")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@as_data
@told_plainly
def diff_command(old: str, new: str, as_json: bool) -> None:
    """Where two editions answer differently, proved. OLD and NEW: POLICY@DATE, or a policy file (FILE or FILE@DATE)."""
    answer(compared(*read_editions(old, new, _today())), diff_lines, as_json)


@policies.command("impact")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--cases", "file", type=A_FILE, required=True, help="A file of cases; their own days are set aside.")
@as_data
@told_plainly
def impact_command(old: str, new: str, file: Path, as_json: bool) -> None:
    """Who would be treated differently: a file of cases under both editions. Exit code 1 if some could not be decided under both."""
    data = impact(*read_editions(old, new, _today()), read_cases(file))
    answer(data, impact_lines, as_json)
    sys.exit(1 if data["errors"] else 0)


@policies.command("coverage")
@click.option("--all", "whole", is_flag=True, help="Every place that cites an entry, not only the first.")
@as_data
@told_plainly
def coverage_command(whole: bool, as_json: bool) -> None:
    """Every entry of the catalogue: where it is encoded, or why not. Exit code 1 if an entry is not accounted for."""
    data = covered()
    answer(data, partial(coverage_lines, whole=whole), as_json)
    sys.exit(1 if data["total"]["problems"] else 0)


@policies.command("test")
@click.argument("names", nargs=-1, metavar="[POLICY]…")
@click.option("--coverage", "measured", is_flag=True, help="Also what the cases exercise, and what no case does.")
@click.option("--cases", "file", type=A_FILE, help="Another file of cases, for one policy.")
@as_data
@told_plainly
def test_command(names: Sequence[str], measured: bool, file: Path | None, as_json: bool) -> None:
    """Decide the cases of every policy (or those named). Exit code 1 if one fails, or (with --coverage) something is exercised by none."""
    if file and len(names) != 1:
        raise click.UsageError("--cases holds the cases of one policy; name that policy, and no other.")
    data = tested(find_policies(names), file, measured=measured)
    answer(data, test_lines, as_json)
    sys.exit(0 if data["passed"] else 1)


def _today() -> date:
    return today(clock_of(read_config())())
