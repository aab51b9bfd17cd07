"""The demo on a small rotation: it lives through every day, and its screen says what the services say."""

import json
from datetime import date
from pathlib import Path

from click.testing import CliRunner

from services.__main__ import main
from services.demo import arrivals_by_day, open_replay
from services.importing import Report, read_lines
from tests.end_to_end.processes import a_small_rotation


def test_the_demo_replays_a_rotation_and_ends_with_its_screen(tmp_path: Path) -> None:
    rotation = tmp_path / "rotation.jsonl"
    rotation.write_text("".join(json.dumps(line) + "\n" for line in a_small_rotation(30)), encoding="utf-8")
    answer = CliRunner().invoke(main, ["demo", "--rotation", str(rotation), "--data", str(tmp_path / "demo")])
    assert answer.exit_code == 0, answer.output
    for words in (
        "On time by host, as at 2027-08-04",
        "kpi-cop-90 (work schedule, contract and pay breakdown to the doctor, all three): ",
        "kpi-12w-90 (placement information to the host): ",
        "target 90 %: ",
        "all hosts",
        "12-week",
        "on-time",
        "whose link was missed first",
        "placement-notice",
        "One procurement",
        "route: three-quotations",
        "One concern",
        "TOOLKIT",
        "tripartite serve",
        "http://127.0.0.1:8000/deadlines/compliance",
    ):
        assert words in answer.output
    assert "0 refused" in answer.output


def test_the_replay_lives_through_every_day_from_thirteen_weeks_before_to_the_first_day(tmp_path: Path) -> None:
    rotation = tmp_path / "rotation.jsonl"
    rotation.write_text("".join(json.dumps(line) + "\n" for line in a_small_rotation(3)), encoding="utf-8")
    replay = open_replay(rotation, tmp_path / "demo")
    days = list(replay.days())
    assert (days[0], days[-1], len(days)) == (date(2027, 5, 5), date(2027, 8, 4), 92)
    replay.house.close()


def test_lines_that_cannot_be_used_are_reported_and_the_rest_is_taken(tmp_path: Path) -> None:
    lines = a_small_rotation(3)
    bad = [
        "not JSON",
        "[]",
        json.dumps({**lines[0], "type": "recipient.exploded"}),
        json.dumps({"tisId": "1", "record": {"data": {}, "metadata": {}}}),
    ]
    rotation = tmp_path / "rotation.jsonl"
    rotation.write_text("\n".join([json.dumps(lines[0]), *bad, *map(json.dumps, lines[1:])]), encoding="utf-8")
    replay = open_replay(rotation, tmp_path / "demo")
    assert len(list(replay.days())) == 92
    assert sorted(replay.report.refused) == [2, 3, 4, 5]
    assert "not an event" in replay.report.refused[4]
    assert replay.report.taken == len(lines)
    replay.house.close()


def test_a_line_cannot_arrive_before_the_one_it_stands_behind(tmp_path: Path) -> None:
    file = tmp_path / "rotation.jsonl"
    times = ("2027-05-06T09:00:00Z", "2027-05-05T09:00:00Z", "2027-05-07T23:30:00Z")
    file.write_text("".join(json.dumps({"time": time}) + "\n" for time in times), encoding="utf-8")
    arrivals = arrivals_by_day(read_lines(file, "rotation", Report()))
    assert {day: [number for number, _ in lines] for day, lines in arrivals.items()} == {date(2027, 5, 6): [1, 2], date(2027, 5, 8): [3]}
