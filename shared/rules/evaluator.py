"""The evaluator: which conditions hold, in three-valued logic, compiled.

It says the same as :func:`shared.policies.conditions.truth`, but says it of every condition of a slice at once and many times faster,
because it is asked anew for the very facts of every decision. A state is a number of two bits, so that ``&`` and ``|`` are
Kleene's *and* and *or*.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from shared.policies.conditions import All, Condition, Test, facts_of
from shared.policies.facts import Code

HOLDS: Final = 3
OPEN: Final = 1
FAILS: Final = 0
STATE: Final = {True: HOLDS, None: OPEN, False: FAILS}
"""Truth as ``truth`` has it -> state."""

_SIGNS = {"is": "==", "is_not": "!=", "at_most": "<=", "less_than": "<", "at_least": ">=", "more_than": ">"}

Evaluator = Callable[[Mapping[str, Code]], tuple[int, ...]]
"""Facts -> the state of every condition, in order."""


def evaluator(conditions: Iterable[Condition]) -> Evaluator:
    """These conditions, compiled."""
    conditions = tuple(conditions)
    names = {fact: f"fact{number}" for number, fact in enumerate(facts_of(conditions))}
    states = "".join(f"{_source(condition, names)}, " for condition in conditions)
    values = ", ".join(f"facts.get({fact!r})" for fact in names)
    source = f"lambda facts: (lambda {', '.join(names.values())}: ({states}))({values})"
    found: Evaluator = eval(source, {})  # noqa: S307 (our own text)
    return found


def _source(condition: Condition, names: Mapping[str, str]) -> str:
    if isinstance(condition, bool):
        return str(STATE[condition])
    if isinstance(condition, Test):
        name = names[condition.fact]
        return f"({OPEN} if {name} is None else {HOLDS} if {name} {_SIGNS[condition.operator]} {condition.bound!r} else {FAILS})"
    sign = " & " if isinstance(condition, All) else " | "
    return f"({sign.join(_source(part, names) for part in condition.parts)})"
