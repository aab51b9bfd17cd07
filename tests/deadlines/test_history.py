"""Nothing is overwritten: what was known at the end of a past day can be read on any day after it, as it was read then."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from services.deadlines.app import SERVICE, create_app
from services.deadlines.evidence import standing
from services.deadlines.history import as_known
from services.deadlines.models import Placement, PlacementVersion
from services.deadlines.shown import placement_shown
from shared.database import transaction
from shared.errors import Refused
from shared.events import Event, PlacementWithdrawn
from shared.wire import read_message
from shared.worker import Worker
from tests.deadlines.stories import DUE, FIRST, WEEK_8, WEEK_12, Story
from tests.helpers import Clock, a_document, a_message, a_placement, a_worker, settle

DAY = timedelta(days=1)


def reading(story: Story, day: date, *, afterwards: bool = False) -> dict[str, Any] | None:
    """What can be read of the placement at the end of a day: on that day, or afterwards."""
    file = as_known(story.file, day) if afterwards else story.file
    return placement_shown(file, day) if file.placement else None


# ---- any sequence of events --------------------------------------------------------------------------------------

Deed = Callable[[Story, date], object]
CHANGES: list[dict[str, Any]] = [
    {},
    {"start_date": date(2027, 9, 1)},
    {"start_date": date(2027, 7, 21)},
    {"host": "R0A", "host_name": "Manchester University NHS Foundation Trust"},
    {"site": "RXN01"},
    {"lead_employer": "RXN"},
    {"trainee_id": "t2"},
    {"grade": "ST4"},
    {"placement_type": "parental-leave"},
]
SENT = [("placement-information", "host"), ("work-schedule", "trainee"), ("work-schedule", "lead-employer"), ("contract", "trainee")]


def heard(event: Event, story: Story, day: date) -> None:
    story.hear(event, day=day)


def issued(kind: str, to: str, days_before: int, story: Story, day: date) -> None:
    story.hear(a_document(kind, to, day - days_before * DAY), day=day)


def taken_back(place: int, story: Story, day: date) -> None:
    with suppress(Refused, IndexError):
        story.take_back(story.file.documents[place].document_id, day)


def waived(rule: str, days: int, story: Story, day: date) -> None:
    with suppress(Refused, ValueError):
        story.waive(rule, day + days * DAY, day)


def waiver_ended(rule: str, story: Story, day: date) -> None:
    with suppress(Refused, ValueError):
        story.end_waiver(rule, day)


def struck(story: Story, day: date) -> None:
    story.strike(day)
    for deadline in story.file.in_force():
        assert deadline.state == standing(story.file, deadline, day).state, "what was said is what is so"


RULES = st.sampled_from(sorted(DUE))
DEEDS: st.SearchStrategy[Deed] = st.one_of(
    st.sampled_from(CHANGES).map(lambda changes: partial(heard, a_placement(**changes))),
    st.just(partial(heard, PlacementWithdrawn(placement_id="p1", reason="closed"))),
    st.builds(lambda sent, days: partial(issued, sent[0], sent[1], days), st.sampled_from(SENT), st.integers(0, 15)),
    st.builds(lambda place: partial(taken_back, place), st.integers(0, 2)),
    st.builds(lambda rule, days: partial(waived, rule, days), RULES, st.integers(0, 20)),
    st.builds(lambda rule: partial(waiver_ended, rule), RULES),
    st.just(struck),
)


@dataclass
class Diary:
    """A story that is read at the end of each of its days."""

    story: Story = field(default_factory=Story)
    read: dict[date, dict[str, Any] | None] = field(default_factory=dict)

    def write(self, day: date) -> None:
        self.read[day] = reading(self.story, day)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 14), DEEDS), max_size=14))
def test_what_is_read_as_at_a_past_day_is_what_was_read_on_that_day(deeds: list[tuple[int, Deed]]) -> None:
    diary, day = Diary(), FIRST
    for days, deed in deeds:
        if days:
            diary.write(day)
            day += days * DAY
            diary.write(day - DAY)
        deed(diary.story, day)
    diary.write(day)
    for past, then in diary.read.items():
        assert reading(diary.story, past, afterwards=True) == then, past


# ---- one story, over HTTP ----------------------------------------------------------------------------------------


@pytest.fixture
def worker(tmp_path: Path, clock: Clock) -> Worker:
    return a_worker(SERVICE, tmp_path, clock)


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    return create_app(worker).test_client()


def test_a_placement_is_read_as_it_was_known_on_each_day_of_its_story(worker: Worker, client: FlaskClient, clock: Clock) -> None:
    person = {"reason": "sent to another doctor"}
    story: dict[date, list[Event]] = {
        FIRST: [a_placement()],
        date(2027, 5, 20): [a_document("placement-information", "host", date(2027, 5, 18)), a_placement(grade="ST4")],
        date(2027, 6, 1): [a_placement(grade="ST4", site="RXN01")],
        date(2027, 6, 12): [a_document("contract", "trainee", WEEK_8)],
        date(2027, 6, 20): [a_placement(start_date=date(2027, 9, 1))],
        date(2027, 6, 25): [PlacementWithdrawn(placement_id="p1", reason="closed")],
        date(2027, 7, 1): [a_placement()],
    }
    read: dict[date, Any] = {}
    for number in range(90):
        day = clock.on(FIRST + number * DAY).date()
        for event in story.get(day, []):
            worker.take_in([a_message(event, number + 1, clock())], clock())
        if day == date(2027, 6, 3):
            waiver = {"waived_by": "Ida Marsh (invented)", "reason": "strike", "until": "2027-06-15"}
            assert client.post("/deadlines/deadlines/p1/pay-breakdown-to-trainee/1/waiver", json=waiver).status_code == 201
        if day == date(2027, 7, 10):
            back = client.post(
                f"/deadlines/placements/p1/documents/contract-trainee-{WEEK_8}/withdrawal", json={**person, "withdrawn_by": "I"}
            )
            assert back.status_code == 200
        settle(worker)
        clock.on(day, 20)
        read[day] = client.get("/deadlines/placements/p1").get_json()
        del read[day]["alerts"]
    for day, then in read.items():
        shown = client.get(f"/deadlines/placements/p1?as_at={day}").get_json()
        shown.pop("alerts")
        assert shown == then, day
    known = {deadline["deadline_id"]: deadline for deadline in read[date(2027, 6, 10)]["deadlines"]}
    assert (known["p1/contract-to-trainee/1"]["state"], known["p1/pay-breakdown-to-trainee/1"]["state"]) == ("missed", "waived")
    assert client.get("/deadlines/placements/p1?as_at=2027-05-04").status_code == 404


def test_a_document_recorded_later_is_not_known_earlier(worker: Worker, client: FlaskClient, clock: Clock) -> None:
    worker.take_in([a_message(a_placement())], clock())
    late = date(2027, 5, 20)
    worker.take_in([a_message(a_document("placement-information", "host", WEEK_12), at=clock.on(late))], clock())
    states = {
        day: next(
            deadline["state"]
            for deadline in client.get(f"/deadlines/placements/p1?as_at={day}").get_json()["deadlines"]
            if deadline["deadline_id"] == "p1/placement-information-to-host/1"
        )
        for day in (WEEK_12, WEEK_12 + DAY, late - DAY, late)
    }
    assert list(states.values()) == ["approaching", "missed", "missed", "met"]


def test_the_day_ends_at_midnight_in_england(worker: Worker, client: FlaskClient, clock: Clock) -> None:
    clock.now = datetime(2027, 5, 5, 23, 30, tzinfo=UTC)  # half past midnight on 6 May in England
    worker.take_in([a_message(a_placement())], clock())
    clock.on(date(2027, 5, 8))
    assert client.get("/deadlines/placements/p1?as_at=2027-05-05").status_code == 404
    assert client.get("/deadlines/placements/p1?as_at=2027-05-06").status_code == 200


def test_deadlines_are_listed_as_they_were_known(worker: Worker, client: FlaskClient, clock: Clock) -> None:
    worker.take_in([a_message(a_placement()), a_message(a_placement(placement_id="p2", host="R0A"))], clock())
    clock.on(date(2027, 6, 30))
    settle(worker)
    worker.take_in([a_message(a_document("contract", "trainee", WEEK_8), at=clock())], clock())

    def ids(query: str) -> set[str]:
        found = set[str]()
        after: str | None = ""
        while after is not None:
            page = client.get(f"/deadlines/deadlines?limit=3&after={after}&{query}").get_json()
            found |= {item["deadline_id"] for item in page["items"]}
            after = page["next"]
        return found

    assert ids("as_at=2027-05-04") == set()
    assert ids("host=RXN&status=approaching&as_at=2027-05-05") == {f"p1/placement-information-to-{who}/1" for who in ("host", "trainee")}
    assert len(ids("as_at=2027-06-09&status=missed")) == 4
    assert ids("status=met") == ids("status=met&as_at=2027-06-30") == {"p1/contract-to-trainee/1"}


def test_one_deadline_is_shown_as_it_was_known_and_offers_nothing_to_change_then(worker: Worker, client: FlaskClient, clock: Clock) -> None:
    path = "/deadlines/deadlines/p1/contract-to-trainee/1"
    worker.take_in([a_message(a_placement())], clock())
    worker.take_in([a_message(a_document("contract", "trainee", date(2027, 5, 20)), at=clock.on(date(2027, 5, 20)))], clock())
    worker.take_in([a_message(a_placement(start_date=date(2027, 9, 1)), 2)], clock.on(date(2027, 5, 25)))
    answers = {day: client.get(f"{path}?as_at={day}") for day in (FIRST - DAY, FIRST, date(2027, 5, 20), date(2027, 5, 24))}
    assert [answer.status_code for answer in answers.values()] == [404, 200, 200, 200]
    assert [answer.get_json()["state"] for answer in [*answers.values()][1:]] == ["set", "met", "met"]
    assert all("ETag" not in answer.headers for answer in answers.values())
    [listed] = client.get(f"/deadlines/deadlines?placement=p1&duty=contract&as_at={FIRST}").get_json()["items"]
    assert answers[FIRST].get_json() == listed
    today = client.get(f"{path}?as_at=2027-05-25")
    assert (today.get_json()["state"], today.headers["ETag"]) == ("withdrawn", client.get(path).headers["ETag"])


@pytest.mark.parametrize("as_at", ["2027-05-06", "yesterday", "2027-02-30"])
def test_a_day_that_has_not_come_or_is_none_is_refused(worker: Worker, client: FlaskClient, as_at: str) -> None:
    worker.take_in([a_message(a_placement())], worker.clock())
    for path in ("placements/p1", "deadlines", "deadlines/p1/contract-to-trainee/1"):
        answer = client.get(f"/deadlines/{path}?as_at={as_at}")
        assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, "#/as_at")


def test_a_version_is_kept_only_of_what_has_changed(worker: Worker, clock: Clock) -> None:
    for number, event in enumerate([a_placement(), a_placement(), a_placement(grade="ST4"), a_placement(grade="ST4")], start=1):
        clock.on(FIRST + number * DAY)
        worker.take_in([a_message(event, number)], clock())
    with transaction(worker.engine) as session:
        assert session.scalar(select(func.count()).select_from(PlacementVersion)) == 1
        [version] = session.scalars(select(PlacementVersion))
    assert (version.grade, version.heard_at.date(), version.replaced_at.date()) == ("ST3", FIRST + DAY, FIRST + 3 * DAY)


def test_a_whole_time_equivalent_of_many_places_is_no_change_when_it_is_told_again(
    worker: Worker, client: FlaskClient, clock: Clock
) -> None:
    two_thirds = a_placement(whole_time_equivalent=Decimal("0.66666"))
    for number, event in enumerate([two_thirds, two_thirds, a_placement(whole_time_equivalent=Decimal("0.667"))], start=1):
        worker.take_in([read_message(a_message(event, number).to_json())], clock.on(FIRST + number * DAY))
    with transaction(worker.engine) as session:
        assert session.scalar(select(func.count()).select_from(PlacementVersion)) == 0
        assert session.scalars(select(Placement)).one().changes == 0
    assert client.get("/deadlines/placements/p1").get_json()["whole_time_equivalent"] == "0.667"
