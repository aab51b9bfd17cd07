"""``make rotation``: the sample rotation on RabbitMQ and PostgreSQL, its mail through SMTP, then through GOV.UK Notify's API.

:func:`lived` lives through thirteen weeks with one provider and gives an account: what had to reach its readers (expected.py works that out
from the lines alone), what did, and what the provider was given. The suite does the same with a part of the rotation.
"""

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.demo import ROTATION, HandClock, Replay, arrivals_by_day
from services.importing import Report, read_lines
from services.notifications import digests
from services.notifications.models import Alert, InboxMessage
from shared.database import transaction
from shared.organisations import names_by_code
from tests.brokers import Broker
from tests.databases import Database
from tests.end_to_end.expected import Expected, expected_alerts, reachable
from tests.end_to_end.real_house import RealHouse, a_real_house
from tests.nodes import open_broker, open_database
from tests.providers import SENDING, NotifyApi, SmtpServer

START = date(2027, 8, 4)
PLACEMENTS = 60
QUICK = {**SENDING, "TRIPARTITE_EMAIL_PER_MINUTE": "100000"}
"""Sending is on, and thirteen weeks of mail leave in a minute."""
Arrivals = Mapping[date, Sequence[tuple[int, dict[str, Any]]]]


@dataclass
class Account:
    """What a rotation came to. ``given`` are the messages that the provider took, by the alert (or digest) they are of."""

    expected: Counter[Expected]
    reached: Counter[Expected]
    unreachable: int
    given: Counter[str]
    digests: int
    members: int
    not_shown: list[str]
    digests_a_day: int

    @property
    def lost(self) -> int:
        """Alerts that had to reach somebody and did not."""
        return sum((self.expected - self.reached).values())

    @property
    def unexpected(self) -> int:
        """Alerts that reached somebody and should not have, or more often than they should."""
        return sum((self.reached - self.expected).values())

    @property
    def twice(self) -> int:
        """Messages that the provider was given more than once."""
        return sum(count - 1 for count in self.given.values())


def lived(broker: Broker, database: Database, folder: Path, settings: Mapping[str, str], arrivals: Arrivals, log: Any) -> Account:
    """Live through the rotation with a provider's settings; ``log`` gives what the provider took, by reference."""
    clock = HandClock()
    clock.set(START - timedelta(weeks=13), time(0))
    with a_real_house(broker, database, folder, clock, {**QUICK, **settings}) as house:
        days = list(Replay(house, clock, {day: list(lines) for day, lines in arrivals.items()}, START).days())
        heard = {day: [line for _, line in lines] for day, lines in arrivals.items()}
        wanted = expected_alerts(heard, iter(days), {name: code for code, name in names_by_code().items()})
        everything = [line for lines in heard.values() for line in lines]
        expected = Counter({alert: count for alert, count in wanted.items() if reachable(everything, alert)})
        return _account(house, expected, sum(wanted.values()) - sum(expected.values()), log())


def _account(house: RealHouse, expected: Counter[Expected], unreachable: int, given: Counter[str]) -> Account:
    with transaction(house.workers["notifications"].engine) as session:
        alerts = {alert.alert_key: alert for alert in session.scalars(select(Alert))}
        mailed = [alerts[key] for key in given]
        gathered = [mail for mail in mailed if mail.kind == digests.KIND]
        members = [alert for alert in alerts.values() if alert.digest in {mail.alert_key for mail in gathered}]
        shown = [*(mail for mail in mailed if mail.kind != digests.KIND), *members, *_in_the_inbox(session, alerts)]
        by_day = Counter((mail.recipient_id, mail.created_at.date()) for mail in gathered)
        return Account(
            expected=expected,
            reached=Counter(map(_named, shown)),
            unreachable=unreachable,
            given=given,
            digests=len(gathered),
            members=len(members),
            not_shown=[mail.alert_key for mail in gathered if _shown(mail) != _held(mail, members)],
            digests_a_day=max(by_day.values(), default=0),
        )


def _shown(digest: Alert) -> Counter[str]:
    """The placements that a digest shows, as its reader sees them."""
    return Counter(re.findall(r"^  Placement: +(\S+)$", digest.text, re.MULTILINE))


def _held(digest: Alert, members: Iterable[Alert]) -> Counter[str]:
    """The placements that its members are about."""
    return Counter(member.regarding.partition("/")[0] for member in members if member.digest == digest.alert_key)


def _in_the_inbox(session: Session, alerts: Mapping[str, Alert]) -> Iterable[Alert]:
    return [alerts[key] for key in session.scalars(select(InboxMessage.alert_key))]


def _named(alert: Alert) -> Expected:
    return Expected(alert.kind, alert.regarding, alert.role, alert.person or alert.organisation, alert.purpose, alert.channel)


def arrivals_of(placements: int | None = None) -> Arrivals:
    """The sample's lines by the day on which they are heard: all, or those of some placements, the troubled ones first."""
    lines = list(read_lines(ROTATION, "rotation", Report()))
    if placements is None:
        return arrivals_by_day(iter(lines))
    told = Counter(line["tisId"] for _, line in lines if "tisId" in line)
    chosen = set(sorted(told, key=lambda id_: (-told[id_], id_))[:placements])
    return arrivals_by_day(iter([(number, line) for number, line in lines if _belongs(line, chosen)]))


def _belongs(line: Mapping[str, Any], chosen: set[str]) -> bool:
    return line["tisId"] in chosen if "tisId" in line else line["type"] != "document.issued" or line["subject"] in chosen


def a_part_of_it_reaches_its_readers_once(broker: Broker, database: Database, folder: Path, provider: SmtpServer | NotifyApi) -> None:
    """What the suite claims of a part of the rotation, through one provider."""
    account = lived(broker, database, folder, provider.settings, arrivals_of(PLACEMENTS), provider.log)
    assert account.expected == account.reached
    assert set(account.given.values()) == {1}, "the provider was given each message once"
    assert account.members > 3 * account.digests > 0, "most of it comes in digests"
    assert account.not_shown == [], "a digest shows every placement that it is about"
    assert account.digests_a_day == 1, "a contact has one digest a day"


def main() -> int:
    """The command."""
    arrivals = arrivals_of()
    print(
        f"{'e-mail through':16}{'expected':>10}{'reached':>10}{'in digests':>12}{'digests':>9}{'messages':>10}{'lost':>6}{'twice':>7}"
        f"{'unexpected':>12}{'unreachable':>13}",
        flush=True,
    )
    wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("broker", "database"):
            (folder / name).mkdir()
        broker, database = open_broker(folder / "broker"), open_database(folder / "database")
        try:
            for name, provider in (("SMTP", SmtpServer()), ("GOV.UK Notify", NotifyApi())):
                with provider as found:
                    data = folder / name.split(".")[0].lower()
                    account = lived(broker, database, data, found.settings, arrivals, found.log)
                wrong += account.lost + account.twice + account.unexpected + len(account.not_shown)
                print(
                    f"{name:16}{sum(account.expected.values()):>10,}{sum(account.reached.values()):>10,}{account.members:>12,}"
                    f"{account.digests:>9,}{sum(account.given.values()):>10,}{account.lost:>6}{account.twice:>7}"
                    f"{account.unexpected:>12}{account.unreachable:>13}",
                    flush=True,
                )
        finally:
            broker.close()
            database.close()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
