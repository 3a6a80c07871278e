"""A runnable example of a partner's server, and of everything that docs/connecting.md has done with one.

    python -m partner.example keys OWN ID CODE NAME HOST PORT      # keys, and OWN/agency.yaml for the operator
    python -m partner.example new-key OWN signing|log              # the next key for that; prints its public half for the operator
    python -m partner.example ask OWN GIVEN PEOPLE QUESTION        # obtain a code of the first of PEOPLE, ask about them
    python -m partner.example serve OWN GIVEN PEOPLE [HOST:PORT]   # provide: knows the first of PEOPLE, holds what is asked about the second,
                                                                   # and with HOST:PORT releases that at once, and delivers it there
    python -m partner.example rehearse OWN GIVEN PEOPLE QUESTION HOST:PORT COUNT ENDS    # ask so often, of a conformance run

OWN: the agency's folder. GIVEN: what the operator hands over (`clients/<id>/`). PEOPLE: as `sekisho residents` writes it.
QUESTION: JSON, {"provider", "basis", "item", "information", "items"}. What is printed is the kind of answer and how many records it has: a real server gives
the content to whoever asked, and keeps no copy.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from partner.calling import NotYetError
from partner.connection import USES, CodeRefusedError, Connection, make_keys, make_next_key
from partner.inquiring import Ended, Inquirer, ends_line
from partner.mailbox import Mailbox
from partner.messages import MessageBrokenError, Question
from partner.providing import Found, Provider
from partner.rehearsing import other_calls
from partner.serving import application, serving
from storage import durable_file
from transport.channel import ChannelError
from transport.clock import Clock
from transport.register import RegisterBrokenError

_RECORD: Final = {
    "data_set": "資格情報",
    "version": "0001",
    "items": {"保険者番号": {"value": "99999999"}, "被保険者番号": {"value": "00000000"}},
}
"""What the example knows of the one person whom it knows; made up."""
_PATIENCE_S: Final = 20.0
_PATIENCE_IN_A_RUN_S: Final = 5.0
_RELEASE_S: Final = 0.3
_BAD_INPUT, _REFUSED, _UNKNOWN = 2, 3, 4
_ASKED: Final = ("provider", "basis", "item", "information")


class _BadInputError(Exception):
    """Files that are not what they should be; the message names the file."""


def agency_file(own: Path, named: dict[str, str], port: int) -> str:
    """The agency's file for the operator: who it is, where its server stands, its public keys, and its requests for certificates."""
    public = make_keys(own)
    said = {name: json.dumps(value, ensure_ascii=False) for name, value in {**named, **public}.items()}
    requests = "".join(
        f"        {use}: |\n" + textwrap.indent((own / f"{use}.csr.pem").read_text(), " " * 10) for use in USES
    )
    return (
        f"agency:\n  id: {said['id']}\n  code: {said['code']}\n  name: {said['name']}\n"
        f"  elsewhere:\n    host: {said['host']}\n    port: {port}\n"
        f"    signing_key: {said['signing_key']}\n    log_key: {said['log_key']}\n"
        f"    certificate:\n      requests:\n{requests}"
    )


@asynccontextmanager
async def _at_work(connection: Connection, clock: Clock, provider: Provider | None) -> AsyncIterator[Mailbox]:
    """Our own server listens while the block lasts; then its log is exported to `OWN/log-<fiscal year>.ndjson`."""
    mailbox = Mailbox()
    record = connection.record()
    app = application(connection.register, mailbox, provider, connection.agency, clock, record)
    async with serving(app, connection.identity("server"), host=connection.host, port=connection.port):
        yield mailbox
    for year in record.years():
        (connection.folder / f"log-{year}.ndjson").write_bytes(record.export(year))


async def _code_of(connection: Connection, mailbox: Mailbox, person: dict[str, str], key: str, clock: Clock) -> bytes:
    number = mailbox.new_number(key, clock())
    await connection.ask_for_code(number, person["individual_number"])
    return await mailbox.code(number)


async def ask(
    connection: Connection,
    person: dict[str, str],
    wanted: dict[str, Any],
    clock: Clock,
    *,
    count: int = 1,
    at: str | None = None,
) -> list[Ended]:
    """Ask so often about one person, with the list in force. `at`: another network for permits and inquiries (a conformance run)."""
    async with _at_work(connection, clock, None) as mailbox, connection.asking() as asker:
        await connection.renew_register(asker)
        await connection.renew_lists(asker)
        code = await _code_of(connection, mailbox, person, "the person of this question", clock)
        listed = connection.list_in_force(clock())
        question = Question(**{**wanted, "items": tuple(wanted.get("items", ())), "list_digest": listed.digest})
        to = replace(asker, signer=connection.signer)  # the register may name another key of ours by now
        if at is not None:
            to = replace(to, core=f"https://{at}", interface=f"https://{at}")
        patience_s = _PATIENCE_S if at is None else _PATIENCE_IN_A_RUN_S
        inquirer = Inquirer(
            asker=to,
            register=connection.register,
            mailbox=mailbox,
            clock=clock,
            record=connection.record(),
            patience_s=patience_s,
        )
        found = [await inquirer.inquire(question, code) for _ in range(count)]
        if at is not None:
            await inquirer.inquire(question, code, wanted=lambda: False)
            await other_calls(connection, to, code)
        return found


async def serve(
    connection: Connection,
    people: list[dict[str, str]],
    clock: Clock,
    stop: asyncio.Event,
    *,
    released_to: str | None = None,
) -> None:
    """Provide until `stop`. `OWN/people.json` is there when the server is ready: it names those people to `sekisho conformance`.

    `released_to`: the network to which what is held is delivered, as if somebody released it at once (a conformance run).
    """
    listed, known = connection.list_in_force(clock()), dict[bytes, Found]()
    provider = Provider(
        agency=connection.agency,
        signer=connection.signer,
        register=connection.register,
        lists=frozenset({listed.digest}),
        permitted=lambda claims: listed.permits(claims, connection.register()),
        look=lambda code, _information: known.get(code),
    )
    async with _at_work(connection, clock, provider) as mailbox:
        for key, person, held in zip(("known", "barred"), people, (False, True), strict=False):
            known[await _code_of(connection, mailbox, person, key, clock)] = Found(records=[_RECORD], held=held)
        names = {key: one["individual_number"] for key, one in zip(("known", "barred"), people, strict=False)}
        ready = connection.folder / "people.json"
        ready.write_text(json.dumps({**names, "pending": mailbox.new_number("nobody yet", clock())}))
        ready.chmod(0o600)
        async with asyncio.TaskGroup() as tasks:
            staff = tasks.create_task(_released(connection, provider, clock, released_to)) if released_to else None
            await stop.wait()
            if staff is not None:
                staff.cancel()


async def _released(connection: Connection, provider: Provider, clock: Clock, to: str) -> None:
    """In place of a member of staff: whatever is held is released, put on record, and delivered until it is received."""
    record, waiting = connection.record(), dict[str, dict[str, Any]]()
    async with connection.asking() as asker:
        network = replace(asker, interface=f"https://{to}")
        while True:
            for permit_id, item in list(provider.held.items()):
                waiting[permit_id] = provider.release(permit_id, clock())
                record.note_provision(item, waiting[permit_id], clock())
            for permit_id, answer in list(waiting.items()):
                with suppress(ChannelError):  # then once more
                    if "retry" not in await network.late_outcome(permit_id, answer):
                        del waiting[permit_id]
            await asyncio.sleep(_RELEASE_S)


async def _until_signalled(
    connection: Connection, people: list[dict[str, str]], clock: Clock, released_to: str | None
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(connection, people, clock, stop, released_to=released_to)


def _read(path: str) -> Any:
    """Raises _BadInputError."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise _BadInputError(f"{path} を JSON として読めません / {path} cannot be read as JSON") from None


def _people(path: str) -> list[dict[str, str]]:
    """At least one. Raises _BadInputError."""
    found = _read(path)
    if not (
        isinstance(found, list) and found and all(isinstance(one, dict) and "individual_number" in one for one in found)
    ):
        raise _BadInputError(
            f"{path} は sekisho residents が書いた人の並びではありません / not the people that it writes"
        )
    return found


def _question(path: str) -> dict[str, Any]:
    """Raises _BadInputError."""
    found = _read(path)
    if not (isinstance(found, dict) and set(_ASKED) <= set(found) <= {*_ASKED, "items"}):
        raise _BadInputError(
            f"{path} は {', '.join(_ASKED)}（と items）の並びではありません / it names these, and items"
        )
    return found


def _connection(own: str, given: str) -> Connection:
    """Raises _BadInputError."""
    try:
        connection = Connection.read(Path(own), Path(given))
        if connection.agency in connection.register().agencies:
            return connection
        raise _BadInputError(f"登録簿はまだ {connection.agency} を知りません / the register does not name it yet")
    except (OSError, ValueError, KeyError, TypeError, RegisterBrokenError):
        raise _BadInputError(
            f"{given} は運用者から渡されたフォルダー (clients/<id>/) ではありません / not the folder that the operator hands over"
        ) from None


def main(words: list[str], clock: Clock) -> int:
    """Exit codes: 0 done, 2 the input is wrong, 3 the network refuses, 4 nothing is known: again later."""
    try:
        return _do(words, clock)
    except _BadInputError as wrong:
        return _end(str(wrong), _BAD_INPUT)
    except CodeRefusedError as no:
        return _end(f"この人の符号は出ません: {no.reason} / the network gives no code of this person", _REFUSED)
    except (NotYetError, ChannelError) as late:
        return _end(
            f"まだ答えがありません: {late.reason}。網が動いているかを見て、あとでもう一度"
            " / no answer yet: see whether the network runs, and try again later",
            _UNKNOWN,
        )
    except (MessageBrokenError, ValueError) as wrong:
        return _end(f"このままでは進めません / it does not go on like this: {wrong}", _BAD_INPUT)
    except OSError as wrong:
        return _end(
            f"ファイルか待ち受けるポートを使えません / a file or our port cannot be used: {wrong.strerror}", _BAD_INPUT
        )


def _end(text: str, code: int) -> int:
    sys.stderr.write(f"{text}\n")
    return code


def _do(words: list[str], clock: Clock) -> int:
    """Raises what `main` tells."""
    match words:
        case ["keys", own, id_, code, name, host, port] if port.isascii() and port.isdecimal():
            text = agency_file(Path(own), {"id": id_, "code": code, "name": name, "host": host}, int(port))
            (Path(own) / "agency.yaml").write_text(text, encoding="utf-8")
        case ["new-key", own, ("signing" | "log") as purpose]:
            sys.stdout.write(f"{make_next_key(Path(own), purpose)}\n")
        case ["ask", own, given, people, question]:
            connection = _connection(own, given)
            [ended] = asyncio.run(ask(connection, _people(people)[0], _question(question), clock))
            payload = ended.payload or {}
            told = {
                "inquiry_number": ended.inquiry_number,
                "state": ended.state,
                "reason": ended.reason,
                "kind": payload.get("kind"),
            }
            sys.stdout.write(json.dumps(told | {"records": len(payload.get("records", ()))}) + "\n")
        case ["serve", own, given, people, *to] if len(to) <= 1:
            asyncio.run(_until_signalled(_connection(own, given), _people(people), clock, next(iter(to), None)))
        case ["rehearse", own, given, people, question, at, count, ends]:
            connection = _connection(own, given)
            found = asyncio.run(
                ask(connection, _people(people)[0], _question(question), clock, count=int(count), at=at)
            )
            durable_file.write(Path(ends), "".join(map(ends_line, found)).encode())
        case _:
            return _end(__doc__ or "", _BAD_INPUT)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Clock()))
