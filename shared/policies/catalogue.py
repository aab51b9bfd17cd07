"""The catalogue: what the five documents say, entry by entry, and which entries this house encodes, holds as data, or leaves out.

``shared/catalogue/*.yaml`` hold the entries; policies and references cite them by name. :func:`coverage` holds the two against each
other: an entry is *encoded* if a rule, a parameter, an order or a notice cites it, *data* if a reference does, and otherwise it must
say why it is *not encoded*.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shared.errors import PolicyError
from shared.policies.reading import Node, read_yaml

FOLDER = Path(__file__).parent.parent / "catalogue"
MODALITIES = (
    "MUST", "MUST-IF", "MUST-UNLESS", "SHALL", "SHOULD", "MAY", "TARGET", "INDICATIVE", "NOTIFY", "ADVISORY", "FACT", "AIM", "OUTSIDE",
)  # fmt: skip
"""How binding an entry's wording is; OUTSIDE for facts from beyond the five documents."""
DECIDABLE = ("MUST", "MUST-IF", "MUST-UNLESS", "SHALL", "TARGET", "INDICATIVE")
"""What binds or plans: a notice alone does not encode it."""


@dataclass(frozen=True)
class Entry:
    """One thing that a document says, in our own words. ``sample``: binding only in the North West sample terms of reference."""

    name: str
    number: str
    modality: str
    sample: bool
    sources: tuple[str, ...]
    section: str
    says: str
    not_encoded: str
    file: str
    line: int


@cache
def load_catalogue() -> dict[str, Entry]:
    """Every entry by name, in the order of the catalogue.

    :raises PolicyError: with file and line.
    """
    entries: dict[str, Entry] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        for name, node in read_yaml(path, f"shared/catalogue/{path.name}").entries("a file of the catalogue").items():
            if name in entries:
                node.fail(f"the entry “{name}” stands in {entries[name].file} as well.")
            entries[name] = _entry(name, node)
    return entries


def _entry(name: str, node: Node) -> Entry:
    found = node.fields(f"the entry {name}", ("number", "modality", "sources", "section", "says"), ("sample", "not_encoded"))
    return Entry(
        name,
        found["number"].text("number"),
        found["modality"].choice("modality", MODALITIES),
        found["sample"].flag("sample") if "sample" in found else False,
        tuple(item.text("a source") for item in found["sources"].items("sources")),
        found["section"].text("section"),
        found["says"].text("says"),
        found["not_encoded"].text("not_encoded") if "not_encoded" in found else "",
        node.file,
        node.line,
    )


@dataclass(frozen=True)
class Use:
    """One place that cites an entry: ``kind`` is rule, parameter, order, notice, accepted or data."""

    entry: str
    kind: str
    where: str


@dataclass(frozen=True)
class Covered:
    """How one entry is accounted for. ``state`` is encoded, data or not encoded; ``problem`` is empty where all is well."""

    entry: Entry
    state: str
    where: tuple[str, ...]
    problem: str


def coverage(entries: Mapping[str, Entry], uses: Iterable[Use]) -> list[Covered]:
    """Every entry of the five documents with its account, in the order of the catalogue."""
    cited: dict[str, list[Use]] = {}
    for use in uses:
        cited.setdefault(use.entry, []).append(use)
    return [_covered(entry, cited.get(entry.name, [])) for entry in entries.values() if entry.modality != "OUTSIDE"]


def _covered(entry: Entry, uses: list[Use]) -> Covered:
    rules = [use for use in uses if use.kind in ("rule", "parameter", "order")]
    encoded = rules or [use for use in uses if use.kind == "notice"]
    if encoded:
        state, where = "encoded", tuple(dict.fromkeys(use.where for use in encoded))
    else:
        where = tuple(dict.fromkeys(use.where for use in uses if use.kind == "data"))
        state = "data" if where else "not encoded"
    return Covered(entry, state, where, "; ".join(_problems(entry, state, bool(rules))))


def _problems(entry: Entry, state: str, ruled: bool) -> Iterator[str]:
    if state == "not encoded" and not entry.not_encoded:
        yield "nothing cites it, and it does not say why under not_encoded"
    if state != "not encoded" and entry.not_encoded:
        yield f"it says why it is not encoded, but it is {state}"
    if state == "encoded" and entry.modality in DECIDABLE and not ruled and not entry.sample:
        yield f"only a notice cites it, and a {entry.modality} needs a rule or a parameter"


def check_catalogue(entries: Mapping[str, Entry], sources: Mapping[str, object]) -> None:
    """Every source that an entry names is one of ``shared/sources.yaml``.

    :raises PolicyError: with file and line.
    """
    for entry in entries.values():
        for source in entry.sources:
            if source not in sources:
                raise PolicyError(entry.file, entry.line, f"“{source}” is not in shared/sources.yaml.")
