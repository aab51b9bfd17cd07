"""The ``tripartite`` command: all services in one process, or one of them.

Exit codes: 0 done, 1 the answer is "no", 2 wrong use, 3 something needed is unreachable. Errors go to stderr in one sentence that
says what was wrong, what would be right, and where to look.
"""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress

from shared.config import read_config
from shared.decisions import new_id, stamp
from shared.errors import PolicyError, TripartiteError, UnknownPolicy, Unreachable
from shared.logs import configure_logs
from shared.policies.facts import read_facts
from shared.policies.policy import Policy
from shared.policies.reading import suggest
from shared.rules import decide as take_decision
from shared.rules import ready_policies
from shared.worker import clock_of, today

NAMES = ("eligibility", "deadlines", "responsibility", "notifications")
MOST_SHOWN = 20
DAY = click.DateTime(["%Y-%m-%d"])


def told_plainly(command: Callable[..., None]) -> Callable[..., None]:
    """Errors of ours end a command with one sentence and its exit code, not with a traceback."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except TripartiteError as error:
            click.echo(str(error), err=True)
            sys.exit(3 if isinstance(error, Unreachable) else 1 if isinstance(error, PolicyError) else 2)

    return run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Rules for postgraduate medical training, as services."""
    configure_logs()


@main.command()
@click.option("--rotation", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Another rotation file (JSON Lines).")
@click.option("--data", type=click.Path(path_type=Path), default=Path(".demo"), help="Folder of the demo's databases; emptied first.")
@told_plainly
def demo(rotation: Path | None, data: Path) -> None:
    """The main job: a rotation replayed day by day, from 13 weeks before its start to its first day."""
    from services.demo import ROTATION, open_replay  # noqa: PLC0415 (the other commands start without the house)
    from services.report import show  # noqa: PLC0415

    replay = open_replay(rotation or ROTATION, data)
    total = (replay.start - replay.first_day).days + 1
    with Progress(disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("replaying", total=total)
        for day in replay.days():
            progress.update(task, advance=1, description=f"{day}")
    show(replay)
    replay.house.close()


@main.command()
@click.argument("service", required=False, type=click.Choice(NAMES))
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on (TRIPARTITE_PORT).")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the databases (TRIPARTITE_DATA).")
@told_plainly
def serve(service: str | None, port: int | None, data: Path | None) -> None:
    """All services in one process on SQLite and an embedded bus; or one service alone."""
    from services.house import open_house  # noqa: PLC0415
    from services.house import serve as serve_house  # noqa: PLC0415

    config = read_config(port=port, data=data)
    serve_house(open_house(config, names=(service,) if service else NAMES), click.echo)


@main.command()
@click.argument("policy")
@click.argument("facts", nargs=-1, metavar="FACT=VALUE…")
@click.option("--as-at", type=DAY, help="The day to decide as at (today, if left out).")
@click.option("--json", "as_json", is_flag=True, help="The whole decision as JSON.")
@told_plainly
def decide(policy: str, facts: Sequence[str], as_at: datetime | None, as_json: bool) -> None:
    """Decide one question; nothing is stored. Exit code 1 while it is undetermined."""
    found = find_policy(policy)
    now = clock_of(read_config())()
    pairs = [_pair(fact) for fact in facts]
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise click.UsageError(f"{next(name for name in names if names.count(name) > 1)} is given twice; give each fact once.")
    given = read_facts(found.facts, dict(pairs), found.name)
    decision = take_decision(found, given, as_at.date() if as_at else today(now), made_at=stamp(now), id=new_id())
    if as_json:
        click.echo(json.dumps(decision.body, ensure_ascii=False, indent=2))
    else:
        from services.screen import console, decision_panel  # noqa: PLC0415

        console().print(decision_panel("Decision", dict(decision.body)))
    sys.exit(0 if decision.outcome is not None else 1)


def _pair(fact: str) -> tuple[str, str]:
    name, equals, value = fact.partition("=")
    if not equals:
        raise click.UsageError(f"“{fact}” is not FACT=VALUE, such as whole_life_value=42000.")
    return name, value


def find_policy(name: str) -> Policy:
    """A policy of any service, by name."""
    every = {policy.name: policy for service in NAMES for policy in ready_policies(service).values()}
    if name not in every:
        raise UnknownPolicy(f"There is no policy “{name}”{suggest(name, every)}; there are {', '.join(every)}.")
    return every[name]


@main.group()
def policies() -> None:
    """The policies, and the editions they are in."""


@policies.command("list")
@told_plainly
def list_policies() -> None:
    """Every policy with its service, its question and its edition."""
    for service in NAMES:
        for policy in ready_policies(service).values():
            click.echo(f"{policy.name:22} {service:15} {policy.edition[:19]}  {policy.question}")


@main.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as", "kind", type=click.Choice(["tis", "events", "rotation"]), required=True, help="What the file's lines are.")
@click.option("--to", "base", help="Base URL of the house (http://127.0.0.1:8000).")
@click.option("--patience", type=float, default=60.0, show_default=True, help="Seconds to wait for a house that does not answer.")
@told_plainly
def import_file(file: Path, kind: str, base: str | None, patience: float) -> None:
    """Post a file of upstream messages to a running house. Exit code 1 if some of its lines were refused."""
    from services.importing import Report, http_post, import_lines, read_lines  # noqa: PLC0415

    config = read_config()
    post = http_post(base or f"http://{config.host}:{config.port}", patience, lambda words: click.echo(words, err=True))
    report = Report()
    with file.open("rb") as lines:
        total = sum(1 for _ in lines)
    with Progress(disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(file.name, total=total)
        import_lines(read_lines(file, kind, report), post, report, lambda count: progress.update(task, advance=count))
    for number, reason in sorted(report.refused.items())[:MOST_SHOWN]:
        click.echo(f"line {number}: {reason}", err=True)
    if len(report.refused) > MOST_SHOWN:
        click.echo(f"… and {len(report.refused) - MOST_SHOWN} more lines; is this a file of --as {kind}?", err=True)
    click.echo(f"{report.taken} lines taken ({report.new} new), {len(report.refused)} refused.")
    sys.exit(1 if report.refused else 0)


@main.group()
def quarantine() -> None:
    """Messages that could not be handled: look at them, have them handled again, or let them go."""


@quarantine.command("list")
@click.argument("service", type=click.Choice(NAMES))
@told_plainly
def list_quarantine(service: str) -> None:
    """Every message in a service's quarantine: fingerprint, how often, when last, why."""
    from services.quarantine import listed  # noqa: PLC0415

    for row in listed(service):
        click.echo(f"{row.fingerprint[:12]}  {row.times:>4}×  {row.last_at:%Y-%m-%d %H:%M}  {row.reason.splitlines()[0]}")


@quarantine.command("show")
@click.argument("service", type=click.Choice(NAMES))
@click.argument("fingerprint")
@told_plainly
def show_quarantined(service: str, fingerprint: str) -> None:
    """One message as it came, and why it could not be handled."""
    from services.quarantine import found  # noqa: PLC0415

    row = found(service, fingerprint)
    click.echo(row.reason)
    click.echo(row.body.decode("utf-8", errors="replace"))


@quarantine.command("retry")
@click.argument("service", type=click.Choice(NAMES))
@click.argument("fingerprint")
@told_plainly
def retry_quarantined(service: str, fingerprint: str) -> None:
    """Have a message handled again, now. Exit code 1 if it still cannot be."""
    from services.quarantine import retried  # noqa: PLC0415

    reason = retried(service, fingerprint)
    click.echo(f"still not handled: {reason}" if reason else "handled.", err=bool(reason))
    sys.exit(1 if reason else 0)


@quarantine.command("discard")
@click.argument("service", type=click.Choice(NAMES))
@click.argument("fingerprint")
@told_plainly
def discard_quarantined(service: str, fingerprint: str) -> None:
    """Let a message go, for good. Its fingerprint and reason stay in the log."""
    from services.quarantine import discarded  # noqa: PLC0415

    discarded(service, fingerprint)
    click.echo("discarded.")


if __name__ == "__main__":
    main()
