"""データ標準レイアウト: what a replica of one kind of information holds, and whether a record keeps to it (IS-6).

Reads the text of `layout_data/*.yaml`; a layout that is wrong is refused with file, line and what is wrong with it.
A record names every required item, gives each item either a value or a reason of null (未設定事由), and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeVar

from codebook import marked_yaml
from codebook.errors import CodebookError
from codebook.item_values import Characters, ItemType, fits
from codebook.marked_yaml import Marked, YamlBrokenError


class NullReason(StrEnum):
    """未設定事由: why an item has no value. The words are ours but for `NotAcceptable`, which is seen in the field."""

    NOT_APPLICABLE = "NotApplicable"
    NOT_ACCEPTABLE = "NotAcceptable"
    NOT_COVERED = "NotCovered"
    UNKNOWN = "Unknown"


class Why(StrEnum):
    """What is wrong with an item of a record."""

    UNKNOWN_DATA_SET = "unknown_data_set"
    UNKNOWN_ITEM = "unknown_item"
    MISSING = "missing"
    NEITHER_VALUE_NOR_REASON = "neither_value_nor_reason"
    VALUE_NOT_IN_FORM = "value_not_in_form"
    NULL_REASON_NOT_ALLOWED = "null_reason_not_allowed"

    @property
    def explanation(self) -> str:
        """For people."""
        return _EXPLANATIONS[self]


_Choice = TypeVar("_Choice", bound=StrEnum)
_EXPLANATIONS: Final = {
    Why.UNKNOWN_DATA_SET: "レイアウトにないデータセットです",
    Why.UNKNOWN_ITEM: "レイアウトにない項目です",
    Why.MISSING: "必須の項目がありません",
    Why.NEITHER_VALUE_NOR_REASON: "値か未設定事由のどちらか一つが必要です",
    Why.VALUE_NOT_IN_FORM: "値の形式がレイアウトと異なります",
    Why.NULL_REASON_NOT_ALLOWED: "この項目に許されない未設定事由です",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding. `item` is a name of the layout, or empty when the name is not one (it is then not repeated)."""

    item: str
    why: Why


class LayoutBrokenError(CodebookError):
    """A layout is wrong. `source`: the file; `line`: 1-based; `problem`: a constant text, nothing of the file is quoted."""

    def __init__(self, source: str, line: int, problem: str) -> None:
        super().__init__(f"{source}:{line}: {problem}")
        self.source = source
        self.line = line
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """`width`: characters; exact for digits and codes, at most for amount, text and kana, unused for dates. `codes`: code → what it means."""

    name: str
    type: ItemType
    width: int
    characters: Characters
    required: bool
    null_reasons: frozenset[NullReason]
    codes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """Which items say what a record is about (照会条件): a fiscal year, or days. `until`: the first day on which it is over, in place of `last`."""

    year: str | None = None
    first: str | None = None
    last: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A group of items that travel as one record; `parent` names the data set whose record it belongs to."""

    name: str
    parent: str | None
    items: Mapping[str, Item]
    validity: Validity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One version of the layout of one 特定個人情報名, one of several with windows of their own.

    `code_is_ours`: made-up TM code, the real one is not public. `form_is_ours`: version, widths, characters and reasons of null are made up.
    """

    information: str
    code: str
    code_is_ours: bool
    form_is_ours: bool
    version: str
    valid_from: date
    valid_to: date | None
    data_sets: Mapping[str, DataSet]


def in_force(layouts: Iterable[Layout], information: str, on: date) -> Layout | None:
    """The layout of this information on that day: the latest version whose window holds it."""
    holding = [layout for layout in layouts if layout.information == information and is_valid(layout, on)]
    return max(holding, key=lambda layout: layout.valid_from, default=None)


def version_of(layouts: Iterable[Layout], information: str, version: str, on: date) -> Layout | None:
    """That version of the layout, if its window has begun: a record keeps the version it was made in when the window has ended."""
    return next(
        (
            layout
            for layout in layouts
            if layout.information == information and layout.version == version and layout.valid_from <= on
        ),
        None,
    )


def is_valid(layout: Layout, on: date) -> bool:
    """Whether new records may be made in this version on that day; windows of several versions may overlap."""
    return layout.valid_from <= on and (layout.valid_to is None or on <= layout.valid_to)


def check_record(layout: Layout, data_set: str, items: Mapping[str, Mapping[str, object]]) -> list[Problem]:
    """Problems of one record, in the layout's order, then unknown items; empty when it keeps to the layout.

    Each item is `{"value": text}` or `{"null_reason": text}`.
    """
    found = layout.data_sets.get(data_set)
    if found is None:
        return [Problem(item="", why=Why.UNKNOWN_DATA_SET)]
    problems = []
    for item in found.items.values():
        why = _check_item(item, items.get(item.name))
        if why is not None:
            problems.append(Problem(item=item.name, why=why))
    return problems + [Problem(item="", why=Why.UNKNOWN_ITEM) for name in items if name not in found.items]


def _check_item(item: Item, given: Mapping[str, object] | None) -> Why | None:
    """One value or one reason and nothing else. Plain look-ups: this is on the path of every item of every record."""
    if given is None:
        return Why.MISSING if item.required else None
    if len(given) == 1:
        value = given.get("value")
        if isinstance(value, str):
            fit = fits(item.type, item.width, item.codes, value, item.characters)
            return None if fit else Why.VALUE_NOT_IN_FORM
        reason = given.get("null_reason")
        if isinstance(reason, str):
            return None if reason in item.null_reasons else Why.NULL_REASON_NOT_ALLOWED
    return Why.NEITHER_VALUE_NOR_REASON


def parse(text: str, source: str = "layouts", *, beside: Iterable[Layout] = ()) -> tuple[Layout, ...]:
    """All layouts of one YAML text, in its order. `source`: the file's name, for errors; `beside`: those that are known already, whose
    codes mean their information. Raises LayoutBrokenError.
    """
    try:
        document = marked_yaml.load(text)
    except YamlBrokenError as broken:
        raise LayoutBrokenError(source, broken.line, broken.problem) from None
    return _Reader(source, {one.code: one.information for one in beside}).layouts(document)


_LAYOUT_KEYS: Final = frozenset(
    {"information", "code", "code_is_ours", "form_is_ours", "version", "valid_from", "valid_to", "data_sets"}
)
_DATA_SET_KEYS: Final = frozenset({"name", "parent", "items", "validity"})
_VALIDITY_KEYS: Final = frozenset({"year", "from", "to", "until"})
_ITEM_KEYS: Final = frozenset({"name", "type", "width", "characters", "required", "null_reasons", "codes"})
_CODE_FORM: Final = re.compile(r"TM[0-9]{14}")
_VERSION_FORM: Final = re.compile(r"[0-9]{4}")
_WIDEST: Final = 4_000


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one text; every complaint names its line. `codes`: code → the information that it means, which grows."""

    source: str
    codes: dict[str, str]

    def layouts(self, document: object) -> tuple[Layout, ...]:
        top = self._mapping(document, 1, frozenset({"layouts"}))
        found: dict[tuple[str, str], Layout] = {}
        for raw in self._list(top, "layouts"):
            layout = self._layout(self._mapping(raw, top.line_of("layouts"), _LAYOUT_KEYS))
            if (layout.information, layout.version) in found:
                self._refuse(raw.line_of("version"), "this version of the information stands twice")
            if self.codes.setdefault(layout.code, layout.information) != layout.information:
                self._refuse(raw.line_of("code"), "this `code` is another information's: choose one that is not taken")
            found[layout.information, layout.version] = layout
        return tuple(found.values())

    def _refuse(self, line: int, problem: str) -> NoReturn:
        raise LayoutBrokenError(self.source, line, problem)

    def _mapping(self, raw: object, line: int, keys: frozenset[str]) -> Marked:
        if not isinstance(raw, Marked):
            self._refuse(line, "a mapping of keys is expected here")
        for key in raw:
            if key not in keys:
                self._refuse(raw.line_of(key), "a key that is not known here (misspelt?)")
        return raw

    def _list(self, raw: Marked, key: str) -> list[Any]:
        found = raw.get(key)
        if not isinstance(found, list) or not found:
            self._refuse(raw.line_of(key), f"`{key}` is a list of at least one")
        return found

    def _text(self, raw: Marked, key: str) -> str:
        found = raw.get(key)
        if not isinstance(found, str) or not found or found != found.strip():
            self._refuse(
                raw.line_of(key), f"`{key}` is a text (in quotes when it is all digits), without blanks around it"
            )
        return found

    def _flag(self, raw: Marked, key: str) -> bool:
        found = raw.get(key, False)
        if not isinstance(found, bool):
            self._refuse(raw.line_of(key), f"`{key}` is true or false")
        return found

    def _day(self, raw: Marked, key: str) -> date:
        found = raw.get(key)
        if type(found) is not date:
            self._refuse(raw.line_of(key), f"`{key}` is a day: YYYY-MM-DD")
        return found

    def _layout(self, raw: Marked) -> Layout:
        code, version = self._text(raw, "code"), self._text(raw, "version")
        if _CODE_FORM.fullmatch(code) is None:
            self._refuse(raw.line_of("code"), "`code` is TM and 14 digits")
        if _VERSION_FORM.fullmatch(version) is None:
            self._refuse(raw.line_of("version"), "`version` is four digits in quotes")
        valid_from = self._day(raw, "valid_from")
        valid_to = None if raw.get("valid_to") is None else self._day(raw, "valid_to")
        if valid_to is not None and valid_to < valid_from:
            self._refuse(raw.line_of("valid_to"), "`valid_to` is before `valid_from`")
        return Layout(
            information=self._text(raw, "information"),
            code=code,
            code_is_ours=self._flag(raw, "code_is_ours"),
            form_is_ours=self._flag(raw, "form_is_ours"),
            version=version,
            valid_from=valid_from,
            valid_to=valid_to,
            data_sets=self._data_sets(raw),
        )

    def _data_sets(self, raw: Marked) -> dict[str, DataSet]:
        found: dict[str, DataSet] = {}
        written = [self._mapping(one, raw.line_of("data_sets"), _DATA_SET_KEYS) for one in self._list(raw, "data_sets")]
        for one in written:
            data_set = self._data_set(one)
            if data_set.name in found:
                self._refuse(one.line_of("name"), "a data set of this name stands above")
            found[data_set.name] = data_set
        for one in written:
            self._check_parents(one, found)
        return found

    def _check_parents(self, raw: Marked, found: Mapping[str, DataSet]) -> None:
        seen = {raw["name"]}
        parent = found[raw["name"]].parent
        while parent is not None:
            if parent not in found:
                self._refuse(raw.line_of("parent"), "`parent` names no data set of this layout")
            if parent in seen:
                self._refuse(raw.line_of("parent"), "`parent` leads back to the data set itself")
            seen.add(parent)
            parent = found[parent].parent

    def _data_set(self, raw: Marked) -> DataSet:
        items: dict[str, Item] = {}
        for one in self._list(raw, "items"):
            inner = self._mapping(one, raw.line_of("items"), _ITEM_KEYS)
            item = self._item(inner)
            if item.name in items:
                self._refuse(inner.line_of("name"), "an item of this name stands above")
            items[item.name] = item
        parent = None if raw.get("parent") is None else self._text(raw, "parent")
        return DataSet(name=self._text(raw, "name"), parent=parent, items=items, validity=self._validity(raw, items))

    def _validity(self, raw: Marked, items: Mapping[str, Item]) -> Validity | None:
        """`{year: ITEM}`, or `{from: ITEM, to: ITEM}` with `until` in place of `to`: four digits, or dates, of this data set."""
        if raw.get("validity") is None:
            return None
        inner = self._mapping(raw["validity"], raw.line_of("validity"), _VALIDITY_KEYS)
        if set(inner) not in ({"year"}, {"from", "to"}, {"from", "until"}):
            self._refuse(raw.line_of("validity"), "`validity` is a year, or from and to (or until)")
        for key in inner:
            item = items.get(self._text(inner, key))
            wanted = ItemType.DIGITS if key == "year" else ItemType.DATE
            if item is None or item.type is not wanted or (key == "year" and item.width != 4):
                self._refuse(
                    inner.line_of(key), "`validity` points at a year of four digits, or at dates, of the data set"
                )
        return Validity(year=inner.get("year"), first=inner.get("from"), last=inner.get("to"), until=inner.get("until"))

    def _item(self, raw: Marked) -> Item:
        kind = self._choice(raw, "type", ItemType, self._text(raw, "type"))
        width = raw.get("width", 0)
        if type(width) is not int or (kind is ItemType.DATE) != (width == 0) or not 0 <= width <= _WIDEST:
            self._refuse(raw.line_of("width"), "`width` is a count of characters (1 to 4000), and a date has none")
        characters = Characters.ANY
        if "characters" in raw:
            characters = self._choice(raw, "characters", Characters, raw["characters"])
            if kind is not ItemType.TEXT:
                self._refuse(raw.line_of("characters"), "`characters` are of items of type text")
        reasons = raw.get("null_reasons", [])
        if not isinstance(reasons, list):
            self._refuse(raw.line_of("null_reasons"), "`null_reasons` is a list")
        return Item(
            name=self._text(raw, "name"),
            type=kind,
            width=width,
            characters=characters,
            required=self._flag(raw, "required"),
            null_reasons=frozenset(self._choice(raw, "null_reasons", NullReason, reason) for reason in reasons),
            codes=self._codes(raw, kind, width),
        )

    def _choice(self, raw: Marked, key: str, choices: type[_Choice], given: object) -> _Choice:
        try:
            return choices(str(given))
        except ValueError:
            self._refuse(raw.line_of(key), f"`{key}` takes: {', '.join(choices)}")

    def _codes(self, raw: Marked, kind: ItemType, width: int) -> dict[str, str]:
        if "codes" not in raw:
            return {}
        codes = raw["codes"]
        if kind is not ItemType.CODE or not isinstance(codes, Marked) or not codes:
            self._refuse(raw.line_of("codes"), "`codes` are a mapping of code to meaning, of items of type code")
        for code, meaning in codes.items():
            if not isinstance(code, str) or not isinstance(meaning, str) or not fits(kind, width, (), code):
                self._refuse(
                    codes.line_of(code), "a code is a text of `width` digits or capitals, and says what it means"
                )
        return {str(code): str(meaning) for code, meaning in codes.items()}
