"""Whom the terms of a list mean, and rows by ordinance: each follows a statutory row and gives no more than that one (番号法第19条第9号; PL-5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from permission_lists.documents import Document
from permission_lists.findings import Finding, Weight
from permission_lists.parties import PartyRules, is_of, listed_name, resolve

_ORDINANCE: Final = "ordinance"
_OPEN: Final = "9999-12-31"
OF_LAW: Final = ("statute", "order")


def who(document: Document, term: str) -> tuple[frozenset[str], bool]:
    """Kinds and agencies inside for certain, and whether others may be."""
    entry: Mapping[str, Any] = document.data["definitions"]["terms"].get(term, {})
    certain = frozenset([*entry.get("kinds", ()), *(f"={name}" for name in entry.get("agencies", ()))])
    return certain, bool(entry.get("unresolved"))


def ordinances(documents: Sequence[Document], rules: PartyRules) -> Iterator[Finding]:
    """独自利用事務 (番号法第19条第9号): a row by ordinance follows a statutory row and gives no more than that one (PL-5)."""
    statutory = {
        f"{document.data['basis']['id']}:{row['item']}": (document, row)
        for document in documents
        if document.data["basis"]["kind"] in OF_LAW
        for row in document.data["rows"]
        if not row.get("deleted")
    }
    for document in documents:
        basis = document.data["basis"]
        if basis["kind"] == _ORDINANCE and "municipality" not in basis:
            yield document.finding(
                ("basis",),
                Weight.ERROR,
                "municipality_missing",
                "どの地方公共団体の条例かがありません / whose ordinance is it?",
                "basis.municipality に「世田谷区」のように書いてください / write basis.municipality",
            )
        for nth, row in enumerate(document.data["rows"]):
            if row.get("deleted"):
                continue
            if basis["kind"] == _ORDINANCE:
                yield from _ordinance_row(document, nth, row, statutory, rules)
            elif "follows" in row:
                yield document.finding(
                    ("rows", nth, "follows"),
                    Weight.ERROR,
                    "follows_of_statute",
                    "follows は条例の行だけに書きます / only rows by ordinance follow",
                    "消してください / delete it",
                )


def _falls_under(one: str, givers: frozenset[str], rules: PartyRules) -> bool:
    """Whether a kind, or an agency (`=世田谷区長`), is among those who give: by itself, or by a kind that the agency's name tells."""
    party = resolve(rules, one[1:]) if one.startswith("=") else None
    return one in givers or (party is not None and not party.kinds.isdisjoint(givers))


def _days(document: Document, row: Mapping[str, Any]) -> tuple[str, str]:
    """First and last day of a row, within those of its basis."""
    basis = document.data["basis"]["in_force"]
    own = row.get("in_force", basis)
    return max(own["from"], basis["from"]), min(own["to"] or _OPEN, basis["to"] or _OPEN)


def _ordinance_row(
    document: Document,
    nth: int,
    row: Mapping[str, Any],
    statutory: Mapping[str, tuple[Document, Mapping[str, Any]]],
    rules: PartyRules,
) -> Iterator[Finding]:
    item, municipality = row["item"], document.data["basis"].get("municipality", "")
    term = document.data["definitions"]["terms"].get(row["inquirer"], {})
    agencies = term.get("agencies", ())
    if not agencies or (municipality and not all(is_of(rules, name, municipality) for name in agencies)):
        yield document.finding(
            ("rows", nth, "inquirer"),
            Weight.ERROR,
            "inquirer_of_another",
            f"{item} の項の照会者が、その地方公共団体の機関ではありません / the inquirer is no agency of that municipality",
            "定義の agencies に「世田谷区長」のように名指ししてください / name it under agencies",
        )
    if agencies and (term.get("kinds") or term.get("unresolved")):
        yield document.finding(
            ("definitions", "terms", row["inquirer"]),
            Weight.ERROR,
            "inquirer_of_a_kind",
            f"「{row['inquirer']}」は区分や他の法令でも照会者を定めています。条例で照会できるのは、名指しした自らの機関だけです"
            " / an ordinance lets its own agencies ask, by name, and nobody by a kind or by other law",
            "kinds を [] にし、unresolved を消して、agencies だけを書いてください / leave kinds empty and unresolved out; write agencies alone",
        )
    for name in agencies:
        listed = listed_name(rules, name)
        if listed != name:
            yield document.finding(
                ("definitions", "terms", row["inquirer"], "agencies"),
                Weight.ERROR,
                "agency_name_not_listed",
                f"「{name}」では、登録簿の機関と照らし合わせられません / the register's agencies are not called so",
                "都道府県名から書いてください / several are called so: begin with the prefecture"
                if listed is None
                else f"「{listed}」と書いてください / write {listed}",
            )
    followed = statutory.get(row.get("follows", ""))
    if followed is None:
        yield document.finding(
            ("rows", nth),
            Weight.ERROR,
            "follows_nothing",
            f"{item} の項が準ずる法定事務の行がありません / the row follows no statutory row of this list",
            "follows に 'meirei-2024:42' のように書いてください (番号法第19条第9号) / write follows",
        )
        return
    source, like = followed
    first, last = _days(document, row)
    since, until = _days(source, like)
    if first <= last and not since <= first <= last <= until:
        yield document.finding(
            ("rows", nth, "in_force" if "in_force" in row else "item"),
            Weight.ERROR,
            "follows_out_of_force",
            f"{item} の項が効力を有する日に、準ずる {row['follows']} が効力を有しない日があります / the row is in force on days on which the statutory row is not",
            f"期間を {since} から {'' if until == _OPEN else until} のうちにし、その後は別の行を新しい法定の行に準じさせてください"
            " / keep within its days; let another row follow the new one after them",
        )
    allowed = [(who(source, grant["provider"])[0], set(grant["information"])) for grant in like["grants"]]
    for at, grant in enumerate(row["grants"]):
        provider, _ = who(document, grant["provider"])
        for name in grant["information"]:
            givers = frozenset[str]().union(*(others for others, given in allowed if name in given))
            if not provider or not all(_falls_under(one, givers, rules) for one in provider):
                yield document.finding(
                    ("rows", nth, "grants", at),
                    Weight.ERROR,
                    "beyond_the_statute",
                    f"「{name}」をこの提供者から受けることは、準ずる {row['follows']} では認められていません / the statutory row does not give this",
                    "法定の行の範囲に収めてください / keep within the statutory row",
                )
