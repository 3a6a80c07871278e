"""住基ネット (resident network): 個人番号 ⇔ 住民票コード ⇔ four items, all sealed; and the person reference.

`person_ref = AES-256(k_root, 住民票コード as one block)`: 16 bytes, the same for the same person; it names nobody to
whoever lacks the key.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import asyncpg

from codebook import folding
from codebook.errors import CodebookError
from codebook.four_items import FourItems
from codebook.individual_number import IndividualNumber, ResidentRecordCode
from keys import labels
from keys.binding import bind
from keys.deterministic import block_encrypt
from keys.masked import Secret
from keys.ring import Keyring
from storage import sql
from storage.database import Database, as_away
from storage.key_store import KeyStore

NUMBER: Final = "individual-number"
NUMBER_INDEX: Final = "individual-number-index"
RECORD_CODE: Final = "resident-record-code"
RECORD_CODE_INDEX: Final = "resident-record-code-index"
FOUR_ITEMS: Final = "four-items"
FOUR_ITEMS_INDEX: Final = "four-items-index"
PERSON_ROOT: Final = "person-root"
PURPOSES: Final = (NUMBER, NUMBER_INDEX, RECORD_CODE, RECORD_CODE_INDEX, FOUR_ITEMS, FOUR_ITEMS_INDEX, PERSON_ROOT)
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


@dataclass(frozen=True, slots=True)
class Changes:
    """Of one resident: the number that they have now, and what changed on which day, oldest first."""

    individual_number: str = field(repr=False)
    changed: list[tuple[str, date]]


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
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(6)]
        return len(await self._fetch("insert_residents", *columns))

    def _index(self, number: IndividualNumber) -> bytes:
        # reveal: the keyed blind index
        return self._ring.index(NUMBER_INDEX, number.reveal().encode())

    def four_items_index(self, items: FourItems) -> bytes:
        """Keyed blind index of name, sex, birth date and address, each under the folds of its field; the reading decides nothing."""
        # reveal: the keyed blind index
        name, address = items.name.reveal(), items.address.reveal()
        parts = (
            folding.fold(name, folding.NAME),
            items.sex.value,
            items.birth_date.isoformat(),
            folding.fold(address, folding.ADDRESS),
        )
        return self._ring.index(FOUR_ITEMS_INDEX, bind(labels.FOUR_ITEMS, *parts))

    async def index_all(self) -> None:
        """Give rows of before the index of their four items. Raises StorageUnavailableError."""
        while rows := await self._fetch("residents_without_index"):
            numbers = [row["individual_number_index"] for row in rows]
            items = [
                json.loads(self._ring.decrypt(FOUR_ITEMS, row["four_items_sealed"], _row(labels.FOUR_ITEMS, index)))
                for row, index in zip(rows, numbers, strict=True)
            ]
            await self._fetch(
                "put_four_items_index", numbers, [self.four_items_index(FourItems.parse(one)) for one in items]
            )

    async def numbers_of(self, wanted: Sequence[FourItems]) -> list[list[str]]:
        """For each the numbers of those with these four items, two at the most; in order. Raises StorageUnavailableError."""
        indexes = [self.four_items_index(one) for one in wanted]
        found: dict[bytes, list[str]] = {}
        for row in await self._fetch("residents_of_four_items", list(dict.fromkeys(indexes))):
            found.setdefault(row["four_items_index"], []).append(self._number(row))
        return [found.get(index, []) for index in indexes]

    async def changes_of(
        self, numbers: Sequence[IndividualNumber | None], since: Sequence[date]
    ) -> list[Changes | None]:
        """For each number that somebody has or had: who has it now, and what changed; None for others. Raises StorageUnavailableError."""
        places = [place for place, number in enumerate(numbers) if number is not None]
        indexes = [self._index(number) for number in numbers if number is not None]
        days = [since[place] for place in places]
        found: dict[int, Changes] = {}
        for row in await self._fetch("changes_of_residents", places, indexes, days):
            entry = found.setdefault(row["place"], Changes(self._number(row), []))
            if row["kind"] is not None:
                entry.changed.append((row["kind"], row["changed_on"]))
        return [found.get(place) for place in range(len(numbers))]

    async def change(
        self, number: IndividualNumber, to: IndividualNumber | None, items: FourItems | None, on: date
    ) -> str | None:
        """Give a resident another number, other four items, or both, since a day; the reason when nothing was changed.

        Raises StorageUnavailableError.
        """
        before = self._index(number)
        after = before if to is None else self._index(to)
        kinds = [kind for kind, is_said in (("individual_number", to), ("four_items", items)) if is_said is not None]
        with as_away("the residents could not be read or written"):
            async with self._database.inside(self._tenant) as connection:
                row = await connection.fetchrow(_QUERIES["resident_whole"], before)
                if row is None:
                    return "number_unknown"
                if after != before and await connection.fetchval(_QUERIES["number_is_taken"], after):
                    return "number_taken"
                changed = self._moved(row, before, after, to, items)
                await connection.execute(_QUERIES["change_resident"], before, after, *changed, kinds, on)
        return None

    def _moved(
        self, row: asyncpg.Record, before: bytes, after: bytes, to: IndividualNumber | None, items: FourItems | None
    ) -> tuple[bytes, bytes, bytes, bytes]:
        """What is sealed of a row, sealed anew under the index that it will have."""
        ring = self._ring
        # reveal: sealed here
        number = to.reveal().encode() if to is not None else self._number(row).encode()
        code = ring.decrypt_siv(RECORD_CODE, row["resident_record_code_sealed"], _row(labels.PERSON_REF, before))
        opened = ring.decrypt(FOUR_ITEMS, row["four_items_sealed"], _row(labels.FOUR_ITEMS, before))
        # reveal: sealed here
        text = opened if items is None else json.dumps(items.reveal(), ensure_ascii=False).encode()
        return (
            ring.encrypt_siv(NUMBER, number, _row(labels.INDIVIDUAL_NUMBER, after)),
            ring.encrypt_siv(RECORD_CODE, code, _row(labels.PERSON_REF, after)),
            ring.encrypt(FOUR_ITEMS, text, _row(labels.FOUR_ITEMS, after)),
            self.four_items_index(items or FourItems.parse(json.loads(opened))),
        )

    def _number(self, row: asyncpg.Record) -> str:
        index = row["individual_number_index"]
        return self._ring.decrypt_siv(
            NUMBER, row["individual_number_sealed"], _row(labels.INDIVIDUAL_NUMBER, index)
        ).decode()

    def _sealed(self, resident: Resident) -> tuple[bytes, bytes, bytes, bytes, bytes, bytes]:
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
            self.four_items_index(resident.four_items),
        )

    async def _fetch(self, query: str, *columns: Sequence[Any]) -> list[asyncpg.Record]:
        with as_away("the residents could not be read or written"):
            async with self._database.inside(self._tenant) as connection:
                return list(await connection.fetch(_QUERIES[query], *columns))


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
