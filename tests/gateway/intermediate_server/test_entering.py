"""Log-in at a real server: replays, other terminals and agencies, guessing, sessions (IS-9, SC-7, SC-10)."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import re
from collections import Counter

import aiohttp
import pytest

from keys.signing import Signer, generate_seed
from tests.support.staff_terminal import first, somebody, terminal
from transport.tls import client_context

REFUSED = (401, "login_refused")


async def export(running, desk, agency="setagaya") -> list[dict]:
    """The access log of an agency, as staff-1 sees it."""
    reader = await desk.entered(first(running, "staff-1", agency))
    async with desk.session.get(
        f"{desk.base}/{agency}/log", headers={"Authorization": f"Bearer {reader.token}"}
    ) as answer:
        assert answer.status == 200
        data = await answer.read()
    found = [json.loads(json.loads(line)["entry"]) for line in data.splitlines() if line.startswith(b'{"entry"')]
    return [entry for entry in found if entry["kind"].startswith("staff.")]


async def counted(running, name: str) -> float:
    async with aiohttp.ClientSession() as session, session.get(running.metrics_url("intermediate")) as answer:
        text = await answer.text()
    return sum(float(value) for value in re.findall(rf'^{name}{{agency="setagaya"[^}}]*}} (\S+)', text, re.MULTILINE))


async def anew(running, desk):
    """Somebody of their own with no right yet: what locks them locks nobody else's test."""
    admin, person = await desk.entered(first(running, "admin-1")), somebody()
    await desk.add(admin, person)
    return person


async def test_both_factors_open_a_session_and_it_is_on_record(running, desk):
    person = first(running, "staff-1")
    status, answer = await desk.enter(person, reason="complaint", reference="case/2022-15")
    assert status == 200
    assert not answer["password_change_needed"]
    assert await desk.call(person, "held-provisions") == (200, None)
    log = await export(running, desk)
    entered = next(one for one in log if one["facts"].get("reference") == "case/2022-15")
    assert (entered["kind"], entered["actor"], entered["reason"]) == ("staff.logged_in", "staff-1", "complaint")
    operated = next(one for one in log if one["kind"] == "staff.operated" and one["reason"] == "complaint")
    assert operated["facts"]["function"] == "held.view"
    assert operated["facts"]["file"] == "replicas"
    assert operated["facts"]["office"] == "kokuho-nenkin"


async def test_without_a_session_nothing_is_shown(running, desk):
    for path in (
        "held-provisions",
        "held-provisions/decide",
        "log/search",
        "staff/members",
        "staff/grants",
        "staff/analysis",
    ):
        assert await desk.call("", path) == (401, "session_missing")
        assert await desk.call("made-up", path) == (401, "session_ended")
    async with desk.session.get(f"{desk.base}/setagaya/log") as answer:
        assert answer.status == 401


async def test_a_wrong_part_is_not_told_and_is_on_record(running, desk):
    person = await anew(running, desk)
    other = Signer(generate_seed())
    right = await desk.proof(person)
    wrong = [
        await desk.proof(person, password="not the password"),
        await desk.proof(person, signature=base64.b64encode(bytes(64)).decode()),
        {**await desk.proof(person), "signature": None},
        await desk.proof(person, webauthn={"id": "x"}, signature=None),
        {**right, "challenge": base64.b64encode(bytes(56)).decode()},
    ]
    answers = []
    for proof in wrong:
        answers.append(await desk.enter(person, proof=proof))
        if len(answers) == 3:
            await desk.entered(person)
    person.card = other
    answers.append(await desk.enter(person))
    assert answers == [REFUSED] * 6
    log = await export(running, desk)
    reasons = [one["reason"] for one in log if one["kind"] == "staff.refused" and one["actor"] == person.staff_id]
    assert Counter(reasons) == {
        "login_refused/password": 1,
        "login_refused/card": 4,
        "login_refused/challenge": 1,
    }


async def test_an_unknown_id_costs_the_same_work_and_is_not_named(running, desk):
    known, nobody = await anew(running, desk), somebody()
    seen = []
    for person in (known, nobody):
        person.password = "not the password"
        hashes, records = await counted(running, "sekisho_staff_hashes_total"), len(await export(running, desk))
        assert await desk.enter(person) == REFUSED
        # the export itself logs in once, hashes once, and is recorded twice
        seen.append(
            (
                await counted(running, "sekisho_staff_hashes_total") - hashes - 1,
                len(await export(running, desk)) - records,
            )
        )
    assert seen[0] == seen[1]
    text = json.dumps(await export(running, desk))
    assert nobody.staff_id not in text


async def test_a_challenge_is_used_once(running, desk):
    person = await anew(running, desk)
    proof = await desk.proof(person)
    assert (await desk.enter(person, proof=proof))[0] == 200
    assert await desk.enter(person, proof=proof) == REFUSED


async def test_a_challenge_that_failed_is_used_too(running, desk):
    person = await anew(running, desk)
    proof = await desk.proof(person)
    assert await desk.enter(person, proof={**proof, "password": "not the password"}) == REFUSED
    assert await desk.enter(person, proof=proof) == REFUSED


async def test_a_challenge_of_another_terminal_person_purpose_or_agency_is_worth_nothing(running, desk, other_desk):
    person, other = await anew(running, desk), await anew(running, desk)
    there = await other_desk.challenge(person)
    assert await desk.enter(person, proof=await desk.proof(person, challenge=there)) == REFUSED
    hers = await desk.challenge(other)
    assert await desk.enter(person, proof=await desk.proof(person, challenge=hers)) == REFUSED
    assert await desk.enter(person, proof=await desk.proof(person, "password")) == REFUSED
    async with terminal(running, "suginami") as suginami:
        theirs = await suginami.challenge(first(running, "staff-1", "suginami"))
    assert await desk.enter(person, proof=await desk.proof(person, challenge=theirs)) == REFUSED


async def test_a_signature_for_one_agency_is_worth_nothing_at_another(running, desk):
    """The card signs the agency too: a server in the middle cannot pass another server's challenge on."""
    person = await anew(running, desk)
    person.agency = "suginami"
    challenge = await desk.call(person, "staff/challenges", {"staff_id": person.staff_id}, agency="setagaya")
    proof = await desk.proof(person, challenge=challenge[1]["challenge"])
    person.agency = "setagaya"
    assert await desk.enter(person, proof=proof) == REFUSED


async def test_a_session_of_one_agency_or_terminal_is_worth_nothing_elsewhere(running, desk, other_desk):
    person = await desk.entered(first(running, "staff-1"))
    assert await other_desk.call(person, "held-provisions") == (401, "session_ended")
    async with terminal(running, "suginami") as suginami:
        assert await suginami.call(person.token, "held-provisions", agency="suginami") == (401, "session_ended")
        assert await suginami.call(person.token, "held-provisions", agency="tokyo") == (403, "not_for_this_caller")
    assert (await desk.call(person, "held-provisions"))[0] == 200


async def test_a_session_cannot_be_fixed_beforehand(running, desk):
    """A token that somebody planted is not taken over by a log-in that carries it."""
    person = await anew(running, desk)
    person.token = planted = "planted-by-somebody-else"
    status, answer = await desk.enter(person)
    assert status == 200
    assert answer["session"] != planted
    assert await desk.call(planted, "staff/log-out") == (401, "session_ended")
    before = person.token
    await desk.entered(person)
    assert person.token != before


async def test_after_log_out_the_session_is_over(running, desk):
    person = await desk.entered(first(running, "staff-1"))
    assert await desk.call(person, "staff/log-out") == (200, {"logged_out": True})
    assert await desk.call(person, "held-provisions") == (401, "session_ended")
    assert "staff.logged_out" in {one["kind"] for one in await export(running, desk)}


async def test_a_person_has_so_many_sessions_and_the_oldest_ends(running, desk):
    person = await anew(running, desk)
    tokens = [(await desk.entered(person)).token for _ in range(6)]
    lively = [(await desk.call(token, "staff/cards", {}))[0] for token in tokens]
    assert lively == [401, 200, 200, 200, 200, 200]


async def test_a_session_lives_while_it_is_used_and_ends_when_it_is_not(running):
    person = first(running, "staff-1", "koiki-rengo")
    async with terminal(running, "koiki-rengo") as desk:
        await desk.entered(person)
        for _ in range(3):
            await asyncio.sleep(2)
            assert (await desk.call(person, "held-provisions"))[0] == 200
        await asyncio.sleep(4.1)
        assert await desk.call(person, "held-provisions") == (401, "session_ended")
        for _ in range(60):  # the broom puts it on record (SC-7)
            log = await export(running, desk, person.agency)
            ended = {one["facts"]["how"] for one in log if one["kind"] == "staff.session_ended"}
            if "idle" in ended:
                break
            await asyncio.sleep(0.5)
        assert "idle" in ended


async def test_after_so_many_failures_a_person_is_locked_out_and_comes_back(running, desk):
    person = await anew(running, desk)
    password = person.password
    for _ in range(6):
        person.password = "not the password"
        assert await desk.enter(person) == REFUSED
    person.password = password
    assert await desk.enter(person) == REFUSED
    log = await export(running, desk)
    reasons = [one["reason"] for one in log if one["kind"] == "staff.refused" and one["actor"] == person.staff_id]
    assert reasons == ["login_refused/password"] * 5 + ["login_refused/locked"] * 2
    await asyncio.sleep(2.1)
    await desk.entered(person)


async def test_guesses_at_once_are_as_many_as_guesses_in_turn(running, other_desk, desk):
    person = await anew(running, desk)
    proofs = [await other_desk.proof(person, password=f"a guess number {nth}") for nth in range(10)]
    assert await asyncio.gather(*(other_desk.enter(person, proof=proof) for proof in proofs)) == [REFUSED] * 10
    reasons = Counter(
        one["reason"]
        for one in await export(running, desk)
        if one["actor"] == person.staff_id and one["kind"] == "staff.refused"
    )
    assert reasons["login_refused/password"] <= 5
    await asyncio.sleep(2.1)


async def test_an_administrator_unlocks(running, desk, other_desk):
    person = await anew(running, desk)
    for _ in range(6):
        await other_desk.enter(person, proof=await other_desk.proof(person, password="not the password"))
    admin = await desk.entered(first(running, "admin-1"))
    status, answer = await desk.call(
        admin, "staff/members/change", {"operation": "unlock", "staff_id": person.staff_id}
    )
    assert status == 200, answer
    await desk.entered(person)
    await asyncio.sleep(2.1)


async def test_spraying_one_password_over_many_ids_locks_the_terminal(running):
    """The answer is the same all the way, and the right person at that terminal is turned away as well, for a while."""
    honest = first(running, "staff-2", "tokyo")
    async with terminal(running, "tokyo", "staff-1") as desk, terminal(running, "tokyo", "staff-2") as other_desk:
        for _ in range(11):
            assert await other_desk.enter(somebody("tokyo")) == REFUSED
        assert await other_desk.enter(honest) == REFUSED
        await desk.entered(honest)
        await asyncio.sleep(4.1)
        await other_desk.entered(honest)


@pytest.mark.parametrize(
    "changes",
    [
        {"staff_id": "STAFF"},
        {"staff_id": "x" * 40},
        {"reason": "curiosity"},
        {"reference": "123456789012"},
        {"reference": "名前"},
        {"more": 1},
    ],
    ids=str,
)
async def test_what_does_not_have_its_form_is_not_judged(running, desk, changes):
    person = first(running, "staff-1")
    status, reason = await desk.enter(person, **changes)
    assert (status, reason) == (400, "malformed_item")


@pytest.mark.parametrize("headers", [{"Sekisho-Reason": "curiosity"}, {"Sekisho-Reference": "123456789012"}], ids=str)
async def test_why_a_call_is_made_has_its_form(running, desk, headers):
    person = await desk.entered(first(running, "staff-1"))
    assert await desk.call(person, "held-provisions", **headers) == (400, "malformed_header")


@pytest.mark.parametrize("token", [b"\xff", "é".encode()])
def test_a_session_token_of_any_bytes_opens_nothing(running, token):
    identity = running.staff("setagaya", "staff-1")
    host, _, port = running.url("intermediate").rpartition("//")[2].partition(":")
    connection = http.client.HTTPSConnection(host, int(port), context=client_context(identity, identity.ca), timeout=20)
    connection.request(
        "POST", "/setagaya/held-provisions", json.dumps({"items": []}), {"Authorization": b"Bearer " + token}
    )
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    assert (answer.status, told["reason"]) == (401, "session_ended")


async def test_u_0000_in_an_id_is_the_callers_fault(running, desk):
    admin = await desk.entered(first(running, "admin-1"))
    for path, item in (
        ("staff/grants/ask", {"event": "revoke", "grant_id": "a\0b"}),
        ("staff/members/change", {"operation": "leave", "staff_id": "a\0b"}),
    ):
        assert await desk.call(admin, path, item) == (400, "malformed_body")


async def test_whom_a_member_of_staff_is_related_to_has_a_number(running, desk):
    admin, person = await desk.entered(first(running, "admin-1")), await anew(running, desk)
    item = {"operation": "relate", "staff_id": person.staff_id, "relation": "household"}
    for text in ("not a number !!", "٣" * 15, "1" * 14):
        told = await desk.call(admin, "staff/members/change", {**item, "integrated_number": text})
        assert told == (400, "malformed_item")
    assert (await desk.call(admin, "staff/members/change", {**item, "integrated_number": "1" * 15}))[0] == 200


async def test_no_secret_is_in_the_log_or_the_database(running, desk):
    person = await anew(running, desk)
    await desk.entered(person)
    text = json.dumps(await export(running, desk))
    from storage.database import Database

    database = await Database.open(running.role("intermediate").dsn, connections=1)
    try:
        async with database.inside("a_setagaya_intermediate") as connection:
            rows = await connection.fetch("select * from staff_session") + await connection.fetch(
                "select * from staff_member"
            )
    finally:
        await database.close()
    stored = str([dict(row) for row in rows])
    for secret in (person.password, person.token):
        assert secret not in text
        assert secret not in stored
