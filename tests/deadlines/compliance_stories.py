"""Placements for tables of compliance, and the table that they show as at a day."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from services.deadlines.compliance.tables import Table, measured
from services.deadlines.history import as_known
from shared.events import Event
from tests.deadlines.stories import WEEK_8, Story
from tests.helpers import a_document, a_placement

DAY = timedelta(days=1)
AFTER = date(2027, 8, 4)
INFORMATION, SCHEDULE, ROSTER = "placement_information_to_host", "work_schedule_to_trainee", "duty_roster_to_trainee"
HANDOVER, BUNDLE = "work_schedule_to_lead_employer", "bundle"


def a_story(number: int = 1, *documents: Event, **changes: Any) -> Story:
    """The file of one of several placements at a host."""
    return Story(a_placement(**{"placement_id": f"p{number}", "trainee_id": f"t{number}"} | changes), *documents)


def bundle(late: int = 0) -> list[Event]:
    """Work schedule, contract and pay breakdown; the pay breakdown so many days late."""
    return [
        a_document("work-schedule", "trainee", WEEK_8),
        a_document("contract", "trainee", WEEK_8),
        a_document("pay-breakdown", "trainee", WEEK_8 + late * DAY),
    ]


def a_table(stories: Iterable[Story], as_at: date = AFTER, by: Sequence[str] = ("host",), **options: Any) -> Table:
    """The table of their files as they stood on a day."""
    return measured([as_known(story.file, as_at) for story in stories], as_at, by, **options)
