"""Named calendars of working days; the only file that knows ``holidays``.

A working day is a day from Monday to Friday that is no bank holiday. The day of receipt is day 0; received on a day that is none,
a thing counts as received on the next working day (catalogue section 0, convention 3).

Bank holidays are known for the years in ``CALENDARS`` only: one is proclaimed now and then (2022, 2023), so days beyond the
last year are refused rather than guessed.
"""

from datetime import date, timedelta
from functools import cache

from shared.errors import BeyondCalendar

CALENDARS = {"england": ("GB", "ENG", 2015, 2028)}
"""Name -> country and subdivision (ISO 3166), first and last year whose bank holidays are known."""


def working_day(calendar: str, start: date, amount: int) -> date:
    """The working day so many working days after ``start`` (before it, where negative); with 0, the first one from ``start`` on.

    :raises BeyondCalendar: the count touches a day whose bank holidays are not known.
    """
    step = timedelta(days=-1 if amount < 0 else 1)
    day = start
    while not _is_working_day(calendar, day):
        day += step
    for _ in range(abs(amount)):
        day += step
        while not _is_working_day(calendar, day):
            day += step
    return day


def _is_working_day(calendar: str, day: date) -> bool:
    _, _, first, last = CALENDARS[calendar]
    if not first <= day.year <= last:
        raise BeyondCalendar(f"The bank holidays of {calendar} are known from {first} to {last}; working days on {day} cannot be counted.")
    return day.weekday() < 5 and day not in _bank_holidays(calendar)


@cache
def _bank_holidays(calendar: str) -> frozenset[date]:
    from holidays import country_holidays  # noqa: PLC0415 (large, and most processes count no working days)

    country, subdivision, first, last = CALENDARS[calendar]
    return frozenset(country_holidays(country, subdiv=subdivision, years=range(first, last + 1)))
