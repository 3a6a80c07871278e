"""Whether a server takes only what it awaits: codes under numbers that it gave out (IF_FGU_90009), outcomes of inquiries of its own (IF_SKI_90005)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from codebook.identifiers import ACQUISITION_PREFIX, PERMIT_PREFIX, new_sortable_id
from gateway.conformance.answers import Saw, items_of
from gateway.conformance.check import Check, malformed, turned_away
from gateway.conformance.trial import Trial
from partner.messages import text

CODES: Final = "codes"
OUTCOMES: Final = "outcomes"
_CODES: Final = "IF_FGU_90009, docs/openapi/intermediate.yaml; SC-9"
_OUTCOMES: Final = "IF_SKI_90005, docs/openapi/intermediate.yaml"
_CALLERS: Final = "docs/architecture.md, Who may call what; SC-2"


def _id(trial: Trial, prefix: str) -> str:
    return new_sortable_id(prefix, int(trial.now.timestamp() * 1000), secrets.token_bytes(10))


async def _taken(trial: Trial, items: Sequence[Mapping[str, Any]], path: str) -> list[dict[str, Any]]:
    return await items_of(trial, items, path=path, fields=frozenset({"bound", "received", "refused", "retry"}))


def _refused(answer: Mapping[str, Any], reason: str) -> Saw:
    if answer.get("bound") or answer.get("received"):
        return f"拒まずに受け取った / taken in place of refused ({reason})"
    found = answer.get("refused")
    return (
        None
        if isinstance(found, dict) and found.get("reason") == reason
        else f"{reason} で拒んでいない / not refused for {reason}"
    )


async def _code_unknown(trial: Trial) -> Saw:
    item = {"acquisition_number": _id(trial, ACQUISITION_PREFIX), "code": text(trial.people.unknown)}
    return _refused((await _taken(trial, [item], CODES))[0], "acquisition_number_unknown")


async def _code_malformed(trial: Trial) -> Saw:
    item = {"acquisition_number": trial.people.pending, "code": text(trial.people.unknown[:-1])}
    return _refused((await _taken(trial, [item], CODES))[0], "code_malformed")


async def _code_bound(trial: Trial) -> Saw:
    """Taken, and taken again: a sender that got no answer sends once more."""
    item = {"acquisition_number": trial.people.pending, "code": text(trial.people.awaited)}
    for answer in await _taken(trial, [item], CODES) + await _taken(trial, [item], CODES):
        if answer != {"bound": True}:
            return "bound でない / not bound: true"
    return None


async def _code_differs(trial: Trial) -> Saw:
    """After `_code_bound`: the number has brought its code."""
    item = {"acquisition_number": trial.people.pending, "code": text(trial.people.known)}
    return _refused((await _taken(trial, [item], CODES))[0], "code_differs")


async def _outcome_unknown(trial: Trial) -> Saw:
    item = {
        "permit_id": _id(trial, PERMIT_PREFIX),
        "outcome": text(b"{}"),
        "signature": text(bytes(64)),
        "sealed": None,
    }
    return _refused((await _taken(trial, [item], OUTCOMES))[0], "permit_unknown")


_LACKING: Final = "--people に pending がない / the people file names no acquisition number that waits"


def _has_pending(trial: Trial) -> bool:
    return trial.people.pending is not None


CHECKS: Final = (
    *(
        Check(
            f"{path}_{name}",
            f"/{path}: {said}",
            _CALLERS if name.startswith("certificate") else cites,
            act,
        )
        for path, cites in ((CODES, _CODES), (OUTCOMES, _OUTCOMES))
        for name, said, act in (
            (
                "certificate_not_registered",
                "登録簿にない証明書を 403 で断る / a certificate that is not in the register",
                partial(turned_away, lambda trial: trial.stranger, path),
            ),
            (
                "certificate_for_another_use",
                "ネットワーク以外の証明書を 403 で断る / a certificate that is not the network's",
                partial(turned_away, lambda trial: trial.inquirer_identity, path),
            ),
            (
                "problem_json",
                "壊れた本文に 400 の problem+json / problem+json for a broken body",
                partial(malformed, b'{"items": [{"favourite": 1}]}', path),
            ),
        )
    ),
    Check(
        "code_unknown",
        "出していない処理通番の符号を受け取らない / no code under a number that was never given out",
        _CODES,
        _code_unknown,
    ),
    Check(
        "code_malformed",
        "符号の形でないものを受け取らない / nothing that is no code",
        _CODES,
        _code_malformed,
        _has_pending,
        _LACKING,
    ),
    Check(
        "code_bound",
        "待っている符号を受け取り、二度目も同じく答える / an awaited code is taken, again too",
        _CODES,
        _code_bound,
        _has_pending,
        _LACKING,
    ),
    Check(
        "code_differs",
        "同じ処理通番の別の符号を受け取らない / no second code under one number",
        _CODES,
        _code_differs,
        _has_pending,
        _LACKING,
    ),
    Check(
        "outcome_unknown",
        "尋ねていない照会の結果を受け取らない / no outcome of an inquiry that was never made",
        _OUTCOMES,
        _outcome_unknown,
    ),
)
