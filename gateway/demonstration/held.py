"""Step 7: barred information (自動応答不可) is held; staff who have logged in release one, two people together, and refuse another (SC-4, SC-10)."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.demonstration.callers import Staff, UnexpectedAnswerError
from gateway.demonstration.exchanging import canonical, expected_records
from gateway.demonstration.stage import WARD, Stage

_LONGEST_WAIT_S = 30.0


async def held_provisions(stage: Stage) -> None:
    with stage.step("held", "7. 自動応答不可の保留（職員が確かめて、許す・拒む）") as step:
        two = bool(stage.running.role("intermediate").options.get("staff_two_person_release"))
        async with stage.staff(WARD, "intermediate") as staff, stage.staff(WARD, "intermediate", "staff-2") as second:
            held = {one["inquiry_number"]: one for one in await staff.items(f"/{WARD}/held-provisions", [])}
            waiting = [one for one in stage.held if one["inquiry_number"] in held]
            step.expect("保留中の提供", len(held), len(stage.held))
            released, refused, *left = waiting
            asked = {"permit_id": held[released["inquiry_number"]]["permit_id"]}
            seen = (await staff.items(f"/{WARD}/held-provisions", [asked]))[0]
            step.check(
                "職員に見えるのは提供される内容そのもの",
                canonical(seen["would_leave"])
                == canonical(expected_records(stage, released["person"], released["items"])),
            )
            answer = await _decide(staff, seen, approve=True)
            if two:
                step.check("1 人目の承認だけでは提供されない", answer == {"approved": True})
                step.check("同じ職員は 2 人目になれない", await _turned_away(staff, seen, "second_person_needed"))
                step.check("見ていない職員は承認できない", await _turned_away(second, seen, "content_changed"))
                seen = (await second.items(f"/{WARD}/held-provisions", [asked]))[0]
                answer = await _decide(second, seen, approve=True)
            step.check("許した提供", answer == {"released": True})
            await _decide(second, held[refused["inquiry_number"]], approve=False)
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


async def _decide(staff: Staff, held: dict[str, Any], *, approve: bool) -> dict[str, Any]:
    item = {
        "permit_id": held["permit_id"],
        "approve": approve,
        "content_hash": held["content_hash"] if approve else "",
        "reason": "" if approve else "non_disclosure",
    }
    answer: dict[str, Any] = (await staff.items(f"/{WARD}/held-provisions/decide", [item]))[0]
    return answer


async def _turned_away(staff: Staff, held: dict[str, Any], reason: str) -> bool:
    try:
        await _decide(staff, held, approve=True)
    except UnexpectedAnswerError as problem:
        return str(problem).endswith(reason)
    return False


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
