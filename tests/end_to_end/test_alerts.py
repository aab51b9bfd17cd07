"""The sample rotation on RabbitMQ and PostgreSQL: every alert that there must be reaches its reader, and reaches it once."""

from collections import Counter
from datetime import date, time, timedelta
from pathlib import Path

from sqlalchemy import select

from services.demo import ROTATION, HandClock, Replay, arrivals_by_day
from services.importing import Report, read_lines
from services.notifications.models import Alert
from shared.database import transaction
from shared.organisations import names_by_code
from tests.end_to_end.expected import Expected, expected_alerts, reachable
from tests.end_to_end.real_house import a_real_house
from tests.nodes import Broker, Database

START = date(2027, 8, 4)


def test_every_expected_alert_is_made_once(broker: Broker, database: Database, tmp_path: Path) -> None:
    clock = HandClock()
    clock.set(START - timedelta(weeks=13), time(0))
    arrivals = arrivals_by_day(read_lines(ROTATION, "rotation", Report()))
    with a_real_house(broker, database, tmp_path, clock) as house:
        replay = Replay(house, clock, arrivals, START)
        days = list(replay.days())
        lines = {day: [line for _, line in heard] for day, heard in arrivals.items()}
        wanted = expected_alerts(lines, iter(days), {name: code for code, name in names_by_code().items()})
        with transaction(house.workers["notifications"].engine) as session:
            made = Counter(
                Expected(alert.kind, alert.regarding, alert.role, alert.person or alert.organisation, alert.purpose, alert.channel)
                for alert in session.scalars(select(Alert).where(Alert.status == "sent"))
            )
        everything = [line for heard in lines.values() for line in heard]
        assert made == Counter({alert: count for alert, count in wanted.items() if reachable(everything, alert)})
