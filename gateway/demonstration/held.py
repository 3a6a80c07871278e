"""Step 7: barred information (自動応答不可) is held; a person releases one and refuses another (SC-4)."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.demonstration.exchanging import canonical, expected_records
from gateway.demonstration.stage import WARD, Stage

_LONGEST_WAIT_S = 30.0


async def held_provisions(stage: Stage) -> None:
    with stage.step("held", "7. 自動応答不可の保留（職員が確かめて、許す・拒む）") as step:
        async with stage.staff(WARD, "intermediate") as staff:
            held = {one["inquiry_number"]: one for one in await staff.items(f"/{WARD}/held-provisions", [])}
            waiting = [one for one in stage.held if one["inquiry_number"] in held]
            step.expect("保留中の提供", len(held), len(stage.held))
            released, refused, *left = waiting
            shown = canonical(held[released["inquiry_number"]]["would_leave"])
            step.check(
                "職員に見えるのは提供される内容そのもの",
                shown == canonical(expected_records(stage, released["person"], released["items"])),
            )
            await _decide(staff, held[released["inquiry_number"]], approve=True)
            await _decide(staff, held[refused["inquiry_number"]], approve=False)
        answer = await _result(stage, released)
        same = answer["state"] == "answered" and canonical(answer["values"]) == canonical(
            expected_records(stage, released["person"], released["items"])
        )
        step.check("許した 1 件は照会者に届き、内容が一致", same)
        answer = await _result(stage, refused)
        step.check(
            "拒んだ 1 件は理由とともに照会者に届く",
            (answer["state"], answer["reason"]) == ("refused", "non_disclosure"),
        )
        step.expect("保留のまま", sum([(await _state(stage, one))["state"] == "held" for one in left]), len(left))


async def _decide(staff: Any, held: dict[str, Any], *, approve: bool) -> None:
    item = {
        "permit_id": held["permit_id"],
        "approve": approve,
        "content_hash": held["content_hash"],
        "reason": "" if approve else "non_disclosure",
    }
    await staff.items(f"/{WARD}/held-provisions/decide", [item])


async def _state(stage: Stage, one: dict[str, Any]) -> dict[str, Any]:
    async with stage.system(f"{one['agency']}-gyomu") as system:
        found: dict[str, Any] = (
            await system.post("/v1/inquiry-results", {"items": [{"inquiry_number": one["inquiry_number"]}]})
        )["items"][0]
    return found


async def _result(stage: Stage, one: dict[str, Any]) -> dict[str, Any]:
    """Wait until a decided provision has reached its inquirer."""
    found = await _state(stage, one)
    for _ in range(int(_LONGEST_WAIT_S / 0.2)):
        if found["state"] != "held":
            break
        await asyncio.sleep(0.2)
        found = await _state(stage, one)
    return found
