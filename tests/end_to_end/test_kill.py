"""``kill -9`` at any moment: nothing lost, nothing twice, whatever the embedded house was doing.

A small rotation is imported into a real ``tripartite serve`` as it comes out of the box, which is killed and started again, and what became
of everything is held against an undisturbed run, row by row. The messages on disk are the send log: none may be written a second time.
Kills at every crash point, on every transport, and those of brokers and databases, are in tests/chaos.
"""

import random
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.processes import Process, a_small_rotation, chunks, letters, outcome, rows, until

LINES = a_small_rotation(40)
LATER = "2027-06-20"
"""A day on which the clock has much to do: contracts were missed, duty rosters are near."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What becomes of the rotation when nothing goes wrong."""
    with Process(tmp_path_factory.mktemp("undisturbed") / "data") as house:
        for path, objects in chunks(LINES):
            assert house.post(path, objects)
        until(house.settled)
        assert house.stop() == 0
        live_on(house)
        assert house.stop() == 0
    found = outcome(house.data)
    assert len(found["deadlines.placements"]) == 40
    assert len(found["notifications.alerts"]) > 200
    assert all(rows(house.data, service, "quarantine") == [] for service in ("deadlines", "notifications", "responsibility"))
    return found


def live_on(house: Process, crashpoint: str = "") -> None:
    """Start the house again on a later day, and again if it dies, until the clock has caught up and everything is settled."""
    house.today, house.crashpoint = LATER, crashpoint
    house.start()
    until(lambda: house.died() or (caught_up(house) and house.settled()))
    if house.died():
        house.crashpoint = ""
        house.start()
        until(lambda: caught_up(house) and house.settled())


def caught_up(house: Process) -> bool:
    """Whether no deadline waits for the clock."""
    return all(row["next_on"] is None or row["next_on"] > LATER for row in rows(house.data, "deadlines", "deadlines"))


def test_a_house_killed_again_and_again_during_an_import_ends_up_as_if_nothing_had_happened(
    tmp_path: Path, undisturbed: dict[str, list[Any]]
) -> None:
    chance = random.Random(20270804)
    posts = list(chunks(LINES))
    place, kills, sent = 0, 0, dict[str, int]()
    with Process(tmp_path / "data") as house:
        while place < len(posts):
            assert house.post(*posts[place])
            place += 1
            if kills < 6 and chance.random() < 0.3:
                house.kill()
                kills += 1
                sent = sent_once(house, sent)
                place = max(0, place - 3)  # the caller is not sure what arrived, and sends the last ones again
                house.start()
        until(house.settled)
        assert house.stop() == 0
        live_on(house, crashpoint="alert.sent.unmarked:1")
        assert house.stop() == 0
    assert kills >= 3
    assert outcome(house.data) == undisturbed
    sent_once(house, sent)


def sent_once(house: Process, before: dict[str, int]) -> dict[str, int]:
    """The send log as it is now; fails if a message that was there before was written again."""
    now = letters(house.data)
    assert {key: now[key] for key in before} == before, "an alert was sent a second time"
    return now
