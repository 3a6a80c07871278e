"""Set-up of a business system's client: its OAuth client and its spool folders. Run again, it changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from gateway.api.clients import SECRET_PURPOSE, ClientStore
from gateway.api.tokens import TOKEN_PURPOSE
from gateway.batch import spool
from gateway.linkage_server import personal_keys
from gateway.linkage_server.addressees.run import CHANNEL as ADDRESSEES
from gateway.linkage_server.bulk_inquiries.run import CHANNEL as INQUIRIES
from gateway.linkage_server.business_information.run import CHANNEL as BUSINESS_INFORMATION
from gateway.linkage_server.people.run import CHANNEL as PERSON_CHANGES
from keys.masked import Secret
from keys.ring import Keyring
from storage.database import Database
from storage.erasure_journal import PURPOSE as ERASED
from storage.key_store import KeyStore
from storage.tenancy import open_tenant
from transport.role import RoleConfig

_LOG = structlog.get_logger()
CHANNELS: Final = (ADDRESSEES, PERSON_CHANGES, BUSINESS_INFORMATION, INQUIRIES)


def ready_ring(store: KeyStore) -> Keyring:
    """The agency's ring with every purpose that the linkage server needs; new ones are durable before they are used."""
    return store.ensure_all((*personal_keys.PURPOSES, SECRET_PURPOSE, TOKEN_PURPOSE, ERASED))


async def register_client(
    config: RoleConfig,
    agency: str,
    client_id: str,
    secret: Secret,
    system: str,
    scopes: Iterable[str],
    may_use_individual_number: bool,  # noqa: FBT001 (set-up calls it by name)
) -> Secret | None:
    """Register a client of a hosted agency, or set its scopes anew. Raises ClientFormError, StorageUnavailableError, KeyStoreError.

    Returns its newest valid secret, which is the one given only for a client that had none; None when the client was removed.
    """
    hosted = config.hosted[agency]
    ring = ready_ring(config.open_keys(agency))
    database = await Database.open(config.dsn, connections=1)
    try:
        await open_tenant(database, hosted.tenant)
        clients = ClientStore(database, hosted.tenant, agency, ring, clock=config.clock)
        valid = await clients.register(
            client_id,
            secret,
            system=system,
            scopes=frozenset(scopes),
            may_use_individual_number=may_use_individual_number,
        )
    finally:
        await database.close()
    spool.prepare(config.spool, agency, system, CHANNELS)
    return valid


async def prepare_spool(config: RoleConfig, agency: str, system: str) -> None:
    """The folders of one business system, as soon as it has a client."""
    try:
        await asyncio.to_thread(spool.prepare, config.spool, agency, system, CHANNELS)
    except OSError as failure:  # files of this system cannot come in; calls can
        _LOG.error("spool:folders_not_made", agency=agency, error=type(failure).__name__)
