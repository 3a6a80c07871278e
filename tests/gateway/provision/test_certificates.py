"""Certificates of erasure are listed to the last one, and each can be confirmed, however many there are (SC-16)."""

from __future__ import annotations

import pytest

from gateway.intermediate_server.retention import certificates
from gateway.intermediate_server.retention.certificates import ConfirmItem, ErasuresItem
from gateway.intermediate_server.staff.entering import Proof
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
