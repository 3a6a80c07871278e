from __future__ import annotations

import json
from datetime import timedelta

import pytest

from evidence.agreement import agree
from evidence.entry import EntryKind, encode_entry, other_entry
from evidence.export import LogParty
from evidence.findings import FindingName as Name
from tests.evidence.exchanges import SEALED, START, Log, Three, several, step

K = EntryKind


def alter(log: Log, kind: EntryKind, **changes) -> None:
    """The log as it would be had its owner written something else from the start."""
    for place, body in enumerate(log.bodies):
        entry = json.loads(body)
        if entry["kind"] == kind:
            log.bodies[place] = encode_entry(entry | changes)


def drop(log: Log, *kinds: EntryKind) -> None:
    log.bodies = [body for body in log.bodies if json.loads(body)["kind"] not in kinds]


def found(three: Three):
    return [(f.name, f.party, f.field) for f in agree(three.exports()).findings]


def provided() -> Three:
    three = Three()
    three.provided(0)
    return three


def test_the_records_of_every_common_situation_agree():
    result = agree(several().exports())
    assert result.findings == ()
    assert (result.inquiries, result.compared, result.alone, result.open) == (6, 5, 1, 0)


def marked(three: Three) -> Three:
    """The inquirer says nothing of 不開示; the provider marks its answer, and so do the others."""
    three.permitted(0)
    said = {"disposition": "provided", "sealed_digest": SEALED, "non_disclosure": True}
    three.outcome(0, K.PROVISION_MADE, K.INQUIRY_ANSWERED, **said)
    return three


def test_an_outcome_may_be_marked_where_the_question_was_not():
    assert found(marked(Three())) == []


@pytest.mark.parametrize(
    ("log", "kind", "party"),
    [
        ("inquirer", K.INQUIRY_ANSWERED, "inquirer"),
        ("core", K.PROVISION_RELAYED, "core"),
        ("provider", K.PROVISION_MADE, "provider"),
    ],
)
def test_a_mark_of_non_disclosure_that_one_party_drops_is_a_disagreement(log, kind, party):
    three = marked(Three())
    alter(getattr(three, log), kind, non_disclosure=False)
    assert found(three) == [(Name.DISAGREEMENT, party, "non_disclosure")]


@pytest.mark.parametrize("field", ["period", "inquirer_for", "provider_for"])
def test_a_period_or_delegation_that_one_party_does_not_know_is_a_disagreement(field):
    three = Three()
    three.permitted(0, **{field: "midori"})
    said = {"disposition": "provided", "sealed_digest": SEALED}
    three.outcome(0, K.PROVISION_MADE, K.INQUIRY_ANSWERED, **said, **{field: "midori"})
    assert found(three) == []
    alter(three.provider, K.PROVISION_MADE, **{field: "akane"})
    assert found(three) == [(Name.DISAGREEMENT, "provider", field)]


def test_agreement_does_not_need_the_order_of_the_exports():
    assert agree(several().exports()[::-1]).clean


@pytest.mark.parametrize(
    ("log", "kinds", "party", "step_missing"),
    [
        ("inquirer", [K.INQUIRY_REGISTERED], "inquirer", "inquiry.registered"),
        ("inquirer", [K.INQUIRY_PERMITTED], "inquirer", "inquiry.permitted"),
        ("inquirer", [K.INQUIRY_ANSWERED], "inquirer", "provided"),
        ("core", [K.PERMIT_ISSUED], "core", "permit.issued"),
        ("core", [K.PROVISION_RELAYED], "core", "provided"),
        ("provider", [K.PROVISION_MADE], "provider", "provided"),
    ],
)
def test_a_missing_record_is_named_with_its_party(log, kinds, party, step_missing):
    three = provided()
    drop(getattr(three, log), *kinds)
    assert (Name.MISSING_RECORD, party, step_missing) in found(three)


@pytest.mark.parametrize(
    ("log", "kind", "field", "value"),
    [
        ("core", K.PERMIT_ISSUED, "basis", "l-8-17"),
        ("core", K.PERMIT_ISSUED, "item", "r-12-4"),
        ("core", K.PERMIT_ISSUED, "permit_id", "K" + "9" * 26),
        ("core", K.PERMIT_ISSUED, "list_digest", "0" * 64),
        ("core", K.PERMIT_ISSUED, "actor", "hinata"),
        ("core", K.PROVISION_RELAYED, "actor", "asahi"),
        ("core", K.PROVISION_RELAYED, "actor", None),
        ("core", K.PROVISION_RELAYED, "reason", "person_frozen"),
        ("provider", K.PROVISION_MADE, "list_digest", None),
        ("core", K.PERMIT_ISSUED, "request_digest", "1" * 64),
        ("core", K.PROVISION_RELAYED, "sealed_digest", "1" * 64),
        ("provider", K.PROVISION_MADE, "information", "tax.household"),
        ("provider", K.PROVISION_MADE, "items", ["amount"]),
        ("provider", K.PROVISION_MADE, "inquirer", "hinata"),
        ("provider", K.PROVISION_MADE, "permit_id", None),
        ("provider", K.PROVISION_MADE, "request_digest", None),
        ("inquirer", K.INQUIRY_ANSWERED, "sealed_digest", None),
        ("inquirer", K.INQUIRY_PERMITTED, "provider", "hinata"),
    ],
)
def test_a_difference_is_named_with_its_field_and_party(log, kind, field, value):
    three = provided()
    alter(getattr(three, log), kind, **{field: value})
    assert (Name.DISAGREEMENT, log, field) in found(three)


@pytest.mark.parametrize(
    ("log", "kind"),
    [
        ("provider", K.PROVISION_REFUSED),
        ("core", K.PROVISION_RELAYED),
        ("inquirer", K.INQUIRY_REFUSED_BY_PROVIDER),
    ],
)
@pytest.mark.parametrize("reason", ["person_frozen", None])
def test_a_party_that_gives_another_reason_for_the_providers_refusal_is_named(log, kind, reason):
    three = Three()
    three.permitted(0)
    said = {"disposition": "refused", "reason": "provider_not_in_row"}
    three.outcome(0, K.PROVISION_REFUSED, K.INQUIRY_REFUSED_BY_PROVIDER, **said)
    assert found(three) == []
    alter(getattr(three, log), kind, reason=reason)
    assert found(three) == [(Name.DISAGREEMENT, log, "reason")]


@pytest.mark.parametrize(("log", "kind"), [("core", K.PERMIT_REFUSED), ("inquirer", K.INQUIRY_DENIED)])
def test_a_permit_refused_for_another_reason_than_was_told_is_a_disagreement(log, kind):
    three = Three()
    three.denied(0)
    alter(getattr(three, log), kind, reason="information_not_in_row")
    assert found(three) == [(Name.DISAGREEMENT, "inquirer", "reason")]


def test_a_denial_of_a_request_that_somebody_else_made_is_a_disagreement():
    three = Three()
    three.denied(0)
    alter(three.core, K.PERMIT_REFUSED, actor="hinata")
    assert found(three) == [(Name.DISAGREEMENT, "core", "actor")]


def test_a_presented_permit_refused_for_another_reason_than_was_told_is_a_disagreement():
    three = Three()
    three.permitted(0)
    refused_by_network(three)
    alter(three.inquirer, K.INQUIRY_REFUSED_BY_NETWORK, reason="permit_revoked")
    assert found(three) == [(Name.DISAGREEMENT, "inquirer", "reason")]


def test_why_something_is_held_is_known_to_the_provider_alone():
    three = Three()
    three.held(0)
    alter(three.provider, K.PROVISION_HELD, reason="person_barred")
    assert found(three) == []


def test_a_disposition_that_does_not_fit_is_named():
    three = provided()
    alter(three.provider, K.PROVISION_MADE, disposition="refused")
    assert found(three) == [(Name.DISAGREEMENT, "provider", "disposition")]


def test_parties_that_recorded_different_outcomes_are_named():
    three = Three()
    three.permitted(0)
    three.provider.append(step(K.PROVISION_MADE, 0, 3, disposition="provided"))
    three.core.append(step(K.PROVISION_RELAYED, 0, 4, disposition="refused"))
    three.inquirer.append(step(K.INQUIRY_REFUSED_BY_PROVIDER, 0, 5, disposition="refused"))
    assert (Name.MISSING_RECORD, "provider", "refused") in found(three)
    assert (Name.MISSING_RECORD, "core", "provided") in found(three)


def test_a_provision_without_a_permit_is_named():
    three = Three()
    three.refused_at_home(1)
    three.provider.append(step(K.PROVISION_MADE, 2, 3, disposition="provided"))
    assert (Name.MISSING_RECORD, "core", "permit.issued") in found(three)


def test_a_provision_after_the_cores_refusal_is_unexpected():
    three = Three()
    three.inquirer.append(step(K.INQUIRY_REGISTERED, 0, 0))
    three.core.append(step(K.PERMIT_REFUSED, 0, 1))
    three.provider.append(step(K.PROVISION_MADE, 0, 1.5, disposition="provided"))
    three.inquirer.append(step(K.INQUIRY_DENIED, 0, 2))
    assert (Name.UNEXPECTED_RECORD, "provider", None) in found(three)


def test_a_step_recorded_twice_is_named():
    three = Three()
    three.permitted(0)
    three.provider.append(step(K.PROVISION_MADE, 0, 2.5, disposition="provided"))
    three.outcome(0, K.PROVISION_MADE, K.INQUIRY_ANSWERED, disposition="provided")
    assert (Name.DUPLICATE_RECORD, "provider", None) in found(three)


def test_a_record_in_another_agencys_log_is_named():
    three = provided()
    three.provider.agency = "hinata"
    assert (Name.DISAGREEMENT, "provider", "provider") in found(three)


def test_a_kind_that_a_party_does_not_write_is_named():
    three = provided()
    three.provider.append(step(K.PERMIT_ISSUED, 0, 9))
    assert (Name.UNEXPECTED_RECORD, None, None) in found(three)


def test_what_has_not_ended_is_open_and_no_finding():
    three = Three()
    three.held(0)
    three.permitted(1)
    three.inquirer.append(step(K.INQUIRY_REGISTERED, 2, 0))
    result = agree(three.exports())
    assert result.findings == ()
    assert result.open == 3


def test_an_inquiry_under_way_is_no_finding_when_said_so():
    three = Three()
    three.inquirer.append(step(K.INQUIRY_REGISTERED, 0, 0))
    three.core.append(step(K.PERMIT_ISSUED, 0, 1))
    assert found(three) == [(Name.MISSING_RECORD, "inquirer", "inquiry.permitted")]
    assert agree(three.exports(), open_after=START).clean
    assert not agree(three.exports(), open_after=START + timedelta(seconds=2)).clean


def test_an_answer_that_the_inquirer_gave_up_on_is_counted():
    three = Three()
    three.permitted(0)
    three.inquirer.append(step(K.INQUIRY_ABORTED, 0, 3))
    three.provider.append(step(K.PROVISION_MADE, 0, 4, disposition="provided"))
    three.core.append(step(K.PROVISION_RELAYED, 0, 5, disposition="provided"))
    result = agree(three.exports())
    assert result.findings == ()
    assert result.unreceived == 1


def test_a_hold_that_ran_out_agrees():
    three = Three()
    three.held(0)
    three.provider.append(step(K.PROVISION_EXPIRED, 0, 6))
    three.inquirer.append(step(K.INQUIRY_ABORTED, 0, 7))
    assert found(three) == []


def test_a_permit_presented_again_and_again_disturbs_nothing():
    three = Three()
    three.permitted(0)
    other = {"reason": "permit_of_another_party", "actor": "hinata"}
    three.core.append(step(K.PERMIT_REFUSED, 0, 2.5, permit_id="K" + "0" * 26, **other))
    three.core.append(step(K.PERMIT_REFUSED, 0, 2.6, permit_id="K" + "0" * 26, reason="permit_of_another_party"))
    three.outcome(0, K.PROVISION_MADE, K.INQUIRY_ANSWERED, disposition="provided")
    three.core.append(step(K.PERMIT_REFUSED, 0, 9, permit_id="K" + "0" * 26, reason="permit_used"))
    result = agree(three.exports())
    assert result.findings == ()
    assert (result.inquiries, result.compared) == (1, 1)


def test_a_permit_presented_too_late_ends_in_a_denial():
    three = Three()
    three.permitted(0)
    three.core.append(step(K.PERMIT_REFUSED, 0, 3, permit_id="K" + "0" * 26, reason="permit_expired"))
    three.inquirer.append(step(K.INQUIRY_DENIED, 0, 4, reason="permit_expired"))
    assert found(three) == []


PERMIT = "K" + "0" * 26


def refused_by_network(three: Three, *, by_core: str | None = PERMIT) -> None:
    """The inquirer's permit was refused when it was presented; `by_core`: the permit that the core's record names."""
    if by_core is not None:
        three.core.append(step(K.PERMIT_REFUSED, 0, 5, permit_id=by_core, reason="permit_expired"))
    three.inquirer.append(step(K.INQUIRY_REFUSED_BY_NETWORK, 0, 6, reason="permit_expired"))


def test_a_presented_permit_that_the_core_refused_agrees():
    three = Three()
    three.permitted(0)
    refused_by_network(three)
    result = agree(three.exports())
    assert result.findings == ()
    assert (result.compared, result.open, result.unreceived) == (1, 0, 0)


def test_a_refusal_by_the_network_agrees_whichever_record_is_older():
    three = Three()
    three.permitted(0)
    refused_by_network(three, by_core=None)
    three.core.append(step(K.PERMIT_REFUSED, 0, 7, permit_id=PERMIT, reason="permit_expired"))
    assert found(three) == []


def test_an_earlier_answer_that_the_core_could_not_record_is_unreceived():
    three = Three()
    three.permitted(0)
    three.provider.append(step(K.PROVISION_MADE, 0, 3, disposition="provided", sealed_digest=SEALED))
    refused_by_network(three)
    result = agree(three.exports())
    assert result.findings == ()
    assert result.unreceived == 1


@pytest.mark.parametrize("by_core", [None, "K" + "1" * 26])
def test_a_refusal_by_the_network_without_the_cores_record_is_named(by_core):
    three = Three()
    three.permitted(0)
    refused_by_network(three, by_core=by_core)
    assert (Name.MISSING_RECORD, "core", "permit.refused") in found(three)


def test_a_refusal_of_the_request_is_no_refusal_of_the_permit():
    three = Three()
    three.permitted(0)
    three.core.append(step(K.PERMIT_REFUSED, 0, 5, reason="not_listed"))
    refused_by_network(three, by_core=None)
    assert (Name.MISSING_RECORD, "core", "permit.refused") in found(three)


def test_an_answer_without_the_cores_record_is_named_when_the_core_did_not_refuse_either():
    three = Three()
    three.permitted(0)
    three.provider.append(step(K.PROVISION_MADE, 0, 3, disposition="provided", sealed_digest=SEALED))
    refused_by_network(three, by_core=None)
    assert (Name.MISSING_RECORD, "core", "provided") in found(three)


def test_a_refusal_by_the_network_of_what_was_never_permitted_is_named():
    three = Three()
    three.inquirer.append(step(K.INQUIRY_REGISTERED, 0, 0))
    refused_by_network(three)
    assert (Name.MISSING_RECORD, "inquirer", "inquiry.permitted") in found(three)


def test_a_providers_unsigned_refusal_is_the_networks_to_the_inquirer():
    three = Three()
    three.permitted(0)
    said = {"disposition": "refused", "reason": "permit_expired"}
    three.provider.append(step(K.PROVISION_REFUSED, 0, 3, **said))
    three.core.append(step(K.PROVISION_RELAYED, 0, 4, **said))
    refused_by_network(three, by_core=None)
    assert found(three) == []


def test_a_party_whose_log_was_not_given_is_not_missed():
    three = provided()
    result = agree([three.inquirer.export()])
    assert result.clean
    assert result.alone == 1


def test_a_refusal_at_the_desk_stands_alone():
    desk = Log("asahi", LogParty.LINKAGE)
    desk.append(step(K.INQUIRY_REFUSED, 99, 0, request_digest=None))
    desk.append(other_entry(id="a", at=START, kind=K.ACCESS_REFUSED))
    three = several()
    result = agree([desk.export(), *three.exports()])
    assert result.clean
    assert result.alone == 2


def test_an_unreadable_export_is_left_to_the_verifier():
    from evidence.verify import Export

    lines = several().core.lines()
    lines[3] = b'{"entry":\n'
    assert agree([Export("x", []), Export("y", [b"nothing\n"])]).clean
    assert agree([Export("core", lines)]).inquiries == 5
