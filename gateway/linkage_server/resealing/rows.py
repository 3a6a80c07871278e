"""Which tables of a linkage server are sealed under which purpose of the ring, and how each row is sealed anew.

Not here: lines of inquiry files (`inquiry-line`), which go by themselves after their time, reasons of looks (append-only; those of
lists that are not on record yet go when they are), and access tokens, which live for minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
from asyncpg import Record

from gateway.api.clients import SECRET_PURPOSE, ClientStore
from gateway.linkage_server import personal_keys
from gateway.linkage_server.business_information import store as originals
from gateway.linkage_server.personal_keys import PersonalKeys
from gateway.linkage_server.tenant import Agency
from storage import sql
from storage.resealing.rows import TableRows

_SQL = sql.load("gateway.linkage_server.resealing")
_ENCODE = msgspec.json.encode
_NUMBER: Final = "-1"
Renew = Callable[[PersonalKeys, ClientStore, Record], tuple[Any, ...]]


def _number(keys: PersonalKeys, _: ClientStore, row: Record) -> tuple[Any, ...]:
    whose = row["integrated_number"]
    # opened to be sealed again at once
    return whose, keys.seal_individual_number(
        keys.open_individual_number(row["individual_number_sealed"], whose), whose
    )


def _index(keys: PersonalKeys, _: ClientStore, row: Record) -> tuple[Any, ...]:
    whose, was = row["integrated_number"], row["individual_number_index"]
    return whose, was, keys.index_of(keys.open_individual_number(row["individual_number_sealed"], whose))


def _former_number(keys: PersonalKeys, _: ClientStore, row: Record) -> tuple[Any, ...]:
    return row["former_no"], _number(keys, _, row)[1]


def _former_index(keys: PersonalKeys, _: ClientStore, row: Record) -> tuple[Any, ...]:
    return row["former_no"], *_index(keys, _, row)[1:]


def _items(keys: PersonalKeys, _: ClientStore, row: Record) -> tuple[Any, ...]:
    whose = row["integrated_number"]
    return whose, keys.seal_four_items(_ENCODE(keys.open_four_items(row["four_items_sealed"], whose)), whose)


def _event(keys: PersonalKeys, _: ClientStore, row: Record) -> tuple[Any, ...]:
    bound = row["integrated_number"], row["event_key"]
    return row["event_no"], keys.seal_event(keys.open_event(row["sealed"], *bound), *bound)


def _hold(keys: PersonalKeys, _: ClientStore, row: Record) -> tuple[Any, ...]:
    name = row["hold_id"]
    return name, keys.seal_for_review(keys.open_for_review(row["sealed"], name), name)


def _waiting(keys: PersonalKeys, _: ClientStore, row: Record) -> tuple[Any, ...]:
    name = row["event_key"]
    return row["waiting_no"], keys.seal_for_review(keys.open_for_review(row["sealed"], name), name)


def _decision(keys: PersonalKeys, _: ClientStore, row: Record) -> tuple[Any, ...]:
    name = row["decision_id"]
    return name, keys.seal_decision(keys.open_decision(row["sealed"], name), name)


def _original(keys: PersonalKeys, _: ClientStore, row: Record) -> tuple[Any, ...]:
    return row["record_id"], originals.seal(keys, originals.read_row(keys, row))


def _past(keys: PersonalKeys, _: ClientStore, row: Record) -> tuple[Any, ...]:
    return row["record_id"], row["edition"], originals.seal(keys, originals.read_row(keys, row))


def _push_target(keys: PersonalKeys, _: ClientStore, row: Record) -> tuple[Any, ...]:
    system = row["business_system_id"]
    return system, keys.seal_push_secret(keys.open_push_secret(row["secret_sealed"], system), system)


def _delivery(keys: PersonalKeys, _: ClientStore, row: Record) -> tuple[Any, ...]:
    name = row["delivery_id"]
    return name, keys.seal_push(keys.open_push(row["sealed"], name), name)


def _secret(_: PersonalKeys, clients: ClientStore, row: Record) -> tuple[Any, ...]:
    client = row["client_id"]
    return client, row["secret_id"], clients.seal(client, clients.open(client, row["sealed"]))


_TABLES: Final[Mapping[str, tuple[tuple[str, str, Renew], ...]]] = {
    personal_keys.INDIVIDUAL_NUMBER: (
        ("person_number", _NUMBER, _number),
        ("person_base_number", _NUMBER, _number),
        ("former_number", _NUMBER, _former_number),
    ),
    personal_keys.INDIVIDUAL_NUMBER_INDEX: (
        ("person_index", _NUMBER, _index),
        ("person_base_index", _NUMBER, _index),
        ("former_index", _NUMBER, _former_index),
    ),
    personal_keys.FOUR_ITEMS: (
        ("person_items", _NUMBER, _items),
        ("person_base_items", _NUMBER, _items),
        ("person_event", _NUMBER, _event),
    ),
    personal_keys.REVIEW: (
        ("review_hold", "", _hold),
        ("review_decision", "", _decision),
        ("waiting_change", _NUMBER, _waiting),
    ),
    personal_keys.BUSINESS_INFORMATION: (("original", "", _original), ("original_past", "", _past)),
    personal_keys.PUSH: (("push_target", "", _push_target), ("push_delivery", "", _delivery)),
    SECRET_PURPOSE: (("oauth_secret", "", _secret),),
}
"""Purpose → name of a table's statements, the key before every key, and how a row is sealed anew."""
PURPOSES: Final = tuple(_TABLES)


def rows_of(agency: Agency) -> tuple[TableRows, ...]:
    return tuple(
        TableRows.named(
            name,
            _SQL,
            partial(renew, agency.keys, agency.clients),
            purpose=purpose,
            first=first,
            database=agency.database,
            tenant=agency.tenant,
        )
        for purpose, tables in _TABLES.items()
        for name, first, renew in tables
    )


def counts_of(purpose: str) -> tuple[str, ...]:
    """The statements that count rows of a purpose ($1 version, $2 whether under it or under any other); none for a purpose that seals no rows here."""
    return tuple(_SQL[f"count_{name}"] for name, _, _ in _TABLES.get(purpose, ()))
