"""A runnable example of a partner's server: it obtains a code of one synthetic person and asks another agency about them.

    python -m partner.example keys FOLDER                       # keys and signing requests; prints the public keys
    python -m partner.example ask FOLDER GIVEN QUESTION         # QUESTION: a JSON file, see below

QUESTION: {"individual_number", "provider", "basis", "item", "information", "items"}. GIVEN: the folder that the operator hands over.
What is printed is the kind of answer and how many records it has; a real server gives the content to whoever asked, and keeps no copy.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from partner.asking import read_answer
from partner.connection import Connection, make_keys
from partner.mailbox import Mailbox
from partner.messages import Question
from partner.serving import application, serving
from transport.clock import Clock


async def ask(connection: Connection, wanted: dict[str, object], clock: Clock) -> dict[str, object]:
    """The payload of the answer. Raises ChannelError, MessageBrokenError, SealBroken, ValueError for a refusal."""
    mailbox = Mailbox()
    app = application(connection.register, mailbox, None, connection.agency, clock)
    async with (
        serving(app, connection.identity("server"), host=connection.host, port=connection.port),
        connection.asking() as asker,
    ):
        number = mailbox.new_number("the person of this question", clock())
        await connection.ask_for_code(number, str(wanted.pop("individual_number")))
        code = await mailbox.code(number)
        said = {**wanted, "items": tuple(wanted.get("items", ())), "list_digest": connection.list_in_force(clock())}  # type: ignore[arg-type]  # the file's own fields
        signed = asker.build(Question(**said), clock())  # type: ignore[arg-type]  # the file's own fields
        permitted = await asker.ask_permit(signed, code)
        if "permit" not in permitted:
            raise ValueError(f"no permit: {permitted}")
        answer = await asker.present(permitted["permit"], signed)
        if answer.get("sealed") is None:
            raise ValueError(f"no answer: {sorted(answer)}")
        connection.register.look()
        return read_answer(connection.register(), answer, permitted["permit"], signed, clock())


def main(words: list[str]) -> int:
    match words:
        case ["keys", folder]:
            sys.stdout.write(json.dumps(make_keys(Path(folder)), indent=1) + "\n")
        case ["ask", folder, given, question]:
            connection = Connection.read(Path(folder), Path(given))
            wanted = json.loads(Path(question).read_text(encoding="utf-8"))
            payload = asyncio.run(ask(connection, wanted, Clock()))
            records = payload["records"]
            count = len(records) if isinstance(records, list) else 0
            sys.stdout.write(json.dumps({"kind": payload["kind"], "records": count}) + "\n")
        case _:
            sys.stderr.write(__doc__ or "")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
