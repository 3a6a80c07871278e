"""PL-2 to PL-4 in an assessment: whom the list is asked about once more, and when it cannot be asked."""

from __future__ import annotations

import pytest

from gateway.assessing import records
from gateway.assessing.logs import ASKED, Said
from gateway.assessing.verdicts import Verdict
from tests.evidence.exchanges import START
from tests.gateway.assessing.test_telling import logs
from tests.gateway.tracing.test_judged_parties import ANSWERED_FOR, DELEGATED
from tests.gateway.tracing.test_page import LIBRARY, K, known, parties


def asked(kind=K.PERMIT_ISSUED, known_parties=None, **changes):
    """What an assessment says of one record."""
    entry = {"kind": kind.value, **parties(**changes)}
    question = (START.isoformat()[:13], *(entry.get(name) or "" for name in ASKED))
    found = logs([])
    found.said["w"] = Said(asked={question: "2026/3"})
    return records.list_again(found, LIBRARY, known() if known_parties is None else known_parties)


@pytest.mark.parametrize("said", [DELEGATED, ANSWERED_FOR], ids=["asks", "answers"])
def test_an_inquiry_in_anothers_stead_is_judged_again_as_that_others(said):
    assert asked(**said).verdict is Verdict.KEPT
    assert asked(**said | {"inquirer_for": None, "provider_for": None}).verdict is Verdict.BROKEN


@pytest.mark.parametrize(
    ("kind", "reason"), [(K.PERMIT_ISSUED, None), (K.PERMIT_REFUSED, "information_not_in_row")], ids=["yes", "no"]
)
def test_an_inquiry_of_somebody_of_whom_no_kind_is_known_cannot_be_judged_again(kind, reason):
    told = asked(kind, known(suginami=None), reason=reason)
    assert told.verdict is Verdict.UNVERIFIED
    assert told.what == ("2026/3: 法令の区分を知らない機関 (unknown agency)",)
