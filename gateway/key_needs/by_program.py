"""What needs an old version of a key of a server that is not asked itself: its command on the machine counts (docs/adr/0073)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from adapters.sky2 import resealing as sky2_rows
from gateway.api.tokens import LIFETIME, TOKEN_PURPOSE
from gateway.key_needs.counting import Counted, Needs, Young, left, of_journal
from gateway.linkage_server.resealing import rows as linkage_rows
from gateway.topology import NETWORK, Program
from keys.ring import Keyring
from storage.database import Database
from storage.erasure_journal import PURPOSE as ERASED
from storage.erasure_journal import ErasureJournal
from storage.tenancy import in_use
from transport.role import RoleConfig

_ROWS: Final[Mapping[tuple[Program, str], Counted]] = {
    (Program.NETWORK, "permit-code"): Counted(query="permit_codes", what="許可証の符号 (codes of permits)"),
    (Program.RESIDENT_NETWORK, "individual-number"): Counted(query="resident_numbers", what="住民 (residents)"),
    (Program.RESIDENT_NETWORK, "resident-record-code"): Counted(query="resident_codes", what="住民 (residents)"),
    (Program.RESIDENT_NETWORK, "four-items"): Counted(query="resident_items", what="住民 (residents)"),
    (Program.LINKAGE, "access-reason"): Counted(query="reasons_of_looks", what="参照の理由 (reasons of looks)"),
    (Program.LINKAGE, "inquiry-line"): Counted(query="inquiry_lines", what="一括照会の行 (lines of inquiry files)"),
}
_TOKENS: Final = Young(
    lives=LIFETIME, what="まだ有効なトークン。5 分待ってください (tokens that are valid yet; wait five minutes)"
)
_RESEALED: Final[Mapping[Program, Callable[[str], tuple[str, ...]]]] = {
    Program.LINKAGE: linkage_rows.counts_of, Program.SKY2: sky2_rows.counts_of,
}  # fmt: skip
"""Programs that seal their rows anew by themselves: a purpose → the statements that count what is left."""


async def need(config: RoleConfig, agency: str, purpose: str, version: int) -> str | None:
    """What would be lost with this version, for people; None when nothing would. Raises StorageUnavailableError."""
    program = Program(config.options["program"])
    if purpose == ERASED:
        return of_journal(ErasureJournal.beside(config.hosted[agency].keys, Keyring.new()), version)
    needs = Needs(
        resealed=_RESEALED[program](purpose) if program in _RESEALED else (),
        counted=_ROWS.get((program, purpose)),
        young=_TOKENS if purpose == TOKEN_PURPOSE else None,
    )
    tenant = config.hosted[agency].tenant
    database = await Database.open(config.dsn, connections=1)
    try:
        if agency != NETWORK and tenant not in await in_use(database, [tenant]):
            return None
        return await left(database, tenant, needs, purpose, version, config.clock())
    finally:
        await database.close()
