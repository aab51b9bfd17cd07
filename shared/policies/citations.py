"""Citations: where something stands, and how that is read: :func:`citing` checks it, :func:`as_cited` takes it as it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.policies.catalogue import Entry
from shared.policies.reading import Node, suggest

OWN = "TRIPARTITE"
"""The source of this project's own settings; their entries are named where they are used."""


@dataclass(frozen=True)
class Citation:
    """Document, section heading and catalogue entry. ``outside`` marks a fact from outside the five documents."""

    source: str
    section: str
    entry: str
    outside: bool = False

    def to_json(self) -> dict[str, Any]:
        """The citation as it stands in a decision."""
        shown: dict[str, Any] = {"source": self.source, "section": self.section, "entry": self.entry}
        return {**shown, "outside": True} if self.outside else shown


Citing = Callable[[Node], Citation]


def as_cited(node: Node) -> Citation:
    """A citation as it stands."""
    found = node.fields("a citation", ("source", "section", "entry"), ("outside",))
    outside = found["outside"].flag("outside") if "outside" in found else False
    return Citation(found["source"].text("source"), found["section"].text("section"), found["entry"].text("entry"), outside)


def citing(sources: Mapping[str, Any], entries: Mapping[str, Entry]) -> Citing:
    """How a citation is read: its source and its catalogue entry are known, and belong together.

    :param sources: the documents that may be cited, by key (``shared/sources.yaml``).
    :param entries: the catalogue's entries that may be cited, by name (``shared/catalogue/``).
    """

    def cite(node: Node) -> Citation:
        cited = as_cited(node)
        source, entry, outside = cited.source, cited.entry, cited.outside
        found = node.entries("a citation")
        if source not in sources:
            found["source"].fail(f"“{source}” is not in shared/sources.yaml{suggest(source, sources)}.")
        if outside is not bool(sources[source]["outside"]):
            node.fail(f"{source} {'is' if not outside else 'is not'} a source from outside the five documents; set outside: accordingly.")
        if entry not in entries and source != OWN:
            found["entry"].fail(f"“{entry}” is no entry of the catalogue{suggest(entry, entries)}; see shared/catalogue/.")
        if source != OWN and source not in entries[entry].sources:
            found["entry"].fail(f"“{entry}” is an entry of {' and '.join(entries[entry].sources)}, not of {source}.")
        return cited

    return cite
