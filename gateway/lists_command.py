"""`sekisho lists`: the versions of the permission list: show, diff, lint, publish (PL-1, PL-2, PL-5).

Exit codes: show 0; diff 0 no difference, 1 differences; lint 0 no mistakes, 1 mistakes; publish 0 published, 3 refused by the
core or the same as a version that counts then anyway, 4 core not reachable; 2 for bad input everywhere, and then nothing was done.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from gateway import list_texts, staff_calls
from gateway.data_folder import DataFolder, write_private
from gateway.exit_codes import BAD_INPUT, EPILOG, FAILED, OK, REFUSED, end
from gateway.list_sources import SourceWrongError, Text, open_library, published, publisher_keys, read_texts
from gateway.setting_up.authority import open_authority
from gateway.setting_up.list_versions import named
from gateway.setting_up.publishing import LISTS_LOCK, authority_held, publish
from gateway.setting_up.succession import with_lists
from gateway.target_file import existing_folder
from gateway.topology import NETWORK
from permission_lists.findings import Finding
from permission_lists.lint import errors
from permission_lists.model import ListBroken
from permission_lists.versions import SignedVersion, VersionRefusal, check, legal_day, make, overtaken_by, unchanged_by
from storage import list_files
from transport.clock import Clock

_PUBLISH_PATH = "/list-versions/publish"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `sekisho lists`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="版の一覧、または版・根拠・行 (versions, or one version, basis or row)")
    show.add_argument("what", nargs="?", metavar="WHAT", help="2 (版), meirei-2024 (根拠), meirei-2024:42 (行)")
    diff = actions.add_parser(
        "diff", help="二つの版・根拠・文書で、許されることの違い (what one permits and the other does not)"
    )
    diff.add_argument("before", metavar="A", help="版の番号、根拠、YAML ファイル (version, basis or file)")
    diff.add_argument("after", metavar="B")
    lint = actions.add_parser("lint", help="重なり・抜け・使われない行・定義のない語を探す (find mistakes)")
    lint.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="YAML ファイル。省くと最新の版 (default: the newest version)",
    )
    publish = actions.add_parser("publish", help="文書から新しい版を作り、署名してコアに渡す (sign a new version)")
    publish.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="加える、または同じ根拠の文書と置き換える文書 (documents)"
    )
    publish.add_argument(
        "--from",
        dest="valid_from",
        required=True,
        metavar="YYYY-MM-DD",
        help="効力発生日。その日の午前 0 時 (日本時間) から",
    )
    staff_calls.add_staff_argument(publish)
    for action in (show, diff, lint, publish):
        action.epilog = EPILOG
        staff_calls.add_data_argument(action, existing_folder)
        action.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")


def run(args: argparse.Namespace) -> int:
    """Do the action of `args`."""
    work = {"show": _show, "diff": _diff, "lint": _lint, "publish": _publish}[args.action]
    try:
        return staff_calls.guarded(lambda: work(args))
    except SourceWrongError as wrong:
        return end(f"入力の誤り / bad input: {wrong}", BAD_INPUT)


def _say(args: argparse.Namespace, document: Any, text: str) -> None:
    sys.stdout.write(f"{json.dumps(document, ensure_ascii=False, indent=2) if args.json else text}\n")


def _show(args: argparse.Namespace) -> int:
    library = open_library(args.data)
    if args.what is None:
        today = legal_day(DataFolder(args.data).present())
        _say(args, list_texts.versions_document(library, today), list_texts.versions_text(library, today))
        return OK
    if ":" in args.what:
        row = library.row(args.what)
        _say(args, list_texts.row_document(row), list_texts.row_text(row))
        return OK
    rows = library.rows(args.what)
    _say(args, [list_texts.row_summary(row) for row in rows], list_texts.rows_text(rows))
    return OK


def _diff(args: argparse.Namespace) -> int:
    found = open_library(args.data).differences(args.before, args.after)
    _say(args, list_texts.differences_document(found), list_texts.differences_text(found))
    return OK if found.none else FAILED


def _lint(args: argparse.Namespace) -> int:
    """Files are judged beside the newest version, whose rows theirs may follow, as `publish` does."""
    library = open_library(args.data)
    if args.files:
        fresh = read_texts(args.files)
        found = list_texts.findings_of(fresh, alone=False)
        if not errors(found):
            own = {text.name for text in fresh}
            beside = list_texts.findings_of(library.replacing(fresh))
            found = [one for one in beside if one.file in own or one in errors(beside)]
    else:
        found = list_texts.findings_of(library.newest_texts())
    _say(args, list_texts.findings_document(found), list_texts.findings_text(found))
    return FAILED if errors(found) else OK


def _publish(args: argparse.Namespace) -> int:
    """Refused whole for any mistake: nothing is signed before the new version as a whole has none. The publisher's key stays meanwhile."""
    valid_from = _day(args.valid_from)
    data = DataFolder(args.data)
    if not data.marker.exists():
        raise staff_calls.UnknownPartyError
    core = staff_calls.party(data, NETWORK, args.staff)
    fresh = read_texts(args.files)
    found = list_texts.findings_of(fresh, alone=False)
    if errors(found):
        return _not_published(args, found)
    with authority_held(data, LISTS_LOCK):
        return _publish_beside(args, core, fresh, valid_from)


def _publish_beside(args: argparse.Namespace, core: staff_calls.Party, fresh: Sequence[Text], valid_from: date) -> int:
    """The newest version with fresh documents in it, as the next one."""
    data = DataFolder(args.data)
    authority, library = open_authority(data.authority, Clock()()), published(data, core)
    publisher = authority.lists
    texts = library.replacing(fresh)
    found = list_texts.findings_of(texts)
    if errors(found):
        return _not_published(args, found)
    latest = library.heads[-1]
    try:
        version = make(
            library.documents(texts),
            number=latest.number + 1,
            valid_from=valid_from,
            supersedes=latest.content_digest,
            signer=publisher,
        )
    except ListBroken as broken:
        raise SourceWrongError(f"この文書からは版を作れません / no version can be made: {broken}") from None
    head = check(version, library.heads, publisher_keys(data))
    if head is None or isinstance(head, VersionRefusal):
        raise SourceWrongError(f"この文書からは版を作れません / no version can be made: {head}")
    same = unchanged_by(library.heads, head.content_digest, valid_from)
    if same is not None:  # a run that died behind the core has not told the register yet
        publish(data, authority, lambda before: with_lists(before or {}, list(map(named, library.heads))))
        return end(list_texts.same_text(same, valid_from), REFUSED)
    answer = staff_calls.ask(core, _PUBLISH_PATH, [_wire(version)])[0]
    if "refused" in answer:
        return end(list_texts.refusal_text(str(answer["refused"]["reason"])), REFUSED)
    write_private(data.lists, list_files.encode([*library.signed, version]))
    given_out = [named(one) for one in (*library.heads, head)]
    publish(data, authority, lambda before: with_lists(before or {}, given_out))
    never = [one for one in library.heads if overtaken_by([*library.heads, head], one) == head]
    document = {**list_texts.head_document(head), "overtakes": [one.number for one in never]}
    _say(args, document, list_texts.published_text(head, never))
    return OK


def _not_published(args: argparse.Namespace, found: Sequence[Finding]) -> int:
    _say(args, list_texts.findings_document(found), list_texts.findings_text(found))
    return end("誤りがあるため、何も発行しませんでした / there are mistakes; nothing was published", BAD_INPUT)


def _wire(version: SignedVersion) -> dict[str, str]:
    return {name: base64.b64encode(getattr(version, name)).decode() for name in ("head", "signature", "content")}


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise SourceWrongError("--from は 2024-05-27 のように年月日で指定してください / --from is a date, YYYY-MM-DD")
    return day
