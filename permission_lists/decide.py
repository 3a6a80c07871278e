"""May this agency ask that one for this information under this item, on this day? (PL-3, PL-4, PL-5, PL-6)

Pure: the list and the question are values, the answer is a value. Anything not plainly permitted is refused with a
stable reason; a party that the law's wording does not settle is refused too, never matched by accident.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from permission_lists.model import DetailedAffair, Grant, LegalBasis, Period, PermissionList, PermissionRow, Term


class Reason(StrEnum):
    """Why an inquiry is refused by the list; stable codes, part of the wire and of the log."""

    BASIS_NOT_IN_FORCE = "basis_not_in_force"
    PIA_DUTY_NOT_MET = "pia_duty_not_met"
    INQUIRES_OF_ITSELF = "inquires_of_itself"
    AFFAIR_NOT_LISTED = "affair_not_listed"
    NOT_IN_FORCE = "not_in_force"
    INQUIRER_NOT_IN_ROW = "inquirer_not_in_row"
    PROVIDER_NOT_IN_ROW = "provider_not_in_row"
    INFORMATION_NOT_IN_ROW = "information_not_in_row"
    TERM_UNDETERMINED = "term_undetermined"
    NO_DETAIL = "no_detail"


EXPLANATIONS: dict[Reason, str] = {
    Reason.BASIS_NOT_IN_FORCE: "その日に効力を有する根拠がリストにありません。照会日と根拠を確かめてください。",
    Reason.PIA_DUTY_NOT_MET: "特定個人情報保護評価（番号法第28条）の義務を果たすまで、照会も提供もできません。",
    Reason.INQUIRES_OF_ITSELF: "自分自身に情報照会をすることはできません。庁内の手続によってください。",
    Reason.AFFAIR_NOT_LISTED: "その日に効力を有する根拠に、この項はありません。項番号と照会日を確かめてください。",
    Reason.NOT_IN_FORCE: "この項は、照会日には効力を有しません。",
    Reason.INQUIRER_NOT_IN_ROW: "照会者が、この項の情報照会者に当たりません。",
    Reason.PROVIDER_NOT_IN_ROW: "提供者が、この項の情報提供者に当たりません。",
    Reason.INFORMATION_NOT_IN_ROW: "この項では、この提供者からこの情報の提供を受けられません。",
    Reason.TERM_UNDETERMINED: "この項の当事者に当たるかどうかが他の法令により、定まらないため許可しません。",
    Reason.NO_DETAIL: "この項の主務省令で定める事務に、この情報を定めるものがありません（または収録していません）。",
}


class Level(StrEnum):
    """TABLE: the row of the table. DETAIL: also the affairs that the order details under the row."""

    TABLE = "table"
    DETAIL = "detail"


class Standing(StrEnum):
    """Whether a party falls under a term."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    UNDETERMINED = "undetermined"


_ALWAYS: Final = (Period(first=date.min, last=None),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An agency as the list sees it: its name, the legal kinds it is, and on which days its assessment duty is met (28条).

    `means`: each agency that the name can mean, by its whole name (世田谷区長: 東京都世田谷区長); empty where the name says it all.
    """

    name: str
    kinds: frozenset[str]
    assessed: tuple[Period, ...] = _ALWAYS
    means: frozenset[str] = frozenset()

    def assessed_on(self, day: date) -> bool:
        return any(period.covers(day) for period in self.assessed)

    def may_be(self, other: Party) -> bool:
        """Whether two names may be of one agency: by one name or another, nobody inquires of itself."""
        return self.name == other.name or not self.means.isdisjoint(other.means)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`basis` None: the statute or order in force that day. `affair`: a detailed affair's number, for Level.DETAIL."""

    on: date
    inquirer: Party
    provider: Party
    item: str
    information: str
    basis: str | None = None
    level: Level = Level.TABLE
    affair: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """The row and grant that permit; `details`: the affairs that name the information (Level.DETAIL only)."""

    row: PermissionRow
    grant: Grant
    legal_basis: str
    notes: tuple[str, ...]
    details: tuple[DetailedAffair, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """`row` is the row that was looked at, where one was found; `notes` as in Permitted, where a text was used."""

    reason: Reason
    explanation: str
    row: PermissionRow | None = None
    notes: tuple[str, ...] = ()


def decide(permission_list: PermissionList, question: Question) -> Permitted | Refused:  # noqa: PLR0911 - one return for each numbered step
    """Check a question against the list.

    1. The basis is known and in force on the day (番号法第19条第8号・第9号; PL-5).
    2. Both parties' assessment duty is met on the day (番号法第21条第2項・第28条; PL-6).
    3. The inquirer is not the provider (PL-6).
    4. The item stands in that basis (PL-1).
    5. The row is in force on the day (PL-2).
    6. The inquirer is an inquirer of the row (PL-2, 情報照会者).
    7. A grant of the row has this provider (PL-2, 情報提供者).
    8. A grant to this provider names the information (PL-2, 特定個人情報).
    9. No party's place in the row hangs on other law (terms flagged unresolved).
    10. At detail level, an affair of the order names the information (主務省令で定める事務・情報).
    """
    # 1
    basis = basis_on(permission_list, question.basis, question.on)
    if basis is None:
        return refused(Reason.BASIS_NOT_IN_FORCE)
    notes = text_notes(basis, question.on)
    # 2
    if not (question.inquirer.assessed_on(question.on) and question.provider.assessed_on(question.on)):
        return refused(Reason.PIA_DUTY_NOT_MET, notes=notes)
    # 3
    if question.inquirer.may_be(question.provider):
        return refused(Reason.INQUIRES_OF_ITSELF, notes=notes)
    # 4
    row = permission_list.rows.get((basis.id, question.item))
    if row is None:
        return refused(Reason.AFFAIR_NOT_LISTED, notes=notes)
    # 5
    if not row.in_force.covers(question.on):
        return refused(Reason.NOT_IN_FORCE, row, notes)
    # 6
    inquirer = standing(row.inquirer, question.inquirer)
    if inquirer is Standing.OUTSIDE:
        return refused(Reason.INQUIRER_NOT_IN_ROW, row, notes)
    # 7, 8, 9: the provider's side
    grant = grant_for(row, question.provider, question.information)
    if isinstance(grant, Reason):
        return refused(grant, row, notes)
    # 9: the inquirer's side
    if inquirer is Standing.UNDETERMINED:
        return refused(Reason.TERM_UNDETERMINED, row, notes)
    # 10
    details = details_naming(row, question)
    if question.level is Level.DETAIL and not details:
        return refused(Reason.NO_DETAIL, row, notes)
    return permitted(row, grant, question.on, details)


def basis_on(permission_list: PermissionList, named: str | None, on: date) -> LegalBasis | None:
    """The named basis if it is in force on that day; without a name, the statute or order of that day."""
    if named is None:
        return permission_list.statutory_basis(on)
    basis = permission_list.bases.get(named)
    return basis if basis is not None and basis.in_force.covers(on) else None


def standing(term: Term, party: Party) -> Standing:
    """Whether the party falls under the term: by a kind it is, or named by the term.

    The term's definition alone says whom it means, never its wording (docs/adr/0085); a name alone never makes an agency of
    a kind: kinds stand in the register.
    """
    if party.kinds & term.kinds or party.name in term.agencies:
        return Standing.INSIDE
    if term.unresolved and (not term.possible or party.kinds & term.possible):
        return Standing.UNDETERMINED
    return Standing.OUTSIDE


def grant_for(row: PermissionRow, provider: Party, information: str) -> Grant | Reason:
    """The grant under which this provider gives this information, or why there is none (steps 7, 8, 9)."""
    standings = [(grant, standing(grant.provider, provider)) for grant in row.grants]
    naming = [(grant, place) for grant, place in standings if information in grant.information]
    certain = next((grant for grant, place in naming if place is Standing.INSIDE), None)
    if certain is not None:
        return certain
    if any(place is Standing.UNDETERMINED for _, place in naming):
        return Reason.TERM_UNDETERMINED
    if any(place is Standing.INSIDE for _, place in standings):
        return Reason.INFORMATION_NOT_IN_ROW
    return Reason.PROVIDER_NOT_IN_ROW


def text_notes(basis: LegalBasis, on: date) -> tuple[str, ...]:
    """Which text was used, where it is not known to be that of the day."""
    return () if basis.text_known.covers(on) else (basis.text_note,)


def refused(reason: Reason, row: PermissionRow | None = None, notes: tuple[str, ...] = ()) -> Refused:
    return Refused(reason=reason, explanation=EXPLANATIONS[reason], row=row, notes=notes)


def permitted(row: PermissionRow, grant: Grant, on: date, details: tuple[DetailedAffair, ...] = ()) -> Permitted:
    """The yes, with what a reader must know: which text was used, and whether any order details the row."""
    notes = [*text_notes(row.basis, on)]
    if row.details is not None and not row.details:
        notes.append("この項を定める主務省令の規定は見当たらない（表の上でのみ許可）。")
    if details:
        notes.append(f"事務の細目は{row.basis.details_source}により、どの情報に当たるかは読み替えて判定した。")
    return Permitted(row=row, grant=grant, legal_basis=row.legal_basis, notes=tuple(notes), details=details)


def details_naming(row: PermissionRow, question: Question) -> tuple[DetailedAffair, ...]:
    """The detailed affairs that name the information, by class or by wording; only the one asked for, if one is."""
    if question.level is not Level.DETAIL:
        return ()
    return tuple(
        detail
        for detail in row.details or ()
        if question.affair in (None, detail.number)
        and any(
            question.information == line.text or question.information in line.classes for line in detail.information
        )
    )
