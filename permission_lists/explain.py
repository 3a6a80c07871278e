"""Why the list answers as it does: column by column of the row asked under, and the rows that would say yes (PL-2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from permission_lists.decide import (
    Level,
    Party,
    Permitted,
    Question,
    Standing,
    basis_on,
    decide,
    details_naming,
    standing,
)
from permission_lists.model import LegalBasis, PermissionList, PermissionRow, Term


class Column(StrEnum):
    """What a question is held against, in the order of the steps of `decide`."""

    BASIS = "basis"
    ASSESSMENT = "assessment"
    PARTIES = "parties"
    ITEM = "item"
    IN_FORCE = "in_force"
    INQUIRER = "inquirer"
    PROVIDER = "provider"
    INFORMATION = "information"
    DETAIL = "detail"


class Verdict(StrEnum):
    """UNSETTLED: other law decides, so it is not permitted. NOT_LOOKED_AT: there is no row, or no register, to look at."""

    FITS = "fits"
    FAILS = "fails"
    UNSETTLED = "unsettled"
    NOT_LOOKED_AT = "not_looked_at"


COLUMNS: Final = {
    Column.BASIS: "根拠",
    Column.ASSESSMENT: "保護評価",
    Column.PARTIES: "当事者",
    Column.ITEM: "項",
    Column.IN_FORCE: "効力",
    Column.INQUIRER: "照会者",
    Column.PROVIDER: "提供者",
    Column.INFORMATION: "情報",
    Column.DETAIL: "細目",
}
"""What a column is called for people."""
MARKS: Final = {Verdict.FITS: "○", Verdict.FAILS: "×", Verdict.UNSETTLED: "△", Verdict.NOT_LOOKED_AT: "－"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """`asked`: what the question says; `wanted`: what the list says there, in its own words."""

    column: Column
    verdict: Verdict
    asked: str
    wanted: tuple[str, ...]
    means: tuple[str, ...] = ()
    """Of a party's column: whom each wording of the list means, by its definition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """`allowing`: rows in force that day which permit this inquirer, provider and information; of the named basis first."""

    columns: tuple[Checked, ...]
    allowing: tuple[PermissionRow, ...]


_OF_STANDING = {
    Standing.INSIDE: Verdict.FITS,
    Standing.OUTSIDE: Verdict.FAILS,
    Standing.UNDETERMINED: Verdict.UNSETTLED,
}


def explain(permission_list: PermissionList, question: Question, *, registered: bool = True) -> Explained:
    """Every column of the question, also those after the one that `decide` stopped at; that of the order's details at their level only.

    `registered`: whether the parties' assessment duty is known, from a register; else nothing is said of it.
    """
    basis = basis_on(permission_list, question.basis, question.on)
    row = None if basis is None else permission_list.rows.get((basis.id, question.item))
    both = question.inquirer.assessed_on(question.on) and question.provider.assessed_on(question.on)
    items = [found.item for found in permission_list.rows.values() if basis is not None and found.basis is basis]
    return Explained(
        columns=(
            _checked(
                Column.BASIS,
                basis is not None,
                f"{question.basis or '(その日の法令)'} {question.on.isoformat()}",
                tuple(_lasting(found.id, found.in_force.first.isoformat(), found.in_force.last) for found in permission_list.bases.values()),
            ),
            Checked(
                column=Column.ASSESSMENT, verdict=_verdict(both) if registered else Verdict.NOT_LOOKED_AT, asked="照会者・提供者",
                wanted=("特定個人情報保護評価（番号法第28条）を終えていること",),
            ),
            _checked(
                Column.PARTIES,
                not question.inquirer.may_be(question.provider),
                f"{question.inquirer.name} → {question.provider.name}",
                ("照会者と提供者が別の機関であること",),
            ),
            Checked(
                column=Column.ITEM, verdict=_found(basis, row), asked=question.item, wanted=(_range(items),) if items else (),
            ),
            *_of_row(row, question),
            *_of_details(row, question),
        ),
        allowing=allowing(permission_list, question),
    )  # fmt: skip


def _checked(column: Column, fits: bool, asked: str, wanted: tuple[str, ...]) -> Checked:  # noqa: FBT001 - the one fact of the column
    return Checked(column=column, verdict=_verdict(fits), asked=asked, wanted=wanted)


def _verdict(fits: bool) -> Verdict:  # noqa: FBT001 - the one fact
    return Verdict.FITS if fits else Verdict.FAILS


def _found(basis: LegalBasis | None, row: PermissionRow | None) -> Verdict:
    if basis is None:
        return Verdict.NOT_LOOKED_AT
    return Verdict.FAILS if row is None else Verdict.FITS


def _lasting(name: str, first: str, last: object) -> str:
    return f"{name} ({first}–{'' if last is None else last})"


def _range(items: list[str]) -> str:
    return f"{items[0]}–{items[-1]} ({len(items)} 項)"


def _of_row(row: PermissionRow | None, question: Question) -> tuple[Checked, ...]:
    """The columns of the row itself; provider and information are looked at together, since a grant names both."""
    asked = {
        Column.IN_FORCE: question.on.isoformat(),
        Column.INQUIRER: question.inquirer.name,
        Column.PROVIDER: question.provider.name,
        Column.INFORMATION: question.information,
    }
    if row is None:
        return tuple(
            Checked(column=column, verdict=Verdict.NOT_LOOKED_AT, asked=text, wanted=())
            for column, text in asked.items()
        )
    naming = [grant for grant in row.grants if question.information in grant.information]
    giving = [grant for grant in row.grants if standing(grant.provider, question.provider) is Standing.INSIDE]
    wanted_providers = [grant.provider for grant in naming or row.grants]
    wanted_information = sorted({name for grant in giving or row.grants for name in grant.information})
    return (
        _checked(
            Column.IN_FORCE, row.in_force.covers(question.on), asked[Column.IN_FORCE],
            (_lasting(row.id, row.in_force.first.isoformat(), row.in_force.last),),
        ),
        Checked(
            column=Column.INQUIRER, verdict=_place([row.inquirer], question.inquirer), asked=asked[Column.INQUIRER],
            wanted=(row.inquirer.text,), means=(meaning(row.inquirer),),
        ),
        Checked(
            column=Column.PROVIDER, verdict=_place(wanted_providers, question.provider), asked=asked[Column.PROVIDER],
            wanted=tuple(dict.fromkeys(term.text for term in wanted_providers)),
            means=tuple(dict.fromkeys(map(meaning, wanted_providers))),
        ),
        _checked(
            Column.INFORMATION, any(question.information in grant.information for grant in giving or row.grants),
            asked[Column.INFORMATION], tuple(wanted_information),
        ),
    )  # fmt: skip


def meaning(term: Term) -> str:
    """Whom a term means: its kinds, the agencies it names, and whether other law adds to them; for people."""
    certain = "、".join([*sorted(term.kinds), *(f"{name} (名指し)" for name in sorted(term.agencies))]) or "(なし)"
    return f"{certain}{'、ほか他の法令で定まる者' if term.unresolved else ''}"


def _place(terms: list[Term], party: Party) -> Verdict:
    """The best place that any of the terms gives the party."""
    places = {_OF_STANDING[standing(term, party)] for term in terms}
    return next((verdict for verdict in (Verdict.FITS, Verdict.UNSETTLED) if verdict in places), Verdict.FAILS)


def _of_details(row: PermissionRow | None, question: Question) -> tuple[Checked, ...]:
    """Whether an affair that the order details under the row, the one asked for if one is, names the information."""
    if question.level is not Level.DETAIL:
        return ()
    asked = question.information if question.affair is None else f"{question.item}-{question.affair}"
    if row is None:
        return (Checked(column=Column.DETAIL, verdict=Verdict.NOT_LOOKED_AT, asked=asked, wanted=()),)
    naming = details_naming(row, replace(question, affair=None))
    wanted = tuple(f"{row.item}-{detail.number}" for detail in naming)
    return (_checked(Column.DETAIL, bool(details_naming(row, question)), asked, wanted),)


def allowing(permission_list: PermissionList, question: Question) -> tuple[PermissionRow, ...]:
    """Rows in force that day that say yes to these parties and this information, at the question's level, whatever item or affair it names."""
    found = [
        row
        for row in permission_list.rows.values()
        if isinstance(
            decide(permission_list, replace(question, basis=row.basis.id, item=row.item, affair=None)),
            Permitted,
        )
    ]
    return tuple(sorted(found, key=lambda row: row.basis.id != question.basis))
