"""``tripartite import``: a file of upstream's is checked as a whole, then posted to a running house.

The checks are services/checking.py, the posting is services/importing.py.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import Progress

from services.command import told_plainly
from services.screen import many
from shared.config import read_config
from shared.errors import Refused
from shared.plain import printable

if TYPE_CHECKING:
    from services.checking import Found, Refusals, Spool

KINDS = ("tis", "events", "rotation", "placements-csv", "posts-csv")
A_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
STEPS = 400
SENT_AT_ONCE = 1_000
"""As many events as a request takes (shared/service.py)."""


@click.command("import")
@click.argument("file", type=A_FILE)
@click.option("--as", "kind", type=click.Choice(KINDS), required=True, help="What the file is of. -csv: TIS's bulk-upload spreadsheets.")
@click.option("--posts", type=A_FILE, help="The posts' spreadsheet: it has the training and the employing body of each placement's post.")
@click.option("--as-of", help="As of when a spreadsheet speaks (2027-05-05T09:00:00Z; a correction later); else when it was written.")
@click.option("--partly", is_flag=True, help="Import the good rows although others are refused. Else it is all of them, or nothing.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write everything that is wrong to this file, as CSV.")
@click.option("--to", "base", help="Base URL of the house (http://127.0.0.1:8000).")
@click.option("--patience", type=float, default=60.0, show_default=True, help="Seconds to wait for a house that does not answer.")
@told_plainly
def import_file(
    file: Path, kind: str, posts: Path | None, as_of: str | None, partly: bool, report: Path | None, base: str | None, patience: float
) -> None:
    """Check a file of upstream's as a whole, then post it to a running house. It may be cut short and run again at will.

    Exit code 0 if every row counts, 1 if rows were refused, 2 if the file is none of its kind.
    """
    from services.checking import Refusals, Spool  # noqa: PLC0415 (the other commands start without it)

    config = read_config()
    with ExitStack() as opened:
        spool = Spool()
        opened.callback(spool.close)
        refusals = Refusals(_report(report, (file, posts), opened))
        found = _checked(file, kind, posts, as_of, spool, refusals)
        if kind == "posts-csv":
            click.echo(f"{many(found.usable, 'row')} checked. A house keeps no posts: give the file as --posts to an import of placements.")
        elif refusals.rows and not partly:
            click.echo("Nothing was imported: mend the file, or take its good rows with --partly.", err=True)
        else:
            _send(file, spool, found, refusals, base or f"http://{config.host}:{config.port}", patience)
        _tell(refusals, report)
    sys.exit(1 if refusals.rows else 0)


def _report(report: Path | None, read: tuple[Path | None, ...], opened: ExitStack) -> IO[str] | None:
    """The report, opened; never one of the files that are read."""
    if report is None:
        return None
    if report.exists() and any(report.samefile(file) for file in read if file):
        raise Refused(f"{report} is what is to be imported, and would be overwritten; give --report another name.")
    try:
        return opened.enter_context(report.open("w", encoding="utf-8", newline=""))
    except OSError as error:
        raise Refused(f"The report cannot be written to {report} ({error.strerror}); name a file in a folder of yours.") from error


# ---- checking ------------------------------------------------------------------------------------------------------


def _checked(file: Path, kind: str, posts: Path | None, as_of: str | None, spool: "Spool", refusals: "Refusals") -> "Found":
    """Check the file, after the posts' if there is one; nothing is sent yet."""
    from services import checking  # noqa: PLC0415
    from services.deadlines.upstream.placements import read_time  # noqa: PLC0415

    if kind != "placements-csv" and (posts or as_of):
        raise Refused("--posts and --as-of are for --as placements-csv; other files say by themselves what and when.")
    if posts is not None:
        with _shown(f"checking {posts.name}", posts.stat().st_size) as progress:
            _note_ignored(posts, checking.check_posts_file(posts, spool, refusals, progress))
    if kind in ("posts-csv", "placements-csv"):
        with _shown(f"checking {file.name}", file.stat().st_size) as progress:
            if kind == "posts-csv":
                found = checking.check_posts_file(file, spool, refusals, progress)
            else:
                time = read_time(as_of) if as_of else checking.written_at(file)
                found = checking.check_placements_file(file, spool, refusals, progress, as_of=time, with_posts=posts is not None)
            _note_ignored(file, found)
        return found
    with file.open("rb") as lines:
        total = sum(1 for _ in lines)
    with _shown(f"checking {file.name}", total) as progress:
        return checking.check_lines_file(file, spool, refusals, progress, kind=kind)


def _note_ignored(file: Path, found: "Found") -> None:
    if found.ignored:
        columns = printable(", ".join(found.ignored), kept="")
        click.echo(f"{file.name}: ignored the columns {columns}; no spreadsheet of TIS has them.", err=True)


# ---- sending -------------------------------------------------------------------------------------------------------


def _send(file: Path, spool: "Spool", found: "Found", refusals: "Refusals", base: str, patience: float) -> None:
    """Post what was checked; a row that the house refuses nevertheless is reported as well."""
    from services.deadlines.upstream.sheets import Wrong  # noqa: PLC0415
    from services.importing import Report, http_post, import_lines  # noqa: PLC0415

    post = http_post(base, patience, lambda words: click.echo(words, err=True))
    report, sent = Report(), 0
    with _shown(f"sending {file.name}", found.usable) as progress:

        def further(count: int) -> None:
            nonlocal sent
            sent += count
            progress(sent)

        import_lines(spool.lines(), post, report, further, SENT_AT_ONCE)
    for number, problem in report.refused.items():
        refusals.add(file.name, number, [Wrong("", problem, "")])
    left_out = "".join(f", {count:,} left out ({why})" for why, count in found.left_out.items())
    click.echo(f"{report.taken:,} rows taken ({report.new:,} new), {refusals.rows:,} refused{left_out}.")
    if report.new:
        click.echo(
            "The services work through what is new in their own time; until they have, answers such as compliance lack it.", err=True
        )


def _tell(refusals: "Refusals", report: Path | None) -> None:
    """The first of what is wrong, and where all of it stands."""
    for line in refusals.first:
        click.echo(printable(line, kept=""), err=True)
    if refusals.rows:
        whole = f"{report} has all of it." if report else "--report FILE writes all of it."
        click.echo(f"{many(refusals.rows, 'row')} refused; {whole}", err=True)


@contextmanager
def _shown(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, if that is a terminal; told how far it is, it moves in steps."""
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task, shown = progress.add_task(what, total=total), 0

        def further(done: int) -> None:
            nonlocal shown
            if done - shown >= total / STEPS or done == total:
                shown = done
                progress.update(task, completed=done)

        yield further
