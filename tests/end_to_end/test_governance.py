"""The story of a contract, with all services in one process: milestones, a Board that meets too seldom, and who hears of it in the end."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.deadlines.arrangements import a_contract, a_meeting
from tests.end_to_end.test_story import Region, a_contact

ATTENDED = {
    "north_west_terms": True,
    "host_stakeholders_present": 4,
    "hee_representatives_present": 1,
    "lead_employer_representatives_present": 1,
}


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    region = Region(tmp_path)
    region.hear(
        a_contract(),
        a_contact("nhse-contracts", role="national-body", purpose="contracts", email="contracts@example.org"),
        a_contact("commercial", role="commercial-team", email="commercial@example.org"),
    )
    yield region
    region.house.close()


def test_a_board_that_met_once_is_told_in_october_and_missed_in_january(region: Region) -> None:
    region.hear(a_meeting("m1", date(2027, 3, 9), facts=ATTENDED))
    [shown] = region.get("/deadlines/governance?lead_employer=RBN&year=2027")["bodies"]
    assert (shown["meetings"]["held"], shown["meetings"]["quorate"], shown["held"][0]["verdict"]) == (1, 1, "quorate")
    region.wake(date(2027, 9, 30))
    assert region.alerts("milestone-approaching") == []
    region.wake(date(2027, 10, 1))
    assert region.alerts("milestone-approaching") == ["dean by email", "nhse-contracts by email", "nhse-contracts by email"]
    [board] = region.get("/deadlines/milestones?state=approaching&owner=management-board")["items"]
    evidence = region.get(f"/deadlines/milestones/{board['milestone_id']}")["alerts"]
    assert {(alert["recipient"], alert["status"]) for alert in evidence} == {("dean", "sent"), ("nhse-contracts", "sent")}
    region.wake(date(2028, 1, 1))
    assert region.alerts("milestone-missed") == ["dean by email", "nhse-contracts by email", "nhse-contracts by email"]


def test_a_meeting_whose_attendance_is_told_later_becomes_quorate_everywhere(region: Region) -> None:
    region.hear(a_meeting("m1", date(2027, 3, 9)))
    assert region.get("/responsibility/meetings?verdict=undetermined")["items"][0]["needs"]
    region.hear(a_meeting("m1", date(2027, 3, 9), facts=ATTENDED))
    assert region.get("/deadlines/meetings?verdict=quorate")["items"][0]["meeting_id"] == "m1"
    [shown] = region.get("/deadlines/governance?lead_employer=RBN&year=2027")["bodies"]
    assert (shown["meetings"]["held"], shown["meetings"]["quorate"]) == (1, 1)


def test_when_a_re_procurement_must_start_the_commercial_team_hears_in_time_unless_it_has(region: Region) -> None:
    region.wake(date(2028, 8, 30))
    assert region.alerts("milestone-approaching") == []
    region.wake(date(2028, 8, 31))
    assert set(region.alerts("milestone-approaching")) == {"commercial by email", "nhse-contracts by email"}
    record = {"met_on": "2028-08-31", "recorded_by": "Project lead (invented)"}
    for milestone in region.get("/deadlines/milestones?state=approaching")["items"]:
        assert region.post(f"/deadlines/milestones/{milestone['milestone_id']}/met", record).status_code == 200
    region.wake(date(2028, 10, 1))
    assert region.alerts("milestone-missed") == []
