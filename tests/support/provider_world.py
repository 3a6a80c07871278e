"""The provider's side of one agency on a real database, at any instant: people with codes and copies, permits as the core writes them, staff at work.

`now` is an argument everywhere, so deadlines and windows are tested on their second. The core and the inquirer are their keys: what they
sign is made by their own codecs, and what comes back is judged by the inquirer's own check.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp

from adapters.jlis_mock.core.permit_token import PermitClaims, write_permit
from codebook.identifiers import new_sortable_id
from evidence.canonical import timestamp
from gateway.intermediate_server import staff_routes
from gateway.intermediate_server.agency import HostedAgency, Limits
from gateway.intermediate_server.bars.standing import StandingBars
from gateway.intermediate_server.bars.told import Told
from gateway.intermediate_server.codes.binding import kept_code
from gateway.intermediate_server.inquiry import registering
from gateway.intermediate_server.inquiry.asking import Believed, Payload, believe, read_payload, read_permit_for
from gateway.intermediate_server.lists.in_force import Lists, ListShelf
from gateway.intermediate_server.network.wire import Asked, ProvisionItem, exchange_digest
from gateway.intermediate_server.provision import deadlines, deciding, flow, held
from gateway.intermediate_server.provision.deciding import HeldDecision
from gateway.intermediate_server.provision.withholding import Withheld
from gateway.intermediate_server.replica import registration
from gateway.intermediate_server.replica.registration import ReplicaItem
from gateway.intermediate_server.staff import barring
from gateway.intermediate_server.staff.desk import StaffDesk, open_desk
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.people import Rules
from gateway.intermediate_server.staff.rights import Function
from gateway.setting_up.list_versions import sign_shipped
from gateway.topology import shipped
from keys import labels
from keys.masked import Secret
from keys.passphrase import CHEAPEST
from keys.sealing import OneTimeKey, key_hash, new_one_time_key
from keys.signing import Signer, generate_seed
from permission_lists import versions
from storage.committer import Committer
from storage.committing import commit
from storage.database import Database
from storage.erasure_journal import ErasureJournal
from storage.key_store import KeyStore
from storage.migrations import Login, Tenant, migrate
from storage.reference_data import read_layouts
from tests.support import staff_at_work
from transport.channel import Channel
from transport.register import Register, sign_register

PROVIDER, INQUIRER, OTHER = "setagaya", "suginami", "kyokai-kenpo"
ITEM = {INQUIRER: "27", OTHER: "2"}
BASIS, INFORMATION = "beppyo2-2022", "医療保険給付関係情報"
NOON = datetime.fromisoformat("2022-10-03T03:00:00+00:00")
"""Noon in Japan on a day on which 別表第二 is in force."""
LIMITS = Limits(
    answer_within=timedelta(days=3),
    keep_result=timedelta(days=7),
    resend_after=timedelta(seconds=5),
    acquisition_within=timedelta(days=1),
    replaced_code_for=timedelta(days=30),
    escalate_before=timedelta(days=1),
    statistics_threshold=10,
    jobs_kept_for=timedelta(days=90),
    ended_kept_for=timedelta(days=456),
)
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Question:
    """One permitted inquiry: what arrives at the provider, and what the inquirer needs to judge the answer."""

    item: ProvisionItem
    asked: Asked
    permit_id: str
    key: OneTimeKey


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What came back: the outcome's disposition and reason in clear, and the opened payload (None: nothing was sealed)."""

    disposition: str
    reason: str | None
    payload: Payload | None
    outcome: dict[str, Any]


@dataclass(kw_only=True)
class ProviderWorld:
    agency: HostedAgency
    core: Signer
    signers: dict[str, Signer]
    desk: StaffDesk
    registers: list[Register]
    """The last one is in force."""
    now: datetime = NOON
    codes: dict[str, bytes] = field(default_factory=dict)

    # --- people and their copies

    async def person(self) -> str:
        """Somebody new with a code; returns the integrated number."""
        number = f"{next(_NUMBERS):015d}"
        code = self.codes[number] = secrets.token_bytes(48)
        await self.execute(
            "insert into person_code (acquisition_index, integrated_number, expires_at, code_index, code_sealed, bound_at) values ($1, $2, $3, $4, $5, $3)",
            secrets.token_bytes(32), number, NOON, *kept_code(self.agency, number, code),
        )  # fmt: skip
        return number

    async def copy(self, number: str, data_set: str, items: dict[str, str], **changes: Any) -> str:
        """Register one copy; an item that is empty is 未設定 (NotApplicable). Returns its record id."""
        record = ReplicaItem(
            record_id=changes.pop("record_id", f"r-{next(_NUMBERS)}"),
            operation="register",
            integrated_number=number,
            information=INFORMATION,
            data_set=data_set,
            version=changes.pop("version", "0001"),
            public_from=changes.pop("public_from", date(2020, 4, 1)),
            auto_response=changes.pop("auto_response", "allowed"),
            items={
                name: {"value": value} if value else {"null_reason": "NotApplicable"} for name, value in items.items()
            },
            **changes,
        )
        answer = (await registration.register(self.agency, [record], self.now))[0]
        assert answer == {"registered": True}, answer
        return record.record_id

    # --- questions and answers

    def question(
        self,
        number: str,
        *,
        inquirer: str = INQUIRER,
        item: str = "",
        items: Iterable[str] = (),
        permit_id: str = "",
        **more: Any,
    ) -> Question:
        """A question with the core's permit for it. `permit_id`: a dishonest core has given that id before; `public_key`: none that opens the answer."""
        key = new_one_time_key()
        public_key = more.pop("public_key", key.public)
        asked = Asked(
            basis=more.pop("basis", BASIS),
            expires_at=timestamp(self.now + LIMITS.answer_within),
            information=more.pop("information", INFORMATION),
            inquirer=inquirer,
            inquiry_number=self._id("Q"),
            item=item or ITEM[inquirer],
            items=tuple(sorted(items)),
            key_hash=key_hash(public_key).hex(),
            list_digest=self.agency.lists.on(self.agency.today(self.now)).digest,
            provider=PROVIDER,
            **more,
        )
        request = asked.encode()
        nonce, code = secrets.token_bytes(32), self.codes[number]
        said = {name: value for name, value in json.loads(request).items() if name not in ("v", "expires_at")}
        claims = PermitClaims(
            **said,
            permit_id=permit_id or self._id("K"),
            request_digest=sha256(request).hexdigest(),
            code_binding=sha256(nonce + code).hexdigest(),
            issued_at=timestamp(self.now),
            redeem_by=timestamp(self.now + timedelta(minutes=5)),
            answer_by=asked.expires_at,
        )
        arriving = ProvisionItem(
            permit=write_permit(claims, self.core),
            public_key=public_key,
            request=request,
            signature=self.signers[inquirer].sign(labels.INQUIRY, request),
            code=code,
            nonce=nonce,
        )
        return Question(item=arriving, asked=asked, permit_id=claims.permit_id, key=key)

    def _id(self, prefix: str) -> str:
        return new_sortable_id(prefix, int(self.now.timestamp() * 1000), secrets.token_bytes(10))

    async def told(self, question: Question) -> dict[str, Any]:
        """What the provider says now, as it leaves."""
        answer: dict[str, Any] = (await flow.provide(self.agency, [question.item], self.now))[0]
        return answer

    async def ask(self, question: Question) -> Answered:
        """What the provider answers now, as the inquirer judges it."""
        answer = await self.told(question)
        assert "refused" not in answer, answer
        return self.judged(question, answer["outcome"], answer["signature"], answer["sealed"])

    def judged(self, question: Question, outcome: bytes, signature: bytes, sealed: bytes | None) -> Answered:
        register, item, now = self.agency.register(), question.item, self.now
        permit = read_permit_for(register, item.permit, item.request, now)
        digest = exchange_digest(item.permit, item.request, item.public_key, item.signature)
        found = believe(register, permit, digest, outcome, signature, sealed, question.key.private, now)  # type: ignore[arg-type]
        assert isinstance(found, Believed), found
        payload = None if found.payload is None else read_payload(found.payload)
        said = json.loads(outcome)
        return Answered(disposition=said["disposition"], reason=said["reason"], payload=payload, outcome=said)

    async def later(self, question: Question) -> Answered:
        """What the provider's row says by now."""
        row = (
            await self.fetch(
                "select outcome, signature, sealed from provision where permit_id = $1", question.permit_id
            )
        )[0]
        return self.judged(question, row["outcome"], row["signature"], row["sealed"])

    # --- staff

    def staff(self, staff_id: str, function: Function | None = None) -> Acting:
        """A member of staff with every right, at work."""
        return staff_at_work.acting(self.desk, staff_id, NOON, function)

    async def bar(self, place: str = "person", by: str = "staff-1", **said: Any) -> dict[str, Any]:
        item = barring.SetItem(
            bar_id=self._id("B"), place=barring.Place(place), cause=barring.Cause.SUPPORT_MEASURES,
            effect=barring.Effect(said.pop("effect", "hold")), **said,
        )  # fmt: skip
        return await barring.set_bar(self.staff(by, Function.BARS_CHANGE), item, self.now)

    async def change_bar(self, bar_id: str, event: Any, by: str = "staff-1") -> dict[str, Any]:
        item = barring.ChangeItem(bar_id=bar_id, event=event)
        return await barring.change(self.staff(by, Function.BARS_CHANGE), item, self.now)

    async def held(self, permit_id: str, withheld: Iterable[Withheld] = (), by: str = "staff-1") -> dict[str, Any]:
        """What somebody is shown of it."""
        row = await held.one(self.agency, permit_id, lambda *_: True)
        return await held.shown(self.agency, row, list(withheld), by, self.now)

    async def decide(self, permit_id: str, content_hash: str = "", by: str = "staff-1", **said: Any) -> dict[str, Any]:
        """Release (with the hash that was shown) or refuse (without)."""
        decider = staff_routes.decider(self.staff(by, Function.HELD_DECIDE))
        decision = HeldDecision(
            permit_id=permit_id, approve=bool(content_hash), content_hash=content_hash, reason="" if content_hash else "refused_by_staff", **said
        )  # fmt: skip
        return await deciding.decide(self.agency, decision, decider, self.now)

    async def time_passes(self) -> None:
        """What the broom does with held provisions."""
        await deadlines.escalate(self.agency, self.now)
        await deadlines.expire(self.agency, self.now)

    # --- looking inside

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        async with self.agency.database.inside(self.agency.tenant) as connection:
            return list(await connection.fetch(query, *arguments))

    async def execute(self, query: str, *arguments: Any) -> None:
        await self.fetch(query, *arguments)

    async def entries(self, number: str | None = None) -> list[dict[str, Any]]:
        """The log's entries, of one inquiry or all of them, in order."""
        query = "select body from log_entry where $1::text is null or inquiry_number = $1 order by year, idx"
        return [json.loads(row["body"]) for row in await self.fetch(query, number)]


def _register(signers: dict[str, Signer], core: Signer, lists: Signer, root: Signer, more: dict[str, Any]) -> Register:
    agencies = [
        {
            "id": one.id, "code": one.code, "name": one.name, "kinds": list(one.kinds), "assessed": one.assessed,
            "signing_key": signers[one.id].public_key.hex(),
        }
        for one in shipped().agencies.values()
    ]  # fmt: skip
    body = {
        "agencies": agencies, "certificates": [], "logs": [], "permit_key": core.public_key.hex(), "list_key": lists.public_key.hex(), **more,
    }  # fmt: skip
    return Register.read(sign_register(body, root), root.public_key)


async def _prepared(cluster_dsn: str, mark: str) -> tuple[str, Database]:
    """A tenant of the provider, and the database under a login of its own."""
    tenant = f"a_setagaya{mark}_intermediate"
    login = Login(name=f"im{mark}", password="p", tenants=(tenant,))
    packages = ("storage.evidence_log", "gateway.intermediate_server")
    await migrate(cluster_dsn, [Tenant(schema=tenant, packages=packages)], [login])
    head, _, tail = cluster_dsn.partition("?")
    scheme, _, rest = head.partition("://")
    place = rest.rpartition("@")[2].rsplit("/", 1)[0]
    return tenant, await Database.open(f"{scheme}://{login.name}:p@{place}/sekisho?{tail}", connections=4)


@asynccontextmanager
async def provider_world(
    folder: Path, cluster_dsn: str, *, mark: str, rules: Rules | None = None, register: dict[str, Any] | None = None
) -> AsyncIterator[ProviderWorld]:
    """`register`: more of the register's body, such as delegations."""
    tenant, database = await _prepared(cluster_dsn, mark)
    keys = KeyStore.create(folder / f"keys{mark}.json", Secret(b"passphrase"), profile="cheapest")
    for purpose in ("signing", "log", "codes", "replicas", "staff", "erased"):
        keys.ensure(purpose)
    signers = {one: Signer(generate_seed()) for one in shipped().agencies}
    signers[PROVIDER] = keys.ring.signer("signing")
    core, publisher, root = (Signer(generate_seed()) for _ in range(3))
    backup = new_one_time_key()
    found = [_register(signers, core, publisher, root, register or {})]
    worlds: list[ProviderWorld] = []

    def clock() -> datetime:
        return worlds[0].now if worlds else NOON

    committer = Committer(
        database,
        tenant,
        origin="sekisho.example/setagaya/intermediate",
        signer=partial(keys.ring.signer, "log"),
        clock=clock,
    )
    lists = Lists(ListShelf(lambda: found[-1]), clock)
    for signed in sign_shipped(publisher):
        head = versions.check(signed, lists.heads, found[-1].list_keys)
        assert isinstance(head, versions.Head)
        lists.hold(head, signed)
    async with database.inside(tenant) as connection:
        await connection.execute("delete from bar")  # of a world before this one: sealed by another ring
        heads = await connection.fetch("select year, size - 1 as last from log_head")
    bars = StandingBars(told=Told({head["year"]: head["last"] for head in heads}))
    await bars.read_again(database, tenant, keys.ring, PROVIDER)
    async with aiohttp.ClientSession() as client:
        channel = Channel(client, "https://127.0.0.1:1/", name="nowhere")
        agency = HostedAgency(
            id=PROVIDER, tenant=tenant, database=database, known=registering.look_of(database), committer=committer, keys=keys, register=lambda: found[-1],
            lists=lists, layouts=read_layouts(), limits=LIMITS, clock=clock, permits=channel, inquiries=channel, late_outcomes=channel,
            list_versions=channel, held_checkpoints=channel, code_epochs=channel, code_renewals=channel, circuits=(), erasures=ErasureJournal.beside(folder / f"keys{mark}.json", keys.ring),
            backup_key=lambda: backup.public, peer_note=lambda _note: None, bars=bars,
        )  # fmt: skip
        desk = open_desk(agency, replace(rules or Rules(), profile=CHEAPEST, origins=frozenset({"https://localhost"})))
        worlds.append(ProviderWorld(agency=agency, core=core, signers=signers, desk=desk, registers=found))
        working = asyncio.create_task(commit([committer]))
        await staff_at_work.enter(desk, ("staff-1", "staff-2", "staff-9"), NOON)
        try:
            yield worlds[0]
        finally:
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working
            await database.close()
