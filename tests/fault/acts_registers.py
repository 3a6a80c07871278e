"""Acts of the kill test for registers: a newer one is taken, each once on record."""

from __future__ import annotations

import secrets
from typing import Any, Final

from gateway.demonstration.stage import WARD
from gateway.setting_up.authority import open_authority
from gateway.setting_up.publishing import publish
from gateway.setting_up.succession import Body, numbered
from tests.fault.acts import Prepare, Trial, at_once
from tests.support.running_system import System, entries, until
from transport.clock import Clock

_PARTY: Final = {"intermediate": WARD, "core": "network"}


def with_another_terminal(system: System) -> int:
    """Publish a register that says one thing more; its number."""
    data = system.running.data

    def change(before: Body | None) -> Body:
        assert before is not None
        terminal = {
            "sha256": secrets.token_hex(32), "agency": WARD, "use": "staff", "name": "staff-9", "valid_to": None,
        }  # fmt: skip
        return numbered(before, {**before, "certificates": [*before["certificates"], terminal]})

    return publish(data, open_authority(data.authority, Clock()()), change)


async def a_newer_register_is_taken(trial: Trial) -> None:
    system, server = trial.system, trial.point.partition(".")[0]
    sequence = with_another_terminal(system)

    async def recorded() -> list[dict[str, Any]]:
        export = await (system.linkage_log() if server == "linkage" else system.export(_PARTY[server]))
        taken = entries(export, kind="register.taken")
        return [one for one in taken if one["facts"]["sequence"] == sequence]

    assert len(await until(recorded, bool)) == 1


REGISTER_ACTS: dict[str, Prepare] = dict.fromkeys(
    ("intermediate.commit.register.looked", "linkage.commit.register.looked", "core.commit.register.looked"),
    at_once(a_newer_register_is_taken),
)
