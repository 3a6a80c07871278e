"""`sekisho conformance --inquirer`: an inquirer that does right is told so step by step, and each wrong of a wrong one by name."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import replace

import pytest

from gateway.__main__ import main as sekisho
from gateway.conformance import other_calls
from gateway.conformance.turns import RULES, TURNS
from gateway.demonstration.another_vendor import AGENCY, vendor
from gateway.exit_codes import BAD_INPUT, FAILED, OK
from gateway.setting_up.ports import untaken
from partner.messages import Question
from permission_lists.versions import legal_day
from storage import list_files
from storage.reference_data import read_permission_list
from synthetic.business import MEDICAL_INSURANCE
from tests.support.inquirers import (
    AsksByAnyList,
    AsksForAnothersLog,
    AsksForAnything,
    AsksInAnothersStead,
    BelievesAnyAnswer,
    BelievesAnyLateOutcome,
    BelievesAnyPermit,
    Careful,
    ForgetsWhatItReceived,
    Given,
    IsThroughAtOnce,
    PresentsWhatItTookBack,
    RenewsWhatIsNotItsOwn,
    SaysThatItHoldsWhatIsNotThere,
    SignsAnew,
    TakesAnyList,
    TakesAnyRegister,
    TakesBackWhatItWasNotGiven,
    TalksToAnybody,
    UsesOneKey,
)
from transport.channel import ChannelError, session

ITEMS = ("被保険者番号",)


def handed_over(job) -> Given:
    config = job.system.running.role("network")
    versions = json.loads((config.folder / list_files.FILE_NAME).read_bytes())["versions"]
    return Given(versions=versions, root=config.register_root)


async def asking(job, kind, port: int, ends, *, beside: bool) -> None:
    """So many inquiries as a run has, to whoever listens at the port, and their ends in a file. `beside`: other calls too."""
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
        if beside:
            ended += await inquirer.by_the_clock(handed_over(job), code)
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


EVERY = [*(rule.id for rule in RULES), *(turn.id for turn in TURNS)]
"""Of a run to which nothing but inquiries came."""


@pytest.fixture
def conformance(job, tmp_path, capsys):
    async def both(kind, port, words, beside):
        run = asyncio.create_task(asyncio.to_thread(sekisho, words))
        await asking(job, kind, port, tmp_path / "ends.ndjson", beside=beside)
        return await run

    def run(kind, *, beside: bool = False) -> tuple[int, dict[str, bool | None]]:
        port = untaken(1)[0]
        words = ["conformance", "--inquirer", AGENCY, "--port", str(port), "--ends", str(tmp_path / "ends.ndjson")]
        words += ["--for", "60", "--settle", "0.5", "--json", "--data", str(job.system.running.data.root)]
        capsys.readouterr()
        code = asyncio.run(both(kind, port, words, beside))
        return code, {
            one["check"]: one["right"] for one in json.loads(capsys.readouterr().out) if "not_judged" not in one
        }

    return run


def test_an_inquirer_made_of_the_library_does_everything_right(conformance):
    code, found = conformance(Careful, beside=True)
    assert {check for check, right in found.items() if right is not True} == set()
    assert list(found) == [*EVERY, *(rule.id for rule in other_calls.RULES)]
    assert code == OK


def test_a_call_that_did_not_come_is_not_judged_and_no_difference(conformance, capsys):
    code, found = conformance(Careful)
    assert list(found) == EVERY
    assert code == OK


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (TakesAnyList, {"list_version_forged"}),
        (AsksByAnyList, {"list_version_forged", "list_in_force"}),
        (SaysThatItHoldsWhatIsNotThere, {"list_versions", "registers", "code_epochs"}),
        (TakesAnyRegister, {"register_forged"}),
        (IsThroughAtOnce, {"code_epoch_settled"}),
        (RenewsWhatIsNotItsOwn, {"code_renewals"}),
        (PresentsWhatItTookBack, {"permit_taken_back"}),
        (TakesBackWhatItWasNotGiven, {"permit_taken_back"}),
        (AsksForAnothersLog, {"held_checkpoints"}),
    ],
)
def test_each_wrong_of_a_call_beside_asking_is_named(conformance, kind, wrong):
    code, found = conformance(kind, beside=True)
    assert {check for check, right in found.items() if right is not True} == wrong
    assert code == FAILED


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
    words = ["conformance", "--inquirer", AGENCY, "--port", str(untaken(1)[0]), "--for", "0", "--ends"]
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
