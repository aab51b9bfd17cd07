"""Working days in England: counted from the day after, over weekends and bank holidays, and never guessed."""

from datetime import date

import pytest

from shared.errors import BeyondCalendar, NotInForce, Refused
from shared.policies.calendars import working_day
from shared.policies.facts import Fact
from shared.rules import decide
from tests.shared.scratch import a_policy, changed


@pytest.mark.parametrize(
    ("start", "amount", "due"),
    [
        ("2026-11-24", 2, "2026-11-26"),  # Tuesday
        ("2026-11-26", 2, "2026-11-30"),  # Thursday: over the weekend
        ("2026-11-27", 1, "2026-11-30"),  # Friday
        ("2026-11-28", 1, "2026-12-01"),  # Saturday counts as Monday, which is day 0
        ("2026-11-28", 0, "2026-11-30"),
        ("2026-12-24", 2, "2026-12-30"),  # Christmas Day, the weekend, and Boxing Day on the Monday
        ("2022-09-16", 1, "2022-09-20"),  # the bank holiday of 19 September 2022, proclaimed a week before
        ("2023-05-05", 1, "2023-05-09"),  # the coronation
        ("2026-11-24", -2, "2026-11-20"),
        ("2026-11-22", -1, "2026-11-19"),  # Sunday counts as the Friday before
        ("2027-03-25", 1, "2027-03-30"),  # Good Friday and Easter Monday
    ],
)
def test_working_days_are_counted_from_day_0(start: str, amount: int, due: str) -> None:
    assert working_day("england", date.fromisoformat(start), amount).isoformat() == due


@pytest.mark.parametrize(("start", "amount"), [(date(2029, 1, 2), 1), (date(2028, 12, 29), 2), (date(2015, 1, 1), -1)])
def test_days_whose_bank_holidays_are_not_known_are_refused_not_guessed(start: date, amount: int) -> None:
    with pytest.raises(BeyondCalendar, match="known from 2015 to 2028"):
        working_day("england", start, amount)


def test_a_decision_with_a_working_day_beyond_the_calendar_is_refused_as_the_callers_input() -> None:
    policy = a_policy(changed(("weeks: 2", "working_days: 2, calendar: england")))
    day: Fact = policy.facts["day"]
    decision = decide(policy, {"number": 1, "day": day.read("2026-12-24")}, date(2026, 12, 24), made_at="", id="")
    assert decision.body["outcome"] == {"size": "small", "due": "2026-12-30"}
    with pytest.raises(BeyondCalendar) as caught:
        decide(policy, {"number": 1, "day": day.read("2029-12-24")}, date(2026, 12, 24), made_at="", id="")
    assert isinstance(caught.value, Refused)
    assert not isinstance(caught.value, NotInForce)
    assert caught.value.status == 422
