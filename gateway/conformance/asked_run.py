"""A run in which the server under test asks: the played network listens until the script is through, and says what was right and wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from gateway.conformance import impostor
from gateway.conformance.not_judged import AS_INQUIRER, NotJudged
from gateway.conformance.other_calls import OtherCalls
from gateway.conformance.played_network import PlayedNetwork
from gateway.conformance.preparing import (
    code_book,
    hosting,
    inquirers,
    latest_epochs,
    list_in_force,
    signed_versions,
)
from gateway.conformance.trial import TrialError
from gateway.conformance.turns import TURNS, Step, report
from gateway.data_folder import DataFolder
from gateway.topology import NETWORK
from keys.signing import Signer
from partner.serving import serving
from permission_lists.versions import legal_day
from transport import channel, tls
from transport import role as role_file

_LOOK_S = 0.2


async def prepare(data: DataFolder, agency: str) -> PlayedNetwork:
    """Raises TrialError, KeyStoreError, StorageUnavailableError, ValueError, OSError."""
    config = role_file.load(data.role(NETWORK))
    register = config.register
    if agency not in register.agencies:
        raise TrialError("その機関は登録されていません。sekisho agency list で / this agency is not registered")
    latest = await latest_epochs(config)
    ring = config.open_keys(NETWORK).ring
    book = code_book(ring, register, latest)
    digest, _, listed = list_in_force(data, register, legal_day(config.clock()))
    hosted = {one: hosting(data, one) for one in inquirers(data)}

    def signer_of(provider: str) -> Signer | None:
        found = hosted.get(provider)
        return None if found is None else found.open_keys(provider).ring.signer("signing")

    return PlayedNetwork(
        agency=agency,
        register=register,
        permit_signer=ring.signer("permit"),
        book=book,
        listed=listed,
        digest=digest,
        signer_of=signer_of,
        clock=config.clock,
        others=OtherCalls(
            agency=agency,
            register=register,
            signed=config.register_path.read_bytes(),
            held=signed_versions(data, register),
            book=book,
            latest=latest.get(agency),
            clock=config.clock,
        ),
    )


async def listen(
    data: DataFolder,
    network: PlayedNetwork,
    *,
    port: int,
    seconds: float,
    settle_s: float,
    ends: Path | None,
    told: Callable[[str], object],
) -> tuple[list[Step], list[NotJudged]]:
    """First somebody else in the network's place, until one call has come. Then play until every inquiry of the script came and nothing
    more for `settle_s`, and its ends are handed over, or until the time is over.

    `told`: what the engineer is to know meanwhile. Raises TrialError, OSError.
    """
    config = role_file.load(data.role(NETWORK))
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    identity = config.hosted[NETWORK].identity
    url = f"{config.peers.get(f'intermediate/{network.agency}', '')}/{network.agency}/outcomes"
    async with AsyncExitStack() as stack:
        try:
            with impostor.at(config.host, port) as listening:
                found = listening.getsockname()[1]
                told(
                    f"https://{config.host}:{found} を網として、{len(TURNS)} 件を照会してください。項目を名指して、答えの来る人を一人"
                    f" / make this your network and send {len(TURNS)} inquiries that name an item, about somebody whom you know"
                )
                spoken_to = await impostor.spoken_to(listening, config.host, config.clock(), until - loop.time())
            await stack.enter_async_context(serving(network.application(), config.server, host=config.host, port=found))
        except OSError:
            raise TrialError(
                f"{config.host}:{port} で待ち受けられません。--port で変えられます / cannot listen there, the port is taken or not ours; choose another with --port"
            ) from None
        if spoken_to:
            network.broken["network_certificate"] = (
                "別の CA の証明書の相手と話した / it talked to a certificate of another CA"
            )
        client = await stack.enter_async_context(channel.session(tls.client_context(identity, identity.ca)))
        before = -1
        while loop.time() < until and not _through(network, ends, loop.time() - network.last > settle_s):
            if network.played != before:
                before = network.played
                told(f"{before}/{len(TURNS)}")
            await network.bring(client, url)
            await asyncio.sleep(_LOOK_S)
    found = report(list(network.seen.values()), network.broken, dict(_ends(ends)))
    return [*found, *network.others.steps()], [*network.others.not_judged(), *AS_INQUIRER]


def _through(network: PlayedNetwork, ends: Path | None, settled: bool) -> bool:  # noqa: FBT001 (said in the call)
    if network.played < len(TURNS) or not settled:
        return False
    awaited = {number for number, one in network.seen.items() if not one.taken_back}
    return ends is None or awaited <= {number for number, _ in _ends(ends)}


def _ends(path: Path | None) -> Iterator[tuple[str, str]]:
    """Number and state of each line of the file of ends; one that is not there yet has none, nor has a line that is being written. Raises TrialError with the line."""
    if path is None or not path.exists():
        return
    try:
        *lines, _being_written = path.read_bytes().split(b"\n")
    except OSError:
        raise TrialError(f"{path}: 読めません / the file of ends cannot be read") from None
    for nth, line in enumerate(lines, start=1):
        try:
            found = json.loads(line)
            yield _word(found["inquiry_number"]), _word(found["state"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise TrialError(
                f'{path}:{nth}: {{"inquiry_number", "state"}} の行ではありません'
                ' / not a line of {"inquiry_number", "state"}'
            ) from None


def _word(found: object) -> str:
    """A number or a state as it may be shown. Raises ValueError."""
    if isinstance(found, str) and found.isascii() and found.isprintable():
        return found
    raise ValueError("neither a number nor a state")
