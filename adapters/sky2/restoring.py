"""A backup of SKY2 put into an empty schema (SC-15; docs/adr/0099), by order of an administrator of the agency.

What a restore must not bring back, beside what `storage.backups.filling` leaves out of every database:

1. individual numbers that were taken away or replaced since (adapters.sky2.forgotten), in the ledgers too;
2. the secret of pushes: it is no part of a backup, and the linkage server may have another one;
3. keys under which claims were asked about since: what is asked from now on goes under others.

Inquiries that were under way go on: the same bytes under the same key meet the same inquiry at the linkage server.
"""

from __future__ import annotations

from typing import IO, Final

from adapters.sky2.forgotten import GONE
from evidence.orders import Order
from storage import sql
from storage.backups.filling import Restored, RestoreRefusedError, Target, erased_since, filled
from storage.migrations import Admin

_SQL: Final = sql.load("adapters.sky2")


async def restore(admin: Admin, file: IO[bytes], of: Target, order: Order) -> Restored:
    """`order`: was held against the register. Raises BackupBrokenError, RestoreRefusedError, asyncpg's errors; then nothing was restored."""
    async with filled(admin, file, of) as there:
        if order.facts.get("backup") != there.backup_id:
            raise RestoreRefusedError("order_for_another_backup")
        gone = await erased_since(admin, of, there, "insured_person", "addressee_number", named=GONE)
        await admin.execute(_SQL["forget_numbers"], gone)
        await admin.execute(_SQL["put_restored"], of.now)
        await admin.execute(_SQL["carry_order"], order.order_id, of.now)
    return Restored(backup_id=there.backup_id, tables=there.tables, erased=len(gone), times=0)
