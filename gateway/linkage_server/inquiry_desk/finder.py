"""宛名番号 → 団体内統合宛名番号, and what the desk refused before, for many callers at once: what waits shares one look-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from codebook.identifiers import IntegratedAddresseeNumber
from gateway.linkage_server.inquiry_desk import refusals
from gateway.linkage_server.inquiry_desk.refusals import Refusal
from storage import sql
from storage.database import Database
from storage.shared_look import TenantLook

_SQL: Final = sql.load("gateway.linkage_server.inquiry_desk")
_REFUSAL: Final = ""
"""No business system is called so: with it, a key names a retry identity instead of an addressee."""


@dataclass(frozen=True, slots=True, repr=False)
class Found:
    """What is held for one list: people by addressee number, those of them who are frozen, earlier refusals by retry identity."""

    people: dict[str, IntegratedAddresseeNumber]
    frozen: frozenset[str]
    refusals: dict[str, Refusal]


def look_of(database: Database) -> TenantLook:
    """The look that all agencies of a process share."""
    return TenantLook(database, _SQL["known_at_the_desk"])


@dataclass(frozen=True, slots=True)
class AddresseeFinder:
    """One agency's."""

    _rows: TenantLook
    _tenant: str

    async def find(self, system: str, numbers: Sequence[str], identities: Sequence[str]) -> Found:
        """The people that this system holds under these numbers, and what was refused under these retry identities.

        What is not there is absent. Raises StorageUnavailableError.
        """
        people = [(system, number) for number in numbers]
        rows = await self._rows.find(self._tenant, (*people, *((_REFUSAL, identity) for identity in identities)))
        held = {number: row for _, number in people if (row := rows.get((system, number)))}
        return Found(
            people={
                number: IntegratedAddresseeNumber(f"{row['integrated_number']:015d}") for number, row in held.items()
            },
            frozen=frozenset(number for number, row in held.items() if row["frozen"]),
            refusals={one: refusals.read(row) for one in identities if (row := rows.get((_REFUSAL, one)))},
        )
