"""Whether a provider looks at every column of its own list: each inquiry here is refused by one column of a row and by nothing else (PL-2, PL-4, PL-6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from enum import StrEnum
from functools import partial
from typing import Final

from gateway.conformance.answers import BY_LIST, Saw, refused
from gateway.conformance.check import Check
from gateway.conformance.preparing import one_item
from gateway.conformance.trial import Asking, Trial
from gateway.registered_parties import parties_of
from permission_lists.decide import Party, Standing, standing
from permission_lists.model import PermissionRow
from permission_lists.versions import legal_day


class Column(StrEnum):
    """What a provider must look at beside the item of a row; the value is the check's id."""

    INQUIRER = "list_inquirer"
    PROVIDER = "list_provider"
    INFORMATION = "list_information"
    DATES = "list_dates"
    ASSESSMENT = "list_assessment"


def _refused_by(column: Column, trial: Trial) -> Asking | None:
    """An inquiry that a row would permit but for this column. None: the list, or the register, has none for these parties.

    Another kind of information is asked for only where nothing else tells the provider's column: one that others give under the row.
    """
    parties, asked, day = parties_of(trial.register), trial.question, legal_day(trial.now)
    for asking in trial.unassessed if column is Column.ASSESSMENT else (trial.asking,):
        for row in trial.rows:
            given = {name for grant in row.grants for name in grant.information} if column is Column.PROVIDER else set()
            for information in (asked.information, *sorted(given - {asked.information})):
                refusing = _refusing(row, parties[asking.agency], parties[trial.agency], information, day)
                if set(refusing) == {column}:
                    items = asked.items if information == asked.information else one_item(information, day)
                    bent = replace(asked, basis=row.basis.id, item=row.item, information=information, items=items)
                    return replace(asking, question=bent)
    return None


def _refusing(row: PermissionRow, inquirer: Party, provider: Party, information: str, day: date) -> Iterator[Column]:
    """Every column by which a row refuses. Whom only other law could place in it stands outside."""
    if not row.counts_on(day):
        yield Column.DATES
    if not (inquirer.assessed_on(day) and provider.assessed_on(day)):
        yield Column.ASSESSMENT
    if standing(row.inquirer, inquirer) is not Standing.INSIDE:
        yield Column.INQUIRER
    naming = [grant for grant in row.grants if information in grant.information]
    if not naming:
        yield Column.INFORMATION
    if not any(standing(grant.provider, provider) is Standing.INSIDE for grant in naming or row.grants):
        yield Column.PROVIDER


async def _is_refused(column: Column, trial: Trial) -> Saw:
    return await refused(trial, trial.presented(stead=_refused_by(column, trial)), BY_LIST)


def _possible(column: Column, trial: Trial) -> bool:
    return _refused_by(column, trial) is not None


_ROW: Final = "docs/architecture.md, Permit; PL-2, PL-4"
_NO_ROW: Final = (
    "リストに、この欄だけで拒む項がこの両者にない / the list has no row that refuses these two by this column alone"
)


async def _own_assessment(trial: Trial) -> Saw:
    """The inquiry is one that the list would permit if this agency's own assessment duty were met."""
    return await refused(trial, trial.presented(), BY_LIST)


OWN_ASSESSMENT: Final = Check(
    "own_assessment",
    "自機関の評価（28条）が済んでいなければ、何も提供しない / provides nothing while its own assessment duty is not met",
    "docs/architecture.md, Permit; PL-6; 番号法第28条",
    _own_assessment,
    lambda trial: not trial.assessed,
    "この機関は評価を済ませている。`assessed: false` で登録したときに調べる / this agency is assessed: judged when it is registered with `assessed: false`",
)

CHECKS: Final = tuple(
    Check(column.value, title, cites, partial(_is_refused, column), partial(_possible, column), lacking)
    for column, title, cites, lacking in (
        (
            Column.INQUIRER,
            "項の照会者でない機関を拒む / an inquirer that is not in the row",
            _ROW,
            _NO_ROW,
        ),
        (
            Column.PROVIDER,
            "項が別の提供者にだけ許す情報を拒む / information that the row has from other providers alone",
            _ROW,
            _NO_ROW,
        ),
        (
            Column.INFORMATION,
            "項にない情報を拒む / information that is not in the row",
            _ROW,
            _NO_ROW,
        ),
        (
            Column.DATES,
            "今日効力のない根拠の項を拒む / a row of a basis that is not in force today",
            _ROW,
            _NO_ROW,
        ),
        (
            Column.ASSESSMENT,
            "評価（28条）の済んでいない照会者を拒む / an inquirer whose assessment duty is not met",
            "docs/architecture.md, Permit; PL-6",
            "このフォルダーに、評価の義務だけで拒まれる照会者がいない / no inquirer of this folder is refused for its assessment alone",
        ),
    )
)
