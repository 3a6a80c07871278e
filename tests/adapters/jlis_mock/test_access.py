from __future__ import annotations

import msgspec
import pytest

from evidence.agreement import agree
from evidence.checkpoint import format_vkey
from evidence.export import EndLine, EntryLine, Header, read_line
from evidence.verify import Export, verify
from tests.adapters.jlis_mock.people import individual_number
from tests.adapters.jlis_mock.surroundings import Surroundings
from tests.adapters.jlis_mock.wishes import acquire, permitted
from transport.channel import RefusedByPeerError

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def export(around: Surroundings) -> list[bytes]:
    async with around.session("network-staff").get(f"{around.url}/log") as response:
        assert response.status == 200
        return (await response.read()).splitlines(keepends=True)


async def exported(around: Surroundings) -> list[object]:
    return [read_line(line) for line in await export(around)]


async def test_a_certificate_that_is_not_registered_is_refused_and_recorded(around: Surroundings) -> None:
    with pytest.raises(RefusedByPeerError) as refusal:
        await around.items("unregistered", f"{around.url}/permits", [])
    assert refusal.value.reason == "certificate_not_registered"
    entries = [msgspec.json.decode(line.entry) for line in await exported(around) if isinstance(line, EntryLine)]
    assert (entries[-1]["kind"], entries[-1]["reason"]) == ("access.refused", "certificate_not_registered")
    assert entries[-1]["facts"]["path"] == "/permits"


@pytest.mark.parametrize("who", ["setagaya", "suginami-staff", "resident-staff", "network"])
async def test_only_staff_of_the_network_reads_its_log_and_sets_its_faults(around: Surroundings, who: str) -> None:
    for path in ("control", "log/search"):
        with pytest.raises(RefusedByPeerError) as refusal:
            await around.call(who, f"{around.url}/{path}", {"items": []})
        assert refusal.value.reason == "certificate_for_another_use"
    async with around.session(who).get(f"{around.url}/log") as response:
        assert response.status == 403


async def test_the_export_has_a_header_all_entries_and_an_end(around: Surroundings) -> None:
    lines = await exported(around)
    header = lines[0]
    assert isinstance(header, Header)
    assert isinstance(lines[-1], EndLine)
    assert [line.index for line in lines if isinstance(line, EntryLine)] == list(range(header.size))


async def test_the_export_of_the_core_verifies_and_agrees_with_itself(around: Surroundings) -> None:
    signed, token = await permitted(around)
    await around.peer("setagaya").present(token, signed)
    [key] = next(iter(around.register.logs.values())).all()
    lines = await export(around)
    header = read_line(lines[0])
    assert isinstance(header, Header)
    checked = Export("core", lines)
    assert verify([checked], {header.origin: format_vkey(header.origin, key)}).findings == ()
    # of this inquiry: other tests of this session make the core say things twice
    assert [one for one in agree([checked]).findings if one.inquiry_number == signed.inquiry_number] == []


async def test_a_flipped_entry_of_the_core_is_found(around: Surroundings) -> None:
    lines = await export(around)
    at = next(index for index, line in enumerate(lines) if b"permit.issued" in line)
    lines[at] = lines[at].replace(b"permit.issued", b"permit.refused")
    assert verify([Export("core", lines)]).findings


async def test_no_personal_number_reaches_the_log(around: Surroundings) -> None:
    await acquire(around, "setagaya", 21)
    data = b"".join(await export(around))
    assert individual_number(21).encode() not in data
    assert b"codes.issued" in data


async def test_an_unknown_switch_changes_nothing(around: Surroundings) -> None:
    before = await around.control()
    with pytest.raises(RefusedByPeerError):
        await around.control(no_such_switch=1)
    assert await around.control() == before
