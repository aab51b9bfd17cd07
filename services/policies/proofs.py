"""What z3 proves of policies: findings of each (``policies check``), differences between two editions (``policies diff``).

:func:`checked` and :func:`compared` collect the answers as data; :func:`check_lines` and :func:`diff_lines` write them as text. z3 comes
with ``requirements-dev.txt``; only these two commands need it.
"""

from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from services.command import services_by_policy, shown_progress, shown_work
from services.policies.editions import Edition
from services.screen import cited, differing, facts_line, many, outcome_line, short, wrapped
from shared.errors import Unreachable
from shared.policies.policy import Policy

Data = dict[str, Any]


def _proofs() -> ModuleType:
    """shared/proofs, which imports z3.

    :raises Unreachable: z3 is not installed.
    """
    try:
        from shared import proofs  # noqa: PLC0415 (z3 is optional, and takes its time)
    except ModuleNotFoundError as error:
        if error.name != "z3":
            raise
        raise Unreachable(
            "The proofs need z3, which is not installed here; install it with pip install -r requirements-dev.txt."
        ) from error
    return proofs


# ---- check --------------------------------------------------------------------------------------------------------


def checked(policies: Sequence[Policy]) -> Data:
    """What is proved of each policy, and what is found wrong with it, unaccepted findings first."""
    check = _proofs().check
    services = services_by_policy()
    found = []
    for policy in shown_progress("proving", policies):
        shown = [finding.to_json() for finding in check(policy)]
        found.append({"policy": policy.name, "service": services[policy.name], **_account(policy, shown), "findings": shown})
    every = [finding for policy in found for finding in policy["findings"]]
    accepted = sum(finding["accepted"] is not None for finding in every)
    return {"policies": found, "unaccepted": len(every) - accepted, "accepted": accepted}


def _account(policy: Policy, findings: list[Data]) -> Data:
    """Since when, and the claims that are proved: those without an unaccepted finding."""
    wrong = {finding["kind"] for finding in findings if finding["accepted"] is None}
    excused = {finding["kind"] for finding in findings if finding["accepted"] is not None}
    claims = [(kinds, says) for kinds, says in _claims(policy) if not kinds & wrong]
    return {
        "from": min(rule.starts for rule in policy.rules).isoformat(),
        "proved": [f"{says}, but for what is accepted below" if kinds & excused else says for kinds, says in claims],
    }


def _claims(policy: Policy) -> Iterator[tuple[set[str], str]]:
    """What the proofs prove: the kinds of finding that would speak against it, and the claim."""
    if policy.subject:
        yield {"gap"}, f"whatever the facts are, the {policy.subject.replace('_', ' ')} is concluded"
    yield {"conflict"}, "no two rules that count contradict each other"
    yield {"dead", "shadowed"}, "every rule can count, every notice can be said, every parameter is used"
    yield {"unreachable"}, "every answer that is declared is given by some rule"
    if any(rule.printed is not None for rule in policy.rules):
        yield {"gap-as-printed", "overlap-as-printed"}, "as printed, the source has no gaps and no overlaps of its own"
    if policy.order:
        yield {"order"}, "the days come in the order that is claimed, whatever day they are counted from"


def check_lines(said: Data) -> Iterator[str]:
    """The findings as text: for each policy what is proved, what is wrong, what is accepted; then the totals."""
    for policy in said["policies"]:
        yield from _policy_lines(policy)
        yield ""
    total, unaccepted, accepted = len(said["policies"]), said["unaccepted"], said["accepted"]
    counts = f"{many(total, 'policy')}, {unaccepted} unaccepted and {many(accepted, 'accepted finding')}"
    what_next = "mend them, or accept by name, with a reason, what is the source's own" if unaccepted else "nothing is unaccepted"
    yield f"{counts}: {what_next}."


def _policy_lines(policy: Data) -> Iterator[str]:
    wrong = [finding for finding in policy["findings"] if finding["accepted"] is None]
    yield f"{policy['policy']} ({policy['service']})"
    for finding in wrong:
        yield from _finding_lines(finding)
    yield from wrapped(
        f"proved for every day from {policy['from']} on, over the declared domains: {'; '.join(policy['proved'])}.", "  ", "    "
    )
    for finding in policy["findings"]:
        if finding["accepted"] is not None:
            yield from wrapped(f"accepted {finding['accepted']['id']} ({finding['kind']}): {finding['says']}", "  ", "    ")
            yield from wrapped(f"because {finding['accepted']['because']}", "    ")


def _finding_lines(finding: Data) -> Iterator[str]:
    yield from wrapped(f"✗ {finding['kind']} ({_days(finding)}): {finding['says']}", "  ", "    ")
    for cite in finding["cites"]:
        yield from wrapped(f"— {cited(cite)}", "    ", "      ")
    if finding["case"]:
        yield "    a case to paste, which fails until this is mended:"
        yield from finding["case"].splitlines()


def _days(finding: Data) -> str:
    until = f" until {finding['until']}" if finding["until"] else ""
    return f"since {finding['since']}{until}"


# ---- diff ---------------------------------------------------------------------------------------------------------


def compared(old: Edition, new: Edition) -> Data:
    """Where two editions answer differently, with a witness each.

    :raises PolicyError: the two cannot be compared.
    """
    differences = _proofs().differences
    with shown_work("comparing"):
        found = differences(old.slice, new.slice)
    return {"old": old.to_json(), "new": new.to_json(), "differences": [each.to_json() for each in found]}


def diff_lines(said: Data) -> Iterator[str]:
    """The differences as text; the last line says what is proved."""
    for side in ("old", "new"):
        edition = said[side]
        yield f"{side}: {edition['policy']} as in force on {edition['as_at']} ({edition['file']}, edition {short(edition['edition'])})"
    for number, difference in enumerate(said["differences"], 1):
        yield ""
        yield from _difference_lines(number, difference)
    yield ""
    count = len(said["differences"])
    everywhere_else = f"{many(count, 'difference')}. Everywhere else they agree: proved."
    yield everywhere_else if count else "No difference: proved over the declared domains."


def _where(where: str) -> str:
    return "Whatever the facts are" if where == "always" else f"When {where}"


def _difference_lines(number: int, difference: Data) -> Iterator[str]:
    yield from wrapped(f"{number}. {_where(difference['where'])}:", "", "   ")
    for side, other in (("old", "new"), ("new", "old")):
        said = outcome_line(differing(difference[side]["outcome"], difference[other]["outcome"]))
        yield from wrapped(f"{side}: {said or 'nothing that the other has not'}", "   ", "     ")
        yield from wrapped(f"by {', '.join(difference[side]['rules']) or 'no rule'}", "     ", "       ")
    yield from wrapped(f"for example: {facts_line(difference['facts'])}", "   ", "     ")
    for cite in difference["cites"]:
        yield from wrapped(f"— {cited(cite)}", "   ", "     ")
