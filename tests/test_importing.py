"""``tripartite import``: a whole file is checked before its first row is sent, and an import may be cut and run again at will."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from click.testing import Result
from sqlalchemy import select

from services import checking
from services.checking import Refusals, Spool
from services.deadlines.app import SERVICE, create_app
from services.deadlines.upstream.sheets import Wrong
from services.import_command import SENT_AT_ONCE
from services.importing import LARGEST_CHUNK, Report, http_post, import_lines
from shared.database import transaction
from shared.outbox import OutboxRow
from shared.samples.uploads import write_uploads
from shared.service import LARGEST_BODY, MOST_EVENTS
from shared.worker import Worker
from tests.deadlines.test_upstream import tis
from tests.helpers import HOUSE, Clock, a_placement, a_worker, cloud_event, settle
from tests.typed import run

AS_OF = "2027-04-27T09:00:00Z"
Application = Callable[[Any, Any], Iterable[bytes]]


class _Server(ThreadingMixIn, WSGIServer):
    def handle_error(self, *_: object) -> None:
        """Whoever asked was killed meanwhile: that is what the test is about."""


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Tests are silent."""


class House:
    """deadlines behind a real port, and a gate in front of it."""

    def __init__(self, worker: Worker) -> None:
        self.worker, self.posts, self.answers = worker, 0, threading.Event()
        self.answers.set()
        self.taken = threading.Event()
        self._app = create_app(worker)
        self._server = make_server("127.0.0.1", 0, self, _Server, _Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.busy = 0
        self.hold_from = 0
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.posts += 1
        if self.busy:
            self.busy -= 1
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return [b""]
        found = list(self._app(environ, start_response))
        if self.hold_from and self.posts >= self.hold_from:
            self.taken.set()
            self.answers.wait(60)
        return found

    def said(self) -> list[tuple[str, str]]:
        """Everything that was sent in, by key."""
        with transaction(self.worker.engine) as session:
            return sorted((row.key, row.body) for row in session.scalars(select(OutboxRow)))

    def close(self) -> None:
        self.answers.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.worker.close()


@pytest.fixture
def house(tmp_path: Path, clock: Clock) -> Iterator[House]:
    opened = House(a_worker(SERVICE, tmp_path / "data", clock))
    yield opened
    opened.close()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Forty placements and their posts."""
    write_uploads(40, tmp_path / "placements.csv", tmp_path / "posts.csv")
    return tmp_path / "placements.csv", tmp_path / "posts.csv"


def imported(house: House, file: Path, *options: str, kind: str = "placements-csv") -> Result:
    return run("import", str(file), "--as", kind, "--to", house.url, *options)


def spoil(file: Path, *rows: int) -> None:
    """Put a wrong day and a wrong share into some rows, counted as the spreadsheet counts them."""
    lines = file.read_text(encoding="utf-8").split("\n")
    for row in rows:
        cells = next(csv.reader([lines[row - 1]]))
        cells[6], cells[12] = "=31/02/2027", "most"
        lines[row - 1] = ",".join(cells)
    file.write_bytes("\r\n".join(lines).encode())


# ---- spreadsheets --------------------------------------------------------------------------------------------------


def test_a_spreadsheet_with_its_posts_becomes_placements_and_again_is_nothing_new(house: House, files: tuple[Path, Path]) -> None:
    placements, posts = files
    first = imported(house, placements, "--posts", str(posts))
    assert (first.exit_code, first.stdout) == (0, "40 rows taken (40 new), 0 refused.\n"), first.output
    again = imported(house, placements, "--posts", str(posts))
    assert (again.exit_code, again.stdout) == (0, "40 rows taken (0 new), 0 refused.\n")
    assert len(house.said()) == 40
    settle(house.worker)


def test_a_newer_file_wins_and_an_older_one_changes_nothing(house: House, files: tuple[Path, Path]) -> None:
    placements, posts = files
    newer = placements.with_name("newer.csv")
    newer.write_bytes(placements.read_bytes().replace(b",0.8,", b",0.5,").replace(b",1.0,", b",0.5,").replace(b",0.6,", b",0.5,"))
    for file, as_of in ((newer, "2027-04-28T09:00:00Z"), (placements, AS_OF)):
        assert imported(house, file, "--posts", str(posts), "--as-of", as_of).exit_code == 0
    settle(house.worker)
    [placed, *_] = [json.loads(body)["data"]["placement_id"] for _, body in house.said()]
    shown = create_app(house.worker).test_client().get(f"/deadlines/placements/{placed}").get_json()
    assert shown["whole_time_equivalent"] == "0.500"


def test_the_time_of_a_file_is_when_it_was_written(house: House, files: tuple[Path, Path]) -> None:
    placements, posts = files
    os.utime(placements, ns=(0, 1_808_000_000_123_456_789))
    assert imported(house, placements, "--posts", str(posts)).exit_code == 0
    assert {json.loads(body)["time"] for _, body in house.said()} == {"2027-04-17T22:13:20.123456Z"}


def test_one_wrong_row_and_nothing_is_imported(house: House, files: tuple[Path, Path], tmp_path: Path) -> None:
    placements, posts = files
    spoil(placements, 3, 17)
    report = tmp_path / "report.csv"
    answer = imported(house, placements, "--posts", str(posts), "--report", str(report))
    assert answer.exit_code == 1
    assert (house.posts, house.said()) == (0, [])
    assert "placements.csv, row 3, Date From: “=31/02/2027” is no day; right would be a day such as 04/08/2027" in answer.stderr
    with report.open(encoding="utf-8", newline="") as lines:
        found = list(csv.DictReader(lines))
    assert [(line["row"], line["column"]) for line in found] == [("3", "WTE"), ("3", "Date From"), ("17", "WTE"), ("17", "Date From")]
    assert found[0]["right"] == "a fraction such as 0.8, or 1 for full time"


def test_partly_takes_the_good_rows_and_reports_the_others(house: House, files: tuple[Path, Path]) -> None:
    placements, posts = files
    spoil(placements, 3, 17)
    answer = imported(house, placements, "--posts", str(posts), "--partly")
    assert (answer.exit_code, answer.stdout) == (1, "38 rows taken (38 new), 2 refused.\n")
    assert len(house.said()) == 38


def test_what_is_wrong_with_the_posts_file_keeps_everything_out(house: House, files: tuple[Path, Path]) -> None:
    placements, posts = files
    posts.write_bytes(posts.read_bytes() + posts.read_bytes().split(b"\r\n")[1].replace(b"RBN", b"X") + b",\r\nNWN/1,,,,Nowhere,RBN,\r\n")
    answer = imported(house, placements, "--posts", str(posts))
    assert (answer.exit_code, house.posts) == (1, 0)
    assert "posts.csv, row 23, Training body: “Nowhere” is not known" in answer.stderr


def test_a_file_without_its_columns_is_refused_at_once(house: House, files: tuple[Path, Path]) -> None:
    placements, posts = files
    answer = imported(house, placements)
    assert (answer.exit_code, house.posts) == (2, 0)
    assert "--posts" in answer.stderr
    answer = imported(house, posts, "--posts", str(posts))
    assert answer.exit_code == 2
    assert "Date From: is missing" in answer.stderr
    assert imported(house, placements, "--posts", str(posts), "--as-of", "yesterday").exit_code == 2
    assert imported(house, placements, "--posts", str(posts), kind="tis").exit_code == 2


def test_unknown_columns_are_named_and_ignored_and_drafts_are_counted(house: House, files: tuple[Path, Path]) -> None:
    placements, posts = files
    lines = placements.read_text(encoding="utf-8").split("\n")
    lines[0] = lines[0].replace("Other Sites", "Col\x1bour")
    lines[1] = lines[1].replace("FUTURE", "DRAFT")
    placements.write_text("\r\n".join(lines), encoding="utf-8", newline="")
    answer = imported(house, placements, "--posts", str(posts))
    assert answer.stdout == "39 rows taken (39 new), 0 refused, 1 left out (its status does not count yet).\n"
    assert "ignored the columns Col�our;" in answer.stderr


def test_a_posts_file_alone_is_checked_and_kept_nowhere(house: House, files: tuple[Path, Path]) -> None:
    _, posts = files
    answer = imported(house, posts, kind="posts-csv")
    assert (answer.exit_code, house.posts) == (0, 0)
    assert answer.stdout.startswith("20 rows checked. A house keeps no posts")


# ---- lines of JSON -------------------------------------------------------------------------------------------------


def test_lines_of_json_are_checked_as_a_whole_too(house: House, tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    lines = [json.dumps(tis()), json.dumps(cloud_event(a_placement())), "no JSON", json.dumps(tis(specialty=None)), "[]"]
    file.write_text("\n".join(lines), encoding="utf-8")
    answer = imported(house, file, kind="rotation")
    assert (answer.exit_code, house.posts) == (1, 0)
    assert "lines.jsonl, row 4, record.data.specialty: is missing." in answer.stderr
    assert "lines.jsonl, row 5: is not a JSON object." in answer.stderr
    partly = imported(house, file, "--partly", kind="rotation")
    assert (partly.exit_code, partly.stdout) == (1, "2 rows taken (2 new), 3 refused.\n")


def test_what_tripartite_says_itself_cannot_be_imported(house: House, tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    said = {**cloud_event(a_placement()), "type": "deadline.approaching", "data": {}}
    file.write_text(json.dumps(said) + "\n" + json.dumps(cloud_event(a_placement())), encoding="utf-8")
    assert imported(house, file, kind="events").exit_code == 1
    assert house.posts == 0


# ---- cut short, and again ------------------------------------------------------------------------------------------


def test_killed_in_the_middle_and_run_again_it_is_as_if_nothing_had_happened(house: House, tmp_path: Path, clock: Clock) -> None:
    placements, posts = tmp_path / "placements.csv", tmp_path / "posts.csv"
    write_uploads(2 * SENT_AT_ONCE + 50, placements, posts)
    words = ["import", str(placements), "--as", "placements-csv", "--posts", str(posts), "--as-of", AS_OF]
    house.hold_from = 2
    house.answers.clear()
    importer = subprocess.Popen([sys.executable, "-m", "services", *words, "--to", house.url], cwd=HOUSE)
    assert house.taken.wait(60), "the second request was never sent"
    importer.send_signal(signal.SIGKILL)
    importer.wait()
    house.answers.set()
    house.hold_from = 0
    assert len(house.said()) == 2 * SENT_AT_ONCE, "what was sent last was taken, and nobody was told"
    answer = run(*words, "--to", house.url)
    assert answer.stdout == "2,050 rows taken (50 new), 0 refused.\n"
    undisturbed = House(a_worker(SERVICE, tmp_path / "undisturbed", clock))
    assert run(*words, "--to", undisturbed.url).exit_code == 0
    assert undisturbed.said() == house.said()
    undisturbed.close()


def test_a_house_that_is_busy_is_waited_for(house: House, files: tuple[Path, Path]) -> None:
    placements, posts = files
    house.busy = 2
    answer = imported(house, placements, "--posts", str(posts))
    assert (answer.exit_code, answer.stdout) == (0, "40 rows taken (40 new), 0 refused.\n")
    assert "waiting up to 60 s" in answer.stderr


def test_a_house_that_is_not_there_is_said_so(files: tuple[Path, Path]) -> None:
    placements, posts = files
    answer = run(
        "import", str(placements), "--as", "placements-csv", "--posts", str(posts), "--to", "http://127.0.0.1:9", "--patience", "0"
    )
    assert answer.exit_code == 3
    assert "run the same import again" in answer.stderr


def test_a_request_holds_no_more_than_a_house_takes() -> None:
    assert SENT_AT_ONCE <= MOST_EVENTS
    assert callable(http_post)


def test_a_request_is_no_larger_than_a_house_takes_either() -> None:
    posted: list[int] = []

    def post(path: str, objects: list[dict[str, Any]]) -> tuple[int, Any]:
        posted.append(len(json.dumps(objects)))
        return 202, {"taken": len(objects), "new": len(objects)}

    report = Report()
    import_lines(((number, {"tisId": f"{number}", "said": "x" * 900_000}) for number in range(50)), post, report, lambda _: None)
    assert report.taken == 50
    assert LARGEST_CHUNK / 2 < max(posted) < LARGEST_CHUNK * 1.01 < LARGEST_BODY


def test_a_house_on_this_machine_is_spoken_to_past_every_proxy(
    house: House, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    placements, posts = files
    assert imported(house, placements, "--posts", str(posts), "--patience", "0").exit_code == 0


@pytest.mark.parametrize("which", [0, 1])
def test_a_report_never_overwrites_what_is_read(house: House, files: tuple[Path, Path], which: int) -> None:
    placements, posts = files
    before = files[which].read_bytes()
    answer = imported(house, placements, "--posts", str(posts), "--report", str(files[which]))
    assert (answer.exit_code, files[which].read_bytes()) == (2, before)
    assert "give --report another name" in answer.stderr


def test_a_report_holds_no_formulas(tmp_path: Path) -> None:
    with (tmp_path / "report.csv").open("w+", encoding="utf-8", newline="") as report:
        Refusals(report).add("a.csv", 2, [Wrong("Site", "=cmd()", "\udce9")])
        report.seek(0)
        assert list(csv.reader(report))[1] == ["a.csv", "2", "Site", "'=cmd()", "?"]


def test_what_is_kept_comes_back_in_the_order_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "FETCHED_AT_ONCE", 2)
    spool = Spool()
    for row in (5, 2, 9, 3, 7):
        spool.keep(row, json.dumps({"row": row}))
    assert [row for row, _ in spool.lines()] == [2, 3, 5, 7, 9]
    spool.close()
