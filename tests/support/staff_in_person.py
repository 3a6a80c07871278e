"""Members of staff with a password and a card of their own, as flows meet them: they log in, are let in, and show both factors (SC-10)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from gateway.intermediate_server.staff import entering, factors, granting, operating, store
from gateway.intermediate_server.staff.desk import StaffDesk
from gateway.intermediate_server.staff.entering import LogInItem, Proof
from gateway.intermediate_server.staff.factors import Asked
from gateway.intermediate_server.staff.operating import Acting
from gateway.intermediate_server.staff.people import Card, CardKind, CardState, Member, MemberState
from gateway.intermediate_server.staff.rights import EVERYTHING, Actor, Function, Grant, GrantState, Scope
from keys import labels
from keys.signing import Signer, generate_seed
from storage.committer import Commit, commit_step
from transport.problem import ProblemError

TERMINAL: Final = b"terminal"
OFFICE: Final = "kokuho"
_STEP = commit_step("test", "staff_in_person")
_FOR: Final = timedelta(days=365 * 30)
_ADMINISTRATORS: Final = tuple(Actor(staff_id=one, card_id=f"card-{one}") for one in ("admin-1", "admin-2"))
"""Those of tests.support.staff_at_work."""


@dataclass(kw_only=True)
class InPerson:
    """`grants`: by function."""

    desk: StaffDesk
    staff_id: str
    card: Signer = field(default_factory=lambda: Signer(generate_seed()))
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    token: str = ""
    grants: dict[Function, Grant] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.desk.agency.clock()

    @property
    def card_id(self) -> str:
        return factors.card_id_of(self.card.public_key)

    def proof(self, purpose: str) -> Proof:
        asked = Asked(agency=self.desk.agency.id, staff_id=self.staff_id, certificate=TERMINAL, purpose=purpose)
        challenge = factors.new_challenge(self.desk.ring, asked, self.now, self.desk.rules.challenge_for)
        statement = factors.card_statement(asked.agency, self.staff_id, purpose, challenge)
        return Proof(
            password=self.password, challenge=challenge, signature=self.card.sign(labels.STAFF_CARD, statement)
        )

    async def log_in(self) -> str:
        """The session's token, which is used from now on."""
        item = LogInItem(staff_id=self.staff_id, proof=self.proof(entering.LOG_IN), reason="administration")
        self.token = (await entering.log_in(self.desk, item, TERMINAL, self.now))["session"]
        return self.token

    async def let_in(self, function: Function | None) -> Acting:
        return await operating.admit(self.desk, {"Authorization": f"Bearer {self.token}"}, TERMINAL, function)


async def enrol(desk: StaffDesk, *functions: Function) -> InPerson:
    """Somebody new with these rights, whom set-up has made; not logged in."""
    who, since = InPerson(desk=desk, staff_id=f"new-{secrets.token_hex(6)}"), desk.agency.clock()
    hashed = factors.hash_password(who.password, desk.profile)
    member = Member(
        staff_id=who.staff_id, office=OFFICE, state=MemberState.ACTIVE, password_hash=hashed, password_initial=False,
        password_until=since + _FOR, valid_until=since + _FOR, version=1,
    )  # fmt: skip
    card = Card(
        card_id=who.card_id, staff_id=who.staff_id, kind=CardKind.KEY, public_key=who.card.public_key, credential=None, sign_count=0,
        valid_until=since + _FOR, state=CardState.ACTIVE,
    )  # fmt: skip
    who.grants = {one: _grant(desk, who.staff_id, one, since) for one in functions}
    rights = tuple(store.add_grant(desk.agency, one) for one in who.grants.values())
    await desk.agency.committer.apply(
        Commit(
            step=_STEP,
            guard=store.add_member(desk.agency, member, "set-up"),
            follow=(store.add_card(desk.agency, card), *rights),
        )
    )
    return who


async def at_work(desk: StaffDesk, *functions: Function) -> InPerson:
    """Somebody new with these rights, logged in."""
    who = await enrol(desk, *functions)
    await who.log_in()
    return who


async def mark_anew(desk: StaffDesk) -> None:
    """What a test has changed in the database is as the server writes it."""
    await desk.agency.committer.apply(Commit(step=_STEP, follow=tuple(await store.marks_of_before(desk.agency))))


def _grant(desk: StaffDesk, staff_id: str, function: Function, since: datetime) -> Grant:
    scope = Scope(
        function=function, office=OFFICE, affair=EVERYTHING, information=EVERYTHING, file=EVERYTHING, valid_from=since, valid_until=since + _FOR
    )  # fmt: skip
    return Grant(
        grant_id=desk.agency.new_id(granting.GRANT_PREFIX, since), staff_id=staff_id, scope=scope, state=GrantState.EFFECTIVE, version=1,
        requested=_ADMINISTRATORS[0], approved=_ADMINISTRATORS[1], approved_digest="seen",
    )  # fmt: skip


class _Turn(asyncio.Semaphore):
    """None until it is released; `came`: somebody waits for it."""

    def __init__(self) -> None:
        super().__init__(0)
        self.came = asyncio.Event()

    async def acquire(self) -> Literal[True]:
        self.came.set()
        return await super().acquire()


@asynccontextmanager
async def factors_wait(desk: StaffDesk, call: Coroutine[Any, Any, Any]) -> AsyncIterator[asyncio.Task[Any]]:
    """The call stands where its password waits for its turn, until the block ends; whoever shows theirs inside the block has another turn."""
    turns, turn = desk.hashing, _Turn()
    desk.hashing = turn
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(_told(call))
        async with asyncio.timeout(10):
            await turn.came.wait()
        desk.hashing = turns
        yield waiting
        turn.release()


async def _told(call: Coroutine[Any, Any, Any]) -> Any:
    """What came of it: the answer, or the problem."""
    try:
        return await call
    except ProblemError as problem:
        return problem
