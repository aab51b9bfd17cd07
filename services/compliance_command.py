"""``tripartite compliance``: tables of compliance, and the quarterly return, of a running house.

They are asked for over HTTP, like ``import`` and unlike ``doctor`` and ``reconcile``: what counts is what the service answers to
everybody, by its clock and its policies, and with the caller's rights; whoever reads tables should need no password of a database.
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

import click

from services.command import as_data, told_plainly
from services.reaching import open_url
from services.screen import causes_table, compliance_table, console, exception_lines, figures_table, kpi_lines
from shared.config import read_config
from shared.errors import Refused, Unreachable

SECONDS = 600
"""How long a table may take."""


KEYS = "host, lead-employer, region, specialty, rotation-month, or several: host,specialty."
_OPTIONS = (
    click.option("--by", default="host", show_default=True, help=KEYS),
    click.option("--rotation", help="The month of the start: 2027-08."),
    click.option("--host", help="One host, by ODS code."),
    click.option("--lead-employer", help="One lead employer, by ODS code."),
    click.option("--region", help="One region of NHS England."),
    click.option("--specialty", help="One specialty."),
    click.option("--as-at", help="A past day: what was so, and known, at its end (2027-06-10). Today, if left out."),
    click.option("--exceptions", type=click.IntRange(0, 100), help="How many of the worst to name, of each group too."),
    click.option("--measure", help="The worst of one measure alone: bundle, duty_roster_to_trainee, …"),
)


def _options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


a_house = click.option("--to", "base", help="Base URL of the house (http://127.0.0.1:8000).")


@click.group(invoke_without_command=True)
@_options
@a_house
@as_data
@click.option("--csv", "as_csv", is_flag=True, help="The same as CSV.")
@click.pass_context
@told_plainly
def compliance(context: click.Context, base: str | None, as_json: bool, as_csv: bool, **asked: Any) -> None:
    """Was it on time, and whose lateness was it? A table of a running house; `compliance return MONTH` gives the quarterly return."""
    context.obj = {"base": base, "as_at": asked["as_at"]}
    if context.invoked_subcommand:
        return
    if as_json and as_csv:
        raise click.UsageError("--json or --csv, not both.")
    query = {name: value for name, value in asked.items() if value is not None}
    text = fetched(base, "/deadlines/compliance", {**query, "format": "csv" if as_csv else "json"})
    if as_csv:
        click.echo(text, nl=False)
    elif as_json:
        click.echo(json.dumps(_table(text), ensure_ascii=False, indent=2))
    else:
        _show(_table(text))


def _table(text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        raise Refused(
            "What answered has no table of compliance; --to must be the base URL of a house, such as http://127.0.0.1:8000."
        ) from None
    return found


def _show(found: dict[str, Any]) -> None:
    screen = console()
    screen.print(compliance_table(found))
    screen.print(figures_table(found))
    for line in kpi_lines(found):
        screen.print(line, highlight=False)
    screen.print(causes_table(found["total"]["late_by_cause"]))
    for line in exception_lines(found):
        screen.print(line, highlight=False, markup=False)
    if not found["groups"]:
        click.echo("No placement on record fits: look at the month, and at the codes and names that were given.", err=True)


@compliance.command("return")
@click.argument("month")
@click.option("--as-at", help="A past day: what was so, and known, at its end.")
@a_house
@click.pass_obj
@told_plainly
def quarterly_return(said_before: Mapping[str, str | None], month: str, as_at: str | None, base: str | None) -> None:
    """The quarterly return of a rotation month (2027-08: February, April, August or December) as CSV."""
    path = f"/deadlines/returns/{urllib.parse.quote(month, safe='')}.csv"
    day = as_at or said_before["as_at"]
    click.echo(fetched(base or said_before["base"], path, {"as_at": day} if day else {}), nl=False)


def fetched(base: str | None, path: str, query: Mapping[str, Any]) -> str:
    """What a house answers.

    :raises Unreachable: it does not answer, or is not able to. :raises Refused: it refuses what was asked; with the reason of every field.
    """
    config = read_config()
    base = (base or f"http://{config.host}:{config.port}").rstrip("/")
    if not base.startswith(("http://", "https://")):
        raise Refused(f"--to must begin with http:// or https://, not {base!r}.")
    asked = urllib.request.Request(f"{base}{path}?{urllib.parse.urlencode(query)}")  # noqa: S310 (one of the two schemes)
    try:
        with open_url(asked, SECONDS) as answer:
            text: str = answer.read().decode()
            return text
    except urllib.error.HTTPError as error:
        raise _problem(base, error.code, error.read()) from error
    except OSError as error:
        raise Unreachable(
            f"{base} does not answer ({error}). Start it with `tripartite serve`, or name another house with --to."
        ) from error


def _problem(base: str, status: int, body: bytes) -> Refused | Unreachable:
    try:
        problem = json.loads(body)
        detail, errors = str(problem["detail"]), {each["pointer"].removeprefix("#/"): each["detail"] for each in problem.get("errors", [])}
    except (ValueError, KeyError, TypeError):
        detail, errors = body[:200].decode(errors="replace"), {}
    if status >= 500:
        return Unreachable(f"{base} answers with {status}: {detail}")
    return Refused(detail, errors)
