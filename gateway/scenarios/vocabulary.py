"""The words in which a scenario says what must come of a step: states, kinds of outcome, reasons, kinds of records. Each comes from whoever says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

import yaml

from codebook.layouts import Why
from evidence.entry import EXCHANGE_KINDS, EntryKind
from evidence.findings import FindingName
from gateway.batch.text_forms import TextReason
from gateway.intermediate_server.inquiry.states import State
from gateway.intermediate_server.outcomes import REFUSALS, SEALED_KINDS, OutcomeKind
from gateway.linkage_server.addressees.decide import Outcome
from gateway.linkage_server.addressees.rows import Reason as RowReason
from gateway.linkage_server.inquiry_desk.matching import Agreement
from gateway.linkage_server.people.changes import ChangeReason
from gateway.linkage_server.people.judged import ChangeOutcome
from gateway.linkage_server.review import decision
from gateway.scenarios.scenario import Told, Unfit
from permission_lists.decide import Reason
from permission_lists.permit import PermitRefusal
from permission_lists.versions import VersionRefusal

_DOCUMENTS: Final = ("linkage", "intermediate", "network", "resident-network", "sky2", "portal")
_OF_FILES: Final = (
    "mismatch_rate_over_limit",
    "count_differs",
    "header_unknown",
    "manifest_malformed",
    "scope_missing",
    "sha256_differs",
    "encoding_not_offered",
)
"""Why a file is turned away as a whole (docs/architecture.md, Files in the spool)."""

_HELD: Final = ("held", "person_frozen", "person_barred", "inquirer_barred", "item_barred")
"""What the record of a held provision says, and why it is held (`ground` in docs/openapi/intermediate.yaml), which records of before said."""

STATE: Final = Told("state", tuple(State))
OUTCOME: Final = Told("outcome", tuple(OutcomeKind))
ROW_OUTCOME: Final = Told("outcome", tuple(dict.fromkeys([*Outcome, *ChangeOutcome])))
DECISION: Final = Told("state", tuple(decision.State))
VALUES: Final = Told("values", ("as_loaded", "none", "other"))
MATCH: Final = Told("answer", tuple(Agreement))
ENTRIES: Final = Told("entry", (*EntryKind, "erased"), several=True)
FINDINGS: Final = Told("finding", tuple(FindingName), several=True)
REASON: Final = Told("reason")
REASONS: Final = Told("reason", several=True)
_WITH_ITEMS: Final = frozenset({OutcomeKind.ANSWERED, OutcomeKind.EMPTY_BY_REASON})
_OUTCOMES_IN: Final[Mapping[str, frozenset[str | None]]] = {
    State.REGISTERED: frozenset({None}),
    State.PERMITTED: frozenset({None}),
    State.HELD: frozenset({OutcomeKind.HELD}),
    State.ANSWERED: _WITH_ITEMS,
    State.NOT_PROVIDED: SEALED_KINDS - _WITH_ITEMS,
    State.REFUSED: frozenset({OutcomeKind.REFUSED, *REFUSALS.values()}),
    State.ABORTED: frozenset({OutcomeKind.ABORTED, OutcomeKind.TIMED_OUT}),
}
"""State of an inquiry → the kinds of outcome that it can have."""
_WITH_VALUES: Final = frozenset({State.ANSWERED.value, State.NOT_PROVIDED.value})
_RESULT_DELETED: Final = "result_deleted"
_BY_THE_CORE: Final = frozenset({EntryKind.PERMIT_ISSUED, EntryKind.PERMIT_REFUSED, EntryKind.PROVISION_RELAYED})
_CONTRARY: Final = "が state と両立しません / cannot come with this state"


def contrary(expect: Mapping[str, Any], _words: object) -> Iterator[Unfit]:
    """What of an inquiry's expected result can never come together, by its state."""
    state = expect.get("state")
    possible = _OUTCOMES_IN.get(state) if isinstance(state, str) else None
    if possible is None:
        return
    outcome, values = expect.get("outcome"), expect.get("values")
    if "outcome" in expect and outcome in (None, *OutcomeKind) and outcome not in possible:
        named = ", ".join(sorted(filter(None, possible))) or "null"
        yield Unfit(
            "outcome", f"区分 (state: {state}) {_CONTRARY}", outcome, mend=f"{state} なら / with {state}: {named}"
        )
    if values in ("as_loaded", "other") and state not in _WITH_VALUES:
        yield Unfit("values", f"値 (state: {state}) {_CONTRARY}", values, mend=f"{state} なら / with {state}: none")
    reason = expect.get("reason")
    if reason is not None and state in _WITH_VALUES and reason != _RESULT_DELETED:
        mend = f"{state} に理由はありません。結果が消えた後だけ {_RESULT_DELETED} です / {state} has none; {_RESULT_DELETED} once the result is gone"
        yield Unfit("reason", f"理由 (state: {state}) {_CONTRARY}", reason, mend=mend)
    if values == "none" and state == State.ANSWERED and reason != _RESULT_DELETED:
        mend = "as_loaded か other です。結果が消えた後なら reason: result_deleted も書いてください / as_loaded or other; with reason: result_deleted, none"
        yield Unfit("values", f"値 (state: {state}) {_CONTRARY}", values, mend=mend)


def not_written(expect: Mapping[str, Any], words: Any) -> Iterator[Unfit]:
    """Of an inquiry's records by one party (`by`), those that a party of this sort never writes."""
    match words.by:
        case "network":
            written = _BY_THE_CORE
        case "linkage":
            written = frozenset({EntryKind.INQUIRY_REFUSED})
        case _:
            written = EXCHANGE_KINDS - _BY_THE_CORE
    kinds = expect.get("kinds")
    for kind in dict.fromkeys(map(str, kinds if isinstance(kinds, list) else ())):
        if kind in EXCHANGE_KINDS - written:
            mend = f"{words.by} が書くのは / {words.by} writes: {', '.join(sorted(written))}"
            yield Unfit("kinds", f"{words.by} が書かない記録 / a record that {words.by} never writes", kind, mend=mend)


@cache
def reasons() -> frozenset[str]:
    """Every reason that a server says: those of the OpenAPI documents, which tests hold to the code, and those of lines, lists and files."""
    named: set[str] = {*_OF_FILES, *_HELD}
    for words in (Reason, PermitRefusal, VersionRefusal, RowReason, ChangeReason, TextReason, Why, decision.No):
        named |= {str(one.value) for one in words}
    for name in _DOCUMENTS:
        text = (resources.files("transport") / "openapi_documents" / f"{name}.yaml").read_text(encoding="utf-8")
        named |= _said(yaml.load(text, Loader=yaml.CSafeLoader))
    return frozenset(named)


def _said(document: dict[str, Any]) -> set[str]:
    operations = [one for path in document["paths"].values() for one in path.values() if isinstance(one, dict)]
    found = {reason for one in operations for key in ("x-refusals", "x-retries") for reason in one.get(key, ())}
    return found | {reason for one in operations for said in one.get("x-reasons", {}).values() for reason in said}
