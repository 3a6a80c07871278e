"""What is wrong, or at least strange, with a permission list: overlaps, gaps, rows that nobody can use, words without a definition.

Works on documents whose form is right (`permission_lists.documents`). A finding of weight ERROR keeps a list from being published.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from permission_lists.documents import Document
from permission_lists.findings import Finding, Place, Weight
from permission_lists.law_text import expand, read_party
from permission_lists.ordinances import OF_LAW, ordinances, who
from permission_lists.parties import PartyRules

_Found = Iterator[Finding]


def lint(documents: Sequence[Document], rules: PartyRules) -> list[Finding]:
    """Every finding, by file and line. `rules`: which kinds an agency can be, and of which one is by its name (party_kinds.yaml)."""
    found = list(_bases(documents))
    for document in documents:
        circles = list(_circles(document))
        found += circles or _terms(document)  # what a circle of classes means cannot be told
        for look in (_items, _periods, _information):
            found += look(document)
        found += _kinds(document, rules.kinds)
        for nth, row in enumerate(document.data["rows"]):
            if not row.get("deleted"):
                for look_at_row in _ROW_LOOKS:
                    found += look_at_row(document, nth, row)
        found += _overlaps(document)
    found += ordinances(documents, rules)
    return sorted(found, key=lambda one: (one.file, one.line, one.code))


def errors(found: Sequence[Finding]) -> list[Finding]:
    return [one for one in found if one.weight is Weight.ERROR]


def _bases(documents: Sequence[Document]) -> _Found:
    seen: set[str] = set()
    for document in documents:
        basis = document.data["basis"]
        if basis["id"] in seen:
            yield document.finding(
                ("basis", "id"),
                Weight.ERROR,
                "basis_twice",
                f"根拠「{basis['id']}」が 2 回あります / a basis stands twice",
                "別の id にするか、一つにしてください / give it another id, or keep one",
            )
        seen.add(basis["id"])
    statutory = sorted(
        (one for one in documents if one.data["basis"]["kind"] in OF_LAW),
        key=lambda one: str(one.data["basis"]["in_force"]["from"]),
    )
    for before, after in itertools.pairwise(statutory):
        last, first = before.data["basis"]["in_force"]["to"], after.data["basis"]["in_force"]["from"]
        place = ("basis", "in_force")
        if last is None or last >= first:
            yield after.finding(
                place,
                Weight.ERROR,
                "bases_overlap",
                f"{first} には別の法令の根拠も効力を有します / two statutory bases are in force on one day",
                f"{before.name} の to をその前日にしてください / end the other on the day before",
            )
        elif date.fromisoformat(last) + timedelta(days=1) < date.fromisoformat(first):
            yield after.finding(
                place,
                Weight.WARNING,
                "bases_gap",
                f"{last} の翌日から {first} の前日まで、法令の根拠がありません / no statutory basis in between",
                "期間を確かめてください / check both periods",
            )


def _terms(document: Document) -> _Found:
    """Every term has a definition, every definition is used and means somebody, as the classes of the document say."""
    definitions = document.data["definitions"]
    terms = definitions["terms"]
    used = set()
    for place, text in _terms_used(document):
        used.add(text)
        if text not in terms:
            yield document.finding(
                place,
                Weight.ERROR,
                "term_undefined",
                f"「{text}」の定義がありません / a term without a definition",
                "definitions.terms に書いてください / define it in definitions.terms",
            )
    classes = {name: entry["members"] for name, entry in definitions.get("kinds", {}).items()}
    for text, entry in terms.items():
        place = ("definitions", "terms", text)
        if text not in used:
            yield document.finding(
                place,
                Weight.WARNING,
                "term_unused",
                f"「{text}」はどの行にもありません / no row uses this term",
                "消すか、行の文言を確かめてください / delete it, or check the rows' wording",
            )
        if not entry["kinds"] and not entry.get("agencies") and not entry.get("unresolved"):
            yield document.finding(
                place,
                Weight.ERROR,
                "term_of_nobody",
                f"「{text}」に当たる者がいません / a term that means nobody",
                "kinds か agencies を書くか、unresolved: true にしてください / write kinds or agencies, or mark it unresolved",
            )
        read = read_party(text, classes, _leaves(classes))
        if not read.unresolved and set(read.kinds) != set(entry["kinds"]):
            yield document.finding(
                place,
                Weight.ERROR,
                "term_not_as_defined",
                f"「{text}」の kinds が definitions.kinds の定義と違います / kinds differ from the definition",
                f"定義どおりなら / by the definition: {', '.join(read.kinds)}",
            )


def _circles(document: Document) -> _Found:
    """Classes that are members of themselves, through others or directly."""
    classes = {name: entry["members"] for name, entry in document.data["definitions"].get("kinds", {}).items()}
    for name, members in classes.items():
        reached: set[str] = set()
        ahead = list(members)
        while ahead:
            one = ahead.pop()
            if one not in reached:
                reached.add(one)
                ahead += classes.get(one, ())
        if name in reached:
            yield document.finding(
                ("definitions", "kinds", name),
                Weight.ERROR,
                "kinds_in_a_circle",
                f"「{name}」は自分を含みます / a class contains itself",
                "members から自分に戻るものを除いてください / take out of members what leads back to it",
            )


def _leaves(classes: Mapping[str, Sequence[str]]) -> set[str]:
    return set(itertools.chain.from_iterable(expand([name], classes) for name in classes))


def _terms_used(document: Document) -> Iterator[tuple[Place, str]]:
    for nth, row in enumerate(document.data["rows"]):
        if not row.get("deleted"):
            yield ("rows", nth, "inquirer"), row["inquirer"]
            for at, grant in enumerate(row["grants"]):
                yield ("rows", nth, "grants", at, "provider"), grant["provider"]


def _kinds(document: Document, known: Collection[str]) -> _Found:
    """Only kinds that an agency can be: a misspelt one would match nobody, silently."""
    classes = document.data["definitions"].get("kinds", {})
    places = [
        (("definitions", "terms", text, key, nth), kind)
        for text, entry in document.data["definitions"]["terms"].items()
        for key in ("kinds", "possible")
        for nth, kind in enumerate(entry.get(key, ()))
    ]
    places += [
        (("definitions", "kinds", name, "members", nth), kind)
        for name, entry in classes.items()
        for nth, kind in enumerate(entry["members"])
        if kind not in classes
    ]
    for place, kind in places:
        if kind not in known:
            yield document.finding(
                place,
                Weight.ERROR,
                "kind_unknown",
                f"「{kind}」という機関の区分はありません / no agency is of this kind",
                "party_kinds.yaml の区分にしてください / use a kind of party_kinds.yaml",
            )


def _items(document: Document) -> _Found:
    seen: set[str] = set()
    for nth, row in enumerate(document.data["rows"]):
        if row["item"] in seen:
            yield document.finding(
                ("rows", nth),
                Weight.ERROR,
                "item_twice",
                f"{row['item']} の項が 2 回あります / an item stands twice",
                "項番号を確かめてください / check the item's number",
            )
        seen.add(row["item"])
    if not seen:
        yield document.finding(
            ("rows",),
            Weight.ERROR,
            "no_rows",
            "行が一つもありません / there are no rows",
            "行を書いてください。根拠が終わるなら in_force の to に終わりの日を書き、行は残します / write rows; of a basis that ends write its last day and keep them",
        )
    numbers = {int(item.partition("-")[0]) for item in seen}
    missing = sorted(set(range(1, max(numbers, default=0) + 1)) - numbers)
    if missing:
        yield document.finding(
            ("rows",),
            Weight.WARNING,
            "items_gap",
            f"{', '.join(map(str, missing))} の項がありません / items are missing",
            "削られた項は deleted: true で残してください / keep a deleted item as deleted: true",
        )


def _periods(document: Document) -> _Found:
    basis = document.data["basis"]["in_force"]
    for nth, row in enumerate(document.data["rows"]):
        period = row.get("in_force")
        if period is None:
            continue
        place = ("rows", nth, "in_force")
        if period["from"] > (basis["to"] or "9999") or (period["to"] or "9999") < basis["from"]:
            yield document.finding(
                place,
                Weight.ERROR,
                "row_never_in_force",
                f"{row['item']} の項が効力を有する日は、根拠の期間にありません / the row is never in force",
                "行か根拠の期間を直してください / mend the row's period or the basis'",
            )
        elif period["from"] < basis["from"] or (period["to"] or "9999") > (basis["to"] or "9999"):
            yield document.finding(
                place,
                Weight.WARNING,
                "row_outlasts_basis",
                f"{row['item']} の項の期間が根拠の期間をはみ出します / the row's period exceeds its basis'",
                "根拠の期間だけが数えられます / only days of the basis count",
            )


def _information(document: Document) -> _Found:
    defined = document.data["definitions"]["information"]
    told: set[str] = set()
    for nth, row in enumerate(document.data["rows"]):
        for at, grant in enumerate(row.get("grants", ())):
            for name in grant["information"]:
                if _is_short_name(name) and name not in defined and name not in told:
                    told.add(name)
                    yield document.finding(
                        ("rows", nth, "grants", at, "information"),
                        Weight.WARNING,
                        "information_undefined",
                        f"「{name}」の定義がありません / an information class without a definition",
                        "definitions.information に書いてください / define it in definitions.information",
                    )


def _is_short_name(name: str) -> bool:
    return name.endswith("関係情報") and "に関する" not in name and "による" not in name


def _uses(document: Document, nth: int, row: Mapping[str, Any]) -> _Found:
    """A row that can never say yes, a grant that an earlier one covers, information of a detail that the row does not have."""
    inquirer, _ = who(document, row["inquirer"])
    grants = [(who(document, grant["provider"])[0], frozenset(grant["information"])) for grant in row["grants"]]
    if not grants:
        yield document.finding(
            ("rows", nth),
            Weight.ERROR,
            "row_without_grants",
            f"{row['item']} の項に提供がありません / a row without grants",
            "grants を書くか、削られた項なら deleted: true にしてください / write grants, or mark it deleted",
        )
    elif not inquirer or not any(provider for provider, _ in grants):
        yield document.finding(
            ("rows", nth),
            Weight.WARNING,
            "row_unreachable",
            f"{row['item']} の項に確かに当たる機関がなく、誰にも許可されません / no agency falls under the row for certain: it permits nobody",
            "他の法令で定まる者なら、そのままで構いません / right, if other law says who that is",
        )
    for at, (provider, names) in enumerate(grants):
        place = ("rows", nth, "grants", at)
        if provider and any(provider <= other and names <= given for other, given in grants[:at]):
            yield document.finding(
                place,
                Weight.WARNING,
                "grant_unreachable",
                f"{row['item']} の項の提供 {at + 1} は、前の提供に含まれます / an earlier grant covers this one",
                "一つにしてください / keep one",
            )
        if len(inquirer) == 1 and provider == inquirer and next(iter(inquirer)).startswith("="):
            yield document.finding(
                place,
                Weight.WARNING,
                "asks_itself",
                f"{row['item']} の項では、照会者が自分に照会します / the inquirer would ask itself",
                "庁内の手続です。行から除いてください / leave it out: an agency does not inquire of itself",
            )


def _details(document: Document, nth: int, row: Mapping[str, Any]) -> _Found:
    named = frozenset(itertools.chain.from_iterable(grant["information"] for grant in row["grants"]))
    for at, detail in enumerate(row.get("details") or ()):
        for line, information in enumerate(detail["information"]):
            for name in sorted(set(information["classes"]) - named):
                place = ("rows", nth, "details", at, "information", line)
                yield document.finding(
                    place,
                    Weight.ERROR,
                    "detail_class_unknown",
                    f"{row['item']} の項に「{name}」はありません / the row has no such information",
                    "行の grants にある情報の名にしてください / use a class of the row's grants",
                )


_ROW_LOOKS: Final[tuple[Callable[[Document, int, Mapping[str, Any]], _Found], ...]] = (_uses, _details)


def _overlaps(document: Document) -> _Found:
    """Two rows in force on one day that give somebody the same information for the same affair."""
    by_affair: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    for nth, row in enumerate(document.data["rows"]):
        if not row.get("deleted"):
            by_affair.setdefault(row["affair"], []).append((nth, row))
    for rows in by_affair.values():
        for (_, one), (nth, other) in itertools.combinations(rows, 2):
            if _share(document, one, other):
                yield document.finding(
                    ("rows", nth),
                    Weight.WARNING,
                    "rows_overlap",
                    f"{one['item']} の項と {other['item']} の項は、同じ照会者に同じ事務で同じ情報を認めます / two rows permit the same",
                    "一つにしてください / keep one",
                )


def _share(document: Document, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    whole = document.data["basis"]["in_force"]
    first, second = one.get("in_force", whole), other.get("in_force", whole)
    if first["from"] > (second["to"] or "9999") or second["from"] > (first["to"] or "9999"):
        return False
    if not who(document, one["inquirer"])[0] & who(document, other["inquirer"])[0]:
        return False
    pairs = itertools.product(one["grants"], other["grants"])
    return any(
        set(a["information"]) & set(b["information"])
        and who(document, a["provider"])[0] & who(document, b["provider"])[0]
        for a, b in pairs
    )
