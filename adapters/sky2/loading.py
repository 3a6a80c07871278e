"""Bulk loads by staff: people, ledger rows, refund claims. A bad row is refused and the others go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from importlib import resources
from typing import Any

import msgspec

from adapters.sky2 import ledgers, rows, store
from adapters.sky2.forgotten import PERSON_PLACE, Forgetting
from adapters.sky2.ledgers import ItemType, Ledger
from adapters.sky2.refund import RefundClaim, State
from adapters.sky2.rows import ADDRESSEE_COLUMN, NUMBER_COLUMN, Columns, RowRefusal
from adapters.sky2.seals import Seals
from codebook.identifiers import AddresseeNumber
from storage.database import Connection


def read_ledgers() -> Mapping[str, Ledger]:
    """収納管理台帳 and 滞納整理台帳 by the last part of their path: receipts, arrears."""
    folder = resources.files("adapters.sky2") / "ledger_data"
    names = {"receipts": "receipts_ledger.yaml", "arrears": "arrears_ledger.yaml"}
    return {name: ledgers.parse((folder / file).read_text(encoding="utf-8")) for name, file in names.items()}


async def load_people(connection: Connection, raws: Sequence[bytes], forgetting: Forgetting) -> dict[str, Any]:
    """被保険者: a person who is there is brought up to date; a number that is not given stays."""
    good, refusals = _read(raws, rows.PERSON, once_by=ADDRESSEE_COLUMN)
    told = {values[ADDRESSEE_COLUMN]: values["individual_number"] for values in good.values()}
    await forgetting.note(connection, {whose: number for whose, number in told.items() if number is not None})
    await store.put_people(connection, [_person(values, forgetting.seals) for values in good.values()])
    return _answer(len(good), refusals)


def _person(values: Mapping[str, Any], seals: Seals) -> tuple[Any, ...]:
    addressee, number = values[ADDRESSEE_COLUMN], values["individual_number"]
    sealed = None if number is None else seals.individual_number(number, PERSON_PLACE, addressee)
    return addressee, sealed, seals.person(values, addressee)


async def load_ledger_rows(
    connection: Connection, raws: Sequence[bytes], ledger: Ledger, seals: Seals
) -> dict[str, Any]:
    """Rows by the layout's English column names; each is a new row of the ledger."""
    good, refusals = _read(raws, rows.ledger_columns(ledger))
    records = [_ledger_record(values, ledger, seals) for values in good.values()]
    await store.put_ledger_rows(connection, ledger.name, [item.column for item in ledger.items], records)
    return _answer(len(good), refusals)


def _ledger_record(values: Mapping[str, Any], ledger: Ledger, seals: Seals) -> tuple[Any, ...]:
    addressee = values[ADDRESSEE_COLUMN]
    record: list[Any] = []
    for item in ledger.items:
        value, place = values[item.column], f"{ledger.name}.{item.column}"
        if value is None:
            record.append(None)
        elif item.column == NUMBER_COLUMN:
            record.append(seals.individual_number(value, place, addressee))
        elif item.type is ItemType.SEALED:
            record.append(seals.ledger_item(value, place, addressee))
        elif item.type is ItemType.RECORD:
            record.append(msgspec.json.encode(value).decode())
        else:
            record.append(value)
    return tuple(record)


async def load_claims(connection: Connection, raws: Sequence[bytes], now: datetime) -> dict[str, Any]:
    """還付請求: the same claim again changes nothing; another one under its id is refused."""
    good, refusals = _read(raws, rows.CLAIM, once_by="claim_id")
    claims = {row: _claim(values) for row, values in good.items()}
    # reveal: SKY2's own key of a person
    numbers = {row: claim.addressee_number.reveal() for row, claim in claims.items()}
    people = await store.known_people(connection, list(numbers.values()))
    for row in [row for row, number in numbers.items() if number not in people]:
        refusals.append(RowRefusal(row=row, column=ADDRESSEE_COLUMN, reason=rows.NO_SUCH_PERSON))
        del claims[row]
    columns = [
        (
            claim.claim_id,
            numbers[row],
            claim.fiscal_year,
            claim.amount,
            claim.chose_receiving_account,
            claim.individual_number_written,
        )
        for row, claim in claims.items()
    ]
    await store.put_claims(connection, columns, now)
    stored = await store.claims_by_id(connection, [claim.claim_id for claim in claims.values()])
    for row, claim in list(claims.items()):
        if replace(stored[claim.claim_id], state=State.CLAIMED) != claim:
            refusals.append(RowRefusal(row=row, column="claim_id", reason=rows.CLAIM_ID_TAKEN))
            del claims[row]
    return _answer(len(claims), refusals)


def _claim(values: Mapping[str, Any]) -> RefundClaim:
    return RefundClaim(
        claim_id=values["claim_id"],
        addressee_number=AddresseeNumber(values[ADDRESSEE_COLUMN]),
        fiscal_year=values["fiscal_year"],
        amount=values["amount"],
        chose_receiving_account=values["chose_receiving_account"],
        individual_number_written=values["individual_number_written"],
        state=State.CLAIMED,
    )


def _read(
    raws: Sequence[bytes], columns: Columns, once_by: str | None = None
) -> tuple[dict[int, dict[str, Any]], list[RowRefusal]]:
    """Good rows by their number, and the refusals. `once_by`: a column whose value may stand once in a request."""
    good: dict[int, dict[str, Any]] = {}
    refusals: list[RowRefusal] = []
    seen: set[Any] = set()
    for row, raw in enumerate(raws, start=1):
        values = columns.read(raw, row)
        if isinstance(values, RowRefusal):
            refusals.append(values)
        elif once_by is not None and values[once_by] in seen:
            refusals.append(RowRefusal(row=row, column=once_by, reason=rows.REPEATED))
        else:
            good[row] = values
            if once_by is not None:
                seen.add(values[once_by])
    return good, refusals


def _answer(loaded: int, refusals: Sequence[RowRefusal]) -> dict[str, Any]:
    ordered = sorted(refusals, key=lambda refusal: refusal.row)
    return {"loaded": loaded, "refused": [refusal.shown() for refusal in ordered]}
