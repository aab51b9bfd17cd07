"""One decision against its peers, in one run: ``make bench-decide``.

Ours is the whole of a decision in process: raw JSON values are read and checked, durable_rules and the evaluator both run and are
compared, and the body comes out with its reasons, bounds and citations, what would change it and what it needs. The peers only find
what is concluded. All are given the same random facts, every fact that a rule tests, and must find the same route. Ours is timed a
second time with the day of publication, which no rule tests but from which it computes two days.

The contenders take turns in one process, so that a machine that slows down slows all of them: figures mean something only as ratios
within one run. A turn begins with a few decisions that are not timed, because the first ones pay for the change of contender. Ours
is timed on classes of facts that it has met before (shared/rules/prepared.py); the first decision on each class is timed apart.
"""

import random
import sys
import time
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from shared.policies import load_policies
from shared.policies.conditions import facts_of
from shared.policies.facts import ORDERED, Code, Fact
from shared.policies.policy import Policy, Slice
from shared.rules import engine
from shared.rules.prepared import prepare
from tests.bench import contenders

SERVICES = ("eligibility", "deadlines", "responsibility", "notifications")
DAY = date(2023, 6, 1)
OUTCOME = "route"
OURS, DATED, ZEN, DURABLE = "tripartite", "tripartite, with dates", "zen-engine, trace", "durable_rules"
ROUNDS, INPUTS, WARM_UP = 100, 200, 10
MOST_COMPILE = 1.0
Ask = Callable[[Mapping[str, Any]], Any]


# ---- getting ready -----------------------------------------------------------------------------------------------


def compile_seconds() -> tuple[float, int, int]:
    """How long it takes to read every policy of the house, put it in force on each of its days, and build its rulesets."""
    started = time.perf_counter()
    policies = [policy for service in SERVICES for policy in load_policies(service).values()]
    slices = [slice_ for policy in policies for slice_ in slices_of(policy)]
    for slice_ in slices:
        for stage in prepare(slice_).stages:
            engine.holding(stage.key, stage.conditions, {})
    return time.perf_counter() - started, len(policies), len(slices)


def slices_of(policy: Policy) -> list[Slice]:
    """The policy on each of the days on which it changes."""
    return [policy.on(day) for day in policy.changes if any(rule.starts <= day < rule.ends for rule in policy.rules)]


# ---- facts -------------------------------------------------------------------------------------------------------


def random_facts(slice_: Slice, chance: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """Raw facts: those that rules test, and all that they ask about."""
    raw = {name: slice_.policy.facts[name].show(_code(slice_.policy.facts[name], near, chance)) for name, near in slice_.asked.items()}
    tested = facts_of(rule.when for rule in slice_.rules)
    return {name: value for name, value in raw.items() if name in tested}, raw


def _code(fact: Fact, near: tuple[Code, ...], chance: random.Random) -> Code:
    """Anywhere between two bounds, or on or next to one. What is assumed is what is usual: nine times in ten it is so."""
    if fact.assumed is not None and chance.random() < 0.9:
        return fact.assumed
    if fact.type in ORDERED and chance.random() < 0.8:
        place = chance.randrange(len(near) - 1)
        return chance.randint(int(near[place]), int(near[place + 1]))
    return chance.choice(near)


# ---- times -------------------------------------------------------------------------------------------------------


def taken(ask: Ask, raw: Mapping[str, Any]) -> tuple[float, Any]:
    """Microseconds, and the answer."""
    started = time.perf_counter_ns()
    answer = ask(raw)
    return (time.perf_counter_ns() - started) / 1000, answer


def at(times: list[float], share: float) -> float:
    """A percentile."""
    return sorted(times)[int(len(times) * share)]


def first_decisions(slice_: Slice, chance: random.Random) -> list[float]:
    """How long the first decision on each class of facts takes; afterwards all classes have been met."""
    ask = contenders.ours(slice_.policy, slice_)
    seen: set[object] = set()
    times = []
    for _ in range(ROUNDS * INPUTS):
        for raw in random_facts(slice_, chance):
            classes = prepare(slice_).classes.of({name: slice_.policy.facts[name].read(value) for name, value in raw.items()})
            if classes not in seen:
                seen.add(classes)
                times.append(taken(ask, raw)[0])
    return times


def compete(slice_: Slice, chance: random.Random) -> tuple[dict[str, list[float]], int]:
    """The times of every contender, and the number of inputs for which they did not all find the same route."""
    ours = contenders.ours(slice_.policy, slice_)
    asks: dict[str, Ask] = {
        OURS: ours,
        DATED: ours,
        ZEN: contenders.zen_with_trace(slice_, OUTCOME),
        "rule-engine": contenders.rule_engine_rules(slice_, OUTCOME),
        DURABLE: contenders.durable_rules(slice_, OUTCOME, safe=True),
        f"{DURABLE}, unguarded": contenders.durable_rules(slice_, OUTCOME, safe=False),
    }
    times: dict[str, list[float]] = {name: [] for name in asks}
    differing = 0
    for _ in range(ROUNDS):
        inputs = [random_facts(slice_, chance) for _ in range(INPUTS)]
        routes: list[set[str]] = [set() for _ in inputs]
        for name in chance.sample(list(asks), len(asks)):
            turn = [dated if name == DATED else raw for raw, dated in inputs]
            for raw in turn[:WARM_UP]:
                asks[name](raw)
            for found, raw in zip(routes, turn, strict=True):
                spent, answer = taken(asks[name], raw)
                times[name].append(spent)
                found.add(route(answer))
        differing += sum(len(found) != 1 for found in routes)
    return times, differing


def route(answer: Any) -> str:
    """The route in any contender's answer."""
    if isinstance(answer, str):
        return answer
    concluded = answer["result"] if isinstance(answer, dict) else answer.outcome
    return str(concluded[OUTCOME])


# ---- the table ---------------------------------------------------------------------------------------------------


def main() -> int:
    """Print the table and the goals; 1 if one is missed."""
    seconds, policies, slices = compile_seconds()
    slice_ = load_policies("eligibility")["procurement-route"].on(DAY)
    chance = random.Random("bench-decide")
    first = first_decisions(slice_, chance)
    times, differing = compete(slice_, chance)
    p50, p99 = ({name: at(spent, share) for name, spent in times.items()} for share in (0.5, 0.99))
    print(f"{slice_.policy.name} on {DAY}: {len(slice_.rules)} rules, {len(slice_.bounds)} parameters")
    print(f"{'':26}{'decisions':>10}{'p50 µs':>10}{'p99 µs':>10}{'p50 × ours':>12}{'p99 × ours':>12}")
    for name, spent in times.items():
        ratios = f"{p50[name] / p50[OURS]:>12.2f}{p99[name] / p99[OURS]:>12.2f}"
        print(f"{name:26}{len(spent):>10,}{p50[name]:>10.1f}{p99[name]:>10.1f}{ratios}")
    print(f"{'first of its class':26}{len(first):>10,}{at(first, 0.5):>10.1f}{at(first, 0.99):>10.1f}")
    goals = {
        f"every contender finds the same route ({differing} of {ROUNDS * INPUTS:,} inputs differ)": differing == 0,
        "p50 at most a quarter of zen-engine's with trace": p50[OURS] * 4 <= p50[ZEN],
        "p99 at most a fifth of zen-engine's with trace": p99[OURS] * 5 <= p99[ZEN],
        "p50 and p99 below those of durable_rules alone, guarded as ours is": p50[OURS] < p50[DURABLE] and p99[OURS] < p99[DURABLE],
        f"{policies} policies, {slices} slices and their rulesets ready in {seconds:.2f} s, under {MOST_COMPILE} s": seconds < MOST_COMPILE,
    }
    for goal, met in goals.items():
        print(f"{'met' if met else 'MISSED':8}{goal}")
    return 0 if all(goals.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
