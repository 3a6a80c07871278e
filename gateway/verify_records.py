"""`sekisho verify --extract FILE`: checks single records with nothing but the register's keys (IS-5, SC-27)."""

from __future__ import annotations

import json as json_text
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from evidence.findings import Finding
from evidence.proven_records import RecordsChecked, verify_records
from evidence.trusted import TrustedKeys
from gateway.exit_codes import BAD_INPUT, end
from gateway.verify_command import CLEAN, FOUND, UNUSABLE, FileLines, sentence, short

_SIGNED = "ログの鍵で署名された時刻です (signed by the log's key)"
_NOT_SIGNED = "この時刻は署名で確かめられません。以前の形式か、書き換えられたファイルです (nothing vouches for it: a file of the format of before, or an altered one)"


def run(path: Path, trusted: Mapping[str, TrustedKeys] | None, number: str | None, *, json: bool) -> int:
    """Check and print. `number`: whose records they are said to be. Returns 0 clean, 1 findings, 2 what cannot be read or has no register."""
    if trusted is None:
        return end(
            "記録は署名済みの登録簿の鍵で確かめます。--data か --register を付けてください / give the signed register: --data or --register",
            BAD_INPUT,
        )
    try:
        checked = verify_records(path.name, FileLines(path), trusted, number=number)
    except OSError:
        return end(f"ファイルを読めません / a file cannot be read: {path}", UNUSABLE)
    except ValueError:
        return end("登録簿の形式が正しくありません / the register is malformed", UNUSABLE)
    if json:
        sys.stdout.write(json_text.dumps(_document(checked), ensure_ascii=False, indent=1) + "\n")
    else:
        _print(checked, number)
    return CLEAN if checked.clean else FOUND


def _document(checked: RecordsChecked) -> dict[str, Any]:
    return {
        "clean": checked.clean,
        "agency": checked.agency,
        "made_at": checked.made_at,
        "made_at_signed": checked.made_at_signed,
        "records": checked.records,
        "views": checked.views,
        "of_this_person": checked.opened,
        "findings": [short(finding) for finding in checked.findings],
    }


def _print(checked: RecordsChecked, number: str | None) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{checked.agency} の記録 (records): ログにあると確かめた {checked.records} 件、うち本人に示す形 (views) {checked.views} 件"
    )
    console.print(f"作成 (made at): {checked.made_at}　{_SIGNED if checked.made_at_signed else _NOT_SIGNED}")
    if number is not None:
        console.print(f"渡された番号の人の記録 (of this person): {checked.opened} 件")
    for finding in checked.findings:
        console.print(_line(finding))
    if checked.clean:
        console.print(Text("✓ すべての記録が、署名されたログのなかにあります (clean)", style="bold green"))
    console.print(
        "注意: ほかに記録がないことまでは、このファイルからは分かりません (a file proves what is in it, not that it is all)"
    )


def _line(finding: Finding) -> Text:
    return Text.assemble(("✗ ", "bold red"), (finding.name.value, "bold"), " ", sentence(finding))
