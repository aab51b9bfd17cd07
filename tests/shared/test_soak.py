"""Sixteen threads decide at once, for long: not one answer is wrong, and memory does not grow. ``make soak`` runs it in full."""

import json
import random
import resource
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.errors import TripartiteError
from shared.policies import load_policies
from shared.policies.facts import Code
from shared.policies.policy import Policy, Slice
from shared.rules import decide, prepared
from tests.shared.test_classes import slices_of, some_facts

POLICIES = (("eligibility", "procurement-route"), ("deadlines", "placement-deadlines"), ("responsibility", "concern"))
THREADS = 16
DECISIONS = 200_000
QUESTIONS_OF_EACH = 50
WARM_UP = 4_000
MOST_GROWTH = 8 * 1024
"""In kB; the warm-up has met every class, so what is left is the noise of sixteen threads' heaps."""


@dataclass(frozen=True)
class Question:
    """Facts on a day, and what one thread alone was answered."""

    slice_: Slice
    facts: Mapping[str, Code]
    answer: str


def answered(slice_: Slice, facts: Mapping[str, Code]) -> str:
    """The bytes of a decision, or the error in its place."""
    try:
        return decide(slice_.policy, facts, slice_.starts, made_at="made", id="id").to_json()
    except TripartiteError as error:
        return repr(error)


def questions(policy: Policy, chance: random.Random) -> list[Question]:
    """Random questions, each answered once by one thread alone."""
    asked = [(slice_, some_facts(slice_, chance)) for slice_ in slices_of(policy) for _ in range(QUESTIONS_OF_EACH)]
    return [Question(slice_, facts, answered(slice_, facts)) for slice_, facts in asked]


def decide_at_once(asked: list[Question], decisions: int) -> int:
    """Let all threads decide random ones of these questions; the number of wrong answers."""
    wrong: list[Question] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(decisions // THREADS):
            question = chance.choice(asked)
            if answered(question.slice_, question.facts) != question.answer:
                wrong.append(question)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(wrong)


def soak(decisions: int) -> dict[str, Any]:
    """Decide so often, and say what came of it."""
    chance = random.Random("soak")
    asked = [question for service, name in POLICIES for question in questions(load_policies(service)[name], chance)]
    prepared._answer.cache_clear()  # so that threads that meet a class together prepare it together
    wrong = decide_at_once(asked, WARM_UP)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wrong += decide_at_once(asked, decisions)
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"threads": THREADS, "questions": len(asked), "decisions": decisions, "wrong": wrong, "growth_kb": growth}


def test_threads_that_decide_at_once_and_for_long_are_never_wrong_and_memory_does_not_grow() -> None:
    found = soak(DECISIONS // 10)
    print(json.dumps(found))
    assert found["wrong"] == 0
    assert found["growth_kb"] < MOST_GROWTH


if __name__ == "__main__":
    report = soak(DECISIONS)
    print(json.dumps(report))
    sys.exit(report["wrong"] > 0 or report["growth_kb"] >= MOST_GROWTH)
