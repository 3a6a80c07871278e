from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest

from adapters.jlis_mock.core.messages import read_outcome
from adapters.jlis_mock.dishonest import open_answer, permit_claims
from evidence import canonical
from tests.adapters.jlis_mock.surroundings import Surroundings, another_network
from tests.adapters.jlis_mock.wishes import ACCOUNT, acquire, permitted
from transport.clock import Clock

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def kinds(around: Surroundings, number: str) -> list[tuple[str, str | None]]:
    return [(entry["kind"], entry["disposition"] or entry["reason"]) for entry in await around.entries(number)]


async def test_an_inquiry_reaches_the_provider_with_its_own_code_and_comes_back_sealed(around: Surroundings) -> None:
    signed, token = await permitted(around, index=11)
    answer = await around.peer("setagaya").present(token, signed)
    assert open_answer(answer, token, signed.one_time_key)["kind"] == "answered"
    seen = around.neighbours.provisions[-1]
    assert base64.b64decode(seen["code"]) == await acquire(around, "naikaku", 11)
    bound = hashlib.sha256(base64.b64decode(seen["nonce"]) + base64.b64decode(seen["code"])).hexdigest()
    assert bound == permit_claims(token)["code_binding"]
    assert await kinds(around, signed.inquiry_number) == [("permit.issued", None), ("provision.relayed", "provided")]


async def test_what_was_passed_on_is_recorded_after_its_provider_has_said_it(around: Surroundings) -> None:
    """On a time line of all parties the cause stands before its effect, however long the provider takes (SC-4)."""
    signed, token = await permitted(around)
    around.neighbours.busy_s = 0.1
    try:
        answer = await around.peer("setagaya").present(token, signed)
    finally:
        around.neighbours.busy_s = 0.0
    made_at = canonical.decode(base64.b64decode(answer["outcome"]))["at"]
    issued, relayed = await around.entries(signed.inquiry_number)
    assert (issued["kind"], relayed["kind"]) == ("permit.issued", "provision.relayed")
    assert issued["at"] < made_at <= relayed["at"]


async def test_the_same_bytes_again_get_the_same_answer_and_are_recorded_once(around: Surroundings) -> None:
    signed, token = await permitted(around)
    peer = around.peer("setagaya")
    assert await peer.present(token, signed) == await peer.present(token, signed)
    assert len(await around.entries(signed.inquiry_number)) == 2


async def test_a_restarted_network_knows_its_permits_and_what_was_relayed(around: Surroundings) -> None:
    signed, token = await permitted(around)
    peer = around.peer("setagaya")
    answer = await peer.present(token, signed)
    async with another_network(around) as url:
        restarted = replace(peer, core=url, interface=url)
        code = await acquire(around, "setagaya", 1)
        assert await restarted.ask_permit(signed, code) == {"permit": token}
        assert await restarted.present(token, signed) == answer
        replayed = await restarted.present(token, signed.with_other_key())
    assert replayed == {"refused": {"reason": "permit_replayed"}}
    found = await kinds(around, signed.inquiry_number)
    assert [kind for kind, _ in found] == ["permit.issued", "provision.relayed", "permit.refused"]


async def test_other_bytes_under_a_used_permit_are_refused_and_recorded(around: Surroundings) -> None:
    signed, token = await permitted(around)
    peer = around.peer("setagaya")
    await peer.present(token, signed)
    answer = await peer.present(token, signed.with_other_key())
    assert answer == {"refused": {"reason": "permit_replayed"}}
    assert (await kinds(around, signed.inquiry_number))[-1] == ("permit.refused", "permit_replayed")


async def test_a_permit_is_for_one_request(around: Surroundings) -> None:
    signed, token = await permitted(around)
    peer = around.peer("setagaya")
    other = peer.build(replace(ACCOUNT, inquiry_number=signed.inquiry_number, items=("口座番号",)), Clock()())
    answer = await peer.present(token, signed.with_request(other))
    assert answer == {"refused": {"reason": "request_differs_from_permit"}}


async def test_a_permit_of_another_party_is_refused_and_recorded(around: Surroundings) -> None:
    signed, token = await permitted(around)
    answer = await around.peer("suginami").present(token, signed)
    assert answer == {"refused": {"reason": "permit_of_another_party"}}
    entry = (await around.entries(signed.inquiry_number))[-1]
    assert (entry["kind"], entry["actor"]) == ("permit.refused", "suginami")


async def test_a_permit_that_the_core_did_not_write_is_unknown(around: Surroundings) -> None:
    signed, token = await permitted(around)
    peer = around.peer("setagaya")
    assert await peer.present(token[:-9] + ("B" if token[-9] == "A" else "A") + token[-8:], signed) == {
        "refused": {"reason": "permit_unknown"}
    }
    assert await peer.present("no.permit", signed) == {"refused": {"reason": "permit_unknown"}}


async def test_a_permit_expires_unredeemed(around: Surroundings) -> None:
    await around.control(permit_redeem_s=0)
    signed, token = await permitted(around)
    await around.control(permit_redeem_s=None)
    assert await around.peer("setagaya").present(token, signed) == {"refused": {"reason": "permit_expired"}}


async def test_a_provider_that_is_down_leaves_the_permit_open(around: Surroundings) -> None:
    signed, token = await permitted(around)
    peer = around.peer("setagaya")
    await around.control(provider_down=1, each=1)
    assert await peer.present(token, signed) == {"retry": "provider_unreachable"}
    assert (await peer.present(token, signed)).keys() >= {"outcome", "sealed"}


async def test_a_busy_provider_is_asked_again(around: Surroundings) -> None:
    signed, token = await permitted(around)
    around.neighbours.dispositions.append("retry")
    assert await around.peer("setagaya").present(token, signed) == {"retry": "busy"}
    assert len(await around.entries(signed.inquiry_number)) == 1


async def test_the_providers_bare_refusal_is_recorded_and_passed_on(around: Surroundings) -> None:
    signed, token = await permitted(around)
    await around.control(swap_key=1)
    answer = await around.peer("setagaya").present(token, signed)
    assert answer == {"refused": {"reason": "permit_key_differs"}}
    assert (await kinds(around, signed.inquiry_number))[-1] == ("provision.relayed", "refused")


async def test_a_swapped_person_is_caught_by_the_binding(around: Surroundings) -> None:
    signed, token = await permitted(around)
    await around.control(wrong_person=1)
    answer = await around.peer("setagaya").present(token, signed)
    assert answer == {"refused": {"reason": "permit_other_person"}}


async def test_a_flipped_bit_does_not_fit_the_signed_digest(around: Surroundings) -> None:
    signed, token = await permitted(around)
    await around.control(tamper_payload=1)
    answer = await around.peer("setagaya").present(token, signed)
    digest = hashlib.sha256(base64.b64decode(answer["sealed"])).hexdigest()
    assert digest.encode() not in base64.b64decode(answer["outcome"])


async def test_a_replay_that_the_network_lets_through_is_caught_by_the_provider(around: Surroundings) -> None:
    signed, token = await permitted(around)
    peer = around.peer("setagaya")
    await peer.present(token, signed)
    await around.control(replay_allowed=1)
    refused = read_outcome(base64.b64decode((await peer.present(token, signed.with_other_key()))["outcome"]))
    assert refused is not None
    assert (refused.disposition, refused.reason) == ("refused", "permit_replayed")
    assert (await kinds(around, signed.inquiry_number))[-1] == ("permit.refused", "permit_replayed")
    again = await peer.present(token, signed)
    assert open_answer(again, token, signed.one_time_key)["kind"] == "answered"


async def test_a_held_provision_comes_later_and_only_from_its_provider(around: Surroundings) -> None:
    signed, token = await permitted(around)
    around.neighbours.dispositions.append("held")
    held = await around.peer("setagaya").present(token, signed)
    assert held["sealed"] is None
    outcome = around.neighbours.outcome("naikaku", permit_claims(token), signed.one_time_key.public, "provided")
    late = {"permit_id": permit_claims(token)["permit_id"], **outcome}
    url = f"{around.url}/late-outcomes"
    assert await around.items("suginami", url, [late]) == [{"refused": {"reason": "permit_of_another_party"}}]
    assert await around.items("naikaku", url, [late]) == [{"received": True}]
    assert await around.items("naikaku", url, [late]) == [{"received": True}]
    assert around.neighbours.outcomes[-1] == late
    relayed = [one for one in await kinds(around, signed.inquiry_number) if one[0] == "provision.relayed"]
    assert relayed == [("provision.relayed", "held"), ("provision.relayed", "provided")]


async def test_a_final_outcome_does_not_change(around: Surroundings) -> None:
    signed, token = await permitted(around)
    await around.peer("setagaya").present(token, signed)
    outcome = around.neighbours.outcome("naikaku", permit_claims(token), signed.one_time_key.public, "not_provided")
    late = {"permit_id": permit_claims(token)["permit_id"], **outcome}
    answers = await around.items("naikaku", f"{around.url}/late-outcomes", [late])
    assert answers == [{"refused": {"reason": "outcome_conflict"}}]
    assert (await kinds(around, signed.inquiry_number))[-1] == ("permit.refused", "outcome_conflict")


async def test_other_bytes_that_the_network_lets_through_reach_the_provider(around: Surroundings) -> None:
    signed, token = await permitted(around)
    peer = around.peer("setagaya")
    other = peer.build(replace(ACCOUNT, inquiry_number=signed.inquiry_number, items=("口座番号",)), Clock()())
    await around.control(replay_allowed=1)
    await peer.present(token, signed.with_request(other))
    assert base64.b64decode(around.neighbours.provisions[-1]["request"]) == other.request


async def test_anothers_permit_that_the_network_lets_through_reaches_the_provider(around: Surroundings) -> None:
    signed, token = await permitted(around)
    await around.control(any_caller=1)
    await around.peer("suginami").present(token, signed)
    assert around.neighbours.provisions[-1]["permit"] == token


async def test_an_outcome_with_a_foreign_signature_goes_no_further(around: Surroundings) -> None:
    signed, token = await permitted(around)
    outcome = around.neighbours.outcome("naikaku", permit_claims(token), signed.one_time_key.public, "provided")
    forged = around.neighbours.outcome("naikaku", permit_claims(token), signed.one_time_key.public, "not_provided")
    late = {"permit_id": permit_claims(token)["permit_id"], **outcome, "signature": forged["signature"]}
    answers = await around.items("naikaku", f"{around.url}/late-outcomes", [late])
    assert answers == [{"refused": {"reason": "outcome_malformed"}}]
    again = await around.items("naikaku", f"{around.url}/late-outcomes", [late])
    assert again == answers
    _issued, recorded = await around.entries(signed.inquiry_number)
    assert (recorded["kind"], recorded["reason"], recorded["actor"]) == (
        "permit.refused",
        "outcome_malformed",
        "naikaku",
    )


async def test_a_forged_answer_is_recorded_against_its_provider_and_the_inquirer_asks_again(
    around: Surroundings,
) -> None:
    """SC-6: who only hangs leaves no such record. What is forged ever anew is on record eight times at the most."""
    signed, token = await permitted(around)
    around.neighbours.dispositions += ["forged"] * 10
    peer = around.peer("setagaya")
    forged = [await peer.present(token, signed) for _ in range(10)]
    assert forged == [{"retry": "provider_answer_malformed"}] * 10
    entries = (await around.entries(signed.inquiry_number))[1:]
    assert {(one["kind"], one["reason"], one["actor"]) for one in entries} == {
        ("permit.refused", "provider_answer_malformed", "naikaku")
    }
    assert len(entries) == 8
    assert "outcome" in await peer.present(token, signed)


async def test_a_core_that_mints_a_second_permit_reaches_the_provider_with_another_person(around: Surroundings) -> None:
    signed, token = await permitted(around, index=31)
    peer = around.peer("setagaya")
    await peer.present(token, signed)
    another = await acquire(around, "setagaya", 32)
    await around.control(mint_for_another_person=1)
    second = (await peer.ask_permit(signed, another))["permit"]
    first_claims, claims = permit_claims(token), permit_claims(second)
    assert claims["permit_id"] != first_claims["permit_id"]
    assert claims["request_digest"] == first_claims["request_digest"]
    await peer.present(second, signed)
    seen = around.neighbours.provisions[-1]
    assert seen["permit"] == second
    assert base64.b64decode(seen["code"]) == await acquire(around, "naikaku", 32)
    assert await peer.ask_permit(signed, another) == {"permit": second}
    kinds_found = [kind for kind, _ in await kinds(around, signed.inquiry_number)]
    assert kinds_found.count("permit.issued") == 1
