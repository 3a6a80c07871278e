"""The rows of the permission list that a trace's decisions rest on, with their text, and who decided on each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from gateway.pages.templates import Html, Templates, joined
from gateway.tracing.decisions import Decision
from gateway.tracing.proofs import Recorded
from permission_lists.explain import COLUMNS, MARKS, Checked

_NO_ROW: Final = "どの当事者も、リストの行による判定まで進んでいません / nobody came as far as a row of the list"
_LONGEST: Final = 400


def row_sections(page: Templates, decisions: Sequence[Decision], title: Callable[[Recorded], str]) -> Html:
    """One section for each row and list version; rows of equal text under other versions stay apart."""
    by_row: dict[tuple[str, int | None], list[Decision]] = {}
    for one in decisions:
        if one.version is not None:
            by_row.setdefault((one.row.id if one.row else "", one.version.number), []).append(one)
    if not by_row:
        return page.fill("norow", text=_NO_ROW)
    return joined(_section(page, found, title) for found in by_row.values())


def _section(page: Templates, found: Sequence[Decision], title: Callable[[Recorded], str]) -> Html:
    first = found[0]
    return page.fill(
        "row",
        name=first.row.id if first.row else "該当する行がない (no such row)",
        verdicts=joined((_verdict(page, one, title(one.record)) for one in found), " "),
        cells=joined(page.fill("cell", name=name, value=value) for name, value in _cells(first)),
        columns=_columns(page, next((one.columns for one in found if one.columns), ())),
    )


def _verdict(page: Templates, one: Decision, who: str) -> Html:
    if one.confirmed is False:
        return page.fill("chip", tone="bad", text=f"{who}: {'許可' if one.permitted else '不許可'}と記録、再判定は逆")
    if not one.by_the_list:
        return page.fill("chip", tone="open", text=f"{who}: リスト以外の理由で断った")
    return page.fill(
        "chip", tone="good" if one.permitted else "bad", text=f"{who}: {'許可' if one.permitted else '不許可'}"
    )


def _cells(one: Decision) -> list[tuple[str, str]]:
    version = one.version
    cells = (
        [
            (
                "リストの版",
                f"第 {version.number} 版（{version.valid_from.isoformat()} から）　{version.content_digest[:16]}…",
            )
        ]
        if version
        else []
    )
    row = one.row
    if row is None:
        return cells
    last = "" if row.in_force.last is None else f" {row.in_force.last.isoformat()} まで"
    given = [grant for grant in row.grants if one.record.entry["information"] in grant.information] or list(row.grants)
    return [
        ("法的根拠", row.legal_basis),
        ("効力", f"{row.in_force.first.isoformat()} から{last}"),
        ("情報照会者", row.inquirer.text),
        ("事務", row.affair),
        ("情報提供者", one.provider_term or "、".join(dict.fromkeys(grant.provider.text for grant in row.grants))),
        ("特定個人情報", _cut("／".join(dict.fromkeys(grant.text for grant in given)))),
        *cells,
    ]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _columns(page: Templates, columns: Sequence[Checked]) -> Html:
    """Which column of a no fits and which does not."""
    if not columns:
        return Html("")
    lines = (
        page.fill("column", mark=MARKS[one.verdict], name=COLUMNS[one.column], asked=one.asked, wanted=_cut(" | ".join(one.wanted)))
        for one in columns
    )  # fmt: skip
    return page.fill("columns", lines=joined(lines))
