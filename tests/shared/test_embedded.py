"""The embedded bus holds in memory what its services can take in, and leaves the rest in the outbox."""

from pathlib import Path

import pytest

from services.deadlines.app import SERVICE
from shared import outbox
from shared.bus import embedded
from shared.database import transaction
from shared.outbox import waiting
from shared.worker import Worker
from tests.helpers import Clock, a_message, a_placement, a_worker, settle


def say_twenty(worker: Worker, name: str) -> None:
    with transaction(worker.engine) as session:
        outbox.add(session, [a_message(a_placement(placement_id=f"{name}-{number}")).envelope() for number in range(20)], worker.clock())


def test_a_full_queue_is_given_no_more_until_its_service_has_taken_some(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "LONGEST_QUEUE", 10)
    worker = a_worker(SERVICE, tmp_path, clock)
    say_twenty(worker, "a")
    assert worker.parts["relay"](0.0) == 20
    say_twenty(worker, "b")
    assert worker.parts["relay"](0.0) == 0
    assert waiting(worker.engine)[0] == 1
    assert worker.parts["hear.1"](0.0) == 20
    assert worker.parts["relay"](0.0) > 0
    settle(worker)
    assert waiting(worker.engine)[0] == 0
