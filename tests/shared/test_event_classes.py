"""The classes of events: who says and hears which, as the table of shared/events.py has it; types, subjects and streams."""

import importlib
import re
from dataclasses import fields

from shared import events
from shared.event_data import data_json
from shared.events import EVENTS, ConcernRaised, DeadlineEvent, Event, PlacementWithdrawn
from tests.helpers import a_concern, a_placement

SERVICES = ("eligibility", "deadlines", "responsibility", "notifications")


def table() -> dict[type[Event], tuple[set[str], set[str]]]:
    """The table of the module's docstring: event -> who says it, who hears it."""
    by_name = {event.__name__: event for event in EVENTS.values()}
    order = list(by_name)
    found: dict[type[Event], tuple[set[str], set[str]]] = {}
    for line in str(events.__doc__).splitlines():
        cells = re.split(r"\s{2,}", line.strip())
        if len(cells) != 3 or not cells[0][:1].isupper():
            continue
        said, heard = (set(re.split(r", ", cell)) for cell in cells[1:])
        first, through, last = cells[0].partition(" … ")
        names = order[order.index(first) : order.index(last) + 1] if through else cells[0].split(", ")
        found |= {by_name[name]: (said, heard) for name in names}
    return found


def test_the_table_names_every_event() -> None:
    assert set(table()) == set(EVENTS.values())


def test_every_service_hears_what_the_table_says_and_nothing_else() -> None:
    for service in SERVICES:
        hears = set(importlib.import_module(f"services.{service}.consumers").CONSUMERS)
        assert hears == {event for event, (_, heard) in table().items() if service in heard}, service


def test_an_event_may_be_sent_in_exactly_if_no_service_says_it() -> None:
    for event, (said, _) in table().items():
        assert event.from_outside is not bool(said & set(SERVICES)), event.type


def test_every_type_is_that_of_its_class_in_the_past_tense_and_names_a_field_as_its_subject() -> None:
    for type_, event in EVENTS.items():
        assert type_ == event.type
        assert re.sub(r"\W", "", event.__name__.lower()) == type_.replace(".", "").replace("-", "")
        assert event.about in {field.name for field in fields(event)}
    assert DeadlineEvent not in EVENTS.values()


def test_events_of_one_subject_share_a_stream_and_of_different_kinds_do_not() -> None:
    withdrawn = PlacementWithdrawn(placement_id="p1", reason="")
    assert a_placement().stream == withdrawn.stream == "placement/p1"
    assert a_placement(placement_id="c1").stream != a_concern({}).stream
    assert ConcernRaised.newer_wins
    assert data_json(withdrawn) == {"placement_id": "p1", "reason": ""}
