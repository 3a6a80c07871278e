"""What a provider's server must do, step by step; each check bends one thing and says what was seen instead.

A check returns None when the server did right, else what it did, as text for its engineer. No check quotes an answer's content.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

from evidence import canonical
from gateway.conformance import bends, by_list, delegated, late, taking
from gateway.conformance.answers import (
    BY_LIST,
    NOT_SENT,
    Saw,
    WrongError,
    exactly_asked,
    items_of,
    not_answered,
    one_answer,
    outcome,
    payload_of,
    refused,
    turned_down,
)
from gateway.conformance.check import Act, Check, malformed, turned_away
from gateway.conformance.not_judged import AS_PROVIDER, NotJudged
from gateway.conformance.trial import MOST_SILENCES, PROVISIONS, Presented, Trial
from gateway.conformance.turns import Step
from keys.sealing import new_one_time_key
from keys.signing import Signer, generate_seed
from partner.messages import envelope, text

_REPLAYED: Final = ("permit_replayed", "permit_key_differs", "permit_request_differs")
"""The other bytes are also not those that the permit is for."""


# --- TLS and HTTP


async def _without_certificate(trial: Trial) -> Saw:
    try:
        answered = await trial.post(envelope([trial.presented().item]), path=PROVISIONS, identity=None)
    except NOT_SENT as failure:
        return turned_down(failure)
    return f"証明書なしで {answered.status} と答えた / answered {answered.status} without a certificate"


async def _old_tls(trial: Trial) -> Saw:
    try:
        await trial.post(envelope([]), path=PROVISIONS, identity=trial.network, newest=ssl.TLSVersion.TLSv1_2)
    except NOT_SENT as failure:
        return turned_down(failure)
    return "TLS 1.2 で話した / it spoke TLS 1.2"


async def _mutual_tls(trial: Trial) -> Saw:
    try:
        answered = await trial.post(envelope([]), path=PROVISIONS, identity=trial.network)
    except NOT_SENT as failure:
        return not_answered(failure)
    return (
        None if answered.status == 200 else f"空の一覧に {answered.status} / status {answered.status} for an empty list"
    )


# --- answers


async def _provided(trial: Trial) -> Saw:
    presented = trial.presented()
    answer = await one_answer(trial, presented)
    said = outcome(trial, presented, answer)
    if said["disposition"] != "provided":
        return f"provided ではなく {said['disposition']} / {said['disposition']} in place of provided"
    payload = payload_of(presented, answer)
    if payload["kind"] != "answered" or not payload["records"]:
        return "answered でないか、記録がない / not answered, or no records"
    told = any("value" in value for record in payload["records"] for value in record["items"].values())
    return (
        None
        if told
        else "どの項目にも値がない（--people の known は値のある人に） / no item has a value: known must be somebody of whom there is one"
    )


async def _exactly_asked(trial: Trial) -> Saw:
    presented = trial.presented()
    return exactly_asked(trial, payload_of(presented, await one_answer(trial, presented)))


async def _same_again(trial: Trial) -> Saw:
    presented = trial.presented()
    first, second = await one_answer(trial, presented), await one_answer(trial, presented)
    return None if first == second else "同じバイト列に別の答え / another answer to the same bytes"


async def _in_order(trial: Trial) -> Saw:
    asked = [trial.presented(), trial.presented(claims={"provider": trial.inquirer}), trial.presented()]
    answers = await items_of(trial, [one.item for one in asked])
    for presented, answer in ((asked[0], answers[0]), (asked[2], answers[2])):
        outcome(trial, presented, answer)
    return None if answers[1].get("sealed") is None else "順序が違うか、拒んでいない / out of order, or not refused"


async def _other_bytes(trial: Trial) -> Saw:
    """The same permit with the inquirer's signature over other bytes, after it was answered."""
    presented = trial.presented()
    outcome(trial, presented, await one_answer(trial, presented))
    other = trial.request()
    key = text(new_one_time_key().public)
    for bent in ({"public_key": key}, {"request": text(other.request), "signature": text(other.signature)}):
        saw = await refused(
            trial,
            Presented(item={**presented.item, **bent}, claims=presented.claims, one_time_key=presented.one_time_key),
            _REPLAYED,
        )
        if saw is not None:
            return saw
    return None


async def _held(trial: Trial) -> Saw:
    presented = trial.presented(code=trial.people.barred)
    answer = await one_answer(trial, presented)
    said = outcome(trial, presented, answer)
    right = said["disposition"] == "held" and answer.get("sealed") is None
    return None if right else f"held ではなく {said['disposition']} / {said['disposition']} in place of held"


async def _unknown_person(trial: Trial) -> Saw:
    presented = trial.presented(code=trial.people.unknown)
    answer = await one_answer(trial, presented)
    said = outcome(trial, presented, answer)
    if said["disposition"] != "not_provided" or said["reason"] is not None:
        return "not_provided（理由は封の中だけ）ではない / not not_provided with its reason in the sealed part alone"
    payload = payload_of(presented, answer)
    right = payload == {"kind": "no_such_person", "records": []}
    return None if right else "封の中が no_such_person でない / the sealed part is not no_such_person"


def _bent(make: Callable[[Trial], Presented], *reasons: str) -> Act:
    """`reasons`: for which it may be refused."""

    async def act(trial: Trial) -> Saw:
        return await refused(trial, make(trial), reasons)

    return act


_PERMIT: Final = "docs/architecture.md, Permit; DESIGN §4 step 5"
_OUTCOME: Final = "docs/architecture.md, Outcome"
_CALLERS: Final = "docs/architecture.md, Who may call what; SC-2"
_PROVISION: Final = "IF_TKY_90003, docs/openapi/intermediate.yaml"

DOOR: Final = (
    Check(
        "mutual_tls",
        "相互 TLS でつながり、サーバー証明書が合う / mutual TLS, and the server's certificate fits",
        _CALLERS,
        _mutual_tls,
    ),
    Check("old_tls", "TLS 1.3 より古い TLS を断る / no TLS older than 1.3", _CALLERS, _old_tls),
    Check("no_certificate", "証明書のない相手を断る / nobody without a certificate", _CALLERS, _without_certificate),
    Check(
        "certificate_not_registered",
        "登録簿にない証明書を 403 で断る / a certificate that is not in the register",
        _CALLERS,
        partial(turned_away, lambda trial: trial.stranger, PROVISIONS),
    ),
    Check(
        "certificate_for_another_use",
        "ネットワーク以外の証明書を 403 で断る / a certificate that is not the network's",
        _CALLERS,
        partial(turned_away, lambda trial: trial.inquirer_identity, PROVISIONS),
    ),
    Check(
        "problem_json",
        "壊れた本文に 400 の problem+json / problem+json for a broken body",
        f"{_PROVISION}; RFC 9457",
        partial(malformed, b"{", PROVISIONS),
    ),
    Check(
        "unknown_fields",
        "知らない項目に 400 の problem+json / problem+json for unknown fields",
        _PROVISION,
        partial(malformed, b'{"checkpoint": null, "items": [{"favourite": 1}]}', PROVISIONS),
    ),
)
"""What holds of every server, whatever its agency may provide."""

CHECKS: Final = (
    *DOOR,
    Check(
        "provided",
        "正しい照会に署名と封で答える / a good inquiry is answered, signed and sealed",
        f"{_PROVISION}; {_OUTCOME}",
        _provided,
    ),
    Check(
        "exactly_asked",
        "求めた項目を、それだけ出す / exactly the items asked for",
        "docs/architecture.md, Payload; SC-5",
        _exactly_asked,
        lambda trial: bool(trial.question.items),
        "この情報のレイアウトがなく、項目を名指せない / no layout of this information, hence no item to name",
    ),
    Check(
        "same_again", "同じバイト列に同じ答え / the same answer to the same bytes", f"{_PROVISION}; SC-4", _same_again
    ),
    Check(
        "in_order",
        "一覧に順序どおり答える / a list is answered in order",
        "docs/architecture.md, Messages between servers",
        _in_order,
    ),
    Check(
        "permit_replayed",
        "使われた許可証の別のバイト列を拒む / other bytes under a used permit",
        f"{_PERMIT}; SC-4",
        _other_bytes,
    ),
    Check(
        "permit_expired",
        "期限の過ぎた許可証を拒む / an expired permit",
        f"{_PERMIT}; SC-5",
        _bent(bends.expired, "permit_expired"),
    ),
    Check(
        "deadline_not_signed",
        "照会者が署名した期限より長い許可証を拒む / a permit that outlives what the inquirer signed",
        _PERMIT,
        _bent(bends.longer_than_signed, "permit_request_differs"),
    ),
    Check(
        "permit_other_party",
        "別の提供者あての許可証を拒む / a permit for another provider",
        f"{_PERMIT}; PL-4",
        _bent(lambda trial: trial.presented(request={"provider": trial.inquirer}), "permit_other_party"),
    ),
    Check(
        "permit_tampered",
        "書き換えた許可証を拒む / a tampered permit",
        _PERMIT,
        _bent(bends.tampered, "permit_signature"),
    ),
    Check(
        "permit_signature",
        "コアの署名でない許可証を拒む / a permit that the core did not sign",
        _PERMIT,
        _bent(lambda trial: trial.presented(signer=Signer(generate_seed())), "permit_signature"),
    ),
    Check(
        "inquirer_signature",
        "照会者の署名でない照会を拒む / a request that its inquirer did not sign",
        f"{_PERMIT}; SC-1",
        _bent(bends.other_signature, "inquirer_signature"),
    ),
    Check(
        "permit_request_differs",
        "許可証と別の照会を拒む / a request that the permit is not for",
        _PERMIT,
        _bent(bends.other_request, "permit_request_differs"),
    ),
    Check(
        "permit_key_differs",
        "許可証と別の鍵を拒む / a key that the permit is not for",
        f"{_PERMIT}; SC-1",
        _bent(
            lambda trial: trial.presented(item={"public_key": text(new_one_time_key().public)}), "permit_key_differs"
        ),
    ),
    Check(
        "permit_other_person",
        "許可証と別の人の符号を拒む / a code of somebody else",
        f"{_PERMIT}; SC-9",
        _bent(lambda trial: trial.presented(item={"code": text(trial.people.unknown)}), "permit_other_person"),
    ),
    Check(
        "list_digest_unknown",
        "知らない照合リストによる許可証を拒む / a permit by an unknown list",
        f"{_PERMIT}; PL-4",
        _bent(
            lambda trial: trial.presented(request={"list_digest": "0" * 64}), "list_digest_unknown", "list_not_in_force"
        ),
    ),
    Check(
        "not_permitted",
        "リストにない項の照会を、許可証があっても拒む / an item that the list has not, permit or not",
        f"{_PERMIT}; PL-4",
        _bent(lambda trial: trial.presented(request={"item": "9999"}), *BY_LIST),
    ),
    Check(
        "unknown_person",
        "知らない人に、封の中でだけそう答える / an unknown person is told in the sealed part alone",
        "docs/architecture.md, Payload; IS-3",
        _unknown_person,
    ),
    Check(
        "barred",
        "自動応答不可の人を保留する / a barred person is held",
        f"{_OUTCOME}; SC-4",
        _held,
        lambda trial: trial.people.barred is not None,
        "--people に barred がない / the people file names nobody barred",
    ),
)


_ALL: Final = (*CHECKS, *by_list.CHECKS, by_list.OWN_ASSESSMENT, *delegated.CHECKS, *taking.CHECKS, *late.CHECKS)
_OF_UNASSESSED: Final = frozenset({one.id for one in (*DOOR, by_list.OWN_ASSESSMENT, *taking.CHECKS)})
_UNASSESSED: Final = "この機関は評価（28条）を済ませていないので、何も提供しない / this agency's assessment duty is not met: it provides nothing"
_SILENT: Final = f"続けて {MOST_SILENCES} 回、時間内に答えがなく、やめた / given up: {MOST_SILENCES} calls in a row had no answer in time"


def _lacking(check: Check, trial: Trial) -> str | None:
    """Why this run does not make a check; None: it does."""
    if not trial.assessed and check.id not in _OF_UNASSESSED:
        return _UNASSESSED
    return None if check.possible(trial) else check.lacking


async def run(trial: Trial) -> tuple[list[Step], list[NotJudged]]:
    """Every check that can be made, in order, what breaks a check being what it saw; then the checks that were not made, and calls that no run of a provider meets."""
    found: list[Step] = []
    silent: list[NotJudged] = []
    for check in _ALL:
        why = _lacking(check, trial) or (_SILENT if trial.silent >= MOST_SILENCES else None)
        if why is None:
            saw = await _seen(check, trial)
            found.append(Step(id=check.id, right=saw is None, title=check.title, saw=saw, cites=check.cites))
        else:
            silent.append(NotJudged(id=check.id, title=check.title, why=why, cites=check.cites))
    return found, [*silent, *AS_PROVIDER]


async def _seen(check: Check, trial: Trial) -> Saw:
    try:
        return await check.act(trial)
    except WrongError as wrong:
        return str(wrong)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, canonical.NotCanonical) as broken:
        return f"答えの形が違う / the answer is not as documented ({type(broken).__name__})"
