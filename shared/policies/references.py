"""References: what the documents state as data (prices, memberships, schedules, systems), cited like a rule and decided on by none.

One YAML file a subject, ``services/<service>/reference/<subject>.yaml``::

    reference: prices
    title: What the two sample lead employers charged
    records:
      - id: one-price
        says: A sentence in our own words.
        values: {price_a_year: "388.00", unit: GBP}     # scalars, or lists of them
        cite: {source: TOOLKIT, section: …, entry: price-388}
        see: []                                          # further entries that say the same
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.policies.citations import Citation, Citing
from shared.policies.reading import Node


@dataclass(frozen=True)
class Record:
    """One cited piece of data."""

    id: str
    says: str
    values: Mapping[str, Any]
    cite: Citation
    see: tuple[Citation, ...]


@dataclass(frozen=True)
class Reference:
    """One file of cited data."""

    name: str
    file: str
    title: str
    records: tuple[Record, ...]

    def to_json(self) -> dict[str, Any]:
        """The reference as the API answers it."""
        records = [
            {
                "id": record.id,
                "says": record.says,
                "values": dict(record.values),
                "cite": record.cite.to_json(),
                "see": [cite.to_json() for cite in record.see],
            }
            for record in self.records
        ]
        return {"reference": self.name, "title": self.title, "records": records}


def read_reference(node: Node, cite: Citing) -> Reference:
    """The reference that stands in a file.

    :raises PolicyError: with file, line, what was wrong and what would be right.
    """
    found = node.fields("a reference", ("reference", "title", "records"))
    records: dict[str, Record] = {}
    for item in found["records"].items("records"):
        record = _record(item, cite)
        if record.id in records:
            item.fail(f"the record “{record.id}” stands here a second time.")
        records[record.id] = record
    return Reference(found["reference"].name("reference"), node.file, found["title"].text("title"), tuple(records.values()))


def _record(node: Node, cite: Citing) -> Record:
    found = node.fields("a record", ("id", "says", "cite"), ("values", "see"))
    values = {name: _value(name, value) for name, value in (found["values"].entries("values") if "values" in found else {}).items()}
    see = tuple(cite(item) for item in found["see"].items("see")) if "see" in found else ()
    return Record(found["id"].name("id"), found["says"].text("says"), values, cite(found["cite"]), see)


def _value(name: str, node: Node) -> Any:
    if isinstance(node.value, list):
        return [_value(name, item) for item in node.value]
    if isinstance(node.value, dict) or node.value is None:
        node.fail(f"{name} must be a number, a text, a date, true or false, or a list of these, not {node.shown()}.")
    return node.to_json()
