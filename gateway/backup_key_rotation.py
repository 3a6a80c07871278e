"""Another backup key for the backups to come, while the servers run; done again after a crash it goes on where it was (SC-15; docs/adr/0089).

1. A new key lies with the administrators; no server knows it.
2. The rotation is in the evidence log of the agency's intermediate server.
3. Its public half lies with each server of the agency in the place of the one before, and is what the next backup is sealed to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway import backup_keys
from gateway.data_folder import DataFolder, write_private
from gateway.key_records import record
from gateway.key_rotation import ENDED, PREPARED, passed
from gateway.staff_cards import CardFileError
from keys.ring import Keyring
from transport.role import RoleConfig

PURPOSE: Final = "backup-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupKeyRotation:
    """`server`: the agency's intermediate server; `others`: its other ones; `passphrase`: for the key of this number, where it is kept or asked for."""

    data: DataFolder
    agency: str
    server: RoleConfig
    others: tuple[RoleConfig, ...]
    ring: Keyring
    passphrase: Callable[[int], str]

    def rotate(self) -> tuple[int, list[str]]:
        """The number of the new key, the first one being 1, and the servers that have a key of their own and keep it.

        Raises CardFileError, StorageUnavailableError, OSError; done again, it is finished.
        """
        own = backup_keys.public_file(self.server.folder, self.agency)
        before = own.read_bytes() if own.exists() else None
        # 1
        with passed(PREPARED):
            number, public = backup_keys.newest(self.data, self.agency)
            if before is not None and not backup_keys.is_known(self.data, self.agency, before):
                raise CardFileError("the server has a key that is not of this folder; its people replace it themselves")
            if public is None or public == before:  # else a run died before step 3
                number += 1
                public = backup_keys.make(self.data, self.agency, number, self.passphrase(number), profile="normal")
        # 2
        record(self.server, self.agency, self.ring, "key.rotated", PURPOSE, number, public=public)
        # 3
        kept = []
        with passed(ENDED):
            for config in self.others:
                path = backup_keys.public_file(config.folder, self.agency)
                if path.exists() and path.read_bytes() not in (before, public):
                    kept.append(config.role)
                else:
                    write_private(path, public)
            write_private(own, public)  # the last one: it says that all others are written
        return number, kept
