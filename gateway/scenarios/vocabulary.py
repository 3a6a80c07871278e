"""The words in which a scenario says what must come of a step: states, kinds of outcome, reasons, kinds of records. Each comes from whoever says it."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, Final

import yaml

from codebook.layouts import Why
from evidence.entry import EntryKind
from evidence.findings import FindingName
from gateway.batch.text_forms import TextReason
from gateway.intermediate_server.inquiry.outcomes import OutcomeKind
from gateway.intermediate_server.inquiry.states import State
from gateway.linkage_server.addressees.decide import Outcome
from gateway.linkage_server.addressees.rows import Reason as RowReason
from gateway.linkage_server.inquiry_desk.matching import Agreement
from gateway.linkage_server.people.changes import ChangeReason
from gateway.linkage_server.people.judging import ChangeOutcome
from gateway.linkage_server.review import decision
from gateway.scenarios.scenario import Told
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


@cache
def reasons() -> frozenset[str]:
    """Every reason that a server says: those of the OpenAPI documents, which tests hold to the code, and those of lines, lists and files."""
    named: set[str] = {*_OF_FILES}
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
