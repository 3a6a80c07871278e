"""Acts of staff: log-in and out, what is refused, members and grants, the first of two approvals. The server may die at any commit of theirs."""

from __future__ import annotations

import asyncio
import base64
import io
import secrets
from dataclasses import dataclass, replace
from typing import Any

import pytest

from codebook.identifiers import new_sortable_id
from evidence.orders import OrderKind
from gateway import backup_keys, staff_calls, staff_cards
from gateway.demonstration.callers import Staff, UnexpectedAnswerError, Worker
from gateway.demonstration.stage import WARD
from gateway.staff_cards import StaffSecrets
from keys.signing import Signer, generate_seed
from storage.backups import filling
from tests.fault.acts import Prepare, Trial, at_once, the_ward_releases
from tests.support.running_system import entries, insisting, until
from transport.channel import ChannelError

UNTIL = "2026-04-01T00:00:00Z"
LATER = "2027-04-01T00:00:00Z"


@dataclass(slots=True, kw_only=True)
class At:
    """A person at the ward's terminal."""

    trial: Trial
    worker: Worker

    async def call(self, path: str, *items: Any) -> Any:
        async with self.staff() as staff:
            found = await insisting(lambda: staff.items(f"/{WARD}/{path}", list(items)))
        return found[0] if items else found

    async def refused(self, path: str, item: Any, *reasons: str) -> Any:
        """The same, where a call that was made before the server died may have done it already."""
        try:
            return await self.call(path, item)
        except UnexpectedAnswerError as problem:
            if not str(problem).endswith(reasons):
                raise
            return None

    def staff(self) -> Staff:
        running = self.trial.system.running
        return Staff(running.url("intermediate"), running.staff(WARD), self.worker)

    async def proof(self, purpose: str) -> dict[str, str]:
        async with self.staff() as staff:
            return await insisting(lambda: staff.prove(purpose))


def first(trial: Trial, staff_id: str) -> At:
    known = trial.system.stage.worker(WARD, staff_id)
    worker = Worker(agency=WARD, staff_id=staff_id, known=known.known, card=known.card)
    return At(trial=trial, worker=worker)


async def somebody_logs_in_and_out(trial: Trial) -> None:
    person = first(trial, "staff-2")
    async with person.staff() as staff:
        await insisting(staff.log_in)
        await insisting(lambda: staff.items(f"/{WARD}/held-provisions", []))
        token = person.worker.token
        await person.refused("staff/log-out", {}, "401 session_ended")
    assert await _over(person, token)
    log = entries(await trial.system.export(WARD))
    kinds = [one["kind"] for one in log if one.get("actor") == "staff-2"]
    assert {"staff.logged_in", "staff.operated", "staff.logged_out"} <= set(kinds)


async def somebody_opens_too_many_sessions(trial: Trial) -> None:
    """The oldest ends, and the log says so once (SC-7)."""
    person = first(trial, "staff-1")
    opened = len(entries(await trial.system.export(WARD), kind="staff.logged_in"))
    for _ in range(6):
        async with person.staff() as staff:
            await insisting(staff.log_in)

    async def ended() -> list[dict[str, Any]]:
        return [
            one
            for one in entries(await trial.system.export(WARD), kind="staff.session_ended")
            if one["actor"] == "staff-1" and one["facts"]["how"] == "superseded"
        ]

    assert await until(ended, lambda found: found and len(found) == len({one["facts"]["opened_at"] for one in found}))
    assert len(entries(await trial.system.export(WARD), kind="staff.logged_in")) >= opened + 6


async def _over(person: At, token: str) -> bool:
    """Whether a session is over: asked by somebody who does not log in anew."""
    async with person.staff() as staff:
        try:
            await insisting(lambda: staff._request("POST", f"/{WARD}/held-provisions", {"items": []}, token))
        except UnexpectedAnswerError as problem:
            return str(problem).endswith("401 session_ended")
    return False


async def somebody_is_not_let_in(trial: Trial) -> None:
    """A refusal is on record for every call that was answered with it, and for no more than were made."""
    before = len(entries(await trial.system.export(WARD), kind="staff.refused"))
    nobody = Worker(
        agency=WARD,
        staff_id=f"nobody-{secrets.token_hex(4)}",
        known=StaffSecrets(password="not a password", passphrase=""),
        card=Signer(generate_seed()),
    )
    made = 0
    async with At(trial=trial, worker=nobody).staff() as staff:

        async def once() -> str:
            nonlocal made
            made += 1
            try:
                await staff.log_in()
            except UnexpectedAnswerError as problem:
                if str(problem).endswith("401 login_refused"):
                    return "refused"
                raise
            return "let in"

        assert await insisting(once) == "refused"
    assert 1 <= len(entries(await trial.system.export(WARD), kind="staff.refused")) - before <= made


async def somebody_comes_and_is_given_a_right(trial: Trial) -> None:
    """Whatever died on the way: one member, one grant, which works after the second person and not after its revocation."""
    one, other = first(trial, "admin-1"), first(trial, "admin-2")
    card = Signer(generate_seed())
    known = StaffSecrets(password=secrets.token_urlsafe(18), passphrase="")
    worker = Worker(agency=WARD, staff_id=f"new-{trial.nth}-{secrets.token_hex(4)}", known=known, card=card)
    person = At(trial=trial, worker=worker)
    await one.refused(
        "staff/members/change",
        {
            "operation": "add", "staff_id": worker.staff_id, "office": "zeimu", "valid_until": UNTIL, "password": known.password,
            "card_key": base64.b64encode(card.public_key).decode(),
        },
        "409 staff_id_taken",
    )  # fmt: skip
    await _own_password(person)
    asked = {
        "event": "request", "grant_id": new_sortable_id("G", 0, secrets.token_bytes(10)), "staff_id": worker.staff_id,
        "scope": {"function": "held.view", "office": "zeimu", "valid_until": UNTIL},
    }  # fmt: skip
    grant = await one.call("staff/grants/ask", asked)
    assert await person.refused("held-provisions", {"permit_id": "K0"}, "403 right_missing") is None
    shown = {name: grant[name] for name in ("grant_id", "content_hash")}
    approval = {"event": "approve", **shown}
    await _approve(other, "staff/grants/check", approval, f"approve/{grant['grant_id']}", "409 grant_state")
    await person.call("held-provisions")
    wanted = {"staff_id": worker.staff_id, "valid_until": LATER, "cards": []}
    longer = {**wanted, "extension_id": new_sortable_id("X", 0, secrets.token_bytes(10))}
    proposed = await one.call("staff/extensions/ask", longer)
    shown = {name: proposed[name] for name in ("extension_id", "content_hash")}
    purpose = f"approve_extension/{shown['extension_id']}"
    await _approve(other, "staff/extensions/check", {**shown, "approve": True}, purpose, "409 extension_state")
    [account] = [row for row in await one.call("staff/members") if row["staff_id"] == worker.staff_id]
    assert account["valid_until"].startswith(LATER[:10])
    await one.refused("staff/grants/ask", {"event": "revoke", "grant_id": grant["grant_id"]}, "409 grant_state")
    assert await person.refused("held-provisions", {"permit_id": "K0"}, "403 right_missing") is None
    found = [row for row in await one.call("staff/grants") if row["staff_id"] == worker.staff_id]
    assert [(row["state"], row["approved_by"]) for row in found] == [("revoked", "admin-2")]
    log = entries(await trial.system.export(WARD))
    of_them = [row for row in log if row.get("facts", {}).get("holder") == worker.staff_id]
    for kind, operation, events in (
        ("staff.grant_changed", None, ["request", "approve", "revoke"]),
        ("staff.changed", "extend", ["propose", "approve"]),
    ):
        facts = [row["facts"] for row in of_them if row["kind"] == kind]
        assert [one["event"] for one in facts if one.get("operation") == operation] == events


async def _own_password(person: At) -> None:
    """A proof is good once: after a death the person shows both factors again, unless the old password is no good any more."""
    worker, fresh = person.worker, secrets.token_urlsafe(18)
    async with person.staff() as staff:
        await insisting(staff.log_in)
    for _ in range(2):
        item = {"proof": await person.proof("password"), "new_password": fresh}
        try:
            await person.call("staff/password", item)
        except UnexpectedAnswerError as problem:
            if not str(problem).endswith("401 login_refused"):
                raise
        else:
            break
    worker.known, worker.token = StaffSecrets(password=fresh, passphrase=""), ""
    async with person.staff() as staff:
        await insisting(staff.log_in)


async def _approve(by: At, path: str, item: dict[str, Any], what: str, done: str) -> None:
    """A proof is good once: after a death the approver shows both factors again. `done`: why not, when it is approved already."""
    for _ in range(2):
        proved = {**item, "proof": await by.proof(f"{what}/{item['content_hash']}")}
        try:
            await by.call(path, proved)
        except UnexpectedAnswerError as problem:
            if str(problem).endswith(done):
                return
            if not str(problem).endswith("401 login_refused"):
                raise
        else:
            return
    raise AssertionError("the approval does not come through")


async def an_administrator_makes_a_backup(trial: Trial) -> None:
    """A backup that broke off has no end; the one that came through is good, and each that was begun is on record."""
    person = first(trial, "admin-1")
    begun = 0

    async def once() -> bytes:
        nonlocal begun
        begun += 1
        item = {"proof": await person.proof("backup")}
        async with person.staff() as staff:
            return await staff._call("POST", f"/{WARD}/backups", {"items": [item]})

    made = await insisting(once)
    _read(trial, made, "intermediate")
    said = [row["facts"]["event"] for row in entries(await trial.system.export(WARD), kind="backup.made")]
    assert said[-1] == "made"
    assert 1 <= said.count("begun") <= begun + said.count("made")


async def an_administrator_has_the_linkage_server_backed_up(trial: Trial) -> None:
    """Each try takes an order of its own: one that was carried out is good for nothing more, whether its backup came through or not."""
    person = first(trial, "admin-1")
    running = trial.system.running
    party = staff_calls.party(running.data, WARD, "admin-1")
    linkage = replace(party, url=running.url("linkage"), prefix="")
    orders: list[str] = []

    async def once() -> bytes:
        item = {"act": OrderKind.BACKUP_MAKE.value, "database": "linkage"}
        proof = await person.proof("backup_make/linkage")
        async with person.staff() as staff:
            [signed] = await staff.items(f"/{WARD}/backup-orders", [{**item, "proof": proof}])
        orders.append(signed["order"])
        try:
            return await asyncio.to_thread(
                staff_calls.answer_for, linkage, f"/backups/{WARD}", signed["order"].encode()
            )
        except staff_calls.NotReachableError:
            raise ChannelError("peer_unreachable") from None

    _read(trial, await insisting(once), "linkage")
    with pytest.raises(staff_calls.RefusedError, match="order_carried_out"):
        await asyncio.to_thread(staff_calls.answer_for, linkage, f"/backups/{WARD}", orders[-1].encode())
    made = [row["facts"] for row in entries(await trial.system.linkage_log(), kind="backup.made")]
    assert made[-1]["event"] == "made"


def _read(trial: Trial, made: bytes, database: str) -> None:
    running = trial.system.running
    known = staff_cards.read_secrets(running.data.backup_secrets(WARD, 1))
    assert known is not None
    private = backup_keys.open_private(running.data, WARD, 1, known.passphrase)
    log_keys = running.role("intermediate").register.logs[f"sekisho.example/{WARD}/{database}"]
    assert filling.verify(io.BytesIO(made), private, log_keys)["log_entry"] > 0


STAFF_ACTS: dict[str, Prepare] = {
    **dict.fromkeys(
        (
            "intermediate.commit.staff.attempt", "intermediate.commit.staff.proved", "intermediate.commit.staff.logged_in",
            "intermediate.commit.staff.operated", "intermediate.commit.staff.logged_out",
        ),
        at_once(somebody_logs_in_and_out),
    ),
    "intermediate.commit.staff.session_ended": at_once(somebody_opens_too_many_sessions),
    "intermediate.commit.staff.refused": at_once(somebody_is_not_let_in),
    "intermediate.commit.backup.begun": at_once(an_administrator_makes_a_backup),
    "intermediate.commit.backup.made": at_once(an_administrator_makes_a_backup),
    **dict.fromkeys(
        ("intermediate.commit.backup.ordered", "linkage.commit.backup.begun", "linkage.commit.backup.made"),
        at_once(an_administrator_has_the_linkage_server_backed_up),
    ),
    "intermediate.commit.provision.approved": at_once(the_ward_releases),
    **dict.fromkeys(
        (
            "intermediate.commit.staff.member_changed", "intermediate.commit.staff.own_changed",
            "intermediate.commit.staff.grant_changed", "intermediate.commit.staff.extension_changed",
        ),
        at_once(somebody_comes_and_is_given_a_right),
    ),
}  # fmt: skip
"""Step (a point without its side) → the act that passes it."""
OPTIONS = {
    "intermediate": {
        "staff_two_person_release": ["*"],
        "staff_failures": 1000,
        "staff_terminal_failures": 1000,
        "held_escalate_s": 30 * 24 * 3600,
    }
}
"""For the world of the kill test: the ward wants two people, nobody is locked out by what a dying server does not hear, and what is held is escalated at once."""
