from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

import pytest


def assertion(client_id, secret, url, **claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    body = {
        "iss": client_id,
        "sub": client_id,
        "aud": f"{url}/oauth/token",
        "exp": time.time() + 60,
        "jti": "one",
        **claims,
    }
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(body)}"
    tag = hmac.digest(secret.encode(), signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(tag).decode().rstrip('=')}"


async def with_assertion(caller, token, path="/oauth/token", /, **more):
    data = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": token,
        **more,
    }
    async with caller.client.post(f"{caller.world.url}{path}", data=data) as response:
        return response.status


async def refusals(world):
    found = await world.rows("select body from log_entry where kind = 'access.refused' order by idx")
    return [(json.loads(row["body"])["reason"], json.loads(row["body"])["actor"]) for row in found]


async def test_a_client_gets_a_short_lived_token_with_its_scopes(world):
    async with world.served() as caller:
        answer = await caller.token_answer()
    assert answer.status == 200
    assert answer.body["expires_in"] == 300
    assert "kokuho:inquiries:create" in answer.body["scope"].split()


async def test_an_unknown_client_is_refused_and_recorded(world):
    async with world.served() as caller:
        answer = await caller.token_answer("stranger", "x")
    assert (answer.status, answer.body["reason"], answer.body["error"]) == (401, "invalid_client", "invalid_client")
    assert await refusals(world) == [("invalid_client", None)]


async def test_a_wrong_secret_is_refused_and_recorded_under_the_client(world):
    async with world.served() as caller:
        answer = await caller.token_answer("kokuho", "wrong")
    assert answer.status == 401
    assert await refusals(world) == [("invalid_client", "kokuho")]


async def test_a_scope_that_was_not_granted_is_not_given(world):
    async with world.served() as caller:
        answer = await caller.token_answer(scope="kokuho:everything:read")
    assert (answer.status, answer.body["error"]) == (400, "invalid_scope")


async def test_client_secret_jwt_works_once_for_each_assertion(world):
    async with world.served() as caller:
        token = assertion("kokuho", "secret of kokuho", world.url)
        first, second = await with_assertion(caller, token), await with_assertion(caller, token)
    assert (first, second) == (200, 401)


async def test_an_assertion_for_another_audience_or_with_another_key_or_past_its_time_is_refused(world):
    async with world.served() as caller:
        other = await with_assertion(caller, assertion("kokuho", "secret of kokuho", "https://elsewhere.example"))
        forged = await with_assertion(caller, assertion("kokuho", "guess", world.url))
        late = await with_assertion(caller, assertion("kokuho", "secret of kokuho", world.url, exp=time.time() - 1))
        endless = await with_assertion(
            caller, assertion("kokuho", "secret of kokuho", world.url, exp=time.time() + 9e9)
        )
    assert (other, forged, late, endless) == (401, 401, 401, 401)


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/introspect", "/oauth/revoke"])
async def test_an_assertion_may_name_the_address_that_it_is_shown_at(world, path):
    async with world.served() as caller:
        shown = assertion("kokuho", "secret of kokuho", "", aud=f"{world.url}{path}")
        assert await with_assertion(caller, shown, path, token="x") == 200


@pytest.mark.parametrize(("begins_in_s", "status"), [(-5, 200), (30, 401), ("soon", 401)])
async def test_an_assertion_counts_from_its_beginning(world, begins_in_s, status):
    """RFC 7523, section 3, number 5."""
    nbf = begins_in_s if isinstance(begins_in_s, str) else time.time() + begins_in_s
    async with world.served() as caller:
        assert await with_assertion(caller, assertion("kokuho", "secret of kokuho", world.url, nbf=nbf)) == status


async def test_introspection_tells_a_client_about_tokens_of_its_agency(world):
    async with world.served() as caller:
        token = await caller.token()
        answers = []
        for shown in (token, token[:-4] + "AAAA", "nonsense"):
            async with caller.client.post(
                f"{world.url}/oauth/introspect", data={"token": shown}, headers={"Authorization": basic("kokuho")}
            ) as response:
                answers.append(await response.json())
    assert answers[0]["active"] is True
    assert answers[0]["client_id"] == "kokuho"
    assert answers[1:] == [{"active": False}, {"active": False}]


def basic(client_id):
    return "Basic " + base64.b64encode(f"{client_id}:secret of {client_id}".encode()).decode()


async def test_without_a_token_and_with_a_changed_token_nothing_is_answered(world):
    async with world.served() as caller:
        token = await caller.token()
        missing = await caller.post("/v1/inquiries", {"items": []})
        changed = await caller.post("/v1/inquiries", {"items": []}, token=token[:-6] + "AAAAAA")
    assert (missing.status, missing.body["reason"]) == (401, "token_missing")
    assert (changed.status, changed.body["reason"]) == (401, "token_invalid")
    assert await refusals(world) == [("token_invalid", None)]


async def test_a_changing_call_needs_an_idempotency_key(world):
    async with world.served() as caller:
        token = await caller.token()
        answers = [
            await caller.post(path, {"items": []}, token=token)
            for path in ("/v1/inquiries", "/v1/addressees", "/v1/code-requests")
        ]
    assert [(answer.status, answer.body["reason"]) for answer in answers] == [(400, "idempotency_key_missing")] * 3


async def test_a_call_outside_the_scope_is_refused_and_recorded(world):
    async with world.served() as caller:
        token = await caller.token(scope="kokuho:inquiries:create")
        answer = await caller.post("/v1/addressees", {"items": []}, token=token, key="k1")
    assert (answer.status, answer.body["reason"]) == (403, "scope_missing")
    assert await refusals(world) == [("scope_missing", "kokuho")]


async def test_strangers_cannot_fill_the_log(world):
    async with world.served() as caller:
        for nth in range(30):
            await caller.post("/v1/inquiries", {"items": []}, token=f"setagaya.{nth}")
            await caller.token_answer(f"stranger-{nth}", "x")
    found = await world.rows("select body from log_entry where kind = 'access.refused' order by idx")
    counts = [(json.loads(row["body"])["reason"], json.loads(row["body"])["facts"]["count"]) for row in found]
    assert counts == [("token_invalid", 1), ("invalid_client", 1), ("token_invalid", 29), ("invalid_client", 29)]


@pytest.mark.parametrize(
    "authorization",
    ["Basic éé", "Basic =", "Basic 4pyT", "Basic /w==", "Basic " + base64.b64encode(b"\0:\0").decode(), "Basic", "é"],
)
async def test_odd_credentials_are_refused_not_a_failure_of_ours(world, authorization):
    async with (
        world.served() as caller,
        caller.client.post(
            f"{world.url}/oauth/token",
            data={"grant_type": "client_credentials"},
            headers={"Authorization": authorization},
        ) as response,
    ):
        assert (response.status, (await response.json())["reason"]) == (401, "invalid_client")


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/introspect"])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=a", b"--b\r\nx"),
        ("multipart/form-data; boundary=" + "a" * 200, b"x"),
        ("application/x-www-form-urlencoded; charset=nothing", b"grant_type=client_credentials"),
        ("application/x-www-form-urlencoded; charset=\xe9", b"grant_type=client_credentials"),
        ("application/x-www-form-urlencoded", b"grant_type=\xff"),
        ("application/x-www-form-urlencoded", b"grant_type=%ff"),
        ("application/x-www-form-urlencoded", b"grant_type=a&grant_type=b"),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % nth for nth in range(100))),
        ("application/json", b"{}"),
        ("\xe9", b"x"),
    ],
)
async def test_a_body_that_is_no_form_is_refused_not_a_failure_of_ours(world, path, content_type, body):
    async with (
        world.served() as caller,
        caller.client.post(
            world.url + path, data=body, headers={"Authorization": basic("kokuho"), "Content-Type": content_type}
        ) as response,
    ):
        answer = await response.json()
    assert (response.status, answer["reason"], answer["error"]) == (400, "invalid_request", "invalid_request")


async def test_an_assertion_that_is_no_jwt_is_refused(world):
    async with world.served() as caller:
        answers = [await with_assertion(caller, token) for token in ("a.b.c", "é.é.é", "..", "bnVsbA.bnVsbA.bnVsbA")]
    assert answers == [401] * 4
