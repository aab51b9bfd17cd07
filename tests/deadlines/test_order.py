"""Order and redelivery do not matter: whatever way the same news comes, the same deadlines are in force."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from services.deadlines.app import SERVICE
from services.deadlines.consumers import Known
from services.deadlines.models import Deadline
from shared.database import transaction
from shared.events import DocumentIssued, Event, PlacementWithdrawn
from shared.outbox import OutboxRow, add
from shared.wire import Message, read_message, say
from shared.worker import Worker
from tests.deadlines.stories import DUE, FIRST, WEEK_8
from tests.helpers import Clock, a_document, a_message, a_placement, a_worker, settle

NEWS: list[Event] = [
    a_placement(),
    a_placement(start_date=date(2027, 9, 1)),
    a_placement(host="R0A", host_name="Manchester University NHS Foundation Trust"),
    a_placement(grade="ST4"),
    a_placement(placement_type="parental-leave"),
    a_placement(lead_employer="RXN"),
    PlacementWithdrawn(placement_id="p1", reason="deleted in TIS"),
]
DOCUMENTS = [
    a_document(
        kind,
        to,
        WEEK_8 + timedelta(days=late),
        host=host,
        issued_by=host if to == "lead-employer" else "RBN",
        document_id=f"{kind}-{to}-{late}-{host}",
    )
    for kind, to in (("work-schedule", "trainee"), ("work-schedule", "lead-employer"), ("contract", "trainee"))
    for late, host in ((0, "RXN"), (3, "RXN"), (1, "R0A"))
]
LAST = a_placement()
Facts = set[tuple[str, date, str, str, date | None]]


def in_force(worker: Worker, placement_id: str = "p1") -> Facts:
    with transaction(worker.engine) as session:
        return {
            (deadline.rule, deadline.due, deadline.host, deadline.state, deadline.issued_on)
            for deadline in session.scalars(select(Deadline).where(Deadline.placement_id == placement_id))
            if deadline.counts
        }


@st.composite
def ways(draw: st.DrawFn) -> tuple[list[Message], list[list[Message]]]:
    """News of one placement that ends with it in post, and the same news in another order, some of it twice, in batches."""
    history = draw(st.lists(st.sampled_from(NEWS), max_size=5))
    messages = [a_message(event, sequence) for sequence, event in enumerate([*history, LAST], start=1)]
    messages += [a_message(document) for document in draw(st.lists(st.sampled_from(DOCUMENTS), unique=True, max_size=5))]
    shuffled = draw(st.permutations([*messages, *draw(st.lists(st.sampled_from(messages), max_size=4))]))
    cuts = sorted(draw(st.sets(st.integers(1, len(shuffled)), max_size=4)) | {0, len(shuffled)})
    return messages, [list(shuffled[here:there]) for here, there in pairwise(cuts)]


def hear(worker: Worker, messages: Sequence[Message], now: datetime) -> None:
    """Take in a batch as the consumer does, without the bus."""
    worker.take_in(messages, now)


def about(placement_id: str, message: Message) -> Message:
    """The same news of another placement."""
    changed: dict[str, Any] = {"placement_id": placement_id}
    if isinstance(message.data, DocumentIssued):
        changed["document_id"] = f"{placement_id} {message.data.document_id}"
    return replace(message, id=f"{placement_id} {message.id}", data=replace(message.data, **changed))


def test_any_order_and_any_repetition_of_the_same_news_lead_to_the_same_deadlines(tmp_path: Path, clock: Clock) -> None:
    worker, names = a_worker(SERVICE, tmp_path, clock), (f"p{number}" for number in count())

    @settings(max_examples=100, deadline=None)
    @given(ways())
    @example(([a_message(LAST, 2), a_message(DOCUMENTS[0])], [[a_message(DOCUMENTS[0])], [a_message(LAST, 2), a_message(NEWS[1], 1)]]))
    def in_any_order(way: tuple[list[Message], list[list[Message]]]) -> None:
        told, retold = way
        first, second = next(names), next(names)
        for message in told:
            hear(worker, [about(first, message)], clock())
        for batch in retold:
            hear(worker, [about(second, message) for message in batch], clock())
        assert in_force(worker, first) == in_force(worker, second)
        assert {rule: due for rule, due, *_ in in_force(worker, first)} == DUE

    in_any_order()


def test_deadlines_and_what_is_said_of_them_are_written_together(tmp_path: Path, clock: Clock) -> None:
    worker = a_worker(SERVICE, tmp_path, clock)
    hear(worker, [a_message(a_placement()), a_message(a_document())], clock())
    with transaction(worker.engine) as session:
        said = [read_message(row.body).data for row in session.scalars(select(OutboxRow).order_by(OutboxRow.batch, OutboxRow.number))]
        assert len(Known(session, {"p1"}).files["p1"].deadlines) == 7
    assert [event.type for event in said] == ["deadline.set"] * 7 + ["deadline.met"]


def test_a_message_over_the_bus_is_handled_once_however_often_it_is_sent(tmp_path: Path, clock: Clock) -> None:
    worker = a_worker(SERVICE, tmp_path, clock)
    for _ in range(3):
        with transaction(worker.engine) as session:
            add(session, [a_message(a_placement()).envelope(), a_message(a_document()).envelope()], clock())
        settle(worker)
        worker.recover()
    settle(worker)
    assert len(in_force(worker)) == 7
    with transaction(worker.engine) as session:
        types = [row.type for row in session.scalars(select(OutboxRow))]
    assert (types.count("deadline.set"), types.count("deadline.met")) == (7, 1)
    assert clock().date() == FIRST


def test_two_updates_with_one_sequence_are_decided_the_same_way_in_any_order(tmp_path: Path, clock: Clock) -> None:
    found: list[Facts] = []
    for order in (1, -1):
        worker = a_worker(SERVICE, tmp_path / str(order), clock)
        news = [a_message(a_placement(), 4), a_message(a_placement(start_date=date(2027, 9, 1)), 4)]
        for message in news[::order]:
            hear(worker, [message], clock())
        found.append(in_force(worker))
    assert found[0] == found[1]
    assert {len(rows) for rows in found} == {7}


def test_of_two_sources_the_later_word_wins_whatever_their_sequences(tmp_path: Path, clock: Clock) -> None:
    for order in (1, -1):
        worker = a_worker(SERVICE, tmp_path / str(order), clock)
        earlier = say(a_placement(start_date=date(2027, 9, 1)), "urn:one", datetime(2027, 5, 4, tzinfo=UTC), 900)
        later = say(a_placement(), "urn:two", datetime(2027, 5, 5, tzinfo=UTC), 1)
        for message in (earlier, later)[::order]:
            hear(worker, [message], clock())
        assert {rule: due for rule, due, *_ in in_force(worker)} == DUE


def test_one_document_id_may_stand_on_two_placements(tmp_path: Path, clock: Clock) -> None:
    worker = a_worker(SERVICE, tmp_path, clock)
    contract = a_document("contract", "trainee", document_id="a contract")
    of_p2 = replace(contract, placement_id="p2")
    hear(worker, [a_message(event) for event in (a_placement(), a_placement(placement_id="p2"), contract, of_p2)], clock())
    hear(worker, [a_message(replace(of_p2, issued_on=of_p2.issued_on - timedelta(days=1)), 2)], clock())
    for placement_id in ("p1", "p2"):
        assert {rule: issued for rule, *_, issued in in_force(worker, placement_id) if issued} == {
            "contract-to-trainee": contract.issued_on
        }


def test_a_document_for_the_new_doctor_counts_though_it_is_heard_before_the_news_of_that_doctor(tmp_path: Path, clock: Clock) -> None:
    first = a_message(a_placement(), 1)
    second = a_message(a_placement(trainee_id="t2"), 2, datetime(2027, 6, 1, 9, tzinfo=UTC))
    contract = a_message(a_document("contract", "trainee", WEEK_8))
    for number, news in enumerate(([first, second, contract], [contract, second, first], [first, contract, second])):
        worker = a_worker(SERVICE, tmp_path / str(number), clock)
        for message in news:
            hear(worker, [message], clock())
        assert {rule: issued for rule, *_, issued in in_force(worker) if issued} == {"contract-to-trainee": WEEK_8}


def test_an_overtaken_update_is_ignored_and_a_withdrawal_cannot_be_undone_by_older_news(tmp_path: Path, clock: Clock) -> None:
    worker = a_worker(SERVICE, tmp_path, clock)
    hear(worker, [a_message(a_placement(start_date=date(2027, 9, 1)), 5)], clock())
    hear(worker, [a_message(a_placement(), 4)], clock())
    assert {start for _, start, *_ in in_force(worker)} == {due + timedelta(weeks=4) for due in DUE.values()}
    hear(worker, [a_message(PlacementWithdrawn(placement_id="p1", reason="closed"), 6), a_message(a_placement(), 3)], clock())
    assert in_force(worker) == set()
