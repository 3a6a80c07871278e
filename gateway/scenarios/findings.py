"""What is wrong with a scenario: file, line, what, and how to mend it; and the reading of one mapping, which notes that."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from codebook.marked_yaml import Marked
from permission_lists.findings import Finding, Weight

_MOST_NAMED: Final = 30
_STEP: Final = re.compile(r"\.(\w+)|\[([0-9]+|\.\.\.)\]")
"""One step of a place as msgspec names it: `$.steps[1]`, `$.people[...]`."""
_ENUM: Final = re.compile(r"Invalid enum value '?(.*?)'?$")
KINDS: Final = {
    "agency": "機関", "role": "役割", "person": "人", "step": "ここより前の手順", "verb": "動作", "key": "キー", "result": "結果の名", "line": "回線",
    "topology": "構成", "insurer": "国民健康保険の保険者", "switch": "不正の切替え", "asking": "照会できる機関", "act": "不正な振る舞い", "bend": "不正な回答",
    "inquiry": "ここより前の照会 (ask)", "form": "ここより前の届出 (bring)", "decision": "ここより前の提案 (propose)", "case": "拒まれる例", "party": "当事者",
    "home": "人を知っている機関", "reason": "理由", "state": "状態", "outcome": "区分", "values": "値の区分", "entry": "記録の種類", "finding": "検証の結果",
    "ring key": "鍵", "hosted agency": "受け持つ機関", "command": "コマンド", "word": "言葉", "flag": "真偽", "count": "数", "somebody": "人か nobody",
    "bad line": "回線と障害", "answer": "答え", "setting": "切替え", "cite": "要件か条文",
    "staff": "職員", "function": "試せる機能", "rule": "規則", "notice kind": "お知らせの種類", "job kind": "ジョブの種類",
    "correction": "ここより前の訂正 (correct)", "grant": "ここより前の権限 (grant)", "notice": "ここより前のお知らせ (notice)",
    "code": "ここより前の符号 (old-code)",
}  # fmt: skip


@dataclass(slots=True)
class Findings:
    file: str
    found: list[Finding] = field(default_factory=list)

    def add(self, line: int, code: str, what: str, mend: str) -> None:
        self.found.append(Finding(file=self.file, line=line, weight=Weight.ERROR, code=code, what=what, mend=mend))

    def unknown(self, line: int, kind: str, name: object, known: Iterable[str]) -> None:
        names = sorted(set(known))
        near = difflib.get_close_matches(str(name), names, 3, 0.5) or names
        more = " …" if len(near) > _MOST_NAMED else ""
        self.add(
            line,
            "name_unknown",
            f"{KINDS.get(kind, kind)}「{shown(name)}」はありません / there is no such {kind}",
            f"次のどれかです / one of: {', '.join(near[:_MOST_NAMED]) or '（なし / none）'}{more}",
        )

    def once(self, line: int, key: str, names: Collection[str]) -> None:
        """Note each name that stands twice in a list."""
        for name, times in Counter(names).items():
            if times > 1:
                self.add(
                    line,
                    "stands_twice",
                    f"{key}: 「{shown(name)}」が二度あります / stands there twice",
                    "一つにしてください / leave one of them",
                )


def converted(marked: Marked, form: Any, line: int, findings: Findings) -> Any:
    """`marked` in this form, or None when that is on the findings."""
    fields = {one.encode_name: one for one in msgspec.structs.fields(form)}
    unknown = [key for key in marked if key not in fields]
    for key in unknown:
        findings.unknown(marked.line_of(key), "key", key, fields)
    if unknown:
        return None
    try:
        return msgspec.convert(marked, form)
    except msgspec.ValidationError as wrong:
        what, _, place = str(wrong).partition(" - at `")
        key, at = _where(marked, fields, place, line)
        word = _ENUM.match(what)
        if word and key in fields:
            findings.unknown(at, "word", word.group(1), _words_of(fields[key].type))
        else:
            findings.add(at, "form", f"{key or 'ここ / here'}: 書き方が違います / {what}", _mend(what, fields))
        return None


def _where(marked: Marked, fields: Mapping[str, Any], place: str, line: int) -> tuple[str | None, int]:
    """The key at which something is wrong, and the line of it, or of the one entry under it."""
    steps = _STEP.findall(place)
    if not steps or steps[0][0] not in marked:
        return None, line
    key = steps[0][0]
    at, found, entry = marked.line_of(key), marked[key], steps[1][1] if len(steps) > 1 else ""
    if entry == "..." and isinstance(found, Marked):
        at = next((found.line_of(name) for name in found if not _fits(found, name, fields[key].type)), at)
    elif entry.isdecimal() and key in marked.entries:
        at = marked.entries[key][int(entry)]
    return key, at


def _fits(found: Marked, name: object, form: Any) -> bool:
    """Whether one entry of a mapping is of the form of all."""
    try:
        msgspec.convert({name: found[name]}, form)
    except msgspec.ValidationError:
        return False
    return True


def _words_of(form: Any) -> Iterator[str]:
    """Every word that a field of this type takes."""
    if get_origin(form) is Literal:
        yield from get_args(form)
    elif isinstance(form, type) and issubclass(form, Enum):
        yield from (str(one.value) for one in form)
    else:
        for part in get_args(form):
            yield from _words_of(part)


def _mend(what: str, fields: Iterable[str]) -> str:
    if what.startswith("Expected `str`, got `"):
        return '文字は引用符で囲んでください / put a text in quotes: "27"'
    if what.startswith("Expected `object`, got `"):
        return "「名前: 値」の形で書いてください。docs/scenarios.md に例があります / write `name: value`; examples in docs/scenarios.md"
    return f"書けるキー / keys: {', '.join(sorted(fields))}。docs/scenarios.md に例があります / examples in docs/scenarios.md"


def shown(text: object) -> str:
    return re.sub(r"\s+", " ", str(text))[:60]
