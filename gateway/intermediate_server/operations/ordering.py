"""Orders for backups of the agency's other databases (SC-15, SC-20; docs/adr/0057): the administrators are known here, the database is another server's.

With both factors anew, for exactly this act on this database, and on record before the order is signed. The other server holds it against the
register, and carries it out once, within minutes (evidence.orders).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from evidence import orders
from evidence.entry import EntryKind
from evidence.orders import OrderKind
from gateway.intermediate_server.staff.entering import Proof
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.rights import File, Function
from gateway.intermediate_server.staff.second_person import prove_for
from storage.backups.form import BackedUp
from storage.committer import Commit, commit_step
from transport.problem import ProblemError

_ORDERED = commit_step("intermediate", "backup.ordered")
ORDER_PREFIX: Final = "O"
FILE_OF_DATABASE: Final = {
    BackedUp.INTERMEDIATE: File.SYSTEM, BackedUp.LINKAGE: File.ADDRESSEES, BackedUp.SKY2: File.LEDGERS,
}  # fmt: skip
"""The file that a right to backups of a database names."""
_ACTS: Final = frozenset({OrderKind.BACKUP_MAKE, OrderKind.BACKUP_RESTORE, OrderKind.RESTORE_LIFT})


class BackupOrderItem(msgspec.Struct, forbid_unknown_fields=True):
    """Item of IF_SYM_90181. `backup_id`: of what is restored, or whose restore is lifted; the proof answers a challenge for `<act>/<database>/<backup_id>`."""

    act: OrderKind
    database: BackedUp
    proof: Proof
    backup_id: Annotated[str, msgspec.Meta(pattern=r"^([A-Z][0-9A-HJKMNP-TV-Z]{26})?\Z")] = ""


BACKUP_ORDER_ITEM = msgspec.json.Decoder(BackupOrderItem)


def purpose(act: str, database: str, backup_id: str) -> str:
    return "/".join(filter(None, (act.replace(".", "_"), database, backup_id)))


async def order(acting: Acting, item: BackupOrderItem, now: datetime) -> dict[str, Any]:
    """IF_SYM_90181. Raises ProblemError 400, 401, 403."""
    agency = acting.desk.agency
    if (
        item.database is BackedUp.INTERMEDIATE
        or item.act not in _ACTS
        or (item.act is OrderKind.RESTORE_LIFT and item.database is not BackedUp.LINKAGE)
        or (item.act is OrderKind.BACKUP_MAKE) == bool(item.backup_id)
    ):
        raise ProblemError(
            400,
            "malformed_item",
            "An order is for another database of the agency, and names a backup to restore; one of the linkage server's, to lift its restore.",
        )
    if not acting.may_on(Function.BACKUP, FILE_OF_DATABASE[item.database]):
        raise ProblemError(403, "right_missing", "Your right to backups does not name this database's file.")
    await prove_for(acting, purpose(item.act, item.database, item.backup_id), item.proof, now)
    order_id = agency.new_id(ORDER_PREFIX, now)
    entry = acting.entry(
        now,
        EntryKind.BACKUP_ORDERED,
        Function.BACKUP,
        act=item.act.value,
        database=item.database.value,
        backup=item.backup_id,
        order=order_id,
    )
    await acting.commit(
        Commit(step=_ORDERED, entries=(entry,)),
        lambda grant: grant.names(Function.BACKUP, FILE_OF_DATABASE[item.database]),
    )
    signed = orders.sign(
        item.act,
        order_id=order_id,
        agency=agency.id,
        server=item.database.value,
        people=(acting.staff_id,),
        facts={"backup": item.backup_id} if item.backup_id else {},
        signer=agency.signer,
        now=now,
    )
    return {"order_id": order_id, "order": signed}
