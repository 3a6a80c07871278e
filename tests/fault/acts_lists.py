"""Acts of the kill test for versions of the permission list: published, refused, fetched, taken, each once."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from gateway.demonstration.stage import WARD
from gateway.setting_up.authority import open_authority
from keys.signing import Signer, generate_seed
from permission_lists.versions import SignedVersion, make, read_documents, read_head
from storage import list_files
from tests.fault.acts import Act, Prepare, Trial, at_once
from tests.support.running_system import System, entries, insisting, until
from transport.clock import Clock

OPTIONS: Final = {"list_poll_s": 0.5}
FAR_AHEAD: Final = date(2030, 1, 1)
"""So that no other act is decided by a list of these acts."""


@dataclass(frozen=True)
class Made:
    number: int
    version: SignedVersion

    @property
    def item(self) -> dict[str, str]:
        return {
            name: base64.b64encode(getattr(self.version, name)).decode() for name in ("head", "signature", "content")
        }


def next_version(system: System, note: str, signer: Signer | None = None) -> Made:
    """The version after the newest of the data folder, with content of its own."""
    data = system.running.data
    newest = list_files.read(data.lists)[-1]
    head = read_head(newest.head)
    assert head is not None
    documents = read_documents(newest.content)
    documents[0]["basis"]["text_note"] = note
    publisher = signer or open_authority(data.authority, Clock()()).lists
    version = make(
        documents, number=head.number + 1, valid_from=FAR_AHEAD, supersedes=head.content_digest, signer=publisher
    )
    return Made(head.number + 1, version)


async def post(system: System, made: Made) -> dict[str, Any]:
    async with system.stage.staff("network", "network") as staff:
        answers = await insisting(lambda: staff.items("/list-versions/publish", [made.item]))
    return dict(answers[0])


async def of_kind(system: System, party: str, kind: str, **facts: Any) -> list[dict[str, Any]]:
    found = entries(await system.export(party), kind=kind)
    return [one for one in found if facts.items() <= one["facts"].items()]


async def a_new_version_is_published_and_taken(trial: Trial) -> None:
    system = trial.system
    made = next_version(system, trial.name)
    assert await post(system, made) == {"published": True}
    kept = list_files.read(system.running.data.lists)
    system.running.data.lists.write_bytes(list_files.encode([*kept, made.version]))
    for party, kind in (("network", "list.published"), (WARD, "list.taken"), ("suginami", "list.taken")):

        async def recorded(party: str = party, kind: str = kind) -> list[Any]:
            return await of_kind(system, party, kind, number=made.number)

        assert len(await until(recorded, bool)) == 1


async def a_version_of_somebody_else_is_refused(trial: Trial) -> Act:
    made = next_version(trial.system, trial.name, Signer(generate_seed()))

    async def act(_: Trial) -> None:
        answers = [await post(trial.system, made) for _ in range(2)]
        assert answers == [{"refused": {"reason": "list_signature"}}] * 2
        assert len(await of_kind(trial.system, "network", "list.refused", version=made.version.digest)) == 1

    return act


async def a_version_put_into_the_database_is_refused(trial: Trial) -> Act:
    system = trial.system
    made = next_version(system, trial.name, Signer(generate_seed()))
    head = json.loads(made.version.head)

    async def act(_: Trial) -> None:
        async with system.administrator() as connection:
            await connection.execute(
                "insert into a_setagaya_intermediate.list_version values ($1, $2, $3, $4, $5, $6, $7, now())",
                made.number, head["content_digest"], FAR_AHEAD, head["supersedes"], made.version.head,
                made.version.signature, made.version.content,
            )  # fmt: skip
        try:
            assert (
                len(await until(lambda: of_kind(system, WARD, "list.refused", version=made.version.digest), bool)) == 1
            )
        finally:
            async with system.administrator() as connection:
                await connection.execute(
                    "delete from a_setagaya_intermediate.list_version where number = $1", made.number
                )

    return act


LIST_ACTS: dict[str, Prepare] = {
    **dict.fromkeys(
        ("core.commit.list.published", "intermediate.commit.list.taken", "intermediate.send.list_versions"),
        at_once(a_new_version_is_published_and_taken),
    ),
    "core.commit.list.refused": a_version_of_somebody_else_is_refused,
    "intermediate.commit.list.refused": a_version_put_into_the_database_is_refused,
}
