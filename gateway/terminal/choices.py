"""What may be asked of whom today: every inquiry that the permission list permits the agency, for a list to choose from (PL-2).

A delegation on file (委任) makes more of them: then the delegator's row counts, and the delegator is named (IS-2, IS-3).
A choice here permits nothing: the three checks of the servers decide (PL-3, PL-4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from gateway.registered_parties import listed_party
from gateway.topology import Agency
from permission_lists.compiled import CompiledList
from permission_lists.decide import Permitted
from permission_lists.model import PermissionList, PermissionRow
from transport.register import Delegation, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One row of the list and one provider.

    `basis`: None for the statute's own rows; `item`: the row's number; `affair`: its wording; `group`: what people read above it;
    `inquirer_for`, `provider_for`: 委任元, None where a party acts for itself.
    """

    provider: str
    group: str
    basis: str | None
    item: str
    affair: str
    information: str
    inquirer_for: str | None = None
    provider_for: str | None = None

    @property
    def key(self) -> str:
        parts = (self.provider, self.basis or "", self.item, self.information)
        delegated = (self.inquirer_for or "", self.provider_for or "")
        return "|".join(parts + (delegated if any(delegated) else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Who asks whom, and for whom each of them acts."""

    provider: Agency
    inquirer_for: Agency | None
    provider_for: Agency | None

    @property
    def group(self) -> str:
        told = [self.provider.name]
        told += [f"{self.provider_for.name} の委任を受けて答える"] if self.provider_for else []
        told += [f"{self.inquirer_for.name} の委任を受けて尋ねる"] if self.inquirer_for else []
        return "　".join(told)


def permitted(
    listed: PermissionList, agencies: Iterable[Agency], delegations: Sequence[Delegation], inquirer: str, on: date
) -> list[Choice]:
    """By provider and delegation, then in the order of the list."""
    known = {agency.id: agency for agency in agencies}
    parties = {agency.id: listed_party(agency) for agency in known.values()}
    compiled = CompiledList(listed, parties, on)
    statute = listed.statutory_basis(on)
    rows = [row for row in listed.rows.values() if row.counts_on(on)]
    bases = {row.id: None if row.basis is statute else row.basis.id for row in rows}

    def allows(pair: _Pair, row: PermissionRow, information: str) -> bool:
        for side, delegator, delegate in (
            (Side.INQUIRER, pair.inquirer_for, inquirer),
            (Side.PROVIDER, pair.provider_for, pair.provider.id),
        ):
            on_file = (delegator and one.covers(side, delegator.id, delegate, information, on) for one in delegations)
            if delegator is not None and not any(on_file):
                return False
        asking = pair.inquirer_for.id if pair.inquirer_for else inquirer
        answering = (pair.provider_for or pair.provider).id
        found = compiled.decide(asking, answering, bases[row.id], row.item, information)
        return asking != answering and isinstance(found, Permitted)

    return [
        Choice(
            provider=pair.provider.id,
            group=pair.group,
            basis=bases[row.id],
            item=row.item,
            affair=row.affair,
            information=information,
            inquirer_for=pair.inquirer_for.id if pair.inquirer_for else None,
            provider_for=pair.provider_for.id if pair.provider_for else None,
        )
        for pair in _pairs(known, delegations, inquirer)
        for row in rows
        for information in _named(row)
        if allows(pair, row, information)
    ]


def _pairs(known: Mapping[str, Agency], delegations: Iterable[Delegation], inquirer: str) -> Iterator[_Pair]:
    def delegators(side: Side, delegate: str) -> list[Agency | None]:
        named = dict.fromkeys(one.delegator for one in delegations if (one.side, one.delegate) == (side, delegate))
        return [None, *(known[one] for one in named if one in known)]

    delegations = list(delegations)
    for provider in known.values():
        if provider.id == inquirer:
            continue
        for asking in delegators(Side.INQUIRER, inquirer):
            for answering in delegators(Side.PROVIDER, provider.id):
                yield _Pair(provider=provider, inquirer_for=asking, provider_for=answering)


def _named(row: PermissionRow) -> list[str]:
    return sorted({information for grant in row.grants for information in grant.information})
