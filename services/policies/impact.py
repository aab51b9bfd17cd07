"""Who would be treated differently: a file of cases decided under two editions (``policies impact``).

Each case's facts are decided as in force on the days of the two editions; the day that stands in the case is set aside, and what it
expects as well. :func:`impact` collects the answer as data, :func:`impact_lines` writes it as text.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from services.command import shown_progress
from services.policies.editions import Edition
from services.screen import cited, differing, facts_line, many, outcome_line, table_lines, value_line, wrapped
from shared.cases import Case
from shared.errors import DecisionError, Refused
from shared.policies.facts import read_facts
from shared.policies.policy import Rule
from shared.rules import decide

Data = dict[str, Any]
Said = set[tuple[str, Any]]
"""What a rule concludes: pairs of field and value."""
MOST_SHOWN = 20
"""Cases that could not be decided; --json has them all."""


def impact(old: Edition, new: Edition, cases: Sequence[Case]) -> Data:
    """Every case under both editions: counts by answer, the cases that differ, the cases that could not be decided."""
    decided = [_both(old, new, case) for case in shown_progress("deciding cases", cases)]
    errors = [each for each in decided if "errors" in each]
    taken = [each for each in decided if "errors" not in each]
    counts = Counter((each["old"]["answer"], each["new"]["answer"]) for each in taken)
    return {
        "old": old.to_json(),
        "new": new.to_json(),
        "cases": len(cases),
        "subject": new.policy.subject,
        "matrix": [{"old": before, "new": after, "count": count} for (before, after), count in counts.items()],
        "different": [each for each in taken if each["old"]["outcome"] != each["new"]["outcome"]],
        "errors": errors,
    }


def _both(old: Edition, new: Edition, case: Case) -> Data:
    said: Data = {"case": case.says, "file": case.file, "line": case.line, "facts": dict(case.facts)}
    bodies: list[Data] = []
    errors: Data = {}
    for side, edition in (("old", old), ("new", new)):
        try:
            facts = read_facts(edition.policy.facts, case.facts, edition.policy.name)
            bodies.append(dict(decide(edition.policy, facts, edition.day, made_at="", id="").body))
        except (Refused, DecisionError) as error:
            errors[side] = " ".join(str(error).split())
    if errors:
        return {**said, "errors": errors}
    counting = [_counting(edition, body) for edition, body in zip((old, new), bodies, strict=True)]
    return {**said, "old": _side(old, bodies[0], *counting), "new": _side(new, bodies[1], *reversed(counting))}


def _counting(edition: Edition, body: Data) -> list[tuple[Rule, Said]]:
    """The rules that count, each with what it concludes."""
    counts = {entry["rule"] for entry in body["because"]}
    return [(rule, set(edition.slice.concluded(rule))) for rule in edition.slice.rules if rule.id in counts]


def _side(edition: Edition, body: Data, mine: list[tuple[Rule, Said]], others: list[tuple[Rule, Said]]) -> Data:
    """One side of a case: its answer in short and in full, and the rules that conclude what the other side does not."""
    theirs = {each for _, said in others for each in said}
    responsible = [rule for rule, said in mine if said - theirs]
    return {
        "answer": _answer(edition, body),
        "outcome": body["outcome"],
        "needs": [need["fact"] for need in body["needs"]],
        "rules": [{"rule": rule.id, "because": rule.because, "cite": rule.cite.to_json()} for rule in responsible],
    }


def _answer(edition: Edition, body: Data) -> str:
    """The answer in short: the value of the field that the policy is about, or how much its lists hold."""
    outcome, subject = body["outcome"], edition.policy.subject
    if outcome is None:
        return "undetermined"
    if subject is not None:
        return value_line(outcome.get(subject))
    return ", ".join(f"{len(value)} {name.replace('_', ' ')}" for name, value in outcome.items() if isinstance(value, list)) or "nothing"


# ---- as text ------------------------------------------------------------------------------------------------------


def impact_lines(said: Data) -> Iterator[str]:
    """Counts by answer, then each case that differs with the rules responsible, then what could not be decided."""
    for side in ("old", "new"):
        yield f"{side}: {said[side]['policy']} as in force on {said[side]['as_at']} ({said[side]['file']})"
    yield ""
    yield from _matrix(said["subject"], said["matrix"])
    for case in said["different"]:
        yield ""
        yield from _case_lines(case)
    for case in said["errors"][:MOST_SHOWN]:
        yield ""
        yield from wrapped(f"✗ {case['file']}, line {case['line']}: {case['case']}", "", "  ")
        for side, problem in case["errors"].items():
            yield from wrapped(f"not decided under the {side} edition: {problem}", "  ", "    ")
    yield ""
    if len(said["errors"]) > MOST_SHOWN:
        yield f"… and {len(said['errors']) - MOST_SHOWN} more that could not be decided; --json has them all."
    errors = f" {len(said['errors'])} could not be decided under both editions." if said["errors"] else ""
    yield f"{len(said['different'])} of {many(said['cases'], 'case')} would be treated differently.{errors}"


def _matrix(subject: str | None, rows: list[Data]) -> Iterator[str]:
    """Old answers down, new answers across by their numbers: what stands off the diagonal has changed."""
    answers = list(dict.fromkeys(row[side] for side in ("old", "new") for row in rows))
    counts = {(row["old"], row["new"]): row["count"] for row in rows}
    head = f"{(subject or 'answer').replace('_', ' ')}: old down, new across"
    numbered = [[f"{number}. {old}", *(counts.get((old, new), "·") for new in answers)] for number, old in enumerate(answers, 1)]
    yield from table_lines([[head, *range(1, len(answers) + 1)], *numbered])


def _case_lines(case: Data) -> Iterator[str]:
    yield from wrapped(f"{case['file']}, line {case['line']}: {case['case']}", "", "  ")
    yield from wrapped(f"facts: {facts_line(case['facts'])}", "  ", "    ")
    for side, other in (("old", "new"), ("new", "old")):
        decided = case[side]
        if decided["outcome"] is None:
            said = f"undetermined, needs {', '.join(decided['needs'])}"
        else:
            said = outcome_line(differing(decided["outcome"], case[other]["outcome"] or {})) or "nothing that the other has not"
        yield from wrapped(f"{side}: {said}", "  ", "    ")
        for rule in decided["rules"]:
            yield from wrapped(f"by {rule['rule']}: {rule['because']} — {cited(rule['cite'])}", "    ", "      ")
