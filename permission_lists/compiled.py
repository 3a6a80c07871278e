"""The list made ready for one day and a known set of agencies: a decision is a few dictionary look-ups (PL-3, PL-4).

Agencies of the same kinds share their answers, so the tables grow with kinds and rows, not with pairs of agencies.
Every answer is made by the functions of `permission_lists.decide`; table level only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from permission_lists.decide import (
    Party,
    Permitted,
    Question,
    Reason,
    Refused,
    Standing,
    decide,
    grant_for,
    permitted,
    refused,
    standing,
    text_notes,
)
from permission_lists.model import PermissionList, PermissionRow

_NAMED_NOWHERE = ""


@dataclass(frozen=True, slots=True)
class _Agency:
    party: Party
    group: int
    assessed: bool


@dataclass(frozen=True, slots=True)
class _Row:
    """The answers of one row, by group of agencies; `unnamed` is for information that no grant of the row names."""

    inquirers: tuple[Standing, ...]
    answers: Mapping[tuple[int, str], Permitted | Refused]
    unnamed: tuple[Refused, ...]
    not_inquirer: Refused
    undetermined: Refused


class CompiledList:
    """A list for the agencies of `parties` (agency id → Party) on the legal date `on`, built anew each day."""

    def __init__(self, permission_list: PermissionList, parties: Mapping[str, Party], on: date) -> None:
        self.digest = permission_list.digest
        self.on = on
        self._list = permission_list
        kinds, names = _mentioned(permission_list)
        groups: dict[tuple[str, frozenset[str]], int] = {}
        self._agencies: dict[str, _Agency] = {}
        for agency_id, party in parties.items():
            telling = (party.name if party.name in names else _NAMED_NOWHERE, party.kinds & kinds)
            self._agencies[agency_id] = _Agency(party, groups.setdefault(telling, len(groups)), party.assessed_on(on))
        examples = [Party(name=name, kinds=of) for name, of in groups]
        self._rows: dict[tuple[str | None, str], _Row] = {}
        statutory = permission_list.statutory_basis(on)
        for (basis_id, item), row in permission_list.rows.items():
            if row.counts_on(on):
                self._rows[basis_id, item] = compiled = _compile(row, examples, on)
                if row.basis is statutory:
                    self._rows[None, item] = compiled

    def decide(
        self, inquirer_id: str, provider_id: str, basis: str | None, item: str, information: str
    ) -> Permitted | Refused:
        """The same answer as `decide` for these agencies on this day; an unknown agency is of no kind."""
        inquirer = self._agencies.get(inquirer_id)
        provider = self._agencies.get(provider_id)
        row = self._rows.get((basis, item))
        if (
            inquirer is None
            or provider is None
            or row is None
            or not (inquirer.assessed and provider.assessed)
            or inquirer.party.name == provider.party.name
        ):
            return self._decide_slowly(inquirer_id, provider_id, basis, item, information)
        place = row.inquirers[inquirer.group]
        if place is Standing.OUTSIDE:
            return row.not_inquirer
        answer = row.answers.get((provider.group, information)) or row.unnamed[provider.group]
        if place is Standing.UNDETERMINED and isinstance(answer, Permitted):
            return row.undetermined
        return answer

    def _decide_slowly(
        self, inquirer_id: str, provider_id: str, basis: str | None, item: str, information: str
    ) -> Permitted | Refused:
        """What the tables do not hold: strangers, standing under 28条, an agency asking itself, unlisted items."""
        inquirer = self._agencies.get(inquirer_id)
        provider = self._agencies.get(provider_id)
        return decide(
            self._list,
            Question(
                on=self.on,
                inquirer=Party(name=inquirer_id, kinds=frozenset()) if inquirer is None else inquirer.party,
                provider=Party(name=provider_id, kinds=frozenset()) if provider is None else provider.party,
                basis=basis,
                item=item,
                information=information,
            ),
        )


def _mentioned(permission_list: PermissionList) -> tuple[frozenset[str], frozenset[str]]:
    """Every kind, and every agency's name, by which a term of the list can pick out an agency."""
    terms = {row.inquirer for row in permission_list.rows.values()}
    terms |= {grant.provider for row in permission_list.rows.values() for grant in row.grants}
    kinds = frozenset().union(*(term.kinds | term.possible for term in terms))
    return kinds, frozenset().union(*(term.agencies for term in terms))


def _compile(row: PermissionRow, examples: list[Party], on: date) -> _Row:
    """Ask the row's questions once for an example of each group."""
    named = frozenset().union(*(grant.information for grant in row.grants))
    notes = text_notes(row.basis, on)
    unnamed = [grant_for(row, example, _NAMED_NOWHERE) for example in examples]
    return _Row(
        inquirers=tuple(standing(row.inquirer, example) for example in examples),
        answers={
            (group, information): _provider_answer(row, example, information, on)
            for group, example in enumerate(examples)
            for information in named
        },
        unnamed=tuple(refused(reason, row, notes) for reason in unnamed if isinstance(reason, Reason)),
        not_inquirer=refused(Reason.INQUIRER_NOT_IN_ROW, row, notes),
        undetermined=refused(Reason.TERM_UNDETERMINED, row, notes),
    )


def _provider_answer(row: PermissionRow, provider: Party, information: str, on: date) -> Permitted | Refused:
    grant = grant_for(row, provider, information)
    if isinstance(grant, Reason):
        return refused(grant, row, text_notes(row.basis, on))
    return permitted(row, grant, on)
