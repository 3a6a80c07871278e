"""`sekisho conformance URL` against what is hardly a server: it ends, says what it saw, and quotes nothing of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from evidence import canonical
from gateway.conformance import checks
from gateway.conformance.trial import LARGEST_ANSWER, MOST_SILENCES
from gateway.exit_codes import BAD_INPUT, FAILED
from gateway.setting_up.ports import untaken
from keys import labels
from partner.messages import octets, text
from partner.providing import Provider
from tests.support.partner_world import HOST, conformance, run_against
from transport import tls

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BLOCK = b" " * 65_536


async def says_nothing(_reader, _writer) -> None:
    await asyncio.sleep(60)


async def garbage(_reader, writer) -> None:
    writer.write(b"\x00\x16SSH-2.0-what\r\n\r\n")
    await writer.drain()


async def no_end(_reader, writer) -> None:
    """An answer of 10 MB, and it would go on."""
    writer.write(HEAD + b"Content-Length: 1000000000\r\n\r\n")
    for _ in range(160):
        writer.write(BLOCK)
        await writer.drain()


async def deep(_reader, writer) -> None:
    body = b"[" * 200_000
    writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()


@asynccontextmanager
async def strange(connection, port: int, behave):
    """Somebody with the partner's own certificate, who answers every connection in one way."""

    async def met(reader, writer) -> None:
        try:
            await behave(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    context = tls.server_context(connection.identity("server"), require_client=True)
    server = await asyncio.start_server(met, HOST, port, ssl=context)
    try:
        yield
    finally:
        server.close()


def against(world, connection, behave, tmp_path, capsys) -> tuple[int, dict[str, str | None]]:
    async def both():
        async with strange(connection, world[2], behave):
            url = f"https://{HOST}:{world[2]}/partner"
            return await asyncio.to_thread(conformance, world, url, tmp_path, capsys, ("--within", "1"))

    return asyncio.run(both())


def test_a_server_that_hangs_is_given_up_and_the_rest_is_not_judged(world, connection, tmp_path, capsys):
    code, found = against(world, connection, says_nothing, tmp_path, capsys)
    assert code == FAILED
    assert len(found) < len(checks.DOOR)
    assert ["no answer in time" in (saw or "") for saw in found.values()][-MOST_SILENCES:] == [True] * MOST_SILENCES


@pytest.mark.parametrize(
    ("behave", "told"),
    [(garbage, "no answer ("), (no_end, f"more than {LARGEST_ANSWER >> 20} MiB"), (deep, "the body is not")],
    ids=["garbage", "no end", "deep"],
)
def test_what_is_no_answer_is_told_as_that(world, connection, tmp_path, capsys, behave, told):
    code, found = against(world, connection, behave, tmp_path, capsys)
    assert code == FAILED
    assert told in (found["provided"] or "")
    assert all(found[check] for check in ("problem_json", "permit_expired", "code_unknown", "outcome_unknown"))


def test_nobody_there_has_turned_nobody_down(world, tmp_path, capsys):
    code, found = conformance(world, f"https://{HOST}:{untaken(1)[0]}/partner", tmp_path, capsys)
    assert code == FAILED
    assert [check for check, saw in found.items() if saw is None] == []


class MakesDispositionsUp(Provider):
    """What it says would be markup on a terminal."""

    def _signed(self, *args, **kwargs):
        found = super()._signed(*args, **kwargs)
        said = canonical.encode({**canonical.decode(octets(found["outcome"])), "disposition": "[/red]"})
        return {**found, "outcome": text(said), "signature": text(self.signer.sign(labels.OUTCOME, said))}


def test_what_a_server_says_is_not_shown_in_its_own_words(world, connection, clock, tmp_path, capsys):
    code, found = run_against(world, connection, clock, MakesDispositionsUp, tmp_path, capsys)
    assert code == FAILED
    assert "none of the dispositions" in (found["provided"] or "")
    assert [saw for saw in found.values() if saw and "[/red]" in saw] == []


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8460/partner", "https://127.0.0.1:none/partner", "https://:1/partner",
     "https://127.0.0.1:8460/partner?x=1", "127.0.0.1:8460/partner", ""],
)  # fmt: skip
def test_an_address_that_is_none_is_told_before_anything_is_sent(world, tmp_path, capsys, url):
    assert conformance(world, url, tmp_path, capsys)[0] == BAD_INPUT


def test_a_number_that_is_none_is_told_before_anything_is_sent(world, tmp_path, capsys):
    url = f"https://{HOST}:{untaken(1)[0]}/partner"
    assert conformance(world, url, tmp_path, capsys, pending="P1")[0] == BAD_INPUT
