"""List documents with the line of everything in them: YAML read so that a mistake can be named by file and line.

Form only: which keys there are and what stands under them. What a list means is looked at in `permission_lists.lint`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import yaml

from codebook import yaml_depth
from permission_lists.findings import Finding, Place, Weight

LARGEST_DOCUMENT: Final = 4 * 1024 * 1024
_MOST_NODES: Final = 400_000
"""Aliases can make a small text into an endless document."""
_TOO_DEEP: Final = (
    "too_deep",
    "入れ子か別名が多すぎます / too deep, or too many aliases",
    "浅く、別名 (&、*) を使わずに書いてください / write it less deep, and without aliases",
)
_STRING, _NULL, _INTEGER, _BOOLEAN = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "null", "int", "bool"))
_ITEM: Final = re.compile(r"[0-9]{1,4}(-[0-9]{1,4})*")
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class Document:
    """`data`: as JSON would hold it. `lines`: place in the data → line, from 1; the place () is the first line."""

    name: str
    data: Any
    lines: Mapping[Place, int]

    def line(self, place: Place) -> int:
        """The line of a place, or of what it stands in."""
        while place not in self.lines:
            place = place[:-1]
        return self.lines[place]

    def finding(self, place: Place, weight: Weight, code: str, what: str, mend: str) -> Finding:
        return Finding(file=self.name, line=self.line(place), weight=weight, code=code, what=what, mend=mend)


class _Stop(Exception):  # noqa: N818 (control flow of this module only)
    def __init__(self, line: int, code: str, what: str, mend: str) -> None:
        super().__init__(code)
        self.finding = (line, code, what, mend)


def read(name: str, text: str) -> Document | Finding:
    """One document of the right form, or the first thing that is wrong with its form. `name`: the file's, for findings."""
    try:
        lines: dict[Place, int] = {(): 1}
        document = Document(name, _Reader(lines).value(_composed(text), ()), lines)
        _check_document(document)
    except _Stop as stop:
        line, code, what, mend = stop.finding
        return Finding(file=name, line=line, weight=Weight.ERROR, code=code, what=what, mend=mend)
    return document


def _composed(text: str) -> yaml.Node:
    if len(text) > LARGEST_DOCUMENT:
        raise _Stop(1, "too_large", "文書が大きすぎます / the document is too large", "文書を分けてください / split it")
    try:
        yaml_depth.check(text)
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml_depth.TooDeepError as deep:
        raise _Stop(deep.line, *_TOO_DEEP) from None
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        raise _Stop(
            1 if mark is None else mark.line + 1,
            "not_yaml",
            "YAML として読めません / not YAML",
            "字下げと引用符を確かめ、UTF-8 で書いてください / check indentation and quotes, and write it in UTF-8",
        ) from None
    if node is None:
        raise _Stop(
            1,
            "empty",
            "文書が空です / the document is empty",
            "basis、definitions、rows を書いてください / write basis, definitions, rows",
        )
    return node


class _Reader:
    def __init__(self, lines: dict[Place, int]) -> None:
        self._lines = lines
        self._left = _MOST_NODES

    def value(self, node: yaml.Node, place: Place) -> Any:
        line = node.start_mark.line + 1
        self._lines.setdefault(place, line)
        self._left -= 1
        if self._left < 0 or len(place) > 20:
            raise _Stop(line, *_TOO_DEEP)
        match node:
            case yaml.MappingNode():
                return self._mapping(node, place)
            case yaml.SequenceNode():
                return [self.value(each, (*place, nth)) for nth, each in enumerate(node.value)]
            case yaml.ScalarNode():
                return _scalar(node, line)
        raise _Stop(line, "not_yaml", "YAML として読めません / not YAML", "書き方を確かめてください / check it")

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _STRING:
                raise _Stop(
                    line,
                    "key_not_text",
                    "キーが文字列ではありません / a key is no text",
                    "引用符で囲んでください / quote it",
                )
            key = key_node.value
            if key in found:
                raise _Stop(
                    line, "key_twice", f"「{key}」が 2 回あります / a key stands twice", "一つにしてください / keep one"
                )
            self._lines[(*place, key)] = line
            found[key] = self.value(value_node, (*place, key))
        return found


def _scalar(node: yaml.ScalarNode, line: int) -> str | int | bool | None:
    match node.tag:
        case tag if tag == _STRING:
            return str(node.value)
        case tag if tag == _NULL:
            return None
        case tag if tag == _BOOLEAN:
            return str(node.value).lower() in {"true", "yes", "on"}
        case tag if tag == _INTEGER and re.fullmatch(r"[1-9][0-9]{0,8}|0", node.value):
            return int(node.value)
    raise _Stop(
        line,
        "value_not_text",
        f"「{node.value}」は文字列ではありません / not text",
        "日付と番号は引用符で囲んでください / quote dates and numbers",
    )


# what may stand under a key; `_Check` is called with the document, the value and its place
_Check = Callable[[Document, Any, Place], None]


def _fail(document: Document, place: Place, code: str, what: str, mend: str) -> None:
    raise _Stop(document.line(place), code, what, mend)


def _text(document: Document, value: Any, place: Place) -> None:
    if not isinstance(value, str) or not value.strip():
        _fail(
            document,
            place,
            "not_text",
            f"「{place[-1]}」には文字列が要ります / text is needed",
            "文字列を書いてください / write a text",
        )


def _citation(document: Document, value: Any, place: Place) -> None:
    """A text; what stands in braces in it is filled in for each row."""
    _text(document, value, place)
    for left in re.findall(r"\{[^{}]*\}|[{}]", value.replace("{item}", "")):
        _fail(
            document,
            place,
            "place_holder_unknown",
            f"「{left}」には何も入りません / nothing is filled in here",
            "項の番号が入るのは {item} です / the item's number goes into {item}",
        )


def _texts(document: Document, value: Any, place: Place) -> None:
    if not isinstance(value, list):
        _fail(
            document,
            place,
            "not_a_list",
            f"「{place[-1]}」には並びが要ります / a list is needed",
            "- で並べてください / write a list",
        )
    for nth, each in enumerate(value):
        _text(document, each, (*place, nth))


def _some_texts(document: Document, value: Any, place: Place) -> None:
    _texts(document, value, place)
    if not value:
        _fail(
            document,
            place,
            "empty_list",
            f"「{place[-1]}」が空です / the list is empty",
            "少なくとも一つ書いてください / write at least one",
        )


def _flag(*words: str) -> _Check:
    """`words`: those that may stand there, of true and false."""

    def check(document: Document, value: Any, place: Place) -> None:
        if not isinstance(value, bool) or str(value).lower() not in words:
            what = f"「{place[-1]}」は {' か '.join(words)} です / must be {' or '.join(words)}"
            mend = f"{' か '.join(words)} にするか、消してください / write {' or '.join(words)}, or leave it out"
            _fail(document, place, "not_a_flag", what, mend)

    return check


def _matching(pattern: re.Pattern[str], example: str) -> _Check:
    def check(document: Document, value: Any, place: Place) -> None:
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            _fail(
                document,
                place,
                "not_of_this_form",
                f"「{place[-1]}」の書き方が違います / wrong form",
                f"半角の文字列 {example} のように、引用符で囲んでください / a quoted text such as {example}",
            )

    return check


def _one_of(*allowed: str) -> _Check:
    def check(document: Document, value: Any, place: Place) -> None:
        if value not in allowed:
            _fail(
                document,
                place,
                "not_one_of",
                f"「{place[-1]}」は {', '.join(allowed)} のどれかです / one of these",
                "どれかにしてください / choose one",
            )

    return check


def _day(document: Document, value: Any, place: Place) -> None:
    try:
        well_formed = isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        well_formed = False
    if not well_formed:
        _fail(
            document,
            place,
            "not_a_date",
            f"「{place[-1]}」は日付ではありません / not a date",
            "'2024-05-27' のように引用符で囲んで書いてください / write it quoted, like '2024-05-27'",
        )


def _period(document: Document, value: Any, place: Place) -> None:
    _keys({"from": _day}, {}, extra={"to"})(document, value, place)
    if "to" not in value:
        _fail(
            document,
            place,
            "key_missing",
            "「to」がありません / a key is missing",
            "終わりの日か null を書いてください / write the last day, or null",
        )
    if value["to"] is not None:
        _day(document, value["to"], (*place, "to"))
        if value["to"] < value["from"]:
            _fail(
                document,
                (*place, "to"),
                "ends_before_it_begins",
                "期間が始まる前に終わります / the period ends before it begins",
                "from と to を確かめてください / check both days",
            )


def _keys(
    needed: Mapping[str, _Check], allowed: Mapping[str, _Check], extra: frozenset[str] | set[str] = frozenset()
) -> _Check:
    """A mapping with these keys and no others. `extra`: allowed, and looked at by the caller."""

    def check(document: Document, value: Any, place: Place) -> None:
        if not isinstance(value, dict):
            _fail(
                document,
                place,
                "not_a_mapping",
                "キーと値の組が要ります / keys and values are needed",
                f"{'、'.join(needed)} を書いてください / write these keys",
            )
        for key in value:
            if key not in needed and key not in allowed and key not in extra:
                _fail(
                    document,
                    (*place, key),
                    "key_unknown",
                    f"「{key}」というキーはありません / there is no such key",
                    f"使えるキー / keys: {', '.join((*needed, *allowed, *sorted(extra)))}",
                )
        for key in needed:
            if key not in value:
                _fail(
                    document,
                    place,
                    "key_missing",
                    f"「{key}」がありません / a key is missing",
                    f"「{key}」を書いてください / write it",
                )
        for key, found in value.items():
            if key not in extra:
                {**needed, **allowed}[key](document, found, (*place, key))

    return check


def _each(check_one: _Check, *, named: bool = False) -> _Check:
    """A list of things, or with `named` a mapping from names to things."""

    def check(document: Document, value: Any, place: Place) -> None:
        if not isinstance(value, dict if named else list):
            _fail(
                document,
                place,
                "not_a_mapping" if named else "not_a_list",
                f"「{place[-1]}」の形が違います / wrong shape",
                "既存の文書に合わせてください / follow the shipped documents",
            )
        pairs: Iterator[tuple[str | int, Any]] = iter(value.items()) if named else enumerate(value)
        for key, found in pairs:
            check_one(document, found, (*place, key))

    return check


PORTAL_KIND: Final = "マイナポータル"
_ROW_ID: Final = re.compile(rf"{_ID.pattern}:{_ITEM.pattern}")
_BASIS = _keys(
    {"id": _matching(_ID, "'beppyo2-2022'"), "kind": _one_of("statute", "order", "ordinance", "own_information"), "title": _text, "citation": _citation,
     "in_force": _period},
    {"law_id": _text, "municipality": _text, "text_known": _period, "text_note": _text, "details_source": _text},
)  # fmt: skip
_DEFINITIONS = _keys(
    {
        "terms": _each(_keys({"kinds": _texts}, {"unresolved": _flag("true", "false"), "possible": _texts, "agencies": _texts}), named=True),
        "information": _each(_keys({"text": _text}, {"item": _matching(_ITEM, "'16-2'")}), named=True),
    },
    {"kinds": _each(_keys({"members": _some_texts}, {"source": _text}), named=True)},
)  # fmt: skip
_DETAIL = _keys(
    {"number": _text, "affair": _text, "information": _each(_keys({"text": _text, "classes": _texts}, {}))}, {}
)
_GRANT = _keys({"provider": _text, "text": _text, "information": _some_texts}, {})
_ROW = _keys(
    {"item": _matching(_ITEM, "'16-2'"), "inquirer": _text, "affair": _text, "grants": _each(_GRANT)},
    {
        "kanji": _text, "in_force": _period, "article": _text, "details": _each(_DETAIL), "old_item": _matching(_ITEM, "'16-2'"),
        "follows": _matching(_ROW_ID, "'meirei-2024:42'"),
    },
)  # fmt: skip
_DELETED_ROW = _keys({"item": _matching(_ITEM, "'16-2'"), "deleted": _flag("true")}, {"kanji": _text})


def _any_row(document: Document, value: Any, place: Place) -> None:
    deleted = isinstance(value, dict) and "deleted" in value
    (_DELETED_ROW if deleted else _ROW)(document, value, place)


def _check_document(document: Document) -> None:
    _keys({"basis": _BASIS, "definitions": _DEFINITIONS, "rows": _each(_any_row)}, {})(document, document.data, ())
    if document.data["basis"]["kind"] == "own_information":
        _check_own_information(document)


def _check_own_information(document: Document) -> None:
    """Rows that no table of the law has: they let the portal ask for people about themselves, and nobody else for anything."""
    terms = document.data["definitions"]["terms"]
    for nth, row in enumerate(document.data["rows"]):
        inquirer = terms.get(row.get("inquirer"), {"kinds": [PORTAL_KIND]})
        if inquirer != {"kinds": [PORTAL_KIND]}:
            _fail(
                document,
                ("rows", nth, "inquirer"),
                "inquirer_not_portal",
                f"{row['item']} の項の照会者がマイナポータルではありません / the inquirer is not the portal",
                "本人への表示を求めるのはマイナポータルだけです / only the portal asks for people about themselves",
            )
