"""`tripartite compliance` as a person types it, against a house that listens."""

import csv
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from services.deadlines.app import SERVICE, create_app
from tests.deadlines.compliance_stories import AFTER, bundle
from tests.helpers import Clock, a_message, a_placement, a_worker
from tests.power import free_port
from tests.typed import flat, run


@pytest.fixture
def house(tmp_path: Path, clock: Clock) -> Iterator[str]:
    """The base URL of a house that knows two placements, as at their first day."""
    worker = a_worker(SERVICE, tmp_path, clock)
    events = [a_placement(), *bundle(), a_placement(placement_id="p2", host="R0A", host_name="Manchester University NHS Foundation Trust")]
    for number, event in enumerate(events, start=1):
        worker.take_in([a_message(event, number)], worker.clock())
    clock.on(AFTER)
    server = make_server("127.0.0.1", 0, create_app(worker))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()
    worker.close()


def test_the_table_shows_every_group_every_duty_each_kpi_and_the_worst(house: str) -> None:
    answer = run("compliance", "--to", house, "--rotation", "2027-08")
    assert answer.exit_code == 0, answer.output
    shown = flat(answer.stdout)
    for words in (
        "On time by host, as at 2027-08-04, rotation 2027-08",
        "RXN Lancashire",
        "1 of 2 50.0 %",
        "all hosts",
        "Every duty, over all",
        "work schedule to the lead employer",
        "kpi-cop-90 (work schedule, contract and pay breakdown to the doctor, all three): 1 of 2, target 90 %: not met.",
        "rule bundle-target-not-met",
        "kpi-12w-90 (placement information to the host): 0 of 2, target 90 %: not met.",
        "Late duties by cause",
        "Late the longest:",
        "was not issued by 2027-08-04, 84 days late",
    ):
        assert words in shown


def test_the_options_are_what_the_service_is_asked(house: str) -> None:
    words = ("--by", "specialty,host", "--host", "RXN", "--lead-employer", "RBN", "--region", "North West", "--specialty", "Cardiology")
    answer = run("compliance", "--to", house, *words, "--as-at", "2027-06-10", "--exceptions", "2", "--measure", "bundle", "--json")
    found = json.loads(answer.stdout)
    assert (found["as_at"], found["by"], len(found["groups"])) == ("2027-06-10", ["specialty", "host"], 1)
    assert found["filters"] == {"host": "RXN", "lead_employer": "RBN", "region": "North West", "specialty": "Cardiology"}
    assert found["exceptions"] == []


def test_a_table_of_nothing_says_where_to_look(house: str) -> None:
    answer = run("compliance", "--to", house, "--host", "LANCS")
    assert (answer.exit_code, answer.stderr.startswith("No placement on record fits")) == (0, True)
    assert "No placement" not in run("compliance", "--to", house).stderr


def test_the_same_as_csv(house: str) -> None:
    answer = run("compliance", "--to", house, "--csv")
    found = list(csv.DictReader(io.StringIO(answer.stdout_bytes.decode(), newline="")))
    assert answer.stdout_bytes.count(b"\r\n") == len(found) + 1 == 25
    assert [row["host"] for row in found[::8]] == ["RXN", "R0A", ""]


def test_the_return_of_a_month(house: str) -> None:
    for words in (("--to", house, "return", "2027-08"), ("return", "2027-08", "--to", house)):
        found = list(csv.DictReader(io.StringIO(run("compliance", *words).stdout)))
        assert [(row["level"], row["organisation"]) for row in found] == [
            ("trust", "RXN"),
            ("trust", "R0A"),
            ("lead-employer-trust", "RBN"),
        ]
    for words in (("--as-at", "2027-06-10", "return", "2027-08"), ("return", "2027-08", "--as-at", "2027-06-10")):
        assert {row["as_at"] for row in csv.DictReader(io.StringIO(run("compliance", "--to", house, *words).stdout))} == {"2027-06-10"}


def test_what_the_service_refuses_ends_with_2_and_its_reasons(house: str) -> None:
    answer = run("compliance", "--to", house, "--by", "hots", "--rotation", "august")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "by: must be one or more of host, lead-employer" in answer.stderr
    assert "rotation: must be a month such as 2027-08" in answer.stderr
    answer = run("compliance", "--to", house, "return", "2027-09")
    assert answer.exit_code == 2
    assert "the next is 2027-12." in answer.stderr
    assert run("compliance", "--to", house, "--json", "--csv").exit_code == 2


@pytest.mark.parametrize("words", [(), ("return", "2027-08")])
def test_a_house_that_does_not_answer_ends_with_3(words: tuple[str, ...]) -> None:
    answer = run("compliance", "--to", f"http://127.0.0.1:{free_port()}", *words)
    assert answer.exit_code == 3
    assert "does not answer (" in answer.stderr
    assert "tripartite serve" in answer.stderr


def test_an_address_that_is_none_is_wrong_use() -> None:
    answer = run("compliance", "--to", "file:///etc/hosts")
    assert answer.exit_code == 2
    assert "must begin with http://" in answer.stderr


def test_what_is_no_house_is_told_so(house: str) -> None:
    answer = run("compliance", "--to", f"{house}/elsewhere")
    assert answer.exit_code == 2
    assert "not found" in answer.stderr.lower()
    answer = run("compliance", "--to", f"{house}/deadlines/metrics?x=")
    assert answer.exit_code == 2
    assert "no table of compliance" in answer.stderr
