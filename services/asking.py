"""One question decided at the command line: ``tripartite decide`` takes the facts as arguments, ``tripartite ask`` asks for them.

``ask`` is a loop around the decision itself: decide with what is known, ask for the first fact that the decision still needs, decide
again. So it never asks for what no longer matters, and what it ends with is the decision that ``decide`` would have given.

Read from the top: the two commands, then a conversation, then why a fact is asked.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import click

from services.command import DAY, as_data, find_policy, told_plainly
from services.screen import cited, console, decision_panel, facts_line, value_line, wrapped
from shared.config import read_config
from shared.decisions import new_id, stamp
from shared.policies.conditions import Condition, facts_of, given
from shared.policies.facts import Code, Fact, read_facts
from shared.policies.policy import Policy, Rule
from shared.policies.words import Words, domain_words
from shared.rules import Decision
from shared.rules import decide as take_decision
from shared.worker import clock_of, today

MOST_RULES = 10
"""Rules that are named when a person asks why a fact is asked."""


def _of_a_question(command: Callable[..., None]) -> Callable[..., None]:
    """The arguments of a command that puts a question to a policy."""
    as_at = click.option("--as-at", type=DAY, help="The day to decide as at (today, if left out).")
    facts = click.argument("facts", nargs=-1, metavar="[FACT=VALUE]…")
    return click.argument("policy")(facts(as_at(as_data(told_plainly(command)))))


@click.command()
@_of_a_question
def decide(policy: str, facts: Sequence[str], as_at: datetime | None, as_json: bool) -> None:
    """Decide one question; nothing is stored. Exit code 1 while it is undetermined."""
    asked = _conversation(policy, facts, as_at)
    _show(asked.decision(), as_json)


@click.command()
@_of_a_question
def ask(policy: str, facts: Sequence[str], as_at: datetime | None, as_json: bool) -> None:
    """Ask for facts until the question can be decided; nothing is stored. Exit code 1 if it stays undetermined."""
    asked = _conversation(policy, facts, as_at)
    asked.aside = as_json
    decision = asked.held()
    _show(decision, as_json, assumptions=True)


def _conversation(name: str, facts: Sequence[str], as_at: datetime | None) -> "Conversation":
    policy = find_policy(name)
    now = clock_of(read_config())()
    given = {name: understood(policy.facts[name], words) if name in policy.facts else words for name, words in _pairs(facts).items()}
    known = read_facts(policy.facts, given, policy.name)
    return Conversation(policy, as_at.date() if as_at else today(now), stamp(now), known)


def _pairs(facts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for fact in facts:
        name, equals, value = fact.partition("=")
        if not equals:
            raise click.UsageError(f"“{fact}” is not FACT=VALUE, such as whole_life_value=42000.")
        if name in found:
            raise click.UsageError(f"{name} is given twice; give each fact once.")
        found[name] = value
    return found


def _show(decision: Decision, as_json: bool, *, assumptions: bool = False) -> None:
    """Show a decision, and end with its exit code."""
    if as_json:
        click.echo(json.dumps(decision.body, ensure_ascii=False, indent=2))
    else:
        console().print(decision_panel("Decision", dict(decision.body)))
        for line in _other_assumptions(decision.body) if assumptions else ():
            click.echo(line)
    sys.exit(0 if decision.outcome is not None else 1)


def _other_assumptions(body: Any) -> Iterator[str]:
    """What to type if something that was assumed is otherwise."""
    for assumed in body["assumed"]:
        yield f"{assumed['fact']} was not asked but assumed: {value_line(assumed['value'])}. If that is not so:"
        words = ["tripartite ask", body["policy"], facts_line(body["facts"]), f"{assumed['fact']}=…", "--as-at", body["as_at"]]
        yield f"  {' '.join(filter(None, words))}"


# ---- a conversation -----------------------------------------------------------------------------------------------


@dataclass
class Conversation:
    """A policy, a day, and what is known so far. ``aside``: questions go to stderr, so that stdout holds nothing but the decision."""

    policy: Policy
    day: date
    made_at: str
    known: dict[str, Code]
    aside: bool = False
    skipped: list[str] = field(default_factory=list)
    news: bool = False

    def decision(self) -> Decision:
        """The decision with what is known."""
        return take_decision(self.policy, self.known, self.day, made_at=self.made_at, id=new_id())

    def held(self) -> Decision:
        """Ask until the question is decided, or nobody knows more."""
        decision = self.decision()
        if decision.outcome is None:
            self.say(f"{self.policy.question}\nAnswer with Enter alone if it is not known, with ? to see why it is asked.")
        while name := self._next(decision):
            if not self._asked(self.policy.facts[name]):
                self.say("\nNo more answers; this is what follows from those there are.")
                break
            decision = self.decision()
        self.say("")
        return decision

    def _next(self, decision: Decision) -> str | None:
        """The most decisive fact that is needed and was not skipped; then, if something was learnt since, those that were."""
        needs = [need["fact"] for need in decision.body["needs"]]
        left = [name for name in needs if name not in self.skipped]
        if not left and self.news:
            self.skipped, self.news = [], False
            left = needs
        return left[0] if left else None

    def _asked(self, fact: Fact) -> bool:
        """Ask for one fact until the answer can be used; False at the end of the answers."""
        self.say("", *question_lines(fact))
        while True:
            self.say("> ", new_line=False)
            try:
                words = input().strip()
            except EOFError:
                return False
            if words == "?":
                self.say(*self.why(fact.name))
            elif not words:
                self.skipped.append(fact.name)
                return True
            elif self._took(fact, words):
                return True

    def _took(self, fact: Fact, words: str) -> bool:
        try:
            self.known[fact.name] = fact.read(understood(fact, words))
        except ValueError as error:
            self.say(f"{fact.name} {error}")
            return False
        self.news = bool(self.skipped)
        return True

    def say(self, *lines: str, new_line: bool = True) -> None:
        """Say something to the person."""
        for line in lines:
            click.echo(line, nl=new_line, err=self.aside)

    # ---- why a fact is asked

    def why(self, name: str) -> Iterator[str]:
        """The rules that stand open on a fact, each as its condition with its citation."""
        words = Words(self.policy, self.day)
        rules = self._open_on(name)
        yield "It is asked because these rules stand or fall with it, or count a day from it:"
        for rule in rules[:MOST_RULES]:
            yield from wrapped(f"- {rule.id}: if {words.condition(rule.when, rule)} — {cited(rule.cite.to_json())}", "  ")
        if len(rules) > MOST_RULES:
            yield f"  and {len(rules) - MOST_RULES} more: tripartite policies show {self.policy.name} --as-at {self.day}"

    def _open_on(self, name: str) -> list[Rule]:
        slice_ = self.policy.on(self.day)
        known = {**self.policy.assumed, **self.known}
        left = {rule_id: given(condition, known) for rule_id, condition in slice_.survival.items()}
        return [rule for rule in self.policy.rules if rule.id in left and name in _asked_by(rule, left[rule.id])]


def _asked_by(rule: Rule, left: Condition) -> set[str]:
    """The facts that a rule still asks about: for its condition, and for the days it counts from if it may hold."""
    return set() if left is False else set(facts_of([left])) | rule.counted_from


def question_lines(fact: Fact) -> Iterator[str]:
    """A fact's question with what may be answered; the choices by number and name."""
    yield from wrapped(fact.ask)
    if fact.type == "choice":
        yield f"  {fact.name}: a number or a name"
        yield from (f"  {number}. {choice}" for number, choice in enumerate(fact.choices, 1))
    else:
        yield from wrapped(f"{fact.name}: {domain_words(fact)}", "  ")


def understood(fact: Fact, words: str) -> str:
    """What a person means: a choice by its number, yes and no for true and false; anything else as it was typed."""
    if fact.type == "choice" and words not in fact.choices and words.isdecimal() and 1 <= int(words) <= len(fact.choices):
        return fact.choices[int(words) - 1]
    if fact.type == "boolean":
        return {"yes": "true", "y": "true", "no": "false", "n": "false"}.get(words.lower(), words)
    return words
