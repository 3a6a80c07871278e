"""Members and their rights at a real server: two people for every grant, revocation at once, nobody becomes somebody else (SC-11, SC-24)."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from codebook.identifiers import new_sortable_id
from gateway.intermediate_server.staff import store, vouching
from gateway.intermediate_server.staff.rights import EVERYTHING, WITHOUT_LIMITS
from storage.database import Database
from tests.support.staff_terminal import Person, Terminal, first, somebody, terminal, written_beside

HELD = "held-provisions"
NO_RIGHT = (403, "right_missing")


@pytest.fixture
async def people(running, desk):
    """Two administrators at work, and somebody new."""
    one, other = await desk.entered(first(running, "admin-1")), await desk.entered(first(running, "admin-2"))
    holder = somebody()
    await desk.add(one, holder)
    await desk.entered(holder)
    return one, other, holder


async def works(desk, person: Person) -> bool:
    status, answer = await desk.call(person, HELD)
    assert (status, answer) in ((200, None), NO_RIGHT, (401, "session_ended")), answer
    return status == 200


async def test_a_grant_is_inert_until_a_second_person_has_approved_it(people, desk):
    one, other, holder = people
    assert not await works(desk, holder)
    status, grant = await desk.ask(one, holder)
    assert (status, grant["state"]) == (200, "requested")
    assert not await works(desk, holder)
    assert await desk.decide(one, "approve", grant) == (403, "second_person_needed")
    assert not await works(desk, holder)
    status, grant = await desk.decide(other, "approve", grant)
    assert (status, grant["state"], grant["approved_by"]) == (200, "effective", "admin-2")
    assert await works(desk, holder)


async def test_an_edit_voids_the_approval_at_once(people, desk):
    one, other, holder = people
    grant = await desk.granted(one, other, holder)
    wider = {"function": "held.view", "office": "kokuho-nenkin", "valid_until": "2026-05-01T00:00:00Z"}
    item = {"event": "edit", "grant_id": grant["grant_id"], "scope": wider}
    status, edited = await desk.call(one, "staff/grants/ask", item)
    assert (status, edited["state"], edited["approved_by"]) == (200, "requested", None)
    assert not await works(desk, holder)
    stale = await desk.decide(other, "approve", edited, content_hash=grant["content_hash"])
    assert stale == (409, "content_changed")
    assert (await desk.decide(other, "approve", edited))[0] == 200
    assert await works(desk, holder)


async def test_a_revocation_works_at_once_and_is_checked_by_somebody_else(people, desk):
    one, other, holder = people
    grant = await desk.granted(one, other, holder)
    assert await works(desk, holder)
    status, revoked = await desk.call(one, "staff/grants/ask", {"event": "revoke", "grant_id": grant["grant_id"]})
    assert (status, revoked["state"]) == (200, "revoked")
    assert not await works(desk, holder)
    assert await desk.decide(one, "check", revoked) == (403, "second_person_needed")
    assert (await desk.decide(other, "check", revoked))[1]["state"] == "closed"
    assert await desk.decide(other, "approve", revoked) == (409, "grant_state")


async def test_an_approval_needs_both_factors_for_exactly_this(people, desk):
    one, other, holder = people
    _, grant = await desk.ask(one, holder)
    _, another = await desk.ask(one, holder, "held.decide")
    for proof in (
        await desk.proof(other),
        await desk.proof(other, f"approve/{another['grant_id']}/{another['content_hash']}"),
        await desk.proof(other, f"reject/{grant['grant_id']}/{grant['content_hash']}"),
        await desk.proof(other, f"approve/{grant['grant_id']}/{grant['content_hash']}", password="wrong"),
        await desk.proof(one, f"approve/{grant['grant_id']}/{grant['content_hash']}"),
    ):
        assert await desk.decide(other, "approve", grant, proof=proof) == (401, "login_refused")
    await asyncio.sleep(2.1)  # five failures: the next would lock the approver out
    proof = await desk.proof(other, f"approve/{grant['grant_id']}/{grant['content_hash']}")
    assert (await desk.decide(other, "approve", grant, proof=proof))[0] == 200
    assert await desk.decide(other, "approve", grant, proof=proof) == (401, "login_refused")


async def test_of_approvals_at_once_one_counts(people, desk):
    one, other, holder = people
    _, grant = await desk.ask(one, holder)
    purpose = f"approve/{grant['grant_id']}/{grant['content_hash']}"
    proofs = [await desk.proof(other, purpose) for _ in range(4)]
    found = await asyncio.gather(*(desk.decide(other, "approve", grant, proof=proof) for proof in proofs))
    statuses = sorted(status for status, _ in found)
    assert statuses == [200, 409, 409, 409]
    assert {answer for status, answer in found if status == 409} <= {"changed_meanwhile", "grant_state"}


async def test_an_edit_and_an_approval_at_once_do_not_make_an_unseen_grant_work(people, desk):
    one, other, holder = people
    for _ in range(5):
        _, grant = await desk.ask(one, holder, affair="27")
        proof = await desk.proof(other, f"approve/{grant['grant_id']}/{grant['content_hash']}")
        wider = {"function": "held.view", "office": "kokuho-nenkin", "valid_until": "2026-05-01T00:00:00Z"}
        edit = {"event": "edit", "grant_id": grant["grant_id"], "scope": wider}
        await asyncio.gather(
            desk.call(one, "staff/grants/ask", edit), desk.decide(other, "approve", grant, proof=proof)
        )
        _, grants = await desk.call(one, "staff/grants")
        found = next(row for row in grants if row["grant_id"] == grant["grant_id"])
        assert found["state"] == "requested" or found["affair"] == "27"


async def test_whoever_leaves_or_moves_has_nothing_left_at_once(people, desk):
    one, other, holder = people
    grant = await desk.granted(one, other, holder)
    move = {"operation": "transfer", "staff_id": holder.staff_id, "office": "zeimu"}
    assert (await desk.call(one, "staff/members/change", move))[0] == 200
    assert await desk.call(holder, HELD) == (401, "session_ended")
    await desk.entered(holder)
    assert not await works(desk, holder)
    assert not await works(desk, holder)
    await desk.granted(one, other, holder, office="zeimu")
    assert await works(desk, holder)
    assert (await desk.call(one, "staff/members/change", {"operation": "leave", "staff_id": holder.staff_id}))[0] == 200
    assert await desk.call(holder, HELD) == (401, "session_ended")
    assert await desk.enter(holder) == (401, "login_refused")
    _, grants = await desk.call(one, "staff/grants")
    assert {row["state"] for row in grants if row["staff_id"] == holder.staff_id} == {"revoked"}
    assert grant["grant_id"] in {row["grant_id"] for row in grants}


async def test_whoever_leaves_while_they_send_does_nothing_with_that_call(people, desk):
    """SC-11: headers and the first bytes of a body are nothing that a right is kept by."""
    one, other, holder = people
    for function in ("bars.change", "operations", "backup"):
        await desk.granted(one, other, holder, function)
    bar = {"bar_id": new_sortable_id("B", 0, secrets.token_bytes(10)), "place": "person", "cause": "support_measures"}
    assert (await desk.call(holder, "bars/set", {**bar, "integrated_number": "100000000000000"}))[0] == 200
    assert (await desk.call(holder, "code-counts"))[0] == 200
    left = asyncio.Event()
    lift = {"bar_id": bar["bar_id"], "event": "lift"}
    calls = [
        asyncio.create_task(_sent_slowly(desk, holder, path, items, left))
        for path, items in (("bars/change", [lift]), ("code-counts", []), ("backups", []))
    ]
    await asyncio.sleep(0.5)
    assert (await desk.call(one, "staff/members/change", {"operation": "leave", "staff_id": holder.staff_id}))[0] == 200
    left.set()
    assert await asyncio.gather(*calls) == [(401, "session_ended")] * 3


async def _sent_slowly(
    desk: Terminal, person: Person, path: str, items: list[Any], rest: asyncio.Event
) -> tuple[int, str]:
    """Status and reason of a call whose body is begun at once and goes on with `rest`."""
    body = json.dumps({"items": items}).encode()

    async def parts() -> AsyncIterator[bytes]:
        yield body[:5]
        await rest.wait()
        yield body[5:]

    headers = {"Authorization": f"Bearer {person.token}", "Content-Type": "application/json"}
    async with desk.session.post(f"{desk.base}/{person.agency}/{path}", data=parts(), headers=headers) as answer:
        return answer.status, (await answer.json(content_type=None)).get("reason", "")


async def test_an_id_and_a_card_are_one_persons_for_ever(people, desk):
    one, _, holder = people
    assert (await desk.call(one, "staff/members/change", {"operation": "leave", "staff_id": holder.staff_id}))[0] == 200
    item = {
        "operation": "add", "staff_id": holder.staff_id, "office": "zeimu", "valid_until": "2026-04-01T00:00:00Z",
        "password": secrets.token_urlsafe(18), "card_key": base64.b64encode(secrets.token_bytes(32)).decode(),
    }  # fmt: skip
    assert await desk.call(one, "staff/members/change", item) == (409, "staff_id_taken")
    used = base64.b64encode(holder.card.public_key).decode()
    again = {**item, "staff_id": somebody().staff_id, "card_key": used}
    assert await desk.call(one, "staff/members/change", again) == (409, "card_taken")


async def test_an_administrator_cannot_become_somebody_by_resetting_them(people, desk):
    """The old sessions end, and the grants wait for a second person as if they were new."""
    one, other, holder = people
    await desk.granted(one, other, holder)
    stolen = somebody()
    stolen.staff_id = holder.staff_id
    item = {
        "operation": "reset", "staff_id": holder.staff_id, "password": stolen.password,
        "card_key": base64.b64encode(stolen.card.public_key).decode(),
    }  # fmt: skip
    assert (await desk.call(one, "staff/members/change", item))[0] == 200
    assert await desk.call(holder, HELD) == (401, "session_ended")
    assert await desk.enter(holder) == (401, "login_refused")
    await desk.entered(stolen)
    assert await desk.call(stolen, HELD) == (403, "password_change_needed")
    await desk.renew(stolen)
    await desk.entered(stolen)
    assert await desk.call(stolen, HELD) == NO_RIGHT
    _, grants = await desk.call(one, "staff/grants")
    grant = next(row for row in grants if row["staff_id"] == holder.staff_id)
    assert (grant["state"], grant["requested_by"]) == ("requested", "admin-1")
    assert await desk.decide(one, "approve", grant) == (403, "second_person_needed")
    own = {**item, "staff_id": one.staff_id}
    assert await desk.call(one, "staff/members/change", own) == (403, "second_person_needed")


async def test_a_first_password_is_good_for_being_changed_alone(people, desk):
    one, _, _ = people
    person = somebody()
    item = {
        "operation": "add", "staff_id": person.staff_id, "office": "zeimu", "valid_until": "2026-04-01T00:00:00Z",
        "password": person.password, "card_key": base64.b64encode(person.card.public_key).decode(),
    }  # fmt: skip
    assert (await desk.call(one, "staff/members/change", item))[0] == 200
    _, answer = await desk.enter(person)
    assert answer["password_change_needed"]
    for path in (HELD, "staff/members", "staff/cards"):
        assert await desk.call(person, path, *([{}] if path == "staff/cards" else [])) == (
            403,
            "password_change_needed",
        )
    weak = {"proof": await desk.proof(person, "password"), "new_password": "short"}
    assert await desk.call(person, "staff/password", weak) == (400, "password_too_weak")
    same = {"proof": await desk.proof(person, "password"), "new_password": person.password}
    assert await desk.call(person, "staff/password", same) == (400, "password_too_weak")
    await desk.renew(person)
    assert not (await desk.enter(person))[1]["password_change_needed"]


async def test_whoever_does_business_administers_nothing_and_the_other_way_round(running, desk):
    worker, admin = await desk.entered(first(running, "staff-1")), await desk.entered(first(running, "admin-1"))
    for path in (
        "staff/members",
        "staff/members/change",
        "staff/grants",
        "staff/grants/ask",
        "staff/grants/check",
        "staff/extensions",
        "staff/extensions/ask",
        "staff/extensions/check",
        "staff/endings",
        "staff/analysis",
    ):
        assert await desk.call(worker, path) == NO_RIGHT
    for path in (HELD, "held-provisions/decide", "log/search"):
        assert await desk.call(admin, path) == NO_RIGHT


async def test_a_right_for_one_file_opens_no_other(people, desk):
    one, other, holder = people
    await desk.granted(one, other, holder, "log.search", file="staff_records")
    assert await desk.call(holder, "log/search") == NO_RIGHT


ABOUT_EVERYTHING = {
    "log.export": "log",
    "records.extract": "records/extract",
    "erasures.confirm": "erasures",
    "operations": "jobs",
    "backup": "backups",
    "keys.destroy": "keys",
    "staff.administer": "staff/members",
    "staff.approve": "staff/grants/check",
    "staff.analyse": "staff/analysis",
}


async def test_a_right_for_one_affair_or_information_does_nothing_that_is_about_every_one(running, people, desk):
    """SC-24: none is asked for, and one that was granted before this was refused opens nothing."""
    one, other, holder = people
    assert set(ABOUT_EVERYTHING) == WITHOUT_LIMITS
    limits = ({"affair": "42"}, {"information": "医療保険給付関係情報"})
    for function in ABOUT_EVERYTHING:
        for limit in limits:
            assert await desk.ask(one, holder, function, **limit) == (400, "malformed_scope"), function
        await desk.granted(one, other, holder, function)
    for path in ABOUT_EVERYTHING.values():
        assert (await _tried(desk, holder, path))[0] in (200, 400), path
    for affair, information in (("42", "*"), ("*", "医療保険給付関係情報")):
        await _as_granted(running, holder, affair, information)
        for path in ABOUT_EVERYTHING.values():
            assert await _tried(desk, holder, path) == NO_RIGHT, path
    await _as_granted(running, holder, EVERYTHING, EVERYTHING)
    assert (await _tried(desk, holder, "staff/members"))[0] == 200


async def _as_granted(running, holder: Person, affair: str, information: str) -> None:
    """Their rights as a server of before would have written them."""
    ring = running.role("intermediate").open_keys("setagaya").ring
    async with written_beside(running) as rows:
        for row in await rows.fetch("select * from staff_grant where staff_id = $1", holder.staff_id):
            grant = store.grant_of(ring, "setagaya", row)
            scope = replace(grant.scope, affair=affair, information=information)
            mark = vouching.mark(ring, "setagaya", replace(grant, scope=scope))
            said = (row["grant_id"], affair, information, mark)
            await rows.execute(
                "update staff_grant set affair = $2, information = $3, mark = $4 where grant_id = $1", *said
            )


async def _tried(desk, person: Person, path: str) -> tuple[int, str]:
    """Status and reason, of an export (which is no list) too."""
    if path != "log":
        return await desk.call(person, path)
    url, headers = f"{desk.base}/setagaya/log", {"Authorization": f"Bearer {person.token}"}
    async with desk.session.get(url, headers=headers) as answer:
        return answer.status, (await answer.json())["reason"] if answer.status != 200 else ""


@pytest.mark.parametrize(
    "scope",
    [
        {"office": "KOKUHO"},
        {"file": "everything"},
        {"affair": ""},
        {"affair": "山田太郎"},
        {"affair": "123456789018"},
        {"information": "山田太郎の情報"},
        {"valid_until": "2020-01-01T00:00:00Z"},
    ],
    ids=str,
)
async def test_a_grant_without_form_is_not_asked_for(people, desk, scope):
    one, _, holder = people
    assert await desk.ask(one, holder, **scope) == (400, "malformed_scope")


async def test_what_is_not_there_is_said(people, desk):
    one, other, _ = people
    assert await desk.ask(one, somebody()) == (404, "member_unknown")
    nothing = {"grant_id": "G0", "content_hash": "0"}
    assert await desk.decide(other, "approve", nothing) == (404, "grant_unknown")
    assert await desk.call(one, "staff/grants/ask", {"event": "approve", "grant_id": "G0"}) == (400, "malformed_item")
    assert await desk.call(one, "staff/members/change") == (400, "one_at_a_time")


async def test_staff_of_another_agency_are_unknown_here(running, desk):
    async with terminal(running, "suginami") as suginami:
        stranger = await suginami.entered(first(running, "admin-1", "suginami"))
    assert await desk.call(stranger.token, "staff/members") == (401, "session_ended")
    stranger.agency = "setagaya"
    assert await desk.enter(stranger) == (401, "login_refused")


async def test_the_database_itself_refuses_a_grant_of_one_person(running, people):
    """Whoever writes to the table past every check of ours still needs two people and two cards."""
    _, _, holder = people
    database = await Database.open(running.role("intermediate").dsn, connections=1)
    try:
        for changes in (
            "state = 'effective'",
            "state = 'effective', approved_by = requested_by, approved_card = requested_card, approved_digest = 'x'",
            "state = 'effective', approved_by = staff_id, approved_card = 'x', approved_digest = 'x'",
            "state = 'closed', revoked_by = 'admin-1', revoked_card = 'x', checked_by = 'admin-1', checked_card = 'y'",
            "state = 'revoked'",
            "approved_by = 'admin-2'",
        ):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await _forge(database, holder, changes)
    finally:
        await database.close()


async def _forge(database: Database, holder: Person, changes: str) -> None:
    """What a server that was taken over, or its login, could try."""
    async with database.inside("a_setagaya_intermediate") as connection:
        row = await connection.fetchval(
            "insert into staff_grant (grant_id, staff_id, function, office, affair, information, file, valid_from, valid_until, state,"
            " version, requested_by, requested_card) select $1, $2, 'held.view', 'zeimu', '*', '*', '*', now(), now() + interval '1 day',"
            " 'requested', 1, 'admin-1', card_id from staff_card where staff_id = 'admin-1' limit 1 returning grant_id",
            secrets.token_hex(8),
            holder.staff_id,
        )
        await connection.execute(f"update staff_grant set {changes} where grant_id = $1", row)


async def test_who_was_revoked_since_they_asked_is_none_of_two(people, desk):
    """SC-11: what a former administrator has asked for is asked for anew by one who is."""
    one, other, holder = people
    own = await desk.granted(one, other, holder, "staff.administer")
    newcomer = somebody()
    await desk.add(one, newcomer)
    status, grant = await desk.ask(holder, newcomer)
    assert status == 200, grant
    status, _ = await desk.call(one, "staff/grants/ask", {"event": "revoke", "grant_id": own["grant_id"]})
    assert status == 200
    assert await desk.decide(other, "approve", grant) == (409, "asker_may_not")
    assert (await desk.decide(other, "reject", grant))[0] == 200
