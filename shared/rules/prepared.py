"""What of a slice is worked out once and kept: how facts fall into classes, its stages, and the answer to every class met so far.

Everything that a decision says follows from the classes of its facts, apart from the values shown and the dates computed from them.
So the long part of deciding (conclusion.py, explanation.py) is done for the first facts of some classes and drafted; decisions on
other facts of the same classes fill the draft in. What is *not* kept is which rules hold: both engines say that anew, of the very
facts, for every decision (decision.py).

Both memories are bounded and safe to share: an answer is never changed, and two threads that make the same one make equal ones.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from threading import Lock
from typing import Any

from shared.policies.conditions import Condition
from shared.policies.facts import Code
from shared.policies.policy import Policy, Rule, Slice
from shared.rules.classes import Class, Classes
from shared.rules.conclusion import Facts, Found, conclude, drafted_outcome, most_decisive_first
from shared.rules.drafts import Draft
from shared.rules.evaluator import STATE, evaluator
from shared.rules.explanation import Explanation

MOST_SLICES = 256
MOST_ANSWERS = 1024
MOST_FOUND = 1024


@dataclass(frozen=True)
class Stage:
    """The rules of one stage as durable_rules takes them.

    ``passed_on`` are the rules that have something to say to a later stage: the scalars they conclude, and what overrides them.
    """

    key: tuple[object, ...]
    conditions: Mapping[str, Condition]
    passed_on: Mapping[str, tuple[Mapping[str, Code], frozenset[str]]]


@dataclass(frozen=True)
class Answer:
    """The answer to all facts of the same classes.

    What is concluded, the state of every rule (evaluator.py), which facts are given, which of them have a value that is to be shown,
    what is assumed, and the decision with its blanks.
    """

    found: Found
    states: tuple[int, ...]
    given: tuple[str, ...]
    blank: tuple[str, ...]
    assumed: dict[str, Code]
    body: Draft


class Prepared:
    """A slice, with what is worked out of it once."""

    def __init__(self, slice_: Slice) -> None:
        self.slice_ = slice_
        self.classes = Classes(slice_)
        self.stages = tuple(_stages(slice_))
        self.evaluate = evaluator(slice_.meaning[rule.id] for rule in slice_.rules)

    def answer(self, given: Facts) -> Answer:
        """The answer to these facts.

        :raises PolicyConflict, PolicyGap: the policy has none.
        """
        return _answer(self, self.classes.of(given))

    def conclude(self, known: Facts) -> Found:
        """What these facts conclude. Neighbours share it: what would change one decision is what another one is."""
        return _found(self, self.classes.of(known))


@lru_cache(MOST_FOUND)
def _found(prepared: Prepared, classes: tuple[Class, ...]) -> Found:
    return conclude(prepared.slice_, prepared.classes.members(classes))


@lru_cache(MOST_ANSWERS)
def _answer(prepared: Prepared, classes: tuple[Class, ...]) -> Answer:
    slice_ = prepared.slice_
    given = prepared.classes.members(classes)
    blank = tuple(name for name in given if name not in prepared.classes.settled)
    missing = [fact for name, fact in slice_.policy.facts.items() if name in slice_.asked and name not in given]
    assumed = {fact.name: fact.assumed for fact in missing if fact.assumed is not None}
    known = {**given, **assumed}
    found = prepared.conclude(known)
    explain = Explanation(slice_, given, known, found, blank, prepared.conclude)
    states = tuple(STATE[state] for state in found.holds.values())
    return Answer(replace(found, diagrams=()), states, tuple(given), blank, assumed, Draft(_drafted(explain, assumed)))


def _drafted(explain: Explanation, assumed: Facts) -> dict[str, Any]:
    """The body of a decision, in its order of keys; id, day and time are put in by ``decide``."""
    slice_, found = explain.slice_, explain.found
    facts = slice_.policy.facts
    return {
        "id": None,
        "policy": slice_.policy.name,
        "edition": slice_.policy.edition,
        "as_at": None,
        "made_at": None,
        "status": "undetermined" if found.needs else "decided",
        "facts": explain.facts(),
        "outcome": None if found.needs else drafted_outcome(slice_.policy, found.values),
        "because": explain.because(),
        "why_not": explain.why_not(),
        "would_change": [] if found.needs else explain.would_change(),
        "assumed": [
            {"fact": name, "value": facts[name].show(code), "because": facts[name].assumed_because} for name, code in assumed.items()
        ],
        "needs": [{"fact": name, "ask": facts[name].ask, **_options(slice_.policy, name)} for name in most_decisive_first(slice_, found)],
        "notices": explain.notices(),
    }


def _options(policy: Policy, name: str) -> dict[str, Any]:
    fact = policy.facts[name]
    return {"type": fact.type, **({"one_of": list(fact.choices)} if fact.choices else {})}


def _stages(slice_: Slice) -> Iterator[Stage]:
    numbers = sorted({rule.stage for rule in slice_.rules})
    for number in numbers:
        rules = [rule for rule in slice_.rules if rule.stage == number]
        yield Stage(
            key=(slice_.policy.edition, slice_.starts, number),
            conditions={rule.id: rule.when for rule in rules},
            passed_on={
                rule.id: (_scalars(rule), frozenset(other.id for other in slice_.above(rule))) for rule in rules if number != numbers[-1]
            },
        )


def _scalars(rule: Rule) -> dict[str, Code]:
    return {name: value for name, value in rule.then.items() if isinstance(value, int | str)}


_prepared: dict[tuple[str, date], Prepared] = {}
_lock = Lock()


def prepare(slice_: Slice) -> Prepared:
    """The slice, prepared; the same one for as long as it is remembered."""
    key = (slice_.policy.edition, slice_.starts)
    found = _prepared.get(key)
    if found is None:
        found = Prepared(slice_)
        with _lock:
            while len(_prepared) >= MOST_SLICES:
                del _prepared[next(iter(_prepared))]
            _prepared[key] = found
    return found
