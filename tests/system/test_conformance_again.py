"""A conformance run of another day: codes are of another epoch by then, and another list is in force."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.__main__ import main as sekisho
from gateway.demonstration.run import DEMO_DAY
from gateway.demonstration.stage import WARD
from gateway.exit_codes import OK
from partner.messages import MessageBrokenError
from permission_lists.versions import read_head
from storage import list_files
from tests.support.partner_world import code_of, conformance, number_given_out
from tests.support.running_system import until

ORDINANCE = Path(__file__).parents[1] / "permission_lists" / "ordinance.yaml"


def looking_often(running) -> None:
    """The ward's server asks the core all the time from now on."""
    file = running.data.role("intermediate") / "role.json"
    stored = json.loads(file.read_text(encoding="utf-8"))
    stored["options"] |= {"list_poll_s": 0.3, "code_epochs_poll_s": 0.3}
    file.write_text(json.dumps(stored), encoding="utf-8")
    running.stop_role("intermediate")
    running.restart("intermediate")


@pytest.fixture
def epoch_of(world, capsys):
    """How an agency's epochs stand at the core."""

    def look(agency: str) -> dict:
        capsys.readouterr()
        assert sekisho(["codes", "epochs", "--json", "--data", str(world[0].running.data.root)]) == OK
        return next(one for one in json.loads(capsys.readouterr().out) if one["agency"] == agency)

    return look


def is_over(epoch: dict) -> bool:
    return epoch["state"] in {"refused", "destroyed"}


@pytest.fixture(scope="module")
def another_day(world):
    """An epoch of codes is announced to both, and another list is in force."""
    system = world[0]
    data = ("--data", str(system.running.data.root))
    looking_often(system.running)
    announce = ["codes", "announce", "--agency", WARD, "--agency", "partner", "--accept-days", "0"]
    assert sekisho([*announce, *data]) == OK
    tomorrow = DEMO_DAY + timedelta(days=1)
    assert sekisho(["lists", "publish", str(ORDINANCE), "--from", f"{tomorrow:%Y-%m-%d}", *data]) == OK
    system.running.clock.set(tomorrow)
    asyncio.run(taken(system))
    return system


def test_our_own_server_conforms_after_another_epoch_and_another_list(world, another_day, epoch_of, tmp_path, capsys):
    system = another_day

    async def epoch() -> dict:
        return await asyncio.to_thread(epoch_of, WARD)

    asyncio.run(until(epoch, is_over))
    url = f"{system.running.url('intermediate')}/{WARD}"
    code, found = conformance(world, url, tmp_path, capsys, pending=asyncio.run(number_given_out(system, 9)))
    assert {check: saw for check, saw in found.items() if saw is not None} == {}
    assert code == OK


def test_a_partner_follows_to_another_epoch_and_another_list(world, connection, clock, another_day, epoch_of):
    before = asyncio.run(code_of(world, connection, clock))

    async def follow() -> bytes:
        async with connection.asking() as asker:
            with pytest.raises(MessageBrokenError, match="/list-versions"):
                connection.list_in_force(clock())
            assert await connection.renew_lists(asker)
            [code] = await asker.follow_epochs([before])
            return code

    after = asyncio.run(follow())
    newest = read_head(list_files.read(connection.lists)[-1].head)
    assert connection.list_in_force(clock()).digest == newest.content_digest
    assert (before[1], after[1]) == (1, 2)
    assert is_over(epoch_of("partner"))


async def taken(system) -> None:
    """The ward's server holds the version that was published."""

    async def held() -> int:
        return (await system.export(WARD)).count(b'"kind":"list.taken"')

    await until(held, lambda count: count > 2)
