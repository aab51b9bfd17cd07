"""What goes wrong over HTTP, in one shape: RFC 9457 ``application/problem+json``, with one entry for every wrong field."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any

import structlog
from flask import Response, current_app, request
from prometheus_client import Counter
from werkzeug.exceptions import HTTPException

from shared.database import is_away
from shared.errors import DecisionError, Refused

MOST_PROBLEMS = 100
"""How many entries a problem has at most: what has more wrong is wrong as a whole."""
ASK_AGAIN = "Ask again in a moment."
SEND_AGAIN = (
    "Whether anything was stored is not known. Events, and whatever has an Idempotency-Key, can be sent again: they count once. "
    "Without a key look first whether it is there."
)
log = structlog.get_logger()
refused_decisions = Counter("tripartite_decisions_refused", "Decisions refused because the product was at fault", ["service", "error"])


def failed(error: Exception) -> Response:
    """The answer to whatever a handler raised: what the caller did wrong, field by field, or that it was not the caller."""
    if isinstance(error, HTTPException):
        return http_problem(error)
    if isinstance(error, Refused):
        return problem(error.status, error.title, error.detail, error.errors)
    if isinstance(error, DecisionError):
        refused_decisions.labels(current_app.name.removeprefix("tripartite."), type(error).__name__).inc()
        log.error("decision.refused", error=str(error), kind=type(error).__name__)
        return problem(500, "The decision was refused", f"{error} Nothing was stored; tell the operators of this service.")
    if is_away(error):
        log.warning("request.postponed", path=request.path, error=type(error).__name__)
        response = problem(503, "The database is away", ASK_AGAIN if request.method in ("GET", "HEAD") else SEND_AGAIN)
        response.headers["Retry-After"] = "1"
        return response
    log.error("request.failed", path=request.path, exc_info=error)
    return problem(500, "Something went wrong here", "Nothing was stored. The operators of this service find the cause in its log.")


def http_problem(error: HTTPException) -> Response:
    """The answer to an error of HTTP itself, with the headers that belong to it."""
    response = problem(error.code or 500, error.name, str(error.description or ""))
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after"):
            response.headers[name] = value
    return response


def problem(status: int, title: str, detail: str, errors: Mapping[str, str] | None = None) -> Response:
    """An RFC 9457 problem; ``errors`` has one entry per wrong field, at most MOST_PROBLEMS, each with a JSON pointer into what was sent."""
    body: dict[str, Any] = {"type": "about:blank", "title": title or HTTPStatus(status).phrase, "status": status, "detail": detail}
    body["instance"] = request.path
    if errors:
        told = islice(errors.items(), MOST_PROBLEMS)
        body["errors"] = [{"pointer": f"#/{pointer}" if pointer else "#", "detail": problem} for pointer, problem in told]
    return Response(json.dumps(body, ensure_ascii=False), status, content_type="application/problem+json")


def pointed(name: str) -> str:
    """A name as a step of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
