"""LS-1.1, LS-2.1: a ward brings layouts of its own by options of its roles; a file that is wrong is refused with file, line and what to do."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

import pytest

from codebook.layouts import in_force
from gateway.data_folder import DataFolder
from gateway.linkage_server.file_layouts import (
    ADDRESSEE_COLUMNS,
    CHANGE_COLUMNS,
    FileLayoutsError,
    parse_file_layouts,
    read_file_layouts,
)
from gateway.own_files import OwnFileError, layouts_with_own
from storage.reference_data import read_layouts
from tests.gateway.linkage_server.test_business_information import ndjson
from tests.support.linkage_world import build, write_role
from tests.support.resident_files import person, put, through
from tests.support.review_world import until

SCHOOL = """\
layouts:
  - information: 就学援助関係情報
    code: TM00000000099001
    version: "0001"
    valid_from: 2020-04-01
    data_sets:
      - name: 就学援助の認定
        items:
          - {name: 認定区分, type: code, width: 1, required: true, codes: {"1": 認定, "2": 否認定}}
          - {name: 認定年月日, type: date, required: true, null_reasons: [NotApplicable]}
"""


def fields(columns: tuple[str, ...], width: int = 60) -> str:
    return "".join(f"    - {{name: {name}, width: {width}}}\n" for name in columns)


def own_fixed(*, of: str) -> str:
    """The columns of addressees in another order and width than ours, set apart by commas."""
    return f"{of}:\n  unit: bytes\n  separator: ','\n  fields:\n{fields(ADDRESSEE_COLUMNS[::-1])}"


def line_of(one: dict[str, str]) -> bytes:
    padded = [one[name].encode("cp932").ljust(60) for name in ADDRESSEE_COLUMNS[::-1]]
    return b",".join(padded) + b"\r\n"


@pytest.mark.parametrize("of", ["addressees", "juki/addressees"])
async def test_a_business_systems_own_fixed_width_file_is_read_by_its_own_layout(world, of):
    await world.register("juki", system="juki")
    (world.config.folder / "own.yaml").write_text(own_fixed(of=of), encoding="utf-8")
    shipped = read_file_layouts()["addressees"]
    ours = shipped.join([person(2)[one.name] for one in shipped.fields], "cp932", number=1)
    sent = {"juki": line_of(person(1, system="juki")), "kokuho": ours}
    results = {}
    async with world.served(file_layouts={"setagaya": "own.yaml"}):
        for system, data in sent.items():
            folder = put(
                world.config.spool, data, name="a.dat", count=1, system=system, encoding="cp932", form="fixed_width"
            )
            results[system] = (await through(folder, "a.dat")).splitlines()[1].split(",")[1:3]
    of_kokuho = ["issued", ""] if of == "juki/addressees" else ["rejected", "line_length"]
    assert results == {"juki": ["issued", ""], "kokuho": of_kokuho}


async def test_records_in_an_own_layout_go_from_a_file_to_the_copies(reviewed_ward):
    own = reviewed_ward.linkage.config.folder / "layouts.yaml"
    own.write_text(SCHOOL, encoding="utf-8")
    option = {"layouts": {"setagaya": str(own)}}
    reviewed_ward.intermediate = replace(reviewed_ward.intermediate, options=option)
    good = {
        "addressee_number": "0000000001", "record_id": "s1", "information": "就学援助関係情報", "data_set": "就学援助の認定",
        "public_from": "2026-04-01", "items": {"認定区分": {"value": "1"}, "認定年月日": {"value": "2026-04-01"}},
    }  # fmt: skip
    bad = good | {"record_id": "s2", "items": good["items"] | {"認定区分": {"value": "3"}}}
    async with reviewed_ward.standing(), reviewed_ward.served(**option):
        spool = reviewed_ward.spool
        await through(put(spool, line_in_ours(person(1)), name="a.dat", count=1, form="fixed_width"), "a.dat")
        folder = put(spool, ndjson([good, bad]), name="b.ndjson", count=2, channel="business-information")
        results = [line.split(",") for line in (await through(folder, "b.ndjson")).splitlines()[1:]]
        [copy] = await until(reviewed_ward.replicas, bool)
    assert results == [["1", "registered", "", ""], ["2", "rejected", "value_not_in_form", "認定区分"]]
    assert (copy["information"], copy["record_id"]) == ("就学援助関係情報", "kokuho/s1")


def line_in_ours(one: dict[str, str]) -> bytes:
    shipped = read_file_layouts()["addressees"]
    line = shipped.join([one[field.name] for field in shipped.fields], "utf-8", number=1)
    assert isinstance(line, bytes)
    return line


def test_a_version_of_ones_own_stands_before_ours_and_a_later_one_beside_it(tmp_path):
    ours = read_layouts()
    notice = next(one for one in ours if one.information == "お知らせ")
    text = SCHOOL.replace("就学援助関係情報", "お知らせ").replace("TM00000000099001", notice.code)
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    assert len(layouts_with_own(tmp_path / "own.yaml")) == len(ours)
    later = text.replace('"0001"', '"0002"').replace("2020-04-01", "2030-04-01")
    (tmp_path / "own.yaml").write_text(later, encoding="utf-8")
    both = layouts_with_own(tmp_path / "own.yaml")
    assert len(both) == len(ours) + 1
    assert in_force(both, "お知らせ", notice.valid_from) == notice


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SCHOOL.replace("type: date", "type: day"), r"own\.yaml:10: `type` takes: "),
        (SCHOOL.replace("TM00000000099001", "TM00000000090003"), r"own\.yaml:3: this `code` is another information's"),
        ("layouts: [", r"own\.yaml:1: this is not YAML"),
        ("\udcff", r"own\.yaml: the file of layouts cannot be read as UTF-8 text"),
    ],
)
def test_a_wrong_layout_of_business_information_is_refused_where_it_is_wrong(tmp_path, text, says):
    (tmp_path / "own.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(OwnFileError, match=says):
        layouts_with_own(tmp_path / "own.yaml")


GOOD = own_fixed(of="addressees")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- 1", r"own\.yaml:1: a key is a channel \(addressees, person-changes\)"),
        (GOOD.replace("addressees:", "sweets:"), r"own\.yaml:1: a key is a channel"),
        (GOOD.replace("addressees:", "Juki/addressees:"), r"own\.yaml:1: a key is a channel"),
        (GOOD + "person-changes: {unit: miles, fields: [1]}\n", r"own\.yaml:14: a layout is \{unit: bytes or"),
        (GOOD.replace("','", "'、'"), r"own\.yaml:2: a layout is "),
        (GOOD.replace("{name: address, width: 60}", "{name: address, width: 0}"), r"own\.yaml:6: a field is \{name, width: 1"),
        (GOOD.replace("name: address,", "name: adress,"), r"own\.yaml:6: this channel has no such column; its columns: address, "),
        (GOOD.replace("name: address,", "name: name,"), r"own\.yaml:10: this column stands above already"),
        (GOOD.replace("    - {name: address, width: 60}\n", ""), r"own\.yaml:1: columns of this channel are missing, add them: address"),
        (f"person-changes:\n  unit: bytes\n  fields:\n{fields(CHANGE_COLUMNS)}  fill: x\n", r"own\.yaml:2: a layout is "),
        ("addressees: 2026-13-01", r"own\.yaml:1: there is no such day"),
    ],
)  # fmt: skip
def test_a_wrong_fixed_width_layout_is_refused_where_it_is_wrong(text, says):
    with pytest.raises(FileLayoutsError, match=says):
        parse_file_layouts(text, "own.yaml")


@pytest.mark.parametrize(
    ("option", "text", "says"),
    [
        ("file_layouts", GOOD.replace("width: 60", "width: x", 1), "own.yaml:5: a field is {name, width"),
        ("layouts", SCHOOL.replace("width: 1,", "width: 0,"), "own.yaml:9: `width` is a count of characters"),
        ("affairs", "affairs: []\n", "affairs"),
    ],
)
async def test_a_server_does_not_start_with_a_wrong_file_and_says_so(tmp_path, linkage_cluster, option, text, says):
    data = DataFolder(tmp_path)
    folder = data.role("linkage")
    folder.mkdir(parents=True)
    world = await build(folder, linkage_cluster)
    await world.register()
    (folder / "own.yaml").write_text(text, encoding="utf-8")
    options = world.config.options | {"program": "linkage", option: {"setagaya": "own.yaml"}}
    write_role(replace(world, config=replace(world.config, options=options)), {})
    data.marker.touch()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "linkage", "--data", str(tmp_path), stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:  # it started all the same
            process.kill()
            await process.wait()
    assert process.returncode == 2
    assert "自機関のファイルが正しくありません" in said.decode()
    assert says in said.decode()
