"""The catalogue against the policies and references: where each entry is encoded, or why it is not (``policies coverage``).

:func:`collected_uses` says where every entry is cited; shared/policies/catalogue.py weighs that against what the entry demands.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from services.command import NAMES
from services.screen import table_lines, wrapped
from shared.policies import load_policies, load_references, load_sources
from shared.policies.catalogue import Covered, Use, check_catalogue, coverage, load_catalogue
from shared.policies.citations import OWN, Citation
from shared.policies.policy import Policy
from shared.policies.references import Reference

Data = dict[str, Any]
STATES = ("encoded", "data", "not encoded")


def collected_uses() -> list[Use]:
    """Every place in a policy or a reference of any service that cites an entry of the catalogue."""
    of_policies = [use for service in NAMES for policy in load_policies(service).values() for use in _of_policy(service, policy)]
    return [
        *of_policies,
        *(use for service in NAMES for found in load_references(service).values() for use in _of_reference(service, found)),
    ]


def _of_policy(service: str, policy: Policy) -> Iterator[Use]:
    cites: list[tuple[str, str, Iterable[Citation]]] = [
        *(("rule", rule.id, (rule.cite, *rule.see)) for rule in policy.rules),
        *(("parameter", name, [value.cite for value in parameter.values]) for name, parameter in policy.parameters.items()),
        *(("notice", notice.id, (notice.cite,)) for notice in policy.notices),
        *(("order", claim.id, (claim.cite,)) for claim in policy.order),
        *(("accepted", finding.id, (finding.cite,)) for finding in policy.accepted),
    ]
    for kind, name, cited in cites:
        yield from (Use(cite.entry, kind, f"{service}/{policy.name}: {name}") for cite in cited if cite.source != OWN)


def _of_reference(service: str, reference: Reference) -> Iterator[Use]:
    for record in reference.records:
        yield from (Use(cite.entry, "data", f"{service}/{reference.name}: {record.id}") for cite in (record.cite, *record.see))


# ---- as data ------------------------------------------------------------------------------------------------------


def covered() -> Data:
    """Every entry of the five documents with its account, and the totals of each section of the catalogue.

    :raises PolicyError: a policy, a reference or the catalogue cannot be used.
    """
    entries = load_catalogue()
    check_catalogue(entries, load_sources())
    found = coverage(entries, collected_uses())
    sections: dict[str, Counter[str]] = {}
    for each in found:
        sections.setdefault(_section(each), Counter()).update([each.state, *(["problems"] if each.problem else [])])
    totals = [{"section": name, **_totals(counts)} for name, counts in sections.items()]
    return {
        "entries": [_entry(each) for each in found],
        "sections": totals,
        "total": _totals(sum(sections.values(), Counter())),
    }


def _section(each: Covered) -> str:
    """The number and subject of an entry's section: the name of its file."""
    return each.entry.file.rpartition("/")[2].removesuffix(".yaml")


def _totals(counts: Counter[str]) -> dict[str, int]:
    return {"entries": sum(counts[state] for state in STATES), **{state: counts[state] for state in STATES}, "problems": counts["problems"]}


def _entry(each: Covered) -> Data:
    entry = each.entry
    said = {"entry": entry.name, "number": entry.number, "modality": entry.modality, "says": entry.says, "state": each.state}
    return {**said, "where": list(each.where), "why": entry.not_encoded, "problem": each.problem}


# ---- as text ------------------------------------------------------------------------------------------------------


def coverage_lines(said: Data, *, whole: bool) -> Iterator[str]:
    """Every entry with its account (``whole``: every place that cites it), and what is wrong with it, then the totals."""
    for entry in said["entries"]:
        mark = "✗ " if entry["problem"] else "  "
        yield from wrapped(f"{entry['number']} {entry['entry']} ({entry['modality']}): {_account(entry, whole)}", mark, "       ")
    yield ""
    totals = [*said["sections"], {"section": "all", **said["total"]}]
    yield from table_lines([list(totals[0]), *(list(row.values()) for row in totals)])
    yield ""
    count, wrong = said["total"]["entries"], said["total"]["problems"]
    yield f"{wrong} of {count} entries are not accounted for (marked ✗)." if wrong else f"All {count} entries are accounted for."


def _account(entry: Data, whole: bool) -> str:
    where = entry["where"]
    more = f" and {len(where) - 1} more" if len(where) > 1 and not whole else ""
    account = "; ".join(where if whole else where[:1]) + more or entry["why"]
    said = f"{entry['state']} ({account})" if account else entry["state"]
    return f"{said}; {entry['problem']}" if entry["problem"] else said
