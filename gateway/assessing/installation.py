"""What is assessed: a data folder with the roles in it, their register, and their clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from gateway.data_folder import DataFolder
from gateway.topology import Program
from transport import role as role_file
from transport.register import Register
from transport.role import Hosted, RoleConfig


class NotSetUpError(Exception):
    """No data folder that set-up has finished, or one that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """`now`: by the clock of the roles, which a simulation may have moved."""

    data: DataFolder
    roles: tuple[RoleConfig, ...]
    register: Register
    now: datetime

    @classmethod
    def open(cls, data: DataFolder) -> Self:
        """Raises NotSetUpError, RegisterBrokenError."""
        try:
            folders = sorted(path.parent for path in (data.root / "roles").glob("*/role.json"))
            roles = tuple(role_file.load(folder) for folder in folders)
            register = Register.read(data.register.read_bytes(), bytes.fromhex(data.register_root.read_text()))
        except (OSError, ValueError):
            raise NotSetUpError from None
        if not roles:
            raise NotSetUpError
        return cls(data=data, roles=roles, register=register, now=roles[0].clock())

    @property
    def agencies(self) -> frozenset[str]:
        """Everybody hosted here, the network included; an agency elsewhere keeps its own measures."""
        return frozenset(one.id for role in self.roles for one in role.hosted.values())

    def of(self, *programs: Program) -> Iterator[RoleConfig]:
        """The roles that run any of these programs."""
        return (role for role in self.roles if program(role) in programs)

    def hosted(self, *programs: Program) -> Iterator[tuple[RoleConfig, Hosted]]:
        return ((role, hosted) for role in self.of(*programs) for hosted in role.hosted.values())


def program(role: RoleConfig) -> Program:
    return Program(role.options["program"])
