"""Calls that staff make from this machine: a terminal's certificate, and a person's session on top (clients/staff-<agency>/; SC-10).

Somebody synthetic has password and passphrase in a file and is logged in when a call needs it; anybody else runs `sekisho staff login`.
"""

from __future__ import annotations

import argparse
import getpass
import http.client
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from gateway import config, staff_cards
from gateway.data_folder import FIRST_STAFF, STAFF, DataFolder, write_private
from gateway.exit_codes import BAD_INPUT, REFUSED, UNREACHABLE, end
from gateway.staff_cards import CardFileError, StaffSecrets
from gateway.staff_words import IN_JAPANESE
from gateway.topology import NETWORK
from transport import tls
from transport.tls import Identity

Answered = TypeVar("Answered")
_TIMEOUT_S: Final = 30.0
_BLOCK: Final = 1 << 16
_NOT_SET_UP: Final = (
    "このデータフォルダーはセットアップされていないか、読めません。先に sekisho up か sekisho migrate を"
    " / this data folder is not set up or cannot be read; run `sekisho up` or `sekisho migrate` first"
)


class NotReachableError(Exception):
    """The server does not answer."""


class RefusedError(Exception):
    """The server answered with a problem; the text is its reason code and what to do, `reason` the code alone."""

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason


class UnknownPartyError(Exception):
    """The data folder knows no such agency or member of staff."""


class FolderNotSetUpError(UnknownPartyError):
    """The data folder was never set up, or what it knows of its servers cannot be read: nobody is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A member of staff at this machine. `card`: their key file; `session`: where an open session's token lies."""

    agency: str
    staff_id: str
    card: Path
    secrets: Path
    session: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An agency's intermediate server, or the network's core (whose paths have no agency in front, and whose staff log in nowhere)."""

    name: str
    url: str
    prefix: str
    identity: Identity
    person: Person | None = None


def add_data_argument(parser: argparse.ArgumentParser, kind: Callable[[str], Path] = Path) -> None:
    """`kind`: `existing_folder` where a folder that is not there would be taken for one before set-up."""
    parser.add_argument(
        "--data", type=kind, default=config.read().data, metavar="DIR", help="データフォルダー (data folder)"
    )


def add_staff_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--staff",
        default=FIRST_STAFF,
        metavar="NAME",
        help=f"職員 id (member of staff)。既定 {FIRST_STAFF}",
    )


def parties(data: DataFolder, staff: str = FIRST_STAFF) -> list[Party]:
    """Every party with an evidence log that this member of its staff may ask, the network last. Raises UnknownPartyError."""
    at = servers(data)
    terminal = staff if staff in STAFF else FIRST_STAFF
    found = [
        Party(
            name=agency,
            url=url,
            prefix=f"/{agency}",
            identity=data.staff_identity(agency, terminal),
            person=person(data, agency, staff),
        )
        for agency, url in at["intermediate"].items()
    ]
    core = data.staff_identity(NETWORK, staff)
    return [*found, Party(name=NETWORK, url=at["network"], prefix="", identity=core)]


def linkage_agencies(data: DataFolder) -> list[str]:
    """The agencies that have a linkage server here. Raises UnknownPartyError."""
    return [agency for agency, url in servers(data).get("linkage", {}).items() if url is not None]


def servers(data: DataFolder) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(data.addresses.read_bytes())
    except (OSError, ValueError):
        raise FolderNotSetUpError from None
    return found


def person(data: DataFolder, agency: str, staff_id: str) -> Person:
    return Person(
        agency=agency,
        staff_id=staff_id,
        card=data.staff_card(agency, staff_id),
        secrets=data.staff_secrets(agency, staff_id),
        session=data.staff_session(agency, staff_id),
    )


def party(data: DataFolder, name: str, staff: str = FIRST_STAFF) -> Party:
    """Raises UnknownPartyError."""
    for found in parties(data, staff):
        if found.name == name:
            return found
    raise UnknownPartyError


def ask(asked: Party, path: str, items: list[Any], said: Mapping[str, str] | None = None) -> list[Any]:
    """POST a list to a function of the party, as the person whose session is open; the answer's items. `said` as in `post`. Raises NotReachableError, RefusedError."""
    return in_session(asked, lambda token: post(asked, path, items, token, said))


def download(asked: Party, path: str, target: Path) -> int:
    """GET into a file that appears whole or not at all; returns its size. Raises NotReachableError, RefusedError, OSError."""
    return in_session(asked, lambda token: _download(asked, "GET", path, None, target, token))


def download_posted(asked: Party, path: str, items: list[Any], target: Path, token: str) -> int:
    """The same for an answer to a list that is posted, under a session's token."""
    return _download(asked, "POST", path, json.dumps({"items": items}).encode(), target, token)


def download_for(asked: Party, path: str, body: bytes, target: Path) -> int:
    """The same for an answer to a body that says itself on whose behalf it is."""
    return _download(asked, "POST", path, body, target, "")


def answer_for(asked: Party, path: str, body: bytes) -> bytes:
    """The answer to such a body. Raises NotReachableError, RefusedError."""
    with _answer(asked, "POST", path, body, "") as answer:
        return answer.read()


def stated(reason: str, reference: str = "") -> dict[str, str]:
    """Why one call is made, in place of what was said at log-in; nothing where nothing is said."""
    headers = {"Sekisho-Reason": reason, "Sekisho-Reference": reference}
    return {name: text for name, text in headers.items() if text}


def in_session(asked: Party, call: Callable[[str], Answered]) -> Answered:
    """Call with the person's session.

    Of somebody synthetic, whose secrets lie in a file, a session that is missing or over is opened anew; a password that proves too old then is replaced.
    """
    if asked.person is None:
        return call("")
    try:
        return call(_stored(asked.person))
    except RefusedError as no:
        synthetic = staff_cards.read_secrets(asked.person.secrets)
        if no.reason not in ("session_missing", "session_ended") or synthetic is None:
            raise
    token = log_in(asked, synthetic, reason="held_review")
    try:
        return call(token)
    except RefusedError as no:
        if no.reason != "password_change_needed":
            raise
    synthetic = set_drawn_password(asked, synthetic, token)
    return call(log_in(asked, synthetic, reason="held_review"))


def set_drawn_password(asked: Party, knows: StaffSecrets, token: str) -> StaffSecrets:
    """Give somebody synthetic a new password, in their file too; every session of theirs ends. Raises as `ask`, and CardFileError."""
    fresh = StaffSecrets(password=staff_cards.drawn().password, passphrase=knows.passphrase)
    set_password(asked, knows, fresh.password, token)
    staff_cards.write_secrets(_whose(asked).secrets, fresh)
    return fresh


def set_password(asked: Party, knows: StaffSecrets, fresh: str, token: str) -> None:
    """IF_STF_90038. Raises as `ask`, and CardFileError."""
    post(asked, "/staff/password", [{"proof": prove(asked, knows, "password"), "new_password": fresh}], token)


def log_in(asked: Party, knows: StaffSecrets, *, reason: str, reference: str = "") -> str:
    """Open a session with both factors, keep its token in the person's file and return it. Raises as `ask`, and CardFileError."""
    who = _whose(asked)
    given = prove(asked, knows, "log_in")
    item = {"staff_id": who.staff_id, "proof": given, "reason": reason, "reference": reference}
    opened = post(asked, "/staff/log-in", [item], "")[0]
    token = str(opened["session"])
    write_private(who.session, token.encode())
    return token


def ask_proved(asked: Party, path: str, item: dict[str, Any], purpose: str) -> Any:
    """Ask for one thing that needs both factors anew, for exactly this purpose. Raises as `ask`, and CardFileError."""
    whose = known(asked)
    return in_session(
        asked, lambda token: post(asked, path, [{**item, "proof": prove(asked, whose, purpose)}], token)[0]
    )


def known(asked: Party) -> StaffSecrets:
    """What the person knows: from their file if they are synthetic, or asked for. Raises UnknownPartyError for whoever has no card here."""
    who = _whose(asked)
    if not who.card.exists():
        raise UnknownPartyError
    return secrets_of(who)


def secrets_of(who: Person) -> StaffSecrets:
    """Password and passphrase: from the person's file if they are synthetic, or asked for."""
    return staff_cards.read_secrets(who.secrets) or StaffSecrets(
        password=getpass.getpass("パスワード (password): "),
        passphrase=getpass.getpass("職員証の暗証 (card passphrase): "),
    )


def prove(asked: Party, knows: StaffSecrets, purpose: str) -> dict[str, str]:
    """Both factors for one purpose, against a fresh challenge. Raises as `ask`, and CardFileError."""
    who = _whose(asked)
    card = staff_cards.open_card(who.card, who.agency, who.staff_id, knows.passphrase)
    challenge = post(asked, "/staff/challenges", [{"staff_id": who.staff_id, "purpose": purpose}], "")[0]["challenge"]
    return staff_cards.proof(card, who.agency, who.staff_id, knows.password, purpose, challenge)


def _whose(asked: Party) -> Person:
    if asked.person is None:
        raise UnknownPartyError
    return asked.person


def _stored(who: Person) -> str:
    try:
        return who.session.read_text().strip()
    except OSError:
        return ""


def post(asked: Party, path: str, items: list[Any], token: str, said: Mapping[str, str] | None = None) -> list[Any]:
    """POST a list under a session's token (none: empty); the answer's items. `said`: of `stated`. Raises NotReachableError, RefusedError."""
    body = json.dumps({"items": items}).encode()
    with _answer(asked, "POST", path, body, token, said) as answer:
        try:
            found = json.loads(answer.read())["items"]
        except (ValueError, KeyError, TypeError):
            raise RefusedError("peer_answer_malformed") from None
    if not isinstance(found, list):
        raise RefusedError("peer_answer_malformed")
    return found


def control(network: Party, changes: dict[str, int | None]) -> dict[str, int | None]:
    """Change what the simulated network does wrong (`POST /control`); all its switches. Raises NotReachableError, RefusedError."""
    with _answer(network, "POST", "/control", json.dumps(changes).encode(), "") as answer:
        switches: dict[str, int | None] = json.loads(answer.read())
    return switches


def _download(asked: Party, method: str, path: str, body: bytes | None, target: Path, token: str) -> int:
    size = 0
    part = target.with_name(f".{target.name}.part")
    with _answer(asked, method, path, body, token) as answer, part.open("wb") as file:
        while block := answer.read(_BLOCK):
            size += file.write(block)
    part.replace(target)
    return size


@contextmanager
def _answer(
    asked: Party, method: str, path: str, body: bytes | None, token: str, said: Mapping[str, str] | None = None
) -> Iterator[http.client.HTTPResponse]:
    """The 200 answer of one call; its connection is closed after the block."""
    where = urlsplit(asked.url)
    try:
        context = tls.client_context(asked.identity, asked.identity.ca)
        connection = http.client.HTTPSConnection(where.netloc, context=context, timeout=_TIMEOUT_S)
    except OSError:
        raise UnknownPartyError from None
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    headers |= said or {}
    try:
        connection.request(method, asked.prefix + path, body, headers)
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise refused(answer.read())
        yield answer
    except ssl.SSLError:
        raise RefusedError("tls_refused") from None
    except (OSError, http.client.HTTPException):
        raise NotReachableError from None
    finally:
        connection.close()


def refused(data: bytes) -> RefusedError:
    """What a problem document says."""
    try:
        problem = json.loads(data)
        reason = str(problem["reason"])
        japanese = IN_JAPANESE.get(reason)
        return RefusedError(f"{f'{japanese} / ' if japanese else ''}{reason}: {problem['detail']}", reason)
    except (ValueError, KeyError, TypeError):
        return RefusedError("no_problem_document")


def guarded(work: Callable[[], int]) -> int:
    """Do what a command does; say in one line what hindered it, with the exit code for it."""
    try:
        return work()
    except FolderNotSetUpError:
        return end(_NOT_SET_UP, BAD_INPUT)
    except UnknownPartyError:
        return end(
            "その機関か職員はこのデータフォルダーにありません / no such agency or member of staff in this data folder",
            BAD_INPUT,
        )
    except CardFileError:
        return end("職員証のファイルがないか、暗証が違います / no card file, or a wrong passphrase", BAD_INPUT)
    except RefusedError as no:
        return end(f"拒否されました / refused: {no}", REFUSED)
    except NotReachableError:
        return end(
            "サーバーに接続できません。sekisho up で起動しますか / the server does not answer; is it up?", UNREACHABLE
        )
