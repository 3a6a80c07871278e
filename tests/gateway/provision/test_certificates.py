"""Certificates of erasure are listed to the last one, and each can be confirmed, however many there are (SC-16)."""

from __future__ import annotations

import secrets

import pytest

from gateway.intermediate_server.retention import certificates
from gateway.intermediate_server.retention.certificates import ConfirmItem, ErasuresItem
from gateway.intermediate_server.staff.entering import Proof
from gateway.intermediate_server.staff.rights import Function
from tests.support.staff_in_person import at_work
from transport.problem import ProblemError


async def test_certificates_beyond_the_first_page_are_listed_and_can_be_confirmed(world):
    await world.execute("delete from erasure")
    await world.execute(
        "insert into erasure (key_purpose, kind, rule, state, begun_at, certified_at, certificate, key_file, content_hash)"
        " select 'result/' || n, 'results', 'SC-3', 'certified', $1::timestamptz, $1::timestamptz + (n / 3) * interval '1 hour', 'E' || n, 'f', 'hash-' || n"
        " from generate_series(1, 2500) n",
        world.now,
    )
    acting, found, after = world.staff("staff-1"), [], None
    while page := await certificates.listed(acting, ErasuresItem(state="certified", after=after)):
        found += [one["key_purpose"] for one in page]
        after = found[-1]
        assert len(page) <= certificates.PAGE
    assert len(found) == len(set(found)) == 2500
    hours = [int(one.removeprefix("result/")) // 3 for one in found]
    assert hours == sorted(hours, reverse=True)
    oldest = ConfirmItem(content_hashes=["hash-1"], proof=Proof(password="wrong", challenge=b""))
    with pytest.raises(ProblemError) as refused:
        await certificates.confirm(acting, oldest, world.now)
    assert refused.value.reason != "erasure_unknown", "it is there; what is missing is the proof"
    await world.execute("delete from erasure")


async def test_what_was_confirmed_before_the_log_could_not_be_written_is_told_and_the_rest_can_be_confirmed(world):
    one, hashes = await at_work(world.desk, Function.ERASURES_CONFIRM), [secrets.token_hex(32) for _ in range(2)]
    await world.execute(
        "insert into erasure (key_purpose, kind, rule, state, begun_at, certified_at, certificate, key_file, content_hash)"
        " select 'result/' || h, 'results', 'SC-3', 'certified', $2, $2, 'E', 'f', h from unnest($1::text[]) as h",
        hashes, world.now,
    )  # fmt: skip

    async def confirmed(content_hashes: list[str]) -> int:
        proof = one.proof(f"confirm_erasure/{certificates.together(content_hashes)}")
        item = ConfirmItem(content_hashes=content_hashes, proof=proof)
        return (await certificates.confirm(await one.let_in(Function.ERASURES_CONFIRM), item, world.now))["confirmed"]

    world.agency.committer.statement_s = 0.5
    async with world.agency.database.inside(world.agency.tenant) as connection:
        unconfirmed = await connection.fetch("select content_hash from erasure where content_hash = any($1)", hashes)
        second = unconfirmed[1]["content_hash"]
        await connection.execute("select from erasure where content_hash = $1 for update", second)
        assert await confirmed(hashes) == 1
    assert await confirmed([second]) == 1
