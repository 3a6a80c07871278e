"""Why a provision is held, sealed while it is held and gone with the decision (SC-4, SC-20; docs/adr/0106).

`person_barred` beside a number says who is under support measures: a copy of the database tells nobody. The seal is bound to whom it was asked about and
to what decides on what leaves, and to whom: of a row in which one of these was changed it does not open, and nothing leaves (docs/adr/0123).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import structlog
from asyncpg import Record

from gateway.intermediate_server.bars import whose
from keys import labels
from keys.binding import bind
from keys.errors import KeyUnusable, SealBroken
from keys.ring import Keyring
from permission_lists.barring import HoldGround
from storage import sql
from storage.database import Database
from storage.key_store import KeyStore

PURPOSE: Final = whose.PURPOSE
BOUND: Final = "held-bound"
"""A purpose of the ring that seals nothing: that it is there says that what was held before was sealed anew."""
AT_ONCE: Final = 500
_LOG = structlog.get_logger()
_SQL: Final = sql.load("gateway.intermediate_server.provision")


def _bound(agency: str, row: Mapping[str, Any] | Record) -> bytes:
    return bind(
        labels.HOLD_GROUND, agency, row["permit_id"], row["integrated_number"], row["item"], row["information"], row["permit"], row["public_key"]
    )  # fmt: skip


def seal(ring: Keyring, agency: str, row: Mapping[str, Any] | Record, ground: HoldGround) -> bytes:
    """`row`: as it is kept."""
    return ring.encrypt(PURPOSE, ground.value.encode(), _bound(agency, row))


def opened(ring: Keyring, agency: str, row: Record) -> HoldGround | None:
    """Of a held provision. None: somebody changed the row, or its key is gone: nothing in it is believed. That it was so stands in the operational log."""
    try:
        return HoldGround(ring.decrypt(PURPOSE, row["ground_sealed"] or b"", _bound(agency, row)).decode())
    except (SealBroken, KeyUnusable) as failure:
        _LOG.error("held:unreadable", agency=agency, error=type(failure).__name__)
        return None


def anew(ring: Keyring, agency: str, row: Record) -> tuple[Any, ...]:
    """Key and seal under the primary version. Raises SealBroken, KeyUnusable."""
    bound = _bound(agency, row)
    return row["permit_id"], ring.encrypt(PURPOSE, ring.decrypt(PURPOSE, row["ground_sealed"], bound), bound)


async def seal_those_of_before(database: Database, tenant: str, keys: KeyStore, agency: str) -> None:
    """What was held before a ground was sealed, or its seal bound to the row, once: whoever puts such a row in later is not believed.

    What does not open stays as it is. Raises StorageUnavailableError, KeyStoreError.
    """
    if BOUND in keys.ring.purposes():
        return
    after = ""
    while True:
        async with database.inside(tenant) as connection:
            rows = await connection.fetch(_SQL["grounds_of_before"], after, AT_ONCE)
            if not rows:
                break
            made = [(row["permit_id"], _sealed(keys.ring, agency, row)) for row in rows]
            await connection.execute(_SQL["seal_grounds"], *map(list, zip(*made, strict=True)))
        after = rows[-1]["permit_id"]
    keys.ensure(BOUND)


def _sealed(ring: Keyring, agency: str, row: Record) -> bytes | None:
    """None: it does not open, or is sealed so already."""
    before = bind(labels.HOLD_GROUND_ALONE, agency, row["permit_id"])
    try:
        word = row["ground"] or ring.decrypt(PURPOSE, row["ground_sealed"], before).decode()
    except (SealBroken, KeyUnusable):
        return None
    return seal(ring, agency, row, HoldGround(word))
