"""Set-up of a business system's client: its OAuth client and its spool folders. Run again, it changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gateway.api.clients import SECRET_PURPOSE, ClientStore
from gateway.api.tokens import TOKEN_PURPOSE
from gateway.batch import spool
from gateway.linkage_server import personal_keys
from gateway.linkage_server.addressees.run import CHANNEL as ADDRESSEES
from gateway.linkage_server.business_information.run import CHANNEL as BUSINESS_INFORMATION
from keys.masked import Secret
from keys.ring import Keyring
from storage.database import Database
from storage.key_store import KeyStore
from transport.role import RoleConfig

CHANNELS: Final = (ADDRESSEES, BUSINESS_INFORMATION)


def ready_ring(store: KeyStore) -> Keyring:
    """The agency's ring with every purpose that the linkage server needs; new ones are durable before they are used."""
    missing = [
        purpose for purpose in (*personal_keys.PURPOSES, SECRET_PURPOSE, TOKEN_PURPOSE) if not store.ring.has(purpose)
    ]
    for purpose in missing:
        store.ring.create(purpose)
    if missing:
        store.save()
    return store.ring


async def register_client(
    config: RoleConfig,
    agency: str,
    client_id: str,
    secret: Secret,
    system: str,
    scopes: Iterable[str],
    may_use_individual_number: bool,  # noqa: FBT001 (set-up calls it by name)
) -> None:
    """Register a client of a hosted agency, or set it anew. Raises ClientFormError, StorageUnavailableError, KeyStoreError.

    Run it while the role is stopped, or at least after its first start: both write the agency's key file when a purpose is missing.
    """
    hosted = config.hosted[agency]
    ring = ready_ring(config.open_keys(agency))
    database = await Database.open(config.dsn, connections=1)
    try:
        clients = ClientStore(database, hosted.tenant, agency, ring)
        await clients.register(
            client_id,
            secret,
            system=system,
            scopes=frozenset(scopes),
            may_use_individual_number=may_use_individual_number,
        )
    finally:
        await database.close()
    spool.prepare(config.spool, agency, system, CHANNELS)
