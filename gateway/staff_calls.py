"""Calls that staff make from this machine, each with a certificate of their own (clients/staff-<agency>/)."""

from __future__ import annotations

import argparse
import http.client
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from gateway import config
from gateway.data_folder import FIRST_STAFF, STAFF, DataFolder
from gateway.exit_codes import BAD_INPUT, REFUSED, UNREACHABLE, end
from gateway.topology import NETWORK
from transport import tls
from transport.tls import Identity

_TIMEOUT_S: Final = 30.0
_BLOCK: Final = 1 << 16
_IN_JAPANESE: Final = {
    "content_changed": "提供される内容が、見た内容と違います。もう一度 held show で確かめてください",
    "not_held": "この許可証の保留はありません。held list で確かめてください",
    "deadline_passed": "照会者の期限を過ぎています",
    "decided_already": "ほかの職員が先に決めています",
    "storage_unavailable": "記録を書けないため、何も行いませんでした。少し待ってやり直してください",
    "certificate_not_registered": "この証明書は登録簿にありません",
    "not_for_this_caller": "この証明書ではこの操作はできません",
    "certificate_for_another_use": "この証明書ではこの操作はできません",
}
"""Reasons that staff meet; every other one is shown as its code with the server's own sentence."""


class NotReachableError(Exception):
    """The server does not answer."""


class RefusedError(Exception):
    """The server answered with a problem; the text is its reason code and what to do."""


class UnknownPartyError(Exception):
    """The data folder knows no such agency, or was never set up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An agency's intermediate server, or the network's core (whose paths have no agency in front)."""

    name: str
    url: str
    prefix: str
    identity: Identity


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, default=config.read().data, metavar="DIR", help="データフォルダー (data folder)"
    )


def add_staff_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--staff",
        default=FIRST_STAFF,
        metavar="NAME",
        help=f"職員の名前 (whose certificate): {', '.join(STAFF)}。既定 {FIRST_STAFF}",
    )


def parties(data: DataFolder, staff: str = FIRST_STAFF) -> list[Party]:
    """Every party with an evidence log that this member of its staff may ask, the network last. Raises UnknownPartyError."""
    try:
        addresses = json.loads(data.addresses.read_bytes())
    except (OSError, ValueError):
        raise UnknownPartyError from None
    found = [
        Party(name=agency, url=url, prefix=f"/{agency}", identity=data.staff_identity(agency, staff))
        for agency, url in addresses["intermediate"].items()
    ]
    return [
        *found,
        Party(name=NETWORK, url=addresses["network"], prefix="", identity=data.staff_identity(NETWORK, staff)),
    ]


def party(data: DataFolder, name: str, staff: str = FIRST_STAFF) -> Party:
    """Raises UnknownPartyError."""
    for found in parties(data, staff):
        if found.name == name:
            return found
    raise UnknownPartyError


def ask(asked: Party, path: str, items: list[Any]) -> list[Any]:
    """POST a list to a function of the party; the answer's items. Raises NotReachableError, RefusedError."""
    body = json.dumps({"items": items}).encode()
    with _answer(asked, "POST", path, body) as answer:
        try:
            found = json.loads(answer.read())["items"]
        except (ValueError, KeyError, TypeError):
            raise RefusedError("peer_answer_malformed") from None
    if not isinstance(found, list):
        raise RefusedError("peer_answer_malformed")
    return found


def download(asked: Party, path: str, target: Path) -> int:
    """GET into a file that appears whole or not at all; returns its size. Raises NotReachableError, RefusedError, OSError."""
    size = 0
    part = target.with_name(f".{target.name}.part")
    with _answer(asked, "GET", path, None) as answer, part.open("wb") as file:
        while block := answer.read(_BLOCK):
            size += file.write(block)
    part.replace(target)
    return size


@contextmanager
def _answer(asked: Party, method: str, path: str, body: bytes | None) -> Iterator[http.client.HTTPResponse]:
    """The 200 answer of one call; its connection is closed after the block."""
    where = urlsplit(asked.url)
    try:
        context = tls.client_context(asked.identity, asked.identity.ca)
        connection = http.client.HTTPSConnection(where.netloc, context=context, timeout=_TIMEOUT_S)
    except OSError:
        raise UnknownPartyError from None
    try:
        connection.request(method, asked.prefix + path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise RefusedError(_problem(answer.read()))
        yield answer
    except ssl.SSLError:
        raise RefusedError("tls_refused") from None
    except (OSError, http.client.HTTPException):
        raise NotReachableError from None
    finally:
        connection.close()


def _problem(data: bytes) -> str:
    try:
        problem = json.loads(data)
        japanese = _IN_JAPANESE.get(problem["reason"])
        return f"{f'{japanese} / ' if japanese else ''}{problem['reason']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return "no_problem_document"


def guarded(work: Callable[[], int]) -> int:
    """Do what a command does; say in one line what hindered it, with the exit code for it."""
    try:
        return work()
    except UnknownPartyError:
        return end(
            "その機関か職員はこのデータフォルダーにありません / no such agency or member of staff in this data folder",
            BAD_INPUT,
        )
    except RefusedError as refused:
        return end(f"拒否されました / refused: {refused}", REFUSED)
    except NotReachableError:
        return end(
            "サーバーに接続できません。sekisho up で起動しますか / the server does not answer; is it up?", UNREACHABLE
        )
