"""Why a provision is held, sealed while it is held and gone with the decision (SC-4, SC-20; docs/adr/0106).

`person_barred` beside a number says who is under support measures: a copy of the database tells nobody.
"""

from __future__ import annotations

from typing import Any, Final

from asyncpg import Record

from gateway.intermediate_server.bars import whose
from keys import labels
from keys.binding import bind
from keys.errors import KeyUnusable, SealBroken
from keys.ring import Keyring
from permission_lists.barring import HoldGround
from storage import sql
from storage.database import Database

PURPOSE: Final = whose.PURPOSE
_SQL: Final = sql.load("gateway.intermediate_server.provision")


def seal(ring: Keyring, agency: str, permit_id: str, ground: HoldGround) -> bytes:
    return ring.encrypt(PURPOSE, ground.value.encode(), bind(labels.HOLD_GROUND, agency, permit_id))


def opened(ring: Keyring, agency: str, row: Record) -> HoldGround | None:
    """Of a held provision. None: its key is gone, and so is why; what is decided does not hang on it."""
    try:
        said = ring.decrypt(PURPOSE, row["ground_sealed"], bind(labels.HOLD_GROUND, agency, row["permit_id"]))
    except (SealBroken, KeyUnusable):
        return None
    return HoldGround(said.decode())


def anew(ring: Keyring, agency: str, row: Record) -> tuple[Any, ...]:
    """Key and seal under the primary version. Raises SealBroken, KeyUnusable."""
    bound = bind(labels.HOLD_GROUND, agency, row["permit_id"])
    return row["permit_id"], ring.encrypt(PURPOSE, ring.decrypt(PURPOSE, row["ground_sealed"], bound), bound)


async def seal_those_in_clear(database: Database, tenant: str, ring: Keyring, agency: str) -> None:
    """Of provisions that were held before there were seals (0086_why_it_is_held_is_sealed.sql). Raises StorageUnavailableError."""
    async with database.inside(tenant) as connection:
        while rows := await connection.fetch(_SQL["grounds_in_clear"]):
            made = [(row["permit_id"], seal(ring, agency, row["permit_id"], HoldGround(row["ground"]))) for row in rows]
            await connection.execute(_SQL["seal_grounds"], *map(list, zip(*made, strict=True)))
