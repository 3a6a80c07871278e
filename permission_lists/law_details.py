"""The detail articles of the orders: which affairs a row of the table really covers, and the information of each.

Old order (平成26年内閣府・総務省令第7号): numbered lines (一), affair and information run together, sub-lines (イ).
2024 order: the numbers are lost in the source, so an affair is a line that ends in 事務 and is counted from 1.
The articles use other words than the table, so each line's information classes are our reading of it, by CLASS_WORDS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from permission_lists.law_text import without_notes

_PENSION: Final = r"年金である給付|年金給付関係情報|障害基礎年金"
_SUPPORT: Final = r"中国残留邦人等支援給付|中国残留邦人等の円滑な帰国.*支援給付"
# Information class of the table → the words of an article by which a line is read as belonging to it.
CLASS_WORDS: Final[Mapping[str, str]] = {
    "医療保険給付関係情報": (
        r"医療保険各法|医療保険被保険者等|医療保険加入者|保険の被保険者|医療の被保険者|被扶養者の異動"
        r"|(?:健康保険法|船員保険法|共済法|共済組合法|医療の確保に関する法律)"
        r"(?:、[^、]*|又は[^、]*|若しくは[^、]*)*?による(?!年金)(?:保険給付|出産|家族出産|埋葬|家族埋葬|葬祭|医療)"
    ),
    "地方税関係情報": r"市町村民税|道府県民税|道府県税|固定資産税|軽自動車税|自動車税|地方税|課税|税額",
    "住民票関係情報": r"住民票",
    "介護保険給付等関係情報": r"介護保険法|介護保険給付",
    "年金給付関係情報": _PENSION,
    "特別障害給付金関係情報": r"特別障害給付金",
    "年金生活者支援給付金関係情報": r"年金生活者支援給付金",
    "失業等給付関係情報": r"失業等給付|雇用保険法|特定理由離職者|特定受給資格者",
    "公的給付支給等口座登録簿関係情報": r"公的給付支給等口座登録簿",
    "戸籍関係情報": r"戸籍関係情報",
    "生活保護関係情報": (
        r"生活保護実施関係情報|(?<!外国人)生活保護関係情報|就労自立給付金|進学(?:・就職)?準備給付金|生活保護法.*保護の実施"
    ),
    "外国人生活保護関係情報": r"外国人生活保護|外国人保護",
    "中国残留邦人等支援給付等関係情報": _SUPPORT,
    "中国残留邦人等支援給付関係情報": _SUPPORT,
    "障害者関係情報": r"身体障害者手帳|精神障害者保健福祉手帳|知的障害者|調査及び判定|障害者関係情報",
    "障害者自立支援給付関係情報": r"自立支援給付",
    "児童扶養手当関係情報": r"(?<!特別)児童扶養手当",
    "特別児童扶養手当関係情報": r"特別児童扶養手当(?!等)",
    "児童手当関係情報": r"児童手当",
    "労働者災害補償関係情報": r"労働者災害補償",
    "地方公務員災害補償関係情報": r"地方公務員災害補償",
    "戦傷病者戦没者遺族等援護関係情報": r"戦傷病者戦没者遺族等援護",
    "石綿健康被害救済給付等関係情報": r"石綿",
    "職業訓練受講給付金関係情報": r"職業訓練受講給付金",
}
_NUMERALS: Final = {digit: value for value, digit in enumerate("一二三四五六七八九", start=1)}
_NUMBER: Final = re.compile(r"^  ([一二三四五六七八九十]+(?:の[一二三四五六七八九十]+)*)　(.*)$")
_SUB_LINE: Final = re.compile(r"^\s+[ァ-ヶ（一二三四五六七八九十0-9１-９）]+　(.*)$")
_AFFAIR: Final = re.compile(r"に関する事務(?:（(?:[^（）]|（[^（）]*）)*）)?")
_SINGLE: Final = re.compile(
    r"定める事務は、(.*に関する事務(?:（(?:[^（）]|（[^（）]*）)*）)?)とし、.*?情報は、(.*)とする。$"
)
_REFERENCE: Final = re.compile(r"(前号|第([一二三四五六七八九十]+)号)(?:[ァ-ヶ]から[ァ-ヶ]まで)?に掲げる情報")
_HEADING: Final = re.compile(r"次に掲げる情報$|次の各号に掲げる情報$")
_ARTICLE: Final = re.compile(r"^===== (第\S+?条(?:の\S+)?)\s+\(表([0-9]+(?:-[0-9]+)?) の項")
_LAW: Final = re.compile(r"[^、（）又若]*?法(?:律)?(?=による|にいう|第)")


@dataclass(slots=True)
class Affair:
    """One numbered affair of an article: its wording and the lines of information it gives."""

    number: str
    text: str
    lines: list[str] = field(default_factory=list)


def details_of_old_order(items: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, list[Affair]]]:
    """Per item: its article and its affairs, from the old order's numbered lines."""
    return {str(item["item"]): (item["article"], list(_old_affairs(item["lines"]))) for item in items}


def details_of_articles(text: str) -> dict[str, tuple[str, list[Affair]]]:
    """Per row: its article and its affairs, from the 2024 order's unnumbered lines."""
    rows: dict[str, tuple[str, list[Affair]]] = {}
    for block in re.split(r"\n(?====== )", text):
        lines = [line for line in block.splitlines() if line.strip()]
        heading = _ARTICLE.match(lines[0])
        if heading is not None:
            rows[heading[2]] = (heading[1], list(_new_affairs(lines[1:])))
    return rows


def classify(details: Iterable[Affair], classes: Iterable[str]) -> list[dict[str, Any]]:
    """The affairs as data: each line of information with the classes of the row that it is read as."""
    wanted = {name: re.compile(CLASS_WORDS[name]) if name in CLASS_WORDS else _by_law(name) for name in classes}
    known: dict[str, set[str]] = {}
    documents = []
    for affair in details:
        information = []
        for line in affair.lines:
            text = without_notes(line)
            found = {name for name, words in wanted.items() if words.search(text)}
            found |= _referred(text, known)
            found = found or _benefits_by_other_law(affair.text, wanted)
            information.append({"text": line, "classes": sorted(found)})
        known["前号"] = known[affair.number] = set().union(*(entry["classes"] for entry in information))
        documents.append({"number": affair.number, "affair": affair.text, "information": information})
    return documents


def _referred(text: str, known: Mapping[str, set[str]]) -> set[str]:
    """The classes of the affair that a line points back to (「前号イからヰまでに掲げる情報」)."""
    reference = _REFERENCE.search(text)
    if reference is None:
        return set()
    return known.get("前号" if reference[1] == "前号" else _arabic(reference[2]), set())


def _benefits_by_other_law(affair: str, classes: Iterable[str]) -> set[str]:
    """What no class claims belongs to the row's 「他の法令による給付」: the one of an adjustment, or the other."""
    others = [name for name in classes if "他の法令" in name or "他の法律" in name]
    adjusting = {name for name in others if "その他の法令" not in name}
    return adjusting if "調整" in affair or len(adjusting) == len(others) else set(others) - adjusting


def _by_law(name: str) -> re.Pattern[str]:
    """A class without a short name is told by the acts it names."""
    laws = [law for law in _LAW.findall(without_notes(name)) if len(law) > len("同法")]
    return re.compile("|".join(map(re.escape, laws)) if laws else r"(?!)")


def _old_affairs(lines: Sequence[str]) -> Iterator[Affair]:
    single = _SINGLE.search(lines[0])
    if single is not None and "次の各号" not in single[1]:
        yield _single(single, (_NUMBER.sub(r"\2", line) for line in lines[1:]))
        return
    current: Affair | None = None
    for line in lines[1:]:
        numbered = _NUMBER.match(line)
        sub_line = _SUB_LINE.match(line)
        if numbered is not None:
            if current is not None:
                yield current
            current = _split(_arabic(numbered[1]), numbered[2])
        elif sub_line is not None and current is not None:
            current.lines.append(sub_line[1])
    if current is not None:
        yield current


def _new_affairs(lines: Sequence[str]) -> Iterator[Affair]:
    single = _SINGLE.search(lines[0])
    if single is not None and "次の各号" not in single[1]:
        yield _single(single, lines[1:])
        return
    current: Affair | None = None
    count = 0
    for line in lines[1:]:
        if re.search(r"事務$", without_notes(line)):
            if current is not None:
                yield current
            count += 1
            current = Affair(str(count), line)
        elif current is not None and not _HEADING.search(line):
            current.lines.append(line)
    if current is not None:
        yield current


def _single(found: re.Match[str], lines: Iterable[str]) -> Affair:
    """An article with one affair in its first sentence."""
    affair = Affair("1", found[1])
    if not _HEADING.search(found[2]):
        affair.lines.append(found[2])
    affair.lines.extend(line.strip() for line in lines)
    return affair


def _split(number: str, text: str) -> Affair:
    """Affair and information run together: the affair ends at the last 「…に関する事務（…）」."""
    ends = [found.end() for found in _AFFAIR.finditer(text)]
    end = ends[-1] if ends else len(text)
    affair = Affair(number, text[:end])
    rest = text[end:]
    if rest and not _HEADING.search(rest):
        affair.lines.append(rest)
    return affair


def _arabic(kanji: str) -> str:
    """十二 → 12, 十の二 → 10-2; below one hundred."""
    return "-".join(str(_below_hundred(part)) for part in kanji.split("の"))


def _below_hundred(kanji: str) -> int:
    tens, ten, ones = kanji.rpartition("十")
    if not ten:
        return _NUMERALS[kanji]
    return (_NUMERALS[tens] if tens else 1) * 10 + (_NUMERALS[ones] if ones else 0)
