"""Who an agency is in the law's words, told from its name (世田谷区長 → 特別区の区長). The rules are data.

A name that no rule knows gives None: nobody becomes a party to an exchange by guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from permission_lists.decide import Party
from permission_lists.model import ListBroken


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyRules:
    """`names`: whole names; `endings`: (ending, kinds), first match wins; `special_wards`: 特別区 names without 区."""

    names: Mapping[str, frozenset[str]]
    endings: Sequence[tuple[str, frozenset[str]]]
    prefectures: frozenset[str]
    special_wards: frozenset[str]
    designated_cities: frozenset[str]
    health_centre_cities: frozenset[str]


def parse_rules(text: str) -> PartyRules:
    """Read the rules (YAML). Raises ListBroken; never quotes the input."""
    try:
        source = yaml.load(text, Loader=yaml.CSafeLoader)
        return PartyRules(
            names={str(name): frozenset(map(str, kinds)) for name, kinds in source["names"].items()},
            endings=tuple((str(rule["ending"]), frozenset(map(str, rule["kinds"]))) for rule in source["endings"]),
            prefectures=frozenset(source["prefectures"]),
            special_wards=frozenset(source["special_wards"]),
            designated_cities=frozenset(source["designated_cities"]),
            health_centre_cities=frozenset(source["health_centre_cities"]),
        )
    except (yaml.YAMLError, KeyError, TypeError, AttributeError):
        raise ListBroken("party rules are malformed") from None


def resolve(rules: PartyRules, name: str) -> Party | None:
    """The party of that name, or None. A ward of a designated city (行政区) is no party: its city is."""
    kinds = _kinds(rules, name)
    return None if kinds is None else Party(name=name, kinds=kinds)


def _kinds(rules: PartyRules, name: str) -> frozenset[str] | None:
    if name in rules.names:
        return rules.names[name]
    if name.endswith("区長"):
        ward = name.removesuffix("区長").removeprefix("東京都")
        return frozenset({"特別区の区長"}) if ward in rules.special_wards else None
    if name.endswith("知事"):
        return frozenset({"都道府県知事"}) if name.removesuffix("知事") in rules.prefectures else None
    if name.endswith("市長") and len(name) > len("市長"):
        return _mayor(rules, _without_prefecture(rules, name).removesuffix("市長"))
    return next((kinds for ending, kinds in rules.endings if name.endswith(ending) and len(name) > len(ending)), None)


def _mayor(rules: PartyRules, city: str) -> frozenset[str]:
    """A mayor; with the kinds that some rows give only to certain cities."""
    kinds = {"市長"}
    if city in rules.designated_cities or city in rules.health_centre_cities:
        kinds.add("保健所を設置する市の長")
    if city in {"広島", "長崎"}:
        kinds.add(f"{city}市長")
    return frozenset(kinds)


def _without_prefecture(rules: PartyRules, name: str) -> str:
    prefecture = next((found for found in rules.prefectures if name.startswith(found)), "")
    return name.removeprefix(prefecture)
