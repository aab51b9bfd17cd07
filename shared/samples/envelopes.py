"""The two line shapes: TIS's own outbound placement message, and a CloudEvent 1.0 in structured JSON.

Ids are derived from the seed and the subject (UUID version 5), never drawn, so that an edit to one part of the
generator leaves the ids of the other parts alone.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:tripartite:sample")
SOURCE = "urn:tripartite:sample"
# TIS's consumers accept a second spelling of four fields.
ALIASES = {"id": "tisId", "traineeId": "personId", "dateFrom": "startDate", "dateTo": "endDate"}


@dataclass(frozen=True)
class Line:
    """One line of the file: when it arrived, and its text."""

    arrived: datetime
    text: str


def derived_id(*parts: object) -> str:
    """A UUID that depends on its parts alone."""
    return str(uuid.uuid5(NAMESPACE, "/".join(str(part) for part in parts)))


def compact(message: Mapping[str, Any]) -> str:
    """JSON without spaces, keys in the order they were given."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def with_aliases(data: Mapping[str, str]) -> dict[str, str]:
    """The same data under the consumers' spelling of the field names."""
    return {ALIASES.get(key, key): value for key, value in data.items()}


def tis_message(seed: int, data: Mapping[str, str], operation: str, at: datetime, *, aliased: bool) -> str:
    """A placement as TIS broadcasts it. ``operation`` is load, update or delete."""
    placement_id = data["id"]
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    record = {
        "tisId": placement_id,
        "type": "data",
        "operation": operation,
        "schema": "tcs",
        "table": "Placement",
        "data": with_aliases(data) if aliased else dict(data),
        "metadata": {
            "timestamp": stamp,
            "record-type": "data",
            "operation": operation,
            "partition-key-type": "schema-table",
            "schema-name": "tcs",
            "table-name": "Placement",
            "transaction-id": derived_id(seed, "tis", placement_id, operation, stamp),
        },
    }
    return compact({"tisId": placement_id, "record": record})


def cloud_event(seed: int, kind: str, subject: str, sequence: int, at: datetime, data: Mapping[str, Any]) -> str:
    """A CloudEvent 1.0. ``sequence`` counts from 1 for each subject."""
    return compact(
        {
            "specversion": "1.0",
            "id": derived_id(seed, kind, subject, sequence),
            "source": SOURCE,
            "type": kind,
            "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "subject": subject,
            "datacontenttype": "application/json",
            "sequence": f"{sequence:020d}",
            "data": data,
        }
    )
