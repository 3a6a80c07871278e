"""Two intermediate servers as processes of their own: the ward's and its neighbours'."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.running_system import INSURANCE, RESIDENTS, System, started
from tests.support.staff_terminal import terminal


@pytest.fixture(scope="package")
def running(tmp_path_factory):
    ward = {"staff_locked_for": 2, "staff_terminal_failures": 1000}
    neighbours = {"staff_locked_for": 4, "staff_terminal_failures": 10, "staff_idle": 4}
    with started(
        tmp_path_factory.mktemp("staff"),
        roles=("intermediate", "neighbours-intermediate"),
        role_options={"intermediate": ward, "neighbours-intermediate": neighbours},
    ) as found:
        yield found


@pytest.fixture(scope="package")
def system(tmp_path_factory):
    """Everything runs. The ward wants two people for all that is held; the records of insured[0] to [2] are barred, those of [3] are not."""
    two = {"intermediate": {"staff_two_person_release": ["*"]}}
    with started(tmp_path_factory.mktemp("two"), options={"resend_after_s": 1}, role_options=two) as found:
        made = System(running=found)
        asyncio.run(_people(made))
        yield made


async def _people(system: System) -> None:
    known = system.insured[:4]
    await system.populate(known)
    for each in (INSURANCE, "suginami-gyomu"):
        await system.register(each, known)
    for each in (RESIDENTS, "suginami-gyomu"):
        await system.obtain_codes(each)
    records = [record for person in known for record in system.insurance(person, barred=person is not known[3])]
    await system.load_records(INSURANCE, records, "base.ndjson")


@pytest.fixture
async def desk(running):
    """The ward's first terminal."""
    async with terminal(running) as found:
        yield found


@pytest.fixture
async def other_desk(running):
    """The ward's second terminal."""
    async with terminal(running, name="staff-2") as found:
        yield found
