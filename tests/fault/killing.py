"""A server may die at any commit and any send: it comes back, the work goes on, nothing is lost and nothing happens twice.

One test per commit and send, generated from the registry, in a file for each server (`test_kill_*.py`): the server dies before the step and,
when it does it again, after it. A new one that no act here reaches fails `test_every_registered_step_is_tried_at_some_role`. SKY2's points are tried in tests/adapters/sky2/test_kill.py, those of an agency's first
staff in tests/gateway/intermediate_server/test_founding.py, of a log that is opened anew in tests/system/test_backup.py, of a restore and its lifting in tests/system/test_linkage_backup.py,
of a rotation in tests/gateway/setting_up/test_rotation.py, of rings that people open in tests/system/test_keys_closed.py.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from gateway.demonstration.stage import WARD
from gateway.launcher import RoleNotStartedError, Running
from gateway.serve_command import MODULES
from storage.fault_points import REGISTRY
from tests.fault import (
    acts,
    acts_bulk,
    acts_business,
    acts_codes,
    acts_keys,
    acts_lists,
    acts_people,
    acts_permits,
    acts_provisions,
    acts_records,
    acts_registers,
    acts_results,
    acts_review,
    acts_search,
    acts_staff,
)
from tests.fault.acts import Act, Trial
from tests.support.running_system import INSURANCE, RESIDENTS, System, entries, started

for module in MODULES.values():
    import_module(module)

ACTS = {
    **acts.ACTS,
    **acts_bulk.BULK_ACTS,
    **acts_business.BUSINESS_ACTS,
    **acts_codes.CODE_ACTS,
    **acts_keys.KEY_ACTS,
    **acts_registers.REGISTER_ACTS,
    **acts_lists.LIST_ACTS,
    **acts_permits.PERMIT_ACTS,
    **acts_people.PEOPLE_ACTS,
    **acts_provisions.PROVISION_ACTS,
    **acts_results.RESULT_ACTS,
    **acts_records.RECORD_ACTS,
    **acts_review.REVIEW_ACTS,
    **acts_search.SEARCH_ACTS,
    **acts_staff.STAFF_ACTS,
}
ROLE = {
    "intermediate": "intermediate",
    "linkage": "linkage",
    "core": "network",
    "resident_network": "resident-network",
}
"""Kind of server → the ward's process, or the network's, that is killed."""
TRIED_ELSEWHERE = frozenset({"sky2", "test", "founding", "keys", "opening", "restore", "backup"})
POINTS = sorted(name for name, server in REGISTRY.items() if server not in TRIED_ELSEWHERE)
STEPS = sorted({point.rpartition(".")[0] for point in POINTS})


ONE_DEATH_A_TRIAL = frozenset({"core.commit.presentation.remembered", "intermediate.commit.inquiry.permitted"})
"""Steps whose act needs a fault that the core plays once: it is not met a second time in one trial."""


def trials_of(*servers: str) -> list[tuple[str, str]]:
    """The commits and sends of these kinds of server, each with the sides on which the server dies in one trial, in their order."""
    steps = [step for step in STEPS if REGISTRY[f"{step}.before"] in servers]
    return [
        (step, sides)
        for step in steps
        for sides in (("before", "after") if step in ONE_DEATH_A_TRIAL else ("before after",))
    ]


PARTIES = (WARD, "naikaku", "suginami")
DIES_WITHIN_S = 25.0
_NTH = itertools.count(1)
ONCE = frozenset(
    {
        "inquiry.registered", "inquiry.refused", "inquiry.permitted", "inquiry.denied", "inquiry.held", "inquiry.answered",
        "inquiry.not_provided", "inquiry.refused_by_provider", "inquiry.aborted", "permit.issued", "provision.made",
        "provision.held", "provision.released", "provision.refused", "provision.not_provided",
    }
)  # fmt: skip


@contextmanager
def world_to_kill_in(folder: Path) -> Iterator[System]:
    """The ward, its neighbours and the network; a few people with codes, replicas and accounts."""
    with started(
        folder,
        options={
            "resend_after_s": 1,
            **acts_codes.OPTIONS,
            **acts_bulk.OPTIONS,
            **acts_lists.OPTIONS,
            **acts_search.OPTIONS,
            **acts_keys.OPTIONS,
        },
        role_options=acts_staff.OPTIONS,
    ) as running:
        yield asyncio.run(_people(System(running=running)))


async def _people(system: System) -> System:
    known = system.insured[:4]
    await system.populate(known)
    for each in (RESIDENTS, INSURANCE, "suginami-gyomu", "naikaku-gyomu"):
        await system.register(each, known)
    for each in (RESIDENTS, "suginami-gyomu", "naikaku-gyomu"):
        await system.obtain_codes(each)
    plain, barred, *_ = known
    await system.load_records(
        INSURANCE, [*system.insurance(plain), *system.insurance(barred, barred=True)], "base.ndjson"
    )
    accounts = [system.account(plain), system.account(barred, barred=True)]
    await system.load_records("naikaku-gyomu", accounts, "base.ndjson", agency="naikaku")
    return system


async def _die_and_go_on(trial: Trial, act: Act) -> None:
    """Start the act, see the role die by SIGKILL on each side of the step as it goes on, and wait for the act's right end."""
    running, role = trial.system.running, ROLE[REGISTRY[trial.point]]
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        group.create_task(act(trial))
        for fault in (*trial.points[1:], None):
            end = loop.time() + DIES_WITHIN_S
            while running.ended(role) is None:
                assert loop.time() < end, "the act does not reach the point"
                await asyncio.sleep(0.01)
            assert running.ended(role) == -signal.SIGKILL
            _revive(running, role, fault)


def _revive(running: Running, role: str, fault: str | None) -> None:
    """Start the role; armed, it may reach its point before it has answered once."""
    try:
        running.restart(role, fault=fault)
    except RoleNotStartedError:
        if fault is None or running.ended(role) != -signal.SIGKILL:
            raise


async def _nothing_twice(system: System) -> None:
    exports = await system.exports(*PARTIES)
    assert system.findings(exports) == []
    for name, export in exports.items():
        seen = Counter((one.get("inquiry_number"), one["kind"]) for one in entries(export) if one["kind"] in ONCE)
        assert {key: times for key, times in seen.items() if times > 1} == {}, name
        identities = [one["id"] for one in entries(export)]
        assert len(set(identities)) == len(identities)


def kill_at(world: System, step: str, sides: str) -> None:
    """Play the act of a step, with its server killed on these sides of it, and see that all is as if it had not been."""
    prepare = ACTS.get(step)
    assert prepare is not None, "a step that no act reaches: add its act to ACTS"
    trial = Trial(system=world, nth=next(_NTH), points=tuple(f"{step}.{side}" for side in sides.split()))
    act = asyncio.run(prepare(trial))
    role = ROLE[REGISTRY[trial.point]]
    world.running.kill(role)
    world.running.restart(role, fault=trial.point)
    try:
        asyncio.run(_die_and_go_on(trial, act))
    except BaseException:
        world.running.kill(role)  # the next trial must not meet this one's fault
        world.running.restart(role)
        raise
    asyncio.run(_nothing_twice(world))
