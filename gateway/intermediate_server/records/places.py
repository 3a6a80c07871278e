"""Places in this agency's evidence log, for whoever follows it in its order."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from storage import sql
from storage.database import Connection

_SQL: Final = sql.load("gateway.intermediate_server.records")


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place in the log: fiscal year, and index in its tree."""

    year: Annotated[int, msgspec.Meta(ge=1900, le=9000)]
    index: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]


async def sizes(connection: Connection, from_year: int) -> dict[int, int]:
    """Fiscal year → entries of its log, from one year on; a year without entries is not there."""
    return {row["year"]: row["size"] for row in await connection.fetch(_SQL["log_heads"], from_year)}
