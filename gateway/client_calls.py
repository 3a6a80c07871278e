"""Calls of a business system's client from this machine, with the file that set-up gave it (clients/<id>.json): OAuth, then the API.

Refusals and servers that are away are those of `staff_calls`, so a command tells both alike.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from gateway.data_folder import DataFolder
from gateway.staff_calls import NotReachableError, RefusedError, refused
from gateway.topology import Program
from transport import role as role_file
from transport.role import RoleConfig

_TIMEOUT_S: Final = 60.0
_BLOCK: Final = 1 << 16
_READS_THE_LOG: Final = ":log:read"


class ClientFileError(Exception):
    """No file of this client in the data folder, or not what set-up writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client. Its calls raise RefusedError and NotReachableError."""

    id: str
    agency: str
    system: str
    scopes: frozenset[str]
    host: str
    basic: str
    context: ssl.SSLContext

    @classmethod
    def of(cls, data: DataFolder, client_id: str) -> Self:
        """Raises ClientFileError."""
        path = data.client(client_id)
        try:
            stored = json.loads(path.read_bytes())
            basic = base64.b64encode(f"{stored['client_id']}:{stored['client_secret']}".encode()).decode()
            return cls(
                id=stored["client_id"],
                agency=stored.get("agency", ""),
                system=stored.get("system", ""),
                scopes=frozenset(stored.get("scopes", ())),
                host=urlsplit(stored["url"]).netloc,
                basic=basic,
                context=ssl.create_default_context(cafile=str(path.parent / stored["ca"])),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise ClientFileError from None

    def post(self, path: str, body: Mapping[str, Any], key: str | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"} | ({} if key is None else {"Idempotency-Key": key})
        found = self._json("POST", path, json.dumps(body).encode(), self._bearer() | headers)
        if not isinstance(found, dict):
            raise RefusedError("peer_answer_malformed")
        return found

    def get(self, path: str) -> Any:
        return self._json("GET", path, None, self._bearer())

    def download(self, path: str, target: Path) -> int:
        """GET into a file that appears whole or not at all; returns its size."""
        size = 0
        part = target.with_name(f".{target.name}.part")
        with self._answer("GET", path, None, self._bearer()) as answer, part.open("wb") as file:
            while block := answer.read(_BLOCK):
                size += file.write(block)
        part.replace(target)
        return size

    def _bearer(self) -> dict[str, str]:
        headers = {"Authorization": f"Basic {self.basic}", "Content-Type": "application/x-www-form-urlencoded"}
        found = self._json("POST", "/oauth/token", b"grant_type=client_credentials", headers)
        try:
            return {"Authorization": f"Bearer {found['access_token']}"}
        except (KeyError, TypeError):
            raise RefusedError("peer_answer_malformed") from None

    def _json(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Any:
        with self._answer(method, path, body, headers) as answer:
            try:
                return json.loads(answer.read())
            except ValueError:
                raise RefusedError("peer_answer_malformed") from None

    @contextmanager
    def _answer(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer of one call, if it is no problem document; its connection is closed after the block."""
        connection = http.client.HTTPSConnection(self.host, timeout=_TIMEOUT_S, context=self.context)
        try:
            connection.request(method, path, body=body, headers=dict(headers))
            answer = connection.getresponse()
            if answer.status >= http.client.BAD_REQUEST:
                raise refused(answer.read())
            yield answer
        except (OSError, http.client.HTTPException):
            raise NotReachableError from None
        finally:
            connection.close()


def auditors(data: DataFolder) -> dict[str, Client]:
    """Agency → a client that may read the log of its linkage server (docs/adr/0017); agencies without one are absent."""
    found: dict[str, Client] = {}
    for path in sorted(data.clients.glob("*.json")):
        try:
            client = Client.of(data, path.stem)
        except ClientFileError:
            continue  # addresses.json, or half a file
        if any(scope.endswith(_READS_THE_LOG) for scope in client.scopes):
            found.setdefault(client.agency, client)
    return found


def role_hosting(data: DataFolder, program: Program, agency: str) -> RoleConfig | None:
    """The role of this folder that runs a program for the agency."""
    for path in sorted((data.root / "roles").glob("*/role.json")):
        config = role_file.load(path.parent)
        if config.options.get("program") == program.value and agency in config.hosted:
            return config
    return None
