"""Rotating the key of the permission list's publisher while everything runs, step by step; done again after a crash it goes on where it was (docs/adr/0065).

1. A new key is prepared in authority/; nothing uses it yet.
2. Its public key is in the signed register beside the old one, and every running role has taken that register.
3. The rotation is in the core's evidence log.
4. The new key is the publisher's.
5. The register names the versions that the old key has signed, and every running role has taken that: it counts for nothing else from then on.

Nobody publishes meanwhile, and what the core has published is asked for before the end, so that every version which counts is named.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from gateway import staff_calls
from gateway.data_folder import DataFolder
from gateway.key_records import core_of, record
from gateway.key_rotation import ANNOUNCED, ENDED, PREPARED, PROMOTED, NotTakenError, await_register, passed
from gateway.list_sources import published, publisher_keys
from gateway.setting_up import succession
from gateway.setting_up.authority import Authority, next_list_key, open_authority, promote_list_key
from gateway.setting_up.publishing import LISTS_LOCK, authority_held, publish
from gateway.setting_up.succession import Body
from gateway.topology import NETWORK
from keys import labels
from keys.signing import verify
from permission_lists.versions import SignedVersion
from transport.clock import Clock

PURPOSE: Final = "permission-list"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherRotation:
    """`core`: whom staff of the network ask for what it has published; `lead_s`: how long agencies elsewhere are given to read the register."""

    data: DataFolder
    core: staff_calls.Party
    lead_s: float

    def rotate(self) -> int:
        """The number of the new key, the first one being 1.

        Raises NotTakenError, RegisterBrokenError, SourceWrongError, StorageUnavailableError, KeyStoreError, what `staff_calls.ask` raises, OSError;
        done again, it is finished.
        """
        with authority_held(self.data, LISTS_LOCK):
            authority = open_authority(self.data.authority, Clock()())
            published(self.data, self.core)  # a core that does not answer now is not left in the middle
            signing = [one.key for one in publisher_keys(self.data).keys if one.signed is None]
            if len(signing) > 1 and not next_list_key(self.data.authority, make=False):  # a run died behind step 4
                self._end(authority)
                return self._number(authority.lists.public_key)
            # 1
            with passed(PREPARED):
                fresh = next_list_key(self.data.authority, make=True)
            if fresh is None:
                raise FileNotFoundError("the prepared key of the publisher is not there")
            # 2
            with passed(ANNOUNCED):
                sequence = publish(self.data, authority, lambda before: _with(before, fresh.public_key))
                await_register(self.data, sequence)
                time.sleep(self.lead_s)
            number = self._number(fresh.public_key)
            # 3
            self._record(number, fresh.public_key)
            # 4
            with passed(PROMOTED):
                promote_list_key(self.data.authority)
            # 5
            self._end(open_authority(self.data.authority, Clock()()))
            return number

    def _number(self, key: bytes) -> int:
        return [one.key for one in publisher_keys(self.data).keys].index(key) + 1

    def _end(self, authority: Authority) -> None:
        """Step 5: every version that there is was signed by a key of before, for nobody else publishes."""
        with passed(ENDED):
            versions = published(self.data, self.core).signed
            public = authority.lists.public_key
            ended = publish(self.data, authority, lambda before: _ending(before, public, versions))
        with suppress(NotTakenError):  # a role that hangs takes it when it looks again
            await_register(self.data, ended)

    def _record(self, number: int, key: bytes) -> None:
        """In the core's log, where the core is one of this folder's roles."""
        core = core_of(self.data)
        if core is not None:
            record(core, NETWORK, core.open_keys(NETWORK).ring, "key.rotated", PURPOSE, number, public=key)


def _with(before: Body | None, key: bytes) -> Body:
    if before is None:
        raise FileNotFoundError("there is no register yet")
    return succession.with_list_key(before, key.hex())


def _ending(before: Body | None, key: bytes, versions: tuple[SignedVersion, ...]) -> Body:
    if before is None:
        raise FileNotFoundError("there is no register yet")
    signed = {
        one["key"]: [
            sha256(version.head).hexdigest()
            for version in versions
            if verify(bytes.fromhex(one["key"]), labels.LIST, version.head, version.signature)
        ]
        for one in before["list_keys"]
    }
    return succession.with_list_key_alone(before, key.hex(), signed)
