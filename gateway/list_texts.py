"""What `sekisho lists` says: each thing once for people and once for programs (stable keys)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from gateway.list_sources import Library, Text
from permission_lists.differences import Differences
from permission_lists.documents import Document, read
from permission_lists.explain import meaning
from permission_lists.findings import Finding, Weight
from permission_lists.lint import errors, lint
from permission_lists.model import PermissionRow
from permission_lists.versions import Head, in_force, overtaken_by
from storage.reference_data import read_party_rules

_WEIGHTS: Final = {Weight.ERROR: "誤り", Weight.WARNING: "注意"}
_COLUMNS: Final = {"inquirer": "照会者", "affair": "事務", "grants": "提供", "in_force": "効力"}
_REFUSALS: Final = {
    "list_date_not_ahead": "--from は、コアの時計で明日以後にしてください。どのサーバーにも行き渡ってから効力を生じます",
    "list_signature": "登録簿にある発行者の鍵による署名ではありません。sekisho migrate をやり直してください",
    "list_key_retired": "更新で退いた鍵による署名です。新しい鍵が authority/ にあるか確かめてください",
    "list_version_forked": "同じ番号の別の版があります",
    "list_version_gap": "コアの最新の版に続いていません",
}


def findings_of(texts: Sequence[Text], *, alone: bool = True) -> list[Finding]:
    """What is wrong with documents: their form first, and if that is right what they say. `alone` False: form only."""
    documents = [read(one.name, one.text) for one in texts]
    wrong = [one for one in documents if isinstance(one, Finding)]
    if wrong or not alone:
        return wrong
    return lint([one for one in documents if isinstance(one, Document)], read_party_rules())


def findings_document(found: Sequence[Finding]) -> dict[str, Any]:
    return {
        "errors": len(errors(found)),
        "warnings": len(found) - len(errors(found)),
        "findings": [
            {"file": one.file, "line": one.line, "weight": one.weight.value, "code": one.code, "what": one.what, "mend": one.mend}
            for one in found
        ],
    }  # fmt: skip


def findings_text(found: Sequence[Finding]) -> str:
    lines = [
        f"{one.file}:{one.line}: {_WEIGHTS[one.weight]} {one.code}: {_short(one.what)}\n    直し方 {_short(one.mend)}"
        for one in found
    ]
    wrong = len(errors(found))
    return "\n".join(
        [*lines, f"誤り {wrong}、注意 {len(found) - wrong} / {wrong} errors, {len(found) - wrong} warnings"]
    )


def head_document(head: Head) -> dict[str, Any]:
    return {
        "number": head.number,
        "valid_from": head.valid_from.isoformat(),
        "content_digest": head.content_digest,
        "supersedes": head.supersedes,
    }


def published_text(head: Head, overtaken: Sequence[Head]) -> str:
    """`overtaken`: versions to come that now never will."""
    never = "".join(
        f"\n  注意    版 {one.number}（{one.valid_from.isoformat()} から）は効力を生じません。この版が代わります / it never comes into force"
        for one in overtaken
    )
    return (
        f"版 {head.number} を発行しました。{head.valid_from.isoformat()} 午前 0 時 (日本時間) から効力を生じます"
        f" / published, valid from midnight JST\n  要約値  {head.content_digest}{never}"
    )


def same_text(same: Head, valid_from: date) -> str:
    return (
        f"版 {same.number}（{same.valid_from.isoformat()} から）と同じ内容です。{valid_from.isoformat()} からの新しい版にしても何も変わらないので、発行しませんでした。"
        f"文書を直すか、内容を見てください: sekisho lists show {same.number}"
        f"\nthe same content as version {same.number}, in force from {same.valid_from.isoformat()}: nothing would change, and nothing was published"
        f"\n  要約値  {same.content_digest}"
    )


def refusal_text(reason: str) -> str:
    japanese = _REFUSALS.get(reason)
    return f"コアが拒みました / refused by the core: {reason}{f'。{japanese}' if japanese else ''}"


def versions_document(library: Library, today: date) -> list[dict[str, Any]]:
    return [
        {
            **head_document(head),
            "state": _state(library, head, today)[1],
            "bases": {basis: sum(row.basis.id == basis for row in library.content(head).rows.values()) for basis in library.content(head).bases},
        }
        for head in library.heads
    ]  # fmt: skip


def versions_text(library: Library, today: date) -> str:
    lines = []
    for head in library.heads:
        content = library.content(head)
        lines.append(
            f"版 {head.number}  {head.valid_from.isoformat()} から  {_state(library, head, today)[0]}  {head.content_digest}"
        )
        for basis in content.bases.values():
            count = sum(row.basis is basis for row in content.rows.values())
            last = "" if basis.in_force.last is None else basis.in_force.last.isoformat()
            lines.append(f"    {basis.id} ({count} 行, {basis.in_force.first.isoformat()}–{last}) {basis.title}")
    return "\n".join(lines)


def _state(library: Library, head: Head, today: date) -> tuple[str, str]:
    current = in_force(library.heads, today)
    if head == current:
        return "効力あり / in force", "in_force"
    instead = overtaken_by(library.heads, head)
    if instead is not None:
        return f"効力を生じない（版 {instead.number} が代わる） / never in force", "overtaken"
    ahead = head.valid_from > today
    return ("これから / ahead", "ahead") if ahead else ("過去 / superseded", "superseded")


def row_summary(row: PermissionRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "legal_basis": row.legal_basis,
        "inquirer": row.inquirer.text,
        "affair": row.affair,
        "grants": [{"provider": grant.provider.text, "information": sorted(grant.information)} for grant in row.grants],
    }


def row_document(row: PermissionRow) -> dict[str, Any]:
    last = row.in_force.last
    return row_summary(row) | {
        "in_force": {"from": row.in_force.first.isoformat(), "to": None if last is None else last.isoformat()},
        "follows": row.follows,
        "old_item": row.old_item,
        "article": row.article,
        "details": [{"number": detail.number, "affair": detail.affair} for detail in row.details or ()],
    }


def rows_text(rows: Sequence[PermissionRow]) -> str:
    lines = [f"{row.id}  {_short(row.inquirer.text, 24)}  {_short(row.affair, 60)}" for row in rows]
    return "\n".join([*lines, f"{len(rows)} 行 / rows"])


def row_text(row: PermissionRow) -> str:
    return "\n".join(
        [
            f"{row.id}  {row.legal_basis}",
            f"  効力    {_days(row)}",
            f"  照会者  {row.inquirer.text}",
            f"          = {meaning(row.inquirer)}",
            f"  事務    {row.affair}",
            *([] if row.follows is None else [f"  準ずる法定事務  {row.follows}（番号法第19条第9号）"]),
            *(f"  提供    {grant.provider.text} → {'、'.join(sorted(grant.information))}" for grant in row.grants),
            *(f"  細目    {row.item}-{detail.number} {detail.affair}" for detail in row.details or ()),
        ]
    )


def differences_document(found: Differences) -> dict[str, Any]:
    rows = (*found.removed, *found.added, *(row for one in found.changed for row in (one.before, one.after)))
    return {
        "same": found.same,
        "not_in_force": sorted({row.id for row in rows} & found.dormant),
        "removed": [row_summary(row) for row in found.removed],
        "added": [row_summary(row) for row in found.added],
        "changed": [
            {
                "before": one.before.id,
                "after": one.after.id,
                "changes": [
                    {"column": change.column, "before": list(change.before), "after": list(change.after)} for change in one.changes
                ],
            }
            for one in found.changed
        ],
    }  # fmt: skip


def differences_text(found: Differences) -> str:
    def named(row: PermissionRow) -> str:
        return row.id if row.id not in found.dormant else f"{row.id} ({_days(row)})"

    lines = [f"- {named(row)}  {_short(row.inquirer.text, 24)}  {_short(row.affair, 60)}" for row in found.removed]
    lines += [f"+ {named(row)}  {_short(row.inquirer.text, 24)}  {_short(row.affair, 60)}" for row in found.added]
    for one in found.changed:
        lines.append(f"~ {named(one.before)}" + ("" if one.before.id == one.after.id else f" → {named(one.after)}"))
        for change in one.changes:
            name = _COLUMNS[change.column]
            lines += [f"    - {name} {_short(text)}" for text in change.before]
            lines += [f"    + {name} {_short(text)}" for text in change.after]
    counts = (len(found.removed), len(found.added), len(found.changed), found.same)
    lines.append(
        "なくなる {} 行、加わる {} 行、変わる {} 行、同じ {} 行 / removed, added, changed, same".format(*counts)
    )
    return "\n".join(lines)


def _days(row: PermissionRow) -> str:
    return f"{row.in_force.first.isoformat()}–{'' if row.in_force.last is None else row.in_force.last.isoformat()}"


def _short(text: str, most: int = 160) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
