"""The bulk-upload spreadsheets of TIS: however they are written, what their rows become, and what is said of those that are wrong."""

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from services.deadlines.app import SERVICE, create_app
from services.deadlines.upstream import api
from services.deadlines.upstream.cells import day_of
from services.deadlines.upstream.placements import (
    POSTS,
    Bodies,
    Checked,
    check_placements,
    check_posts,
    open_placements,
    post_key,
    read_time,
)
from services.deadlines.upstream.sheets import Wrong, open_sheet
from shared.errors import Refused
from shared.events import PlacementUpdated, PlacementWithdrawn
from shared.worker import Worker
from tests.helpers import Clock, a_worker, settle

PRESTON = "Lancashire Teaching Hospitals NHS Foundation Trust"
MERSEY = "Mersey and West Lancashire Teaching Hospitals NHS Trust"
CELLS = {
    "Surname*": "Quillfeather (invented)",
    "GMC Number": "7654321",
    "TIS Person ID": "314334",
    "National Post Number*": "NWN/RXN02/320/ST3/001",
    "Date From*": "04/08/2027",
    "Date To*": "01/02/2028",
    "Placement Type*": "In post",
    "Placement Status*": "FUTURE",
    "Site*": "Royal Preston Hospital (RXN02)",
    "WTE*": "0.8",
    "Grade*": "ST3",
    "Specialty1*": "Cardiology",
    "TIS Placement ID": "2104620",
}
AS_OF = datetime(2027, 4, 27, 9, tzinfo=UTC)
KNOWN = {"NWN/RXN02/320/ST3/001": Bodies("RXN", "RBN")}


def written(*rows: dict[str, str | None], newline: str = "\r\n") -> bytes:
    """A file with these rows: the usual cells with some changed, or left out of the file altogether (None)."""
    whole = [{**CELLS, **row} for row in rows or ({},)]
    names = [name for name in {name: 0 for row in whole for name in row} if whole[0].get(name, "") is not None]
    quoted = (",".join('"' + (row.get(name) or "").replace('"', '""') + '"' for name in names) for row in whole)
    return newline.join([",".join(names), *quoted, ""]).encode()


def checked(raw: bytes, as_of: datetime = AS_OF, *, with_posts: bool = True) -> list[Checked]:
    seen: dict[str, tuple[int, str]] = {}

    def note(placement: str, row: int, message: str) -> tuple[int, str] | None:
        before = seen.get(placement)
        seen.setdefault(placement, (row, message))
        return before

    return list(check_placements(open_placements(io.BytesIO(raw), with_posts=with_posts), KNOWN.get, as_of, note))


def said(raw: bytes, **options: Any) -> Any:
    [found] = checked(raw, **options)
    assert found.message is not None, found
    return found.message.data


def wrong(**cells: str) -> dict[str, Wrong]:
    [found] = checked(written({f"{name.replace('_', ' ')}": value for name, value in cells.items()}))
    return {each.column: each for each in found.wrong}


# ---- what a row becomes --------------------------------------------------------------------------------------------


def test_a_row_becomes_the_whole_placement_with_the_bodies_of_its_post() -> None:
    assert said(written()) == PlacementUpdated(
        placement_id="2104620",
        trainee_id="314334",
        host="RXN",
        host_name=PRESTON,
        site="RXN02",
        site_name="Royal Preston Hospital",
        lead_employer="RBN",
        specialty="Cardiology",
        grade="ST3",
        whole_time_equivalent=Decimal("0.8"),
        placement_type="in-post",
        start_date=date(2027, 8, 4),
        end_date=date(2028, 2, 1),
    )


def test_however_the_file_is_written_it_says_the_same() -> None:
    plain = said(written())
    unstarred = written().replace(b"*", b"")
    shuffled = written({name: CELLS[name] for name in reversed(CELLS)})
    for raw in (
        b"\xef\xbb\xbf" + written(),
        unstarred,
        unstarred.replace(b"Date From", b"date_from").replace(b"National Post Number", b" NATIONAL  POST NUMBER "),
        shuffled,
        written(newline="\n"),
        written(newline="\r"),
        written({"Comments": 'two\r\nlines, and a “quote”: ""'}),
        written({"Date From*": "2027-08-04", "Date To*": "1/2/2028"}),
        written({"WTE*": ".80"}),
        b"\r\n" + written() + b",,,\r\n\r\n",
    ):
        assert said(raw) == plain


def test_bodies_beside_the_placement_need_no_posts_and_may_be_codes_or_names() -> None:
    for training, employing in (
        (PRESTON, MERSEY),
        ("rxn", "RBN"),
        (PRESTON.upper(), MERSEY.replace(" and ", "  and ")),
        (f"{PRESTON} (RXN)", f"{MERSEY}(rbn)"),
    ):
        raw = written({"Training body": training, "Employing body*": employing, "National Post Number*": "not among the posts"})
        found = said(raw, with_posts=False)
        assert (found.host, found.lead_employer) == ("RXN", "RBN")


@pytest.mark.parametrize("status", ["CURRENT", "Past", "approved", "FUTURE"])
def test_a_status_that_counts_is_a_placement_as_it_is(status: str) -> None:
    assert isinstance(said(written({"Placement Status*": status})), PlacementUpdated)


@pytest.mark.parametrize("status", ["CANCELLED", "Delete", "WITHDRAWN"])
def test_a_cancelled_row_takes_the_placement_back_and_needs_no_more_than_its_id(status: str) -> None:
    found = said(written({"Placement Status*": status, "WTE*": "?", "Date From*": "", "National Post Number*": ""}))
    assert found == PlacementWithdrawn(placement_id="2104620", reason=f"{status.upper()} in a bulk upload")


def test_a_draft_is_left_out() -> None:
    [found] = checked(written({"Placement Status*": "DRAFT"}))
    assert (found.message, found.wrong, found.left_out) == (None, (), "its status does not count yet")


def test_without_a_placement_id_it_follows_from_person_post_and_first_day() -> None:
    none: dict[str, str | None] = {"TIS Placement ID": ""}
    first = said(written(none))
    assert first.placement_id.startswith("upload-")
    assert said(written({**none, "Date From*": "2027-08-04", "Grade*": "ST4", "WTE*": "1"})).placement_id == first.placement_id
    assert said(written({**none, "Placement Status*": "CANCELLED"})).placement_id == first.placement_id
    for change in ({"TIS Person ID": "7"}, {"Date From*": "05/08/2027"}):
        assert said(written({**none, **change})).placement_id != first.placement_id


def test_without_a_person_id_a_register_number_says_who_it_is() -> None:
    assert said(written({"TIS Person ID": ""})).trainee_id == "gmc-7654321"
    assert said(written({"TIS Person ID": None, "GMC Number": "UNKNOWN", "GDC Number": "123456"})).trainee_id == "gdc-123456"


# ---- again, and newer ----------------------------------------------------------------------------------------------


def test_the_same_file_says_the_same_messages_and_a_newer_one_newer() -> None:
    [first], [again] = checked(written()), checked(written(newline="\n"))
    assert first == again
    [changed] = checked(written({"Grade*": "ST4"}), datetime(2027, 5, 1, tzinfo=UTC))
    [back] = checked(written(), datetime(2027, 5, 2, tzinfo=UTC))
    keys = {each.message.key for each in (first, changed, back) if each.message}
    assert len(keys) == 3, "what was changed and changed back is news"
    assert first.message
    assert changed.message
    assert changed.message.sequence > first.message.sequence


def test_a_row_that_stands_twice_counts_once_and_one_that_says_otherwise_is_refused() -> None:
    first, same, other = checked(written({}, {}, {"Grade*": "ST4"}))
    assert first.message is not None
    assert (same.message, same.left_out) == (None, "an earlier row says the same")
    assert [str(each) for each in other.wrong] == [
        "row 2 says something else of the same placement; right would be one row for each placement."
    ]


# ---- what is wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("Date From*", "31/02/2027", "“31/02/2027” is no day"),
        ("Date From*", "08/31/2027", "a day such as 04/08/2027"),
        ("Date To*", "04/08/27", "is no day"),
        ("Date To*", "03/08/2027", "must not come before 2027-08-04"),
        ("Date From*", "04/08/1027", "must lie between"),
        ("WTE*", "80%", "a fraction such as 0.8"),
        ("WTE*", "0", "is no share of full time"),
        ("WTE*", "NaN", "is no share of full time"),
        ("WTE*", "100", "is no share of full time"),
        ("Placement Type*", "In psot", "did you mean “in-post”"),
        ("Placement Status*", "FUTUR", "did you mean “future”"),
        ("National Post Number*", "NWN/?/001", "is not among the posts that can be used"),
        ("Grade*", "", "the cell is empty"),
        ("Site*", "a\x00b", "the value cannot be used"),
        ("Specialty1*", "x" * 501, "the value cannot be used"),
        ("Training body*", "Lancashire Teaching Hospital NHS Foundation Trust", "did you mean “Lancashire Teaching Hospitals"),
        ("Employing body*", f"{PRESTON} (RBN)", "is not known"),
    ],
)
def test_what_is_wrong_is_said_of_its_cell_with_what_would_be_right(column: str, value: str, words: str) -> None:
    [found] = checked(written({column: value}))
    assert found.message is None
    [cell] = found.wrong
    assert cell.column == column.rstrip("*")
    assert words in str(cell)


def test_every_wrong_cell_of_a_row_is_named() -> None:
    [found] = checked(
        written({"WTE*": "x", "Date From*": "x", "Date To*": "", "Placement Type*": "x", "TIS Person ID": "", "GMC Number": ""})
    )
    assert {each.column for each in found.wrong} == {"WTE", "Date From", "Date To", "Placement Type", "TIS Person ID"}


def test_what_cannot_be_told_of_a_cancelled_row_is_named() -> None:
    [found] = checked(written({"Placement Status*": "CANCELLED", "TIS Placement ID": "", "Date From*": "x", "National Post Number*": ""}))
    assert {each.column for each in found.wrong} == {"Date From", "National Post Number"}


def test_a_cell_that_is_not_utf_8_and_a_row_too_long_are_refused_alone() -> None:
    raw = written({}, {"Grade*": "ST\u00e9", "TIS Placement ID": "2"}, {"TIS Placement ID": "3"}).replace("\u00e9".encode(), b"\xe9")
    lines = raw.split(b"\r\n")
    lines[3] += b',"too","much"'
    good, bytes_, long = checked(b"\r\n".join(lines))
    assert good.message is not None
    assert [(each.column, each.right) for each in bytes_.wrong] == [("Grade", "a file saved as “CSV UTF-8”")]
    assert [each.wrong for each in long.wrong] == [f"the row has {len(CELLS) + 2} cells"]


def test_rows_are_numbered_as_the_spreadsheet_numbers_them() -> None:
    raw = written({"Comments": "one\ntwo\nthree"}, {"Grade*": "", "Comments": "", "TIS Placement ID": "2"})
    assert [found.row for found in checked(raw)] == [2, 3]


# ---- what is no such file ------------------------------------------------------------------------------------------


def refused(raw: bytes, *, with_posts: bool = True) -> Refused:
    with pytest.raises(Refused) as found:
        checked(raw, with_posts=with_posts)
    return found.value


def test_missing_columns_are_all_named_at_once() -> None:
    error = refused(written({"WTE*": None, "Site*": None}))
    assert error.errors == {"Site": "is missing.", "WTE": "is missing."}
    assert "did you mean" in refused(written({"WTE*": None, "WTEE": "1"})).errors["WTE"]


def test_without_posts_and_bodies_the_file_is_refused_with_the_way_out() -> None:
    error = refused(written(), with_posts=False)
    assert set(error.errors) == {"Training body", "Employing body"}
    assert "--posts" in str(error)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "is missing"),
        (b"PK\x03\x04rest", "Excel workbook"),
        ("Surname".encode("utf-16"), "UTF-16"),
        (written().replace(b",", b";"), "parted by commas"),
        (b"WTE,WTE*\n1,1\n", "more than once"),
        (b"WTE" + b",column" * 200_000, "its header has 200,001 cells"),
        (written() + b'"never closed', "From row 3 on"),
        (written() + b'"a"b,c\r\n', "From row 3 on"),
    ],
)
def test_what_is_no_file_of_placements_is_refused_in_a_sentence(raw: bytes, words: str) -> None:
    assert words in str(refused(raw))


@given(st.binary(max_size=400))
def test_no_bytes_end_in_anything_but_a_refusal(raw: bytes) -> None:
    for start in (b"", written(), written().replace(b"\r\n", b"\n")):
        try:
            checked(start + raw)
        except Refused:
            continue


@given(st.lists(st.text(max_size=12), min_size=len(CELLS), max_size=len(CELLS)))
def test_no_cells_end_in_anything_but_a_message_or_what_is_wrong(cells: list[str]) -> None:
    names = list(CELLS)
    raw = written({name: cell.encode(errors="replace").decode() for name, cell in zip(names, cells, strict=True)})
    for found in checked(raw):
        assert bool(found.message) + bool(found.wrong) + bool(found.left_out) == 1


# ---- the posts' file, days and times -------------------------------------------------------------------------------


def test_posts_are_read_by_their_number_with_the_codes_of_their_bodies() -> None:
    raw = (
        f"National Post Number*,Training body*,Employing body*,Owner*,Colour\r\nnwn/rxn02 ,{PRESTON},RBN,North West,red\r\nx,,Nowhere,,\r\n"
    )
    sheet = open_sheet(io.BytesIO(raw.encode()), POSTS, "posts")
    assert sheet.ignored == ["Colour"]
    (good, bodies), (bad, _) = check_posts(sheet)
    assert (post_key(good["National Post Number"]), bodies, good.wrong) == ("NWN/RXN02", Bodies("RXN", "RBN"), [])
    assert [each.column for each in bad.wrong] == ["Training body", "Employing body"]


@given(st.dates())
def test_a_day_is_read_in_every_way_it_is_written(day: date) -> None:
    for text in (
        day.isoformat(),
        f"{day.day:02}/{day.month:02}/{day.year:04}",
        f"{day.day}.{day.month}.{day.year:04}",
        f"{day.isoformat()} 00:00:00",
    ):
        assert day_of(text) == day


@pytest.mark.parametrize("given_", ["", "2027-05-05", "2027-05-05T09:00:00", "yesterday"])
def test_a_time_without_its_offset_is_refused(given_: str) -> None:
    with pytest.raises(Refused):
        read_time(given_)


# ---- over HTTP -----------------------------------------------------------------------------------------------------

BODIES: dict[str, str | None] = {"Training body*": PRESTON, "Employing body*": MERSEY}


@pytest.fixture
def worker(tmp_path: Path, clock: Clock) -> Worker:
    return a_worker(SERVICE, tmp_path, clock)


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    return create_app(worker).test_client()


def post(client: FlaskClient, raw: bytes, as_of: str = "2027-04-27T09:00:00Z", kind: str = "text/csv; charset=utf-8") -> Any:
    return client.post(f"/deadlines/upstream/placements-csv?as_of={as_of}", data=raw, content_type=kind)


def test_a_spreadsheet_over_http_sets_deadlines_and_again_says_nothing_new(worker: Worker, client: FlaskClient) -> None:
    raw = written(BODIES, {**BODIES, "TIS Placement ID": "2"}, {**BODIES, "TIS Placement ID": "3", "Placement Status*": "DRAFT"})
    first, again = post(client, raw), post(client, raw)
    assert (first.status_code, first.get_json()["taken"], first.get_json()["new"]) == (202, 2, 2)
    assert first.get_json()["left_out"] == {"its status does not count yet": 1}
    assert again.get_json()["new"] == 0
    settle(worker)
    shown = client.get("/deadlines/placements/2").get_json()
    assert (shown["host"], shown["whole_time_equivalent"], len(shown["deadlines"])) == ("RXN", "0.800", 7)


def test_all_rows_are_taken_or_none_and_what_is_wrong_is_named_by_row_and_column(worker: Worker, client: FlaskClient) -> None:
    answer = post(client, written(BODIES, {**BODIES, "TIS Placement ID": "2", "Date From*": "x", "WTE*": "x"}))
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert {entry["pointer"] for entry in answer.get_json()["errors"]} == {"#/3/Date From", "#/3/WTE"}
    assert settle(worker) == 0


@pytest.mark.parametrize(
    ("raw", "as_of", "kind"),
    [
        (written(BODIES), "", "text/csv"),
        (written(BODIES), "2027-04-27", "text/csv"),
        (written(BODIES), "2027-04-27T09:00:00Z", "application/json"),
        (written(), "2027-04-27T09:00:00Z", "text/csv"),
        (b"", "2027-04-27T09:00:00Z", "text/csv"),
        (written(BODIES) + b'"', "2027-04-27T09:00:00Z", "text/csv"),
    ],
)
def test_what_cannot_be_a_spreadsheet_is_refused(worker: Worker, client: FlaskClient, raw: bytes, as_of: str, kind: str) -> None:
    assert post(client, raw, as_of, kind).status_code == 422
    assert settle(worker) == 0


def test_a_spreadsheet_too_long_is_sent_to_the_command(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MOST_ROWS", 1)
    assert "tripartite import" in post(client, written(BODIES, {**BODIES, "TIS Placement ID": "2"})).get_json()["detail"]
