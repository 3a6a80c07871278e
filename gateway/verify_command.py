"""`sekisho verify EXPORT…`: reads exports from disk, prints what was checked and what was found."""

from __future__ import annotations

import json as json_text
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evidence.agreement import agree
from evidence.export import LARGEST_LINE
from evidence.findings import Agreement, Finding, FindingName, Report
from evidence.trusted import TrustedKeys
from evidence.verify import Export, verify

CLEAN: Final = 0
FOUND: Final = 1
UNUSABLE: Final = 2

MEANING: Final[Mapping[FindingName, str]] = {
    FindingName.BIT_FLIP: "記録の中身とハッシュが合わない",
    FindingName.DROPPED_ENTRY: "途中の記録が欠けている",
    FindingName.DROPPED_TAIL: "末尾の記録が欠けている",
    FindingName.SWAPPED_ENTRIES: "記録の順序が入れ替わっている",
    FindingName.REPEATED_ENTRY: "同じ番号の記録が二度ある",
    FindingName.ROOT_MISMATCH: "記録から計算した根が署名された根と違う",
    FindingName.FORK: "同じ大きさで異なる根に署名されている(分岐)",
    FindingName.BAD_SIGNATURE: "チェックポイントの署名が正しくない",
    FindingName.UNSIGNED_TAIL: "末尾の記録に署名がない",
    FindingName.TIME_ORDER: "時刻が前後している",
    FindingName.MALFORMED: "形式が正しくない",
    FindingName.FILE_ALTERED: "ファイルが書き出し後に変わっている",
    FindingName.WRONG_KEY: "登録された鍵と違う",
    FindingName.UNKNOWN_LOG: "登録簿にないログ",
    FindingName.ERASED_EARLY: "7 年の保存期間が終わる前に中身が消されている",
    FindingName.ERASED_UNCERTIFIED: "中身が消されているが、消去の記録が渡された書き出しにない",
    FindingName.NOT_INCLUDED: "署名されたログのなかの記録だと確かめられない",
    FindingName.ANOTHER_PERSON: "渡された番号の人の記録ではない",
    FindingName.MISSING_RECORD: "あるべき記録がない",
    FindingName.UNEXPECTED_RECORD: "あってはならない記録がある",
    FindingName.DUPLICATE_RECORD: "同じ段階の記録が二度ある",
    FindingName.DISAGREEMENT: "当事者の記録が一致しない",
}


_NOT_ANCHORED: Final = (
    "注意: 信頼できる鍵が与えられていません。鍵は書き出しファイルの自己申告なので、書き出した者による作り直しは見つけられません (keys not anchored)。"
    "--data か --register で署名済みの登録簿を渡すか、承知のうえなら --self-declared を付けてください"
    " (give the signed register by --data or --register, or say --self-declared)"
)
_FOLLOWED: Final = (
    "注意: 登録簿がないので、鍵の更新は、前の鍵の下にある更新の記録でたどりました（{count} 回）。盗まれた鍵や、終わりを早められた鍵で署名されたものは見分けられません"
    " (without the register, rotated keys were followed by the log's own records: nothing is known of a key that was stolen or ended early)"
)

_FORKS_UNSEEN: Final = (
    "注意: {export} の、他機関が保持するチェックポイントがありません。相手ごとに別のログを見せていても（分岐）見つけられません。相手方の書き出しも渡してください"
    " (no peer's checkpoint of it was given, so a fork cannot be seen: give the peers' exports too)"
)


_BEHIND: Final = (
    "控えの届かない末尾の記録は、書いた機関の署名だけが保証します。そこでの欠落や書き直しは、相手の記録との食い違いとしてしか分かりません"
    " (behind the last checkpoint that others hold, only the log's own signature and the other parties' records speak)"
)


class RegisterUnreadable(Exception):  # noqa: N818 - it says what the file is
    """The register file is not a mapping of logs to verifier keys."""


@dataclass(frozen=True, slots=True)
class FileLines:
    """Lines of a file, read anew at each iteration; a line too long is cut so that memory stays flat."""

    path: Path

    def __iter__(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while line := file.readline(LARGEST_LINE + 1):
                yield line


def run(
    paths: Sequence[Path],
    register: Path | None,
    *,
    json: bool,
    trusted: Mapping[str, TrustedKeys] | None = None,
    self_declared: bool = False,
    listed: bool = False,
) -> int:
    """Verify the exports and print a report to standard output.

    `register`: JSON file `{"logs": {origin: vkey}}`; `trusted`: origin → keys, when the caller has read the signed
    register itself. With neither, an export is checked with the key that it names itself, and whoever wrote it may have
    made that key: this is not clean unless `self_declared` says that it is wanted. `listed`: with the numbers of inquiries that are
    open or alone.
    Returns 0 clean, 1 findings or keys that nobody vouches for, 2 if a file cannot be read or none is an export.
    """
    try:
        known = trusted if register is None else read_register(register)
        exports = [Export(path.name, FileLines(path)) for path in paths]
        report = verify(exports, known)
        agreement = agree(exports)
    except OSError as hindrance:
        sys.stderr.write(f"ファイルを読めません / a file cannot be read: {hindrance.filename}\n")
        return UNUSABLE
    except (RegisterUnreadable, ValueError):
        sys.stderr.write("登録簿の形式の誤りがあります / the register is malformed\n")
        return UNUSABLE
    if json:
        sys.stdout.write(json_text.dumps(as_json(report, agreement), ensure_ascii=False, indent=1) + "\n")
    else:
        _print(report, agreement, self_declared=self_declared, listed=listed)
    if not report.logs:
        return UNUSABLE
    return CLEAN if report.clean and agreement.clean and (report.anchored or self_declared) else FOUND


def read_register(path: Path) -> dict[str, str]:
    """Origin → vkey of `{"logs": {…}}`. Raises RegisterUnreadable, OSError."""
    try:
        logs = json_text.loads(path.read_bytes())["logs"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RegisterUnreadable from None
    if not isinstance(logs, dict) or not all(isinstance(vkey, str) for vkey in logs.values()):
        raise RegisterUnreadable
    return logs


def as_json(report: Report, agreement: Agreement) -> dict[str, Any]:
    """The report for scripts; names and fields as in evidence.findings."""
    return {
        "clean": report.clean and agreement.clean,
        "anchored": report.anchored,
        "findings": [short(finding) for finding in (*report.findings, *agreement.findings)],
        "findings_left_off": report.findings_left_off + agreement.findings_left_off,
        "logs": [asdict(log) for log in report.logs],
        "peer_checkpoints": {"checked": report.peers_checked, "unchecked": report.peers_unchecked},
        "forks_unseen": forks_unseen(report),
        "inquiries": {
            "seen": agreement.inquiries,
            "agree": agreement.compared,
            "alone": agreement.alone,
            "open": agreement.open,
            "unreceived": agreement.unreceived,
            "alone_numbers": list(agreement.alone_numbers),
            "open_numbers": list(agreement.open_numbers),
        },
    }


def short(finding: Finding) -> dict[str, Any]:
    """A finding for scripts: what it says and nothing else."""
    return {key: value for key, value in asdict(finding).items() if value is not None}


def forks_unseen(report: Report) -> list[str]:
    """The logs of which nobody else's checkpoint was given: that they were told otherwise to others cannot be seen."""
    return [log.export for log in report.logs if not log.peer_checkpoints]


def _grouped(findings: Sequence[Finding]) -> Iterator[tuple[FindingName, list[Finding]]]:
    """By name, the plainest first: entries that stand in another's place make hashes and roots wrong too."""
    names = [FindingName.SWAPPED_ENTRIES, *(name for name in FindingName if name is not FindingName.SWAPPED_ENTRIES)]
    for name in names:
        if found := [finding for finding in findings if finding.name is name]:
            yield name, found


def _print_findings(console: Console, findings: Sequence[Finding]) -> None:
    for name, found in _grouped(findings):
        if len(found) > 1:
            console.print(Text.assemble((f"{name.value}: {len(found)} 件", "bold red")))
        for finding in found:
            console.print(Text.assemble(("✗ ", "bold red"), (name.value, "bold"), " ", sentence(finding)))


def _print_numbers(console: Console, heading: str, numbers: Sequence[str], count: int) -> None:
    if not numbers:
        return
    console.print(heading)
    for number in numbers:
        console.print(Text(f"  {number}"))
    if count > len(numbers):
        console.print(f"  ほか {count - len(numbers)} 件 (more)")


def _print(report: Report, agreement: Agreement, *, self_declared: bool, listed: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(_logs(report))
    if any(0 < log.vouched < log.entries for log in report.logs):
        console.print(_BEHIND, style="dim")
    console.print(
        f"他機関が保持するチェックポイント (peer checkpoints): 検証 {report.peers_checked}"
        f"、鍵がなく未検証 {report.peers_unchecked}"
    )
    console.print(
        f"照会番号 (inquiries): {agreement.inquiries} 件、三者で一致 {agreement.compared}"
        f"、単独の記録 {agreement.alone}、未了 {agreement.open}、照会者が受け取らなかった提供 {agreement.unreceived}"
    )
    if listed:
        _print_numbers(console, "未了の照会 (open):", agreement.open_numbers, agreement.open)
        _print_numbers(console, "一者だけに記録のある照会 (alone):", agreement.alone_numbers, agreement.alone)
    _print_findings(console, (*report.findings, *agreement.findings))
    left_off = report.findings_left_off + agreement.findings_left_off
    if left_off:
        console.print(f"ほかに {left_off} 件 (left off)")
    if any(finding.name is FindingName.ERASED_UNCERTIFIED for finding in report.findings):
        console.print(
            "注意: 消去した機関の、8 年後の年度の書き出しも渡してください (give that party's export of the eighth year too)",
            style="yellow",
        )
    if any(finding.name is FindingName.MISSING_RECORD for finding in agreement.findings):
        console.print(
            "注意: 年度をまたぐ照会は、前の年度の書き出しも渡してください (an inquiry across fiscal years needs both exports)",
            style="yellow",
        )
    if report.clean and agreement.clean and (report.anchored or self_declared):
        console.print(Text("✓ 改ざん・欠落・不一致は見つかりませんでした (clean)", style="bold green"))
    for export in forks_unseen(report):
        console.print(Text(_FORKS_UNSEEN.format(export=export), style="yellow"))
    if not report.anchored:
        console.print(_NOT_ANCHORED, style="yellow")
    if followed := sum(log.rotations for log in report.logs):
        console.print(_FOLLOWED.format(count=followed), style="yellow")


def _logs(report: Report) -> Table:
    table = Table(title="検証したログ (logs)", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("ファイル", no_wrap=True)
    for heading in ("記録数", "中身を消去", "署名", "根の再計算", "他機関の控え", "控えの届く記録数"):
        table.add_column(heading, justify="right", overflow="fold")
    table.add_column("鍵", no_wrap=True)
    for log in report.logs:
        numbers = (log.entries, log.erased, log.checkpoints, log.roots, log.peer_checkpoints, log.vouched)
        anchored = "登録簿" if log.anchored and not log.rotations else "渡された鍵" if log.anchored else "自己申告"
        anchored += f"、更新 {log.rotations} 回" if log.rotations else ""
        table.add_row(Text(f"{log.export}\n{log.agency} {log.party}"), *(f"{number:,}" for number in numbers), anchored)
    return table


def sentence(finding: Finding) -> str:
    """A finding for people."""
    parts = [f"{MEANING[finding.name]} [{finding.export}]"]
    if finding.entry is not None:
        until = "" if finding.until is None else f"〜{finding.until - 1}"
        parts.append(f"記録 {finding.entry}{until}")
    for label, value in (
        ("行", finding.line),
        ("大きさ", finding.size),
        ("控えの保持者", finding.held_by),
        ("照会番号", finding.inquiry_number),
        ("当事者", finding.party),
        ("項目", finding.field),
    ):
        if value is not None:
            parts.append(f"{label} {value}")
    return "、".join(parts) + f" ({finding.detail})"
