"""A backup of a linkage server put into an empty schema (SC-15; docs/adr/0076), by order of an administrator of the agency.

What a restore must not bring back, beside what `storage.backups.filling` leaves out of every database:

1. integrated numbers that were issued since: the counter goes on at the mark beside the key file, so none is issued to somebody else;
2. originals that were deleted and answers that were forgotten since (storage.erasure_journal);
3. secrets, clients and targets of pushes that may have been ended, suspended or moved since: none works until it is set anew;
4. decisions that may have been withdrawn since: what was not carried out is proposed anew;
5. copies in the place of newer ones, and codes: nothing leaves until the copies were compared and another administrator has lifted the restore.
"""

from __future__ import annotations

from typing import IO, Any, Final

from msgspec import structs

from evidence.orders import Order
from gateway.linkage_server.business_information import store as originals
from gateway.linkage_server.business_information.originals import Original, Transfer
from gateway.linkage_server.numbers import NUMBERS
from gateway.linkage_server.personal_keys import PersonalKeys
from keys.errors import KeyUnusable, SealBroken
from storage import sql
from storage.backups.filling import Filled, Restored, RestoreRefusedError, Target, erased_since, filled, open_anew
from storage.marks import Marks
from storage.migrations import Admin

_SQL = sql.load("gateway.linkage_server.backups")
SET_UP: Final = frozenset(
    {"number_counter", "search_progress", "business_cursor", "code_follower", "oauth_client", "oauth_secret"}
)
"""What an empty schema has rows in: counters and cursors at their beginning, and the clients that set-up has registered."""
_BY: Final = "restore"
_AT_ONCE: Final = 1_000


async def restore(
    admin: Admin, file: IO[bytes], of: Target, order: Order, keys: PersonalKeys, marks: Marks
) -> Restored:
    """`order`: was held against the register. Raises BackupBrokenError, RestoreRefusedError, StorageUnavailableError, asyncpg's errors; then nothing was restored."""
    [by] = order.people
    async with filled(admin, file, of) as there:
        if order.facts.get("backup") != there.backup_id:
            raise RestoreRefusedError("order_for_another_backup")
        await _count_on(admin, marks)
        erased = await _leave_out(admin, of, there, keys)
        for statement in ("suspend_clients", "stop_pushes", "stop_runs", "void_decisions", "look_for_codes"):
            await admin.execute(_SQL[statement], of.now)
        await admin.fetch(_SQL["carry_order"], [order.order_id], [of.now])
        await admin.execute(_SQL["restored_again"])
        await admin.execute(_SQL["restored"], there.backup_id, of.now, by)
        times = await open_anew(admin, there, marks, by=by, now=of.now)
    return Restored(backup_id=there.backup_id, tables=there.tables, erased=erased, times=times)


async def _count_on(admin: Admin, marks: Marks) -> None:
    """1. Without the mark nobody knows how far it was counted: then nothing is restored."""
    counted, mark = await admin.fetchval(_SQL["counted_to"]), marks.read().get(NUMBERS, 0)
    if mark < counted:
        raise RestoreRefusedError("numbers_unknown")
    await admin.execute(_SQL["count_on"], mark)


async def _leave_out(admin: Admin, of: Target, there: Filled, keys: PersonalKeys) -> int:
    """2."""
    files = await erased_since(admin, of, there, "inquiry_file", "file_id")
    await admin.execute(_SQL["forget_files"], files)
    gone = await erased_since(admin, of, there, "original", "record_id")
    for start in range(0, len(gone), _AT_ONCE):
        await _delete(admin, keys, gone[start : start + _AT_ONCE], of)
    return len(files) + len(gone)


async def _delete(admin: Any, keys: PersonalKeys, record_ids: list[str], of: Target) -> None:
    """They say once more that they are no more; what they said before is an earlier edition, as with every deletion."""
    living = [row["record_id"] for row in await admin.fetch(_SQL["living_originals"], record_ids)]
    past: list[Original] = []
    for record_id in living:
        try:
            past += (await originals.read_held(admin, keys, [record_id])).values()
        except (SealBroken, KeyUnusable):
            raise RestoreRefusedError("original_unreadable") from None
    now = [
        Original(
            said=structs.replace(one.said, deleted=True, items={}),
            edition=one.edition + 1,
            changed_at=of.now,
            changed_by=_BY,
        )
        for one in past
    ]
    await originals.keep_past(admin, keys, past)
    await originals.change_originals(admin, keys, [(one, Transfer.DUE, False) for one in now])
