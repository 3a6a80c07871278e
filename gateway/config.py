"""The only reader of the environment. Everything else is an argument.

SEKISHO_DSN: administrator's DSN of a PostgreSQL server, instead of the embedded one. SEKISHO_DATA: the data folder.
SEKISHO_FAULT: the fault point at which a role dies (tests only), `name` or `name:passes`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DSN: Final = "SEKISHO_DSN"
DATA: Final = "SEKISHO_DATA"
FAULT: Final = "SEKISHO_FAULT"
_NO_AUTHORITIES: Final = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`dsn` is left out of repr: it holds the administrator's password."""

    dsn: str | None
    data: Path
    fault: str | None

    def __repr__(self) -> str:
        return f"Config(data={self.data})"


def read() -> Config:
    environment = os.environ  # noqa: TID251 (this is the one reader)
    return Config(
        dsn=environment.get(DSN) or None,
        data=Path(environment.get(DATA) or "var/sekisho"),
        fault=environment.get(FAULT) or None,
    )


def environment_of_surroundings(dsn: str | None) -> dict[str, str]:
    """What the process beside the roles inherits: with the administrator's DSN of an external server, whose logs it fills."""
    return {**os.environ, **({DSN: dsn} if dsn else {})}  # noqa: TID251 (this is the one reader)


def environment_of_roles() -> dict[str, str]:
    """What started roles inherit: our environment without the administrator's DSN and a fault point, and no certificate authority but their own.

    The machine's authorities are of no use to a role, and reading them is a fifth of its start (aiohttp makes two contexts with them).
    """
    inherited = os.environ  # noqa: TID251 (this is the one reader)
    kept = {name: value for name, value in inherited.items() if name not in {DSN, FAULT}}
    return {**kept, **_NO_AUTHORITIES}
