"""Operational logging: structlog, one JSON object a line, only fields on the allow-list, no tracebacks with locals."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

ALLOWED = frozenset(
    {
        "event", "level", "timestamp", "role", "agency", "peer", "incident", "error", "file", "line", "reason", "inquiry_number",
        "count", "seconds", "outcome", "channel", "port", "kind", "path", "status", "size", "state",
        "loop", "place",
    }
)  # fmt: skip


def _allow(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value for key, value in event.items() if key in ALLOWED}


def set_up(role: str, level: str = "info") -> None:
    """Configure logging once per process; every line carries the role."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format='{"event":"library","level":"%(levelname)s","kind":"%(name)s"}'
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _allow,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
    structlog.contextvars.bind_contextvars(role=role)
