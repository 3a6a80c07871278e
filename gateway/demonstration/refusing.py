"""Step 6: what must be refused is refused and recorded, with all else in order each time.

Every case differs from a good inquiry in one respect. Three parties look at the list: the inquirer's own server, the core, and the
provider's server; each is shown to refuse when the ones before it do not (PL-2…PL-6, SC-1, SC-2, SC-5, SC-6, SC-9).
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from gateway.data_folder import private_folder
from gateway.demonstration.callers import BusinessSystem, Staff
from gateway.demonstration.scene import Refusal, Scene, open_scene, somebody_known
from gateway.demonstration.stage import WARD, Stage, Step
from gateway.setting_up.authority import open_authority
from transport.clock import Clock
from transport.tls import Identity

INQUIRER, CORE, PROVIDER, DESK = "照会者の中間サーバー", "コア", "提供者の中間サーバー", "番号連携サーバー"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One refusal: what is wrong, who must refuse, with which reason. `name`: how scenarios call it."""

    name: str
    title: str
    by: str
    reason: str
    act: Callable[[], Awaitable[Refusal]]


_LIST_FAULTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("リストにない事務（項）", "affair_not_listed", {"item": "999"}),
    ("項にない特定個人情報", "information_not_in_row", {"information": "戸籍関係情報"}),
    ("項にない提供者", "provider_not_in_row", {"provider": "naikaku", "item": "93"}),
    ("その日に効力のない項", "basis_not_in_force", {"item": "48", "basis": "meirei-2024"}),
)

_AT_THE_WARD: dict[str, dict[str, Any]] = {"provider_not_in_row": {"item": "44"}}
"""What is wrong of a question to the ward, where that differs: the ward itself is the provider that the row does not name."""


def cases(scene: Scene) -> list[Case]:
    """Every case in the order of the table."""
    listed: list[Case] = []
    for title, reason, changes in _LIST_FAULTS:
        name = reason.replace("_", "-")
        listed.append(
            Case(
                name=f"{name}-at-inquirer",
                title=title,
                by=INQUIRER,
                reason=reason,
                act=partial(scene.at_own_server, **changes),
            )
        )
        listed.append(
            Case(name=f"{name}-at-core", title=title, by=CORE, reason=reason, act=partial(scene.at_core, **changes))
        )
        at_provider = _AT_THE_WARD.get(reason, changes)
        listed.append(
            Case(
                name=f"{name}-at-provider",
                title=f"{title}（コアが誤って許可）",
                by=PROVIDER,
                reason=reason,
                act=partial(scene.at_provider, **at_provider),
            )
        )
    return [
        *listed,
        Case(
            name="replayed-permit",
            title="許可証の再使用（別の内容）",
            by=CORE,
            reason="permit_replayed",
            act=scene.replayed,
        ),
        Case(
            name="replayed-permit-let-through",
            title="許可証の再使用（コアが素通し）",
            by=PROVIDER,
            reason="permit_replayed",
            act=lambda: scene.replayed(replay_allowed=1),
        ),
        Case(
            name="permit-of-another-party",
            title="他の機関の許可証",
            by=CORE,
            reason="permit_of_another_party",
            act=scene.of_another_party,
        ),
        Case(
            name="permit-for-another-provider",
            title="別の提供者あての許可証",
            by=PROVIDER,
            reason="permit_other_party",
            act=scene.naming_another_provider,
        ),
        Case(
            name="code-of-another-person",
            title="別の人の符号にすり替え",
            by=PROVIDER,
            reason="permit_other_person",
            act=lambda: scene.with_fault(wrong_person=1),
        ),
        Case(name="late-permit", title="期限切れの許可証", by=CORE, reason="permit_expired", act=scene.late),
        Case(
            name="late-permit-let-through",
            title="期限切れの許可証（コアが素通し）",
            by=PROVIDER,
            reason="permit_expired",
            act=scene.past_its_end,
        ),
        Case(
            name="swapped-key",
            title="鍵のすり替え（コアが自分の鍵を渡す）",
            by=PROVIDER,
            reason="permit_key_differs",
            act=lambda: scene.with_fault(swap_key=1),
        ),
        Case(
            name="tampered-answer",
            title="回答の改ざん",
            by=INQUIRER,
            reason="payload_tampered",
            act=lambda: scene.honest_inquiry(tamper_payload=1),
        ),
        Case(
            name="code-of-another-agency",
            title="他の機関の符号",
            by=CORE,
            reason="code_not_of_this_agency",
            act=scene.code_of_another_agency,
        ),
        Case(
            name="unknown-business-system",
            title="登録のない業務システム",
            by=DESK,
            reason="invalid_client",
            act=scene.unknown_system,
        ),
        Case(
            name="unregistered-certificate",
            title="登録のない証明書（自前のCA）",
            by=CORE,
            reason="certificate_not_registered",
            act=scene.unregistered_certificate,
        ),
    ]


async def everything_that_must_be_refused(stage: Stage) -> None:
    with stage.step("refusals", "6. 拒まれるべきものが拒まれ、記録されること") as step:
        async with open_scene(stage, somebody_known(stage)) as scene:
            for case in cases(scene):
                refusal, recorded = await staged(scene, case)
                step.check(f"{case.by}が拒む: {case.title}", refusal.reason == case.reason and case.by in recorded)
                step.rows.append(
                    {
                        "case": case.title,
                        "refused_by": case.by,
                        "reason": refusal.reason,
                        "recorded_by": "、".join(recorded),
                    }
                )
            await _foreign_certificate(scene, step)
            switches = await scene.network.post("/control", {})
            step.expect("網の不正の切替えが残っていない", sum(bool(left) for left in switches.values()), 0)
    _table(stage, step)


def _logs(scene: Scene, inquirer: str) -> dict[str, tuple[Staff | BusinessSystem, str]]:
    """Party → who reads its log, and where."""
    return {
        CORE: (scene.network, "/log"),
        PROVIDER: (scene.ward, f"/{WARD}/log"),
        DESK: (scene.audit, "/v1/log"),
        INQUIRER: (scene.neighbours, f"/{inquirer}/log"),
    }


async def _counts(scene: Scene, reason: str) -> dict[str, int]:
    """How often a reason stands in each log."""
    quoted = json.dumps(json.dumps(reason))[1:-1].encode()
    return {
        name: (await staff.download(path)).count(b'\\"reason\\":' + quoted)
        for name, (staff, path) in _logs(scene, "suginami").items()
    }


async def staged(scene: Scene, case: Case) -> tuple[Refusal, list[str]]:
    """Let a case happen: what came back, and in whose logs its reason stands once more."""
    before = await _counts(scene, case.reason)
    refusal = await case.act()
    after = await _counts(scene, refusal.reason)
    return refusal, [name for name in after if after[name] > before[name]]


async def _foreign_certificate(scene: Scene, step: Step) -> None:
    """A certificate of another CA ends in the handshake: nothing is asked, nothing is recorded."""
    running = scene.stage.running
    folder: Path = private_folder(running.data.root / "foreign")
    foreign = open_authority(folder, Clock()()).issue(folder / "tls", "stranger", subject="stranger")
    identity = Identity(certificate=foreign.certificate, key=foreign.key, ca=running.staff("network").ca)
    before = await scene.network.download("/log")
    ended = ""
    try:
        async with Staff(running.url("network"), identity) as stranger:
            await stranger.items("/permits", [])
    except (aiohttp.ClientError, OSError, ssl.SSLError):
        ended = "tls_handshake"
    unchanged = await scene.network.download("/log") == before
    step.check("外部のCAの証明書は握手で終わり、ログは変わらない", ended == "tls_handshake" and unchanged)
    step.rows.append(
        {
            "case": "外部のCAの証明書",
            "refused_by": "TLS",
            "reason": ended or "not refused",
            "recorded_by": "（記録なし）" if unchanged else "！",
        }
    )


def _table(stage: Stage, step: Step) -> None:
    from rich.table import Table  # noqa: PLC0415 (only here)

    table = Table(show_lines=False)
    for heading in ("何がおかしいか", "拒む者", "理由", "記録する者"):
        table.add_column(heading, overflow="fold")
    for row in step.rows:
        table.add_row(row["case"], row["refused_by"], row["reason"], row["recorded_by"])
    stage.console.print(table)
    stage.console.print(
        "コアと提供者に拒まれるのは、多くが架空市長（自前のサーバーを持つ機関の役で、わざと規則を破る）の照会。その機関の証跡はここにないので「記録する者」に出ない。"
        " / Most of what core and provider refuse comes from an agency with a server of its own, played dishonestly: its log is not here.\n",
        highlight=False,
    )
