"""A policy in words: its values, bounds, conditions and conclusions, as they stand in a sentence.

:class:`Words` says them as in force on a day (every bound is its value) or, without a day, over time (a bound that changes is said
with all its values). Facts are called by their names, with spaces: “displaces trainee” is yes, the whole life value is at most …

Read from the top: values, then facts and bounds, then conditions, then conclusions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from shared.policies.conditions import All, Condition, Test
from shared.policies.conditions import Any as Either
from shared.policies.facts import Fact, show
from shared.policies.outcomes import Computed, Field
from shared.policies.policy import DatedValue, Notice, Policy, Rule

Item = Rule | Notice
Part = Condition | list[Test]
"""A condition, or several tests of one fact."""

OPERATOR_WORDS: Mapping[str, str] = {
    "is": "",
    "is_not": "not ",
    "at_most": "at most ",
    "less_than": "less than ",
    "at_least": "at least ",
    "more_than": "more than ",
}
_UNITS = {"percent": "%", "working_days": "working days", "count": "", "GBP": "", "date": ""}


# ---- values -------------------------------------------------------------------------------------------------------


def value_words(type_: str, value: Any, unit: str = "") -> str:
    """A value as a person writes it: 10,000.00 pounds, 6 to 10 weeks, 90 %, yes."""
    if type_ == "duration":
        least, most, of = value
        return counted(most, of) if least == most else f"{least} to {counted(most, of)}"
    if type_ == "money":
        return f"{'-' if int(value) < 0 else ''}{abs(int(value)) // 100:,}.{abs(int(value)) % 100:02d} pounds"
    if type_ == "boolean":
        return "yes" if value else "no"
    return counted(int(value), unit) if type_ == "integer" else str(show(type_, value))


def counted(amount: int, unit: str) -> str:
    """So many of a unit: 1 week, 8 weeks, 90 %, 3."""
    said = _UNITS.get(unit, unit)
    return f"{amount:,} {said.removesuffix('s') if abs(amount) == 1 else said}".strip()


def domain_words(fact: Fact) -> str:
    """What may be answered: yes or no; one of a, b; pounds from … to …; a day from … to …"""
    if fact.type == "boolean":
        return "yes or no"
    if fact.type == "choice":
        return f"one of {', '.join(fact.choices)}"
    if fact.type == "text":
        return f"text of at most {fact.max_length} characters"
    kind = {"money": "an amount", "integer": "a whole number", "date": "a day"}[fact.type]
    return f"{kind} from {value_words(fact.type, fact.least)} to {value_words(fact.type, fact.most)}"


def listed(parts: Sequence[str], word: str) -> str:
    """Parts as a list in a sentence: a, b and c."""
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}" if len(parts) > 1 else "".join(parts)


def called(name: str, type_: str) -> str:
    """What a fact or an outcome field is called in a sentence."""
    words = name.replace("_", " ")
    if type_ == "boolean":
        return f"“{words}”"
    return f"the day “{words}”" if type_ == "date" and words.split()[-1] in ("on", "by", "at", "from", "until", "to") else f"the {words}"


def _is(name: str) -> str:
    head = name.replace("_", " ").split(" of ")[0]
    return "are" if head.endswith("s") and not head.endswith(("ss", "us", "is")) else "is"


# ---- a policy's words ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Words:
    """The words of one policy, as in force on a day or (``day`` is None) over time."""

    policy: Policy
    day: date | None = None

    def _type(self, name: str) -> str:
        return self.policy.facts[name].type if name in self.policy.facts else self.policy.outcome[name].type

    def _called(self, name: str) -> str:
        called_so = called(name, self._type(name))
        if name in self.policy.facts:
            return called_so
        return f"{called_so} concluded" if called_so.startswith("“") else f"the concluded {called_so.removeprefix('the ')}"

    # ---- bounds

    def values_of(self, name: str, item: Item | None = None) -> list[DatedValue]:
        """The values of a parameter: on the day, or all that are in force while a rule or notice is."""
        parameter = self.policy.parameters[name]
        if self.day is not None:
            return [value for value in [parameter.on(self.day)] if value]
        return [value for value in parameter.values if item is None or (value.starts < item.ends and item.starts < value.ends)]

    def parameter(self, name: str, item: Item | None = None) -> str:
        """A parameter's value with its name: 10,000.00 pounds (one-quotation-limit); only its name, where the value changes."""
        parameter = self.policy.parameters[name]
        values = {value.value for value in self.values_of(name, item)}
        if len(values) != 1:
            return f"the {name} of the day"
        return f"{value_words(parameter.type, values.pop(), parameter.unit)} ({name})"

    def bound(self, test: Test, item: Item | None = None) -> str:
        """What a fact is held against."""
        if isinstance(test.bound, str) and test.bound.startswith("$"):
            return self.parameter(test.bound[1:], item)
        return value_words(self._type(test.fact), test.bound)

    # ---- conditions

    def condition(self, part: Part, item: Item | None = None, word: str = "and") -> str:
        """A condition as one clause. ``word`` joins the bounds of several tests of one fact."""
        if isinstance(part, bool):
            return "in every case" if part else "in no case"
        if isinstance(part, Test | list):
            return self._tests([part] if isinstance(part, Test) else part, item, word)
        if isinstance(part, All):
            return " and ".join(self._conjunct(each, item) for each in _by_fact(part))
        ways = ((each, self.condition(each, item, "or")) for each in _by_fact(part))
        return " or ".join(f"({said})" if isinstance(each, All) else said for each, said in ways)

    def _conjunct(self, part: Part, item: Item | None) -> str:
        said = self.condition(part, item)
        return f"({said})" if isinstance(part, Either) and len(_by_fact(part)) > 1 else said

    def clauses(self, condition: Condition, item: Item | None = None) -> list[str]:
        """A condition in lines: one for each clause that must hold, and one, after a dash, for each of several ways to hold."""
        parts = _by_fact(condition) if isinstance(condition, All) else [condition]
        clauses = [[self._conjunct(part, item) if len(parts) > 1 else self.condition(part, item)] for part in parts if not _has_ways(part)]
        clauses += [
            ["one of these holds:", *(f"- {self.condition(way, item, 'or')}" for way in _by_fact(part))]
            for part in parts
            if isinstance(part, Either) and _has_ways(part)
        ]
        for clause in clauses[:-1]:
            clause[-1] += " and"
        return [line for clause in clauses for line in clause]

    def _tests(self, tests: list[Test], item: Item | None, word: str) -> str:
        """Tests of one fact: the kind is a, b or c; the value is more than x and at most y; the kind is neither a nor b."""
        name = tests[0].fact
        subject, verb = self._called(name), _is(name) if self._type(name) != "boolean" else "is"
        if self._type(name) == "boolean" and len(tests) == 1:
            wanted = bool(tests[0].bound) is (tests[0].operator == "is")
            return f"{subject} is {value_words('boolean', wanted)}"
        bounds = [self.bound(test, item) for test in tests]
        if len(tests) > 1 and {test.operator for test in tests} == {"is_not"}:
            return f"{subject} {verb} neither {listed(bounds, 'nor')}"
        return (
            f"{subject} {verb} {listed([OPERATOR_WORDS[test.operator] + bound for test, bound in zip(tests, bounds, strict=True)], word)}"
        )

    def structure(self, condition: Condition, item: Item | None = None) -> Any:
        """A condition as data: maps of ``all`` and ``any``, and tests with their bounds as values."""
        if isinstance(condition, bool):
            return condition
        if not isinstance(condition, Test):
            return {"all" if isinstance(condition, All) else "any": [self.structure(part, item) for part in condition.parts]}
        said = {"fact": condition.fact, "operator": condition.operator}
        if not (isinstance(condition.bound, str) and condition.bound.startswith("$")):
            return {**said, "bound": show(self._type(condition.fact), condition.bound)}
        name = condition.bound[1:]
        values = [Field(name, self.policy.parameters[name].type).show(value.value) for value in self.values_of(name, item)]
        return {**said, "parameter": name, "bound": values[0] if len(values) == 1 else values}

    # ---- conclusions

    def conclusions(self, rule: Rule) -> list[str]:
        """What a rule concludes, one clause for a field; the records of a list on lines of their own."""
        return [clause for name, value in rule.then.items() for clause in self._concluded(self.policy.outcome[name], value, rule)]

    def _concluded(self, field: Field, value: Any, rule: Rule) -> list[str]:
        called_so = called(field.name, field.type)
        if field.type != "list":
            return [f"{called_so} {'is' if field.type == 'boolean' else _is(field.name)} {self._value(field, value, rule)}"]
        if not value:
            return [f"{called_so} are none"]
        parts = {part.name: part for part in field.record}
        records = [
            "; ".join(f"{name.replace('_', ' ')}: {self._value(parts[name], said, rule)}" for name, said in record) for record in value
        ]
        return [f"{called_so} include", *(f"- {record}" for record in records)]

    def _value(self, field: Field, value: Any, rule: Rule) -> str:
        if isinstance(value, Computed):
            return self._computed(value, rule)
        if isinstance(value, str) and value.startswith("$"):
            return self.parameter(value[1:], rule)
        return value_words(field.type, value)

    def _computed(self, value: Computed, rule: Rule) -> str:
        named = isinstance(value.amount, str)
        before = str(value.amount).startswith("-")
        amount = self.parameter(str(value.amount).lstrip("-$"), rule) if named else counted(abs(int(value.amount)), value.unit)
        calendar = f" (calendar of {value.calendar.capitalize()})" if value.calendar else ""
        return f"{amount} {'before' if before else 'after'} {called(value.fact, 'date')}{calendar}"


def _has_ways(part: Part) -> bool:
    """Whether a part holds in several ways, one of which asks for several things: too much for one clause."""
    return isinstance(part, Either) and len(_by_fact(part)) > 1 and any(isinstance(way, All) for way in part.parts)


def _by_fact(condition: All | Either) -> list[Part]:
    """The parts, with the tests of one fact put together (of an alternative: those that name a value)."""
    found: dict[object, Part] = {}
    for part in condition.parts:
        together = isinstance(part, Test) and (isinstance(condition, All) or part.operator == "is")
        if isinstance(part, Test) and together:
            group = found.setdefault(part.fact, [])
            assert isinstance(group, list)
            group.append(part)
        else:
            found[id(part)] = [part] if isinstance(part, Test) else part
    return list(found.values())
