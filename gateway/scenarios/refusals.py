"""Refusals that scenarios show besides those of the demonstration's table: each in one respect wrong, with all else in order (PL-3, PL-4, PL-6, SC-5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

import msgspec

from adapters.jlis_mock.dishonest import Bend
from evidence import canonical
from gateway.demonstration.another_vendor import AGENCY
from gateway.demonstration.exchanging import ASKERS, question
from gateway.demonstration.refusing import CORE, INQUIRER, PROVIDER, Case
from gateway.demonstration.scene import Refusal, Scene, refusal_of
from gateway.demonstration.stage import fresh_key
from gateway.scenarios.topologies import UNASSESSED
from keys import labels
from keys.sealing import key_hash
from keys.signing import Signer, generate_seed
from partner.messages import octets, permit_claims, text

_ANSWER_DAYS: Final = 61
_NOT_A_PARTY: Final = {"item": "1"}
"""医療保険: an item that 厚生労働大臣 asks under, and no mayor."""
_IN_STEAD: Final[dict[str, Any]] = {"item": "80", "said": {"inquirer_for": "koiki-rengo"}}
"""広域連合 asks under 80, and has delegated asking to 杉並区長 and nobody else."""
_UNSETTLED: Final = {
    "item": "12",
    "information": "児童福祉法第二十一条の五の三十一に規定する他の法令による給付の支給に関する情報",
}
"""Who provides it is for other law to say: nobody is taken for it by accident."""


def cases(scene: Scene) -> list[Case]:
    """Every case; nothing is staged yet."""

    def case(name: str, title: str, by: str, reason: str, act: Callable[[], Awaitable[Refusal]]) -> Case:
        return Case(name=name, title=title, by=by, reason=reason, act=act)

    def core(reason: str, title: str, act: Callable[[Scene], Awaitable[Refusal]]) -> Case:
        return case(reason.replace("_", "-"), title, CORE, reason, partial(act, scene))

    return [
        case("inquirer-not-in-row-at-inquirer", "照会者に当たらない", INQUIRER, "inquirer_not_in_row", lambda: scene.at_own_server(**_NOT_A_PARTY)),
        case("inquirer-not-in-row-at-core", "照会者に当たらない", CORE, "inquirer_not_in_row", lambda: scene.at_core(**_NOT_A_PARTY)),
        case("inquirer-not-in-row-at-provider", "照会者に当たらない（コアが誤って許可）", PROVIDER, "inquirer_not_in_row", lambda: scene.at_provider(**_NOT_A_PARTY)),
        case("term-undetermined-at-inquirer", "他の法令が定める当事者", INQUIRER, "term_undetermined", lambda: scene.at_own_server(**_UNSETTLED)),
        case("term-undetermined-at-core", "他の法令が定める当事者", CORE, "term_undetermined", lambda: scene.at_core(**_UNSETTLED)),
        case("unassessed-at-inquirer", "評価していない機関への照会", INQUIRER, "pia_duty_not_met", lambda: scene.at_own_server(provider=UNASSESSED)),
        case("unassessed-at-core", "評価していない機関への照会", CORE, "pia_duty_not_met", lambda: scene.at_core(provider=UNASSESSED)),
        case("agency-unknown", "登録のない機関への照会", CORE, "agency_unknown", lambda: scene.at_core(provider="shiranai")),
        case("list-digest-unknown", "知らない照合リスト", CORE, "list_digest_unknown", lambda: scene.at_core(list_digest="0" * 64)),
        case("list-overdue", "コアが配らない版（コアが誤って許可）", PROVIDER, "list_overdue", scene.at_provider),
        case("delegation-not-on-file-at-core", "登録のない委任", CORE, "delegation_not_on_file", lambda: scene.at_core(**_IN_STEAD)),
        case("delegation-not-on-file-at-provider", "登録のない委任（コアが誤って許可）", PROVIDER, "delegation_not_on_file", lambda: scene.at_provider(**_IN_STEAD)),
        core("expiry_too_late", "六十日より先の期限", partial(_until, timedelta(days=_ANSWER_DAYS))),
        core("request_expired", "過ぎた期限", partial(_until, timedelta(seconds=-1))),
        core("signature_invalid", "登録のない鍵の署名", _signed_by_another),
        core("request_malformed", "正準形でない照会", _not_canonical),
        core("inquirer_is_not_the_caller", "他の機関の照会を差し出す", _of_another),
        core("inquiry_number_reused", "同じ照会番号の別の照会", _number_again),
        case("inquiry-answered-before", "二枚目の許可証（コアが作る）", PROVIDER, "inquiry_answered_before", partial(_second_permit, scene)),
        case("public-key-unusable", "使えない鍵", PROVIDER, "public_key_unusable", partial(_no_key, scene)),
        core("permit_unknown", "作られた許可証", _forged),
        core("request_differs_from_permit", "許可証と違う照会", _under_another_permit),
        core("permit_revoked", "取り消した許可証", _taken_back),
        core("permit_used", "使った許可証の取消し", _taken_back_late),
        case("permit-of-another-party-revoked", "他の機関の許可証の取消し", CORE, "permit_of_another_party", partial(_taken_back_by_another, scene)),
        core("outcome_conflict", "二つ目の回答", _answers_twice),
        core("outcome_malformed", "提供者の署名のない、後からの回答", partial(_answers_twice, signed=False)),
        core("code_epoch_over", "終わった世代の符号", _old_code),
    ]  # fmt: skip


async def _until(ahead: timedelta, scene: Scene) -> Refusal:
    return await scene.at_core(expires_at=scene.now() + ahead)


async def _signed_by_another(scene: Scene) -> Refusal:
    signed = scene.peer.build(scene.wish(), scene.now())
    other = replace(signed, signature=Signer(generate_seed()).sign(labels.INQUIRY, signed.request))
    return refusal_of(await scene.peer.ask_permit(other, scene.code), signed)


async def _not_canonical(scene: Scene) -> Refusal:
    signed = scene.peer.build(scene.wish(), scene.now())
    loose = signed.request + b" "
    other = replace(signed, request=loose, signature=scene.peer.signer.sign(labels.INQUIRY, loose))
    return refusal_of(await scene.peer.ask_permit(other, scene.code), signed)


async def _of_another(scene: Scene) -> Refusal:
    signed = scene.peer.build(scene.wish(), scene.now())
    return refusal_of(await scene.rival.ask_permit(signed, scene.code), signed)


async def _number_again(scene: Scene) -> Refusal:
    signed, _ = await scene.permitted()
    return await scene.at_core(inquiry_number=signed.inquiry_number)


async def _second_permit(scene: Scene) -> Refusal:
    """A core that issues another permit for what was answered already, so that a second person could be asked about."""
    signed, permit = await scene.permitted()
    await scene.peer.present(permit, signed)
    await scene.faults(mint_for_another_person=1)
    again = await scene.peer.ask_permit(signed, scene.code)
    return await scene.presented(signed, again["permit"])


async def _no_key(scene: Scene) -> Refusal:
    """Signed is the hash of something that nobody can seal to."""
    signed = scene.peer.build(scene.wish(), scene.now())
    nothing = replace(signed.one_time_key, public=b"no key")
    said = {**canonical.decode(signed.request), "key_hash": key_hash(nothing.public).hex()}
    request = canonical.encode(said)
    other = replace(
        signed, request=request, signature=scene.peer.signer.sign(labels.INQUIRY, request), one_time_key=nothing
    )
    answer = await scene.peer.ask_permit(other, scene.code)
    return await scene.presented(other, answer["permit"])


async def _forged(scene: Scene) -> Refusal:
    signed, permit = await scene.permitted()
    body, _, signature = permit.rpartition(".")
    return await scene.presented(signed, f"{body}.{signature[::-1]}")


async def _under_another_permit(scene: Scene) -> Refusal:
    (signed, permit), (other, _) = await scene.permitted(), await scene.permitted()
    return await scene.presented(signed.with_request(other), permit)


async def _taken_back(scene: Scene) -> Refusal:
    signed, permit = await scene.permitted()
    if not (await scene.peer.revoke_permits([_id_of(permit)]))[0].get("revoked"):
        return Refusal(reason="not revoked", inquiry_number=signed.inquiry_number)
    return await scene.presented(signed, permit)


async def _taken_back_late(scene: Scene) -> Refusal:
    signed, permit = await scene.permitted()
    await scene.peer.present(permit, signed)
    return refusal_of((await scene.peer.revoke_permits([_id_of(permit)]))[0], signed)


async def _taken_back_by_another(scene: Scene) -> Refusal:
    signed, permit = await scene.permitted()
    return refusal_of((await scene.rival.revoke_permits([_id_of(permit)]))[0], signed)


async def _answers_twice(scene: Scene, *, signed: bool = True) -> Refusal:
    """A dishonest provider was asked and has answered; then it says something else, or somebody does in its name."""
    provider = scene.vendor.provider
    asked = question(ASKERS[2], scene.addressee_number) | {"provider": AGENCY, "item": "42", "items": ["被保険者番号"]}
    provider.bend = Bend.MORE_THAN_ASKED
    try:
        await scene.desk.inquire([asked], key=fresh_key())
    finally:
        provider.bend = None
    answer = list(provider.answered.values())[-1][1]
    outcome: dict[str, Any] = msgspec.json.decode(octets(answer["outcome"]))
    other = canonical.encode({**outcome, "at": canonical.timestamp(scene.now() + timedelta(seconds=1))})
    signer = provider.signer if signed else Signer(generate_seed())
    said = answer | {"outcome": text(other), "signature": text(signer.sign(labels.OUTCOME, other))}
    found = await scene.peer.late_outcome(outcome["permit_id"], said)
    return Refusal(
        reason=found.get("refused", {}).get("reason", "not refused"), inquiry_number=outcome["inquiry_number"]
    )


async def _old_code(scene: Scene) -> Refusal:
    """The agency's codes go to a new epoch, and it says that it has renewed them all; then it asks under one of before."""
    epoch = (await scene.peer.code_epochs())["newest"] + 1
    await scene.network.items("/code-epochs/announce", [{"agency": AGENCY, "epoch": epoch, "accept_s": 0}])
    await scene.peer.code_epochs(settled=epoch)
    return await scene.at_core()


def _id_of(permit: str) -> str:
    """What a permit calls itself."""
    return str(permit_claims(permit)["permit_id"])
