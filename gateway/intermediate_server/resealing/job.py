"""The re-sealing of one agency's rows at an intermediate server (copies, whose they were, codes, whose look-ups staff must not make, whose bars they have set,
why a provision is held, marks of staff), and its entries of the log.

A code and the index that finds it are made anew together, and so is a relation of staff: each row is found under its earlier key until then (docs/adr/0064).
A mark is made anew of a row whose mark holds, and of no other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from asyncpg import Record

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.bars import whose
from gateway.intermediate_server.codes import binding
from gateway.intermediate_server.provision import grounds
from gateway.intermediate_server.records.exchange_entries import note_about
from gateway.intermediate_server.replica import registration, rekeying, withdrawn
from gateway.intermediate_server.replica.rekeying import PersonKeyRows
from gateway.intermediate_server.staff import factors, store, vouching
from keys.errors import SealBroken
from keys.ring import Keyring
from storage import sql
from storage.committer import NewEntry, commit_step
from storage.fault_points import declare
from storage.resealing.job import Resealing, on_record
from storage.resealing.rows import TableRows

_SQL = sql.load("gateway.intermediate_server.resealing")
_RESEALED: Final = commit_step("intermediate", "keys.resealed")
_ROWS: Final = declare("intermediate", "commit.keys.resealed_rows")
Renew = Callable[[HostedAgency, Record], tuple[Any, ...]]


def _code(agency: HostedAgency, row: Record) -> tuple[Any, ...]:
    number = row["integrated_number"]
    # opened to be sealed again at once
    return (number, *binding.kept_code(agency, number, binding.open_code(agency, number, row["code_sealed"])))


def _relation(agency: HostedAgency, row: Record) -> tuple[Any, ...]:
    ring, whose = agency.keys.ring, row["staff_id"]
    number = factors.open_relation(ring, agency.id, whose, row["number_sealed"])
    return whose, row["relation"], row["person_index"], *factors.kept_relation(ring, agency.id, whose, number)


def _bar(agency: HostedAgency, row: Record) -> tuple[Any, ...]:
    ring, bar_id = agency.keys.ring, row["bar_id"]
    return bar_id, *whose.kept(ring, agency.id, bar_id, whose.opened(ring, agency.id, bar_id, row["number_sealed"]))


def _ground(agency: HostedAgency, row: Record) -> tuple[Any, ...]:
    return grounds.anew(agency.keys.ring, agency.id, row)


def _marked(
    read: Callable[[Keyring, str, Record], vouching.Row], name: str, agency: HostedAgency, row: Record
) -> tuple[Any, ...]:
    """`read`: how the table's rows are read; `name`: its key."""
    ring = agency.keys.ring
    marked = vouching.mark(ring, agency.id, read(ring, agency.id, row))
    if marked is None:
        raise SealBroken("the mark of this row does not hold")
    return row[name], marked


CODES: Final = binding.PURPOSE
STAFF: Final = factors.RING
_TABLES: Final[Sequence[tuple[str, str, Renew]]] = (
    (CODES, "person_code", _code),
    (STAFF, "staff_relation", _relation),
    (whose.PURPOSE, "bar", _bar),
    (whose.PURPOSE, "replica_withdrawn", withdrawn.anew),
    (grounds.PURPOSE, "provision_ground", _ground),
    (STAFF, "staff_member", partial(_marked, store.member_of, "staff_id")),
    (STAFF, "staff_card", partial(_marked, store.card_of, "card_id")),
    (STAFF, "staff_grant", partial(_marked, store.grant_of, "grant_id")),
    (STAFF, "staff_session", partial(_marked, store.session_of, "token_hash")),
)
"""Purpose, name of its table's statements, and how a row is made anew."""
PURPOSES: Final = (registration.PURPOSE, CODES, STAFF)


def counts_of(purpose: str) -> tuple[str, ...]:
    """The statements that count rows of a purpose ($1 version, $2 whether under it or under any other); none for a purpose that seals no rows here."""
    if purpose == registration.PURPOSE:
        return (rekeying.COUNT,)
    return tuple(_SQL[f"count_{name}"] for of, name, _ in _TABLES if of == purpose)


def resealing_of(agency: HostedAgency) -> Resealing:
    """The job of one agency; its `run()` must be running once."""

    def entry(facts: dict[str, str | int]) -> NewEntry:
        return note_about(agency, agency.clock(), EntryKind.KEYS_RESEALED, None, facts)

    return Resealing(
        agency=agency.id,
        tenant=agency.tenant,
        database=agency.database,
        ring=agency.keys.ring,
        rows=(PersonKeyRows(agency), *(_rows(agency, *table) for table in _TABLES)),
        clock=agency.clock,
        put=on_record(agency.committer, _RESEALED, entry),
        waited_s=agency.committer.oldest_s,
        stretch_step=_ROWS,
        settle_s=agency.limits.reseal_settle_s,
        share=agency.limits.reseal_share,
    )


def _rows(agency: HostedAgency, purpose: str, name: str, renew: Renew) -> TableRows:
    return TableRows.named(
        name,
        _SQL,
        partial(renew, agency),
        purpose=purpose,
        first="",
        database=agency.database,
        tenant=agency.tenant,
    )
