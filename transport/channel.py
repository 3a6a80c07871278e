"""A channel to one path of one peer: what waits shares a request, and answers come back in order.

Under load one request carries many items, so a hop's cost is shared; at rest an item goes at once. A channel never retries: the sweeper of
the sending slice asks again with the same bytes, because only the slice knows whether that is still wanted (DESIGN §4).
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import structlog
from prometheus_client import Counter, Gauge

from storage.fault_points import Step
from storage.pace import Pace
from transport import wire
from transport.circuit import Circuit, CircuitState

CIRCUIT_OPEN = "circuit_open"
QUEUE = Gauge("sekisho_channel_waiting", "Items waiting for a request of a channel", ["channel"])
FAILURES = Counter("sekisho_channel_failures", "Requests of a channel that failed", ["channel", "reason"])
MOST_WAITING = 20_000
"""Items that wait for one channel: who comes on top is told so, and asks again later."""
QUIET_S = 5.0
"""So often it is looked whether an open circuit has to be tried although nobody asks."""
MOST_ANSWER = 64 * 1024 * 1024
TIMEOUT_S = 20.0
"""How long a channel waits for an answer. Who asks others on the way to it waits for them less long: else whoever asks takes the one for the other."""
_LOG = structlog.get_logger()


class ChannelError(Exception):
    """The peer could not be asked or gave no answer: nothing is known about the outcome. `reason` is a stable code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RefusedByPeerError(ChannelError):
    """The peer answered with a problem (RFC 9457) instead of items; `reason` is its code."""


@dataclass(slots=True)
class _Waiting:
    item: Any
    answer: asyncio.Future[Any]
    since: float


class Poster(Protocol):
    """What posts: a client session, or what chooses one."""

    @property
    def post(self) -> Callable[..., Any]: ...


def session(context: ssl.SSLContext, *, connections: int = 4) -> aiohttp.ClientSession:
    """One client session per identity: long-lived connections, no cookies, no proxies, no redirects into the unknown."""
    connector = aiohttp.TCPConnector(ssl=context, limit_per_host=connections, keepalive_timeout=600, ttl_dns_cache=600)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)


async def post(client: Poster, url: str, body: bytes, *, timeout_s: float) -> bytes:
    """POST JSON and return the body of a 200. Raises RefusedByPeerError (a problem) or ChannelError (no usable answer)."""
    try:
        async with client.post(
            url,
            data=body,
            headers={"Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            allow_redirects=False,
        ) as response:
            data = await _body(response)
            if response.status == 200:
                return data
            raise RefusedByPeerError(_reason(data))
    except TimeoutError:
        raise ChannelError("peer_timeout") from None
    except (aiohttp.ClientSSLError, ssl.SSLError):
        raise ChannelError("peer_tls") from None
    except (aiohttp.ClientError, OSError):
        raise ChannelError("peer_unreachable") from None


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The whole answer, up to `MOST_ANSWER` bytes: a peer cannot fill our memory. Raises ChannelError."""
    found = bytearray()
    async for block in response.content.iter_any():
        found += block
        if len(found) > MOST_ANSWER:
            raise ChannelError("peer_answer_malformed")
    return bytes(found)


def _reason(data: bytes) -> str:
    try:
        reason = wire.decode_json(data)["reason"]
    except (wire.JsonBrokenError, KeyError, TypeError):
        return "peer_answer_malformed"
    return reason if isinstance(reason, str) and len(reason) < 64 and reason.isidentifier() else "peer_answer_malformed"


class Channel:
    """Gathers items for one URL. `run()` must be running; `in_flight` requests of up to `most` items go at once.

    `circuit`: of the counterpart, shared by all channels to it; while it is open whoever asks is told `circuit_open` at once.
    """

    def __init__(
        self,
        client: Poster,
        url: str,
        *,
        name: str,
        step: Step | None = None,
        checkpoint: Callable[[], str | None] = lambda: None,
        on_checkpoint: Callable[[str], None] = lambda _note: None,
        in_flight: int = 2,
        most: int = 64,
        timeout_s: float = TIMEOUT_S,
        envelope: dict[str, Any] | None = None,
        circuit: Circuit | None = None,
    ) -> None:
        self._client = client
        self._url = url
        self._name = name
        self._step = step
        self._checkpoint = checkpoint
        self._on_checkpoint = on_checkpoint
        self._in_flight = in_flight
        self._most = most
        self._timeout_s = timeout_s
        self._envelope = envelope or {}
        self._circuit = circuit
        self._waiting: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._pace = Pace()

    async def ask(self, item: Any) -> Any:
        """Send one item (a msgspec-encodable value) and return its raw answer (`dict`). Raises ChannelError."""
        loop = asyncio.get_running_loop()
        if self._circuit is not None and not self._circuit.admits(loop.time()):
            raise ChannelError(CIRCUIT_OPEN)
        if len(self._waiting) >= MOST_WAITING:
            FAILURES.labels(self._name, "channel_full").inc()
            raise ChannelError("channel_full")
        answer: asyncio.Future[Any] = loop.create_future()
        now = loop.time()
        self._pace.came(now)
        self._waiting.append(_Waiting(item, answer, now))
        self._wake.set()
        return await answer

    async def ask_all(self, items: list[Any]) -> list[Any]:
        """Send several items; answers in order. The first failure raises."""
        return list(await asyncio.gather(*(self.ask(item) for item in items)))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._in_flight):
                group.create_task(self._work())
            if self._circuit is not None:
                group.create_task(self._try(self._circuit))

    async def _try(self, circuit: Circuit) -> None:
        """While the circuit is open and nobody asks, a list of nothing is the try: it closes by itself, and what is said of it stays true."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(QUIET_S)
            if circuit.state is CircuitState.OPEN and not self._waiting and circuit.begin(loop.time(), 1):
                try:
                    await self._send([])
                except ChannelError as failure:
                    self._away(failure.reason)
                except Exception:  # noqa: BLE001 (whatever one peer provokes must not end the whole server's task group)
                    self._away("internal_error")
                else:
                    circuit.came()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            waited = loop.time() - self._waiting[0].since if self._waiting else 0.0
            if pause := self._pace.wait_s(len(self._waiting), waited):
                await asyncio.sleep(pause)
            batch = self._next()
            if not self._waiting:
                self._wake.clear()
            if not batch:
                continue
            QUEUE.labels(self._name).set(len(self._waiting))
            try:
                answers = await self._send([waiting.item for waiting in batch])
            except ChannelError as failure:
                self._away(failure.reason)
                self._fail(batch, failure)
                continue
            except Exception as error:  # noqa: BLE001 (whatever one peer provokes must not end the whole server's task group)
                self._away("internal_error")
                _LOG.error("channel_failed", channel=self._name, error=type(error).__name__, count=len(batch))
                self._fail(batch, ChannelError("internal_error"))
                continue
            if self._circuit is not None:
                self._circuit.came()
            for waiting, found in zip(batch, answers, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(found)

    def _next(self) -> list[_Waiting]:
        """What goes in the next request. While the circuit is open nothing does, and whoever waits is told."""
        most = min(len(self._waiting), self._most)
        if most and self._circuit is not None:
            most = self._circuit.begin(asyncio.get_running_loop().time(), most)
            if not most:
                self._fail(list(self._waiting), ChannelError(CIRCUIT_OPEN))
                self._waiting.clear()
        return [self._waiting.popleft() for _ in range(most)]

    def _away(self, reason: str) -> None:
        if self._circuit is not None:
            self._circuit.failed(asyncio.get_running_loop().time(), reason)

    def _fail(self, batch: list[_Waiting], failure: ChannelError) -> None:
        FAILURES.labels(self._name, failure.reason).inc()
        for waiting in batch:
            if not waiting.answer.done():
                waiting.answer.set_exception(failure)

    async def _send(self, items: list[Any]) -> list[Any]:
        body = wire.write_envelope(items, self._checkpoint(), **self._envelope)
        if self._step:
            self._step.before.reached()
        data = await post(self._client, self._url, body, timeout_s=self._timeout_s)
        if self._step:
            self._step.after.reached()
        try:
            answer = wire.decode_json(data)
            found = answer["items"]
            note = answer.get("checkpoint")
        except (wire.JsonBrokenError, KeyError, TypeError, AttributeError):
            raise ChannelError("peer_answer_malformed") from None
        if not isinstance(found, list) or len(found) != len(items):
            raise ChannelError("peer_answer_malformed")
        if isinstance(note, str):
            self._on_checkpoint(note)
        return found
