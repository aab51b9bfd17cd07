"""The ``tripartite`` command: all services in one process, or one of them. What operators need besides stands in operators.py.

Exit codes: 0 done, 1 the answer is "no", 2 wrong use, 3 something needed is unreachable. Errors go to stderr in one sentence that
says what was wrong, what would be right, and where to look.
"""

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from sqlalchemy.exc import DBAPIError

from services.asking import ask, decide
from services.command import NAMES, told_plainly
from services.operators import doctor, events, quarantine, reconcile, webhook_key
from services.policies.commands import policies
from shared.config import read_config
from shared.errors import Unreachable
from shared.logs import configure_logs

MOST_SHOWN = 20


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Rules for postgraduate medical training, as services."""
    configure_logs()


for command in (decide, ask, policies, quarantine, doctor, reconcile, events, webhook_key):
    main.add_command(command)


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
    try:
        bring(engine, service)
    except DBAPIError as error:
        raise Unreachable(f"The database of {service} cannot be migrated ({error.orig}); see that it runs and lets us in.") from error
    finally:
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


if __name__ == "__main__":
    main()
