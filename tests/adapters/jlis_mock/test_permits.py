from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.jlis_mock.dishonest import Wish, permit_claims
from permission_lists.permit import read_permit
from tests.adapters.jlis_mock.surroundings import Surroundings
from tests.adapters.jlis_mock.wishes import ACCOUNT, acquire, permitted
from transport.clock import Clock

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def refusal(around: Surroundings, wish: Wish, *, agency: str = "setagaya", code: bytes | None = None) -> str:
    peer = around.peer(agency)
    signed = peer.build(wish, Clock()())
    answer = await peer.ask_permit(signed, await acquire(around, agency, 1) if code is None else code)
    return str(answer["refused"]["reason"])


async def test_a_listed_inquiry_gets_a_permit_that_the_other_implementation_reads(around: Surroundings) -> None:
    signed, token = await permitted(around)
    permit = read_permit(token, *around.register.permit_keys.all())
    assert (permit.inquirer, permit.provider, permit.item) == ("setagaya", "naikaku", "162")
    assert permit.inquiry_number == signed.inquiry_number
    assert permit.redeem_by - permit.issued_at == timedelta(seconds=300)
    kinds = [entry["kind"] for entry in await around.entries(signed.inquiry_number)]
    assert kinds == ["permit.issued"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"item": "9999"}, "affair_not_listed"),
        ({"provider": "suginami"}, "provider_not_in_row"),
        ({"information": "地方税関係情報"}, "information_not_in_row"),
        ({"basis": "beppyo2-2022"}, "basis_not_in_force"),
        ({"list_digest": "0" * 64}, "list_digest_unknown"),
        ({"provider": "setagaya"}, "inquires_of_itself"),
        ({"provider": "unassessed"}, "pia_duty_not_met"),
        ({"provider": "nobody"}, "agency_unknown"),
        ({"item": "1"}, "inquirer_not_in_row"),
        ({"expires_at": Clock()() - timedelta(minutes=1)}, "request_expired"),
        ({"expires_at": Clock()() + timedelta(days=400)}, "expiry_too_late"),
    ],
)
async def test_what_the_list_does_not_permit_is_refused(
    around: Surroundings, changes: dict[str, object], reason: str
) -> None:
    assert await refusal(around, replace(ACCOUNT, **changes)) == reason  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"inquirer_for": "naikaku"}, "delegation_not_on_file"),
        ({"inquirer_for": "nobody"}, "delegation_not_on_file"),
        ({"provider_for": "setagaya"}, "delegation_not_on_file"),
        ({"inquirer_for": "unassessed"}, "pia_duty_not_met"),
        ({"period": "2022-04-02/2022-04-01"}, "request_malformed"),
        ({"period": "2022-02-30/2022-04-01"}, "request_malformed"),
        ({"period": None}, "request_malformed"),
        ({"non_disclosure": False}, "request_malformed"),
        ({"anything": True}, "request_malformed"),
    ],
)
async def test_what_a_request_says_beyond_the_rest_has_its_form_and_its_ground(
    around: Surroundings, said: dict[str, object], reason: str
) -> None:
    assert await refusal(around, replace(ACCOUNT, said=said), agency="suginami") == reason


async def test_a_delegation_on_file_lets_the_delegators_row_count_and_stands_in_permit_and_record(
    around: Surroundings,
) -> None:
    said = {"inquirer_for": "setagaya", "period": "2022-04-01/2023-03-31", "non_disclosure": True}
    peer = around.peer("suginami")
    signed = peer.build(replace(ACCOUNT, said=said), Clock()())
    answer = await peer.ask_permit(signed, await acquire(around, "suginami", 1))
    permit = read_permit(answer["permit"], *around.register.permit_keys.all())
    assert {name: getattr(permit, name) for name in said} == said
    [entry] = await around.entries(signed.inquiry_number)
    assert {name: entry[name] for name in said} == said
    assert entry["inquirer"] == "suginami"


async def test_a_refusal_is_recorded_like_a_success(around: Surroundings) -> None:
    peer = around.peer("setagaya")
    signed = peer.build(replace(ACCOUNT, item="9999"), Clock()())
    await peer.ask_permit(signed, await acquire(around, "setagaya", 1))
    entries = await around.entries(signed.inquiry_number)
    assert [(entry["kind"], entry["reason"]) for entry in entries] == [("permit.refused", "affair_not_listed")]


async def test_another_agencys_code_is_refused(around: Surroundings) -> None:
    code = await acquire(around, "suginami", 1)
    assert await refusal(around, ACCOUNT, code=code) == "code_not_of_this_agency"


async def test_a_forged_code_is_refused(around: Surroundings) -> None:
    code = bytearray(await acquire(around, "setagaya", 1))
    code[20] ^= 1
    assert await refusal(around, ACCOUNT, code=bytes(code)) == "code_not_of_this_agency"
    assert await refusal(around, ACCOUNT, code=secrets.token_bytes(34)) == "code_not_of_this_agency"


async def test_nobody_asks_in_anothers_name(around: Surroundings) -> None:
    assert await refusal(around, replace(ACCOUNT, inquirer="suginami")) == "inquirer_is_not_the_caller"


async def test_a_request_signed_by_somebody_else_is_refused(around: Surroundings) -> None:
    peer = around.peer("setagaya")
    signed = replace(peer, signer=around.neighbours.signers["suginami"]).build(ACCOUNT, Clock()())
    answer = await peer.ask_permit(signed, await acquire(around, "setagaya", 1))
    assert answer == {"refused": {"reason": "signature_invalid"}}


async def test_the_same_request_again_gets_the_same_permit_and_is_recorded_once(around: Surroundings) -> None:
    peer = around.peer("setagaya")
    code = await acquire(around, "setagaya", 1)
    signed = peer.build(ACCOUNT, Clock()())
    first, twin = await peer.ask_permits([(signed, code), (signed, code)])
    again = await peer.ask_permit(signed, code)
    assert first == twin == again
    assert len(await around.entries(signed.inquiry_number)) == 1


async def test_another_request_under_a_used_number_is_refused(around: Surroundings) -> None:
    signed, _ = await permitted(around)
    wish = replace(ACCOUNT, inquiry_number=signed.inquiry_number, items=("口座番号",))
    assert await refusal(around, wish) == "inquiry_number_reused"
    entry = (await around.entries(signed.inquiry_number))[-1]
    assert (entry["kind"], entry["reason"]) == ("access.refused", "inquiry_number_reused")


async def test_a_request_that_is_not_canonical_is_refused(around: Surroundings) -> None:
    peer = around.peer("setagaya")
    signed = peer.build(ACCOUNT, Clock()())
    answer = await peer.ask_permit(replace(signed, request=b" " + signed.request), bytes(34))
    assert answer == {"refused": {"reason": "request_malformed"}}


async def test_a_list_of_requests_is_answered_one_by_one_in_order(around: Surroundings) -> None:
    peer = around.peer("setagaya")
    code = await acquire(around, "setagaya", 1)
    signed = [peer.build(ACCOUNT, Clock()()) for _ in range(30)]
    answers = await peer.ask_permits([(each, code) for each in signed])
    numbers = [permit_claims(answer["permit"])["inquiry_number"] for answer in answers]
    assert numbers == [each.inquiry_number for each in signed]


async def test_a_dishonest_core_can_permit_anything_and_name_another_party(around: Surroundings) -> None:
    await around.control(permit_anything=1)
    _, token = await permitted(around, item="9999")
    assert permit_claims(token)["item"] == "9999"
    await around.control(permit_other_party=1)
    _, token = await permitted(around)
    assert permit_claims(token)["provider"] not in {"setagaya", "naikaku"}
