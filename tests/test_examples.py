"""The examples for upstream systems and hosts, as real processes against a real broker: what they promise, through kills and outages."""

import ast
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pika
import pytest

from shared.events import DeadlineMet, DeadlineSet, Event
from shared.topology import EVENTS, EXCHANGES, KEEPS, UNROUTED
from shared.wire import CONTENT_TYPE, LARGEST_MESSAGE, read_delivery, read_message
from tests.brokers import Broker
from tests.helpers import HOUSE, a_document, a_placement, cloud_event
from tests.power import wait_for
from tests.shared.test_events import DEADLINE

PATIENCE = 60.0
QUEUE = "tripartite.deadlines"
HOSTS = "host.rxn.deadlines"


@contextmanager
def channel_to(url: str) -> Iterator[Any]:
    """A channel on which every publish is confirmed."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel


@pytest.fixture
def url(broker: Broker) -> Iterator[str]:
    """A virtual host with the exchange of events and a queue that hears placements; nothing takes the unrouted yet."""
    name = f"examples-{uuid.uuid4().hex[:8]}"
    url = broker.vhost(name)
    with channel_to(url) as channel:
        for exchange in EXCHANGES:
            channel.exchange_declare(exchange.name, exchange.type, durable=True, arguments=dict(exchange.arguments))
        channel.queue_declare(QUEUE, durable=True, arguments=KEEPS)
        channel.queue_bind(QUEUE, EVENTS, "placement.updated")
    yield url
    broker.drop_vhost(name)


def waiting(url: str, queue: str) -> list[tuple[Any, bytes]]:
    """The messages in a queue (properties, body), taken out of it."""
    found = []
    with channel_to(url) as channel:
        while (answer := channel.basic_get(queue, auto_ack=True))[0] is not None:
            found.append(answer[1:])
    return found


def depth(url: str, queue: str) -> int:
    """How many messages wait in a queue for somebody to take them."""
    with channel_to(url) as channel:
        return int(channel.queue_declare(queue, passive=True).method.message_count)


def lines_of(events: Iterable[Event | dict[str, Any]]) -> str:
    """Events as JSON lines."""
    return "".join(json.dumps(event if isinstance(event, dict) else cloud_event(event)) + "\n" for event in events)


def placements(first: int, last: int) -> list[Event]:
    """Placements by number."""
    return [a_placement(placement_id=f"p{number}") for number in range(first, last)]


def test_the_message_in_the_readme_is_one_that_a_service_takes() -> None:
    text = (HOUSE / "examples/README.md").read_text()
    assert read_message(text.partition("```json\n")[2].partition("```")[0]).data == a_placement()


def test_the_examples_share_no_code_with_the_services() -> None:
    for path in (HOUSE / "examples").glob("*.py"):
        tree = ast.parse(path.read_text())
        modules = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
        modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert {module.split(".")[0] for module in modules} <= {*sys.stdlib_module_names, "pika"}, path.name


# ---- publish.py --------------------------------------------------------------------------------------------------


def publish(url: str, text: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run publish.py on a text."""
    command = [sys.executable, "examples/publish.py", "--url", url, "--patience", "0", *words]
    return subprocess.run(command, cwd=HOUSE, input=text, capture_output=True, text=True, timeout=PATIENCE, check=False)


def confirmed(output: str) -> list[str]:
    """The ids that publish.py said were confirmed."""
    return [line.split()[-1] for line in output.splitlines() if " confirmed " in line]


def test_what_is_said_to_be_confirmed_is_in_the_queue_and_can_be_read(url: str) -> None:
    ran = publish(url, lines_of(placements(0, 20)))
    found = waiting(url, QUEUE)
    assert ran.returncode == 0, ran.stderr
    assert [properties.message_id for properties, _ in found] == confirmed(ran.stdout)
    assert [read_message(body).data for _, body in found] == placements(0, 20)
    properties, envelope = found[0][0], json.loads(found[0][1])
    assert (properties.type, properties.app_id, properties.delivery_mode) == ("placement.updated", envelope["source"], 2)
    assert (properties.content_type, properties.timestamp) == ("application/cloudevents+json", int(read_message(envelope).time.timestamp()))


def test_data_alone_becomes_a_cloud_event_that_a_service_takes(url: str) -> None:
    data = cloud_event(a_placement())["data"]
    ran = publish(url, lines_of([data, data]), "--type", "placement.updated", "--source", "urn:example:tis")
    first, second = (read_message(body) for _, body in waiting(url, QUEUE))
    assert (ran.returncode, first.data, first.source) == (0, a_placement(), "urn:example:tis")
    assert first.key != second.key
    assert first.sequence < second.sequence


def test_a_type_that_no_queue_takes_is_reported_and_the_others_are_sent(url: str) -> None:
    ran = publish(url, lines_of([a_placement(), {**cloud_event(a_placement()), "type": "placement.updatd"}, a_placement()]))
    assert [line.split()[2] for line in ran.stdout.splitlines()] == ["confirmed", "unroutable", "confirmed"]
    assert (ran.returncode, len(waiting(url, QUEUE))) == (1, 2)


def test_with_the_queue_of_the_unrouted_in_place_a_type_that_nobody_hears_is_kept_there(url: str) -> None:
    with channel_to(url) as channel:
        channel.queue_declare(UNROUTED, durable=True, arguments=KEEPS)
        channel.queue_bind(UNROUTED, UNROUTED)
    ran = publish(url, lines_of([a_document()]))
    assert (ran.returncode, len(waiting(url, UNROUTED))) == (0, len(confirmed(ran.stdout))) == (0, 1)


def test_what_a_full_queue_refuses_is_reported(url: str) -> None:
    with channel_to(url) as channel:
        channel.queue_declare("full", durable=True, arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
        channel.queue_bind("full", EVENTS, "document.issued")
    ran = publish(url, lines_of([a_document()]))
    assert (ran.returncode, ran.stdout.split()[2]) == (1, "refused")


def test_lines_that_are_no_events_are_reported_and_the_others_are_sent(url: str) -> None:
    good = cloud_event(a_placement())
    spoilt = [
        {**good, "id": ""},
        {**good, "time": "noon"},
        {**good, "time": "2027-05-05T09:00:00"},
        {**good, "data": []},
        {**good, "specversion": "0.3"},
        {**good, "id": "an id"},
        {**good, "source": "urn:é"},
        {**good, "data": {"placement_id": "\ud800"}},
        {**good, "data": {"share": float("nan")}},
        {"specversion": "1.0"},
        {**good, "data": {"placement_id": "p" * LARGEST_MESSAGE}},
    ]
    ran = publish(url, f"not json\n[]\n3\n{lines_of([*spoilt, good])}", "--type", "placement.updated", "--source", "urn:example:tis")
    assert ran.stdout.splitlines()[:-1] == [f"line {number}: unusable" for number in range(1, len(spoilt) + 4)]
    assert (ran.returncode, len(waiting(url, QUEUE))) == (1, 1)


def test_blank_lines_a_byte_order_mark_and_a_null_are_no_fault(url: str, tmp_path: Path) -> None:
    events = [cloud_event(a_placement()), {**cloud_event(a_document()), "correlationid": None}]
    first, second = lines_of(events).splitlines()
    (tmp_path / "events.jsonl").write_text(f"{first}\n\n  \n{second}\n", encoding="utf-8-sig")
    with channel_to(url) as channel:
        channel.queue_bind(QUEUE, EVENTS, "document.issued")
    for ran in (publish(url, "", str(tmp_path / "events.jsonl")), publish(url, (tmp_path / "events.jsonl").read_text(encoding="utf-8"))):
        assert [line.split()[:3] for line in ran.stdout.splitlines()] == [["line", "1:", "confirmed"], ["line", "4:", "confirmed"]]
    assert (ran.returncode, len(waiting(url, QUEUE))) == (0, 4)


@pytest.mark.parametrize("correlation", ["ward round 7", 17, "", None])
def test_a_correlation_id_that_a_service_takes_is_published(url: str, correlation: Any) -> None:
    event = {**cloud_event(a_placement()), "correlationid": correlation}
    assert publish(url, lines_of([event])).returncode == 0
    [(_, body)] = waiting(url, QUEUE)
    assert read_message(body).correlation_id == str(correlation or "")


def test_what_is_just_small_enough_for_a_service_is_not_made_larger_on_the_way(url: str) -> None:
    event = cloud_event(a_placement())
    event["data"]["told"] = "é" * 400_000
    assert publish(url, lines_of([event])).returncode == 0
    [(_, body)] = waiting(url, QUEUE)
    assert read_delivery(body, CONTENT_TYPE).data == a_placement()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("/examples", "/no-examples"), "ProbableAccessDenied"),
        (("guest:guest", "guest:wrong"), "ProbableAuthentication"),
        (("amqp://guest:guest@127.0.0.1", "amqp://guest:guest@127.0.0.2"), "Connection"),
    ],
)
def test_a_broker_that_cannot_be_used_is_said_in_one_sentence(url: str, change: tuple[str, str], words: str) -> None:
    ran = publish(url.replace(*change), lines_of([a_placement()]))
    assert (ran.returncode, ran.stdout) == (3, "")
    assert words in ran.stderr.splitlines()[-1]
    assert "Traceback" not in ran.stderr


def test_an_exchange_that_is_not_there_is_said_in_one_sentence(url: str) -> None:
    ran = publish(url, lines_of([a_placement()]), "--exchange", "tripartite.evnts")
    assert (ran.returncode, len(ran.stderr.splitlines())) == (3, 1)
    assert "no exchange 'tripartite.evnts'" in ran.stderr


def test_a_broker_that_takes_the_call_and_never_answers_is_given_up() -> None:
    hurried = "import sys; sys.path.insert(0, 'examples'); import publish; publish.ANSWER_WITHIN = 1; sys.exit(publish.main())"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        command = [sys.executable, "-c", hurried, "--patience", "0", "--url", f"amqp://127.0.0.1:{silent.getsockname()[1]}/"]
        ran = subprocess.run(
            command, cwd=HOUSE, input=lines_of([a_placement()]), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "no answer within 1 s" in ran.stderr


def test_a_broker_that_takes_the_call_and_says_nothing_is_away_whoever_loses_patience_first() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ran = publish(f"amqp://127.0.0.1:{silent.getsockname()[1]}/?stack_timeout=1&socket_timeout=1", lines_of([a_placement()]))
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "Traceback" not in ran.stderr


def test_a_broker_that_dies_meanwhile_has_everything_in_the_end(broker: Broker, url: str, tmp_path: Path) -> None:
    (tmp_path / "placements.jsonl").write_text(lines_of(placements(0, 1000)))
    broker.flush()
    command = [sys.executable, "examples/publish.py", str(tmp_path / "placements.jsonl"), "--url", url]
    with subprocess.Popen(command, cwd=HOUSE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        first = [process.stdout.readline() for _ in range(20)]
        broker.kill()
        broker.start_again()
        rest, errors = process.communicate(timeout=PATIENCE)
    ids = confirmed("".join(first) + rest)
    assert process.returncode == 0, errors
    assert "trying again" in errors
    assert len(ids) == 1000
    assert {properties.message_id for properties, _ in waiting(url, QUEUE)} == set(ids)


# ---- subscribe.py ------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the host keeps its deadlines."""
    return tmp_path / "deadlines.sqlite"


@contextmanager
def subscriber(url: str, file: Path, host: str = "RXN") -> Iterator[subprocess.Popen[str]]:
    """subscribe.py of a host, once it listens; killed at the end if it still runs."""
    command = [sys.executable, "-u", "examples/subscribe.py", host, str(file), "--url", url]
    with subprocess.Popen(command, cwd=HOUSE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == f"Listening on {HOSTS}.\n"
            yield process
        finally:
            process.kill()


def rows(file: Path, query: str = "select id from heard") -> list[Any]:
    """What stands in the host's file."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


def say(url: str, envelopes: Iterable[dict[str, Any]]) -> list[str]:
    """Publish events as a service does; gives their ids."""
    ids = []
    with channel_to(url) as channel:
        for envelope in envelopes:
            channel.basic_publish(
                EVENTS, envelope["type"], json.dumps(envelope).encode(), pika.BasicProperties(delivery_mode=2), mandatory=True
            )
            ids.append(envelope["id"])
    return ids


def deadlines(first: int, last: int) -> list[dict[str, Any]]:
    """Deadlines of the host RXN by number."""
    return [cloud_event(DeadlineSet(**DEADLINE | {"deadline_id": f"d{number}"})) for number in range(first, last)]


def test_a_host_keeps_the_deadlines_of_its_own_placements(url: str, file: Path) -> None:
    with subscriber(url, file):
        say(url, [cloud_event(DeadlineSet(**DEADLINE | {"host": "R0A", "deadline_id": "theirs"})), *deadlines(1, 3)])
        wait_for(lambda: len(rows(file)) == 2, "both deadlines")
    wait_for(lambda: depth(url, HOSTS) == 0, "an empty queue")
    found = rows(file, "select deadline, state, due, duty, owner, recipient from deadlines order by deadline")
    assert found == [(f"d{number}", "set", "2027-06-09", "work-schedule", "host", "trainee") for number in (1, 2)]


def test_a_broker_that_takes_the_call_and_never_answers_is_tried_again(file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"amqp://127.0.0.1:{silent.getsockname()[1]}/?stack_timeout=1&socket_timeout=1"
        command = [sys.executable, "examples/subscribe.py", "RXN", str(file), "--url", url]
        with subprocess.Popen(command, cwd=HOUSE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr
                assert all("trying again" in process.stderr.readline() for _ in range(2))
                process.terminate()
                assert process.wait(PATIENCE) == 0
            finally:
                process.kill()


def test_a_host_s_code_may_be_written_small(url: str, file: Path) -> None:
    with subscriber(url, file, "rxn"):
        say(url, deadlines(1, 2))
        wait_for(lambda: len(rows(file)) == 1, "the deadline")


def test_what_is_delivered_twice_is_kept_once(url: str, file: Path) -> None:
    with subscriber(url, file):
        ids = say(url, deadlines(1, 2) * 3 + deadlines(2, 3))
        wait_for(lambda: len(rows(file)) == 2, "both deadlines")
        assert sorted(rows(file)) == sorted((id_,) for id_ in set(ids))


def test_the_newest_stands_whatever_comes_last(url: str, file: Path) -> None:
    met = DeadlineMet(**DEADLINE, issued_on=DEADLINE["due"], days_late=0)
    with subscriber(url, file):
        say(url, [cloud_event(met, 10), cloud_event(DeadlineSet(**DEADLINE), 9)])
        wait_for(lambda: len(rows(file)) == 2, "both events")
    assert rows(file, "select deadline, state, sequence from deadlines") == [("d1", "met", 10)]


def test_a_message_that_cannot_be_read_is_kept_and_does_not_hold_up_the_others(url: str, file: Path) -> None:
    bad = [b"not json", b"\xff", b"[]", b"{}", json.dumps({**deadlines(1, 2)[0], "sequence": str(2**80)}).encode(), b"[" * 100_000]
    with subscriber(url, file):
        with channel_to(url) as channel:
            for body in bad:
                channel.basic_publish(EVENTS, "deadline.set", body)
        say(url, deadlines(1, 2))
        wait_for(lambda: bool(rows(file)), "the deadline")
    assert sorted(rows(file, "select body from unreadable")) == sorted((body,) for body in bad)


def test_a_subscriber_that_is_killed_loses_nothing(url: str, file: Path) -> None:
    with subscriber(url, file) as process:
        ids = say(url, deadlines(0, 150))
        wait_for(lambda: bool(rows(file)), "the first")
        os.kill(process.pid, signal.SIGKILL)
    with subscriber(url, file) as process:
        ids += say(url, deadlines(150, 300))
        wait_for(lambda: len(rows(file)) > 100, "some more")
        os.kill(process.pid, signal.SIGKILL)
    with subscriber(url, file):
        wait_for(lambda: len(rows(file)) >= 300, "all of them")
    assert sorted(rows(file)) == sorted((id_,) for id_ in ids)


def test_what_is_said_while_the_subscriber_is_away_waits_for_it(url: str, file: Path) -> None:
    with subscriber(url, file) as process:
        process.terminate()
        assert process.wait(PATIENCE) == 0
    ids = say(url, deadlines(0, 5))
    assert depth(url, HOSTS) == 5
    with subscriber(url, file):
        wait_for(lambda: len(rows(file)) == len(ids), "what was said")


def test_a_subscriber_that_is_told_to_end_gives_back_what_it_did_not_keep(url: str, file: Path) -> None:
    with subscriber(url, file) as process:
        say(url, deadlines(0, 200))
        wait_for(lambda: bool(rows(file)), "the first")
        process.terminate()
        assert process.wait(PATIENCE) == 0
    wait_for(lambda: depth(url, HOSTS) + len(rows(file)) == 200, "each to be kept or given back")


def test_a_subscriber_outlives_its_broker(broker: Broker, url: str, file: Path) -> None:
    with subscriber(url, file) as process:
        say(url, deadlines(0, 5))
        wait_for(lambda: len(rows(file)) == 5, "the first five")
        broker.flush()
        broker.kill()
        broker.start_again()
        assert process.stdout
        assert process.stdout.readline() == f"Listening on {HOSTS}.\n"
        say(url, deadlines(5, 10))
        wait_for(lambda: len(rows(file)) == 10, "all ten")
