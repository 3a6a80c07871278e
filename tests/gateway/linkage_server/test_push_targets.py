"""LS-1.5: where changes may be pushed to, who says so, and that nobody makes us call anybody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.linkage_server.pushes import store
from gateway.linkage_server.pushes.targets import UrlRefused, check_url, wait_s
from tests.support.push_ward import row, ward_of


@pytest.fixture
async def ward(world):
    async with ward_of(world) as made:
        yield made


@pytest.mark.parametrize(
    ("wanted", "status", "reason"),
    [
        ({"url": "https://127.0.0.1:1/changes"}, 403, "url_host_not_allowed"),
        ({"url": "https://169.254.169.254/latest"}, 403, "url_host_not_allowed"),
        ({"url": "http://127.0.0.1/changes"}, 400, "url_malformed"),
        ({"url": ""}, 400, "url_malformed"),
        ({"kind": "fax"}, 400, "malformed_body"),
        ({"encoding": "utf-16"}, 400, "malformed_body"),
        ({"staff": "山田"}, 400, "staff_malformed"),
    ],
)
async def test_a_target_that_may_not_be_is_refused(ward, wanted, status, reason):
    answer = await ward.target(**wanted)
    assert (answer.status, answer.body["reason"]) == (status, reason)
    assert (await ward.get("/v1/push-targets"))["reason"] == "no_push_target"


async def test_a_call_with_a_nul_is_told_so_wherever_it_stands(ward):
    await ward.target(kind="folder")
    in_query = await ward.get("/v1/pushes/dead?after=%00")
    in_body = (await ward.post("/v1/pushes/resend", {"staff": "s-1", "delivery_ids": ["sky2-\0"]})).body
    in_header = (await ward.caller.token_answer("sky\0", "s")).body
    assert {(one["status"], one["reason"]) for one in (in_query, in_body)} == {(400, "malformed_body")}
    assert "U+0000" in in_query["detail"]
    assert "internal_error" not in str(in_header)


async def test_a_target_is_set_by_who_has_the_scope_for_its_own_system(ward):
    answer = await ward.target(client="plain-load", kind="folder")
    assert (answer.status, answer.body["reason"]) == (403, "scope_missing")


async def test_the_secret_is_said_once_and_a_new_one_on_demand(ward):
    first = (await ward.target()).body["secret"]
    assert "secret" not in (await ward.target()).body
    assert "secret" not in await ward.get("/v1/push-targets")
    assert (await ward.target(new_secret=True)).body["secret"] != first


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("https://a.example/changes", None),
        ("https://a.example:443/changes", None),
        ("https://b.example:8443/x", None),
        ("https://A.EXAMPLE/changes", None),
        ("https://b.example/x", UrlRefused.NOT_ALLOWED),
        ("https://c.example/", UrlRefused.NOT_ALLOWED),
        ("https://a.example.evil.example/", UrlRefused.NOT_ALLOWED),
        ("https://a.example@evil.example/", UrlRefused.MALFORMED),
        ("https://evil.example\\@a.example/", UrlRefused.MALFORMED),
        ("http://a.example/", UrlRefused.MALFORMED),
        ("https://a.example/?to=x", UrlRefused.MALFORMED),
        ("https://a.example/#x", UrlRefused.MALFORMED),
        ("https://a.example:99999/", UrlRefused.MALFORMED),
        ("https://a.example/ x", UrlRefused.MALFORMED),
        ("https://ａ.example/", UrlRefused.MALFORMED),
        ("https:///changes", UrlRefused.MALFORMED),
        ("file:///etc/passwd", UrlRefused.MALFORMED),
        ("https://a.example/" + "x" * 300, UrlRefused.MALFORMED),
    ],
)
def test_only_hosts_of_the_agencys_configuration_are_called(url, refused):
    assert check_url(url, {"a.example", "B.example:8443"}) is refused


def test_waits_double_and_end_at_an_hour():
    assert [wait_s(attempts, 5.0) for attempts in (1, 2, 3)] == [5.0, 10.0, 20.0]
    assert wait_s(50, 5.0) == 3_600.0


async def test_a_turn_that_began_before_its_target_was_configured_anew_writes_nothing_for_the_old_one(ward):
    await ward.load(row())
    await ward.load(row("81"), client="sky2")
    await ward.target(kind="folder", encoding="cp932")
    await ward.change("name_change", name="𠮷野 花子")

    async def given_up():
        return (await ward.get("/v1/pushes/dead"))["items"]

    (dead,) = await ward.until(given_up, "a push that was given up")
    await ward.target(kind="folder", encoding="utf-8", state="off")
    await ward.post("/v1/pushes/resend", {"staff": "s-1", "delivery_ids": [dead["delivery_id"]]})
    async with ward.world.connected() as connection:
        (target,) = await store.read_targets(connection, ward.keys, "sky2")
        before = replace(target, encoding="cp932", configured_at=target.configured_at - timedelta(seconds=1))
        assert await store.read_to_write(connection, before, 10) == []
        assert [one.delivery_id for one in await store.read_to_write(connection, target, 10)] == [dead["delivery_id"]]
