"""durable_rules, driven in the one shape that holds up: the only file that knows ``durable_rules_engine``.

The C engine is driven directly, without the library's ``Host``: no background threads, no timers, no globals. What is relied on:

* One ruleset per (slice, stage), built once under the lock and kept in an LRU; the least used is deleted.
* One flat message per run: validated codes only (pence, ordinals, tokens), every property behind the prefix ``f_``. No joins,
  no ``$or`` (conditions come in disjunctive form, one engine rule per conjunction), no ``$nex``, no arithmetic.
* One session, deleted in ``finally``, and a process-wide lock around it: never two live sessions, so no two can share a hash.
* Every ruleset has a rule that always holds. ``delete_state`` frees pointers that only a started action has initialised, so
  deleting the session of a message that matched nothing frees memory that is not its own (seen as heap corruption).
* More than 64 conditions true at once are refused by the engine; a service whose policies could have more does not start.
* No match is data: an empty set.

The layout was checked against 2.0.28 only; another version is refused at import.
"""

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import version
from json.encoder import encode_basestring_ascii as quoted
from threading import RLock
from typing import NamedTuple

import durable_rules_engine

from shared.errors import EngineFailure, PolicyError
from shared.policies.conditions import Condition, Test, alternatives, conjunctions
from shared.policies.facts import Code

VERSION = "2.0.28"
MOST_CONJUNCTIONS = 60
MOST_RULESETS = 256
_SESSION = "0"
_ALWAYS = "always"
_NO_ID = ""
_PREFIX = "f_"
_OPENING = f'{{"id":"{_SESSION}","sid":"{_SESSION}","{_ALWAYS}":1'
_OPERATORS = {"is_not": "$neq", "at_most": "$lte", "less_than": "$lt", "at_least": "$gte", "more_than": "$gt"}

if version("durable_rules") != VERSION:
    raise ImportError(
        f"durable_rules {version('durable_rules')} is installed, but its engine is driven here in a way that was checked with "
        f"{VERSION} only; install {VERSION}, or run the differential tests (tests/shared/test_engines.py) and change VERSION."
    )

_lock = RLock()
_rulesets: "OrderedDict[tuple[object, ...], _Ruleset]" = OrderedDict()


class _Ruleset(NamedTuple):
    """A ruleset that the engine holds, and what each of its rules stands for: name, as JSON has it -> id of a condition, or none."""

    handle: int
    ids: Mapping[str, str]


def holding(key: tuple[object, ...], conditions: Mapping[str, Condition], message: Mapping[str, Code]) -> set[str]:
    """The ids of the conditions that hold for a message.

    :param key: what identifies these conditions for good: edition, first day of the slice, stage.
    :param conditions: rule id -> condition with plain values for bounds.
    :param message: the facts that are known; a property that is not there makes every test on it fail.
    :raises EngineFailure: the engine gave an answer that the safe shape does not allow; the ruleset is thrown away.
    """
    body = _body(message)
    with _lock:
        ruleset = _ruleset(key, conditions)
        try:
            return _run(ruleset, body)
        except Exception as error:
            del _rulesets[key]
            raise EngineFailure(f"durable_rules could not decide {key}: {error!r}.") from error


def _body(message: Mapping[str, Code]) -> str:
    """The message as JSON, put together by hand because it is flat: integers, and text that is quoted as JSON has it."""
    properties = [
        f",{_property(name)}:{quoted(code)}" if isinstance(code, str) else f",{_property(name)}:{code:d}" for name, code in message.items()
    ]
    return _OPENING + "".join(properties) + "}"


@lru_cache(4096)
def _property(name: str) -> str:
    return quoted(_PREFIX + name)


def _run(ruleset: _Ruleset, body: str) -> set[str]:
    handle, ids = ruleset
    result, state = durable_rules_engine.assert_fact(handle, body)
    try:
        if result:
            raise EngineFailure(f"the message was answered with {result}.")
        fired: set[str] = set()
        started = durable_rules_engine.start_action_for_state(handle, state)
        action = started[1] if started else None
        while action:  # {"name":{"m":…}}; a name in any other shape is none of the ruleset's
            fired.add(ids[action[2 : action.index('":', 2)]])
            action = durable_rules_engine.complete_and_start_action(handle, state)
        if _NO_ID not in fired:
            raise EngineFailure("the rule that always holds was not fired.")
        fired.discard(_NO_ID)
        return fired
    finally:
        durable_rules_engine.delete_state(handle, _SESSION)


def _ruleset(key: tuple[object, ...], conditions: Mapping[str, Condition]) -> _Ruleset:
    found = _rulesets.get(key)
    if found is not None:
        _rulesets.move_to_end(key)
        return found
    if len(_rulesets) >= MOST_RULESETS:
        durable_rules_engine.delete_ruleset(_rulesets.popitem(last=False)[1].handle)
    rules = definition(conditions)
    handle = durable_rules_engine.create_ruleset("-".join(map(str, key)), json.dumps(rules))
    _rulesets[key] = made = _Ruleset(handle, {quoted(name)[1:-1]: name.rpartition("#")[0] for name in rules})
    return made


def definition(conditions: Mapping[str, Condition]) -> dict[str, object]:
    """The durable_rules definition of these conditions: one rule for every conjunction, and the one that always holds."""
    rules = {
        f"{name}#{number}": _engine_rule(conjunction)
        for name, condition in conditions.items()
        for number, conjunction in enumerate(conjunctions(condition))
    }
    return {**rules, _ALWAYS: _engine_rule(())}


def check_engine_limits(file: str, conditions: Mapping[str, Condition]) -> None:
    """Refuse, before a decision is asked for, what the engine could not hold.

    :raises PolicyError: these conditions have more conjunctions than the engine can see hold at once.
    """
    count = 1 + sum(map(alternatives, conditions.values()))  # with the rule that always holds
    if count > MOST_CONJUNCTIONS:
        raise PolicyError(
            file,
            None,
            f"the rules in force together have {count} alternatives; durable_rules holds at most {MOST_CONJUNCTIONS}. "
            "Split the policy by subject, or move alternatives (any, one_of) into an earlier stage.",
        )


def _engine_rule(conjunction: Iterable[Test]) -> dict[str, object]:
    tests: list[dict[str, object]] = [_engine_test(test) for test in conjunction]
    return {"all": [{"m": {"$and": [{_ALWAYS: 1}, *tests]} if tests else {_ALWAYS: 1}}]}


def _engine_test(test: Test) -> dict[str, object]:
    name = _PREFIX + test.fact
    return {name: test.bound} if test.operator == "is" else {_OPERATORS[test.operator]: {name: test.bound}}
