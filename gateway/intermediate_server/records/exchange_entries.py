"""情報提供等記録 (exchange records, IS-5): what one step of an exchange leaves in the evidence log (番号法23条; SC-6, SC-7).

The entry names parties, row, items, permit and digests. The person is a salted commitment (`subjects`); what the record is found by goes
into a row beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evidence.entry import EntryKind, encode_entry, exchange_entry, other_entry
from gateway.intermediate_server.agency import HostedAgency
from gateway.intermediate_server.network.wire import Asked
from gateway.intermediate_server.outcomes import outcome_of
from gateway.intermediate_server.records import subjects
from permission_lists.permit import Permit
from storage.committer import NewEntry
from storage.found_by import FoundBy

ENTRY_PREFIX = "E"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an exchange says beyond what every one must: 不開示 as far as it is known (番号法23条2項), period, delegations."""

    non_disclosure: bool = False
    period: str | None = None
    inquirer_for: str | None = None
    provider_for: str | None = None


NOTHING = Said()


def said_of(source: Asked | Permit) -> Said:
    """What a request or a permit says."""
    if not (source.non_disclosure or source.period or source.inquirer_for or source.provider_for):
        return NOTHING
    return Said(
        non_disclosure=source.non_disclosure,
        period=source.period,
        inquirer_for=source.inquirer_for,
        provider_for=source.provider_for,
    )


def record(
    agency: HostedAgency,
    now: datetime,
    kind: EntryKind,
    *,
    inquiry_number: str,
    inquirer: str,
    provider: str,
    basis: str | None,
    item: str,
    information: str,
    items: Sequence[str],
    list_digest: str,
    integrated_number: str | None = None,
    permit_id: str | None = None,
    request_digest: str | None = None,
    sealed_digest: str | None = None,
    disposition: str | None = None,
    reason: str | None = None,
    actor: str | None = None,
    said: Said = NOTHING,
    what_for: str | None = None,
) -> NewEntry:
    """Build one exchange record. `integrated_number` is None only where the person could not be told; `what_for`: the inquirer's purpose.

    `said`: with 不開示 in it this is not to be shown to the person (番号法23条2項).
    """
    entry_id = agency.new_id(ENTRY_PREFIX, now)
    about = None if integrated_number is None else subjects.seal(agency, entry_id, now, integrated_number, what_for)
    body = encode_entry(
        exchange_entry(
            id=entry_id,
            at=now,
            kind=kind,
            inquiry_number=inquiry_number,
            permit_id=permit_id,
            inquirer=inquirer,
            provider=provider,
            basis=basis,
            item=item,
            information=information,
            items=items,
            list_digest=list_digest,
            request_digest=request_digest,
            sealed_digest=sealed_digest,
            disposition=disposition,
            reason=reason,
            actor=actor,
            subject=about and about.commitment,
            non_disclosure=said.non_disclosure,
            period=said.period,
            inquirer_for=said.inquirer_for,
            provider_for=said.provider_for,
            purpose=about and about.purpose,
        )
    )
    found_by = FoundBy(
        partner=provider if inquirer == agency.id else inquirer,
        item=item,
        information=information,
        actor=actor,
        subject=about and about.keyed,
        inquirer_for=said.inquirer_for,
        provider_for=said.provider_for,
        outcome=outcome_of(kind, reason),
    )
    return NewEntry(
        entry_id=entry_id,
        at=now,
        kind=kind.value,
        inquiry_number=inquiry_number,
        body=body,
        personal=about and about.personal,
        found_by=found_by,
    )


def parties(agency: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Under which agencies what a record says is found: the other one, and 委任元 of either side. A correction of one: under the right one."""
    found = {
        "partner": said["provider"] if said["inquirer"] == agency else said["inquirer"],
        "inquirer_for": said.get("inquirer_for"),
        "provider_for": said.get("provider_for"),
    }
    match said.get("corrects") and said["field"]:
        case "inquirer" | "provider":
            found["partner"] = said["value"]
        case "inquirer_for" | "provider_for" as stead:
            found[stead] = said["value"] or None
    return found


def note_exchange(
    agency: HostedAgency,
    now: datetime,
    kind: EntryKind,
    of: Mapping[str, Any],
    integrated_number: str | None,
    facts: Mapping[str, Any],
    *,
    actor: str,
    reason: str | None = None,
    what_for: str | None = None,
) -> NewEntry:
    """An entry that is no step of an exchange but about one: `of` says its `inquirer`, `provider`, `item`, `information` and `inquiry_number`,
    and 委任元 (`inquirer_for`, `provider_for`) where there is one.

    It is found like the exchange's own records (`parties`). `what_for`: its own purpose, committed to and sealed as an inquiry's is.
    """
    entry_id = agency.new_id(ENTRY_PREFIX, now)
    about = None if integrated_number is None else subjects.seal(agency, entry_id, now, integrated_number, what_for)
    said = {name: of[name] for name in ("inquirer", "provider", "item", "information", "inquiry_number")}
    said |= {name: of[name] for name in ("inquirer_for", "provider_for") if of.get(name) is not None}
    said |= {**facts, "subject": about and about.commitment}
    if about is not None and about.purpose is not None:
        said["purpose"] = about.purpose
    return NewEntry(
        entry_id=entry_id,
        at=now,
        kind=kind.value,
        inquiry_number=of["inquiry_number"],
        body=encode_entry(other_entry(id=entry_id, at=now, kind=kind, reason=reason, actor=actor, facts=said)),
        personal=about and about.personal,
        found_by=FoundBy(
            item=of["item"],
            information=of["information"],
            actor=actor,
            subject=about and about.keyed,
            **parties(agency.id, said),
        ),
    )


def note_event(
    agency: HostedAgency,
    now: datetime,
    kind: EntryKind,
    *,
    reason: str | None = None,
    actor: str | None = None,
    **facts: str | int,
) -> NewEntry:
    """An entry that is no step of an exchange: counts, digests and ids, nobody's number."""
    return note_about(agency, now, kind, None, facts, reason=reason, actor=actor)


def note_about(
    agency: HostedAgency,
    now: datetime,
    kind: EntryKind,
    integrated_number: str | None,
    facts: Mapping[str, str | int],
    *,
    reason: str | None = None,
    actor: str | None = None,
) -> NewEntry:
    """The same about somebody: the fact `subject` is their commitment, and the number lies sealed beside the entry."""
    entry_id = agency.new_id(ENTRY_PREFIX, now)
    about = None if integrated_number is None else subjects.seal(agency, entry_id, now, integrated_number)
    said = dict(facts) if about is None else {**facts, "subject": about.commitment}
    body = encode_entry(other_entry(id=entry_id, at=now, kind=kind, reason=reason, actor=actor, facts=said))
    return NewEntry(
        entry_id=entry_id,
        at=now,
        kind=kind.value,
        inquiry_number=None,
        body=body,
        personal=about and about.personal,
    )
