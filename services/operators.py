"""The commands for whoever runs Tripartite: ``tripartite doctor | quarantine | reconcile | events``.

Each collects an answer as data and prints it, as JSON or as text made from the same data. The work itself stands in doctor.py,
quarantine.py, reconciling.py and contract.py, which are loaded when they are needed.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from services.command import NAMES, answer, as_data, shown_progress, shown_work, told_plainly
from shared.plain import printable

MOST_SHOWN = 20
A_SERVICE = click.Choice(NAMES)
Data = dict[str, Any]


# ---- doctor --------------------------------------------------------------------------------------------------------


def _address(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.startswith(("http://", "https://")):
        raise click.BadParameter(f"must begin with http:// or https://, not {value.partition('://')[0]!r}.")
    return value


@click.command()
@click.argument("services", metavar="[SERVICE]…", nargs=-1, type=A_SERVICE)
@click.option(
    "--management",
    callback=_address,
    help="RabbitMQ's management API (http://USER:PASSWORD@HOST:15672): it alone can list bindings. Else the bus's host is tried.",
)
@as_data
@told_plainly
def doctor(services: Sequence[str], management: str | None, as_json: bool) -> None:
    """Broker, databases, topology, clocks, versions: what is wrong and what to do. It looks only: nothing is made or changed.

    Exit code 0 if all is well, 1 if something is wrong, 3 if the broker or a database cannot be reached.
    """
    from services.doctor import examined, exit_code, finding_lines  # noqa: PLC0415 (the other commands start without it)

    with shown_work("looking"):
        found = examined(services or NAMES, management)
    answer(found, finding_lines, as_json)
    sys.exit(exit_code(found))


# ---- quarantine ----------------------------------------------------------------------------------------------------


@click.group()
def quarantine() -> None:
    """Messages that could not be handled: look at them, have them handled again, or let them go."""


@quarantine.command("list")
@click.argument("service", type=A_SERVICE)
@click.option("--audit", is_flag=True, help="What was done with messages that are or were there, by whom.")
@as_data
@told_plainly
def list_quarantine(service: str, audit: bool, as_json: bool) -> None:
    """Every message in a service's quarantine: fingerprint, how often, when last, why."""
    from services.quarantine import audited, listed  # noqa: PLC0415

    if audit:
        answer(audited(service), _audit_lines, as_json)
    else:
        answer(listed(service), _list_lines, as_json)


def _list_lines(found: Data) -> Iterable[str]:
    for each in found["messages"]:
        yield f"{each['fingerprint'][:12]}  {each['times']:>4}×  {_minute(each['last_at'])}  {_first_line(each['reason'])}"
    yield f"{_messages(found['count'])} in the quarantine of {found['service']}." if found["count"] else _empty(found["service"])


def _empty(service: str) -> str:
    return f"The quarantine of {service} is empty."


def _messages(count: int) -> str:
    return f"{count:,} message{'' if count == 1 else 's'}"


def _audit_lines(found: Data) -> Iterable[str]:
    for each in found["audit"]:
        what = f"{each['fingerprint'][:12]}  {each['action']} by {each['done_by']}"
        yield f"{_minute(each['done_at'])}  {what}: {_first_line(each['detail'])}"
    if not found["audit"]:
        yield f"Nothing was done yet in the quarantine of {found['service']}."


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _first_line(text: str) -> str:
    return printable(text.partition("\n")[0])


@quarantine.command("show")
@click.argument("service", type=A_SERVICE)
@click.argument("fingerprint")
@as_data
@told_plainly
def show_quarantined(service: str, fingerprint: str, as_json: bool) -> None:
    """One message as it came, why it could not be handled, and what was tried. The first letters of its fingerprint will do."""
    from services.quarantine import shown  # noqa: PLC0415

    answer(shown(service, fingerprint), _message_lines, as_json)


def _message_lines(found: Data) -> Iterable[str]:
    yield printable(found["reason"])
    yield f"{found['times']}× from {_minute(found['first_at'])} to {_minute(found['last_at'])} UTC, fingerprint {found['fingerprint']}"
    yield from (f"{_minute(each['done_at'])}  {each['action']} by {each['done_by']}" for each in found["audit"])
    yield printable(found["body"])


@quarantine.command("retry")
@click.argument("service", type=A_SERVICE)
@click.argument("fingerprint", required=False)
@click.option("--all", "every", is_flag=True, help="Every message.")
@click.option("--reason", help="Every message whose reason begins with this text.")
@told_plainly
def retry_quarantined(service: str, fingerprint: str | None, every: bool, reason: str | None) -> None:
    """Have messages handled again, now. Exit code 1 if one still cannot be; it stays where it is."""
    from services.quarantine import GONE, retried, retried_all  # noqa: PLC0415

    if (fingerprint is not None) + every + bool(reason) != 1:
        raise click.UsageError("Say which: a FINGERPRINT, --reason TEXT, or --all.")
    if fingerprint is not None:
        found = retried(service, fingerprint)
    else:
        found = retried_all(service, reason or "", lambda fingerprints: shown_progress("retrying", fingerprints))
    for which, problem in list(found.problems.items())[:MOST_SHOWN]:
        click.echo(f"{which[:12]} still not handled: {printable(problem)}", err=True)
    if len(found.problems) > MOST_SHOWN:
        click.echo(f"… and {len(found.problems) - MOST_SHOWN:,} more; `tripartite quarantine list {service}` has them all.", err=True)
    if found.gone:
        click.echo(f"{_messages(found.gone)} meanwhile gone. {GONE}", err=True)
    click.echo(f"{_messages(found.handled)} handled, {len(found.problems):,} still not.")
    sys.exit(1 if found.problems else 0)


@quarantine.command("discard")
@click.argument("service", type=A_SERVICE)
@click.argument("fingerprint")
@told_plainly
def discard_quarantined(service: str, fingerprint: str) -> None:
    """Let a message go, for good. Its fingerprint and reason stay in the audit."""
    from services.quarantine import discarded  # noqa: PLC0415

    discarded(service, fingerprint)
    click.echo("discarded.")


# ---- reconcile -----------------------------------------------------------------------------------------------------


@click.command()
@click.option("--resend", is_flag=True, help="Have exactly the missing messages published again, by the relays of who said them.")
@click.option("--settle", type=click.IntRange(0, 86_400), default=60, show_default=True, help="What is younger (seconds) is on its way.")
@as_data
@told_plainly
def reconcile(resend: bool, settle: int, as_json: bool) -> None:
    """Hold what every service said against what every other heard, and prove that nothing is missing, or name what is.

    Exit code 0 if nothing is missing, 1 if something is (or was, and is sent again), 3 if a database cannot be reached.
    """
    from services.reconciling import reconciled, report_lines  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("comparing", total=None)
        found = reconciled(settle, resend, lambda done, total: progress.update(task, completed=done, total=total))
    answer(found, report_lines, as_json)
    sys.exit(1 if found["missing"] else 0)


# ---- events --------------------------------------------------------------------------------------------------------


@click.command()
@click.option("--write", "renew", is_flag=True, help="Renew the files in shared/contract instead, and say which were not current.")
@told_plainly
def events(renew: bool) -> None:
    """The contract of the bus: every message, who says it and who hears it, as an AsyncAPI document."""
    from services.contract import contract, renewed  # noqa: PLC0415

    if not renew:
        click.echo(json.dumps(contract(), ensure_ascii=False, indent=2))
        return
    changed = renewed()
    for path in changed:
        click.echo(f"{path.name}: {'renewed' if path.exists() else 'removed'}.")
    if not changed:
        click.echo("shared/contract is current; nothing was written.")


# ---- webhooks ------------------------------------------------------------------------------------------------------


@click.command("webhook-key")
@click.argument("recipient")
@told_plainly
def webhook_key(recipient: str) -> None:
    """The key with which alerts to RECIPIENT (its id) are signed, to be handed to whoever runs its webhook."""
    from services.notifications.senders.webhooks import key_of  # noqa: PLC0415
    from shared.config import read_config  # noqa: PLC0415
    from shared.errors import InvalidSettings  # noqa: PLC0415

    secret = read_config().webhook_secret
    if not secret:
        raise InvalidSettings({"TRIPARTITE_WEBHOOK_SECRET": "is needed; the keys of all recipients are derived from it."})
    click.echo(key_of(secret, recipient))
