"""What could the missing facts still change? Exactly, without trying every combination.

Conditions compare a fact only with the bounds of the policy, so its values fall into finitely many classes. For every outcome
field the conditions under which each value is concluded are split, fact by fact, into a *diagram*: a tree whose branches are
classes and whose leaves are concluded values, with equal branches merged (a reduced decision diagram in a fixed order of
facts). So the facts that matter are exactly the facts that still stand in the diagram, and a diagram that is a single leaf
is a decision that no missing fact can change.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.policies.conditions import Condition, facts_of, given
from shared.policies.facts import Code, Fact


@dataclass(frozen=True, eq=False)
class Leaf:
    """What is concluded here. No value: nothing is. More than one: rules contradict each other."""

    values: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Branch:
    """A fact that still matters here, and what follows for one value of each of its classes."""

    fact: str
    follows: "tuple[tuple[Code, Diagram], ...]"


Diagram = Leaf | Branch
Candidates = tuple[tuple[Condition, Any], ...]
"""Value and the condition under which it is concluded."""


def diagram(candidates: Iterable[tuple[Condition, Any]], facts: Mapping[str, Fact]) -> Diagram:
    """The diagram of one outcome field.

    :param candidates: what is left of each rule's survival, with the value that the rule concludes for the field.
    :param facts: the policy's facts; their order is the order of the branches.
    """
    order = {name: position for position, name in enumerate(facts)}
    candidates = narrowed(tuple(candidates), {})
    values = {name: facts[name].values(bounds) for name, bounds in facts_of(condition for condition, _ in candidates).items()}
    made: dict[Candidates, Diagram] = {}
    one_of_each: dict[object, Diagram] = {}

    def split(left: Candidates) -> Diagram:
        if left not in made:
            made[left] = grown(left)
        return made[left]

    def grown(left: Candidates) -> Diagram:
        settled = tuple(dict.fromkeys(value for condition, value in left if condition is True))
        asked = facts_of(condition for condition, value in left if value not in settled or len(settled) > 1)
        if not asked or len(settled) > 1:
            return one_of_each.setdefault(settled, Leaf(settled))
        name = min(asked, key=order.__getitem__)
        follows = tuple((code, split(narrowed(left, {name: code}))) for code in values[name])
        first = follows[0][1]
        if all(after is first for _, after in follows):
            return first
        same = (name, *((code, id(after)) for code, after in follows))
        return one_of_each.setdefault(same, Branch(name, follows))

    return split(candidates)


def narrowed(candidates: Candidates, facts: Mapping[str, Code]) -> Candidates:
    """The candidates that are left once these facts are known."""
    left = ((given(condition, facts), value) for condition, value in candidates)
    return tuple((condition, value) for condition, value in left if condition is not False)


def nodes(found: Diagram) -> Iterator[Diagram]:
    """Every node of a diagram, once."""
    seen, waiting = {id(found)}, [found]
    while waiting:
        node = waiting.pop()
        yield node
        for _, after in node.follows if isinstance(node, Branch) else ():
            if id(after) not in seen:
                seen.add(id(after))
                waiting.append(after)


def matters(found: Diagram) -> set[str]:
    """The facts that still stand in a diagram."""
    return {node.fact for node in nodes(found) if isinstance(node, Branch)}


def leaves(found: Diagram) -> list[Leaf]:
    """Everything that could still be concluded."""
    return [node for node in nodes(found) if isinstance(node, Leaf)]


def restricted(found: Diagram, fact: str, code: Code) -> Diagram:
    """The diagram once one fact is known to fall into the class of ``code``; reduced like any other."""
    made: dict[int, Diagram] = {}
    one_of_each: dict[object, Diagram] = {}

    def narrow(node: Diagram) -> Diagram:
        if id(node) not in made:
            made[id(node)] = narrower(node)
        return made[id(node)]

    def narrower(node: Diagram) -> Diagram:
        if isinstance(node, Leaf):
            return one_of_each.setdefault(node.values, node)
        if node.fact == fact:
            return narrow(next(after for value, after in reversed(node.follows) if value == code or _before(value, code)))
        follows = tuple((value, narrow(after)) for value, after in node.follows)
        if all(after is follows[0][1] for _, after in follows):
            return follows[0][1]
        return one_of_each.setdefault((node.fact, *((value, id(after)) for value, after in follows)), Branch(node.fact, follows))

    return narrow(found)


def _before(value: Code, code: Code) -> bool:
    return isinstance(value, int) and isinstance(code, int) and value <= code
