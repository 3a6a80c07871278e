"""`sekisho keys destroy`, `destructions`, `approve` and `reject`: a version of a key goes by two of the agency's staff (SC-20; docs/adr/0073).

`destroy --server` asks for it and `approve` is the second person's. The intermediate server then destroys it in its own ring; for another server of the agency
it signs an order, which `destroy --role … --order` carries out on that server's machine, within ten minutes. Core and resident network are nobody's
agency: two people who open the ring together decide there, and in a simulation alone whoever opens it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from codebook.identifiers import new_sortable_id
from evidence import orders
from evidence.orders import OrderKind, OrderRefusedError
from gateway import guarding, staff_calls
from gateway.data_folder import DataFolder, private_folder, write_private
from gateway.exit_codes import BAD_INPUT, EPILOG, OK, REFUSED, end
from gateway.intermediate_server.destruction.destroying import DESTRUCTION_PREFIX, Cause, Server, content_hash
from gateway.key_needs.by_program import need
from gateway.key_records import LOGS, core_of, record
from gateway.topology import NETWORK, Program
from keys.errors import KeyMissing
from keys.ring import State
from storage import key_store
from storage.database import Database
from storage.keepers import Kind, kind_of
from storage.key_changes import destroy, finish_destructions, set_aside
from storage.key_store import KeyStore
from storage.tenancy import in_use
from transport import role as role_file
from transport.clock import Clock
from transport.role import RoleConfig

ACTIONS: Final = {
    "destroy": "版の破棄を申請する (--server)。申請どおりに破棄する (--role --order)。戻せない (ask for a destruction; carry it out)",
    "destructions": "破棄の申請の一覧 (destructions that were asked for)",
    "approve": "申請した人とは別の職員が認める (a second person approves)",
    "reject": "申請を取り下げる、認めない (withdraw or reject)",
}
_FIRST: Final = "admin-1"
_DESTROYED: Final = "破棄しました。この鍵で封じたものは二度と開けません / destroyed for good"
_OF_NOBODY: Final = frozenset({Program.NETWORK, Program.RESIDENT_NETWORK})
_REFUSALS: Final[Mapping[str, str]] = {
    "order_malformed": "命令のファイルとして正しくありません / not an order",
    "order_signature_invalid": "この機関の中間サーバーが署名した命令ではありません / not signed by the agency's intermediate server",
    "order_of_another_agency": "別の機関の命令です / another agency's order",
    "order_for_another_server": "別のサーバーへの命令です / an order for another server",
    "order_for_another_act": "鍵の破棄の命令ではありません / an order for something else",
    "order_of_the_future": "まだ始まっていない命令です。時計を確かめてください / an order of the future; see to the clocks",
    "order_over": "命令の期限 (10 分) が過ぎました。もう一度、二人で / the order's ten minutes are over; two people ask for another",
}


class _NotDone(Exception):  # noqa: N818 (it says what came of it)
    """Nothing was destroyed; the text says why and what to do, `code` is how the command ends."""

    def __init__(self, text: str, code: int = REFUSED) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """Whose act it is. `said`: what the record says beside purpose and version."""

    actor: str | None
    said: Mapping[str, str | int]


def add_arguments(actions: Any) -> None:
    added = {name: actions.add_parser(name, help=told) for name, told in ACTIONS.items()}
    making = added["destroy"]
    making.add_argument("purpose", metavar="PURPOSE", help="用途 (purpose), e.g. codes")
    making.add_argument("--version", type=int, required=True, metavar="N", help="版 (version)")
    where = making.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--server", choices=list(Server), help="申請: 機関のどのサーバーの鍵か (ask: of which server of the agency)"
    )
    where.add_argument("--role", metavar="ROLE", help="破棄: この機械の役割 (carry out: a role of this machine)")
    making.add_argument(
        "--cause",
        choices=list(Cause),
        help="理由 (why): replaced 新しい版に替えた, disclosed 漏えい, erasure 封じたものの消去, use_ended 利用終了",
    )
    making.add_argument("--order", type=Path, metavar="FILE", help="approve が書いた命令 (the order, from approve)")
    guarding.add_person_argument(making, guarding.BOTH)
    for name in ("approve", "reject"):
        added[name].add_argument("destruction_id", metavar="ID", help="申請の番号 (id), from keys destructions")
    added["destructions"].add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    for name, action in added.items():
        action.epilog = EPILOG
        action.add_argument("--agency", required=True, metavar="ID", help="機関の id (agency id)")
        needed = name in ("approve", "reject")
        told = "職員 id (member of staff)" if needed else f"職員 id (member of staff)。既定 {_FIRST}"
        action.add_argument("--staff", required=needed, default=_FIRST, metavar="NAME", help=told)
        staff_calls.add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    """Raises what keys, rings and records raise (`keys_command`)."""
    data = DataFolder(args.data)
    match args.action:
        case "destroy" if args.role is not None:
            try:
                return _carry_out(data, args)
            except _NotDone as no:
                return end(str(no), no.code)
        case "destroy":
            return staff_calls.guarded(lambda: _ask(data, args))
        case "destructions":
            return staff_calls.guarded(lambda: _list(data, args))
        case _:
            return staff_calls.guarded(lambda: _decide(data, args))


# --- asking and deciding, at the agency's intermediate server


def _ask(data: DataFolder, args: argparse.Namespace) -> int:
    if args.cause is None:
        return end("--cause が要ります / --cause is needed", BAD_INPUT)
    party = staff_calls.party(data, args.agency, args.staff)
    destruction_id = new_sortable_id(DESTRUCTION_PREFIX, int(Clock()().timestamp() * 1000), secrets.token_bytes(10))
    what = {"server": args.server, "purpose": args.purpose, "version": args.version, "cause": args.cause}
    digest = content_hash(args.agency, destruction_id, *what.values())
    item = {"destruction_id": destruction_id, **what}
    staff_calls.ask_proved(party, "/keys/destructions/ask", item, f"destroy_key/{destruction_id}/{digest}")
    return end(
        f"申請しました。別の職員が認めると破棄します / asked for; another of the staff approves: sekisho keys approve {destruction_id}",
        OK,
    )


def _decide(data: DataFolder, args: argparse.Namespace) -> int:
    party = staff_calls.party(data, args.agency, args.staff)
    found = {one["destruction_id"]: one for one in _found(party)}
    if args.destruction_id not in found:
        return end("その申請はありません。keys destructions で確かめてください / no such destruction", BAD_INPUT)
    asked = found[args.destruction_id]
    sys.stdout.write(f"{_told(asked)}\n")
    approve = args.action == "approve"
    item = {name: asked[name] for name in ("destruction_id", "content_hash")} | {"approve": approve}
    purpose = f"{args.action}_destruction/{asked['destruction_id']}/{asked['content_hash']}"
    answer = staff_calls.ask_proved(party, "/keys/destructions/decide", item, purpose)
    if not approve:
        return end("記録しました。何も破棄していません / recorded; nothing is destroyed", OK)
    if "order" not in answer:
        return end(_DESTROYED, OK)
    path = private_folder(data.orders) / f"{asked['destruction_id']}.json"
    write_private(path, answer["order"].encode())
    return end(
        f"命令です。{asked['server']} の機械で 10 分以内に / an order; on the machine of {asked['server']}, within ten minutes: "
        f"sekisho keys destroy {asked['purpose']} --version {asked['version']} --role ROLE --agency {args.agency} --order {path}",
        OK,
    )


def _found(party: staff_calls.Party) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = staff_calls.ask(party, "/keys", [{}])[0]["destructions"]
    return found


def _list(data: DataFolder, args: argparse.Namespace) -> int:
    found = _found(staff_calls.party(data, args.agency, args.staff))
    if args.json:
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        return OK
    sys.stdout.write("".join(f"{_told(one)}\n" for one in found) or "申請はありません / nothing was asked for\n")
    return OK


def _told(one: Mapping[str, Any]) -> str:
    people = ", ".join(filter(None, (one["asked_by"], one["decided_by"])))
    open_yet = " 未実施 (not done yet)" if one["state"] == "approved" and one["done"] is False else ""
    return (
        f"{one['destruction_id']} {one['server']} {one['purpose']} 版 (version) {one['version']} "
        f"{one['cause']} {one['state']}{open_yet} [{people}]"
    )


# --- carrying out, on the machine that has the ring


def _carry_out(data: DataFolder, args: argparse.Namespace) -> int:
    """1. what was begun before is finished; 2. the version may go; 3. two people have decided so; 4. set aside; 5. on record; 6. it goes.

    Raises _NotDone, KeyMissing, KeyStoreError, StorageUnavailableError, RegisterBrokenError, OSError.
    """
    folder = data.role(args.role)
    if not (folder / "role.json").exists() or not (folder / "keys" / f"{args.agency}.json").exists():
        raise _NotDone("その役割か機関がありません / no such role or agency in this data folder", BAD_INPUT)
    config = role_file.load(folder)
    program = Program(config.options["program"])
    if program is Program.INTERMEDIATE:
        raise _NotDone(
            "中間サーバーの鍵は、動いているサーバーが二人の職員の操作で破棄します / the running server destroys its own keys, by two of the staff: "
            "sekisho keys destroy --server intermediate"
        )
    store = guarding.open_store(config, args.agency, args.person)
    # 1
    if program in LOGS and (args.purpose, args.version) in asyncio.run(_finished(config, args.agency, store)):
        return end(f"記録済みでした。{_DESTROYED}, as was on record", OK)
    # 2
    _check(config, args, store)
    # 3
    decided = _by_keepers(config, args) if program in _OF_NOBODY else _ordered(config, program, args)
    # 4
    if program in LOGS:
        set_aside(store, args.purpose, args.version)
    # 5
    _record(data, config, program, args, store, decided)
    # 6
    destroy(store, args.purpose, args.version)
    return end(_DESTROYED, OK)


async def _finished(config: RoleConfig, agency: str, store: KeyStore) -> list[tuple[str, int]]:
    tenant = config.hosted[agency].tenant
    database = await Database.open(config.dsn, connections=1)
    try:
        if agency != NETWORK and tenant not in await in_use(database, [tenant]):
            return []
        return await finish_destructions(database, tenant, store)
    finally:
        await database.close()


def _check(config: RoleConfig, args: argparse.Namespace, store: KeyStore) -> None:
    """Raises _NotDone, KeyMissing, StorageUnavailableError."""
    states = store.ring.versions(args.purpose)
    if args.version not in states:
        raise KeyMissing
    if states[args.version] is State.DESTROYED:
        raise _NotDone("この版は破棄してあります / this version is destroyed already")
    if states[args.version] is State.PRIMARY:
        raise _NotDone("使用中の版は破棄できません。先に rotate を / this version seals what comes now; rotate first")
    needed = asyncio.run(need(config, args.agency, args.purpose, args.version))
    if needed is not None:
        raise _NotDone(f"この版はまだ要ります / this version is still needed: {needed}")


def _ordered(config: RoleConfig, program: Program, args: argparse.Namespace) -> _Decided:
    """Two of the agency's staff, by the order of its intermediate server. Raises _NotDone, RegisterBrokenError, OSError."""
    if args.order is None:
        raise _NotDone(
            f"職員二人の命令が要ります / an order of two of the agency's staff is needed: sekisho keys destroy --server {program.value}, then keys approve"
        )
    agencies = config.register.agencies
    if args.agency not in agencies:
        raise _NotDone("登録簿にこの機関がありません / the register does not know this agency")
    try:
        order = orders.read(
            args.order.read_bytes(),
            agencies[args.agency].signing_keys,
            kind=OrderKind.KEY_DESTRUCTION,
            agency=args.agency,
            server=program.value,
            now=config.clock(),
        )
    except OrderRefusedError as no:
        raise _NotDone(f"{_REFUSALS[no.reason]} ({no.reason})") from None
    if (order.facts.get("purpose"), order.facts.get("version")) != (args.purpose, args.version):
        raise _NotDone("別の用途か版の命令です / the order is for another purpose or version")
    asked_by, approved_by = order.people
    said = {"cause": order.facts["cause"], "asked_by": asked_by, "order": order.order_id}
    return _Decided(actor=approved_by, said=said)


def _by_keepers(config: RoleConfig, args: argparse.Namespace) -> _Decided:
    """Of a ring that is nobody's agency's: the two who have opened it; in a simulation whoever has. Raises _NotDone, KeyStoreError, RegisterBrokenError."""
    if args.cause is None:
        raise _NotDone("--cause が要ります / --cause is needed", BAD_INPUT)
    kind = kind_of(key_store.read(config.hosted[args.agency].keys))
    if kind is not Kind.TWO_PEOPLE and not config.register.simulation:
        raise _NotDone(
            "この鍵束は二人で守られていません。先に keys guard --by two_people を / two people must keep this ring first: sekisho keys guard --by two_people"
        )
    people = " ".join(sorted(args.person)) if kind is Kind.TWO_PEOPLE else ""
    return _Decided(
        actor=None, said={"cause": args.cause, "keeper": kind.value, **({"people": people} if people else {})}
    )


def _record(
    data: DataFolder,
    config: RoleConfig,
    program: Program,
    args: argparse.Namespace,
    store: KeyStore,
    decided: _Decided,
) -> None:
    """In the log of the party that has the ring. The resident network has none: the core's has it. SKY2 and the portal have none: the approval is in their agency's.

    Raises _NotDone, StorageUnavailableError, KeyStoreError.
    """
    agency, ring, purpose = args.agency, store.ring, args.purpose
    if program is Program.RESIDENT_NETWORK:
        core = core_of(data)
        if core is None:
            raise _NotDone(
                "記録するコアの役割がここにありません / the core, whose log has it, is not in this data folder"
            )
        ring, purpose = guarding.open_store(core, NETWORK, args.person).ring, f"{agency}/{purpose}"
        config, agency = core, NETWORK
    record(config, agency, ring, "key.destroyed", purpose, args.version, actor=decided.actor, said=decided.said)
