"""Certificates of erasure: shown to staff, and confirmed by a person who has looked (SC-16: 正しく消去されていることを職員が確認).

The server erased by its rule; a member of staff is the second one, with both factors for exactly these certificates. Before a
confirmation stands in the log the server looks again: a key that opens, or rows that came back with an older copy, keep it from being one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Final

import msgspec
from asyncpg import Record

from evidence.canonical import timestamp
from evidence.entry import EntryKind
from gateway.intermediate_server.retention import erasing
from gateway.intermediate_server.staff.entering import Proof, signed_by_card
from gateway.intermediate_server.staff.operating import Acting, NotActingError
from gateway.intermediate_server.staff.rights import Function
from gateway.intermediate_server.staff.second_person import prove_for
from keys.binding import bind
from storage import sql
from storage.committer import Commit, Statement, Write, commit_step
from storage.database import StorageUnavailableError
from transport.problem import ProblemError

_SQL = sql.load("gateway.intermediate_server.retention")
_CONFIRM = Statement("confirm_erasure", _SQL["confirm_erasure"])
PAGE: Final = 1_000
_CONFIRMED = commit_step("intermediate", "erasure.confirmed")


class ConfirmItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_SYM_90067. `content_hashes`: as IF_SYM_90066 shows them; the proof answers a challenge for `confirm_erasure/<together>`."""

    content_hashes: Annotated[list[str], msgspec.Meta(min_length=1, max_length=200)]
    proof: Proof


class ErasuresItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_SYM_90066. `state`: certified or confirmed only; `after`: `key_purpose` of the last one of the page before."""

    state: str | None = None
    after: Annotated[str, msgspec.Meta(max_length=200)] | None = None


CONFIRM_ITEM = msgspec.json.Decoder(ConfirmItem)
ERASURES_ITEM = msgspec.json.Decoder(ErasuresItem)


def together(content_hashes: Sequence[str]) -> str:
    """Hex SHA-256 over several certificates: what one proof is for."""
    return sha256(bind(*sorted(content_hashes))).hexdigest()


async def listed(acting: Acting, item: ErasuresItem) -> list[dict[str, Any]]:
    """IF_SYM_90066: certificates, the newest first, a page of `PAGE`; fewer are the last."""
    async with acting.desk.agency.database.inside(acting.desk.agency.tenant) as connection:
        rows = await connection.fetch(_SQL["erasures"], item.state, item.after, PAGE)
    return [_shown(acting, row) for row in rows]


def _shown(acting: Acting, row: Record) -> dict[str, Any]:
    """A certificate. `key_gone`: what the ring says now."""
    said = (
        "key_purpose", "kind", "rule", "state", "key_versions", "erased", "sealed", "rows_deleted", "certificate", "key_file",
        "content_hash", "confirmed_by",
    )  # fmt: skip
    times = {name: row[name] and timestamp(row[name]) for name in ("begun_at", "certified_at", "confirmed_at")}
    return (
        {name: row[name] for name in said}
        | times
        | {"key_gone": erasing.key_gone(acting.desk.agency, row["key_purpose"])}
    )


async def confirm(acting: Acting, item: ConfirmItem, now: datetime) -> dict[str, Any]:
    """IF_SYM_90067: somebody has looked; how many are confirmed now, fewer when somebody else has confirmed some, or the session or the right has
    ended meanwhile, or the log cannot be written. Raises ProblemError 401, 403, 404, 409, StorageUnavailableError; then none is known to be confirmed.

    1. each certificate is there and open; 2. its key is gone, and so is what it was about, now as then; 3. both factors anew, for exactly
    these; 4. each confirmation is an entry that names the certificate.
    """
    agency = acting.desk.agency
    async with agency.database.inside(agency.tenant) as connection:
        rows = await connection.fetch(_SQL["erasures_unconfirmed"], item.content_hashes)
    if len(rows) != len(set(item.content_hashes)):
        raise ProblemError(
            404, "erasure_unknown", "One of these certificates is not there or is confirmed already; list them again."
        )
    gone = all(erasing.key_gone(agency, row["key_purpose"]) for row in rows)
    if not (gone and await erasing.nothing_left(agency, rows)):
        raise ProblemError(
            409,
            "erasure_undone",
            "What was erased is there again, or its key is; do not confirm, and look for a restored copy.",
        )
    await prove_for(acting, f"confirm_erasure/{together(item.content_hashes)}", item.proof, now)
    confirmed = 0
    for row in rows:
        try:
            confirmed += await acting.commit(_commit(acting, row, item.proof, now))
        except (NotActingError, StorageUnavailableError):
            if not confirmed:
                raise
            break
    return {"confirmed": confirmed}


def _commit(acting: Acting, row: Record, proof: Proof, now: datetime) -> Commit:
    entry = acting.entry(
        now, EntryKind.ERASURE_CONFIRMED, Function.ERASURES_CONFIRM, key_purpose=row["key_purpose"], certificate=row["certificate"],
        content_hash=row["content_hash"], card=acting.session.card_id, **signed_by_card(proof),
    )  # fmt: skip
    kept = (row["key_purpose"], row["content_hash"], now, acting.staff_id, acting.session.card_id)
    return Commit(step=_CONFIRMED, guard=Write(_CONFIRM, kept), entries=(entry,))
