"""Blind indexes of a person: keyed tokens, each of two keys together (LS-1.4, DOMAIN §6.1). Pure.

Searching by one weak key is what linked wrong people in Aichi, so no token exists for one key alone: neither staff nor a thief of the database
can ask by it. What a token folds is coarse (the first letters); who answers opens the few people found and compares in full.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from codebook import folding

VERSION: Final = 2
"""Of the rules below and the folds they use: a change of them is a new version, and all tokens are made anew."""
_BORN: Final = (2, 1)
"""Letters of kana and of name beside a birth date."""
_LIVING: Final = (3, 2)
"""Beside an address: about a surname."""
TOWN: Final = 8
"""Letters of an address without its prefecture that about a town takes (世田谷区架空町一)."""
STREET: Final = 11
"""And a quarter of it: few people of one surname live there."""
_PREFECTURE: Final = re.compile(
    "(?:東京都|北海道|(?:京都|大阪)府|(?:青森|岩手|宮城|秋田|山形|福島|茨城|栃木|群馬|埼玉|千葉|神奈川|新潟|富山|石川|福井|山梨|長野|岐阜|静岡|愛知"
    "|三重|滋賀|兵庫|奈良|和歌山|鳥取|島根|岡山|広島|山口|徳島|香川|愛媛|高知|福岡|佐賀|長崎|熊本|大分|宮崎|鹿児島|沖縄)県)"
)

Token = Callable[[bytes, str, str], int]
"""The keyed digest: kind, first key, second key → 64 bit (`PersonalKeys.search_token`)."""


class Pair(StrEnum):
    """Two keys that make a token together, those that the fewest people share first; the value is the column."""

    BIRTH_KANA = "birth_kana"
    BIRTH_NAME = "birth_name"
    BIRTH_ADDRESS = "birth_address"
    NAME_STREET = "name_street"
    KANA_STREET = "kana_street"
    NAME_TOWN = "name_town"
    KANA_TOWN = "kana_town"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Keys:
    """What is searched by, or held, after folding; empty when not given. Prefixes, but for the birth date."""

    kana: str = ""
    name: str = ""
    birth_date: str = ""
    address: str = ""

    def given(self) -> list[str]:
        """Names of the keys that are there."""
        return [name for name in ("kana", "name", "birth_date", "address") if getattr(self, name)]

    def agree_with(self, four_items: Sequence[str]) -> bool:
        """Whether somebody's items (as written) begin with these keys; the birth date is the same. Folds what is asked about and no more."""
        name, kana, _, birth_date, address = four_items
        return (
            (not self.birth_date or birth_date == self.birth_date)
            and (not self.name or fold_name(name).startswith(self.name))
            and (not self.kana or fold_kana(kana).startswith(self.kana))
            and (not self.address or self._is_address_of(_whole(address)))
        )

    def _is_address_of(self, whole: str) -> bool:
        return whole.startswith(self.address) or _without_prefecture(whole).startswith(self.address)


def fold_kana(text: str) -> str:
    return folding.fold(text, folding.KANA).casefold()


def fold_name(text: str) -> str:
    return folding.fold(text, folding.NAME).casefold()


def fold_address(text: str) -> str:
    """Folded, without the prefecture: people write it or leave it out."""
    return _without_prefecture(_whole(text))


def _without_prefecture(folded: str) -> str:
    prefecture = _PREFECTURE.match(folded)
    return folded[prefecture.end() :] if prefecture else folded


def _whole(address: str) -> str:
    """Folded, with the prefecture: a part of its name is a prefix as well."""
    return folding.fold(address, folding.ADDRESS).casefold()


def keys_of(four_items: Sequence[str]) -> Keys:
    """From name, kana, sex, birth date, address as they were written."""
    name, kana, _, birth_date, address = four_items
    return Keys(kana=fold_kana(kana), name=fold_name(name), birth_date=birth_date, address=fold_address(address))


def _first(text: str, letters: int) -> str:
    """The first letters of a text, nothing when it has fewer: a shorter prefix would need a token of its own."""
    return text[:letters] if len(text) >= letters else ""


def tokens_of(keys: Keys, token: Token) -> dict[Pair, int]:
    """Every token that these keys allow. Somebody with an address of fewer than eight letters is found by other keys."""
    born, kana, name = keys.birth_date, keys.kana, keys.name
    town, street = _first(keys.address, TOWN), _first(keys.address, STREET)
    pairs: Mapping[Pair, tuple[str, str]] = {
        Pair.BIRTH_KANA: (born, _first(kana, _BORN[0])),
        Pair.BIRTH_NAME: (born, _first(name, _BORN[1])),
        Pair.BIRTH_ADDRESS: (born, town),
        Pair.NAME_STREET: (_first(name, _LIVING[1]), street),
        Pair.KANA_STREET: (_first(kana, _LIVING[0]), street),
        Pair.NAME_TOWN: (_first(name, _LIVING[1]), town),
        Pair.KANA_TOWN: (_first(kana, _LIVING[0]), town),
    }
    return {
        pair: token(pair.value.encode(), first, second) for pair, (first, second) in pairs.items() if first and second
    }
