"""A renewal of codes that left some as they were can be tried again for as long as it did, whatever history is kept (IS-1, IS-10)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.batch import jobs as batch_jobs
from gateway.batch.jobs import JobNamed
from gateway.intermediate_server.operations import jobs
from transport.problem import ProblemError


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
