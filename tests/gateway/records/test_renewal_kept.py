"""A renewal of codes that left some as they were can be tried again for as long as it did, whatever history is kept (IS-1, IS-10)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.batch import jobs as batch_jobs
from gateway.batch.jobs import JobNamed
from gateway.intermediate_server.operations import jobs
from transport.problem import ProblemError


async def test_every_code_that_was_not_renewed_is_asked_for_again_in_stretches(records, monkeypatch):
    monkeypatch.setattr(jobs, "_CODES_AT_ONCE", 2)
    now = records.clock.now
    await records.inside(
        "insert into code_renewal (epoch, state, total, renewed, refused, begun_at, settled_at) values (3, 'settled', 9, 4, 5, $1, $1)",
        now,
    )
    for nth in range(5):
        index = bytes([nth]) * 32
        await records.inside(
            "insert into person_code (acquisition_index, integrated_number, expires_at, code_index, code_sealed, bound_at, renewal_refused, renewal_refused_at)"
            " values ($1, $2, $3, $1, $1, $3, 'code_unknown', $3)",
            index, f"10000000000000{nth}", now,
        )  # fmt: skip
    await batch_jobs.again(jobs._sources(records.agency), JobNamed(kind="code_renewal", id="epoch-3"), now, "J1")
    assert await records.inside("select 1 from person_code where renewal_refused is not null") == []
    assert (await records.inside("select refused from code_renewal where epoch = 3"))[0]["refused"] == 0


@pytest.mark.parametrize(("refused", "told"), [(3, ["epoch-3"]), (0, [])])
async def test_the_latest_renewal_is_told_while_codes_are_not_renewed(records, refused, told):
    begun = records.clock.now
    for epoch, left in ((2, 5), (3, refused)):
        await records.inside(
            "insert into code_renewal (epoch, state, total, renewed, refused, begun_at, settled_at) values ($1, 'settled', 10, 5, $2, $3, $3)",
            epoch, left, begun,
        )  # fmt: skip
    records.clock.now += records.agency.limits.jobs_kept_for + timedelta(days=1)
    since = records.clock.now - records.agency.limits.jobs_kept_for
    sources = jobs._sources(records.agency)
    found = await batch_jobs.listed(sources, batch_jobs.JobsWanted(kind="code_renewal"), since)
    assert [one["id"] for one in found] == told
    named = JobNamed(kind="code_renewal", id="epoch-3")
    if told:
        await batch_jobs.again(sources, named, since, "J1")
        [row] = await records.inside("select refused from code_renewal where epoch = 3")
        assert row["refused"] == refused  # nobody's code stands as not renewed here
    else:
        with pytest.raises(ProblemError):
            await batch_jobs.again(sources, named, since, "J1")
