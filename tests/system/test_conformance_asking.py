"""`sekisho conformance --inquirer`: an inquirer that does right is told so step by step, and each wrong of a wrong one by name."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from dataclasses import replace

import pytest

from evidence import canonical
from gateway.__main__ import main as sekisho
from gateway.conformance.turns import RULES, TURNS
from gateway.demonstration.another_vendor import AGENCY, vendor
from gateway.exit_codes import BAD_INPUT, FAILED, OK
from keys import labels
from keys.errors import SealBroken
from partner.asking import Asker, read_answer
from partner.mailbox import Mailbox
from partner.messages import MessageBrokenError, Question, SignedRequest, hexdigest, octets, permit_claims
from permission_lists.versions import legal_day
from storage.reference_data import read_permission_list
from synthetic.business import MEDICAL_INSURANCE
from tests.support.wrong_providers import TakesAnything
from transport import tls
from transport.channel import ChannelError, session

ITEMS = ("被保険者番号",)


class Careful:
    """An inquirer made of the library, which asks as the documents say."""

    mailbox_of: type[Mailbox] = Mailbox

    def __init__(self, asker: Asker, register, question: Question, clock, mailbox: Mailbox) -> None:
        self.asker, self.register, self.question, self.clock = asker, register, question, clock
        self.mailbox = mailbox

    @staticmethod
    def context(identity):
        return tls.client_context(identity, identity.ca)

    def signed(self):
        return self.asker.build(self.question, self.clock())

    def believes(self, permit: str, signed) -> bool:
        try:
            claims = permit_claims(permit, self.register.permit_keys.accepted(self.clock()))
        except MessageBrokenError:
            return False
        return claims["request_digest"] == signed_digest(signed)

    def read(self, answer, permit, signed):
        return read_answer(self.register, answer, permit, signed, self.clock())

    def again(self, signed):
        """What is sent after `retry`."""
        return signed

    async def inquire(self, code: bytes) -> tuple[str, str]:
        """Inquiry number, and the state in which it ended."""
        signed = self.signed()
        answer = await self.asker.ask_permit(signed, code)
        while "retry" in answer:
            signed = self.again(signed)
            answer = await self.asker.ask_permit(signed, code)
        permit = answer.get("permit")
        if permit is None or not self.believes(permit, signed):
            return signed.inquiry_number, "refused"
        permit_id = self.mailbox.await_outcome(permit, signed)
        answer = await self.asker.present(permit, signed)
        while "retry" in answer:
            answer = await self.asker.present(permit, signed)
        if "outcome" in answer and json.loads(octets(answer["outcome"]))["disposition"] == "held":
            answer = await self.later(permit_id)
            if answer is None:
                return signed.inquiry_number, "held"
        try:
            self.read(answer, permit, signed)
        except (MessageBrokenError, SealBroken, KeyError):
            return signed.inquiry_number, "aborted"
        return signed.inquiry_number, "answered"

    async def later(self, permit_id: str):
        """The outcome that comes by itself, if it does within a while."""
        for _ in range(40):
            if permit_id in self.mailbox.outcomes:
                return self.mailbox.outcomes[permit_id]
            await asyncio.sleep(0.1)
        return None


def signed_digest(signed) -> str:
    return hexdigest(signed.request)


class TalksToAnybody(Careful):
    """It looks at no certificate of a server."""

    @staticmethod
    def context(identity):
        context = tls.client_context(identity, identity.ca)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


class BelievesAnyPermit(Careful):
    def believes(self, permit, signed):
        return True


class BelievesAnyAnswer(Careful):
    def read(self, answer, permit, signed):
        return answer["outcome"]


class BelievesAnyLateOutcome(Careful):
    mailbox_of = TakesAnything


class TakesNothingTwice(Mailbox):
    """What it has received it does not know any more."""

    __slots__ = ()

    def take_outcome(self, permit_id, answer, register, now):
        twice = permit_id in self.outcomes
        found = super().take_outcome(permit_id, answer, register, now)
        return {"refused": {"reason": "permit_unknown"}} if twice else found


class ForgetsWhatItReceived(Careful):
    mailbox_of = TakesNothingTwice


class AsksInAnothersStead(Careful):
    """For somebody who has delegated nothing to it."""

    def signed(self):
        return self.asker.build(replace(self.question, said={"inquirer_for": "tokyo"}), self.clock())


class SignsAnew(Careful):
    """It makes another request of the same inquiry number when it has to send it again."""

    def again(self, signed):
        return self.asker.build(replace(self.question, inquiry_number=signed.inquiry_number), self.clock())


class AsksForAnything(Careful):
    def signed(self):
        return self.asker.build(replace(self.question, item="999"), self.clock())


class UsesOneKey(Careful):
    """The one-time key of its first inquiry for all of them."""

    first = None

    def signed(self):
        signed = super().signed()
        self.first = self.first or signed
        request = json.loads(signed.request) | {"key_hash": json.loads(self.first.request)["key_hash"]}
        return resigned(self.asker, request, self.first.one_time_key)


def resigned(asker, request, key):
    data = canonical.encode(request)
    signature = asker.signer.sign(labels.INQUIRY, data)
    return SignedRequest(inquiry_number=request["inquiry_number"], request=data, signature=signature, one_time_key=key)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def asking(job, kind, port: int, ends) -> None:
    """So many inquiries as a run has, to whoever listens at the port, and their ends in a file."""
    now = job.system.running.role("intermediate").clock
    person = next(one for one in job.stage.insured if not job.stage.business.is_barred(one))
    identity = job.system.running.elsewhere(AGENCY).hosted[AGENCY].identity
    async with vendor(job.stage, kind.mailbox_of()) as playing, session(kind.context(identity)) as client:
        code = await playing.code_of(person, now())
        asker = replace(
            playing.peer, client=client, core=f"https://127.0.0.1:{port}", interface=f"https://127.0.0.1:{port}"
        )
        question = Question(
            provider="setagaya", item="42", information=MEDICAL_INSURANCE, basis="beppyo2-2022", items=ITEMS,
            list_digest=read_permission_list(legal_day(now())).digest,
        )  # fmt: skip
        inquirer = kind(asker, job.system.running.role("intermediate").register, question, now, playing.mailbox)
        ended = [await insisting(inquirer, code) for _ in TURNS]
    part = ends.with_suffix(".part")
    part.write_text("".join(json.dumps({"inquiry_number": one, "state": state}) + "\n" for one, state in ended))
    part.replace(ends)


async def insisting(inquirer: Careful, code: bytes) -> tuple[str, str]:
    """Until the run listens."""
    for _ in range(100):
        try:
            return await inquirer.inquire(code)
        except ChannelError as failure:
            if failure.reason not in {"peer_unreachable", "peer_tls"}:
                raise
            await asyncio.sleep(0.1)
    raise AssertionError("nobody listens")


@pytest.fixture
def conformance(job, tmp_path, capsys):
    async def both(kind, port, words):
        run = asyncio.create_task(asyncio.to_thread(sekisho, words))
        await asking(job, kind, port, tmp_path / "ends.ndjson")
        return await run

    def run(kind) -> tuple[int, dict[str, bool | None]]:
        port = free_port()
        words = ["conformance", "--inquirer", AGENCY, "--port", str(port), "--ends", str(tmp_path / "ends.ndjson")]
        words += ["--for", "60", "--settle", "0.5", "--json", "--data", str(job.system.running.data.root)]
        capsys.readouterr()
        code = asyncio.run(both(kind, port, words))
        return code, {
            one["check"]: one["right"] for one in json.loads(capsys.readouterr().out) if "not_judged" not in one
        }

    return run


def test_an_inquirer_made_of_the_library_does_everything_right(conformance):
    code, found = conformance(Careful)
    assert {check for check, right in found.items() if right is not True} == set()
    assert list(found) == [*(rule.id for rule in RULES), *(turn.id for turn in TURNS)]
    assert code == OK


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (TalksToAnybody, {"network_certificate"}),
        (BelievesAnyPermit, {"permit_signature", "permit_request_differs"}),
        (
            BelievesAnyAnswer,
            {
                "outcome_signature", "outcome_of_another_inquiry", "payload_tampered", "payload_does_not_open", "payload_beyond_request",
            },
        ),
        (SignsAnew, {"same_bytes", "permit_retry"}),
        (AsksForAnything, {"own_list", "answered", "permit_retry", "answer_retry", "late_outcome", "late_outcome_forged"}),
        (UsesOneKey, {"fresh_key"}),
        (BelievesAnyLateOutcome, {"late_outcome_forged"}),
        (ForgetsWhatItReceived, {"late_outcome"}),
        (AsksInAnothersStead, {"own_delegation", "answered", "permit_retry", "answer_retry", "late_outcome", "late_outcome_forged"}),
    ],
)  # fmt: skip
def test_each_wrong_of_a_wrong_inquirer_is_named(conformance, kind, wrong):
    code, found = conformance(kind)
    assert {check for check, right in found.items() if right is False} == wrong
    assert code == FAILED


def test_a_run_that_cannot_begin_or_has_no_ends_says_so(job, tmp_path, capsys):
    data = ("--data", str(job.system.running.data.root))
    assert sekisho(["conformance", *data]) == BAD_INPUT
    assert sekisho(["conformance", "--inquirer", "nobody", *data]) == BAD_INPUT
    (tmp_path / "ends").write_text('{"inquiry_number": "x"}\n')
    words = ["conformance", "--inquirer", AGENCY, "--port", str(free_port()), "--for", "0", "--ends"]
    assert sekisho([*words, str(tmp_path / "ends"), *data]) == BAD_INPUT
    assert f"{tmp_path / 'ends'}:1:" in capsys.readouterr().err
    assert sekisho([*words, str(tmp_path / "none"), *data]) == FAILED
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        capsys.readouterr()
        port = str(taken.getsockname()[1])
        assert sekisho(["conformance", "--inquirer", AGENCY, "--port", port, "--for", "0", *data]) == BAD_INPUT
    assert "--port" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        sekisho(["conformance", "--inquirer", AGENCY, "--port", "70000", *data])
