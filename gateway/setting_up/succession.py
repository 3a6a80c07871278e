"""How one register follows another: a key that is not named any more is accepted for a while yet, so that nothing in flight is refused (docs/adr/0035).

The register in force is the memory of all keys that ever counted; whoever writes the next one says only what counts from now on. Pure.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final

from evidence.canonical import timestamp
from permission_lists.versions import legal_day
from transport.register_forms import FORM

Body = dict[str, Any]
"""What a register says, in its present form, as JSON."""

KEYS_OVERLAP: Final = timedelta(days=60)
"""As long as anything that was signed may be on its way: a permit is good for 60 days at most."""
CERTIFICATES_OVERLAP: Final = timedelta(days=1)
"""Until then a caller that has a new certificate has come back with it."""


def follow(before: Body | None, wanted: Mapping[str, Any], now: datetime, overlap: timedelta = KEYS_OVERLAP) -> Body:
    """`wanted`: agencies with `signing_keys`, logs with `keys`, `permit_keys` and `list_keys` as lists of hex keys that count now; the rest as the register has it.
    `assessed` of an agency: the days as the register has them, or true or false for how it is from today on.

    Its sequence number is that of `before`, or one more when it says something else.
    """
    signing = {one["id"]: one["signing_keys"] for one in (before["agencies"] if before else ())}
    standing = {one["id"]: one["assessed"] for one in (before["agencies"] if before else ())}
    logs = {one["origin"]: one["keys"] for one in (before["logs"] if before else ())}
    next_of = partial(_windows, now=now, overlap=overlap)
    body: Body = {
        **wanted,
        "v": FORM,
        "agencies": [
            {
                **one,
                "signing_keys": next_of(signing.get(one["id"], []), one["signing_keys"]),
                "assessed": _assessed(standing.get(one["id"]), one["assessed"], legal_day(now)),
            }
            for one in wanted["agencies"]
        ],
        "logs": [{**one, "keys": next_of(logs.get(one["origin"], []), one["keys"])} for one in wanted["logs"]],
        "permit_keys": next_of(before["permit_keys"] if before else [], wanted["permit_keys"]),
        "list_keys": _list_keys(before, wanted["list_keys"]),
        "certificates": _certificates(before, wanted["certificates"], now),
        "lists": _lists(before, wanted.get("lists", ())),
    }
    if before is not None and before.get("root") is not None:
        body["root"] = before["root"]
    return numbered(before, body)


def numbered(before: Body | None, body: Body) -> Body:
    """The body with the number that it has when it comes after `before` (none: it is the first)."""
    last = 0 if before is None else int(before["sequence"])
    same = before is not None and {**before, "sequence": 0} == {**body, "sequence": 0}
    return {**body, "sequence": max(last if same else last + 1, 1)}


def with_keys(
    before: Body, purpose: str, whose: str, wanted: Sequence[str], now: datetime, overlap: timedelta = KEYS_OVERLAP
) -> Body:
    """The next register when one party's keys for one purpose (`signing`, `log`, `permit`) are these from now on.

    Raises LookupError for a party that the register does not name.
    """
    body: Body = copy.deepcopy(before)
    place, name = _place(body, purpose, whose)
    place[name] = _windows(place[name], wanted, now, overlap)
    return numbered(before, body)


def open_keys(body: Body, purpose: str, whose: str) -> list[str]:
    """A party's keys (hex) that have no end yet. Raises LookupError."""
    place, name = _place(body, purpose, whose)
    return [one["key"] for one in place[name] if one["valid_to"] is None]


def with_list_key(before: Body, key: str) -> Body:
    """The next register when this key of the permission list's publisher counts too for what comes."""
    return numbered(before, {**before, "list_keys": _list_keys(before, [key])})


def with_list_key_alone(before: Body, key: str, signed: Mapping[str, Collection[str]]) -> Body:
    """The next register when of the publisher's keys this one alone signs. `signed`: of each that signed till now, the digests of what it has signed."""
    ended = [
        one if one["versions"] is not None or one["key"] == key else {**one, "versions": sorted(signed[one["key"]])}
        for one in before["list_keys"]
    ]
    return numbered(before, {**before, "list_keys": ended})


def _list_keys(before: Body | None, wanted: Sequence[str]) -> list[Body]:
    """Oldest first. A key is never forgotten, and it is ended by `with_list_key_alone` only: that knows what it has signed."""
    known: list[Body] = [] if before is None else before["list_keys"]
    there = {one["key"] for one in known}
    return [*known, *({"key": key, "versions": None} for key in wanted if key not in there)]


def _place(body: Body, purpose: str, whose: str) -> tuple[Body, str]:
    match purpose:
        case "permit":
            return body, "permit_keys"
        case "signing":
            found, name = [one for one in body["agencies"] if one["id"] == whose], "signing_keys"
        case _:
            found, name = [one for one in body["logs"] if one["origin"] == whose], "keys"
    if not found:
        raise LookupError("the register does not name this party")
    return found[0], name


def _windows(known: Sequence[Body], wanted: Sequence[str], now: datetime, overlap: timedelta) -> list[Body]:
    """Oldest first; what is wanted has no end, what is not has one from now on. Nothing is forgotten: old records are verified by old keys."""
    kept = [
        one if (one["valid_to"] is None) == (one["key"] in wanted) else _turned(one, now + overlap) for one in known
    ]
    there = {one["key"] for one in known}
    begins = timestamp(now) if known else None
    return kept + [{"key": key, "valid_from": begins, "valid_to": None} for key in wanted if key not in there]


def _turned(window: Body, end: datetime) -> Body:
    return {**window, "valid_to": timestamp(end) if window["valid_to"] is None else None}


def _assessed(known: Sequence[Body] | None, wanted: bool | Sequence[Body], today: date) -> list[Body]:  # noqa: FBT001 - as a topology says it
    """The days on which an agency is assessed (28条): said outright, or those before today as they were and from today on as said (docs/adr/0093)."""
    if not isinstance(wanted, bool):
        return list(wanted)
    if known is None:
        return [{"valid_from": None, "valid_to": None}] if wanted else []
    begun = [one for one in known if (one["valid_from"] or "") <= today.isoformat()]
    past = [one for one in begun if one["valid_to"] is not None and one["valid_to"] < today.isoformat()]
    running = [one for one in begun if one not in past]
    if wanted:
        since = running[0]["valid_from"] if running else today.isoformat()
        return [*past, {"valid_from": since, "valid_to": None}]
    ended = (today - timedelta(days=1)).isoformat()
    return [*past, *({**one, "valid_to": ended} for one in running if one["valid_from"] != today.isoformat())]


def _certificates(before: Body | None, wanted: Sequence[Body], now: datetime) -> list[Body]:
    """Those wanted; and one that was replaced by a new one of the same holder, until its end. What was only taken out is out."""
    there = {one["sha256"] for one in wanted}
    known = {one["sha256"]: one for one in (before["certificates"] if before else ())}
    new = {_holder(one) for one in wanted if one["sha256"] not in known}
    ended = []
    for one in known.values():
        if one["sha256"] in there:
            continue
        if one["valid_to"] is not None and datetime.fromisoformat(one["valid_to"]) >= now:
            ended.append(one)
        elif one["valid_to"] is None and _holder(one) in new:
            ended.append({**one, "valid_to": timestamp(now + CERTIFICATES_OVERLAP)})
    return sorted([*({**one, "valid_to": None} for one in wanted), *ended], key=lambda one: str(one["sha256"]))


def with_root(before: Body, key: str) -> Body:
    """The next register when its owner signs by this key from now on."""
    named = before.get("root") or {"key": "", "number": 1}
    root = named if named["key"] == key else {"key": key, "number": named["number"] + 1}
    return numbered(before, {**before, "root": root})


def with_lists(before: Body, wanted: Sequence[Body]) -> Body:
    """The next register when the publisher of the permission list has given out these versions too."""
    return numbered(before, {**before, "lists": _lists(before, wanted)})


def _lists(before: Body | None, wanted: Sequence[Body]) -> list[Body]:
    """By number; one that was named once stays."""
    known = before.get("lists", ()) if before else ()
    found = {int(one["number"]): one for one in (*known, *wanted)}
    return [found[number] for number in sorted(found)]


def _holder(certificate: Body) -> tuple[str, str, str]:
    return certificate["agency"], certificate["use"], certificate["name"]


def with_certificate(before: Body, sha256: str, agency: str, use: str, name: str) -> Body:
    """The next register when this certificate counts too, without an end."""
    others = [one for one in before["certificates"] if one["sha256"] != sha256]
    added = {"sha256": sha256, "agency": agency, "use": use, "name": name, "valid_to": None}
    return _certified(before, [*others, added])


def without_certificate(before: Body, sha256: str) -> Body:
    """The next register when this certificate counts no more, from now on."""
    return _certified(before, [one for one in before["certificates"] if one["sha256"] != sha256])


def ending_certificate(before: Body, sha256: str, now: datetime) -> Body:
    """The next register when this certificate was replaced by another one of its holder."""
    end = timestamp(now + CERTIFICATES_OVERLAP)
    turned = [
        {**one, "valid_to": end} if one["sha256"] == sha256 and one["valid_to"] is None else one
        for one in before["certificates"]
    ]
    return _certified(before, turned)


def _certified(before: Body, certificates: Sequence[Body]) -> Body:
    return numbered(before, {**before, "certificates": sorted(certificates, key=lambda one: str(one["sha256"]))})
