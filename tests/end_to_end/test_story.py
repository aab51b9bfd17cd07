"""The story on the bus, told with all four services in one process: what upstream says, and who hears of it in the end."""

from collections.abc import Iterator
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest

from services.demo import HandClock
from services.house import House, open_house
from shared.config import Config
from shared.events import Event, PlacementWithdrawn, RecipientUpdated
from tests.helpers import a_concern, a_document, a_placement, a_recipient, cloud_event

SPRING = date(2027, 5, 5)


class Region:
    """A lead-employer region with one trainee, one host and one clock."""

    def __init__(self, data: Path) -> None:
        self.clock = HandClock()
        self.clock.set(SPRING, time(9))
        self.data = data
        self.house: House = open_house(Config(data=data), self.clock)
        self.sequence = 0
        self.hear(
            a_recipient(),
            a_contact("host-placements", role="host", organisation="RXN", purpose="placements", email="placements@example.org"),
            a_contact("host-schedules", role="host", organisation="RXN", purpose="work-schedules", email="schedules@example.org"),
            a_contact("host-rotas", role="host", organisation="RXN", purpose="rotas", email="rotas@example.org"),
            a_contact("le", role="lead-employer", organisation="RBN", purpose="", email="le@example.org"),
            a_contact("dean", role="postgraduate-dean", email="dean@example.org"),
            a_contact("team", role="revalidation-team", email="team@example.org"),
            a_contact("nhse", role="national-body", email="nhse@example.org"),
        )

    def hear(self, *events: Event) -> None:
        """Upstream says something, and everybody settles it."""
        self.sequence += 1
        sent = self.post("/deadlines/events", [cloud_event(event, self.sequence) for event in events])
        assert sent.status_code == 202, sent.get_json()
        self.house.settle()

    def wake(self, day: date) -> None:
        """The morning of a day: the clock strikes, and an hour later the digests leave."""
        for hour in (7, 8):
            self.clock.set(day, time(hour))
            self.house.settle()

    def post(self, path: str, body: Any) -> Any:
        return self.house.apps[path.split("/")[1]].test_client().post(path, json=body)

    def get(self, path: str) -> Any:
        return self.house.apps[path.split("/")[1]].test_client().get(path).get_json()

    def alerts(self, kind: str) -> list[str]:
        """Who was sent alerts of a kind, as ``recipient by channel``."""
        found = self.get(f"/notifications/alerts?kind={kind}&status=sent&limit=200")["items"]
        return sorted(f"{alert['recipient_id']} by {alert['channel']}" for alert in found)

    def states(self) -> dict[str, str]:
        """The state of every deadline there ever was, by id."""
        return {deadline["deadline_id"]: deadline["state"] for deadline in self.get("/deadlines/placements/p1")["deadlines"]}


def a_contact(recipient_id: str, **changes: Any) -> RecipientUpdated:
    """A contact of an organisation."""
    return a_recipient(recipient_id, name=f"{recipient_id} (invented)", **changes)


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    """A region on the first day."""
    found = Region(tmp_path)
    yield found
    found.house.close()


def test_a_placement_its_deadlines_and_whom_they_reach(region: Region) -> None:
    # A placement is made known thirteen weeks before it starts: seven deadlines are set, and those concerned are told of it.
    region.hear(a_placement())
    assert len(region.states()) == 7
    assert region.alerts("placement-notice") == ["t1 by email", "t1 by inbox"]
    region.wake(date(2027, 5, 6))
    assert region.alerts("placement-notice") == ["host-placements by email", "le by email", "t1 by email", "t1 by inbox"]

    # The host gets its information in time; the work schedule is not there a week before it is due: host and lead employer are reminded.
    region.hear(
        a_document("placement-information", "host", date(2027, 5, 10)), a_document("placement-information", "trainee", date(2027, 5, 12))
    )
    region.wake(date(2027, 6, 2))
    assert "host-schedules by email" in region.alerts("deadline-approaching")
    assert region.states()["p1/placement-information-to-host/1"] == "met"

    # The host sends it a day late, so the lead employer is late as well: its lateness is the host's.
    region.wake(date(2027, 6, 10))
    region.hear(a_document("work-schedule", "lead-employer", date(2027, 6, 10)), a_document("work-schedule", "trainee", date(2027, 6, 11)))
    shown = {found["deadline_id"]: found for found in region.get("/deadlines/placements/p1")["deadlines"]}
    assert shown["p1/work-schedule-to-trainee/1"]["state"] == "met-late"
    assert shown["p1/work-schedule-to-trainee/1"]["late_caused_by"] == "host"

    # Everybody was told once: living through the same morning again sends nothing.
    before = region.get("/notifications/alerts/counts")
    region.wake(date(2027, 6, 11))
    region.wake(date(2027, 6, 11))
    assert region.get("/notifications/alerts/counts") == before


def test_a_start_that_moves_sets_new_deadlines_keeps_the_old_and_sends_one_change_notice(region: Region) -> None:
    region.hear(a_placement())
    region.wake(date(2027, 5, 6))
    region.hear(a_placement(start_date=date(2027, 9, 1)))
    assert region.alerts("placement-change") == [], "more edits may come within the hour"
    region.wake(date(2027, 5, 7))
    states = region.states()
    assert [states[f"p1/duty-roster-to-trainee/{revision}"] for revision in (1, 2)] == ["withdrawn", "set"]
    assert region.alerts("placement-change") == ["host-placements by email", "le by email", "t1 by email", "t1 by inbox"]
    # A cosmetic edit is no news to anybody.
    region.hear(a_placement(start_date=date(2027, 9, 1), placement_type="in-post-extension"))
    assert len(region.alerts("placement-change")) == 4


def test_a_placement_that_is_withdrawn_ends_its_deadlines_and_is_cancelled(region: Region) -> None:
    region.hear(a_placement())
    region.wake(date(2027, 5, 6))
    region.hear(PlacementWithdrawn(placement_id="p1", reason="deleted in TIS"))
    assert set(region.states().values()) == {"withdrawn"}
    assert region.alerts("placement-cancelled") == ["host-placements by email", "le by email", "t1 by email", "t1 by inbox"]
    region.wake(date(2027, 6, 30))
    assert region.alerts("deadline-missed") == []


def test_a_concern_is_assigned_and_the_named_parties_are_told_by_reference_only(region: Region) -> None:
    region.hear(a_concern({"kind": "conduct"}))
    case = region.get("/responsibility/cases/c1")
    assert (case["status"], case["owner"], case["case_manager"]) == ("assigned", "lead-employer", "lead-employer-medical-director")
    assert region.alerts("responsibility-assigned") == ["dean by email", "team by email"]
    text = " ".join(file.read_text(encoding="utf-8") for file in (region.data / "alerts").glob("*.txt"))
    assert "DR-0001" in text
    assert "Quillfeather" not in text


def test_a_concern_with_too_few_facts_waits_for_them_and_nobody_is_told(region: Region) -> None:
    region.hear(a_concern({"kind": "complaint"}))
    case = region.get("/responsibility/cases/c1")
    assert case["status"] == "needs-facts"
    assert {need["fact"] for need in case["needs"]} >= {"complaint_level"}
    assert region.alerts("responsibility-assigned") == []


def test_what_was_said_is_heard_after_a_restart_once(region: Region, tmp_path: Path) -> None:
    # The placement is taken in, and the process ends before anybody has heard of it.
    region.post("/deadlines/events", [cloud_event(a_placement())])
    region.house.close()
    again = Region(tmp_path)
    again.house.settle()
    again.wake(date(2027, 5, 6))
    assert len(again.states()) == 7
    assert len(again.alerts("placement-notice")) == 4
    again.house.close()
