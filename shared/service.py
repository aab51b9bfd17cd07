"""A service over HTTP: what all four have alike.

:func:`create_service` gives a Flask app with, under the service's name as path prefix, health, metrics, OpenAPI, policies,
decisions and events; a service adds its own blueprint. Every error is an RFC 9457 problem. Handlers never publish: they write
state and outbox in one transaction.

Read from the top: ``create_service``, then one function per route. What handlers share is shared/query.py,
requests.py, answers.py and problems.py.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

import structlog
from flask import Flask, Response, request, url_for
from flask_smorest import Api, Blueprint
from marshmallow import ValidationError
from marshmallow import fields as shapes
from marshmallow.validate import Length
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException

from shared import decisions, outbox
from shared.answers import Running, answer, answer_text, listed, narrowed, once, running, sent_json
from shared.database import missing_migrations, transaction
from shared.errors import DecisionError, MalformedEvent, Refused, UnknownPolicy, UnknownResource
from shared.event_data import Day, plain_text
from shared.logs import configure_logs
from shared.policies import load_references
from shared.policies.facts import read_facts
from shared.policies.page import page, reference_page
from shared.policies.policy import Policy
from shared.policies.reading import read_day, suggest
from shared.problems import MOST_PROBLEMS, failed, http_problem, pointed, problem
from shared.query import HIGHEST_FIRST, heeds, takes
from shared.requests import Request, problems_of
from shared.rules import Decision, decide, ready_policies
from shared.wire import Message, fitting, read_from_outside
from shared.worker import Say, Worker, today

log = structlog.get_logger()
LARGEST_BODY = 16 * 1024 * 1024
MOST_EVENTS = 1_000
RECORDED = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
"""What ``?record=`` may be."""


def _not_blank(subject: str) -> None:
    if subject and not subject.strip():
        raise ValidationError("must not be blank.")


class DecisionRequest(Request):
    """What is asked: facts by name; the day to decide as at (today, if left out); and what the decision is about."""

    error_messages = {"unknown": "is not taken here; a request has facts, as_at and subject."}  # noqa: RUF012 (marshmallow's)
    facts = shapes.Dict(
        keys=shapes.String(),
        required=True,
        error_messages={"required": "are missing: an object of names and values.", "invalid": "must be an object of names and values."},
    )
    as_at = Day(load_default=None, allow_none=True, error_messages={"invalid": "must be a date such as 2021-06-01."})
    subject = shapes.String(
        load_default="", validate=[Length(max=200), plain_text, _not_blank], error_messages={"invalid": "must be text."}
    )


def create_service(
    worker: Worker, blueprints: Iterable[Blueprint], tells: Callable[[str, Decision, str], Iterable[Say]] | None = None
) -> Flask:
    """The Flask app of a service.

    :param worker: the service at work; the app uses its database and clock, and reports its health.
    :param blueprints: the service's own routes, below ``/<service>``.
    :raises PolicyError: a policy of the service cannot be used.
    """
    configure_logs()
    name = worker.service.name
    app = Flask(f"tripartite.{name}", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config.update(
        API_TITLE=f"Tripartite: {name}",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX=f"/{name}",
        OPENAPI_JSON_PATH="openapi.json",
        MAX_CONTENT_LENGTH=LARGEST_BODY,
    )
    policies = ready_policies(name)
    load_references(name)
    app.extensions["tripartite"] = Running(worker, policies, tells or (lambda *_: ()))
    app.before_request(_see_to_the_path)
    api = _Api(app)
    for blueprint in (_common_routes(), *blueprints):
        api.register_blueprint(blueprint, url_prefix=f"/{name}")
    for error in (Refused, DecisionError, Exception):
        app.register_error_handler(error, failed)
    return app


def _see_to_the_path() -> None:
    """Nothing is called by a name with a NUL: PostgreSQL knows no such text, and would take the question for an error of ours."""
    if "\0" in request.path:
        raise UnknownResource("Nothing here is called so; NUL is no character of a name.")


class _Api(Api):
    """flask-smorest, with RFC 9457 for its errors."""

    def handle_http_exception(self, error: HTTPException) -> Any:
        """One shape for every HTTP error."""
        return http_problem(error)


# ---- the routes that all services have -----------------------------------------------------------------------------


def _common_routes() -> Blueprint:
    routes = Blueprint("common", __name__, description="What every service has")
    add = routes.add_url_rule
    add("/health/live", view_func=alive)
    add("/health/ready", view_func=ready)
    add("/metrics", view_func=metrics)
    add("/policies", view_func=list_policies)
    add("/policies/<policy>", view_func=show_policy)
    add("/references", view_func=list_references)
    add("/references/<reference>", view_func=show_reference)
    add("/decisions", view_func=list_decisions)
    add("/decisions/<uuid:decision_id>", view_func=show_decision)
    add("/decisions/<uuid:decision_id>/replay", view_func=replay_decision)
    add("/decisions/<policy>", view_func=make_decision, methods=["POST"])
    add("/events", view_func=take_events, methods=["POST"])
    return routes


def alive() -> Response:
    """The process answers."""
    return answer({"status": "alive"})


def ready() -> Response:
    """The database answers, is migrated, and the worker's loop is turning."""
    worker = running().worker
    problems: dict[str, str] = {}
    try:
        with worker.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        lacks = missing_migrations(worker.engine, worker.service.name)
        problems |= {"migrations": lacks} if lacks else {}
    except Exception as error:
        problems["database"] = str(error)
    if worker.listens:  # elsewhere the workers are processes of their own, each with its health
        problems |= {f"worker.{part}": problem for part, problem in worker.problems().items()}
    return answer({"status": "not ready" if problems else "ready", "problems": problems}, 503 if problems else 200)


def metrics() -> Response:
    """Prometheus metrics of this process."""
    return Response(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def list_policies() -> Response:
    """Every policy of the service, with its question and edition."""
    return answer(
        [{"policy": policy.name, "question": policy.question, "edition": policy.edition} for policy in running().policies.values()]
    )


@heeds("as_at")
def show_policy(policy: str) -> Response:
    """One policy as it stands on a day (``?as_at=``): facts, parameters, rules, notices and sources, as a lawyer reads them."""
    as_at = _day(request.args.get("as_at")) or today(running().now())
    return answer(page(_policy(policy), running().worker.service.name, as_at))


def list_references() -> Response:
    """Every reference of the service: what the documents state as data."""
    found = load_references(running().worker.service.name)
    return answer([{"reference": each.name, "title": each.title, "records": len(each.records)} for each in found.values()])


def show_reference(reference: str) -> Response:
    """One reference: its records, each with its citation."""
    name = running().worker.service.name
    known = load_references(name)
    if reference not in known:
        there = f"; there are {', '.join(known)}" if known else ""
        raise UnknownResource(f"There is no reference “{reference}” here{suggest(reference, known)}{there}.")
    return answer(reference_page(known[reference], name))


@takes("record")
def make_decision(policy: str) -> Response:
    """Decide. ``?record=false`` answers 200 and stores nothing; else 201, stored, with its Location."""
    now = running().now()
    found = _policy(policy)
    recorded = _is_recorded()
    asked = _decision_request(found)
    as_at = asked["as_at"] or today(now)
    if not recorded:
        decision = decide(found, asked["facts"], as_at, made_at=decisions.stamp(now), id=decisions.new_id())
        return answer_text(decision.to_json(), 200)

    def make(session: Session) -> tuple[str, int, str]:
        decision = decisions.take(session, found, asked["facts"], as_at, now, asked["subject"])
        running().worker.say(session, running().tells(found.name, decision, asked["subject"]), now)
        return decision.to_json(), 201, url_for(".show_decision", decision_id=decision.id)

    return once(make, now)


def _is_recorded() -> bool:
    given = request.args.get("record", "true")
    if given.lower() not in RECORDED:
        raise Refused("Nothing was decided.", {"record": f"must be one of {', '.join(RECORDED)}, not {given!r}."})
    return RECORDED[given.lower()]


def _decision_request(policy: Policy) -> dict[str, Any]:
    """The facts, day and subject that were sent; every problem of the whole request at once."""
    body = sent_json()
    problems: dict[str, str] = {}
    asked: dict[str, Any] = {}
    if not isinstance(body, dict):
        raise Refused('Send a JSON object such as {"facts": {…}, "as_at": "2021-06-01"}, with Content-Type application/json.')
    try:
        asked = dict(DecisionRequest().load({**body, "facts": {}} if isinstance(body.get("facts"), dict) else body))
    except ValidationError as error:
        problems = problems_of(error)
    if isinstance(body.get("facts"), dict):
        try:
            asked["facts"] = read_facts(policy.facts, body["facts"], policy.name)
        except Refused as error:
            problems |= {f"facts/{pointed(name)}": problem for name, problem in error.errors.items()}
    if problems:
        raise Refused(f"{len(problems)} of the fields sent cannot be used; nothing was decided.", problems)
    return asked


@takes("subject", "policy", *HIGHEST_FIRST)
def list_decisions() -> Response:
    """Decisions on record, the highest id first: ``?subject=``, ``?policy=``, ``?limit=`` (at most 200), ``?before=`` an id."""
    row = decisions.DecisionRow
    wanted = narrowed(select(row), subject=row.subject, policy=row.policy)
    return listed(wanted, row.id, lambda found: json.loads(found.body), highest_first=True)


def show_decision(decision_id: Any) -> Response:
    """A decision on record, as it was taken."""
    with transaction(running().worker.engine) as session:
        return answer_text(decisions.find(session, str(decision_id)).body, 200)


def replay_decision(decision_id: Any) -> Response:
    """The same decision taken again: stored edition, facts, day, id and time. 409 if it does not come out the same, byte for byte."""
    with transaction(running().worker.engine) as session:
        row = decisions.find(session, str(decision_id))
        try:
            again = decisions.replay(session, row).to_json()
        except Exception as error:  # whatever is wrong with what is stored, it is not the caller's mistake
            log.exception("replay.failed", decision=row.id, error=type(error).__name__)
            again = ""
    if again != row.body:
        return problem(409, "The replay differs", "The decision does not come out as it was stored; tell the operators of this service.")
    return answer_text(again, 200)


def take_events() -> Response:
    """Take CloudEvents from a caller that cannot speak AMQP: one (structured) or a list (batched). All are taken, or none."""
    return accept(sent_json(), _from_outside)


def _from_outside(raw: Any) -> Message:
    if not isinstance(raw, Mapping):
        raise MalformedEvent("An event must be a JSON object, a CloudEvent in structured mode.")
    return read_from_outside(raw)


def accept(sent: Any, read: Callable[[Any], Message]) -> Response:
    """Put what was sent (one, or a list) into the outbox, all of it or nothing: 202 with the ids, or 422 with one entry per wrong field.

    What the outbox has already is taken again without effect, so a caller that is unsure sends again.
    """
    raws = sent if isinstance(sent, list) else [sent]
    if not 1 <= len(raws) <= MOST_EVENTS:
        raise MalformedEvent(f"{len(raws)} events were sent; a request takes 1 to {MOST_EVENTS}.")
    messages: list[Message] = []
    problems: dict[str, str] = {}
    for number, raw in enumerate(raws):
        if len(problems) > MOST_PROBLEMS:
            break
        try:
            messages.append(fitting(read(raw)))
        except MalformedEvent as error:
            places = {
                name: "/".join((str(number), *name.split("."))) if isinstance(sent, list) else name.replace(".", "/")
                for name in error.errors
            }
            problems |= {places[name]: problem for name, problem in error.errors.items()} or {
                str(number) if isinstance(sent, list) else "": error.detail
            }
    if problems:
        raise MalformedEvent(f"Of {len(raws)} events some cannot be used; none was taken.", problems)
    now = running().now()
    with transaction(running().worker.engine) as session:
        batch = outbox.add(session, (message.envelope() for message in messages), now)
    return answer({"taken": len(messages), "new": len(batch.envelopes), "ids": [message.id for message in messages]}, 202)


def _policy(name: str) -> Policy:
    found = running().policies.get(name)
    if found is None:
        known = running().policies
        raise UnknownPolicy(f"There is no policy “{name}” here{suggest(name, known)}; there are {', '.join(known)}.")
    return found


def _day(given: str | None) -> date | None:
    try:
        return read_day(given) if given else None
    except ValueError:
        raise Refused("The day cannot be read.", {"as_at": f"must be a date such as 2021-06-01, not {given!r}."}) from None
