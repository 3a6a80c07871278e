"""The staff card at a terminal's browser: WebAuthn registration and assertion at a real server (IS-9, SC-10)."""

from __future__ import annotations

import base64

import pytest
from fido2.utils import websafe_decode

from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.staff_terminal import first, somebody

REFUSED = (401, "login_refused")


async def registered(running, desk):
    """Somebody new, with a browser's card beside the card of the command line."""
    person = somebody()
    await desk.add(await desk.entered(first(running, "admin-1")), person)
    await desk.entered(person)
    card = SoftAuthenticator(origin=f"https://localhost:{running.url('intermediate').rpartition(':')[2]}")
    status, answer = await register(desk, person, card)
    assert status == 200, answer
    person.token = ""
    return person, card


async def register(desk, person, card, **changes):
    _, answer = await desk.call(person, "staff/cards", {})
    options = answer["options"]["publicKey"]
    assert options["rp"]["id"] == "localhost"
    challenge = websafe_decode(options["challenge"])
    item = {"proof": await desk.proof(person, "register"), "registration": card.register(challenge, **changes)}
    return await desk.call(person, "staff/cards", item)


async def proof(desk, person, card, *, challenge: str = "", **changes):
    asked = challenge or await desk.challenge(person)
    return {
        "password": person.password,
        "challenge": asked,
        "webauthn": card.sign(base64.b64decode(asked), **changes),
    }


async def test_a_web_card_and_the_password_log_in(running, desk):
    person, card = await registered(running, desk)
    for _ in range(2):
        status, answer = await desk.enter(person, proof=await proof(desk, person, card))
        assert status == 200, answer
    wrong = {**await proof(desk, person, card), "password": "not the password"}
    assert await desk.enter(person, proof=wrong) == REFUSED


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "https://localhost"},
        {"origin": "https://elsewhere.example"},
        {"rp_id": "elsewhere.example"},
        {"present": False},
    ],
    ids=str,
)
async def test_an_assertion_for_another_origin_is_refused(running, desk, changes):
    person, card = await registered(running, desk)
    assert await desk.enter(person, proof=await proof(desk, person, card, **changes)) == REFUSED


async def test_an_assertion_is_good_for_its_challenge_once(running, desk, other_desk):
    person, card = await registered(running, desk)
    given = await proof(desk, person, card)
    assert (await desk.enter(person, proof=given))[0] == 200
    assert await desk.enter(person, proof=given) == REFUSED
    later = {**given, "challenge": await desk.challenge(person)}
    assert await desk.enter(person, proof=later) == REFUSED
    there = await other_desk.challenge(person)
    assert await desk.enter(person, proof=await proof(desk, person, card, challenge=there)) == REFUSED


async def test_a_copied_card_is_found_by_its_counter(running, desk):
    person, card = await registered(running, desk)
    assert (await desk.enter(person, proof=await proof(desk, person, card)))[0] == 200
    assert await desk.enter(person, proof=await proof(desk, person, card, step=0)) == REFUSED
    card.counter = 0
    assert await desk.enter(person, proof=await proof(desk, person, card)) == REFUSED


async def test_another_persons_card_is_refused(running, desk):
    person, _ = await registered(running, desk)
    _, stolen = await registered(running, desk)
    assert await desk.enter(person, proof=await proof(desk, person, stolen)) == REFUSED
    stolen.credential_id = person.card.public_key
    assert await desk.enter(person, proof=await proof(desk, person, stolen)) == REFUSED


@pytest.mark.parametrize(
    "bent",
    [
        {},
        {"rawId": "x"},
        {"response": {}},
        {"response": {"clientDataJSON": "%%%"}},
        *({"response": one} for one in ([], "x", None, 5)),
    ],
    ids=str,
)
async def test_what_is_no_assertion_is_refused_like_a_wrong_one(running, desk, bent):
    person, card = await registered(running, desk)
    given = await proof(desk, person, card)
    given["webauthn"] = {**given["webauthn"], **bent} if bent else {}
    assert await desk.enter(person, proof=given) == REFUSED


@pytest.mark.parametrize("response", [[], "x", None, 5])
async def test_what_is_no_assertion_approves_nothing(running, desk, response):
    one, other = [await desk.entered(first(running, staff_id)) for staff_id in ("admin-1", "admin-2")]
    _, grant = await desk.ask(one, first(running, "staff-1"))
    given = {"password": other.password, "challenge": "", "webauthn": {"response": response}}
    assert await desk.decide(other, "approve", grant, proof=given) == REFUSED
    await desk.entered(other)  # a failure more than five in a row would lock them out


async def test_a_registration_answers_a_challenge_of_ours_at_our_origin(running, desk):
    person, _ = await registered(running, desk)
    await desk.entered(person)
    card = SoftAuthenticator(origin="https://elsewhere.example")
    assert await register(desk, person, card) == (400, "registration_broken")
    card = SoftAuthenticator(origin=f"https://localhost:{running.url('intermediate').rpartition(':')[2]}")
    item = {"proof": await desk.proof(person, "register"), "registration": card.register(b"a challenge of its own")}
    assert await desk.call(person, "staff/cards", item) == (400, "registration_broken")
    item = {"proof": await desk.proof(person), "registration": card.register(b"a challenge of its own")}
    assert await desk.call(person, "staff/cards", item) == REFUSED


async def test_a_card_registered_by_one_person_is_not_taken_for_another(running, desk):
    _, card = await registered(running, desk)
    person, _ = await registered(running, desk)
    await desk.entered(person)
    assert await register(desk, person, card) == (409, "changed_meanwhile")


async def test_whoever_leaves_has_no_web_card_either(running, desk):
    person, card = await registered(running, desk)
    admin = await desk.entered(first(running, "admin-1"))
    leave = {"operation": "leave", "staff_id": person.staff_id}
    assert (await desk.call(admin, "staff/members/change", leave))[0] == 200
    assert await desk.enter(person, proof=await proof(desk, person, card)) == REFUSED
