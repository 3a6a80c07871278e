"""The signed register: windows of keys, its forms, and which one a running role takes."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.setting_up.succession import (
    ending_certificate,
    follow,
    with_certificate,
    with_keys,
    with_list_key,
    with_list_key_alone,
    with_lists,
    without_certificate,
)
from keys.masked import Secret
from keys.publisher import PublisherKeys
from keys.signing import Signer, generate_seed
from keys.windows import KeyWindow, PublicKeys
from transport.register import Register, RegisterBrokenError, build, sign_register
from transport.register_forms import present_form
from transport.register_root import root_now
from transport.standing_register import RegisterRefusal, StandingRegister

NOW = datetime(2026, 11, 29, 3, tzinfo=UTC)
DAY = timedelta(days=1)
ROOT = Signer(Secret(bytes(32)))
OLD_FORM = {
    "agencies": [{"id": "asahi", "code": "1" * 16, "name": "朝日市長", "kinds": ["市町村長"], "signing_key": "11" * 32, "assessed": True}],
    "certificates": [{"sha256": "aa" * 32, "agency": "asahi", "use": "intermediate", "name": "asahi"}],
    "logs": [{"origin": "sekisho.example/asahi/intermediate", "key": "22" * 32}],
    "permit_key": "33" * 32,
    "list_key": "44" * 32,
    "simulation": True,
    "delegations": [],
}  # fmt: skip
WANTED = {
    "agencies": [{"id": "asahi", "code": "1" * 16, "name": "朝日市長", "kinds": ["市町村長"], "signing_keys": ["11" * 32], "assessed": True}],
    "certificates": [{"sha256": "aa" * 32, "agency": "asahi", "use": "intermediate", "name": "asahi"}],
    "logs": [{"origin": "sekisho.example/asahi/intermediate", "keys": ["22" * 32]}],
    "permit_keys": ["33" * 32],
    "list_keys": ["44" * 32],
    "simulation": True,
    "delegations": [],
}  # fmt: skip
FIRST = follow(None, WANTED, NOW)


def test_a_register_of_the_form_before_is_read_as_one_whose_keys_have_no_end():
    register = Register.read(sign_register(OLD_FORM, ROOT), ROOT.public_key)
    assert register.sequence == 0
    assert register.agencies["asahi"].signing_keys == PublicKeys.of(bytes.fromhex("11" * 32))
    assert register.log_keys("sekisho.example/asahi/intermediate~2/2026") == PublicKeys.of(bytes.fromhex("22" * 32))
    assert register.permit_keys == PublicKeys.of(bytes.fromhex("33" * 32))


def test_set_up_follows_the_form_before_with_number_one_and_then_changes_nothing():
    migrated = follow(present_form(OLD_FORM), WANTED, NOW)
    assert migrated == FIRST
    assert migrated["sequence"] == 1
    assert follow(migrated, WANTED, NOW + DAY) == migrated


def assessed(before, said, now):
    agencies = [{**one, "assessed": said} for one in WANTED["agencies"]]
    return follow(before, {**WANTED, "agencies": agencies}, now)


def test_a_standing_under_article_28_is_dated_as_it_changes():
    """PL-6: who takes it away today judges nobody of yesterday by it; days that are said outright count as they are."""
    gone = assessed(FIRST, False, NOW)
    back = assessed(gone, True, NOW + 2 * DAY)
    asahi = build(back).agencies["asahi"]
    days = [NOW.date() + each * DAY for each in (-1, 0, 1, 2, 3)]
    assert [asahi.assessed_on(day) for day in days] == [True, False, False, True, True]
    assert assessed(back, True, NOW + 9 * DAY) == back
    assert assessed(assessed(back, False, NOW + 2 * DAY), False, NOW + 3 * DAY)["agencies"] == gone["agencies"]
    told = [{"valid_from": "2027-04-01", "valid_to": None}]
    outright = assessed(back, told, NOW)
    assert outright["agencies"][0]["assessed"] == told
    assert assessed(outright, False, NOW)["agencies"][0]["assessed"] == []


def test_a_register_that_dated_no_standing_is_read():
    undated = {**FIRST, "v": 3, "agencies": [{**one, "assessed": True} for one in FIRST["agencies"]]}
    assert build(undated) == build(FIRST)
    unmet = {**undated, "agencies": [{**one, "assessed": False} for one in FIRST["agencies"]]}
    assert build(unmet).agencies["asahi"].assessed == ()


def said_of_asahi(**changes):
    return {"agencies": [{**one, **changes} for one in FIRST["agencies"]]}


BROKEN = {
    "a standing without days": said_of_asahi(assessed=True),
    "a standing of the form before that is no yes or no": {"v": 3} | said_of_asahi(assessed=1),
    "days that end before they begin": said_of_asahi(assessed=[{"valid_from": "2026-01-02", "valid_to": "2026-01-01"}]),
    "another form": {"v": 5},
    "a number below zero": {"sequence": -1},
    "a field more": {"more": 1},
    "a key of another size": {"permit_keys": [{"key": "33" * 31, "valid_from": None, "valid_to": None}]},
    "capital letters": {"permit_keys": [{"key": "AB" * 32, "valid_from": None, "valid_to": None}]},
    "a time without its offset": {"permit_keys": [{"key": "33" * 32, "valid_from": "2026-11-29T03:00:00", "valid_to": None}]},
    "a window that is turned": {"permit_keys": [{"key": "33" * 32, "valid_from": "2026-11-30T03:00:00Z", "valid_to": "2026-11-29T03:00:00Z"}]},
    "a key twice": {"permit_keys": 2 * [{"key": "33" * 32, "valid_from": None, "valid_to": None}]},
    "an agency twice": {"agencies": 2 * FIRST["agencies"]},
    "a certificate twice": {"certificates": 2 * FIRST["certificates"]},
    "a publisher's key twice": {"list_keys": 2 * FIRST["list_keys"]},
    "a digest of another size": {"list_keys": [{"key": "44" * 32, "versions": ["ab" * 31]}]},
    "a log without a key": {"logs": [{"origin": "x", "keys": []}]},
    "a version of the list twice": {"lists": 2 * [{"number": 1, "content_digest": "55" * 32, "valid_from": "2026-11-29"}]},
    "a content digest of another size": {"lists": [{"number": 1, "content_digest": "55" * 31, "valid_from": "2026-11-29"}]},
    "a day that there is not": {"lists": [{"number": 1, "content_digest": "55" * 32, "valid_from": "2026-11-31"}]},
    "an unknown use": {"certificates": [{**FIRST["certificates"][0], "use": "anything"}]},
}  # fmt: skip


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_signed_register_with_any_mistake_is_refused_whole(change):
    assert build(FIRST).sequence == 1
    with pytest.raises(RegisterBrokenError):
        Register.read(sign_register({**FIRST, **change}, ROOT), ROOT.public_key)


def test_versions_of_the_list_are_named_and_none_is_forgotten():
    """One that was published last may begin before another one: of those whose day has come, the highest number counts."""
    named = [
        {"number": n, "content_digest": f"{n:02d}" * 32, "valid_from": day}
        for n, day in ((1, "2026-04-01"), (2, "2026-12-01"), (3, "2026-11-30"))
    ]
    first = follow(FIRST, {**WANTED, "lists": named[:2]}, NOW)
    more = with_lists(first, named[1:])
    assert (more["lists"], more["sequence"]) == (named, first["sequence"] + 1)
    assert with_lists(more, named) == more == follow(more, WANTED, NOW), "a data folder whose own file is older"
    register = build(more)
    due = {
        day: register.list_due(date.fromisoformat(day))
        for day in ("2026-03-31", "2026-11-29", "2026-11-30", "2026-12-02")
    }
    assert [one and one.number for one in due.values()] == [None, 1, 3, 3]
    assert build(FIRST).list_due(date(2026, 12, 2)) is None


def test_a_replaced_key_is_accepted_until_its_end_and_not_after_it():
    old, new = (Signer(generate_seed()) for _ in range(2))
    keys = PublicKeys((KeyWindow(key=old.public_key, valid_to=NOW), KeyWindow(key=new.public_key, valid_from=NOW)))
    signed = old.sign(b"label", b"message")
    assert keys.verify(b"label", b"message", signed, now=NOW)
    assert not keys.verify(b"label", b"message", signed, now=NOW + timedelta(seconds=1))
    assert keys.verify(b"label", b"message", new.sign(b"label", b"message"), now=NOW - DAY)


def test_what_tells_its_time_counts_between_both_ends():
    keys = PublicKeys((KeyWindow(key=b"old", valid_to=NOW + DAY), KeyWindow(key=b"new", valid_from=NOW)))
    slack = timedelta(minutes=1)
    assert keys.counted(NOW - DAY, slack) == (b"old",)
    assert keys.counted(NOW, slack) == (b"old", b"new")
    assert keys.counted(NOW + 2 * DAY, slack) == (b"new",)


def test_a_rotation_names_both_keys_then_ends_the_old_one_and_forgets_none():
    both = with_keys(FIRST, "signing", "asahi", ["11" * 32, "55" * 32], NOW)
    assert [one.valid_to for one in build(both).agencies["asahi"].signing_keys] == [None, None]
    done = with_keys(both, "signing", "asahi", ["55" * 32], NOW, DAY)
    assert [one.valid_to for one in build(done).agencies["asahi"].signing_keys] == [NOW + DAY, None]
    assert [one["sequence"] for one in (FIRST, both, done)] == [1, 2, 3]
    later = follow(
        done, {**WANTED, "agencies": [{**WANTED["agencies"][0], "signing_keys": ["55" * 32]}]}, NOW + 9 * DAY
    )
    assert later == done


def test_the_publishers_key_of_before_vouches_for_the_versions_that_the_register_names():
    both = with_list_key(FIRST, "66" * 32)
    assert [one.signed for one in build(both).list_keys.keys] == [None, None]
    done = with_list_key_alone(both, "66" * 32, {"44" * 32: ["ab" * 32], "66" * 32: []})
    assert [one.signed for one in build(done).list_keys.keys] == [frozenset({"ab" * 32}), None]
    assert [one["sequence"] for one in (FIRST, both, done)] == [1, 2, 3]
    assert follow(done, {**WANTED, "list_keys": ["66" * 32]}, NOW + DAY) == done
    assert with_list_key_alone(done, "66" * 32, {"66" * 32: ["cd" * 32]}) == done


def test_a_register_of_the_form_with_one_key_of_the_publisher_is_read_and_keeps_its_number():
    undated = [{**one, "assessed": True} for one in FIRST["agencies"]]
    before = {name: said for name, said in FIRST.items() if name != "list_keys"} | {
        "v": 2,
        "list_key": "44" * 32,
        "agencies": undated,
    }
    assert build({**before, "sequence": 7}) == replace(build(FIRST), sequence=7)
    assert build({**before, "list_key": ""}).list_keys == PublisherKeys(())
    assert follow(present_form({**before, "sequence": 7}), WANTED, NOW)["sequence"] == 7


def test_a_certificate_that_was_replaced_has_an_end_and_one_that_was_taken_out_is_out():
    new = [{**WANTED["certificates"][0], "sha256": "bb" * 32}]
    replaced = build(follow(FIRST, {**WANTED, "certificates": new}, NOW)).peers
    assert replaced[bytes.fromhex("aa" * 32)].valid_to == NOW + DAY
    assert not replaced[bytes.fromhex("aa" * 32)].accepted(NOW + DAY + timedelta(seconds=1))
    assert replaced[bytes.fromhex("bb" * 32)].valid_to is None
    assert build(follow(FIRST, {**WANTED, "certificates": []}, NOW)).peers == {}


def test_certificates_are_changed_one_by_one():
    two = with_certificate(FIRST, "bb" * 32, "asahi", "intermediate", "asahi")
    ended = ending_certificate(two, "aa" * 32, NOW)
    assert build(ended).peers[bytes.fromhex("aa" * 32)].valid_to == NOW + DAY
    assert list(build(without_certificate(ended, "aa" * 32)).peers) == [bytes.fromhex("bb" * 32)]


# --- which register a running role takes


@pytest.fixture
def standing(tmp_path):
    path = tmp_path / "register.json"
    path.write_bytes(sign_register({**FIRST, "sequence": 5}, ROOT))
    return path, StandingRegister(path, ROOT.public_key)


def put(path, body, signer=ROOT):
    part = path.with_suffix(".part")
    part.write_bytes(sign_register(body, signer))
    part.replace(path)


def test_a_higher_number_under_the_root_is_taken(standing):
    path, register = standing
    assert register.look() is None
    put(path, {**FIRST, "sequence": 6, "certificates": []})
    looked = register.look()
    assert (looked.sequence, looked.refusal) == (6, None)
    assert register().peers == {}


@pytest.mark.parametrize(
    ("change", "signer", "refusal"),
    [
        ({"sequence": 6}, Signer(generate_seed()), RegisterRefusal.SIGNATURE),
        ({"sequence": 4}, ROOT, RegisterRefusal.OLDER),
        ({"sequence": 5, "certificates": []}, ROOT, RegisterRefusal.FORKED),
        ({"sequence": 6, "more": 1}, ROOT, RegisterRefusal.MALFORMED),
    ],
)
def test_any_other_is_refused_once_and_the_old_one_stays(standing, change, signer, refusal):
    path, register = standing
    put(path, {**FIRST, **change}, signer)
    assert register.look().refusal is refusal
    assert register.look() is None
    assert register() == build({**FIRST, "sequence": 5})


def test_a_register_that_is_offered_is_kept_when_it_is_newer_and_the_roots(standing, tmp_path):
    path, register = standing
    newer = sign_register({**FIRST, "sequence": 6, "certificates": []}, ROOT)
    held = path.read_bytes()
    assert register.offered(held).refusal is None
    for wrong, refusal in (
        (sign_register({**FIRST, "sequence": 9}, Signer(generate_seed())), RegisterRefusal.SIGNATURE),
        (sign_register({**FIRST, "sequence": 4}, ROOT), RegisterRefusal.OLDER),
        (sign_register({**FIRST, "sequence": 9, "more": 1}, ROOT), RegisterRefusal.MALFORMED),
    ):
        assert register.offered(wrong).refusal is refusal
        assert (register().sequence, path.read_bytes(), register.signed) == (5, held, held)
    assert register.offered(newer).sequence == 6
    assert (register().sequence, path.read_bytes(), register.signed) == (6, newer, newer)
    assert register.look() is None
    assert StandingRegister(path, ROOT.public_key)().sequence == 6


# --- the owner's key is replaced


def under(sequence, *signers, root=None, number=2):
    """A register under these roots that names this one, if any."""
    named = {} if root is None else {"root": {"key": root.public_key.hex(), "number": number}}
    return sign_register({**FIRST, "sequence": sequence, **named}, *signers)


def test_is_8_whoever_has_taken_a_register_under_both_roots_trusts_the_new_one_alone(standing):
    path, register = standing
    new = Signer(generate_seed())
    assert register.offered(under(6, ROOT, new, root=new)).refusal is None
    assert register.offered(under(9, ROOT)).refusal is RegisterRefusal.SIGNATURE
    assert register.offered(under(7, new, root=new)).sequence == 7
    again = StandingRegister(path, ROOT.public_key)  # configured as before
    assert again().sequence == 7
    assert again.offered(under(9, ROOT)).refusal is RegisterRefusal.SIGNATURE
    assert again.offered(under(8, ROOT, new, root=new)).sequence == 8


def test_a_root_that_has_not_signed_the_register_that_names_it_is_not_followed(standing):
    _, register = standing
    stranger = Signer(generate_seed())
    assert register.offered(under(6, ROOT, root=stranger)).refusal is RegisterRefusal.SIGNATURE
    assert register.offered(under(6, ROOT)).sequence == 6


def test_a_late_comer_follows_over_two_roots_and_goes_on_after_a_third(standing):
    path, register = standing
    second, third = Signer(generate_seed()), Signer(generate_seed())
    assert register.offered(under(6, ROOT, second, root=second)).refusal is None
    assert register.offered(under(7, second, third, root=third, number=3)).refusal is None
    assert StandingRegister(path, ROOT.public_key)().root.number == 3
    assert root_now(path, second.public_key) == third.public_key
    data = under(7, ROOT, second, third, root=third, number=3)
    path.with_suffix(".root").unlink()
    path.write_bytes(data)
    assert StandingRegister(path, ROOT.public_key)().root.key == third.public_key
    assert root_now(path, ROOT.public_key) == third.public_key


def test_what_was_followed_and_cannot_be_read_is_told(standing):
    path, _ = standing
    path.with_suffix(".root").write_bytes(b"[]")
    with pytest.raises(RegisterBrokenError, match="followed"):
        StandingRegister(path, ROOT.public_key)


def test_a_register_that_is_gone_or_is_none_is_refused_and_the_old_one_stays(standing):
    path, register = standing
    path.unlink()
    assert register.look().refusal is RegisterRefusal.MISSING
    path.write_bytes(b"[" * 100_000)
    assert register.look().refusal is RegisterRefusal.SIGNATURE
    put(path, copy.deepcopy({**FIRST, "sequence": 7}))
    assert register.look().refusal is None
