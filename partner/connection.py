"""A partner's own folder: keys that never leave it, signing requests for certificates, and what the network's operator gives in return.

1. `make_keys(folder)`: private keys, three requests (`intermediate.csr.pem`, `linkage.csr.pem`, `server.csr.pem`), `public.json`.
2. The operator takes the agency in (`sekisho agency add`) with the two public keys of `public.json` and the requests in its file; requests that
   come later are answered by `sekisho agency certificate`.
3. `Connection.read(folder, given)`: `given` is what the operator hands over (`clients/<agency>/`): certificates, register, CA, permission lists, addresses.
4. `make_next_key(folder, "signing")` or `"log"`: the next key. The operator names its public half in the register (`sekisho agency key`, with `--log`); from
   then on `signer`, or what is exported of the log, is by it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from keys.masked import Secret
from keys.signing import Signer, generate_seed
from keys.windows import PublicKeys
from partner.asking import Asker
from partner.calling import insisting
from partner.lists import List, legal_day, list_in_force, with_offered
from partner.messages import MessageBrokenError, envelope
from partner.recording import Record
from storage import durable_file
from transport import channel, tls
from transport.standing_register import Looked, StandingRegister
from transport.tls import Identity

USES: Final = ("intermediate", "linkage", "server")
_PRIVATE: Final = 0o600


def make_keys(folder: Path) -> dict[str, str]:
    """Make the agency's keys and requests; returns the public keys, also in `public.json`. Raises FileExistsError: keys are never overwritten."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    public = {}
    for name in ("signing", "log"):
        seed = generate_seed()
        # reveal: to the agency's own file, mode 0600
        _write(folder / f"{name}.seed", seed.reveal().hex().encode())
        public[f"{name}_key"] = Signer(seed).public_key.hex()
    for use in USES:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write(folder / f"{use}.key.pem", pem)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, use)])
        request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        _write(folder / f"{use}.csr.pem", request.public_bytes(serialization.Encoding.PEM))
    _write(folder / "public.json", json.dumps(public, indent=1).encode())
    return public


def make_next_key(folder: Path, purpose: str) -> str:
    """Make the agency's next key (`signing`, `log`) beside those that it has; returns the public key (hex), for `sekisho agency key`. Raises OSError."""
    seed = generate_seed()
    # reveal: to the agency's own file, mode 0600
    _write(folder / f"{purpose}-{1 + len(list(folder.glob(f'{purpose}*.seed')))}.seed", seed.reveal().hex().encode())
    return Signer(seed).public_key.hex()


def _write(path: Path, data: bytes) -> None:
    path.touch(mode=_PRIVATE, exist_ok=False)
    path.write_bytes(data)


def _signer(seed: Path) -> Signer:
    return Signer(Secret(bytes.fromhex(seed.read_text())))


class CodeRefusedError(ValueError):
    """The network gives no code of this person, and will not when it is asked again; `reason`: as the documents name it (`number_unknown`, say)."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the network does not give a code of this person: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """All that a partner needs to take part. `host`, `port`: where its own server is awaited. `register`: called, what is in force."""

    agency: str
    host: str
    port: int
    folder: Path
    ca: Path
    issued: Path
    lists: Path
    network: str
    resident_network: str
    register: StandingRegister

    @classmethod
    def read(cls, folder: Path, given: Path) -> Connection:
        """Raises OSError, ValueError, KeyError, RegisterBrokenError."""
        told = json.loads((given / "network.json").read_bytes())
        return cls(
            agency=told["agency"],
            host=told["host"],
            port=told["port"],
            folder=folder,
            ca=given / told["ca"],
            issued=given / told["certificates"],
            lists=given / told["permission_lists"],
            network=told["network"],
            resident_network=told["resident_network"],
            register=StandingRegister(given / told["register"], bytes.fromhex(told["register_root"])),
        )

    @property
    def signer(self) -> Signer:
        """By the newest of our keys that the register in force names without an end. Raises KeyError, OSError, ValueError when it names none."""
        return self._newest("signing", self.register().agencies[self.agency].signing_keys)

    def _newest(self, purpose: str, named: PublicKeys) -> Signer:
        """Raises ValueError."""
        own = {one.public_key: one for one in map(_signer, self.folder.glob(f"{purpose}*.seed"))}
        fitting = [own[one.key] for one in named if one.valid_to is None and one.key in own]
        if not fitting:
            raise ValueError(f"the register names none of our {purpose} keys")
        return fitting[-1]

    async def renew_register(self, asker: Asker) -> Looked:
        """Ask the network for a newer register, take it if its owner has signed it, and keep it in its file. Raises ChannelError, OSError."""
        data = await asker.register(self.register().sequence)
        return self.register.looked() if data is None else self.register.offered(data)

    async def renew_lists(self, asker: Asker) -> bool:
        """Ask the network for the versions of the permission list behind those held, and keep in the file what is acceptable. False: something was offered that is not.

        Raises ChannelError, OSError, ValueError (MessageBrokenError among them: the file itself is broken).
        """
        held: list[Mapping[str, str]] = json.loads(self.lists.read_bytes())["versions"]
        while offered := await asker.list_versions(len(held)):  # the numbers of versions begin with 1 and have no gap
            known, held = len(held), with_offered(held, offered, self.register().list_keys)
            if len(held) > known:
                durable_file.write(self.lists, json.dumps({"versions": held}).encode())
            if len(held) < known + len(offered):
                return False
        return True

    def record(self) -> Record:
        """The agency's own log, in its own folder. Raises OSError."""
        origin = next(one for one in self.register().logs if one.endswith(f"/{self.agency}/intermediate"))
        return Record(self.folder / "log", self.agency, origin, self._newest("log", self.register().logs[origin]))

    def list_in_force(self, now: datetime) -> List:
        """The list that counts now; its digest is the `list_digest` of a request. Raises OSError, ValueError, MessageBrokenError.

        Also when the register names a version that counts by now and the file has not: nothing is decided by the one before it (docs/adr/0071).
        """
        register = self.register()
        found = list_in_force(json.loads(self.lists.read_bytes())["versions"], register.list_keys, now)
        due = register.list_due(legal_day(now))
        if due is not None and due.content_digest != found.digest:
            raise MessageBrokenError(
                "the register names another version of the permission list: ask for it at /list-versions"
            )
        return found

    def identity(self, use: str) -> Identity:
        """Our key, and of the certificates that were issued for it the one that lasts longest. Raises FileNotFoundError."""
        key = self.folder / f"{use}.key.pem"
        own = serialization.load_pem_private_key(key.read_bytes(), None).public_key()
        found = [(x509.load_pem_x509_certificate(path.read_bytes()), path) for path in self.issued.glob(f"{use}-*.pem")]
        fitting = [(one.not_valid_after_utc, path) for one, path in found if one.public_key() == own]
        if not fitting:
            raise FileNotFoundError(f"no certificate for {use} has been handed over yet")
        return Identity(certificate=max(fitting)[1], key=key, ca=self.ca)

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Asker]:
        """An asker with the certificate of the agency's intermediate server."""
        async with channel.session(tls.client_context(self.identity("intermediate"), self.ca)) as client:
            yield Asker(
                agency=self.agency, client=client, signer=self.signer, core=self.network, interface=self.network
            )

    async def ask_for_code(self, number: str, individual_number: str, *, patience_s: float = 20.0) -> None:
        """IF_FGU_90007, as the agency's linkage server: the code arrives at `/codes` under this acquisition number (`Mailbox.new_number`).

        Asks again under the same number while the answer is `retry` (the network did not reach our server, say). Raises NotYetError, CodeRefusedError.
        """
        body = envelope([{"acquisition_number": number, "individual_number": individual_number}])
        async with channel.session(tls.client_context(self.identity("linkage"), self.ca)) as client:

            async def once() -> dict[str, Any]:
                answer = await channel.post(client, f"{self.resident_network}/code-requests", body, timeout_s=20)
                found: dict[str, Any] = msgspec.json.decode(answer)["items"][0]
                return found

            said = await insisting(once, patience_s)
        if not said.get("accepted"):
            raise CodeRefusedError(str(said["refused"]["reason"]))
