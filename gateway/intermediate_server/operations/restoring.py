"""A backup of an intermediate server put into an empty schema (SC-15), for an administrator whose two factors are those of the backup.

What a restore must not bring back, beside what `storage.backups.filling` leaves out of every database:

1. rows that were erased after the snapshot (storage.erasure_journal), merges that were undone, and people, cards, passwords and rights that ended after it;
2. sessions and challenges: they are not in a backup;
3. rights that may have been revoked since: every grant but those of administration is asked for anew and takes a second person again (SC-11);
4. answers without a bar that was set since, or from copies that have changed since: use is suspended until two of the staff end that (SC-4, SC-27).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import IO, Final

from gateway.intermediate_server import merges
from gateway.intermediate_server.staff import ending, store, vouching
from gateway.intermediate_server.staff.factors import card_id_of, password_fits
from gateway.intermediate_server.staff.people import CardState, Member, MemberState
from gateway.intermediate_server.staff.rights import File, Function, GrantState, edited, working
from keys.ring import Keyring
from storage import sql
from storage.backups.filling import (
    Filled,
    Restored,
    RestoreRefusedError,
    Target,
    erased_since,
    filled,
    open_anew,
)
from storage.marks import Marks
from storage.migrations import Admin

_SQL = sql.load("gateway.intermediate_server.operations")
_ERASABLE: Final = {"replica": "record_id", "person_code": "acquisition_index", merges.TABLE: "integrated_number"}
"""Tables whose rows are erased one by one, with the column that the journal knows them by."""
KEPT_GRANTS: Final = [
    Function.STAFF_ADMINISTER.value, Function.STAFF_APPROVE.value, Function.STAFF_ANALYSE.value, Function.BACKUP.value
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Administrator:
    """What the administrator has shown: the password, and the card whose key has signed in this process."""

    staff_id: str
    password: str
    card: bytes


async def restore(
    admin: Admin, file: IO[bytes], of: Target, by: Administrator, marks: Marks, ring: Keyring
) -> Restored:
    """`ring`: the agency's, by which its staff are marked (staff.vouching).

    Raises BackupBrokenError, RestoreRefusedError, StorageUnavailableError, asyncpg's errors; then nothing was restored.
    """
    async with filled(admin, file, of) as there:
        erased = await _leave_out(admin, of, there)
        await _end_rights(admin, of, there, by, ring)
        await _examine(admin, of, by, ring)
        await _ask_grants_anew(admin, of, by, ring)
        told = json.dumps(there.tables)
        await admin.execute(_SQL["complete_job"], there.backup_id, there.made_at, len(there.tables), told)
        await admin.execute(_SQL["suspend_use"], there.backup_id, by.staff_id, of.now)
        times = await open_anew(admin, there, marks, by=by.staff_id, now=of.now)
    return Restored(backup_id=there.backup_id, tables=there.tables, erased=erased, times=times)


async def _leave_out(admin: Admin, of: Target, there: Filled) -> int:
    left = 0
    for table, column in _ERASABLE.items():
        gone = await erased_since(admin, of, there, table, column)
        at = (of.now,) if table == "person_code" else ()
        await admin.execute(_SQL[f"leave_out_of_{table}"], gone, *at)
        left += len(gone)
    return left


async def _end_rights(admin: Admin, of: Target, there: Filled, by: Administrator, ring: Keyring) -> None:
    """Who left, and the cards and grants that ended, do so once more; whoever has another password since must set a new one at the next log-in."""
    card = card_id_of(by.card)
    people = await erased_since(admin, of, there, "staff_member", "staff_id", named=ending.MEMBER)
    await admin.execute(_SQL["end_people"], people, by.staff_id, card, of.now)
    cards = await erased_since(admin, of, there, "staff_card", "card_id", named=ending.CARD)
    await admin.execute(_SQL["end_cards"], cards)
    grants = await erased_since(admin, of, there, "staff_grant", "grant_id", named=ending.GRANT)
    await admin.execute(_SQL["end_grants"], grants, by.staff_id, card)
    changed = await erased_since(admin, of, there, "staff_member", "staff_id", named=ending.PASSWORD)
    for staff_id in changed:
        member = await _member(admin, of, staff_id, ring)
        if member is not None and member.state is MemberState.ACTIVE:
            after = replace(member, password_until=min(member.password_until, of.now))
            marked = vouching.mark(ring, of.agency, after)
            await admin.execute(_SQL["ask_password_anew"], staff_id, after.password_until, marked)


async def _ask_grants_anew(admin: Admin, of: Target, by: Administrator, ring: Keyring) -> None:
    """All but those that a restore cannot do without; what is unvouched is revoked."""
    forged = []
    for row in await admin.fetch(store.SQL["grants"]):
        grant = store.grant_of(ring, of.agency, row)
        if grant.state is GrantState.UNVOUCHED:
            forged.append(grant.grant_id)
        elif grant.state is GrantState.EFFECTIVE and grant.scope.function not in KEPT_GRANTS:
            asked = edited(grant, grant.requested, grant.scope)
            await admin.execute(_SQL["ask_grant_anew"], grant.grant_id, vouching.mark(ring, of.agency, asked))
    await admin.execute(_SQL["end_grants"], forged, by.staff_id, card_id_of(by.card))


async def _examine(admin: Admin, of: Target, by: Administrator, ring: Keyring) -> None:
    """Both factors of the administrator, and the right, as the backup has them and as far as nobody has ended them since."""
    member = await _member(admin, of, by.staff_id, ring)
    active = member is not None and member.state is MemberState.ACTIVE and of.now < member.valid_until
    if member is None or not password_fits(member.password_hash if active else "", by.password):
        raise RestoreRefusedError("restore_not_allowed")
    cards = [store.card_of(ring, of.agency, row) for row in await admin.fetch(store.SQL["cards_of"], by.staff_id)]
    card_id = card_id_of(by.card)
    shown = any(one.card_id == card_id and one.state is CardState.ACTIVE and of.now < one.valid_until for one in cards)
    grants = [store.grant_of(ring, of.agency, row) for row in await admin.fetch(store.SQL["grants_of"], by.staff_id)]
    held = working(grants, member.office, of.now)
    if not shown or not any(one.names(Function.BACKUP, File.SYSTEM) for one in held):
        raise RestoreRefusedError("restore_not_allowed")


async def _member(admin: Admin, of: Target, staff_id: str, ring: Keyring) -> Member | None:
    row = await admin.fetchrow(store.SQL["member"], staff_id)
    return None if row is None else store.member_of(ring, of.agency, row)
