"""May this business system send this kind of file? The same scopes as for calls; a refusal is recorded before the file fails."""

from __future__ import annotations

from gateway.api.clients import SystemRights
from gateway.batch.run import Rejected, StoppedError
from gateway.linkage_server.tenant import Agency


async def admit(agency: Agency, system: str, resource: str, operation: str = "register") -> SystemRights | Rejected:
    """What the system may do, if it may do this with the resource. Raises StorageUnavailableError."""
    rights = await agency.clients.rights(system)
    if rights is not None and rights.may(resource, operation):
        return rights
    reason = "system_not_registered" if rights is None else "scope_missing"
    await agency.record_access_refused(reason, system if rights is not None else None)
    return Rejected(reason=reason)


async def admit_still(agency: Agency, system: str, resource: str, operation: str = "register") -> None:
    """Before each step of a file and before its result: a system that is suspended or removed meanwhile gets no further and is handed nothing.

    Raises StoppedError, StorageUnavailableError.
    """
    rights = await admit(agency, system, resource, operation)
    if isinstance(rights, Rejected):
        raise StoppedError(rights)
