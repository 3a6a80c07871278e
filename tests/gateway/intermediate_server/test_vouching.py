"""Whoever writes the database without the agency's ring gives nobody anything: rows of staff that the server did not write so are nobody's (SC-20)."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from gateway.intermediate_server.staff.factors import card_id_of, hash_password
from keys.passphrase import CHEAPEST
from keys.signing import Signer, generate_seed
from tests.support.staff_terminal import Person, Terminal, first, fresh_grant_id, somebody, terminal, written_beside

WARD, NEIGHBOUR = "setagaya", "suginami"
REFUSED = (401, "login_refused")
ENDED = (401, "session_ended")
NO_RIGHT = (403, "right_missing")
HELD = "held-provisions"
LATER = datetime(2026, 4, 1, tzinfo=UTC)


async def write(running, statement: str, *values: Any) -> None:
    async with written_beside(running) as connection:
        await connection.execute(statement, *values)


@pytest.fixture
async def people(running, desk):
    """Two administrators at work, and somebody new who may see what is held."""
    one, other = await desk.entered(first(running, "admin-1")), await desk.entered(first(running, "admin-2"))
    holder = somebody()
    await desk.add(one, holder)
    await desk.granted(one, other, holder)
    await desk.entered(holder)
    assert (await desk.call(holder, HELD))[0] == 200
    return one, other, holder


async def refusals(running, desk: Terminal, staff_id: str) -> set[str]:
    """Why somebody was refused, as the log has it."""
    async with written_beside(running) as connection:
        rows = await connection.fetch("select body from log_entry where kind = 'staff.refused'")
    said = [json.loads(row["body"]) for row in rows]
    return {one["reason"] for one in said if one["actor"] == staff_id}


async def listed(desk: Terminal, by: Person, staff_id: str) -> dict[str, Any]:
    status, found = await desk.call(by, "staff/members")
    assert status == 200, found
    member: dict[str, Any] = next(one for one in found if one["staff_id"] == staff_id)
    return member


async def grants_of(desk: Terminal, by: Person, staff_id: str) -> list[dict[str, Any]]:
    status, found = await desk.call(by, "staff/grants")
    assert status == 200, found
    return [one for one in found if one["staff_id"] == staff_id]


async def insert_member(running, who: Person, office: str = "kokuho-nenkin") -> None:
    await write(
        running,
        "insert into staff_member (staff_id, office, state, password_hash, password_initial, password_until, valid_until, version, changed_by)"
        " values ($1, $2, 'active', $3, false, $4, $4, 1, 'admin-1')",
        who.staff_id, office, hash_password(who.password, CHEAPEST), LATER,
    )  # fmt: skip


async def insert_card(running, staff_id: str, card: Signer) -> None:
    await write(
        running,
        "insert into staff_card (card_id, staff_id, kind, public_key, sign_count, valid_until, state) values ($1, $2, 'key', $3, 0, $4, 'active')",
        card_id_of(card.public_key), staff_id, card.public_key, LATER,
    )  # fmt: skip


async def copy_grant(running, of: str, function: str, **changes: str) -> str:
    """A grant like one of somebody's, its mark too; the new one's id."""
    grant_id = fresh_grant_id()
    async with written_beside(running) as connection:
        row = dict(
            await connection.fetchrow(
                "select * from staff_grant where staff_id = $1 and function = $2 and state = 'effective' limit 1", of, function
            )
        )  # fmt: skip
        row |= {"grant_id": grant_id, **changes}
        names = ", ".join(row)
        places = ", ".join(f"${nth + 1}" for nth in range(len(row)))
        await connection.execute(f"insert into staff_grant ({names}) values ({places})", *row.values())
    return grant_id


# --- who the attacker would be


async def test_sc_20_somebody_who_was_inserted_with_card_and_right_is_nobody(running, people, desk):
    one, other, holder = people
    planted = somebody()
    await insert_member(running, planted)
    await insert_card(running, planted.staff_id, planted.card)
    grant_id = await copy_grant(running, holder.staff_id, "held.view", staff_id=planted.staff_id)
    assert await desk.enter(planted) == REFUSED
    assert await refusals(running, desk, planted.staff_id) == {"login_refused/unvouched"}
    told = await listed(desk, one, planted.staff_id)
    assert (told["state"], [card["state"] for card in told["cards"]]) == ("unvouched", ["unvouched"])
    assert [(one["grant_id"], one["state"]) for one in await grants_of(desk, one, planted.staff_id)] == [
        (grant_id, "unvouched")
    ]
    transfer = {"operation": "transfer", "staff_id": planted.staff_id, "office": "zeimu"}
    assert await desk.call(one, "staff/members/change", transfer) == (409, "not_vouched")
    assert await desk.ask(one, planted) == (409, "not_vouched")
    status, _ = await desk.call(one, "staff/members/change", {"operation": "leave", "staff_id": planted.staff_id})
    assert (status, (await listed(desk, other, planted.staff_id))["state"]) == (200, "left")


@pytest.mark.parametrize(
    "change",
    ["password_hash = $2", "office = coalesce('zeimu', $2)", "valid_until = valid_until + interval '1 day' + interval '0' * length($2)"],
    ids=["password", "office", "end"],
)  # fmt: skip
async def test_sc_20_whose_row_was_changed_is_refused_until_an_administrator_sets_them_anew(
    running, people, desk, change
):
    one, _, holder = people
    if change.startswith("password"):
        holder.password = "a password that the attacker knows"
    hashed = hash_password(holder.password, CHEAPEST)
    await write(running, f"update staff_member set {change} where staff_id = $1", holder.staff_id, hashed)
    assert await desk.enter(holder) == REFUSED
    assert await desk.call(holder, HELD) == ENDED
    assert await refusals(running, desk, holder.staff_id) == {"login_refused/unvouched", "session_unvouched"}
    assert (await listed(desk, one, holder.staff_id))["state"] == "unvouched"
    await set_anew(desk, one, holder)
    assert (await listed(desk, one, holder.staff_id))["state"] == "active"
    assert await desk.call(holder, HELD) == NO_RIGHT, "their rights take two people again"


async def set_anew(desk: Terminal, by: Person, who: Person) -> None:
    who.card, who.password = Signer(generate_seed()), secrets.token_urlsafe(18)
    item = {
        "operation": "reset", "staff_id": who.staff_id, "password": who.password, "card_key": base64.b64encode(who.card.public_key).decode()
    }  # fmt: skip
    status, answer = await desk.call(by, "staff/members/change", item)
    assert status == 200, answer
    await desk.entered(who)
    await desk.renew(who)
    await desk.entered(who)


async def test_sc_20_a_card_that_was_added_to_an_administrator_is_none(running, people, desk):
    """The attacker knows the password."""
    one, _, _ = people
    own, planted = one.card, Signer(generate_seed())
    await insert_card(running, one.staff_id, planted)
    one.card = planted
    assert await desk.enter(one) == REFUSED
    one.card = own
    assert (await desk.enter(one))[0] == 200, "the administrator's own card is as it was"
    await write(running, "delete from staff_card where card_id = $1", card_id_of(planted.public_key))


async def test_sc_20_a_card_whose_key_was_changed_or_that_was_given_to_somebody_else_is_none(running, people, desk):
    one, _, holder = people
    own, planted = holder.card, Signer(generate_seed())
    await write(
        running,
        "update staff_card set public_key = $2 where card_id = $1",
        card_id_of(own.public_key),
        planted.public_key,
    )
    holder.card = planted
    assert await desk.enter(holder) == REFUSED
    await write(
        running,
        "update staff_card set public_key = $2, staff_id = $3 where card_id = $1",
        card_id_of(own.public_key),
        own.public_key,
        one.staff_id,
    )
    administrator = Person(agency=WARD, staff_id=one.staff_id, password=one.password, card=own)
    assert await desk.enter(administrator) == REFUSED


# --- what they would be let do


@pytest.mark.parametrize(
    "change",
    [
        "function = 'held.decide'",
        "office = 'kokuho-nenkin', valid_until = valid_until + interval '1 day'",
        "file = 'replicas'",
        "approved_digest = repeat('0', 64)",
        "version = version + 1",
        "requested_by = 'staff-2'",
    ],
)
async def test_sc_20_a_right_that_was_changed_is_none_until_two_people_grant_it_anew(running, people, desk, change):
    one, other, holder = people
    await write(running, f"update staff_grant set {change} where staff_id = $1", holder.staff_id)
    assert await desk.call(holder, HELD) == NO_RIGHT
    [told] = await grants_of(desk, one, holder.staff_id)
    assert told["state"] == "unvouched"
    edit = {"function": "held.view", "office": "kokuho-nenkin", "valid_until": "2026-04-01T00:00:00Z"}
    asked = {"event": "edit", "grant_id": told["grant_id"], "scope": edit}
    assert await desk.call(one, "staff/grants/ask", asked) == (409, "grant_state")
    status, revoked = await desk.call(one, "staff/grants/ask", {"event": "revoke", "grant_id": told["grant_id"]})
    assert (status, revoked["state"]) == (200, "revoked")
    await desk.granted(one, other, holder)
    assert (await desk.call(holder, HELD))[0] == 200


async def test_sc_20_a_right_of_somebody_else_that_was_copied_with_its_mark_is_none(running, people, desk):
    _, _, holder = people
    await copy_grant(running, "admin-1", "staff.administer", staff_id=holder.staff_id, office="kokuho-nenkin")
    assert await desk.call(holder, "staff/members") == NO_RIGHT
    assert await refusals(running, desk, holder.staff_id) == {"right_unvouched"}


async def test_sc_20_a_right_that_ended_or_waits_is_not_in_force_by_being_said_to_be(running, people, desk):
    one, _, holder = people
    [granted] = await grants_of(desk, one, holder.staff_id)
    status, _ = await desk.call(one, "staff/grants/ask", {"event": "revoke", "grant_id": granted["grant_id"]})
    assert status == 200
    again = "update staff_grant set state = 'effective', revoked_by = null, revoked_card = null where grant_id = $1"
    await write(running, again, granted["grant_id"])
    assert await desk.call(holder, HELD) == NO_RIGHT
    _, asked = await desk.ask(one, holder)
    approving = (
        "update staff_grant set state = 'effective', approved_by = 'admin-2', approved_card = c.card_id, approved_digest = $2"
        " from (select card_id from staff_card where staff_id = 'admin-2' limit 1) as c where grant_id = $1"
    )
    await write(running, approving, asked["grant_id"], asked["content_hash"])
    assert await desk.call(holder, HELD) == NO_RIGHT


async def test_sc_20_what_nobody_asked_for_is_approved_by_nobody(running, people, desk):
    """Somebody who was made an administrator in the database has not asked for anything."""
    _, other, holder = people
    await copy_grant(running, "admin-1", "staff.administer", staff_id=holder.staff_id, office="kokuho-nenkin")
    planted = fresh_grant_id()
    async with written_beside(running) as connection:
        await connection.execute(
            "insert into staff_grant (grant_id, staff_id, function, office, affair, information, file, valid_from, valid_until, state, version,"
            " requested_by, requested_card) values ($1, $2, 'held.decide', 'kokuho-nenkin', '*', '*', '*', '2022-10-01', $3, 'requested', 1, $4, $5)",
            planted, "staff-2", LATER, holder.staff_id, card_id_of(holder.card.public_key),
        )  # fmt: skip
    [asked] = [one for one in await grants_of(desk, other, "staff-2") if one["grant_id"] == planted]
    assert (asked["state"], asked["requested_by"]) == ("unvouched", holder.staff_id)
    for event in ("approve", "reject"):
        assert await desk.decide(other, event, asked) == (409, "grant_state")
    status, revoked = await desk.call(other, "staff/grants/ask", {"event": "revoke", "grant_id": planted})
    assert (status, revoked["state"]) == (200, "revoked")


async def test_sc_20_whoever_is_set_anew_is_asked_no_right_for_that_the_database_gave_them(running, people, desk):
    """Who sets them anew has asked for what they had, and for nothing that somebody wrote beside it."""
    one, other, holder = people
    [granted] = await grants_of(desk, one, holder.staff_id)
    planted = await copy_grant(running, "admin-1", "staff.administer", staff_id=holder.staff_id, office="kokuho-nenkin")
    waiting = await copy_grant(running, holder.staff_id, "held.view")
    makes = "update staff_grant set state = 'requested', approved_by = null, approved_card = null, approved_digest = null where grant_id = $1"
    await write(running, makes, waiting)
    await set_anew(desk, one, holder)
    states = {each["grant_id"]: each["state"] for each in await grants_of(desk, one, holder.staff_id)}
    assert states == {granted["grant_id"]: "requested", planted: "revoked", waiting: "revoked"}
    [asked] = [each for each in await grants_of(desk, one, holder.staff_id) if each["state"] == "requested"]
    assert (await desk.decide(other, "approve", asked))[0] == 200
    assert (await desk.call(holder, HELD))[0] == 200


# --- under which session


async def test_sc_20_a_session_that_was_inserted_opens_nothing(running, people, desk):
    """A token of the attacker's own, under an administrator's name, on a terminal whose certificate they hold."""
    one, _, _ = people
    token = secrets.token_urlsafe(32)
    async with written_beside(running) as connection:
        row = dict(
            await connection.fetchrow(
                "select * from staff_session where staff_id = 'admin-1' and ended_at is null order by opened_at desc limit 1"
            )
        )
        for mark in (row["mark"], None):
            planted = {**row, "token_hash": sha256(token.encode()).hexdigest(), "mark": mark}
            await connection.execute("delete from staff_session where token_hash = $1", planted["token_hash"])
            places = ", ".join(f"${nth + 1}" for nth in range(len(planted)))
            await connection.execute(
                f"insert into staff_session ({', '.join(planted)}) values ({places})", *planted.values()
            )
    assert await desk.call(token, "staff/members") == ENDED
    assert "session_unvouched" in await refusals(running, desk, "admin-1")
    assert (await desk.call(one, "staff/members"))[0] == 200


@pytest.mark.parametrize(
    "change",
    [
        "staff_id = 'admin-1', card_id = (select card_id from staff_card where staff_id = 'admin-1' and state = 'active' limit 1)",
        "until = until + interval '1 hour'",
        "reason = 'incident'",
    ],
)
async def test_sc_20_a_session_that_was_changed_is_over(running, people, desk, change):
    _, _, holder = people
    token_hash = sha256(holder.token.encode()).hexdigest()
    await write(running, f"update staff_session set {change} where token_hash = $1", token_hash)
    assert await desk.call(holder, HELD) == ENDED


async def test_sc_20_whoever_must_set_a_password_of_their_own_does_so(running, people, desk):
    one, other, _ = people
    fresh = somebody()
    await enrol(desk, one, fresh)
    await desk.granted(one, other, fresh)
    await desk.entered(fresh)
    assert await desk.call(fresh, HELD) == (403, "password_change_needed")
    token_hash = sha256(fresh.token.encode()).hexdigest()
    await write(running, "update staff_session set restricted = false where token_hash = $1", token_hash)
    assert await desk.call(fresh, HELD) == ENDED
    await write(running, "update staff_member set password_initial = false where staff_id = $1", fresh.staff_id)
    assert await desk.enter(fresh) == REFUSED


async def enrol(desk: Terminal, by: Person, who: Person) -> None:
    item = {
        "operation": "add", "staff_id": who.staff_id, "office": "kokuho-nenkin", "valid_until": "2026-04-01T00:00:00Z", "password": who.password,
        "card_key": base64.b64encode(who.card.public_key).decode(),
    }  # fmt: skip
    status, answer = await desk.call(by, "staff/members/change", item)
    assert status == 200, answer


async def test_sc_20_rows_of_another_agency_are_nobody_here(running, desk):
    """Somebody of the neighbour's, with their own password and card there, is carried over with marks and all over the member of the same id."""
    own = first(running, "staff-1")
    theirs = first(running, "staff-1", NEIGHBOUR)
    async with terminal(running, NEIGHBOUR) as neighbours:
        assert (await neighbours.enter(theirs))[0] == 200
    async with written_beside(running, NEIGHBOUR) as connection:
        member = await connection.fetchrow("select * from staff_member where staff_id = 'staff-1'")
        card = await connection.fetchrow("select * from staff_card where staff_id = 'staff-1'")
    async with written_beside(running) as connection:
        before = await connection.fetchrow("select * from staff_member where staff_id = 'staff-1'")
        over = "update staff_member set password_hash = $1, password_until = $2, valid_until = $3, version = $4, mark = $5 where staff_id = 'staff-1'"
        names = ("password_hash", "password_until", "valid_until", "version", "mark")
        await connection.execute(over, *(member[name] for name in names))
        places = ", ".join(f"${nth + 1}" for nth in range(len(card)))
        await connection.execute(f"insert into staff_card ({', '.join(card.keys())}) values ({places})", *card.values())
    carried = Person(agency=WARD, staff_id="staff-1", password=theirs.password, card=theirs.card)
    assert await desk.enter(carried) == REFUSED
    async with written_beside(running) as connection:
        await connection.execute(over, *(before[name] for name in names))
        await connection.execute("delete from staff_card where card_id = $1", card["card_id"])
    assert (await desk.enter(own))[0] == 200, "what was put back as it was is as it was"
