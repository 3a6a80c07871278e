"""情報提供 (TKY, IS-3): a list of requests in, a list of recorded outcomes out. Nothing leaves before its record is in the tree.

A request whose permit was honoured leaves a row: the same bytes again get the stored answer, other bytes under the permit are a replay.
A request that did not get so far leaves a record only, so that nobody can spend another's permit by sending rubbish under it.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from asyncpg import Record

from evidence.entry import EntryKind
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.bars.standing import FREE, NOT_YET
from gateway.intermediate_server.codes.binding import indexes_of_codes, is_code_of
from gateway.intermediate_server.codes.ending import former_codes
from gateway.intermediate_server.metrics import PROVISION_SECONDS, PROVISIONS, item_label, reason_label
from gateway.intermediate_server.network.wire import Asked, ProvisionItem, exchange_digest, hexdigest
from gateway.intermediate_server.provision import grounds
from gateway.intermediate_server.provision.answering import (
    HELD,
    NOT_PROVIDED,
    PROVIDED,
    REFUSED,
    Answer,
    Person,
    answer,
    check,
    refuse,
)
from gateway.intermediate_server.records import disclosing
from gateway.intermediate_server.records.exchange_entries import note_event, record, said_of
from permission_lists.permit import Permit
from storage import sql
from storage.committer import Applied, Commit, NewEntry, Statement, Write, commit_step
from storage.turns import with_turns
from transport.refusal_metrics import REFUSALS

_SQL = sql.load("gateway.intermediate_server.provision")
_REPLICA_SQL = sql.load("gateway.intermediate_server.replica")
_RECORD = Statement("record_provision", _SQL["record_provision"])
_RECORDED = commit_step("intermediate", "provision.recorded")
_REFUSED = commit_step("intermediate", "provision.refused")

KINDS = {
    PROVIDED: EntryKind.PROVISION_MADE,
    NOT_PROVIDED: EntryKind.PROVISION_NOT_PROVIDED,
    HELD: EntryKind.PROVISION_HELD,
    REFUSED: EntryKind.PROVISION_REFUSED,
}
REPLAYED = "permit_replayed"
ANSWERED_BEFORE = "inquiry_answered_before"
_MOST_LOOKS = 5
UNAUTHENTIC = frozenset(
    {
        "permit_signature", "permit_request_differs", "inquirer_signature", "permit_other_party", "permit_key_differs", "permit_expired",
        "permit_other_person", "list_digest_unknown", "list_not_in_force",
    }
)  # fmt: skip


_BY_OUR_LISTS = frozenset({"list_digest_unknown", "list_not_in_force"})


def _names_a_person(reason: str | None) -> bool:
    """Whether the code is the one that the permit was issued for: then the record is its person's, also of a refusal (PL-4, SC-27)."""
    return reason not in UNAUTHENTIC or reason in _BY_OUR_LISTS


class _Stored:
    """What was honoured before, of the inquiries and permits of a list."""

    def __init__(self, rows: Iterable[Record]) -> None:
        self._by_permit = {row["permit_id"]: row for row in rows}
        self._by_inquiry = {(row["inquirer"], row["inquiry_number"]): row for row in self._by_permit.values()}

    def of(self, permit: Permit) -> Record | None:
        """Of this inquirer's inquiry; else of this permit, whosever inquiry that was: a permit is good once (SC-6)."""
        asked = (permit.inquirer, permit.inquiry_number)
        return self._by_inquiry.get(asked) or self._by_permit.get(permit.permit_id)


async def provide(agency: HostedAgency, items: list[ProvisionItem], now: datetime) -> list[dict[str, Any]]:
    """IF_TKY_90003: answer every request of a list, in order. What others write meanwhile is decided anew; after some looks the inquirer sends it again."""
    answers: list[dict[str, Any] | None] = [None] * len(items)
    left = list(range(len(items)))
    with PROVISION_SECONDS.time():
        for _ in range(_MOST_LOOKS):
            looked = await _look(agency, [items[position] for position in left], now)
            for position, found in zip(left, looked, strict=True):
                answers[position] = found
            left = [position for position in left if answers[position] is None]
            if not left:
                break
            await agency.bars.read_again(agency.database, agency.tenant, agency.keys.ring, agency.id)
    return [{"retry": NOT_YET} if found is None else found for found in answers]


async def _look(agency: HostedAgency, items: list[ProvisionItem], now: datetime) -> list[dict[str, Any] | None]:
    """Decide and record once. None where somebody recorded the same permit, or set or lifted a bar, between our reading and our writing."""
    checked = [check(agency, item, now) async for item in with_turns(items)]
    stored, persons = await _read(agency, items, checked, now)
    persons = await _with_records(agency, persons, now)
    answers: list[dict[str, Any] | None] = [None] * len(items)
    commits: list[Commit] = []
    waiting: list[tuple[int, Answer | None]] = []
    async for position, (item, (permit, asked, reason)) in with_turns(enumerate(zip(items, checked, strict=True))):
        digest = exchange_digest(item.permit, item.request, item.public_key, item.signature)
        row = stored.of(permit) if permit else None
        if row is not None and hmac.compare_digest(row["exchange_digest"], digest):
            content = row["sealed"] is not None
            why = agency.bars.keeps_back(row["integrated_number"], row["information"], with_content=content)
            if why is None and row["code_cancelled"]:  # whom it was asked about nobody knows any more
                why = NOT_YET
            answers[position] = {"retry": why} if why else _stored(row)
            continue
        if permit is None:
            commits.append(_no_permit(agency, item, reason or "permit_signature", now))
            waiting.append((position, None))
            continue
        if row is not None:
            again = REPLAYED if row["permit_id"] == permit.permit_id else ANSWERED_BEFORE
            commits.append(_replayed(agency, permit, digest, again, now))
            waiting.append((position, refuse(agency, permit, digest, now, again)))
            continue
        nobody = Person(integrated_number=None, replicas=())
        person = persons.get((item.code, permit.information), nobody) if _names_a_person(reason) else nobody
        barred = agency.bars.look(person.integrated_number, permit.information, *permit.askers)
        if barred is not FREE:
            person = replace(person, barred=barred)
        decided = (
            refuse(agency, permit, digest, now, reason, person.integrated_number, marked=barred.marked)
            if reason
            else answer(agency, permit, digest, item.public_key, person, now)
        )
        commits.append(_commit(agency, item, permit, asked, decided, digest, now))
        waiting.append((position, decided))
    results = await agency.committer.apply_all(commits)
    for (position, made), result in zip(waiting, results, strict=True):
        if isinstance(result, Applied):
            answers[position] = _fresh(made, checked[position][2])
    return answers


async def _read(
    agency: HostedAgency,
    items: list[ProvisionItem],
    checked: list[tuple[Permit | None, Asked | None, str | None]],
    now: datetime,
) -> tuple[_Stored, dict[tuple[bytes, str], Person]]:
    """One transaction for the whole list: what was answered before, whom the codes name, and the replicas."""
    permits = [permit for permit, _, _ in checked if permit]
    numbers = [[one.inquiry_number for one in permits], [one.permit_id for one in permits]]
    wanted = [
        (item.code, permit.information)
        for item, (permit, _, reason) in zip(items, checked, strict=True)
        if permit and _names_a_person(reason)
    ]
    async with agency.database.inside(agency.tenant) as connection:
        stored = _Stored(await connection.fetch(_SQL["provisions_before"], *numbers) if permits else ())
        if not wanted:
            return stored, {}
        known_by = indexes_of_codes(agency, [code for code, _ in wanted])
        named = {
            known_by[row["code_index"]]: row["integrated_number"]
            for row in await connection.fetch(_REPLICA_SQL["persons_by_code"], list(known_by))
            if is_code_of(agency, row["integrated_number"], row["code_sealed"], known_by[row["code_index"]])
        }
        lost = {index: code for index, code in known_by.items() if code not in named}
        former = await former_codes(agency, connection, lost, now) if lost else {}
        named |= {code: one.integrated_number for code, one in former.items() if one.integrated_number is not None}
        rows = await connection.fetch(
            _REPLICA_SQL["replicas_of"],
            sorted(set(named.values())),
            sorted({information for _, information in wanted}),
            agency.today(now),
        )
    replicas: dict[tuple[str, str], list[Record]] = {}
    for row in rows:
        replicas.setdefault((row["integrated_number"], row["information"]), []).append(row)
    persons = {
        (code, information): Person(
            integrated_number=named.get(code),
            replicas=replicas.get((named.get(code, ""), information), ()),
            ended=former[code].refusal if code in former else None,
        )
        for code, information in wanted
    }
    return stored, persons


async def _with_records(
    agency: HostedAgency, persons: dict[tuple[bytes, str], Person], now: datetime
) -> dict[tuple[bytes, str], Person]:
    """The same, with the records of those who ask for their own."""
    for key, person in persons.items():
        number = person.integrated_number
        if key[1] == disclosing.INFORMATION and number is not None and person.ended is None:
            persons[key] = replace(person, disclosed=await disclosing.disclosed(agency, number, now))
    return persons


def _stored(row: Record) -> dict[str, Any]:
    return {"outcome": row["outcome"], "signature": row["signature"], "sealed": row["sealed"]}


def _fresh(made: Answer | None, reason: str | None) -> dict[str, Any]:
    if made is None:
        return {"refused": {"reason": reason or "permit_signature"}}
    return {"outcome": made.outcome, "signature": made.signature, "sealed": made.sealed}


def _no_permit(agency: HostedAgency, item: ProvisionItem, reason: str, now: datetime) -> Commit:
    """What arrived is no permit of the core: nothing in it can be believed, so the record has digests alone."""
    REFUSALS.labels("provider", reason, "none").inc()
    entry = note_event(
        agency,
        now,
        EntryKind.ACCESS_REFUSED,
        reason=reason,
        permit_digest=hexdigest(item.permit.encode()),
        request_digest=hexdigest(item.request),
    )
    return Commit(step=_REFUSED, entries=(entry,))


def _replayed(agency: HostedAgency, permit: Permit, digest: bytes, reason: str, now: datetime) -> Commit:
    """Other bytes under a permit, or another permit for an inquiry, that was honoured already: the first exchange stands, the attempt is an entry."""
    REFUSALS.labels("provider", reason, item_label(agency, permit.basis, permit.item)).inc()
    entry = note_event(
        agency,
        now,
        EntryKind.ACCESS_REFUSED,
        reason=reason,
        permit_id=permit.permit_id,
        inquiry_number=permit.inquiry_number,
        exchange_digest=digest.hex(),
    )
    return Commit(step=_REFUSED, entries=(entry,))


def entry_of(
    agency: HostedAgency, permit: Permit, made: Answer, kind: EntryKind, now: datetime, *, actor: str | None = None
) -> NewEntry:
    """The record of one step of a provision."""
    said = said_of(permit)
    return record(
        agency,
        now,
        kind,
        inquiry_number=permit.inquiry_number,
        permit_id=permit.permit_id,
        inquirer=permit.inquirer,
        provider=agency.id,
        basis=permit.basis,
        item=permit.item,
        information=permit.information,
        items=permit.items,
        list_digest=permit.list_digest,
        integrated_number=made.integrated_number,
        request_digest=permit.request_digest,
        sealed_digest=hexdigest(made.sealed) if made.sealed is not None else None,
        disposition=made.disposition,
        reason=made.reason or (HELD if made.ground else None),  # why it is held would say who is barred
        actor=actor or "auto",
        said=replace(said, non_disclosure=True) if made.marked and not said.non_disclosure else said,
    )


def _commit(
    agency: HostedAgency,
    item: ProvisionItem,
    permit: Permit,
    asked: Asked | None,
    made: Answer,
    digest: bytes,
    now: datetime,
) -> Commit:
    label = item_label(agency, permit.basis, permit.item)
    PROVISIONS.labels(made.disposition, label).inc()
    if made.reason:
        REFUSALS.labels("provider", reason_label(made.reason), label).inc()
    entry = entry_of(agency, permit, made, KINDS[made.disposition], now)
    if asked is None or made.reason in UNAUTHENTIC:
        return Commit(step=_REFUSED, entries=(entry,))
    kept = {
        "permit_id": permit.permit_id, "integrated_number": made.integrated_number, "item": permit.item, "information": permit.information,
        "permit": item.permit, "public_key": item.public_key,
    }  # fmt: skip
    row = (
        permit.permit_id, permit.inquiry_number, permit.inquirer, permit.basis, permit.item, permit.information, "\n".join(permit.items),
        permit.list_digest, made.disposition, digest, item.permit, item.request, item.public_key, made.integrated_number,
        made.ground and grounds.seal(agency.keys.ring, agency.id, kept, made.ground),
        made.outcome, made.signature, made.sealed, now, permit.answer_by, agency.bars.epoch, permit.inquirer_for,
        permit.answer_by if made.marked and made.disposition != HELD else None,
    )  # fmt: skip
    return Commit(step=_RECORDED, guard=Write(_RECORD, row), entries=(entry,))
