"""What this server has seen of the log of its agency's linkage server, for that server: it has to know whether it lost something (SC-6, SC-15)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from evidence.checkpoint import parse
from gateway.intermediate_server.agency import HostedAgency
from storage import sql

_SQL = sql.load("storage.evidence_log")


class OriginItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_TKM_90182: the origin of a log, with its year."""

    origin: Annotated[str, Meta(max_length=200)]


ORIGIN_ITEM = msgspec.json.Decoder(OriginItem)


async def held(agency: HostedAgency, items: list[OriginItem]) -> list[dict[str, Any]]:
    """The highest checkpoint that is held of each, `note` null where none is."""
    answers: list[dict[str, Any]] = []
    for item in items:
        if f"/{agency.id}/linkage" not in item.origin:
            answers.append({"refused": {"reason": "log_of_another_agency"}})
            continue
        async with agency.database.inside(agency.tenant) as connection:
            written = await connection.fetchval(_SQL["held_checkpoint"], item.origin)
        notes = [note for note in (written, agency.committer.kept_of(item.origin)) if note is not None]
        answers.append({"note": max(notes, key=lambda note: parse(note).size, default=None)})
    return answers
