"""Whether a provider judges an inquiry in another's stead (委任) by who has delegated it, on a delegation that is on file (IS-3, DESIGN §4)."""

from __future__ import annotations

from functools import partial
from typing import Final

from gateway.conformance.answers import BY_LIST, Saw, one_answer, outcome, refused
from gateway.conformance.check import Check
from gateway.conformance.trial import Trial
from transport.register import Side

_EVERYBODY: Final = "登録簿のどの機関も委任している / every agency of the register has delegated it"
_CITES: Final = "docs/architecture.md, InquiryRequest; IS-3"


async def _by_the_delegator(trial: Trial) -> Saw:
    presented = trial.presented(stead=trial.in_stead)
    said = outcome(trial, presented, await one_answer(trial, presented))
    if said["disposition"] == "refused":
        return "委任元の行で許されるのに拒んだ / refused, though the list permits whoever has delegated it"
    return None


async def _not_on_file(side: Side, trial: Trial) -> Saw:
    said = {f"{side.value}_for": trial.strangers[side]}
    return await refused(trial, trial.presented(request={"said": said}), ("delegation_not_on_file", *BY_LIST))


CHECKS: Final = (
    Check(
        "delegated",
        "登録された委任による照会を、委任元の行で判定する / an inquiry in another's stead is judged by the delegator's rows",
        _CITES,
        _by_the_delegator,
        lambda trial: trial.in_stead is not None,
        "照会者への委任で、この情報を尋ねられるものが登録簿にない / no delegation to the inquirer on file lets it ask for this information",
    ),
    Check(
        "inquirer_delegation_not_on_file",
        "登録のない委任による照会を拒む / an inquiry in the stead of somebody who has not delegated it",
        _CITES,
        partial(_not_on_file, Side.INQUIRER),
        lambda trial: trial.strangers[Side.INQUIRER] is not None,
        _EVERYBODY,
    ),
    Check(
        "provider_delegation_not_on_file",
        "登録のない委任による提供を拒む / nothing is given in the stead of somebody who has not delegated it",
        _CITES,
        partial(_not_on_file, Side.PROVIDER),
        lambda trial: trial.strangers[Side.PROVIDER] is not None,
        _EVERYBODY,
    ),
)
