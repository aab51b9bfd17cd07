"""The organisations that messages name, by ODS code and by name (``shared/organisations.yaml``)."""

from functools import cache

from shared.policies import HOUSE
from shared.policies.reading import read_yaml

NATIONAL_BODY = "X24"
"""NHS England's ODS code, under which HEE's duties are now said."""


@cache
def names_by_code() -> dict[str, str]:
    """Registered name of every organisation, by ODS code."""
    found = read_yaml(HOUSE / "shared" / "organisations.yaml", "shared/organisations.yaml").entries("organisations")
    return {code: node.fields(f"the organisation {code}", ("name", "kind", "region"))["name"].text("name") for code, node in found.items()}


@cache
def codes_by_name() -> dict[str, str]:
    """ODS code of every organisation, by registered name in lower case."""
    return {name.lower(): code for code, name in names_by_code().items()}
