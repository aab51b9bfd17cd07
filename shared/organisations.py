"""The organisations that messages name, by ODS code and by name (``shared/organisations.yaml``)."""

from functools import cache

from shared.policies import HOUSE
from shared.policies.reading import read_yaml

NATIONAL_BODY = "X24"
"""NHS England's ODS code, under which HEE's duties are now said."""


@cache
def names_by_code() -> dict[str, str]:
    """Registered name of every organisation, by ODS code."""
    return _by_code("name")


@cache
def regions_by_code() -> dict[str, str]:
    """NHS England region of every organisation, by ODS code."""
    return _by_code("region")


@cache
def kinds_by_code() -> dict[str, str]:
    """Kind of every organisation (trust, gp-practice), by ODS code."""
    return _by_code("kind")


def _by_code(wanted: str) -> dict[str, str]:
    found = read_yaml(HOUSE / "shared" / "organisations.yaml", "shared/organisations.yaml").entries("organisations")
    fields = ("name", "kind", "region")
    return {code: node.fields(f"the organisation {code}", fields)[wanted].text(wanted) for code, node in found.items()}


@cache
def codes_by_name() -> dict[str, str]:
    """ODS code of every organisation, by registered name in lower case."""
    return {name.lower(): code for code, name in names_by_code().items()}
