"""HTTP in: what was decided of procurements and post moves, the latest first. Deciding itself is ``POST …/decisions/<policy>``."""

import json
from typing import Any

from flask import Response
from flask_smorest import Blueprint
from marshmallow import Schema
from sqlalchemy import select

from services.eligibility.schemas import PostMoveSchema, ProcurementSchema
from shared.answers import listed, narrowed
from shared.decisions import DecisionRow
from shared.query import HIGHEST_FIRST, known, takes

NARROWED = ("subject", known("status", ("decided", "undetermined")))
routes = Blueprint("eligibility", __name__, description="Which procurement route; may this training post move")


@routes.get("/procurements")
@takes(*NARROWED, *HIGHEST_FIRST)
def list_procurements() -> Response:
    """Recorded decisions on procurement routes: ``?subject=`` the procurement, ``?status=``, ``?limit=``, ``?before=`` an id."""
    return _recorded("procurement-route", ProcurementSchema())


@routes.get("/post-moves")
@takes(*NARROWED, *HIGHEST_FIRST)
def list_post_moves() -> Response:
    """Recorded decisions on post moves: ``?subject=`` the post, ``?status=``, ``?limit=``, ``?before=`` an id."""
    return _recorded("post-move", PostMoveSchema())


def _recorded(policy: str, schema: Schema) -> Response:
    def show(row: DecisionRow) -> Any:
        shown = {"subject": row.subject, "id": row.id, "as_at": row.as_at, "status": row.status}
        return schema.dump({**shown, "outcome": json.loads(row.body)["outcome"]})

    wanted = narrowed(select(DecisionRow).where(DecisionRow.policy == policy), subject=DecisionRow.subject, status=DecisionRow.status)
    return listed(wanted, DecisionRow.id, show, highest_first=True)
