"""Calls of the network that every agency's server may make, besides asking (docs/openapi/network.yaml): each raises ChannelError.

After an error, or `retry` in an answer, the same call again: every one of them may be made twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec

from partner.messages import envelope, octets, text
from transport import channel

_AGAIN_S: Final = 0.2
_EPOCH: Final = 1
"""The byte of a code that says of which epoch it is."""
_MOST_ITEMS: Final = 5_000


class NotYetError(TimeoutError):
    """Nothing but `retry`, or no answer at all, for as long as we had patience: nothing is decided, so the same call again later. `reason`: the last one."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no answer within our patience, ask again later: {reason}")
        self.reason = reason


async def insisting(call: Callable[[], Awaitable[dict[str, Any]]], patience_s: float) -> dict[str, Any]:
    """The first answer that is not `retry`; an answer that did not come may have been lost on its way. Raises NotYetError."""
    reason = "peer_timeout"
    try:
        async with asyncio.timeout(patience_s):
            while True:
                try:
                    answer = await call()
                    if "retry" not in answer:
                        return answer
                    reason = str(answer["retry"])
                except channel.ChannelError as failure:
                    reason = failure.reason
                await asyncio.sleep(_AGAIN_S)
    except TimeoutError:
        raise NotYetError(reason) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`client`: a session with the agency's certificate (`intermediate`); base URLs of core and interface system."""

    client: aiohttp.ClientSession
    core: str
    interface: str
    timeout_s: float = 20.0

    async def revoke_permits(self, permit_ids: Sequence[str]) -> list[dict[str, Any]]:
        """IF_SKI_90045: permits of one's own that were never presented; `revoked: true` (again too), or `refused` (`permit_used`)."""
        return await self._post(f"{self.interface}/permits/revoke", [{"permit_id": one} for one in permit_ids])

    async def late_outcome(self, permit_id: str, answer: dict[str, Any]) -> dict[str, Any]:
        """IF_TKY_90004: what was held and is decided now, as its provider; `answer` as `Provider.answer` gives it. `received: true`, `refused` or `retry`."""
        kept = {name: answer[name] for name in ("outcome", "signature", "sealed")}
        return (await self._post(f"{self.interface}/late-outcomes", [{"permit_id": permit_id, **kept}]))[0]

    async def list_versions(self, held: int = 0) -> list[dict[str, str]]:
        """IF_SCM_90023: signed versions of the permission list behind number `held`, oldest first, 16 at most: check each, then ask again."""
        found: list[dict[str, str]] = (await self._post(f"{self.core}/list-versions", [{"held": held}]))[0]["versions"]
        return found

    async def register(self, held: int = 0) -> bytes | None:
        """IF_SCM_90025: the signed register when there is one with a higher number than `held`; `StandingRegister.offered` checks it."""
        found: str | None = (await self._post(f"{self.core}/registers", [{"held": held}]))[0]["register"]
        return None if found is None else octets(found)

    async def code_epochs(self, settled: int = 0) -> dict[str, Any]:
        """IF_FGU_90131: one's own epochs of codes; `settled`: all codes are under this one now."""
        found: dict[str, Any] = (await self._post(f"{self.core}/code-epochs", [{"settled": settled}]))[0]["epochs"][0]
        return found

    async def follow_epochs(self, codes: Sequence[bytes]) -> list[bytes]:
        """One's own codes, each as that of the newest epoch; when all of them are, the core is told, and asks under them from then on (docs/adr/0046).

        Keep those before for as long as somebody may ask under them. A code that the core refuses stays as it was, and nothing is said to be through.
        """
        newest = int((await self.code_epochs())["newest"])
        before = [code for code in codes if code[_EPOCH] < newest]
        answers = [one for part in _parts(before) for one in await self.renew_codes(part)]
        renewed = {
            code: octets(answer["code"]) for code, answer in zip(before, answers, strict=True) if "code" in answer
        }
        if before and len(renewed) == len(before):
            await self.code_epochs(newest)
        return [renewed.get(code, code) for code in codes]

    async def renew_codes(self, codes: Sequence[bytes]) -> list[dict[str, Any]]:
        """IF_FGU_90130: codes of one's own as those of the newest epoch; `code`, or `refused`."""
        return await self._post(f"{self.core}/code-renewals", [{"code": text(code)} for code in codes])

    async def held_checkpoint(self, origin: str) -> str | None:
        """IF_TKM_90075: the highest checkpoint that the core holds of a log of one's own (with its year), to see what a restored server has lost."""
        note: str | None = (await self._post(f"{self.core}/held-checkpoints", [{"origin": origin}]))[0].get("note")
        return note

    async def _post(self, url: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        answer = msgspec.json.decode(await channel.post(self.client, url, envelope(items), timeout_s=self.timeout_s))
        found: list[dict[str, Any]] = answer["items"]
        return found


def _parts(codes: Sequence[bytes]) -> list[Sequence[bytes]]:
    """As many at once as the network takes."""
    return [codes[place : place + _MOST_ITEMS] for place in range(0, len(codes), _MOST_ITEMS)]
