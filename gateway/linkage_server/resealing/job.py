"""The re-sealing of one agency's rows at a linkage server, and its entries of the log."""

from __future__ import annotations

from functools import partial
from typing import Final

from evidence.entry import EntryKind, other_entry
from gateway.linkage_server.resealing.rows import rows_of
from gateway.linkage_server.tenant import Agency, new_entry, new_entry_id
from keys.ring import Keyring
from storage.committer import NewEntry, commit_step
from storage.fault_points import declare
from storage.resealing.job import SETTLE_S, SHARE, Resealing, on_record
from transport.role import RoleConfig

_RESEALED: Final = commit_step("linkage", "keys.resealed")
_ROWS: Final = declare("linkage", "commit.keys.resealed_rows")


def open_resealing(agency: Agency, ring: Keyring, config: RoleConfig) -> Resealing:
    return Resealing(
        agency=agency.id,
        tenant=agency.tenant,
        database=agency.database,
        ring=ring,
        rows=rows_of(agency),
        clock=agency.clock,
        put=on_record(agency.committer, _RESEALED, partial(_entry, agency)),
        waited_s=agency.committer.oldest_s,
        stretch_step=_ROWS,
        settle_s=float(config.options.get("reseal_settle_s", SETTLE_S)),
        share=float(config.options.get("reseal_share", SHARE)),
    )


def _entry(agency: Agency, facts: dict[str, str | int]) -> NewEntry:
    now = agency.clock()
    entry = other_entry(
        id=new_entry_id(now), at=now, kind=EntryKind.KEYS_RESEALED, reason=None, actor=None, facts=facts
    )
    return new_entry(entry, now)
