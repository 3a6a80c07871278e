"""住基ネット (resident network): 個人番号 ⇔ 住民票コード ⇔ four items, all sealed; and the person reference.

`person_ref = AES-256(k_root, 住民票コード as one block)`: 16 bytes, the same for the same person; it names nobody to
whoever lacks the key.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from codebook.errors import CodebookError
from codebook.four_items import FourItems
from codebook.individual_number import IndividualNumber, ResidentRecordCode
from keys import labels
from keys.binding import bind
from keys.deterministic import block_encrypt
from keys.masked import Secret
from keys.ring import Keyring
from storage import sql
from storage.database import Database, StorageUnavailableError
from storage.key_store import KeyStore

NUMBER: Final = "individual-number"
NUMBER_INDEX: Final = "individual-number-index"
RECORD_CODE: Final = "resident-record-code"
RECORD_CODE_INDEX: Final = "resident-record-code-index"
FOUR_ITEMS: Final = "four-items"
PERSON_ROOT: Final = "person-root"
PURPOSES: Final = (NUMBER, NUMBER_INDEX, RECORD_CODE, RECORD_CODE_INDEX, FOUR_ITEMS, PERSON_ROOT)
_QUERIES: Final = sql.load("adapters.jlis_mock.resident_network")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """One resident, complete and well formed."""

    individual_number: IndividualNumber
    resident_record_code: ResidentRecordCode
    four_items: FourItems


@dataclass(frozen=True, slots=True)
class Found:
    """A resident's row, still sealed."""

    index: bytes
    record_code_sealed: bytes
    four_items_sealed: bytes


class Residents:
    """The table of residents under one ring. Personal values leave it only as its functions say."""

    def __init__(self, database: Database, tenant: str, keys: KeyStore) -> None:
        for purpose in PURPOSES:
            keys.ensure(purpose)
        self._database = database
        self._tenant = tenant
        self._ring: Keyring = keys.ring
        self._root: Secret = keys.ring.secret(PERSON_ROOT)

    async def find(self, numbers: Sequence[IndividualNumber | None]) -> list[Found | None]:
        """In order; None where there is no number or nobody has it. One query. Raises StorageUnavailableError."""
        indexes = [self._index(number) if number is not None else None for number in numbers]
        wanted = [index for index in indexes if index is not None]
        rows = {row["individual_number_index"]: row for row in await self._fetch("find_residents", wanted)}
        return [_found(rows.get(index)) if index is not None else None for index in indexes]

    def person_ref(self, found: Found) -> bytes:
        """16 bytes for the core; it turns them into codes and can name nobody by them."""
        code = self._ring.decrypt_siv(RECORD_CODE, found.record_code_sealed, _row(labels.PERSON_REF, found.index))
        return block_encrypt(self._root, b"rrc/1" + code)

    def four_items(self, found: Found) -> dict[str, str]:
        """The four items as text, for an agency that checks a person's identity (SC-18)."""
        opened = self._ring.decrypt(FOUR_ITEMS, found.four_items_sealed, _row(labels.FOUR_ITEMS, found.index))
        fields: dict[str, str] = json.loads(opened)
        return fields

    async def load(self, residents: Sequence[Resident]) -> int:
        """Insert those that are not there; returns how many were new. Raises StorageUnavailableError."""
        rows = [self._sealed(resident) for resident in residents]
        columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], [], []]
        return len(await self._fetch("insert_residents", *columns))

    def _index(self, number: IndividualNumber) -> bytes:
        # reveal: the keyed blind index
        return self._ring.index(NUMBER_INDEX, number.reveal().encode())

    def _sealed(self, resident: Resident) -> tuple[bytes, bytes, bytes, bytes, bytes]:
        index = self._index(resident.individual_number)
        # reveal: all three are sealed or indexed here
        number = resident.individual_number.reveal().encode()
        code = resident.resident_record_code.reveal().encode()
        items = json.dumps(resident.four_items.reveal(), ensure_ascii=False).encode()
        return (
            index,
            self._ring.encrypt_siv(NUMBER, number, _row(labels.INDIVIDUAL_NUMBER, index)),
            self._ring.index(RECORD_CODE_INDEX, code),
            self._ring.encrypt_siv(RECORD_CODE, code, _row(labels.PERSON_REF, index)),
            self._ring.encrypt(FOUR_ITEMS, items, _row(labels.FOUR_ITEMS, index)),
        )

    async def _fetch(self, query: str, *columns: list[bytes]) -> list[asyncpg.Record]:
        try:
            async with self._database.inside(self._tenant) as connection:
                return list(await connection.fetch(_QUERIES[query], *columns))
        except asyncpg.PostgresError:
            raise StorageUnavailableError("the residents could not be read or written") from None


def _row(label: bytes, index: bytes) -> bytes:
    return bind(label, index)


def _found(row: asyncpg.Record | None) -> Found | None:
    if row is None:
        return None
    return Found(row["individual_number_index"], row["resident_record_code_sealed"], row["four_items_sealed"])


def parse_number(text: str) -> IndividualNumber | None:
    """None for anything that is no 個人番号 by its check digit."""
    try:
        return IndividualNumber.parse(text)
    except CodebookError:
        return None
