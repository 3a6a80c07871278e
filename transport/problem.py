"""RFC 9457 problems: one shape for every error on the wire, stable reason codes, never a word of the input."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from keys.errors import KeyUnusable, SealBroken
from storage.database import ASK_AGAIN, NUL_IN_TEXT, CommitUnknownError
from storage.keepers import KeyStoreError

_LOG = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ProblemError(Exception):
    """An answer that is an error. `reason` is the contract for programs; `detail` is for people, in our own words and names."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.detail = detail

    def response(self, incident: str | None = None) -> web.Response:
        body = {
            "type": f"urn:sekisho:problem:{self.reason}",
            "title": self.reason,
            "status": self.status,
            "detail": self.detail,
            "reason": self.reason,
        }
        if incident:
            body["incident"] = incident
        headers = {"Retry-After": "1"} if self.status == 503 else {}
        return web.json_response(body, status=self.status, content_type="application/problem+json", headers=headers)


def problem_for(error: Exception) -> ProblemError:  # noqa: PLR0911 (one return for each kind of error)
    """Map an exception to what the peer may know of it. Anything unforeseen is our bug: 500 without a word about it."""
    match error:
        case ProblemError():
            return error
        case CommitUnknownError():
            return ProblemError(
                503,
                "outcome_unknown",
                "The database did not say whether this was written: it may have been done. Look at it first, or ask again with the same bytes.",
            )
        case _ if isinstance(error, ASK_AGAIN):
            return ProblemError(
                503,
                "storage_unavailable",
                "The record could not be written; nothing was sent. Ask again with the same bytes.",
            )
        case KeyStoreError() | SealBroken() | KeyUnusable():
            return _of_keys(error)
        case web.RequestPayloadError():
            return ProblemError(400, "malformed_body", "The body does not unpack; send JSON, whole and uncompressed.")
        case web.HTTPRequestEntityTooLarge():
            return ProblemError(
                413, "body_too_large", "The body is larger than this server takes; send fewer items per request."
            )
        case web.HTTPNotFound():
            return ProblemError(404, "no_such_path", "There is nothing at this path; see /openapi.json.")
        case web.HTTPMethodNotAllowed():
            return ProblemError(405, "method_not_allowed", "This path does not take this method; see /openapi.json.")
        case _ if isinstance(error, NUL_IN_TEXT):
            return ProblemError(
                400,
                "malformed_body",
                "A text of this call, in its path, query or body, has the character U+0000, which nothing here takes: leave it out.",
            )
        case _:
            return ProblemError(
                500, "internal_error", "The server failed; the operator finds the incident in the operational log."
            )


def _of_keys(error: Exception) -> ProblemError:
    if isinstance(error, KeyStoreError):
        return ProblemError(
            503,
            "keys_closed",
            "The agency's keys are not open here: its people or its security module open them. Nothing was changed; ask again.",
        )
    return ProblemError(
        500,
        "stored_unreadable",
        "Something that is kept sealed does not open: its row was changed, or its key is gone. This call has changed nothing; the operator finds "
        "the incident in the operational log.",
    )


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every exception into a problem; unforeseen ones get an incident id and a log line with the type alone."""
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001 (this is the one place where everything ends)
        problem = problem_for(error)
        if problem.status != 500:
            return problem.response()
        incident = secrets.token_hex(8)
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        _LOG.error(
            problem.reason,
            incident=incident,
            error=type(error).__name__,
            file=where.tb_frame.f_code.co_filename.rsplit("/", 1)[-1] if where else None,
            line=where.tb_lineno if where else None,
        )
        return problem.response(incident)
