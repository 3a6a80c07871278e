"""Who an agency is in the law's words, told from its name (世田谷区長 → 特別区の区長). The rules and the municipalities are data.

A name is told whole: what comes before 区長, 市長 or 教育委員会 must itself be a municipality or prefecture. A name that no rule
knows gives None: nobody becomes a party to an exchange by guess.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import yaml

from permission_lists.decide import Party
from permission_lists.model import ListBroken


class Before(StrEnum):
    """What stands before an ending."""

    PREFECTURE = "prefecture"
    MUNICIPALITY = "municipality"
    EITHER = "either"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    text: str
    of: Before
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyRules:
    """`names`: whole names; `endings`: first match wins; `mayors`: last letter of a municipality → kind of its mayor.

    `municipalities`: by prefecture, without 郡. `registered`: kinds that the register can say beside the name's → the kind that such an agency is by its name.
    `fictional`: how an invented municipality of a simulation begins.
    """

    names: Mapping[str, frozenset[str]]
    endings: Sequence[Ending]
    mayors: Mapping[str, str]
    registered: Mapping[str, str]
    municipalities: Mapping[str, frozenset[str]]
    fictional: str
    designated_cities: frozenset[str]
    health_centre_cities: frozenset[str]

    @property
    def kinds(self) -> frozenset[str]:
        """Every kind that an agency can be."""
        told = itertools.chain(self.names.values(), (ending.kinds for ending in self.endings))
        cities = {_HEALTH_CENTRE, *(f"{city}市長" for city in _NAMED_CITIES)}
        return frozenset().union(*told, self.mayors.values(), self.registered, cities)


_ORGANS = frozenset({"長", "知事", "教育委員会"})
"""地方自治法第139条、第180条の5: who may act under an ordinance of their body; 共済組合 and 社会福祉協議会 are bodies of their own."""
_HEALTH_CENTRE = "保健所を設置する市の長"
_NAMED_CITIES = frozenset({"広島", "長崎"})


def parse_rules(text: str, municipalities: str) -> PartyRules:
    """Read the rules and the municipalities (YAML). Raises ListBroken; never quotes the input."""
    try:
        source = yaml.load(text, Loader=yaml.CSafeLoader)
        places = yaml.load(municipalities, Loader=yaml.CSafeLoader)
        return PartyRules(
            names={str(name): frozenset(map(str, kinds)) for name, kinds in source["names"].items()},
            endings=tuple(
                Ending(text=str(rule["ending"]), of=Before(rule["of"]), kinds=frozenset(map(str, rule["kinds"])))
                for rule in source["endings"]
            ),
            mayors={str(letter): str(kind) for letter, kind in source["mayors"].items()},
            registered={str(kind): str(of) for kind, of in source["registered"].items()},
            municipalities={str(prefecture): frozenset(map(str, names)) for prefecture, names in places.items()},
            fictional=str(source["fictional"]),
            designated_cities=frozenset(source["designated_cities"]),
            health_centre_cities=frozenset(source["health_centre_cities"]),
        )
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError):
        raise ListBroken("party rules are malformed") from None


def resolve(rules: PartyRules, name: str) -> Party | None:
    """The party of that name, or None. A ward of a designated city (行政区) is no party: its city is."""
    kinds = _kinds(rules, name)
    return None if kinds is None else Party(name=name, kinds=kinds, means=whole_names(rules, name))


def whole_names(rules: PartyRules, name: str) -> frozenset[str]:
    """Each agency that a name can mean, with its prefecture and without 郡: 府中市長 is 東京都府中市長 or 広島県府中市長. Any other name: itself."""
    places, ending = _of_places(rules, name)
    return frozenset(f"{place}{ending}" for place in places) or frozenset({name})


def listed_name(rules: PartyRules, name: str) -> str | None:
    """What the permission list and `sekisho decide` call the agency of this name: the shortest name that means no other; None where several are called so.

    東京都世田谷区長 is 世田谷区長; 東京都府中市長 stays, since there is one in 広島県, too. Any other name: itself.
    """
    places, ending = _of_places(rules, name)
    if len(places) != 1:
        return None if places else name
    (place,) = places
    inside = next((place.removeprefix(one) for one in rules.municipalities if place.startswith(one)), place)
    short = f"{inside}{ending}"
    return short if whole_names(rules, short) == {f"{place}{ending}"} else f"{place}{ending}"


def is_of(rules: PartyRules, name: str, body: str) -> bool:
    """Whether an agency, by its name, is an organ of this municipality or prefecture and of no other (世田谷区教育委員会 of 世田谷区)."""
    places, ending = _of_places(rules, name)
    whole = (
        {body} if body in rules.municipalities else {f"{each}{place}" for each, place in _municipalities(rules, body)}
    )
    return ending in _ORGANS and places != frozenset() and places <= whole


def _of_places(rules: PartyRules, name: str) -> tuple[frozenset[str], str]:
    """The municipalities, by their whole names, or the prefecture that an agency of this name can be of, and what it is called behind that."""
    if name in rules.names:
        return frozenset(), name
    endings = ["長", *(each.text for each in rules.endings if each.of is not Before.ANY)]
    for ending in endings:
        before = name.removesuffix(ending)
        if before != name and (places := [f"{one}{place}" for one, place in _municipalities(rules, before)]):
            return frozenset(places), ending
        if before != name and before in rules.municipalities and ending != "長":
            return frozenset({before}), ending
    return frozenset(), name


def fit(rules: PartyRules, party: Party, kinds: Collection[str]) -> bool:
    """Whether the register may say these kinds of a party whose name tells its own: all of those, and beside them only what a name need not tell."""
    more = set(kinds) - party.kinds
    return party.kinds <= set(kinds) and all(rules.registered.get(kind) in party.kinds for kind in more)


def _kinds(rules: PartyRules, name: str) -> frozenset[str] | None:
    if name in rules.names:
        return rules.names[name]
    if name.endswith("長") and (municipality := _municipality(rules, name.removesuffix("長"))) is not None:
        return _mayor(rules, municipality)
    found = (each for each in rules.endings if name.endswith(each.text) and _fits(rules, each, name))
    return next((ending.kinds for ending in found), None)


def _fits(rules: PartyRules, ending: Ending, name: str) -> bool:
    before = name.removesuffix(ending.text)
    match ending.of:
        case Before.PREFECTURE:
            return before in rules.municipalities
        case Before.MUNICIPALITY:
            return _municipality(rules, before) is not None
        case Before.EITHER:
            return before in rules.municipalities or _municipality(rules, before) is not None
        case Before.ANY:
            return before != ""


def _municipality(rules: PartyRules, name: str) -> str | None:
    """The municipality's own name if this is one, with or without prefecture and 郡 in front."""
    return next((place for _, place in _municipalities(rules, name)), None)


def _municipalities(rules: PartyRules, name: str) -> Iterator[tuple[str, str]]:
    """Every municipality that is called so, as its prefecture (none for an invented one) and its own name."""
    if name.startswith(rules.fictional) and len(name) > len(rules.fictional) and name[-1] in "市町村":
        yield "", name
        return
    for prefecture, names in rules.municipalities.items():
        inside = name.removeprefix(prefecture)
        _, gun, rest = inside.partition("郡")
        if inside in names:
            yield prefecture, inside
        elif gun and rest[-1:] in {"町", "村"} and rest in names:
            yield prefecture, rest


def _mayor(rules: PartyRules, municipality: str) -> frozenset[str]:
    """A mayor; with the kinds that some rows give only to certain cities."""
    kinds = {rules.mayors[municipality[-1]]}
    city = municipality.removesuffix("市")
    if municipality.endswith("市"):
        if city in rules.designated_cities or city in rules.health_centre_cities:
            kinds.add(_HEALTH_CENTRE)
        if city in _NAMED_CITIES:
            kinds.add(f"{city}市長")
    return frozenset(kinds)
