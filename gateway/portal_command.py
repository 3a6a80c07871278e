"""`sekisho portal`: マイナポータル (simulated) as a synthetic citizen: a card, own information, own exchange records, notices."""

from __future__ import annotations

import argparse
import base64
import json
import ssl
import sys
from pathlib import Path
from typing import Any, Final

from gateway import citizen_calls, staff_calls
from gateway.citizen_calls import CitizenCard, CitizenCardError, Device
from gateway.client_calls import Client, ClientFileError
from gateway.data_folder import FIRST_STAFF, DataFolder
from gateway.exit_codes import BAD_INPUT, EPILOG, FAILED, OK, end
from gateway.staff_calls import Party
from gateway.target_file import target_file
from gateway.topology import RESIDENT_NETWORK
from keys.signing import Signer
from storage import durable_file

RECORDS: Final = "情報提供等記録"
NOTICES: Final = "お知らせ"
_WAIT_S: Final = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    card = actions.add_parser("card", help="架空の人のカードを作る (a synthetic card)")
    card.add_argument(
        "number", metavar="NUMBER", help="業務システムの宛名番号 (the business system's number of the person)"
    )
    card.add_argument(
        "--client", required=True, metavar="ID", help="個人番号を扱えるクライアント (client that may use it)"
    )
    card.add_argument("--affair", default="agency-work", metavar="CODE", help="事務 (affair)。既定 agency-work")
    show = actions.add_parser("show", help="本人として自己情報を見る (one's own information)")
    show.add_argument("--information", required=True, metavar="NAME", help="情報の名 (kind), e.g. 医療保険給付関係情報")
    records = actions.add_parser("records", help="本人として情報提供等記録の開示を受ける (one's own exchange records)")
    records.add_argument(
        "--out", type=target_file, required=True, metavar="FILE", help="開示ファイルの名 (file to write)"
    )
    notices = actions.add_parser("notices", help="機関からのお知らせを本人として読む (notices to oneself)")
    notices.add_argument("--json", action="store_true", help="JSON で出力 (machine-readable)")
    for action in (card, show, records, notices):
        action.epilog = EPILOG
        kind = target_file if action is card else Path
        action.add_argument("--card", type=kind, required=True, metavar="FILE", help="カードのファイル (card file)")
        staff_calls.add_data_argument(action)
    for action in (show, records, notices):
        action.add_argument("--provider", required=True, metavar="ID", help="どの機関に (agency id)")
        action.add_argument("--wait", type=float, default=_WAIT_S, metavar="S", help="待つ秒数 (seconds to wait)")


def run(args: argparse.Namespace) -> int:
    return staff_calls.guarded(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    data = DataFolder(args.data)
    try:
        return _card(data, args) if args.action == "card" else _ask(data, args)
    except CitizenCardError:
        return end("カードのファイルを読めません。先に sekisho portal card を / no card in this file", BAD_INPUT)
    except ClientFileError:
        return end("そのクライアントはこのデータフォルダーにありません / no such client in this data folder", BAD_INPUT)


def _card(data: DataFolder, args: argparse.Namespace) -> int:
    """As the window of a municipality would: look the person up, and have a card issued for a fresh key."""
    addresses = staff_calls.servers(data)
    stated = {"staff": FIRST_STAFF, "affair": args.affair, "reason": "架空のカードの発行"}
    wanted = {"business_system": args.client, "addressee_number": args.number}
    people = Client.of(data, args.client).post("/v1/persons/search", {**stated, **wanted})["items"]
    if len(people) != 1 or "individual_number" not in people[0]:
        return end(
            "その番号の人がいないか、個人番号がありません / nobody of that number, or no Individual Number", FAILED
        )
    seed = citizen_calls.new_seed()
    window = Party(
        name=RESIDENT_NETWORK,
        url=addresses[RESIDENT_NETWORK],
        prefix="",
        identity=data.staff_identity(RESIDENT_NETWORK),
    )
    ask = {
        "individual_number": people[0]["individual_number"],
        "card_key": base64.b64encode(Signer(seed).public_key).decode(),
    }
    answer = staff_calls.ask(window, "/cards", [ask])[0]
    if "certificate" not in answer:
        return end("住基ネット（模擬）がこの人を知りません / the resident network does not know this person", FAILED)
    CitizenCard(seed=seed, certificate=base64.b64decode(answer["certificate"])).save(args.card)
    return end(f"カードを作りました / a card was made: {args.card}", OK)


def _ask(data: DataFolder, args: argparse.Namespace) -> int:
    url = staff_calls.servers(data).get("portal")
    if url is None:
        return end("この構成にマイナポータルはありません / this topology has no portal", BAD_INPUT)
    context = ssl.create_default_context(cafile=str(data.staff_identity(RESIDENT_NETWORK).ca))
    device = Device(url=url, context=context)
    token = device.sign_in(CitizenCard.open(args.card))
    try:
        information = {"records": RECORDS, "notices": NOTICES}.get(args.action) or args.information
        process_id = device.request(token, args.provider, information, [])
        found = device.wait(token, process_id, args.wait)
    finally:
        device.sign_out(token)
    return _shown(found, args)


def _shown(found: dict[str, Any], args: argparse.Namespace) -> int:
    if found["state"] == "pending":
        return end("まだ回答がありません。後でもう一度お試しください / no answer yet; ask again later", FAILED)
    if found["outcome"] == "nothing":
        return end("表示できる情報はありません / there is nothing to show", FAILED)
    if args.action == "records":
        durable_file.write(args.out, found["file"].encode())
        return end(
            f"開示を受けました / disclosed: {args.out}\n確かめる / check it: sekisho verify --extract {args.out}", OK
        )
    if args.action == "notices" and not args.json:
        sys.stdout.write("\n".join(_notice(one["items"]) for one in newest_first(found["values"])) + "\n")
        return OK
    sys.stdout.write(json.dumps(found["values"], ensure_ascii=False, indent=1) + "\n")
    return OK


def newest_first(notices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By 発出日; one without comes last."""
    return sorted(notices, key=lambda one: str(one["items"].get("発出日", {}).get("value", "")), reverse=True)


def _notice(items: dict[str, Any]) -> str:
    """Date, subject and text; who to turn to where that is said."""
    said = {name: _one_line(one["value"]) for name, one in items.items() if "value" in one}
    lines = [f"{said.get('発出日', '—')}  {said.get('件名', '—')}", f"    {said.get('本文', '')}"]
    return "\n".join([*lines, *([f"    {said['問い合わせ先']}"] if "問い合わせ先" in said else [])])


def _one_line(text: str) -> str:
    """Without control characters: what an agency wrote does nothing to a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
