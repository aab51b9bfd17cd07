"""The ``tripartite`` command: all services in one process, or one of them.

Exit codes: 0 done, 1 the answer is "no", 2 wrong use, 3 something needed is unreachable. Errors go to stderr in one sentence that
says what was wrong, what would be right, and where to look.
"""

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from services.asking import ask, decide
from services.command import NAMES, told_plainly
from services.policies.commands import policies
from shared.config import read_config
from shared.logs import configure_logs

MOST_SHOWN = 20


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Rules for postgraduate medical training, as services."""
    configure_logs()


main.add_command(decide)
main.add_command(ask)
main.add_command(policies)


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
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
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
    """Everything in one process: all services, or one. On a broker, SERVICE is its web process alone; its workers are `work SERVICE`."""
    from services.house import open_house  # noqa: PLC0415
    from services.house import serve as serve_house  # noqa: PLC0415

    config = read_config(port=port, data=data)
    serve_house(open_house(config, names=(service,) if service else NAMES, works=not service), click.echo)


@main.command()
@click.argument("service", type=click.Choice(NAMES))
@told_plainly
def work(service: str) -> None:
    """One service's worker: its consumer, relay and clock. Several workers of a service share its queue."""
    from services.working import open_worker  # noqa: PLC0415
    from services.working import work as run  # noqa: PLC0415

    run(open_worker(service, read_config()), click.echo)


@main.command()
@click.argument("service", type=click.Choice(NAMES))
@told_plainly
def migrate(service: str) -> None:
    """Bring a service's database to its newest migration. Harmless when it is there, or when several do it at once."""
    from shared.database import migrate as bring  # noqa: PLC0415
    from shared.database import open_database  # noqa: PLC0415

    engine = open_database(read_config().database_of(service))
    bring(engine, service)
    engine.dispose()
    click.echo(f"The database of {service} is up to date.")


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
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
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
