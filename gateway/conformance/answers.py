"""What a server under test answered: its form, its signature, its seal. Whatever is not as documented raises WrongError."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import aiohttp

from evidence import canonical
from gateway.conformance.trial import LARGEST_ANSWER, PROVISIONS, Answered, AnswerTooLargeError, Presented, Trial
from keys import labels
from keys.errors import SealBroken
from keys.sealing import open_sealed
from partner.messages import envelope, exchange_digest, hexdigest, is_digest, octets, payload_info, permit_claims
from permission_lists.decide import Reason
from transport import wire

_OUTCOME_FIELDS: Final = frozenset(
    {
        "v", "permit_id", "inquiry_number", "inquirer", "provider", "disposition", "reason", "exchange_digest", "info_digest",
        "sealed_digest", "at",
    }
)  # fmt: skip
_DISPOSITIONS: Final = ("provided", "not_provided", "held", "refused")
NOT_SENT: Final = (aiohttp.ClientError, OSError, TimeoutError)
_ANSWER_FIELDS: Final = frozenset({"outcome", "signature", "sealed", "refused", "retry"})
BY_LIST: Final = ("not_permitted", *(reason.value for reason in Reason))
"""Why the list says no. `not_permitted`: of a list that is judged elsewhere, as in `partner.providing`."""
Saw = str | None
"""None when the server did right, else what it did, for its engineer."""


class WrongError(Exception):
    """The server did something else than the documents say; the text says what."""


def not_answered(failure: Exception) -> str:
    """Why there is no answer, by one of `NOT_SENT`."""
    match failure:
        case TimeoutError():
            return "時間内に答えがない / no answer in time"
        case AnswerTooLargeError():
            most = LARGEST_ANSWER >> 20
            return f"答えが {most} MiB を超えた。残りは読まない / an answer of more than {most} MiB, which is not read"
        case aiohttp.ClientConnectorCertificateError():
            return "サーバー証明書がこの CA のものでないか、名前が違う / the server's certificate is of another CA or for another name"
    return f"答えがない / no answer ({type(failure).__name__})"


def turned_down(failure: Exception) -> Saw:
    """None when somebody who is there closed the door, which is right; else what it was, by one of `NOT_SENT`."""
    match failure:
        case TimeoutError():
            return not_answered(failure)
        case aiohttp.ClientConnectorError() if not isinstance(failure, aiohttp.ClientSSLError):
            return None if isinstance(failure.os_error, ConnectionResetError) else not_answered(failure)
    return None


async def items_of(
    trial: Trial,
    items: Sequence[Mapping[str, Any]],
    *,
    path: str = PROVISIONS,
    fields: frozenset[str] = _ANSWER_FIELDS,
) -> list[dict[str, Any]]:
    """The answer items of a well-formed 200, each of these fields and no others. Raises WrongError."""
    try:
        answered = await trial.post(envelope(items), path=path, identity=trial.network)
    except NOT_SENT as failure:
        raise WrongError(not_answered(failure)) from None
    if answered.status != 200:
        raise WrongError(f"200 ではなく {answered.status} / status {answered.status} in place of 200")
    found = answered.json()
    if not isinstance(found, dict) or set(found) - {"checkpoint", "items"} or not isinstance(found.get("items"), list):
        raise WrongError('{"checkpoint", "items"} の形でない / the body is not {"checkpoint", "items"}')
    answers: list[Any] = found["items"]
    if len(answers) != len(items) or not all(isinstance(one, dict) and not set(one) - fields for one in answers):
        raise WrongError("items の数か形が違う / items differ in number or form from those sent")
    return answers


def outcome(trial: Trial, presented: Presented, answer: Mapping[str, Any]) -> dict[str, Any]:
    """The outcome, if it is signed, canonical, and of this exchange. Raises WrongError."""
    try:
        data, signature = octets(answer["outcome"]), octets(answer["signature"])
        said = canonical.decode(data)
    except (KeyError, TypeError, ValueError, canonical.NotCanonical):
        raise WrongError(
            "outcome がないか、正準形の JSON でない / no outcome, or not canonical JSON in base64"
        ) from None
    if not isinstance(said, dict) or set(said) != _OUTCOME_FIELDS:
        raise WrongError("outcome の項目が違う / the outcome does not have the documented fields")
    if said["disposition"] not in _DISPOSITIONS:
        raise WrongError(
            f"disposition が {'、'.join(_DISPOSITIONS)} のどれでもない / none of the dispositions that there are"
        )
    if not trial.register.agencies[trial.agency].signing_keys.verify(labels.OUTCOME, data, signature, now=trial.now):
        raise WrongError("outcome の署名が登録された鍵で合わない / the outcome is not signed by the registered key")
    claims = permit_claims(presented.item["permit"])
    expected = {name: claims[name] for name in ("permit_id", "inquiry_number", "inquirer")} | {
        "v": 1,
        "provider": trial.agency,
        "exchange_digest": exchange_digest(presented.item),
        "info_digest": hexdigest(payload_info(claims)),
    }
    wrong = sorted(name for name, value in expected.items() if said[name] != value)
    if wrong:
        raise WrongError(f"outcome の {', '.join(wrong)} が違う / wrong in the outcome: {', '.join(wrong)}")
    sealed = answer.get("sealed")
    if (sealed is None) != (said["sealed_digest"] is None) or (
        sealed is not None
        and (not is_digest(said["sealed_digest"]) or said["sealed_digest"] != hexdigest(octets(sealed)))
    ):
        raise WrongError("sealed_digest が sealed のものでない / sealed_digest is not that of sealed")
    return said


def payload_of(presented: Presented, answer: Mapping[str, Any]) -> dict[str, Any]:
    """What was sealed, opened with the one-time key in the permit's context. Raises WrongError."""
    if answer.get("sealed") is None:
        raise WrongError("封をした答えがない / nothing sealed was given")
    info = payload_info(permit_claims(presented.item["permit"]))
    try:
        # reveal: the run looks whether exactly what was asked came; its people are synthetic
        opened = open_sealed(presented.one_time_key.private, info, octets(answer["sealed"])).reveal()
    except (SealBroken, TypeError, ValueError, KeyError):
        raise WrongError(
            "一回限りの鍵と文脈で開かない / does not open with the one-time key in the permit's context"
        ) from None
    try:
        payload = wire.decode_json(opened)
    except wire.JsonBrokenError:
        raise WrongError("封の中身が JSON でない / the sealed part is not JSON") from None
    if not isinstance(payload, dict) or set(payload) != {"kind", "records"} or not isinstance(payload["records"], list):
        raise WrongError('封の中身が {"kind", "records"} でない / the sealed part is not {"kind", "records"}')
    return payload


def exactly_asked(trial: Trial, payload: Mapping[str, Any]) -> Saw:
    """The items that the question names, each a value or why there is none, and no others (SC-5)."""
    wanted, given = set(trial.question.items), set[str]()
    for record in payload["records"]:
        if set(record) != {"data_set", "version", "items"} or not isinstance(record["items"], dict):
            return "記録の形が違う / a record is not {data_set, version, items}"
        if not all(set(value) in ({"value"}, {"null_reason"}) for value in record["items"].values()):
            return "項目が value か null_reason の一方でない / an item is not one of value and null_reason"
        given |= set(record["items"])
    if given - wanted:
        return "求めていない項目が入っている / items that were not asked for"
    return "求めた項目が入っていない / items that were asked for are missing" if wanted - given else None


async def one_answer(trial: Trial, presented: Presented) -> dict[str, Any]:
    return (await items_of(trial, [presented.item]))[0]


async def refused(trial: Trial, presented: Presented, reasons: Collection[str]) -> Saw:
    """Refused for one of these reasons, in clear or by a signed outcome of this exchange, and nothing sealed left. Raises WrongError."""
    answer = await one_answer(trial, presented)
    if answer.get("sealed") is not None:
        return "拒まずに封をした答えが出た / something sealed was given in place of a refusal"
    bare = answer.get("refused")
    if isinstance(bare, dict):
        return _ground(bare.get("reason"), reasons)
    if answer.get("outcome") is None:
        return "拒否でも outcome でもない / neither a refusal nor an outcome"
    said = outcome(trial, presented, answer)
    if said["disposition"] != "refused":
        return f"拒まずに {said['disposition']} と答えた / answered {said['disposition']} in place of refused"
    return _ground(said["reason"], reasons)


def _ground(reason: object, reasons: Collection[str]) -> Saw:
    """Whether it was refused for what is wrong with it."""
    if not isinstance(reason, str):
        return "理由がない / no reason is given"
    if reason in reasons:
        return None
    named = "、".join(sorted(reasons))
    return f"文書にある理由 ({named}) でない / refused for another reason than the documents say"


def is_problem(answered: Answered, status: int) -> Saw:
    found = answered.json()
    if answered.status != status:
        return f"{status} ではなく {answered.status} / status {answered.status} in place of {status}"
    if answered.content_type != "application/problem+json" or not isinstance(found, dict):
        return "application/problem+json でない / not application/problem+json"
    named = (
        found.get("status") == status and isinstance(found.get("reason"), str) and isinstance(found.get("title"), str)
    )
    return None if named else "status・title・reason がない / without status, title and reason"
