"""POST /v1/inquiry-files/status: how far this system's files are, and when they will be through (LS-3.2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.api.authorization import require
from gateway.batch import spool
from gateway.linkage_server.bulk_inquiries import store
from gateway.linkage_server.bulk_inquiries.asking import RESOURCE
from gateway.linkage_server.bulk_inquiries.form import MOST_LINES
from gateway.linkage_server.bulk_inquiries.progress import estimate
from gateway.linkage_server.bulk_inquiries.run import CHANNEL
from gateway.linkage_server.bulk_inquiries.runner import BulkInquiries
from transport import wire

BULK: web.AppKey[Mapping[str, BulkInquiries]] = web.AppKey("bulk_inquiries", Mapping[str, Any])
_MOST: Final = 200


class _Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    most: Annotated[int, Meta(ge=1, le=_MOST)] = _MOST


_WANTED: Final = msgspec.json.Decoder(_Wanted)


async def post_status(request: web.Request) -> web.Response:
    """The latest files of the calling system, the newest first. Counts only: results are in the files."""
    caller = await require(request, RESOURCE, "spool")
    body = await request.read()
    wanted = wire.read_body(body, _WANTED) if body else _Wanted()
    bulk = request.app[BULK][caller.agency].bulk
    agency = bulk.desk.agency
    files = await store.files_of(agency, caller.system, wanted.most)
    rows, uncounted = await asyncio.to_thread(
        partial(spool.promised, bulk.root, agency.id, CHANNEL, longest=MOST_LINES)
    )
    left, is_open = await store.left_to_ask(agency)
    return web.json_response(
        {
            "files": [_shown(one) for one in files],
            "all_files": estimate(
                bulk.speed.rate(), left=left, waiting=rows, files_not_counted=uncounted, is_open=is_open
            ),
        }
    )


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    classes: dict[str, int] = json.loads(row["classes"])
    is_open = row["is_open"]
    return {
        "file": row["name"],
        "state": row["state"],
        "stopped_because": row["stopped_because"],
        "lines": row["lines"],
        "lines_done": sum(classes.values()) - is_open,
        "lines_open": is_open,
        "classes": classes,
        "supplements": row["supplements_written"],
        "taken_at": _at(row["taken_at"]),
        "finished_at": _at(row["finished_at"]),
    }


def _at(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment is not None else None
