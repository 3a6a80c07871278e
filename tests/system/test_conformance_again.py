"""A conformance run of another day: codes are of another epoch by then, and another list is in force."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

from gateway.__main__ import main as sekisho
from gateway.demonstration.run import DEMO_DAY
from gateway.demonstration.stage import WARD
from gateway.exit_codes import OK
from tests.support.partner_world import conformance, number_given_out
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


def test_our_own_server_conforms_after_another_epoch_and_another_list(world, tmp_path, capsys):
    system = world[0]
    data = ("--data", str(system.running.data.root))
    looking_often(system.running)

    async def epochs() -> dict:
        capsys.readouterr()
        assert await asyncio.to_thread(sekisho, ["codes", "epochs", "--json", *data]) == OK
        return next(one for one in json.loads(capsys.readouterr().out) if one["agency"] == WARD)

    assert sekisho(["codes", "announce", "--agency", WARD, "--accept-days", "0", *data]) == OK
    asyncio.run(until(epochs, lambda one: one["state"] in {"refused", "destroyed"}))
    tomorrow = DEMO_DAY + timedelta(days=1)
    assert sekisho(["lists", "publish", str(ORDINANCE), "--from", f"{tomorrow:%Y-%m-%d}", *data]) == OK
    system.running.clock.set(tomorrow)
    asyncio.run(taken(system))
    url = f"{system.running.url('intermediate')}/{WARD}"
    code, found = conformance(world, url, tmp_path, capsys, pending=asyncio.run(number_given_out(system, 9)))
    assert {check: saw for check, saw in found.items() if saw is not None} == {}
    assert code == OK


async def taken(system) -> None:
    """The ward's server holds the version that was published."""

    async def held() -> int:
        return (await system.export(WARD)).count(b'"kind":"list.taken"')

    await until(held, lambda count: count > 2)
