"""`sekisho agency`: who takes part in a data folder's network: look, take in, let go, and certify those who run their own server; while everything runs."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml
from cryptography import x509

from evidence.entry import EntryKind
from gateway import assessed_days, delegations, own_topology, partner_key
from gateway.assessed_days import Assessed
from gateway.certificate_requests import RequestRefusedError
from gateway.data_folder import DataFolder, FolderBusyError, private_folder, write_private
from gateway.exit_codes import BAD_INPUT, EPILOG, OK, REFUSED, end
from gateway.key_records import record_elsewhere, record_trust
from gateway.list_sources import SourceWrongError, register
from gateway.setting_up import issued
from gateway.setting_up.authority import fingerprint_of, open_authority
from gateway.setting_up.key_files import LOG, SIGNING
from gateway.setting_up.publishing import publish
from gateway.setting_up.role_files import Places
from gateway.setting_up.succession import KEYS_OVERLAP, with_certificate
from gateway.setting_up.suspension import take_up
from gateway.staff_calls import add_data_argument
from gateway.taking_part import bring_to, changing, not_taken
from gateway.target_file import existing_folder, target_file
from gateway.topology import NETWORK, Addition, Agency, Departed, Program, Topology
from gateway.topology_fields import TopologyError
from gateway.topology_parts import CertificateUse
from gateway.up_command import hindrance
from storage.database import StorageUnavailableError
from storage.key_store import KeyStoreError
from storage.postgres import EmbeddedPostgresError
from transport.clock import JST, Clock

_DAY: Final = timedelta(days=1)
_LONGEST_OVERLAP_DAYS: Final = 3_650
_UNKNOWN: Final = "その機関はありません。sekisho agency list で見られます / no such agency; see `sekisho agency list`"
_BUSY: Final = "このデータフォルダーは起動かセットアップの途中です。終わってからもう一度 / the folder is being started or set up: wait until that is done, then again"
_UNCHANGED: Final = (
    "何も変えていません。直してからもう一度 / nothing was changed: mend this, then the same command again"
)
_NOT_YET: Final = (
    "まだ効いていません。直してから同じコマンドをもう一度。しなければ次の起動か migrate が元へ戻します"
    " / it does not count yet: mend this, then the same command again; the next start or migrate takes it back otherwise"
)
_SYNTAX: Final = """agency:
  id: kawasaki
  code: "9999000000000101"
  name: 川崎市長
hosted_by: {linkage: neighbours-linkage, intermediate: neighbours-intermediate}
delegations:   # 委任。なければ書かない / who asks (inquirer) or answers (provider) for whom; left out: nobody
  - {delegator: kawasaki, delegate: yokohama, side: inquirer, valid_from: 2026-04-01, information: [医療保険給付関係情報]}

自前のサーバーなら hosted_by の代わりに / with a server of its own, instead of hosted_by:
  elsewhere: {host: 127.0.0.1, port: 8450, signing_key: <64 hex>, log_key: <64 hex>}   (agency の中に / within agency)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="一覧 (everybody who takes part)")
    show = actions.add_parser("show", help="一つの機関 (one agency)")
    add = actions.add_parser(
        "add", help="加える (take an agency in)", epilog=f"FILE:\n{_SYNTAX}\n\n{EPILOG}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add.add_argument("file", type=Path, metavar="FILE", help="機関のファイル (YAML)")
    remove = actions.add_parser("remove", help="外す。記録と鍵は残る (let go; its records and keys stay)")
    certificate = actions.add_parser(
        "certificate", help="自前のサーバーの証明書: 一覧・発行・失効 (list, issue, revoke)"
    )
    key = actions.add_parser(
        "key",
        help="自前のサーバーの署名鍵か証跡の鍵を替える (another signing or log key; its private half stays there)",
    )
    for action in (show, remove, certificate, key):
        action.add_argument("agency", metavar="AGENCY", help="機関の id (agency id)")
    one_of = certificate.add_mutually_exclusive_group()
    one_of.add_argument("--csr", type=Path, metavar="FILE", help="証明書署名要求 PEM (request; the key stays with you)")
    key.add_argument(
        "--log", action="store_true", help="署名鍵でなく証跡の鍵を (its log key in place of its signing key)"
    )
    key.add_argument("key", metavar="HEX", help="新しい公開鍵、16進64字 (the new public key, Ed25519)")
    key.add_argument(
        "--overlap", type=float, default=KEYS_OVERLAP / _DAY, metavar="DAYS",
        help="古い鍵を受け入れる日数。0 は直ちに終わり、漏えい時 (the old key is accepted so long; 0: not at all)",
    )  # fmt: skip
    uses = [use.value for use in CertificateUse]
    certificate.add_argument("--use", choices=uses, default=uses[0], help="用途 (what for; default: intermediate)")
    certificate.add_argument(
        "--out", type=target_file, metavar="FILE", help="証明書の置き場所 (where to; else standard output)"
    )
    one_of.add_argument("--revoke", metavar="SHA256", help="失効させる (as listed)")
    for action in (listing, show, certificate):
        action.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    for action in (listing, show, add, remove, certificate, key):
        action.epilog = action.epilog or EPILOG
        add_data_argument(action, existing_folder)


def run(args: argparse.Namespace) -> int:
    data = DataFolder(args.data)
    try:
        return _ACTIONS[args.action](args, data, own_topology.read(data))
    except (TopologyError, RequestRefusedError, SourceWrongError) as wrong:
        return end(str(wrong), BAD_INPUT)
    except FolderBusyError:
        return end(_BUSY, REFUSED)
    except (StorageUnavailableError, EmbeddedPostgresError, KeyStoreError) as unrecorded:
        hindered, code = hindrance(unrecorded)
        return end(f"{hindered}\n{_UNCHANGED}", code)


def _list(args: argparse.Namespace, _data: DataFolder, topology: Topology) -> int:
    found = [_facts(topology, agency) for agency in topology.agencies.values()]
    left = [_departed(one) for one in topology.departed.values()]
    if args.json:
        return _print(json.dumps({"agencies": found, "left": left}, ensure_ascii=False, indent=1))
    lines = [
        f"{one['id']:<28} {one['code']}  {', '.join(one['hosted_by'].values()) or one['elsewhere'] or '—'}  {one['name']}"
        for one in found
    ]
    lines += [f"{one['id']:<28} {one['code']}  {one['left']} に外れた (left)  {one['name']}" for one in left]
    return _print("\n".join(lines))


def _show(args: argparse.Namespace, data: DataFolder, topology: Topology) -> int:
    agency, gone = topology.agencies.get(args.agency), topology.departed.get(args.agency)
    facts: dict[str, Any]
    if gone is not None:
        facts = {**_departed(gone)}
    elif agency is not None:
        facts = _facts(topology, agency) | {"certificates": _certificates(data, agency)}
    else:
        return end(_UNKNOWN, BAD_INPUT)
    if args.json:
        return _print(json.dumps(facts, ensure_ascii=False, indent=1))
    return _print("\n".join(f"{name:<12} {_plain(value)}" for name, value in facts.items()))


def _add(args: argparse.Namespace, data: DataFolder, _topology: Topology) -> int:
    addition = Addition(str(args.file), own_topology.text_of(args.file), new=True)
    with changing(data) as still:
        topology, wanted = own_topology.read(data), own_topology.read(data, more=addition)
        new = sorted((set(wanted.agencies) | set(wanted.departed)) - set(topology.agencies) - set(topology.departed))
        if not new:
            return end(
                "この機関のファイルはもうデータフォルダーにあります / its file is in the data folder already", BAD_INPUT
            )
        if len(new) != 1 or new[0] not in wanted.agencies:
            return end("left は書けません / an agency that is added has not left", BAD_INPUT)
        said = f"{new[0]} を加えました / added"
        return _apply(data, wanted.agencies[new[0]], addition.text, wanted, "added", said, still=still)


def _remove(args: argparse.Namespace, data: DataFolder, _topology: Topology) -> int:
    with changing(data) as still:
        topology = own_topology.read(data)
        agency = topology.agencies.get(args.agency)
        if agency is None:
            return end(_UNKNOWN, BAD_INPUT)
        lonely = [role.name for role in topology.roles.values() if role.hosts == (agency.id,)]
        if lonely:
            return end(
                f"{'、'.join(lonely)} が受け持つのはこの機関だけです。構成ファイルを直してください"
                " / these roles host nobody else; change the topology file instead",
                REFUSED,
            )
        text = yaml.safe_dump(
            _leaving(topology, agency, _assessed(data, agency), data.present()), allow_unicode=True, sort_keys=False
        )
        file = str(data.agencies / f"{agency.id}.yaml")
        wanted = own_topology.read(data, more=Addition(file, text))
        said = f"{agency.id} を外しました。記録と鍵は残ります / has left; its records and keys stay"
        return _apply(data, agency, text, wanted, "removed", said, still=still)


def _assessed(data: DataFolder, agency: Agency) -> Assessed:
    """Until today: as the register dates it. Raises SourceWrongError."""
    found = register(data).agencies.get(agency.id) if data.register.is_file() else None
    return (found.assessed or False) if found is not None else agency.assessed


def _certificate(args: argparse.Namespace, data: DataFolder, topology: Topology) -> int:
    agency = topology.agencies.get(args.agency)
    if agency is None:
        return end(_UNKNOWN, BAD_INPUT)
    if args.csr is None and args.revoke is None:
        found = _certificates(data, agency)
        return _print(json.dumps(found, indent=1) if args.json else "\n".join(map(_plain, found)))
    if args.revoke is not None:
        return _revoke(args.revoke.lower(), data, agency)
    try:
        request = args.csr.read_bytes()
    except OSError:
        return end("要求を読めません / the request cannot be read", BAD_INPUT)
    authority, use = open_authority(data.authority, Clock()()), CertificateUse(args.use)
    hosts = Places(topology=topology, ports={}).certified(agency.id)
    pem = issued.issue(agency, use, request, authority, hosts)
    sha256 = fingerprint_of(x509.load_pem_x509_certificate(pem))
    _record(data, agency, use, sha256, "issued")
    issued.keep(data.issued(agency.id), use, pem)
    if use is not CertificateUse.SERVER and data.register.exists():  # else set-up enrols what lies there
        whose = (agency.id, use.value, agency.id)
        publish(data, authority, lambda before: with_certificate(before or {}, sha256, *whose))
    if args.out is not None:
        write_private(args.out, pem)
    else:
        sys.stdout.write(pem.decode())
    return end(f"{agency.id} に {args.use} の証明書を発行しました / issued", OK)


def _revoke(sha256: str, data: DataFolder, agency: Agency) -> int:
    """A run that dies before the register is published is completed by whoever publishes next; nobody brings a certificate back."""
    for use, _, certificate in issued.listed(data.issued(agency.id)):
        if fingerprint_of(certificate) == sha256:
            _record(data, agency, use, sha256, "revoked")
    if not issued.revoke(data.issued(agency.id), sha256):
        return end("その証明書はありません / no such certificate; see `sekisho agency certificate`", BAD_INPUT)
    take_up(data, sha256)  # one of its holder that comes later is no successor of a suspended one
    authority = open_authority(data.authority, Clock()())
    if data.register.exists():
        publish(data, authority, lambda before: before or {})  # none names what was revoked
    return end("失効させました。動作中の役割にも 1 秒で効きます / revoked, at running roles within a second", OK)


def _record(data: DataFolder, agency: Agency, use: CertificateUse, sha256: str, change: str) -> None:
    facts = {"certificate": sha256, "change": change, "use": use.value}
    record_elsewhere(data, EntryKind.CERTIFICATE_CHANGED, agency.id, facts)


def _key(args: argparse.Namespace, data: DataFolder, topology: Topology) -> int:
    agency = topology.agencies.get(args.agency)
    if agency is None:
        return end(_UNKNOWN, BAD_INPUT)
    if not 0 <= args.overlap <= _LONGEST_OVERLAP_DAYS:
        return end(f"--overlap は 0〜{_LONGEST_OVERLAP_DAYS:,} 日です / 0 to so many days", BAD_INPUT)
    return partner_key.replace(data, agency, LOG if args.log else SIGNING, args.key, args.overlap * _DAY)


_ACTIONS: Final[dict[str, Callable[[argparse.Namespace, DataFolder, Topology], int]]] = {
    "list": _list, "show": _show, "add": _add, "remove": _remove, "certificate": _certificate, "key": _key,
}  # fmt: skip


def _apply(
    data: DataFolder, agency: Agency, text: str, wanted: Topology, change: str, said: str, *, still: bool
) -> int:
    """Bring the data folder to what is wanted, and wait until every running role has taken it. `change`: as the core's log says it.

    The agency's file comes last: without it a run that failed or was killed has changed nothing that the next set-up does not take back.
    """
    file = hashlib.sha256(text.encode()).hexdigest()
    facts = {"agency": agency.id, "code": agency.code, "change": change, "file": file}
    try:
        bring_to(data, wanted, lambda: record_trust(data, EntryKind.AGENCY_CHANGED, None, NETWORK, facts), still=still)
    except Exception as error:
        hindered, code = hindrance(error)
        if hindered is None:
            raise
        return end(f"{hindered}\n{_NOT_YET}", code)
    private_folder(data.agencies)
    write_private(data.agencies / f"{agency.id}.yaml", text.encode())
    late = not_taken(data)
    restart = f"\n次の役割を起動し直すと有効になります / restart these roles: {', '.join(late)}" if late else ""
    return end(f"{said}{restart}", OK)


def _facts(topology: Topology, agency: Agency) -> dict[str, Any]:
    where = agency.elsewhere
    return {
        "id": agency.id,
        "code": agency.code,
        "name": agency.name,
        "kinds": list(agency.kinds),
        "assessed": assessed_days.body(agency.assessed),
        "hosted_by": {program.value: name for program, name in _hosted_by(topology, agency).items()},
        "elsewhere": f"{where.host}:{where.port}" if where is not None else None,
        "own_keys": where is not None and where.own_keys,
        "systems": [system.id for system in agency.systems],
        "routes": _routes(topology, agency),
        "delegations": [
            one for one in delegations.body(topology.delegations) if agency.id in {one["delegator"], one["delegate"]}
        ],
    }


def _departed(gone: Departed) -> dict[str, str]:
    return {"id": gone.agency.id, "code": gone.agency.code, "name": gone.agency.name, "left": gone.left_on}


def _routes(topology: Topology, agency: Agency) -> list[dict[str, str]]:
    """Ways to its server, or to and from the roles that host it, that are not the place where those listen."""
    ends = {agency.id, *_hosted_by(topology, agency).values()}
    return [
        {"from": one.caller, "to": one.called, "by": f"{one.host}:{one.port}"}
        for one in topology.routes
        if ends & {one.caller, one.called}
    ]


def _hosted_by(topology: Topology, agency: Agency) -> dict[Program, str]:
    found = {program: topology.hosting(program, agency.id) for program in (Program.LINKAGE, Program.INTERMEDIATE)}
    return {program: role.name for program, role in found.items() if role is not None}


def _certificates(data: DataFolder, agency: Agency) -> list[dict[str, str]]:
    return [
        {"use": use.value, "sha256": fingerprint_of(found), "until": found.not_valid_after_utc.astimezone(JST).date().isoformat()}
        for use, _, found in issued.listed(data.issued(agency.id))
    ]  # fmt: skip


def _leaving(topology: Topology, agency: Agency, assessed: Assessed, now: datetime) -> dict[str, Any]:
    """The agency's file once it has left; `assessed`: with its days, for its records are judged still."""
    facts: dict[str, Any] = {"id": agency.id, "code": agency.code, "name": agency.name, "kinds": list(agency.kinds)}
    facts["assessed"] = assessed_days.body(assessed)
    document: dict[str, Any] = {"agency": facts, "left": now.astimezone(JST).date().isoformat()}
    if agency.elsewhere is not None:
        named = {"host": agency.elsewhere.host, "port": agency.elsewhere.port}
        keys = {"signing_key": agency.elsewhere.signing_key, "log_key": agency.elsewhere.log_key}
        facts["elsewhere"] = named | {name: key for name, key in keys.items() if key is not None}
    else:
        document["hosted_by"] = {program.value: name for program, name in _hosted_by(topology, agency).items()}
    return document


def _plain(value: object) -> str:
    match value:
        case dict():
            return "  ".join(f"{name} {each}" for name, each in value.items()) or "—"
        case list():
            return ", ".join(map(_plain, value)) or "—"
        case _:
            return "—" if value is None else str(value)


def _print(text: str) -> int:
    sys.stdout.write(f"{text}\n")
    return OK
