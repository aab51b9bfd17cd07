"""Query parameters: what ``openapi.json`` lists of a route is what its view reads, takes and refuses, in every service."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
from flask import Request
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from werkzeug.datastructures import ImmutableMultiDict

from services.house import SERVICES
from shared.policies import load_policies
from shared.query import MEANINGS, QueryParameter
from tests.helpers import Clock, a_worker

BODIES: tuple[dict[str, Any], ...] = ({"json": {"facts": {}}}, {"data": b"", "content_type": "text/csv"})
"""What is sent to a route that takes something: of each view some are usable enough for it to look at its query."""
NOT_PAGED = {
    "/deadlines/governance",
    "/deadlines/compliance",
    "/deadlines/returns/{month}.csv",
    "/notifications/alerts/counts",
}
"""Routes that refuse what they do not take although they have no pages."""
READ_WHOLE = {"/deadlines/compliance", "/deadlines/returns/{month}.csv"}
"""Routes whose view goes through all that was sent, and refuses in its own words what it does not take."""


class Route(NamedTuple):
    """A route as ``openapi.json`` has it, and its query parameters by name."""

    path: str
    method: str
    parameters: dict[str, dict[str, Any]]

    @property
    def values(self) -> dict[str, str]:
        """A good value for each of its parameters."""
        return {name: a_value(parameter["schema"]) for name, parameter in self.parameters.items()}

    def sent(self, client: FlaskClient, query: dict[str, str]) -> list[int]:
        """The statuses of requests with this query, one for each body that is worth a try."""
        policy = next(iter(load_policies(self.path.split("/")[1])))
        names = {"policy": policy, "month": "2027-08", "decision_id": "018f3a5c-0000-7000-8000-000000000000"}
        path = re.sub(r"{(\w+)}", lambda found: names.get(found[1], "x"), self.path)
        bodies = ({},) if self.method == "get" else BODIES
        return [client.open(path, method=self.method.upper(), query_string=query, **body).status_code for body in bodies]


class Noted(ImmutableMultiDict[str, str]):
    """The query of a request that notes which of its parameters are read."""

    read: ClassVar[set[str]] = set()

    def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        self.read.add(key)
        return super().get(key, *args, **kwargs)


def a_value(schema: dict[str, Any]) -> str:
    """A value that a schema allows."""
    if schema["type"] == "array":
        return ",".join(schema["items"]["enum"])
    if schema["type"] == "boolean":
        return "true"
    of_its_kind = [schema.get("minimum", 1)] if schema["type"] == "integer" else ["x"]
    return str((schema.get("examples") or schema.get("enum") or of_its_kind)[0])


@pytest.fixture(params=SERVICES)
def client(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[FlaskClient]:
    service = SERVICES[request.param]
    with closing(a_worker(service.SERVICE, tmp_path, clock)) as worker:
        worker.step()
        yield service.create_app(worker).test_client()


@pytest.fixture
def routes(client: FlaskClient) -> list[Route]:
    [name] = {rule.rule.split("/")[1] for rule in client.application.url_map.iter_rules()}
    paths = client.get(f"/{name}/openapi.json").get_json()["paths"]
    return [
        Route(path, method, {each["name"]: each for each in operation.get("parameters", ()) if each["in"] == "query"})
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method != "parameters"
    ]


def test_the_document_has_every_route(client: FlaskClient, routes: list[Route]) -> None:
    rules = [rule for rule in client.application.url_map.iter_rules() if not rule.rule.endswith("/openapi.json")]
    known = {(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower()) for rule in rules for method in rule.methods or ()}
    assert {(route.path, route.method) for route in routes} == {
        (path, method) for path, method in known if method not in ("head", "options")
    }


def test_a_view_reads_the_parameters_that_the_document_lists_and_no_others(
    client: FlaskClient, routes: list[Route], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Request, "parameter_storage_class", Noted)
    monkeypatch.setattr(QueryParameter, "check", lambda _: None)  # it reads as well
    for route in routes:
        if route.path in READ_WHOLE:
            continue
        Noted.read.clear()
        route.sent(client, route.values)
        assert Noted.read == set(route.parameters), route


def test_every_parameter_that_the_document_lists_is_taken(client: FlaskClient, routes: list[Route]) -> None:
    for route in routes:
        if route.method == "get":
            assert set(route.sent(client, route.values)) <= {200, 404}, route


def test_a_list_refuses_every_parameter_that_the_document_does_not_list(client: FlaskClient, routes: list[Route]) -> None:
    lists = [route for route in routes if "limit" in route.parameters or route.path in NOT_PAGED]
    assert lists
    for route in lists:
        for name in {"unheard_of", "limit", "after", "before"} - route.parameters.keys():
            assert route.sent(client, {**route.values, name: "1"}) == [422], (route, name)


def test_every_parameter_has_a_sentence_and_a_schema_that_its_examples_fit(routes: list[Route]) -> None:
    for route in routes:
        for parameter in route.parameters.values():
            schema = parameter["schema"]
            Draft202012Validator.check_schema(schema)
            assert all(Draft202012Validator(schema).is_valid(example) for example in schema.get("examples", ())), parameter
            assert re.fullmatch("[A-Z].*[.]", parameter["description"]), parameter


def test_no_meaning_is_kept_for_a_name_that_no_route_takes(tmp_path: Path, clock: Clock) -> None:
    taken = set()
    for service in SERVICES:
        with closing(a_worker(SERVICES[service].SERVICE, tmp_path / service, clock)) as worker:
            paths = SERVICES[service].create_app(worker).test_client().get(f"/{service}/openapi.json").get_json()["paths"]
        operations = [operation for path in paths.values() for method, operation in path.items() if method != "parameters"]
        taken |= {parameter["name"] for operation in operations for parameter in operation.get("parameters", ())}
    assert taken == set(MEANINGS)
