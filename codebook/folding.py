"""異なる書き方 (ways of writing): the named folds under which two texts are one, and which of them it took (LS-1.3, SC-18).

The raw text is never changed: a fold is applied to a copy for comparison. Old and new character forms are folded by two small
tables: 旧字体 of the 常用漢字表, and variants that names are written with. Characters that only look alike (斉 and 斎) stay different.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Final


class Fold(StrEnum):
    """One kind of difference in writing, in the order in which folds are applied."""

    VARIATION_SELECTORS = "variation_selectors"
    HALF_WIDTH_KANA = "half_width_kana"
    COMPATIBILITY = "compatibility"
    HYPHENS = "hyphens"
    SPACES = "spaces"
    HIRAGANA = "hiragana"
    SMALL_KANA = "small_kana"
    LONG_VOWELS = "long_vowels"
    OLD_FORMS = "old_forms"
    VARIANT_FORMS = "variant_forms"
    ITERATION_MARK = "iteration_mark"


_TYPED: Final = frozenset(
    {Fold.VARIATION_SELECTORS, Fold.HALF_WIDTH_KANA, Fold.COMPATIBILITY, Fold.HYPHENS, Fold.SPACES}
)
_FORMS: Final = frozenset({Fold.OLD_FORMS, Fold.VARIANT_FORMS, Fold.ITERATION_MARK})
NAME: Final = _TYPED | _FORMS
"""What a name may differ in. Hiragana and katakana stay different: both are registered as names."""
KANA: Final = _TYPED | {Fold.HIRAGANA, Fold.SMALL_KANA, Fold.LONG_VOWELS}
"""What the reading of a name may differ in."""
ADDRESS: Final = NAME | {Fold.SMALL_KANA}
"""What an address may differ in (霞ヶ関, 霞ケ関)."""

# 旧字体 and 新字体, old before new (常用漢字表, 人名用漢字表)
_OLD_AND_NEW: Final = """
亞亜 惡悪 壓圧 圍囲 爲為 醫医 壹壱 隱隠 榮栄 營営 衞衛 驛駅 圓円 鹽塩 緣縁 艷艶 應応 歐欧 毆殴 櫻桜 奧奥 橫横 溫温 穩穏 假仮 價価 畫画 會会 壞壊 懷懐 繪絵 槪概 擴拡
殼殻 覺覚 學学 嶽岳 樂楽 勸勧 卷巻 寬寛 歡歓 罐缶 觀観 關関 陷陥 顏顔 巖巌 氣気 旣既 歸帰 龜亀 僞偽 戲戯 犧犠 舊旧 據拠 擧挙 虛虚 峽峡 挾挟 敎教 狹狭 鄕郷 曉暁 區区 驅駆
勳勲 薰薫 徑径 惠恵 揭掲 溪渓 經経 繼継 莖茎 螢蛍 輕軽 鷄鶏 藝芸 擊撃 缺欠 儉倹 劍剣 圈圏 檢検 權権 獻献 縣県 險険 顯顕 驗験 嚴厳 效効 廣広 恆恒 鑛鉱 號号 國国 黑黒 濟済
碎砕 齋斎 劑剤 雜雑 參参 慘惨 棧桟 蠶蚕 贊賛 殘残 絲糸 齒歯 兒児 辭辞 濕湿 實実 舍舎 寫写 釋釈 壽寿 收収 從従 澁渋 獸獣 縱縦 肅粛 處処 緖緒 敍叙 尙尚 奬奨 將将 燒焼 稱称
證証 乘乗 剩剰 壤壌 孃嬢 條条 淨浄 狀状 疊畳 穰穣 讓譲 釀醸 觸触 寢寝 愼慎 晉晋 眞真 盡尽 圖図 粹粋 醉酔 隨随 髓髄 數数 樞枢 瀨瀬 聲声 齊斉 靜静 攝摂 竊窃 專専 戰戦 淺浅
潛潜 纖繊 踐践 錢銭 禪禅 雙双 壯壮 搜捜 插挿 爭争 總総 聰聡 莊荘 裝装 騷騒 增増 藏蔵 臟臓 卽即 屬属 續続 墮堕 體体 對対 帶帯 滯滞 臺台 瀧滝 擇択 澤沢 單単 擔担 膽胆 團団
彈弾 斷断 癡痴 遲遅 晝昼 蟲虫 鑄鋳 廳庁 聽聴 鎭鎮 遞逓 鐵鉄 轉転 點点 傳伝 黨党 盜盗 燈灯 當当 鬭闘 德徳 獨独 讀読 屆届 繩縄 貳弐 惱悩 腦脳 霸覇 廢廃 拜拝 賣売 麥麦 發発
髮髪 拔抜 蠻蛮 祕秘 濱浜 甁瓶 拂払 佛仏 竝並 變変 邊辺 辨弁 瓣弁 辯弁 舖舗 寶宝 豐豊 沒没 飜翻 每毎 萬万 滿満 默黙 彌弥 譯訳 藥薬 與与 餘余 豫予 譽誉 搖揺 樣様 謠謡 來来
賴頼 亂乱 覽覧 龍竜 兩両 獵猟 綠緑 壘塁 勵励 禮礼 隸隷 靈霊 齡齢 戀恋 爐炉 勞労 樓楼 郞郎 錄録 灣湾 堯尭 槇槙 遙遥 瑤瑶 祿禄 檜桧 萠萌 亙亘 凛凜 籠篭
"""
# forms of one character that names of people and places are written with, beside the 旧字体
_VARIANTS: Final = """
髙高 﨑崎 嵜崎 濵浜 邉辺 齎斎 嶋島 嶌島 栁柳 冨富 峯峰 桒桑 槗橋 𣘺橋 𠮷吉 淸清 靑青 寳宝 曻昇 舘館 鐡鉄 渕淵 渊淵 埜野 圡土 枩松 昻昂 翆翠 檮梼 薗園 苐第 祢禰 蔣蒋
禱祷 鷗鴎 塲場 畧略 畄留 畆畝 羣群 鵞鵝 凾函 仭仞 崕崖 畊耕 脉脈 觧解 躰体 軆体 皈帰 臯皐 皋皐 莱萊 焰焔 濶闊 煕熙 凞熙 逹達 廸迪
"""


def _pairs(text: str) -> dict[int, str]:
    return {ord(pair[0]): pair[1] for pair in text.split()}


_HYPHENS: Final = {ord(hyphen): "-" for hyphen in "-‐‑‒–—―−ーｰ─━～〜"}
_SELECTORS: Final[dict[int, None]] = dict.fromkeys((*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
_TO_KATAKANA: Final = {code: code + 0x60 for code in range(0x3041, 0x3097)}
_LARGE: Final = str.maketrans(
    "ァィゥェォッャュョヮヵヶぁぃぅぇぉっゃゅょゎゕゖ", "アイウエオツヤユヨワカケあいうえおつやゆよわかけ"
)
_OLD: Final = _pairs(_OLD_AND_NEW)
_VARIANT: Final = _pairs(_VARIANTS)
_DIGITS: Final = frozenset("0123456789０１２３４５６７８９")
_HALF_WIDTH: Final = re.compile("[\uff61-\uff9f]+")

_ROWS: Final = {
    "ア": "アァカヵガサザタダナハバパマヤャラワヮ",
    "イ": "イィキギシジチヂニヒビピミリ",
    "ウ": "ウゥクグスズツッヅヌフブプムユュルヴ",
    "エ": "エェケヶゲセゼテデネヘベペメレ",
    "オ": "オォコゴソゾトドノホボポモヨョロヲ",
}
_VOWEL: Final = {letter: vowel for vowel, row in _ROWS.items() for letter in row}
_LENGTHENS: Final = {"ア": "ア", "イ": "イ", "ウ": "ウ", "エ": "エイ", "オ": "オウ"}
_LONG: Final = "-"
"""What a long vowel becomes: `Fold.HYPHENS` makes of its mark the same."""


def _long_vowels(text: str) -> str:
    """サトー, サトウ and サトオ are one reading; オノ and オオノ are two."""
    made: list[str] = []
    vowel = ""
    for letter in text:
        if vowel and (letter in "ー-" or letter in _LENGTHENS[vowel]):
            made.append(_LONG)
        else:
            made.append(letter)
            vowel = _VOWEL.get(letter, "")
    return "".join(made)


def _without_spaces(text: str) -> str:
    """One space stays between two digits: １丁目１ １２ and １丁目１１ ２ are two addresses."""
    made, *others = text.split() or [""]
    for part in others:
        made += f" {part}" if made[-1] in _DIGITS and part[0] in _DIGITS else part
    return made


def _without_iteration_mark(text: str) -> str:
    made = ""
    for letter in text:
        made += made[-1] if letter == "々" and made else letter
    return made


_MOST_REMEMBERED: Final = 20_000


class _Table(dict[int, "int | str | None"]):
    """A table for `str.translate` that remembers the letters which it leaves as they are.

    A letter that a plain dict lacks costs an exception each time, which is most of the time that a name takes. Nobody can fill it: a ward's texts
    have some thousands of different letters, and beyond `_MOST_REMEMBERED` none is added.
    """

    def __missing__(self, letter: int) -> int:
        if len(self) < _MOST_REMEMBERED:
            self[letter] = letter
        return letter


def _by_letter(table: Mapping[int, int | str | None]) -> Callable[[str], str]:
    remembering = _Table(table)
    return lambda text: text.translate(remembering)


_APPLY: Final[dict[Fold, Callable[[str], str]]] = {
    Fold.VARIATION_SELECTORS: _by_letter(_SELECTORS),
    Fold.HALF_WIDTH_KANA: lambda text: _HALF_WIDTH.sub(lambda kana: unicodedata.normalize("NFKC", kana[0]), text),
    Fold.COMPATIBILITY: lambda text: unicodedata.normalize("NFKC", text),
    Fold.HYPHENS: _by_letter(_HYPHENS),
    Fold.SPACES: _without_spaces,
    Fold.HIRAGANA: _by_letter(_TO_KATAKANA),
    Fold.SMALL_KANA: _by_letter(_LARGE),
    Fold.LONG_VOWELS: _long_vowels,
    Fold.OLD_FORMS: _by_letter(_OLD),
    Fold.VARIANT_FORMS: _by_letter(_VARIANT),
    Fold.ITERATION_MARK: _without_iteration_mark,
}

_BITS: Final = {one: 1 << nth for nth, one in enumerate(Fold)}
"""A set of folds as a number: a look into a set costs the hash of an enum, and `needed` takes hundreds of them."""
_STEPS: Final = [(_BITS[one], apply) for one, apply in _APPLY.items()]
_SPACES: Final = _BITS[Fold.SPACES]
_COMPATIBILITY: Final = _BITS[Fold.COMPATIBILITY]
_WIDEST_FIRST: Final = sorted(_BITS.values(), key=lambda bit: bit != _COMPATIBILITY)


def fold(text: str, folds: AbstractSet[Fold]) -> str:
    """A copy of the text with these kinds of difference taken out."""
    at_once = _AT_ONCE.get(frozenset(folds))
    return at_once(text) if at_once is not None else _one_by_one(text, folds)


def _one_by_one(text: str, folds: AbstractSet[Fold]) -> str:
    return _folded(text, _bits(folds))[0]


def _bits(folds: AbstractSet[Fold]) -> int:
    return sum(_BITS[one] for one in folds)


def _folded(text: str, bits: int) -> tuple[str, int]:
    """The text without these kinds of difference, and which of the folds changed something on the way."""
    acted = 0
    for bit, apply in _STEPS:
        if bits & bit and (made := apply(text)) != text:
            text, acted = made, acted | bit
        if bit == _SPACES and bits & _COMPATIBILITY:
            made = unicodedata.normalize("NFC", text)  # a voicing mark typed apart (カ゛) meets its letter only now
            if made != text:
                text, acted = made, acted | _COMPATIBILITY
    return text, acted


def _compiled(folds: frozenset[Fold]) -> Callable[[str], str]:
    """The same for a whole field, its tables made one: this is what rows of a load go through."""
    tables: dict[Fold, Mapping[int, object]] = {
        Fold.HIRAGANA: _TO_KATAKANA,
        Fold.SMALL_KANA: _LARGE,
        Fold.OLD_FORMS: _OLD,
        Fold.VARIANT_FORMS: _VARIANT,
    }
    letters = {code for one, table in tables.items() if one in folds for code in table}
    forms = _Table({code: _one_by_one(chr(code), folds & tables.keys()) for code in letters})
    marks = _Table({**_HYPHENS, **_SELECTORS})
    lengthens, repeats = Fold.LONG_VOWELS in folds, Fold.ITERATION_MARK in folds

    def at_once(text: str) -> str:
        joined = _without_spaces(unicodedata.normalize("NFKC", text).translate(marks))
        made = unicodedata.normalize("NFC", joined).translate(forms)
        if repeats and "々" in made:
            made = _without_iteration_mark(made)
        return _long_vowels(made) if lengthens else made

    return at_once


_AT_ONCE: Final = {folds: _compiled(folds) for folds in (NAME, KANA, ADDRESS)}


def agree(one: str, other: str, folds: AbstractSet[Fold]) -> bool:
    """Whether two texts are one under these folds. Equal texts are not folded at all."""
    return one == other or fold(one, folds) == fold(other, folds)


def needed(one: str, other: str, folds: AbstractSet[Fold]) -> frozenset[Fold] | None:
    """Which of these folds it takes for two texts to be one: the fewest of each kind, none for equal texts; None when they stay different."""
    if one == other:
        return frozenset()
    left = _bits(folds)
    acting = _acting(one, other, left)
    if acting is None:
        return None
    for bit in _WIDEST_FIRST:
        if not left & bit:
            continue
        # without a fold that changes neither text the way to one is the same
        without = acting if not acting & bit else _acting(one, other, left & ~bit)
        if without is not None:
            left, acting = left & ~bit, without
    return frozenset(each for each, bit in _BITS.items() if left & bit)


def _acting(one: str, other: str, bits: int) -> int | None:
    """Those of the folds that change either text on its way to being one with the other; None when they stay different."""
    made, acted = _folded(one, bits)
    other_made, other_acted = _folded(other, bits)
    return acted | other_acted if made == other_made else None
