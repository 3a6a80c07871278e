"""OAuth clients: two secrets overlap, a suspension works at once, administrators cannot multiply, and every act is an entry."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time

import pytest

from gateway.api.attempts import MOST_OF_A_CLIENT
from tests.support.linkage_world import build
from tests.support.resident_files import csv_bytes, person, put

KANRI = ("clients:administer",)


def basic(client_id, secret=None):
    shown = secret if secret is not None else f"secret of {client_id}"
    return "Basic " + base64.b64encode(f"{client_id}:{shown}".encode()).decode()


async def form(caller, path, authorization, **fields):
    async with caller.client.post(
        f"{caller.world.url}{path}", data=fields, headers={"Authorization": authorization}
    ) as response:
        text = await response.text()
        return response.status, json.loads(text) if text else None


async def introspect(caller, token, client_id="kokuho"):
    status, body = await form(caller, "/oauth/introspect", basic(client_id), token=token)
    assert status == 200
    return body


async def use(caller, token):
    """A call that every kokuho token may make."""
    answer = await caller.post("/v1/inquiries", {"items": []}, token=token, key="u")
    return answer.status if answer.status == 200 else (answer.status, answer.body["reason"])


class Admin:
    def __init__(self, caller, token):
        self.caller = caller
        self.token = token
        self.keys = iter(range(1_000))

    async def do(self, act, client_id="kokuho", *, key=None, **more):
        body = {"act": act, "client_id": client_id, "staff": "kanri-1", **more}
        return await self.caller.post("/v1/clients", body, token=self.token, key=key or f"admin-{next(self.keys)}")

    async def listed(self):
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.caller.client.get(f"{self.caller.world.url}/v1/clients", headers=headers) as response:
            assert response.status == 200
            return {one["client_id"]: one for one in (await response.json())["clients"]}


async def admin_of(world, caller):
    return Admin(caller, await caller.token("kanri"))


@pytest.fixture
async def kanri(world):
    await world.register("kanri", system="kanri", scopes=KANRI, may_use_individual_number=False)
    return world


async def entries(world, kind):
    found = await world.rows("select body from log_entry where kind = $1 order by idx", kind)
    return [json.loads(row["body"]) for row in found]


async def refusals(world):
    return [(one["reason"], one["actor"]) for one in await entries(world, "access.refused")]


# --- rotation


async def test_two_secrets_are_valid_until_the_old_one_is_ended_and_its_tokens_with_it(kanri):
    async with kanri.served() as caller:
        admin = await admin_of(kanri, caller)
        old_token = await caller.token()
        made = await admin.do("rotate")
        new = made.body["client_secret"]
        both = [(await caller.token_answer()).status, (await caller.token_answer(secret=new)).status]
        new_token = (await caller.token_answer(secret=new)).body["access_token"]
        third = await admin.do("rotate")
        old_id = made.body["secrets"][0]["secret_id"]
        ended = await admin.do("end_secret", secret_id=old_id)
        after = [(await caller.token_answer()).status, (await caller.token_answer(secret=new)).status]
        last = await admin.do("end_secret", secret_id=made.body["secrets"][1]["secret_id"])
        unknown = await admin.do("end_secret", secret_id=old_id)
        used = [await use(caller, old_token), await use(caller, new_token)]
    assert both == [200, 200]
    assert (third.status, third.body["reason"]) == (409, "two_secrets_valid")
    assert ended.status == 200
    assert after == [401, 200]
    assert (last.status, last.body["reason"]) == (409, "last_secret")
    assert (unknown.status, unknown.body["reason"]) == (409, "secret_unknown")
    assert used == [(401, "token_revoked"), 200]


async def test_the_same_order_again_makes_the_same_secret_and_one_entry(kanri):
    async with kanri.served() as caller:
        admin = await admin_of(kanri, caller)
        first, again = [await admin.do("rotate", key="k1") for _ in range(2)]
        others = [(await admin.do(act, "c2", key="k2", system="c")).body["client_secret"] for act in ("add", "rotate")]
    assert first.body["client_secret"] == again.body["client_secret"]
    assert (len(set(others)), len(await entries(kanri, "client.administered"))) == (2, 3)


async def test_set_up_run_again_brings_no_ended_secret_and_no_removed_client_back(kanri):
    async with kanri.served() as caller:
        admin = await admin_of(kanri, caller)
        made = await admin.do("rotate")
        await admin.do("end_secret", secret_id=made.body["secrets"][0]["secret_id"])
    await kanri.register()
    async with kanri.served() as caller:
        admin = await admin_of(kanri, caller)
        ended = (await caller.token_answer()).status
        valid = (await caller.token_answer(secret=made.body["client_secret"])).status
        await admin.do("remove")
    await kanri.register()
    async with kanri.served() as caller:
        removed = [(await caller.token_answer(secret=secret)).status for secret in (None, made.body["client_secret"])]
    assert (ended, valid, removed) == (401, 200, [401, 401])


async def test_a_secret_lies_sealed_and_is_in_no_entry(kanri):
    async with kanri.served() as caller:
        admin = await admin_of(kanri, caller)
        secret = (await admin.do("rotate")).body["client_secret"]
        listed = await admin.listed()
    tables = ("oauth_client", "oauth_secret", "oauth_revoked_token", "log_entry")
    stored = [str(dict(row)) for table in tables for row in await kanri.rows(f"select * from {table}")]
    assert not [row for row in [*stored, str(listed)] if secret in row or "secret of" in row]


# --- suspension, expiry, revocation


async def test_a_suspension_ends_tokens_in_flight_and_a_resumption_does_not_bring_them_back(kanri):
    async with kanri.served() as caller:
        admin = await admin_of(kanri, caller)
        token = await caller.token()
        before = await use(caller, token)
        await admin.do("suspend")
        suspended = [await use(caller, token), (await caller.token_answer()).body["error"]]
        shown = await introspect(caller, token, "kanri")
        await admin.do("resume")
        resumed = [await use(caller, token), await use(caller, await caller.token())]
    assert before == 200
    assert suspended == [(401, "token_revoked"), "invalid_client"]
    assert shown == {"active": False}
    assert resumed == [(401, "token_revoked"), 200]
    assert ("client_suspended", "kokuho") in await refusals(kanri)


async def test_an_expired_client_gets_no_token_until_it_is_renewed(kanri):
    async with kanri.served() as caller:
        admin = await admin_of(kanri, caller)
        token = await caller.token()
        await admin.do("renew", expires_at="2020-01-01T00:00:00Z")
        expired = [(await caller.token_answer()).status, await use(caller, token)]
        await admin.do("renew", expires_at="2099-01-01T00:00:00Z")
        renewed = (await caller.token_answer()).status
    assert expired == [401, (401, "token_revoked")]
    assert renewed == 200
    assert ("client_expired", "kokuho") in await refusals(kanri)


async def test_the_spool_of_a_suspended_client_is_as_closed_as_its_calls(kanri):
    async with kanri.served() as caller:
        admin = await admin_of(kanri, caller)
        await admin.do("suspend")
        folder = put(kanri.config.spool, csv_bytes([person(1)]), name="people.csv", count=1)
        for _ in range(200):
            if (folder / "failed" / "people.csv.reason.json").exists():
                break
            await asyncio.sleep(0.05)
    assert json.loads((folder / "failed" / "people.csv.reason.json").read_text())["reason"] == "scope_missing"


async def test_a_client_revokes_its_own_token_and_nobody_elses(kanri):
    await kanri.register("other", system="kokuho")
    async with kanri.served() as caller:
        token = await caller.token()
        foreign = await form(caller, "/oauth/revoke", basic("other"), token=token)
        still = await use(caller, token)
        nonsense = await form(caller, "/oauth/revoke", basic("kokuho"), token="setagaya.AAAA")
        own = await form(caller, "/oauth/revoke", basic("kokuho"), token=token)
        again = await form(caller, "/oauth/revoke", basic("kokuho"), token=token)
        dead = await use(caller, token)
        shown = await introspect(caller, token)
        unproved = await form(caller, "/oauth/revoke", basic("kokuho", "guess"), token=token)
    assert (foreign[0], foreign[1]["error"], still) == (400, "unauthorized_client", 200)
    assert (nonsense[0], own[0], again[0]) == (200, 200, 200)
    assert (dead, shown) == ((401, "token_revoked"), {"active": False})
    assert unproved[0] == 401
    assert ("unauthorized_client", "other") in await refusals(kanri)


async def test_a_scope_that_is_taken_away_is_gone_from_tokens_in_flight(kanri):
    async with kanri.served() as caller:
        token = await caller.token()
        before = await use(caller, token)
        await kanri.register(scopes=("addressees:register",))
        after = await use(caller, token)
        shown = await introspect(caller, token)
    assert (before, after) == (200, (403, "scope_missing"))
    assert shown["scope"] == "kokuho:addressees:register"


# --- attacks


@pytest.fixture
async def two_agencies(tmp_path, linkage_cluster):
    """Two agencies in one process, as the neighbours' linkage server hosts them."""
    world = await build(tmp_path, linkage_cluster, agencies=("setagaya", "suginami"))
    await world.register()
    await world.register("gyomu", agency="suginami", system="gyomu", scopes=("inquiries:create", *KANRI))
    return world


async def test_a_token_of_one_agency_is_nothing_at_another(two_agencies):
    async with two_agencies.served() as caller:
        token = await caller.token()
        moved = "suginami." + token.partition(".")[2]
        used = await use(caller, moved)
        shown = [await introspect(caller, one, "gyomu") for one in (token, moved)]
        revoked = await form(caller, "/oauth/revoke", basic("gyomu"), token=token)
        admin = Admin(caller, await caller.token("gyomu"))
        suspended = await admin.do("suspend")
        added = await admin.do("add", system="gyomu")
        still = await use(caller, token)
    assert used == (401, "token_invalid")
    assert shown == [{"active": False}] * 2
    assert revoked[0] == 200
    assert (suspended.status, suspended.body["reason"]) == (404, "client_unknown")
    assert (added.status, added.body["reason"]) == (409, "client_exists")
    assert still == 200


def jwt(header, claims, key):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    signed = f"{part(header)}.{part(claims)}"
    tag = hmac.digest(key, signed.encode(), header.get("digest", hashlib.sha256)) if key else b""
    return f"{signed}.{base64.urlsafe_b64encode(tag).decode().rstrip('=')}"


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ({"alg": "none"}, b""),
        ({"alg": "None", "typ": "JWT"}, b""),
        ({"alg": "HS512"}, b"secret of kokuho"),
        ({"alg": "RS256"}, b"secret of kokuho"),
        ({"alg": ["HS256"]}, b"secret of kokuho"),
        ({}, b"secret of kokuho"),
        ({"alg": "HS256", "crit": ["exp"]}, b"secret of kokuho"),
        ({"alg": "HS256"}, b""),
    ],
    ids=str,
)
async def test_an_assertion_of_another_algorithm_proves_nothing(world, header, key):
    claims = {"iss": "kokuho", "sub": "kokuho", "aud": f"{world.url}/oauth/token", "exp": time.time() + 60, "jti": "1"}
    data = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt(header, claims, key),
    }
    async with (
        world.served() as caller,
        caller.client.post(f"{world.url}/oauth/token", data=data) as response,
    ):
        assert (response.status, (await response.json())["error"]) == (401, "invalid_client")


async def test_guessing_ends_after_a_few_failures_and_the_answer_does_not_change(world):
    async with world.served() as caller:
        answers = [await caller.token_answer("kokuho", f"guess {nth}") for nth in range(MOST_OF_A_CLIENT)]
        blocked = await caller.token_answer("kokuho")
        unknown = await caller.token_answer("nobody", "guess")
        other = await caller.token_answer("kokuho", "x")
    bodies = {json.dumps(one.body, sort_keys=True) for one in (*answers, blocked, unknown, other)}
    assert {one.status for one in (*answers, blocked, unknown, other)} == {401}
    assert len(bodies) == 1
    assert ("too_many_attempts", "kokuho") in await refusals(world)


async def test_guessing_at_one_client_locks_no_other_out(kanri):
    async with kanri.served() as caller:
        for nth in range(MOST_OF_A_CLIENT + 1):
            await caller.token_answer("kokuho", f"guess {nth}")
        assert (await caller.token_answer("kanri")).status == 200


# --- administration


async def test_without_the_scope_nothing_is_administered_and_the_attempt_is_on_record(kanri):
    async with kanri.served() as caller:
        admin = Admin(caller, await caller.token())
        answer = await admin.do("add", "mine", system="kokuho", scopes=["kokuho:inquiries:create"])
    assert (answer.status, answer.body["reason"]) == (403, "scope_missing")
    assert ("scope_missing", "kokuho") in await refusals(kanri)


async def test_an_administrator_can_neither_multiply_nor_change_itself(kanri):
    await kanri.register("kanri2", system="kanri", scopes=KANRI)
    async with kanri.served() as caller:
        admin = await admin_of(kanri, caller)
        answers = [
            await admin.do("add", "kanri3", system="kanri", scopes=["kanri:clients:administer"]),
            await admin.do("rotate", "kanri2"),
            await admin.do("suspend", "kanri2"),
            await admin.do("rotate", "kanri"),
            await admin.do("renew", "kanri"),
        ]
    assert [(one.status, one.body["reason"]) for one in answers] == [
        (403, "scope_not_grantable"),
        (403, "scope_not_grantable"),
        (403, "scope_not_grantable"),
        (403, "own_client"),
        (403, "own_client"),
    ]
    assert await entries(kanri, "client.administered") == []


async def test_a_new_client_has_what_it_was_given_and_no_more(kanri):
    async with kanri.served() as caller:
        admin = await admin_of(kanri, caller)
        made = await admin.do("add", "zeimu-1", system="zeimu", scopes=["zeimu:inquiries:create"])
        secret = made.body["client_secret"]
        folders = sorted(one.name for one in (kanri.config.spool / "setagaya" / "zeimu").iterdir())
        token = (await caller.token_answer("zeimu-1", secret)).body["access_token"]
        calls = [
            (await caller.post(path, {"items": []}, token=token, key="k")).status
            for path in ("/v1/inquiries", "/v1/addressees")
        ]
        escalated = await caller.token_answer("zeimu-1", secret, scope="zeimu:addressees:register")
        again = await admin.do("add", "zeimu-1", system="zeimu")
        removed = await admin.do("remove", "zeimu-1")
        anew = await admin.do("add", "zeimu-1", system="zeimu")
        listed = await admin.listed()
    assert made.status == 201
    assert calls == [200, 403]
    assert folders == ["addressees", "business-information", "inquiries", "person-changes"]
    assert (escalated.status, escalated.body["error"]) == (400, "invalid_scope")
    assert (again.body["reason"], removed.status, anew.body["reason"]) == ("client_exists", 200, "client_exists")
    assert (listed["zeimu-1"]["state"], listed["zeimu-1"]["secrets"]) == ("removed", [])
    acts = await entries(kanri, "client.administered")
    assert [(one["facts"]["act"], one["actor"], one["facts"]["staff"]) for one in acts] == [
        ("add", "kanri", "kanri-1"),
        ("remove", "kanri", "kanri-1"),
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"scopes": ["kokuho:inquiries:create"]}, "client_malformed"),
        ({"scopes": ["zeimu:inquiries"]}, "client_malformed"),
        ({"scopes": ["zeimu:inquiries:creat"]}, "scope_unknown"),
        ({"scopes": ["*:*:*"]}, "client_malformed"),
        ({"system": "ZEIMU"}, "client_malformed"),
        ({"client_id": "a b"}, "client_malformed"),
        ({"staff": ""}, "malformed_body"),
        ({"staff": "世田谷太郎"}, "malformed_body"),
        ({"staff": "kanri-1\n"}, "malformed_body"),
        ({"expires_at": "2027-01-01T00:00:00"}, "malformed_body"),
        ({"act": "own"}, "malformed_body"),
        ({"more": 1}, "malformed_body"),
    ],
    ids=str,
)
async def test_an_order_out_of_form_is_refused_and_makes_nothing(kanri, body, reason):
    order = {"act": "add", "client_id": "zeimu-1", "system": "zeimu", "scopes": [], "staff": "kanri-1", **body}
    async with kanri.served() as caller:
        answer = await caller.post("/v1/clients", order, token=await caller.token("kanri"), key="k")
    assert (answer.status, answer.body["reason"]) == (400, reason)
    assert await entries(kanri, "client.administered") == []


async def test_a_state_that_does_not_fit_is_said(kanri):
    async with kanri.served() as caller:
        admin = await admin_of(kanri, caller)
        reasons = [
            (await admin.do(act)).body.get("reason") for act in ("resume", "suspend", "suspend", "remove", "resume")
        ]
    assert reasons == ["client_state_differs", None, "client_state_differs", None, "client_unknown"]
