"""Policies: rules as data that a lawyer can check alone. Read, checked and dated here; decided in :mod:`shared.rules`.

=================  =================================================================================================
reading.py         strict YAML whose every value knows its file and line
facts.py           what a policy may ask about: types, domains, questions; a caller's facts, read and refused
conditions.py      maps of tests as trees, in three-valued logic
outcomes.py        what a rule may conclude
policy.py          a policy; ``Policy.on(day)`` puts it in force
policy_file.py     a policy file, read and checked
calendars.py       working days
citations.py       where it stands: document, section, catalogue entry
catalogue.py       what the documents say, entry by entry, and whether it is encoded
references.py      what they state as data
page.py, words.py  a policy as a page: as data, and in sentences
=================  =================================================================================================

:func:`load_policies` reads a service's folder; :func:`policy_from_canonical` reads an edition that was stored with a decision.
"""

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from shared.errors import PolicyError
from shared.policies.catalogue import load_catalogue
from shared.policies.citations import as_cited, citing
from shared.policies.facts import Fact, declared_facts
from shared.policies.policy import Policy
from shared.policies.policy_file import read_policy
from shared.policies.reading import DATE, Node, read_yaml
from shared.policies.references import Reference, read_reference

HOUSE = Path(__file__).parent.parent.parent


@cache
def load_sources() -> dict[str, Any]:
    """The documents that rules may cite, by key (``shared/sources.yaml``)."""
    return {key: _source(entry) for key, entry in _read(HOUSE / "shared" / "sources.yaml").entries("sources").items()}


def _source(node: Node) -> dict[str, Any]:
    found = node.fields("a source", ("title", "outside"), ("publisher", "date", "file", "note"))
    return {key: entry.to_json() for key, entry in found.items()}


@cache
def load_policies(service: str) -> dict[str, Policy]:
    """Every policy of a service, by name: ``services/<service>/policies/*.yaml`` over ``services/<service>/facts.yaml``.

    :raises PolicyError: for the first file that cannot be used.
    """
    folder = HOUSE / "services" / service
    facts = declared_facts(_read(folder / "facts.yaml"))
    cite = citing(load_sources(), load_catalogue())
    policies = [read_policy(_read(file), facts, cite) for file in sorted((folder / "policies").glob("*.yaml"))]
    for policy in policies:
        if policy.name != Path(policy.file).stem:
            raise PolicyError(policy.file, 1, f"the policy is called “{policy.name}”; its file must have the same name.")
    return {policy.name: policy for policy in policies}


@cache
def load_references(service: str) -> dict[str, Reference]:
    """Every reference of a service, by name: ``services/<service>/reference/*.yaml``.

    :raises PolicyError: for the first file that cannot be used.
    """
    files = sorted((HOUSE / "services" / service / "reference").glob("*.yaml"))
    references = [read_reference(_read(file), citing(load_sources(), load_catalogue())) for file in files]
    for reference in references:
        if reference.name != Path(reference.file).stem:
            raise PolicyError(reference.file, 1, f"the reference is called “{reference.name}”; its file must have the same name.")
    return {reference.name: reference for reference in references}


def policy_from_canonical(canonical: str, file: str) -> Policy:
    """The policy whose canonical form was stored with a decision; its edition is the same as then."""
    stored = json.loads(canonical)
    facts = {name: Fact(name, **{**declared, "choices": tuple(declared["choices"])}) for name, declared in stored["facts"].items()}
    return read_policy(_node(stored["policy"], file), facts, as_cited)


def _read(path: Path) -> Node:
    if not path.exists():
        raise PolicyError(path.relative_to(HOUSE).as_posix(), None, "the file is missing.")
    return read_yaml(path, path.relative_to(HOUSE).as_posix())


def _node(value: Any, file: str) -> Node:
    if isinstance(value, dict) and value.keys() == {DATE}:
        return Node(file, 1, date.fromisoformat(value[DATE]))
    if isinstance(value, dict):
        return Node(file, 1, {key: _node(part, file) for key, part in value.items()})
    if isinstance(value, list):
        return Node(file, 1, [_node(part, file) for part in value])
    return Node(file, 1, value)
