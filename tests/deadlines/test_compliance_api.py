"""Compliance over HTTP: what is asked for, as JSON and as CSV, today and as at a past day; the quarterly return."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from services.deadlines.app import SERVICE, create_app
from services.deadlines.compliance import quarterly, reading
from services.deadlines.compliance.quarterly import HEAD, collection_months, collection_of, quarterly_return, return_rows
from shared.comma_separated import lines_of, written
from shared.config import Config
from shared.database import migrate, open_database
from shared.events import Event, PlacementWithdrawn
from shared.wire import say
from shared.worker import Worker
from tests.databases import Database
from tests.deadlines.compliance_stories import AFTER, BUNDLE, DAY, INFORMATION, ROSTER, a_story, bundle
from tests.deadlines.stories import FIRST, WEEK_6, WEEK_8, WEEK_12
from tests.helpers import SOURCE, Clock, a_document, a_placement, a_worker

DECEMBER = date(2027, 12, 1)


on_both = pytest.mark.parametrize("worker", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def worker(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Worker]:
    if getattr(request, "param", "sqlite") == "sqlite":
        worker = a_worker(SERVICE, tmp_path, clock)
        yield worker
        worker.close()
        return
    database: Database = request.getfixturevalue("database")
    config = Config(data=tmp_path, database_url=database.create([SERVICE.name], "deadlines"))
    engine = open_database(config.database_of(SERVICE.name))
    migrate(engine, SERVICE.name)
    engine.dispose()
    worker = Worker(SERVICE, config, clock)
    yield worker
    worker.close()
    database.drop("deadlines")


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    return create_app(worker).test_client()


class House:
    """The service, told what happens on which day."""

    def __init__(self, worker: Worker, clock: Clock, client: FlaskClient) -> None:
        self.worker, self.clock, self.client, self.sequence = worker, clock, client, 0

    def hear(self, *events: Event, day: date = FIRST) -> None:
        now = self.clock.on(day)
        for event in events:
            self.sequence += 1
            self.worker.take_in([say(event, SOURCE, datetime.combine(day, time(9), UTC), self.sequence)], now)

    def get(self, query: str = "") -> dict[str, Any]:
        answer = self.client.get(f"/deadlines/compliance?{query}")
        assert answer.status_code == 200, answer.get_data(as_text=True)
        found: dict[str, Any] = answer.get_json()
        return found

    def due(self, query: str, measure: str = ROSTER) -> tuple[int, int]:
        found = self.get(query)["total"]["figures"][measure]
        return found["on_time"], found["due"]


@pytest.fixture
def house(worker: Worker, clock: Clock, client: FlaskClient) -> House:
    return House(worker, clock, client)


def pointers(answer: TestResponse) -> set[str]:
    return {error["pointer"] for error in answer.get_json()["errors"]}


def rows(answer: TestResponse) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.get_data(as_text=True), newline="")))


# ---- what is asked for -------------------------------------------------------------------------------------------


def test_compliance_is_by_host_and_by_the_month_of_the_start(house: House) -> None:
    december = a_placement(placement_id="p2", start_date=date(2027, 12, 31), end_date=date(2028, 6, 1))
    house.hear(a_placement(), december, a_placement(placement_id="p3"), a_document("duty-roster", "trainee", FIRST))
    house.hear(a_document("duty-roster", "trainee", FIRST, placement_id="p3"), PlacementWithdrawn(placement_id="p3", reason="closed"))
    house.clock.on(date(2028, 1, 1))
    shown = house.get("by=host&rotation=2027-12&host=RXN")
    assert (shown["as_at"], shown["by"], shown["filters"]) == ("2028-01-01", ["host"], {"rotation": "2027-12", "host": "RXN"})
    figure = shown["total"]["figures"][ROSTER]
    assert (figure["on_time"], figure["due"], figure["percent"]) == (0, 1, "0.0")
    [group] = house.get()["groups"]
    assert (group["host"], group["placements"]) == ("RXN", 2)
    assert (group["figures"][ROSTER]["percent"], group["figures"][ROSTER]["meets_target"]) == ("50.0", None)
    assert house.get("host=R0A")["total"]["figures"][BUNDLE]["verdict"] == "no-data"


@on_both
def test_every_filter_holds_the_table_to_what_is_asked(house: House) -> None:
    house.hear(a_placement())
    house.hear(a_placement(placement_id="p2", host="ZZ9", host_name="An invented trust", lead_employer="RXL", specialty="Urology"))
    house.clock.on(AFTER)
    asked = ["host=ZZ9", "lead_employer=RXL", "lead-employer=RXL", "region=not%20known", "specialty=Urology"]
    assert [[group["host"] for group in house.get(query)["groups"]] for query in asked] == [["ZZ9"]] * 5
    assert [group["host"] for group in house.get("region=north%20west")["groups"]] == ["RXN"]
    assert house.get("host=ZZ9&specialty=Cardiology")["groups"] == []
    both = house.get("by=region,specialty")["groups"]
    assert [(group["region"], group["specialty"]) for group in both] == [("North West", "Cardiology"), ("not known", "Urology")]


@pytest.mark.parametrize(
    "query",
    [
        "by=trainee",
        "by=host,",
        "rotation=2027-13",
        "rotation=2027",
        "rotation=august",
        "region=Narnia",
        "as_at=2027-5-5",
        "as_at=2027-05-06",
        "exceptions=101",
        "exceptions=-1",
        "measure=roster",
        "format=xml",
        "hosts=RXN",
        "host=%00",
    ],
)
def test_a_table_that_cannot_be_made_is_refused_by_the_name_of_the_field(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/deadlines/compliance?{query}")
    assert (answer.status_code, pointers(answer)) == (422, {f"#/{query.split('=')[0]}"})


def test_the_worst_are_ten_or_as_many_as_are_asked_for_also_of_each_group(house: House) -> None:
    house.hear(a_placement(), a_placement(placement_id="p2", host="R0A"))
    house.clock.on(AFTER)
    assert (len(house.get()["exceptions"]), "exceptions" in house.get()["groups"][0]) == (10, False)
    asked = house.get("exceptions=3")
    assert [len(asked["exceptions"]), *(len(group["exceptions"]) for group in asked["groups"])] == [3, 3, 3]
    assert {found["measure"] for found in house.get(f"measure={ROSTER}")["exceptions"]} == {ROSTER}
    assert house.get("exceptions=0")["exceptions"] == []


# ---- as at -------------------------------------------------------------------------------------------------------


@on_both
def test_as_at_a_past_day_the_table_is_what_it_was(house: House) -> None:
    then: dict[date, dict[str, Any]] = {}

    def note(day: date) -> None:
        house.clock.on(day, hour=22)
        then[day] = house.get("exceptions=5")

    house.hear(a_placement(), a_placement(placement_id="p2", specialty="Urology"))
    note(FIRST)
    house.hear(a_document("placement-information", "host", WEEK_12), day=WEEK_12 + DAY)  # recorded a day later
    note(WEEK_12 + DAY)
    house.hear(*(a_document(kind, "trainee", WEEK_8) for kind in ("work-schedule", "contract", "pay-breakdown")), day=WEEK_8)
    note(WEEK_8 + DAY)
    house.hear(a_placement(host="R0A", host_name="Manchester University NHS Foundation Trust", lead_employer="RXL"), day=WEEK_8 + 2 * DAY)
    note(WEEK_8 + 2 * DAY)
    house.hear(PlacementWithdrawn(placement_id="p2", reason="closed"), day=WEEK_6)
    note(WEEK_6 + DAY)
    house.clock.on(AFTER)
    assert {day: house.get(f"exceptions=5&as_at={day}") for day in then} == then
    assert house.due(f"as_at={WEEK_12 + DAY}", INFORMATION) == (1, 2)
    assert house.due(f"as_at={WEEK_12}", INFORMATION) == (0, 0), "what was recorded the day after was not known"


@on_both
def test_a_past_table_is_held_to_what_placements_were_then(house: House) -> None:
    house.hear(a_placement())
    house.hear(a_placement(host="R0A", specialty="Urology", start_date=date(2027, 9, 1)), day=WEEK_12)
    house.clock.on(AFTER)
    before = WEEK_12 - DAY
    for then, now in (("host=RXN", "host=R0A"), ("specialty=Cardiology", "specialty=Urology"), ("rotation=2027-08", "rotation=2027-09")):
        assert [house.get(f"{query}&as_at={before}")["total"]["placements"] for query in (then, now)] == [1, 0]
        assert [house.get(query)["total"]["placements"] for query in (then, now)] == [0, 1]


@on_both
def test_a_table_is_the_same_however_many_placements_are_read_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.hear(*(a_placement(placement_id=f"p{number}", host=("RXN", "R0A")[number % 2]) for number in range(7)))
    house.hear(a_placement(placement_id="p3", host="RXL"), day=WEEK_12 + DAY)
    house.clock.on(AFTER)
    whole = [house.get(query) for query in ("", f"as_at={WEEK_12}")]
    for at_once in (1, 3):
        monkeypatch.setattr(reading, "AT_ONCE", at_once)
        assert [house.get(query) for query in ("", f"as_at={WEEK_12}")] == whole


# ---- CSV ---------------------------------------------------------------------------------------------------------


def test_the_table_as_csv_says_what_the_json_says(house: House) -> None:
    house.hear(a_placement(), *bundle()[:1])
    house.clock.on(AFTER)
    answer, found = house.client.get("/deadlines/compliance?format=csv"), house.get()
    assert answer.content_type == "text/csv; charset=utf-8; header=present"
    by_scope = {(row["scope"], row["measure"]): row for row in rows(answer)}
    for scope, said in (("group", found["groups"][0]), ("total", found["total"])):
        for name, figure in said["figures"].items():
            row = by_scope[scope, name]
            assert [row["due"], row["on_time"], row["percent_on_time"]] == [str(figure["due"]), str(figure["on_time"]), figure["percent"]]
            assert [row["verdict"], row["kpi"]] == [figure["verdict"], figure["target"] or ""]
            causes = {party: row[f"late_by_{party.replace('-', '_')}"] for party in ("national-body", "lead-employer", "host")}
            assert {party: int(count) for party, count in causes.items() if count not in ("", "0")} == figure.get("late_by_cause", {})
    total = by_scope["total", BUNDLE]
    assert (total["host"], total["host_name"], by_scope["group", BUNDLE]["host"]) == ("", "", "RXN")
    assert (total["rule"], total["source"], total["entry"]) == ("bundle-target-not-met", "TOOLKIT", "kpi-cop-90")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("text/csv", "text/csv"), ("application/json", "application/json"), ("*/*", "application/json"), ("text/csv, */*;q=0.1", "text/csv")],
)
def test_csv_is_also_had_by_content_negotiation(client: FlaskClient, accept: str, kind: str) -> None:
    answer = client.get("/deadlines/compliance", headers={"Accept": accept})
    assert (answer.mimetype, answer.headers["Vary"]) == (kind, "Accept")


def test_where_nothing_was_due_the_csv_says_no_data(client: FlaskClient) -> None:
    found = rows(client.get("/deadlines/compliance?format=csv"))
    assert {(row["scope"], row["percent_on_time"]) for row in found} == {("total", "no data")}


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"])
def test_no_cell_is_a_formula(name: str) -> None:
    assert written(name) == f"'{name}"


def test_names_from_outside_are_no_formulas_either(house: House) -> None:
    house.hear(a_placement(host="ZZ9", host_name='=cmd|"/c calc"!A1', specialty="@x"))
    answer = house.client.get("/deadlines/compliance?by=host,specialty&format=csv")
    assert {(row["host_name"], row["specialty"]) for row in rows(answer)[:8]} == {('\'=cmd|"/c calc"!A1', "'@x")}


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2)))
def test_a_csv_is_read_again_as_it_was_written(cells: list[list[str]]) -> None:
    text = "".join(lines_of(["one", "two"], cells))
    assert text.startswith("one,two\r\n")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["one", "two"], *[[written(cell) for cell in row] for row in cells]]


# ---- the quarterly return ----------------------------------------------------------------------------------------


def the_return(*stories: Any, month: date = date(2027, 8, 1), as_at: date = AFTER) -> dict[tuple[str, str], dict[str, str]]:
    """The lines of the return by level and organisation."""
    collection = collection_of(month)
    lines = quarterly_return([story.file for story in stories], collection, as_at)
    text = "".join(lines_of(HEAD, return_rows(lines, collection, as_at)))
    return {(row["level"], row["organisation"]): row for row in csv.DictReader(io.StringIO(text, newline=""))}


def test_the_return_counts_schedules_and_rosters_by_trust_and_by_lead_employer_trust() -> None:
    roster = a_document("duty-roster", "trainee", WEEK_6)
    found = the_return(a_story(1, bundle()[0], roster), a_story(2, roster), a_story(3, host="R0A"), a_story(4, host="P81002"))
    assert [(level, code, row["placements"]) for (level, code), row in found.items()] == [
        ("trust", "RXN", "2"),
        ("trust", "R0A", "1"),
        ("other-host", "P81002", "1"),
        ("lead-employer-trust", "RBN", "4"),
    ]
    line = found["trust", "RXN"]
    assert [line[f"work_schedule_{what}"] for what in ("due", "on_time", "percent")] == ["2", "1", "50.0"]
    assert [line[f"duty_roster_{what}"] for what in ("due", "on_time", "percent")] == ["2", "2", "100.0"]
    employer = found["lead-employer-trust", "RBN"]
    assert [employer[f"work_schedule_{what}"] for what in ("due", "on_time", "percent")] == ["4", "1", "25.0"]
    assert [employer[f"work_schedule_late_by_{party}"] for party in ("national_body", "lead_employer", "host")] == ["3", "0", "0"]
    assert (line["collection"], line["starts_from"], line["starts_to"], line["as_at"]) == (
        "2027-08",
        "2027-08-01",
        "2027-08-31",
        "2027-08-04",
    )


def test_starts_between_two_collections_are_in_no_share_and_shown_beside_it() -> None:
    starts = [date(2027, 4, 30), date(2027, 5, 1), date(2027, 7, 31), date(2027, 8, 1), date(2027, 8, 31), date(2027, 9, 1)]
    found = the_return(*(a_story(number, start_date=start) for number, start in enumerate(starts)))["trust", "RXN"]
    assert (found["placements"], found["other_starts"]) == ("2", "2")


def test_a_collection_begins_where_the_one_before_ended_over_the_year_as_well() -> None:
    assert [collection_of(date(2027, month, 1)).others_from for month in collection_months()] == [
        date(2027, 1, 1),
        date(2027, 3, 1),
        date(2027, 5, 1),
        date(2027, 9, 1),
    ]
    assert collection_of(DECEMBER).last == date(2027, 12, 31)


def test_before_the_day_the_return_has_no_data() -> None:
    found = the_return(a_story(), as_at=FIRST)["trust", "RXN"]
    assert (found["work_schedule_due"], found["work_schedule_percent"], found["duty_roster_percent"]) == ("0", "no data", "no data")


def test_the_columns_of_the_return_are_those_that_are_documented() -> None:
    assert quarterly.__doc__ is not None
    named = [name for name in HEAD if not name.startswith(("work_schedule_", "duty_roster_"))]
    assert [name for name in named if name not in quarterly.__doc__] == []
    assert all(f"_{what}" in quarterly.__doc__ for what in ("due", "on_time", "percent", "waived", "late_by_<party>"))
    assert len(HEAD) == len(set(HEAD))


def test_the_return_is_a_file_to_be_sent(house: House) -> None:
    house.hear(a_placement(), *bundle()[:1])
    house.clock.on(AFTER)
    answer = house.client.get("/deadlines/returns/2027-08.csv")
    assert (answer.mimetype, answer.headers["Content-Disposition"]) == (
        "text/csv",
        'attachment; filename="return-2027-08-as-at-2027-08-04.csv"',
    )
    assert [(row["organisation"], row["work_schedule_on_time"]) for row in rows(answer)] == [("RXN", "1"), ("RBN", "1")]
    past = house.client.get(f"/deadlines/returns/2027-08.csv?as_at={WEEK_8}")
    assert {row["duty_roster_due"] for row in rows(past)} == {"0"}


@pytest.mark.parametrize(("month", "next_one"), [("2027-07", "2027-08"), ("2027-09", "2027-12"), ("2027-01", "2027-02")])
def test_a_month_without_a_collection_is_refused_with_those_there_are(client: FlaskClient, month: str, next_one: str) -> None:
    answer = client.get(f"/deadlines/returns/{month}.csv")
    assert (answer.status_code, pointers(answer)) == (422, {"#/month"})
    said = answer.get_json()["errors"][0]["detail"]
    assert said == (
        f"{month} is no month of a collection: returns are made for February, April, August and December; the next is {next_one}."
    )


@pytest.mark.parametrize(("path", "field"), [("2027-13.csv", "month"), ("august.csv", "month"), ("2027-08.csv?as_at=x", "as_at")])
def test_a_return_that_cannot_be_made_is_refused_by_name(client: FlaskClient, path: str, field: str) -> None:
    answer = client.get(f"/deadlines/returns/{path}")
    assert (answer.status_code, pointers(answer)) == (422, {f"#/{field}"})


@given(st.dates(date(2026, 1, 1), date(2029, 12, 31)))
def test_every_start_stands_in_exactly_one_collection(start: date) -> None:
    found = [
        collection
        for year in range(2025, 2032)
        for month in collection_months()
        if (collection := collection_of(date(year, month, 1))).others_from <= start <= collection.last
    ]
    assert len(found) == 1
    assert found[0].first - start <= timedelta(days=93)
