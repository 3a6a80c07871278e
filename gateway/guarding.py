"""`sekisho keys guard` and `unlock`: what keeps an agency's key file shut, and how its people open it (docs/adr/0041).

A passphrase comes from the terminal, or as a line of standard input; never from an argument.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.exit_codes import BAD_INPUT, OK, REFUSED, UNREACHABLE, end
from gateway.opening import Brought, Told, bring
from gateway.setting_up.key_files import passphrase_of
from keys.masked import Secret
from storage import key_store
from storage.hsm import HsmError
from storage.keepers import ByTwo, Derived, InHsm, KeyStoreError, Kind, people_of, share_of
from storage.key_store import KeyStore
from transport.role import RoleConfig

BOTH: Final = "二人で守る鍵束のとき: 開ける二人 (of a ring that two people keep: both)"
SHORTEST: Final = 12
_TWO: Final = "二人以上の、それぞれの合い言葉が要ります / two people or more, each with a passphrase"
_SAID: Final[Mapping[str, str]] = {
    "opened": "開きました / opened",
    "waiting": "もう一人を待っています (10 分) / waiting for a second person",
    "refused": "断られました / refused",
    "away": "役割が動いていません / the role does not run",
}

_DONE: Final = (
    "鍵ファイルを書き直しました。以前の写し (バックアップを含む) は以前の守りのままです。用途ごとに rotate し、封じ直しが済んだら古い版を destroy してください "
    "/ the key file is written anew. Earlier copies of it are kept as before: rotate, re-seal, and destroy old versions"
)


def add_arguments(guard: argparse.ArgumentParser) -> None:
    guard.add_argument(
        "--by",
        required=True,
        choices=[kind.value for kind in Kind],
        help="守り方 (keeper): passphrase 横に置く合い言葉, hsm 装置, two_people 二人 (the passphrases of --person, one line each)",
    )
    guard.add_argument(
        "--keeper-person",
        action="append",
        default=[],
        metavar="ID",
        type=_person,
        help="two_people: これから開ける人 (who opens it from now on); twice or more",
    )
    guard.add_argument("--profile", choices=("normal", "cheapest"), default="normal", help=argparse.SUPPRESS)
    hsm = guard.add_argument_group("hsm (PKCS#11)")
    hsm.add_argument("--module", type=Path, metavar="FILE", help="装置のライブラリー (the vendor's library)")
    hsm.add_argument("--token", metavar="LABEL", help="トークンの名前 (label of the token)")
    hsm.add_argument("--key", metavar="LABEL", help="鍵の名前。なければ作る (label of the key; made if missing)")
    hsm.add_argument(
        "--pin-file",
        type=Path,
        metavar="FILE",
        help="PIN のファイル。データフォルダーとは別の媒体に (the PIN, on other media than the data folder)",
    )


def add_person_argument(action: argparse.ArgumentParser, text: str) -> None:
    action.add_argument("--person", action="append", default=[], metavar="ID", type=_person, help=text)


def guard(store: KeyStore, folder: Path, args: argparse.Namespace) -> int:
    """Rewrite the key file that is open. Raises KeyStoreError, which left it as it was."""
    match Kind(args.by):
        case Kind.PASSPHRASE:
            store.keep(Derived.of(passphrase_of(folder), "normal"))
        case Kind.HSM:
            if None in {args.module, args.token, args.key, args.pin_file}:
                return end("--module --token --key --pin-file が要ります / all four are needed", BAD_INPUT)
            store.keep(_in_hsm(args))
        case Kind.TWO_PEOPLE:
            try:
                store.keep(ByTwo.of(_chosen(args.keeper_person), args.profile))
            except ValueError as wrong:
                return end(f"{_TWO}: {wrong}", BAD_INPUT)
    return end(_DONE, OK)


def open_store(config: RoleConfig, agency: str, people: Sequence[str]) -> KeyStore:
    """The agency's ring for a command: two people are asked when they keep it. Raises KeyStoreError."""
    path = config.hosted[agency].keys
    stored = key_store.read(path)
    if not people_of(stored):
        return config.open_keys(agency)
    if len(people) != 2:
        raise KeyStoreError("two people keep this ring: name both with --person")
    return KeyStore.open_by_two(path, *(share_of(stored, one, _passphrase(one)) for one in people))


def unlock(roles: Path, args: argparse.Namespace) -> int:
    """Bring one person's part to every running role whose ring of the agency two people keep."""
    folders = [folder for folder in sorted(roles.iterdir()) if _kept_by_people(folder, args.agency)]
    if not folders:
        return end("二人で開ける鍵ファイルがありません / no key file of this agency is opened by two people", BAD_INPUT)
    brought = Brought(
        args.agency, args.person[0], _passphrase(args.person[0]).reveal().decode()
    )  # reveal: to the role's socket
    told = [(folder.name, _bring(folder, brought)) for folder in folders]
    for role, one in told:
        sys.stdout.write(f"{role}: {_SAID[one.state]}{f' ({one.reason})' if one.reason else ''}\n")
    if any(one.state == "away" for _, one in told):
        return UNREACHABLE
    return REFUSED if any(one.state == "refused" for _, one in told) else OK


def _bring(folder: Path, brought: Brought) -> Told:
    try:
        return asyncio.run(bring(folder, brought))
    except (OSError, msgspec.MsgspecError):
        return Told("away")


def _kept_by_people(folder: Path, agency: str) -> bool:
    path = folder / "keys" / f"{agency}.json"
    return path.exists() and bool(people_of(key_store.read(path)))


def _person(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", text):
        raise argparse.ArgumentTypeError("英小文字・数字・ハイフンで / lower-case letters, digits and hyphens")
    return text


def _passphrase(person: str) -> Secret:
    prompt = f"{person} の合い言葉 (passphrase of {person}): "
    if sys.stdin.isatty():
        return Secret(getpass.getpass(prompt).encode())
    return Secret(sys.stdin.readline().rstrip("\n").encode())


def _chosen(people: Sequence[str]) -> dict[str, Secret]:
    """A new passphrase of each. Raises ValueError."""
    if len(set(people)) < max(2, len(people)):
        raise ValueError("at least two different people")
    chosen = {person: _passphrase(person) for person in people}
    # reveal: measured, and written nowhere
    if any(len(passphrase.reveal()) < SHORTEST for passphrase in chosen.values()):
        raise ValueError(f"a passphrase has at least {SHORTEST} bytes")
    return chosen


def _in_hsm(args: argparse.Namespace) -> InHsm:
    """Raises KeyStoreError."""
    keeper = InHsm.named(
        module=args.module.absolute(), token=args.token, key=args.key, pin_file=args.pin_file.absolute()
    )
    try:
        keeper.key.ensure()
    except HsmError as failure:
        raise KeyStoreError(str(failure)) from None
    return keeper
