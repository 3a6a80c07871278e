"""An answer that does not fit into memory: newline-delimited JSON, block by block."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web


async def stream(request: web.Request, blocks: AsyncIterator[bytes]) -> web.StreamResponse:
    """The blocks as one NDJSON answer. What fails before the first block is answered as ever; later, the answer is cut off and has no end."""
    first = await anext(blocks, b"")
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    await response.write(first)
    async for block in blocks:
        await response.write(block)
    await response.write_eof()
    return response
