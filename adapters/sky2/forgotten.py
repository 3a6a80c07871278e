"""個人番号 that go: taken away or replaced, by a push or a load. They stand in the journal beside the keys before they go, so that no restore brings one back (SC-15)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from adapters.sky2 import store
from adapters.sky2.seals import Seals
from codebook.individual_number import IndividualNumber
from keys.errors import KeyUnusable, SealBroken
from storage.database import Connection
from storage.erasure_journal import ErasureJournal
from transport.clock import Clock

PERSON_PLACE: Final = "insured_person.individual_number"
GONE: Final = "insured_number"
"""What the journal calls them, by the addressee number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgetting:
    """What notes them."""

    seals: Seals
    journal: ErasureJournal
    clock: Clock

    async def note(self, connection: Connection, told: Mapping[str, IndividualNumber | None]) -> None:
        """Before the change is written: whose number it takes away, or replaces by another one. `told`: addressee number → the number from now on.

        Raises StorageUnavailableError: then the change must not be made.
        """
        held = await store.held_numbers(connection, list(told))
        gone = [(GONE, whose) for whose, sealed in held.items() if not self._is(sealed, whose, told[whose])]
        if gone:
            await asyncio.to_thread(self.journal.write, gone, self.clock())

    def _is(self, sealed: bytes, whose: str, number: IndividualNumber | None) -> bool:
        """Whether the number that is held is this one; one that nobody can read any more is not."""
        try:
            return number is not None and self.seals.open_individual_number(sealed, PERSON_PLACE, whose) == number
        except (SealBroken, KeyUnusable):
            return False
