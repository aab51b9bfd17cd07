"""Logs: one JSON object a line, on stderr. No local variables, no request bodies: a concern about a doctor must never stand there."""

import sys
from typing import Any

import structlog


def configure_logs() -> None:
    """Set the shape of every log line of this process; calling it again changes nothing."""
    steps: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper("iso"),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    structlog.configure(steps, logger_factory=structlog.PrintLoggerFactory(sys.stderr))
